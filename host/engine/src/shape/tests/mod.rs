//! Tables of good and bad calls, one file a family; and networks and losses traced.

mod elementwise;
mod index;
mod layout;
mod loss;
mod network;
mod reduce;
mod robust;
mod trace;
mod window;

use super::{Info, infer};
use plugin_api::{DType, ErrorKind, Op};

fn float(shape: &[usize]) -> Info {
    Info::new(shape, DType::Float)
}

fn int(shape: &[usize]) -> Info {
    Info::new(shape, DType::Int)
}

fn bool(shape: &[usize]) -> Info {
    Info::new(shape, DType::Bool)
}

/// Operation, inputs, integers, floats, and what comes of it.
type Row<'a, T> = (Op, &'a [Info], &'a [i64], &'a [f64], T);

/// Calls with the one result that they give.
fn good(table: &[Row<'_, Info>]) {
    for (op, inputs, ints, floats, wanted) in table {
        let found = infer(*op, inputs, ints, floats);
        assert_eq!(found.as_deref(), Ok(std::slice::from_ref(wanted)), "{op:?} {inputs:?} {ints:?} {floats:?}");
    }
}

/// Calls with the sentence that refuses them.
fn bad(table: &[Row<'_, &str>]) {
    for (op, inputs, ints, floats, wanted) in table {
        let error = infer(*op, inputs, ints, floats).expect_err(&format!("{op:?} {inputs:?} {ints:?} {floats:?} passes"));
        assert_eq!(error.message(), *wanted, "{op:?} {inputs:?} {ints:?} {floats:?}");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}
