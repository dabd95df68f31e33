//! The names of CubeCL's LLVM backend that its CUDA crate mentions, without LLVM.
//!
//! CUDA kernels go through CubeCL's C++ compiler and NVRTC (feature `cuda-cpp`); nothing here is ever run.

use cubecl_core::prelude::KernelDefinition;
use cubecl_runtime::{
    compiler::{CompilationError, Compiler},
    kernel::BufferIOAttr,
};
use std::fmt;

/// What LLVM would compile for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LlvmTarget {
    /// a processor
    #[default]
    Cpu,
    /// NVIDIA's virtual assembly
    Nvptx,
}

/// An AMD architecture.
#[derive(Clone, Copy, Debug)]
pub struct GfxArch;

/// Settings of the compiler.
#[derive(Clone, Debug, Default)]
pub struct PlironOptions {
    /// alignment of buffers
    pub cpu_buffer_alignment: Option<u32>,
    /// AMD architecture
    pub arch: Option<GfxArch>,
    /// NVIDIA architecture
    pub sm_arch: Option<cubecl_core::ir::nvidia::SmArch>,
    /// version of the virtual assembly
    pub ptx_version: Option<nvptx::ptx_version::PtxVersion>,
    /// constants passed by grid
    pub grid_constants: bool,
}

/// A compiled module.
#[derive(Clone, Debug)]
pub struct NvptxModule {
    /// the assembly
    pub ptx: Vec<core::ffi::c_char>,
    /// the kernel's name
    pub entrypoint: String,
    /// the intermediate form
    pub ir: String,
    /// bytes
    pub shared_memory_size: usize,
    /// buffers in and out
    pub io: Vec<BufferIOAttr>,
}

/// What a compilation gives.
#[derive(Clone, Debug)]
pub enum PlironArtifact {
    /// for NVIDIA
    NvptxCode(NvptxModule),
    /// anything else
    Other,
}

impl fmt::Display for PlironArtifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// The compiler that is not here.
#[derive(Clone, Debug, Default)]
pub struct PlironCompiler {
    /// what it would compile for
    pub target: LlvmTarget,
}

impl Compiler for PlironCompiler {
    type Representation = PlironArtifact;
    type CompilationOptions = PlironOptions;

    fn compile(&mut self, _kernel: KernelDefinition, _options: &PlironOptions) -> Result<PlironArtifact, CompilationError> {
        panic!("this build has no LLVM; kernels go through the feature cuda-cpp")
    }

    fn extension(&self) -> &'static str {
        "ll"
    }

    fn lang_tag(&self) -> &'static str {
        "llvm"
    }
}

/// NVIDIA's virtual assembly.
pub mod nvptx {
    /// Its versions.
    pub mod ptx_version {
        use std::fmt;

        /// A version.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct PtxVersion(u32);

        impl PtxVersion {
            /// The version for a driver; unknown here.
            pub fn for_driver(_driver: i32) -> Option<Self> {
                None
            }
        }

        impl fmt::Display for PtxVersion {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "ptx{}", self.0)
            }
        }
    }
}

/// What backends share.
pub mod shared {
    /// Features after lowering.
    pub mod lowered_features {
        /// Kinds of GPU.
        pub enum GpuTarget {
            /// NVIDIA
            Nvptx,
        }

        /// Restricts nothing.
        pub fn restrict_features(_properties: &mut cubecl_core::ir::DeviceProperties, _target: GpuTarget) {}
    }
}
