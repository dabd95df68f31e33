//! What `demo` shows at its end: a picture of the test cases, and a page with it and the scores.

mod page;
mod picture;

pub(crate) use page::{Page, write};
pub(crate) use picture::draw;
