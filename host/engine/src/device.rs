//! Where tensors live, and how precisely it multiplies: the processor, or GPUs, chosen at run time.

use crate::error::{Error, Result};
#[cfg(feature = "gpu")]
use crate::gpu;
use crate::kernels;
use burn::backend::{Backend, Dispatch, DispatchDevice, get_device_settings};
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
    recomputes: bool,
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

impl Device {
    /// The processor.
    pub fn cpu() -> Self {
        Device { raw: BurnDevice::flex().as_dispatch().clone(), name: "cpu".into(), precision: Precision::F32, recomputes: false }
    }

    /// The processor as a GPU is used: by Burn's operations, without our kernels. Slow; `selftest` holds the way of a GPU against the kernels with it.
    fn flex() -> Self {
        Device { name: "flex".into(), ..Self::cpu() }
    }

    /// `cpu`, `cuda`, `cuda:N`, or `auto` (CUDA where there is a device, else the processor). For checks also `flex` and `wgpu`.
    ///
    /// # Errors
    /// The name is unknown, or there is no such device; the error says what is missing.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "cpu" => Ok(Self::cpu()),
            "flex" => Ok(Self::flex()),
            "auto" => Ok(Self::cuda(0).unwrap_or_else(|_| Self::cpu())),
            "cuda" => Self::cuda(0),
            "wgpu" => Self::wgpu(),
            "mps" => Err(Error::Device("mps is not supported; -device takes cpu, cuda, cuda:N or auto".into())),
            other => match other.strip_prefix("cuda:").map(str::parse) {
                Some(Ok(index)) => Self::cuda(index),
                _ => Err(Error::Device(format!("device {other} is unknown; -device takes cpu, cuda, cuda:N or auto"))),
            },
        }
    }

    #[cfg(feature = "cuda")]
    fn cuda(index: usize) -> Result<Self> {
        gpu::keep();
        let found = gpu::count(burn::tensor::DeviceType::Cuda);
        if found == 0 {
            return Err(Error::Device(
                "no CUDA device was found: the NVIDIA driver (libcuda.so.1) is missing or shows no GPU; install the driver and NVRTC, or use -device cpu"
                    .into(),
            ));
        }
        if index >= found {
            return Err(Error::Device(format!("cuda:{index} does not exist: {found} CUDA device(s) found, numbered from 0")));
        }
        Ok(Device {
            raw: BurnDevice::cuda(index).as_dispatch().clone(),
            name: format!("cuda:{index}"),
            precision: Precision::Mixed,
            recomputes: false,
        })
    }

    #[cfg(not(feature = "cuda"))]
    fn cuda(_index: usize) -> Result<Self> {
        Err(Error::Device("this binary was built without CUDA; use -device cpu, or build it with `--features host/cuda` (docs/gpu.md)".into()))
    }

    /// The first GPU that Vulkan shows; Mesa's software one (lavapipe) where there is no other.
    #[cfg(feature = "wgpu")]
    fn wgpu() -> Result<Self> {
        gpu::keep();
        if gpu::count(burn::tensor::DeviceType::Wgpu) == 0 {
            return Err(Error::Device("Vulkan shows no GPU; install a driver, or mesa-vulkan-drivers for one in software".into()));
        }
        let device = BurnDevice::wgpu(burn::tensor::DeviceKind::DefaultDevice);
        Ok(Device { raw: device.as_dispatch().clone(), name: "wgpu".into(), precision: Precision::F32, recomputes: false })
    }

    #[cfg(not(feature = "wgpu"))]
    fn wgpu() -> Result<Self> {
        Err(Error::Device("this binary was built without wgpu, which is for checks of GPU kernels (--features host/wgpu); use -device cpu".into()))
    }

    /// The name, e.g. `cuda:0`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same device with another precision; one that cannot multiply bf16 stays with f32.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        let only_f32 = (self.is_cpu() && !kernels::multiplies_bf16()) || self.name == "wgpu";
        let precision = if only_f32 { Precision::F32 } else { precision };
        Device { precision, ..self }
    }

    /// How precisely it multiplies.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The same device, on which a training keeps no activation that a pass over memory gives again (those behind norms, and what joins them), but computes it once
    /// more on the way back: a quarter less memory for a few per cent of the time, and the same numbers. On the processor; elsewhere it changes nothing.
    #[must_use]
    pub fn recomputing(self, recomputes: bool) -> Self {
        Device { recomputes, ..self }
    }

    /// See [`Device::recomputing`].
    pub fn recomputes(&self) -> bool {
        self.recomputes && self.is_cpu()
    }

    /// Whether this is the processor, or a part of it.
    pub fn is_cpu(&self) -> bool {
        self.name.starts_with("cpu")
    }

    /// Bytes of a GPU's memory that this program holds, those for later use too; none on the processor.
    pub fn held(&self) -> Option<u64> {
        Dispatch::memory_pool_usage(&self.raw).map(|usage| usage.bytes_reserved)
    }

    /// Whether it is a GPU, which runs the kernels in `gpu`.
    #[cfg(feature = "gpu")]
    pub(crate) fn is_gpu(&self) -> bool {
        !self.is_cpu() && self.name != "flex"
    }

    pub(crate) fn raw(&self) -> &DispatchDevice {
        &self.raw
    }

    pub(crate) fn bool_dtype(&self) -> BoolDType {
        get_device_settings::<Dispatch>(&self.raw).bool_dtype
    }
}

/// The devices of one training. The first leads: the loss is computed there, and the optimizer takes its step there.
#[derive(Clone, Debug)]
pub struct Devices {
    lead: Device,
    others: Vec<Device>,
}

impl From<Device> for Devices {
    fn from(lead: Device) -> Self {
        Devices { lead, others: vec![] }
    }
}

impl Devices {
    /// One device as [`Device::parse`] has it, or several of a kind: with `cuda` the first `count` of those that are visible, with `cpu` so many
    /// parts of the processor (`cpu:0`, `cpu:1` ...), which share its threads and its memory, with `auto` CUDA devices where there are any.
    ///
    /// # Errors
    /// There are not so many, or `name` is that of a single one.
    pub fn parse(name: &str, count: usize) -> Result<Self> {
        let one = Device::parse(name)?;
        if count <= 1 {
            return Ok(one.into());
        }
        let device = |index: usize| match name {
            "cpu" | "auto" if one.is_cpu() => Ok(Device { name: format!("cpu:{index}"), ..one.clone() }),
            "cuda" | "auto" => Device::cuda(index).map_err(|e| Error::Device(format!("{count} devices are asked for: {e}"))),
            _ => Err(Error::Device(format!(
                "{count} devices are asked for, and {name} is a single one; say -device cuda, and which ones with CUDA_VISIBLE_DEVICES"
            ))),
        };
        Ok(Devices { lead: device(0)?, others: (1..count).map(device).collect::<Result<_>>()? })
    }

    /// All CUDA devices that are visible.
    ///
    /// # Errors
    /// There is none.
    pub fn all_cuda() -> Result<Self> {
        let lead = Device::cuda(0)?;
        Ok(Devices { lead, others: (1..).map_while(|index| Device::cuda(index).ok()).collect() })
    }

    /// The same devices with another precision: see [`Device::with_precision`].
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        self.each(|device| device.with_precision(precision))
    }

    /// See [`Device::recomputing`].
    #[must_use]
    pub fn recomputing(self, recomputes: bool) -> Self {
        self.each(|device| device.recomputing(recomputes))
    }

    fn each(self, with: impl Fn(Device) -> Device) -> Self {
        Devices { lead: with(self.lead), others: self.others.into_iter().map(with).collect() }
    }

    /// The first.
    pub fn lead(&self) -> &Device {
        &self.lead
    }

    /// The rest.
    pub fn others(&self) -> &[Device] {
        &self.others
    }

    /// Makes the calling thread one of those that share the work of the processor's kernels, where that is the only device: no operation waits any more until a
    /// thread has woken up. For a thread that does little else, before anything has run in parallel: what other threads share out has one thread less
    /// while this one waits. It changes nothing where there is one thread for all, or the threads are there already.
    pub fn compute_here(&self) {
        let asked = std::env::var("RAYON_NUM_THREADS").ok().and_then(|n| n.trim().parse::<usize>().ok()).filter(|&n| n > 0);
        let threads = asked.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
        if threads > 1 && self.count() == 1 && self.lead().is_cpu() {
            let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).use_current_thread().build_global();
        }
    }

    /// How many they are, one at least.
    pub fn count(&self) -> usize {
        1 + self.others.len()
    }

    /// Their names.
    pub fn names(&self) -> Vec<&str> {
        std::iter::once(&self.lead).chain(&self.others).map(Device::name).collect()
    }
}
