//! Where tensors live: the processor, or a CUDA device, chosen at run time.

use crate::error::{Error, Result};
use burn::backend::{Dispatch, DispatchDevice, get_device_settings};
use burn::tensor::{BoolDType, Device as BurnDevice};

/// A device by the names that `-device` takes.
#[derive(Clone)]
pub struct Device {
    raw: DispatchDevice,
    name: String,
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

impl Device {
    /// The processor.
    pub fn cpu() -> Self {
        Device { raw: BurnDevice::flex().as_dispatch().clone(), name: "cpu".into() }
    }

    /// The processor as a GPU is used: by Burn's operations, without our kernels. Slow; `selftest` holds the way of a GPU against the kernels with it.
    fn flex() -> Self {
        Device { name: "flex".into(), ..Self::cpu() }
    }

    /// `cpu`, `cuda`, `cuda:N`, or `auto` (CUDA where there is a device, else the processor).
    ///
    /// # Errors
    /// The name is unknown, or there is no such device; the error says what is missing.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "cpu" => Ok(Self::cpu()),
            "flex" => Ok(Self::flex()),
            "auto" => Ok(Self::cuda(0).unwrap_or_else(|_| Self::cpu())),
            "cuda" => Self::cuda(0),
            "mps" => Err(Error::Device("mps is not supported; -device takes cpu, cuda, cuda:N or auto".into())),
            other => match other.strip_prefix("cuda:").map(str::parse) {
                Some(Ok(index)) => Self::cuda(index),
                _ => Err(Error::Device(format!("device {other} is unknown; -device takes cpu, cuda, cuda:N or auto"))),
            },
        }
    }

    #[cfg(feature = "cuda")]
    fn cuda(index: usize) -> Result<Self> {
        crate::cuda::available().map_err(Error::Device)?;
        let found = crate::cuda::count();
        if index >= found {
            return Err(Error::Device(format!("cuda:{index} does not exist: {found} CUDA device(s) found, numbered from 0")));
        }
        Ok(Device { raw: BurnDevice::cuda(index).as_dispatch().clone(), name: format!("cuda:{index}") })
    }

    #[cfg(not(feature = "cuda"))]
    fn cuda(_index: usize) -> Result<Self> {
        Err(Error::Device("this binary was built without CUDA; use -device cpu, or a release archive (built with --features cuda)".into()))
    }

    /// The name, e.g. `cuda:0`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether this is the processor.
    pub fn is_cpu(&self) -> bool {
        self.name == "cpu"
    }

    pub(crate) fn raw(&self) -> &DispatchDevice {
        &self.raw
    }

    pub(crate) fn bool_dtype(&self) -> BoolDType {
        get_device_settings::<Dispatch>(&self.raw).bool_dtype
    }
}
