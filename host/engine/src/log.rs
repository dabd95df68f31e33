//! Lines that components write.

use tracing::{debug, error, info, trace, warn};

pub(crate) fn forward(level: u32, message: &str) {
    match level {
        0 => error!("{message}"),
        1 => warn!("{message}"),
        2 => info!("{message}"),
        3 => debug!("{message}"),
        _ => trace!("{message}"),
    }
}
