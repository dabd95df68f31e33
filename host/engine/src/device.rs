//! Where tensors live, and how precisely it multiplies: the processor, or a CUDA device, chosen at run time.

use crate::error::{Error, Result};
use crate::kernels;
use burn::backend::{Dispatch, DispatchDevice, get_device_settings};
use burn::tensor::{BoolDType, Device as BurnDevice};

/// What convolutions, transposed convolutions and matrix products multiply, there and back. Their sums and all else (weights, norms, losses,
/// optimizers) are f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// f32.
    F32,
    /// bf16. On the processor where it has instructions for that and they are faster, else f32.
    Mixed,
}

impl Precision {
    /// The name, as `debug.json` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::Mixed => "mixed",
        }
    }
}

/// A device by the names that `-device` takes, and its precision: as in nnU-Net mixed on CUDA, f32 on the processor, unless it is told otherwise.
#[derive(Clone)]
pub struct Device {
    raw: DispatchDevice,
    name: String,
    precision: Precision,
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

impl Device {
    /// The processor.
    pub fn cpu() -> Self {
        Device { raw: BurnDevice::flex().as_dispatch().clone(), name: "cpu".into(), precision: Precision::F32 }
    }

    /// `cpu`, `cuda`, `cuda:N`, or `auto` (CUDA where there is a device, else the processor).
    ///
    /// # Errors
    /// The name is unknown, or there is no such device; the error says what is missing.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "cpu" => Ok(Self::cpu()),
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
        Ok(Device { raw: BurnDevice::cuda(index).as_dispatch().clone(), name: format!("cuda:{index}"), precision: Precision::Mixed })
    }

    #[cfg(not(feature = "cuda"))]
    fn cuda(_index: usize) -> Result<Self> {
        Err(Error::Device("this binary was built without CUDA; use -device cpu, or a release archive (built with --features cuda)".into()))
    }

    /// The name, e.g. `cuda:0`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same device with another precision; a processor that cannot multiply bf16 stays with f32.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        let precision = if self.is_cpu() && !kernels::multiplies_bf16() { Precision::F32 } else { precision };
        Device { precision, ..self }
    }

    /// How precisely it multiplies.
    pub fn precision(&self) -> Precision {
        self.precision
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
