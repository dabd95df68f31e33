//! Which CUDA devices there are. Asking first matters: opening a device that is not there ends a worker thread of the runtime.

use burn::tensor::{Device, DeviceType};

/// Devices that the driver shows; 0 where there is no driver.
pub(crate) fn count() -> usize {
    std::panic::catch_unwind(|| Device::enumerate(DeviceType::Cuda).into_iter().count()).unwrap_or(0)
}

/// Why CUDA cannot be used, in one sentence.
pub(crate) fn available() -> Result<(), String> {
    if count() > 0 {
        return Ok(());
    }
    Err("no CUDA device was found: the NVIDIA driver (libcuda.so.1) is missing or shows no GPU; install the driver and NVRTC, or use -device cpu"
        .into())
}
