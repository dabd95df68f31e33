//! How many threads make batches.

use crate::error::{Error, Result};

/// nnU-Net's variable.
const VARIABLE: &str = "nnUNet_n_proc_DA";
/// Without the variable there are no more than this for each device.
const USUAL: usize = 12;

/// The threads of a training loader: `nnUNet_n_proc_DA`, or one for each core up to 12 for each of the devices that share a batch. 0 means that
/// batches are made when they are asked for. A validation loader takes half.
///
/// # Errors
/// The variable is no whole number.
pub fn worker_threads(devices: usize) -> Result<usize> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    match std::env::var(VARIABLE) {
        Ok(text) => worker_threads_from(Some(&text), cores, devices),
        Err(std::env::VarError::NotPresent) => worker_threads_from(None, cores, devices),
        Err(error) => Err(Error::invalid(format!("{VARIABLE}: {error}"))),
    }
}

/// [`worker_threads`] with the variable's value and the number of cores given.
///
/// # Errors
/// The value is no whole number.
pub fn worker_threads_from(value: Option<&str>, cores: usize, devices: usize) -> Result<usize> {
    let Some(text) = value else { return Ok(cores.min(USUAL * devices)) };
    let wanted = "wanted a whole number of threads, 0 for none besides the training's own";
    text.trim().parse().map_err(|_| Error::invalid(format!("{VARIABLE} is {text:?}, {wanted}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_decides_and_nonsense_is_refused() {
        assert_eq!(worker_threads_from(None, 2, 1).unwrap(), 2);
        assert_eq!(worker_threads_from(None, 64, 1).unwrap(), 12);
        assert_eq!(worker_threads_from(None, 64, 4).unwrap(), 48);
        assert_eq!(worker_threads_from(Some("0"), 64, 4).unwrap(), 0);
        assert_eq!(worker_threads_from(Some(" 30 "), 2, 1).unwrap(), 30);
        assert!(worker_threads_from(Some("-1"), 2, 1).unwrap_err().to_string().contains("nnUNet_n_proc_DA is \"-1\""));
    }
}
