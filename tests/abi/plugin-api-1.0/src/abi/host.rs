//! The host's side of the wall, in plain Rust types. Plugins do not need it.

pub use super::{
    array::{Edited, Named, NewValues, Values, ValuesMut},
    hook::Asked,
    host_hook::{HookHandle, NoTensors},
};
use super::{
    guard::{catch, guard, result},
    types::*,
};
use crate::{
    Error, ErrorKind, Result,
    custom::{Array, ArrayMut, CustomOp},
    loss::Prepared,
    tensor::DType,
};
use abi_stable::{
    StableAbi,
    abi_stability::abi_checking::check_layout_compatibility,
    library::AbiHeaderRef,
    prefix_type::PrefixTypeTrait,
    std_types::{ROption, RSlice, RSliceMut, RStr, RString, RVec},
};

/// What a host offers to the components it calls. Tensors are ids; a call never unwinds.
pub trait Host {
    /// Runs one operation of the table (see [`crate::Op`]).
    fn emit(&self, op: u32, inputs: &[u64], ints: &[i64], floats: &[f64]) -> Result<Vec<u64>>;
    /// The plugin no longer needs this handle.
    fn release(&self, id: u64);
    /// Shape and type of a tensor.
    fn describe(&self, id: u64) -> Result<(Vec<usize>, DType)>;
    /// The values as f32, last axis fastest.
    fn read(&self, id: u64) -> Result<Vec<f32>>;
    /// A Float tensor from values.
    fn upload_f32(&self, shape: &[usize], data: &[f32]) -> Result<u64>;
    /// An Int tensor from values.
    fn upload_i32(&self, shape: &[usize], data: &[i32]) -> Result<u64>;
    /// A parameter (or, not trainable, a buffer) with its initialisation as JSON (see [`crate::Init`]).
    fn parameter(&self, name: &str, shape: &[usize], init: &str, trainable: bool) -> Result<u64>;
    /// Runs a custom op; the host keeps it for the backward.
    fn custom(&self, op: CustomHandle, inputs: &[u64]) -> Result<u64>;
    /// Facts by name, e.g. `training`; `None` where unknown.
    fn query(&self, key: &str) -> Option<String>;
    /// A line for the log; 0 error to 4 trace.
    fn log(&self, level: u32, message: &str);
}

/// Calls a host as the table's C functions do: `ctx` points to a `&dyn Host` on the caller's stack.
fn with<T>(ctx: Ctx, f: impl FnOnce(&dyn Host) -> Result<T>) -> AbiResult<T> {
    // SAFETY: `Bridge::new` stored the address of a `&dyn Host` that outlives the boundary call, and a plugin can only hand it back.
    let host: &dyn Host = unsafe { *ctx.0.cast::<&dyn Host>() };
    // the plugin's side puts its own file and line to an error without a place
    guard(|| f(host).map_err(|e| Error::with_place(e.kind(), e.message().to_string(), String::new())))
}

fn sizes(shape: &RSlice<'_, u64>) -> Vec<usize> {
    shape.iter().map(|&n| n as usize).collect()
}

extern "C" fn emit(c: Ctx, op: u32, inputs: RSlice<'_, u64>, ints: RSlice<'_, i64>, floats: RSlice<'_, f64>) -> AbiResult<RVec<u64>> {
    with(c, |h| h.emit(op, &inputs, &ints, &floats).map(RVec::from))
}
extern "C" fn release(c: Ctx, id: u64) {
    let _ = with(c, |h| {
        h.release(id);
        Ok(())
    });
}
extern "C" fn describe(c: Ctx, id: u64) -> AbiResult<AbiInfo> {
    with(c, |h| h.describe(id).map(|(s, t)| AbiInfo { shape: s.iter().map(|&n| n as u64).collect(), dtype: t.number() }))
}
extern "C" fn read(c: Ctx, id: u64) -> AbiResult<RVec<f32>> {
    with(c, |h| h.read(id).map(RVec::from))
}
extern "C" fn upload_f32(c: Ctx, shape: RSlice<'_, u64>, data: RSlice<'_, f32>) -> AbiResult<u64> {
    with(c, |h| h.upload_f32(&sizes(&shape), &data))
}
extern "C" fn upload_i32(c: Ctx, shape: RSlice<'_, u64>, data: RSlice<'_, i32>) -> AbiResult<u64> {
    with(c, |h| h.upload_i32(&sizes(&shape), &data))
}
extern "C" fn parameter(c: Ctx, name: RStr<'_>, shape: RSlice<'_, u64>, init: RStr<'_>, trainable: bool) -> AbiResult<u64> {
    with(c, |h| h.parameter(name.as_str(), &sizes(&shape), init.as_str(), trainable))
}
extern "C" fn custom(c: Ctx, op: CustomBox, inputs: RSlice<'_, u64>) -> AbiResult<u64> {
    with(c, |h| h.custom(CustomHandle(op), &inputs))
}
extern "C" fn query(c: Ctx, key: RStr<'_>) -> ROption<RString> {
    match result(with(c, |h| Ok(h.query(key.as_str())))) {
        Ok(Some(text)) => ROption::RSome(text.into()),
        _ => ROption::RNone,
    }
}
extern "C" fn log(c: Ctx, level: u32, message: RStr<'_>) {
    let _ = with(c, |h| {
        h.log(level, message.as_str());
        Ok(())
    });
}

/// Runs `f` with a reference that plugins may call the host by.
pub(super) fn bridge<T>(host: &dyn Host, f: impl FnOnce(HostRef) -> T) -> T {
    static TABLE: std::sync::OnceLock<HostTableRef> = std::sync::OnceLock::new();
    let table =
        *TABLE.get_or_init(|| HostTable { emit, release, describe, read, upload_f32, upload_i32, parameter, custom, query, log }.leak_into_prefix());
    f(HostRef { table, ctx: Ctx((&raw const host).cast()) })
}

/// A custom op as the host holds it.
pub struct CustomHandle(CustomBox);

fn view<'a>(shape: &'a [u64], data: &'a [f32]) -> View<'a> {
    View { shape: RSlice::from_slice(shape), data: RSlice::from_slice(data) }
}

fn wide(shape: &[usize]) -> Vec<u64> {
    shape.iter().map(|&n| n as u64).collect()
}

impl CustomHandle {
    /// For components of the host itself and for tests.
    pub fn new(op: impl CustomOp) -> Self {
        CustomHandle(super::scope::boxed(op))
    }

    /// The op's name.
    pub fn name(&self) -> String {
        self.0.name().into()
    }

    /// The result's shape for these input shapes.
    pub fn out_shape(&self, inputs: &[Vec<usize>]) -> Result<Vec<usize>> {
        let inputs: Vec<RVec<u64>> = inputs.iter().map(|s| wide(s).into()).collect();
        Ok(result(self.0.out_shape(RSlice::from_slice(&inputs)))?.iter().map(|&n| n as usize).collect())
    }

    /// Fills `out` (zeros before).
    pub fn forward(&self, inputs: &[Array<'_>], out: ArrayMut<'_>) -> Result<()> {
        let shapes: Vec<Vec<u64>> = inputs.iter().map(|a| wide(&a.shape)).collect();
        let views: Vec<View<'_>> = inputs.iter().zip(&shapes).map(|(a, s)| view(s, a.data)).collect();
        let shape = wide(&out.shape);
        result(self.0.forward(RSlice::from_slice(&views), ViewMut { shape: RSlice::from_slice(&shape), data: RSliceMut::from_mut_slice(out.data) }))
    }

    /// Adds to `grads` (zeros before), one array an input.
    pub fn backward(&self, inputs: &[Array<'_>], out: Array<'_>, out_grad: Array<'_>, grads: &mut [ArrayMut<'_>]) -> Result<()> {
        let shapes: Vec<Vec<u64>> = inputs.iter().map(|a| wide(&a.shape)).collect();
        let views: Vec<View<'_>> = inputs.iter().zip(&shapes).map(|(a, s)| view(s, a.data)).collect();
        let (out_shape, grad_shape) = (wide(&out.shape), wide(&out_grad.shape));
        let mut slots: Vec<ViewMut<'_>> =
            grads.iter_mut().zip(&shapes).map(|(g, s)| ViewMut { shape: RSlice::from_slice(s), data: RSliceMut::from_mut_slice(g.data) }).collect();
        result(self.0.backward(
            RSlice::from_slice(&views),
            view(&out_shape, out.data),
            view(&grad_shape, out_grad.data),
            RSliceMut::from_mut_slice(&mut slots),
        ))
    }
}

/// One component that a library offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// `architecture`, `loss`, `planner` and so on, or a kind that this host does not know.
    pub kind: String,
    /// The name that plans and flags use.
    pub name: String,
    /// One line.
    pub description: String,
    /// JSON for kinds that are data, else empty.
    pub data: String,
}

/// A library of components: a loaded plugin, or the host's own.
#[derive(Clone, Copy)]
pub struct Library(PluginRootRef);

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Library")
    }
}

impl Library {
    /// The components linked into this binary, through the very same registration.
    pub fn builtin() -> Self {
        Library(super::export::root())
    }

    /// Checks the layout in both directions and starts the library whose root symbol lies at `symbol`.
    ///
    /// abi_stable alone refuses an older plugin on a newer host; fields that both have are compared, and
    /// accessors test what each instance has, so either direction is sound for what a plugin hands over.
    ///
    /// # Errors
    /// The library was built with another abi_stable, or its types do not fit.
    ///
    /// # Safety
    /// `symbol` must be the address of the [`super::ROOT_SYMBOL`] static of a library that stays loaded for ever.
    pub unsafe fn open(symbol: *const ()) -> Result<Self> {
        let refused = |text: String| Error::with_place(ErrorKind::Unsupported, text, String::new());
        // SAFETY: the caller vouches that the static is a `LibHeader`, which an `AbiHeaderRef` points to.
        let header: AbiHeaderRef = unsafe { std::mem::transmute::<*const (), AbiHeaderRef>(symbol) };
        let header = header.upgrade().map_err(|e| refused(format!("was built with another abi_stable: {e}")))?;
        let theirs = header.layout().ok_or_else(|| refused("was built without layout information".into()))?;
        let ours = <PluginRootRef as StableAbi>::LAYOUT;
        let fits = check_layout_compatibility(ours, theirs).or_else(|first| check_layout_compatibility(theirs, ours).map_err(|_| first));
        fits.map_err(|first| refused(format!("its layout does not fit this host's: {}", leaves(&first.to_string()))))?;
        // SAFETY: the layouts were compared just above.
        let root = unsafe { header.init_root_module_with_unchecked_layout::<PluginRootRef>() };
        root.map(Library).map_err(|e| refused(format!("did not start: {e}")))
    }

    pub(super) fn root(&self) -> PluginRootRef {
        self.0
    }

    /// What the library offers, sorted by kind and name.
    pub fn components(&self) -> Vec<Component> {
        self.0.components()()
            .into_iter()
            .map(|c| Component { kind: c.kind.into(), name: c.name.into(), description: c.description.into(), data: c.data.into() })
            .collect()
    }

    /// An architecture with its settings as JSON.
    pub fn architecture(&self, name: &str, settings: &str) -> Result<ArchitectureHandle> {
        result(self.0.create_architecture()(RStr::from_str(name), RStr::from_str(settings))).map(ArchitectureHandle)
    }

    /// A loss with its settings and the task as JSON (see [`crate::Task`]).
    pub fn loss(&self, name: &str, settings: &str, task: &str) -> Result<LossHandle> {
        result(self.0.create_loss()(RStr::from_str(name), RStr::from_str(settings), RStr::from_str(task))).map(LossHandle)
    }
}

/// The few lines of abi_stable's long report that say what differs.
fn leaves(report: &str) -> String {
    let lines: Vec<&str> = report.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let parts: Vec<String> = lines
        .iter()
        .enumerate()
        .filter(|(_, l)| l.starts_with("Error:"))
        .take(4)
        .map(|(i, _)| lines[i..(i + 4).min(lines.len())].join(" "))
        .collect();
    if parts.is_empty() { lines.iter().take(4).copied().collect::<Vec<_>>().join(" ") } else { parts.join("; ") }
}

/// An architecture behind the wall.
pub struct ArchitectureHandle(ArchitectureBox);

impl ArchitectureHandle {
    /// Creates the network's parameters through `host`.
    pub fn build(&self, host: &dyn Host, spec: &str) -> Result<NetworkHandle> {
        result(bridge(host, |h| self.0.build(h, RStr::from_str(spec)))).map(NetworkHandle)
    }

    /// The architecture's own figure for the planner, if it has one (see [`crate::Architecture::planning_size`]).
    pub fn planning_size(&self, spec: &str) -> Result<Option<u64>> {
        result(self.0.planning_size(RStr::from_str(spec))).map(Into::into)
    }

    /// What a planner may add to the plan's `arch_kwargs`, best first (see [`crate::Architecture::planning_choices`]).
    pub fn planning_choices(&self, spec: &str) -> Result<Vec<serde_json::Map<String, serde_json::Value>>> {
        Ok(serde_json::from_str(&result(self.0.planning_choices(RStr::from_str(spec)))?)?)
    }
}

/// A network behind the wall.
pub struct NetworkHandle(NetworkBox);

impl NetworkHandle {
    /// Logits of each head, finest first.
    pub fn forward(&self, host: &dyn Host, x: u64) -> Result<Vec<u64>> {
        result(bridge(host, |h| self.0.forward(h, x))).map(Into::into)
    }
}

/// One head as the host hands it to a loss; `None` where the task has no such tensor.
pub struct HeadArgs<'a> {
    /// (B, C, spatial...)
    pub logits: u64,
    /// Deep-supervision weight.
    pub weight: f64,
    /// (B, 1, spatial...) Int
    pub labels: Option<u64>,
    /// (B, R, spatial...) Float of 0 and 1
    pub regions: Option<u64>,
    /// (B, 1, spatial...) Float of 0 and 1
    pub valid: Option<u64>,
    /// What the loss prepared, stacked over the batch.
    pub prepared: &'a [Prepared],
}

/// A loss behind the wall.
pub struct LossHandle(LossBox);

impl LossHandle {
    /// The loss's arrays for one sample's label map (C, spatial...), computed on the CPU.
    pub fn prepare(&self, shape: &[usize], labels: &[i16]) -> Result<Vec<Prepared>> {
        let shape = wide(shape);
        let list = result(self.0.prepare(AbiLabels { shape: RSlice::from_slice(&shape), data: RSlice::from_slice(labels) }))?;
        Ok(list
            .into_iter()
            .map(|p| Prepared::from_parts(p.name.into(), p.shape.iter().map(|&n| n as usize).collect(), p.floats.into(), p.ints.into()))
            .collect())
    }

    /// The scalar loss over all heads.
    pub fn heads(&self, host: &dyn Host, heads: &[HeadArgs<'_>]) -> Result<u64> {
        let shapes: Vec<Vec<Vec<u64>>> = heads.iter().map(|h| h.prepared.iter().map(|p| wide(p.shape())).collect()).collect();
        let arrays: Vec<Vec<AbiBatchArray<'_>>> = heads
            .iter()
            .zip(&shapes)
            .map(|(h, shapes)| {
                h.prepared
                    .iter()
                    .zip(shapes)
                    .map(|(p, s)| AbiBatchArray {
                        name: RStr::from_str(p.name()),
                        shape: RSlice::from_slice(s),
                        floats: RSlice::from_slice(p.float_values()),
                        ints: RSlice::from_slice(p.int_values()),
                    })
                    .collect()
            })
            .collect();
        let heads: Vec<AbiHead<'_>> = heads
            .iter()
            .zip(&arrays)
            .map(|(h, prepared)| AbiHead {
                logits: h.logits,
                weight: h.weight,
                labels: h.labels.unwrap_or(0),
                regions: h.regions.unwrap_or(0),
                valid: h.valid.unwrap_or(0),
                prepared: RSlice::from_slice(prepared),
            })
            .collect();
        result(bridge(host, |r| self.0.heads(r, RSlice::from_slice(&heads))))
    }
}

/// Runs `f`; a panic becomes an error with its file and line. For the host's own operations.
pub fn catch_panic<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    catch(f)
}
