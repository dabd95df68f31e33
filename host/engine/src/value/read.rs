//! Values copied from their device, and what is said where that fails: what a device was asked to do it does when it comes to it, so that a read
//! is where a failure shows.

use super::{D, Value};
use burn::backend::{Backend, DispatchDevice, DispatchTensor, TensorMetadata, ops::*};
use burn::tensor::{ExecutionError, TensorData};
use plugin_api::{DType, Error, Result};

impl Value {
    /// Copies the values to f32, by way of the device.
    pub(super) fn copied(&self) -> Result<Vec<f32>> {
        let data = read(self.raw(), self.dtype)?;
        data.convert::<f32>().try_into_vec::<f32>().map_err(|e| Error::new(format!("values cannot be read: {e:?}")))
    }

    /// Copies whole numbers to the CPU.
    pub(crate) fn to_ints(&self) -> Result<Vec<i32>> {
        let data = read(self.raw(), DType::Int)?;
        data.convert::<i32>().try_into_vec::<i32>().map_err(|e| Error::new(format!("values cannot be read: {e:?}")))
    }
}

fn read(raw: DispatchTensor, dtype: DType) -> Result<TensorData> {
    let device = raw.device();
    let outcome = match dtype {
        DType::Int => burn::tensor::try_read_sync(D::int_into_data(raw)),
        DType::Bool => burn::tensor::try_read_sync(D::bool_into_data(raw)),
        _ => burn::tensor::try_read_sync(D::float_into_data(raw)),
    };
    outcome.ok_or_else(|| Error::new("the device cannot be read synchronously"))?.map_err(|error| failed(&error, &device))
}

/// What a device's failure is called. Where memory is missing, how much, how much there is, and what helps.
fn failed(error: &ExecutionError, device: &DispatchDevice) -> Error {
    let text = error.to_string();
    let Some(asked) = memory_asked(&text) else {
        return Error::new(format!("the device failed: {text}"));
    };
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    let taken = match D::memory_pool_usage(device) {
        Some(usage) => {
            format!(", beside {:.2} GiB that this program holds there ({:.2} GiB of it in use)", gib(usage.bytes_reserved), gib(usage.bytes_in_use))
        }
        None => String::new(),
    };
    Error::new(format!(
        "the device has no {:.2} GiB of memory left that were asked for{taken}; lower batch_size or patch_size in the plans, plan anew with \
         -gpu_memory_target, or end what else runs on the device",
        gib(asked)
    ))
}

/// How many bytes were asked for, where the text is that of an allocation that failed.
fn memory_asked(text: &str) -> Option<u64> {
    let (_, rest) =
        ["out of device memory allocating ", "can't allocate buffer of size: ", "Can't allocate "].iter().find_map(|start| text.split_once(start))?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_memory_is_told_from_other_failures() {
        let reason = "An error happened during execution\nCaused by:\n  out of device memory allocating 3221225472 bytes\n  at alloc".to_string();
        let device = crate::device::Device::cpu();
        let missing = failed(&ExecutionError::WithContext { reason }, device.raw()).to_string();
        assert!(
            missing.starts_with("the device has no 3.00 GiB of memory left that were asked for") && missing.contains("-gpu_memory_target"),
            "{missing}"
        );
        let other = failed(&ExecutionError::WithContext { reason: "an illegal address".into() }, device.raw()).to_string();
        assert!(other.starts_with("the device failed: ") && other.contains("an illegal address") && !other.contains("GiB"), "{other}");
    }
}
