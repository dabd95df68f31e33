//! Types with a stable layout.

use abi_stable::{
    StableAbi, sabi_trait,
    sabi_types::VersionStrings,
    std_types::{RBox, ROption, RResult, RSlice, RSliceMut, RStr, RString, RVec},
};

#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct AbiError {
    pub kind: u32,
    pub message: RString,
    pub at: RString,
}
pub type AbiResult<T> = RResult<T, AbiError>;

/// Opaque to the plugin; only ever handed back to the host.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy)]
pub struct Ctx(pub *const ());

#[repr(C)]
#[derive(StableAbi, Clone)]
pub struct AbiInfo {
    pub shape: RVec<u64>,
    pub dtype: u32,
}

/// Host to plugin. Frozen within a major but for appended optional functions.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = HostTableRef, prefix_fields = HostTablePrefix)))]
#[sabi(missing_field(panic))]
pub struct HostTable {
    pub emit: extern "C" fn(Ctx, u32, RSlice<'_, u64>, RSlice<'_, i64>, RSlice<'_, f64>) -> AbiResult<RVec<u64>>,
    pub release: extern "C" fn(Ctx, u64),
    pub describe: extern "C" fn(Ctx, u64) -> AbiResult<AbiInfo>,
    pub read: extern "C" fn(Ctx, u64) -> AbiResult<RVec<f32>>,
    pub upload_f32: extern "C" fn(Ctx, RSlice<'_, u64>, RSlice<'_, f32>) -> AbiResult<u64>,
    pub upload_i32: extern "C" fn(Ctx, RSlice<'_, u64>, RSlice<'_, i32>) -> AbiResult<u64>,
    pub parameter: extern "C" fn(Ctx, RStr<'_>, RSlice<'_, u64>, RStr<'_>, bool) -> AbiResult<u64>,
    pub custom: extern "C" fn(Ctx, CustomBox, RSlice<'_, u64>) -> AbiResult<u64>,
    pub query: extern "C" fn(Ctx, RStr<'_>) -> ROption<RString>,
    #[sabi(last_prefix_field)]
    pub log: extern "C" fn(Ctx, u32, RStr<'_>),
}

#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct HostRef {
    pub table: HostTableRef,
    pub ctx: Ctx,
}

#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct View<'a> {
    pub shape: RSlice<'a, u64>,
    pub data: RSlice<'a, f32>,
}

#[repr(C)]
#[derive(StableAbi)]
pub struct ViewMut<'a> {
    pub shape: RSlice<'a, u64>,
    pub data: RSliceMut<'a, f32>,
}

/// An op of the plugin's own, run on CPU buffers.
#[sabi_trait]
pub trait AbiCustom: Send + Sync {
    fn name(&self) -> RString;
    fn out_shape(&self, inputs: RSlice<'_, RVec<u64>>) -> AbiResult<RVec<u64>>;
    fn forward(&self, inputs: RSlice<'_, View<'_>>, out: ViewMut<'_>) -> AbiResult<()>;
    #[sabi(last_prefix_field)]
    fn backward(&self, inputs: RSlice<'_, View<'_>>, out: View<'_>, out_grad: View<'_>, grads: RSliceMut<'_, ViewMut<'_>>) -> AbiResult<()>;
}
pub type CustomBox = AbiCustom_TO<'static, RBox<()>>;

#[sabi_trait]
pub trait AbiNetwork: Send + Sync {
    #[sabi(last_prefix_field)]
    fn forward(&self, host: HostRef, x: u64) -> AbiResult<RVec<u64>>;
}
pub type NetworkBox = AbiNetwork_TO<'static, RBox<()>>;

#[sabi_trait]
pub trait AbiArchitecture: Send + Sync {
    fn build(&self, host: HostRef, spec: RStr<'_>) -> AbiResult<NetworkBox>;
    fn planning_size(&self, spec: RStr<'_>) -> AbiResult<ROption<u64>>;
    /// a JSON list of objects
    #[sabi(last_prefix_field)]
    fn planning_choices(&self, spec: RStr<'_>) -> AbiResult<RString>;
}
pub type ArchitectureBox = AbiArchitecture_TO<'static, RBox<()>>;

/// The label map of one sample, in host memory.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct AbiLabels<'a> {
    /// (C, spatial...): C is 1 for labels, the number of regions (plus one ignore channel) for regions
    pub shape: RSlice<'a, u64>,
    pub data: RSlice<'a, i16>,
}

/// One named array that a loss prepared for a sample: `floats` or `ints` is empty.
#[repr(C)]
#[derive(StableAbi, Clone)]
pub struct AbiPrepared {
    pub name: RString,
    pub shape: RVec<u64>,
    pub floats: RVec<f32>,
    pub ints: RVec<i32>,
}

/// The same for a batch, borrowed from the host.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct AbiBatchArray<'a> {
    pub name: RStr<'a>,
    pub shape: RSlice<'a, u64>,
    pub floats: RSlice<'a, f32>,
    pub ints: RSlice<'a, i32>,
}

/// One deep-supervision head. Tensor id 0 means: this task has none.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct AbiHead<'a> {
    pub logits: u64,
    pub weight: f64,
    pub labels: u64,
    pub regions: u64,
    pub valid: u64,
    pub prepared: RSlice<'a, AbiBatchArray<'a>>,
}

#[sabi_trait]
pub trait AbiLoss: Send + Sync {
    fn prepare(&self, labels: AbiLabels<'_>) -> AbiResult<RVec<AbiPrepared>>;
    #[sabi(last_prefix_field)]
    fn heads(&self, host: HostRef, heads: RSlice<'_, AbiHead<'_>>) -> AbiResult<u64>;
}
pub type LossBox = AbiLoss_TO<'static, RBox<()>>;

/// A dense array of the host's, to read. What it holds is a number (see `abi::array::Element`), so that a new type of voxel changes nothing here.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct AbiArray<'a> {
    pub name: RStr<'a>,
    pub element: u32,
    pub shape: RSlice<'a, u64>,
    pub data: RSlice<'a, u8>,
}

/// The same, to be changed in place.
#[repr(C)]
#[derive(StableAbi)]
pub struct AbiArrayMut<'a> {
    pub name: RStr<'a>,
    pub element: u32,
    pub shape: RSlice<'a, u64>,
    pub data: RSliceMut<'a, u8>,
}

/// An array of another shape in place of one of the host's. Elements other than f32 and i16 travel as bytes.
#[repr(C)]
#[derive(StableAbi)]
pub struct AbiNewArray {
    pub name: RString,
    pub element: u32,
    pub shape: RVec<u64>,
    pub floats: RVec<f32>,
    pub shorts: RVec<i16>,
    pub bytes: RVec<u8>,
}

/// What came of an edit: an answer (JSON) and the arrays that take the place of others.
#[repr(C)]
#[derive(StableAbi)]
pub struct AbiEdited {
    pub answer: RString,
    pub arrays: RVec<AbiNewArray>,
}

/// Every kind of component whose work is not on tensors. Steps are names and questions are JSON: a plugin that does not know a
/// step answers with none, and what the host would have done holds. So a new step or a new kind changes no type.
#[sabi_trait]
pub trait AbiHook: Send + Sync {
    fn ask(&self, host: HostRef, step: RStr<'_>, question: RStr<'_>) -> AbiResult<ROption<RString>>;
    #[sabi(last_prefix_field)]
    fn edit(
        &self,
        host: HostRef,
        step: RStr<'_>,
        question: RStr<'_>,
        inputs: RSlice<'_, AbiArray<'_>>,
        arrays: RSliceMut<'_, AbiArrayMut<'_>>,
    ) -> AbiResult<ROption<AbiEdited>>;
}
pub type HookBox = AbiHook_TO<'static, RBox<()>>;

#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct AbiComponent {
    /// an open set of strings, so that an old host can ignore a kind it does not know
    pub kind: RString,
    pub name: RString,
    pub description: RString,
    /// JSON for kinds that are data (trainer configs), else empty
    pub data: RString,
}

/// Plugin to host. Append-only.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginRootRef, prefix_fields = PluginRootPrefix)))]
#[sabi(missing_field(panic))]
pub struct PluginRoot {
    pub components: extern "C" fn() -> RVec<AbiComponent>,
    pub create_architecture: extern "C" fn(RStr<'_>, RStr<'_>) -> AbiResult<ArchitectureBox>,
    pub create_loss: extern "C" fn(RStr<'_>, RStr<'_>, RStr<'_>) -> AbiResult<LossBox>,
    /// kind, name, settings (JSON), what the component is made for (JSON)
    #[sabi(last_prefix_field)]
    pub create_hook: extern "C" fn(RStr<'_>, RStr<'_>, RStr<'_>, RStr<'_>) -> AbiResult<HookBox>,
}

impl abi_stable::library::RootModule for PluginRootRef {
    abi_stable::declare_root_module_statics! {PluginRootRef}
    const BASE_NAME: &'static str = "nnu_plugin";
    const NAME: &'static str = "nnu plugin wall";
    const VERSION_STRINGS: VersionStrings = VersionStrings::new(super::ABI_VERSION);
}
