//! A network run on shapes alone, and what is then known of it.

use super::{
    Info,
    check::text,
    cost::flops,
    memory::Storage,
    recorder::{Record, Recorder},
};
use plugin_api::{DType, Error, ErrorKind, NetworkSpec, Op, Result, abi::host::ArchitectureHandle};
use std::collections::HashMap;

/// A parameter (or, not trainable, a buffer).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamInfo {
    /// Its canonical name.
    pub name: String,
    /// Further names under which a state dict lists it.
    pub aliases: Vec<String>,
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Whether it is trained.
    pub trainable: bool,
}

/// Where a value of a trace comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// Handed in by the host.
    Input {
        /// The gradient with respect to it is wanted.
        gradient: bool,
    },
    /// The parameter of this place in [`Trace::parameters`].
    Parameter(usize),
    /// Uploaded by the component.
    Constant,
    /// An operation's result.
    Result,
}

/// The values that a component uploaded, last axis fastest.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// Of a Float tensor.
    Float(Vec<f32>),
    /// Of an Int tensor.
    Int(Vec<i32>),
}

/// A tensor of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Shape and type.
    pub info: Info,
    /// Where it comes from.
    pub kind: ValueKind,
    /// It is there from this node on.
    pub born: usize,
    /// Its handle was released before this node ran; `None` where it stayed to the end.
    pub freed: Option<usize>,
}

impl Value {
    /// Arguments and parameters outlive the call.
    pub(super) fn is_released_by_calls(&self) -> bool {
        matches!(self.kind, ValueKind::Constant | ValueKind::Result)
    }
}

/// What a node runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// An operation of the table.
    Op(Op),
    /// The component's own operation, by name.
    Custom(String),
}

/// An operation of a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it runs.
    pub kind: NodeKind,
    /// Places in [`Trace::values`].
    pub inputs: Vec<usize>,
    /// Places in [`Trace::values`].
    pub outputs: Vec<usize>,
    /// The operation's integers.
    pub ints: Vec<i64>,
    /// The operation's floats.
    pub floats: Vec<f64>,
    /// The layer, from the name of its first parameter (`encoder.stages.0.0.convs.0.conv`); empty without one.
    pub scope: String,
}

/// What a forward pass does, and what it costs.
///
/// Memory is counted in bytes of f32 (Bool in single bytes), without parameters, their gradients, the optimiser's state and the
/// scratch space of kernels. A tensor lives from its operation to the release of its handle; `Reshape` and `Detach` share memory.
/// In training, every result that a backward needs is kept until that backward has run: the output of Exp, Sqrt, Recip,
/// Tanh, Sigmoid, Relu, LeakyRelu and the softmaxes; nothing for sums, means, moves, Add, Sub, Neg, Affine and average pooling or resizing; indices and conditions
/// of the operations that have them; a mask for max pooling and dropout; the inputs of all else. A gradient lives from its first
/// contribution to the backward of the operation that made the tensor. A device that recomputes does not keep the output of a Relu or LeakyRelu right behind an
/// instance or group norm, nor that of a Concat of channels with one of these in it (its other parts instead): they are there again from the first backward that
/// reads them to the last.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Parameters and buffers, in order of creation.
    pub parameters: Vec<ParamInfo>,
    /// All tensors.
    pub values: Vec<Value>,
    /// All operations, in order.
    pub nodes: Vec<Node>,
    /// What [`ValueKind::Constant`] tensors hold, by their places in `values`.
    pub constants: HashMap<usize, Constant>,
    /// Shapes of the arguments: (B, C, spatial...); for a loss the logits, labels, regions and masks of each head.
    pub inputs: Vec<Vec<usize>>,
    /// Shapes of the heads, finest first; for a loss the one scalar.
    pub outputs: Vec<Vec<usize>>,
    /// Places of the outputs in `values`.
    pub output_values: Vec<usize>,
    /// Whether every output has a gradient: it depends on something that is trained.
    pub differentiable: bool,
    /// Peak memory of forward and backward, in bytes.
    pub activation_bytes: u64,
    /// As `activation_bytes`, on a device that computes activations once more (see [`crate::Device::recomputing`]).
    pub recomputing_bytes: u64,
    /// Peak memory of a forward without gradients, in bytes.
    pub inference_bytes: u64,
    /// Floating-point operations of the forward (see [`flops`]); custom operations count nothing.
    pub flops: u64,
    /// Elements of all outputs of Conv and ConvTranspose for one sample: nnU-Net's measure of memory.
    pub conv_output_elements: u64,
    /// Handles that the component neither returned nor released.
    pub leaked: usize,
}

impl Trace {
    /// Numbers in all trainable parameters.
    pub fn parameter_count(&self) -> u64 {
        self.parameters.iter().filter(|p| p.trainable).map(|p| p.shape.iter().map(|&n| n as u64).product::<u64>()).sum()
    }

    /// The memory of a training step in nnU-Net's measure, for one sample, at 7 bytes an element: two samples of 560e6 elements, which
    /// it plans for 8 GiB, are 7.3 GiB, and parameters and optimizer have the rest. (Its own U-Net takes 9 by the same count:
    /// each convolution's output in front of the norm and behind the activation, and a few gradients; nnU-Net counts on half precision.)
    pub fn planning_elements(&self) -> u64 {
        let batch = self.inputs.first().and_then(|shape| shape.first()).map_or(1, |&n| n as u64);
        self.activation_bytes / 7 / batch.max(1)
    }

    /// Names of the trainable parameters that no operation takes.
    pub fn unused_parameters(&self) -> Vec<&str> {
        let mut used = vec![false; self.parameters.len()];
        for &i in self.nodes.iter().flat_map(|n| &n.inputs) {
            if let ValueKind::Parameter(p) = self.values[i].kind {
                used[p] = true;
            }
        }
        self.parameters.iter().zip(used).filter(|(p, used)| p.trainable && !used).map(|(p, _)| p.name.as_str()).collect()
    }

    fn new(record: Record, outputs: Vec<usize>, batch: usize, leaked: usize) -> Self {
        let Record { parameters, values, nodes, constants, .. } = record;
        let trainable: Vec<bool> = parameters.iter().map(|p| p.trainable).collect();
        let storage = Storage::new(&values, &nodes, &trainable, &outputs);
        let ([activation_bytes, recomputing_bytes], inference_bytes) =
            ([false, true].map(|again| storage.training_bytes(again)), storage.inference_bytes());
        let needs = storage.gradients();
        let (mut total, mut convs) = (0u64, 0u64);
        for node in &nodes {
            let infos = |list: &[usize]| -> Vec<Info> { list.iter().map(|&i| values[i].info.clone()).collect() };
            let NodeKind::Op(op) = node.kind else { continue };
            let out = infos(&node.outputs);
            total = total.saturating_add(flops(op, &infos(&node.inputs), &out, &node.ints));
            if matches!(op, Op::Conv | Op::ConvTranspose) {
                convs = out.iter().fold(convs, |n, o| n.saturating_add(o.elements()));
            }
        }
        let shape = |v: &Value| v.info.shape.clone();
        Trace {
            inputs: values.iter().filter(|v| matches!(v.kind, ValueKind::Input { .. })).map(shape).collect(),
            outputs: outputs.iter().map(|&o| shape(&values[o])).collect(),
            differentiable: outputs.iter().all(|&o| needs[o]),
            output_values: outputs,
            activation_bytes,
            recomputing_bytes,
            inference_bytes,
            flops: total,
            conv_output_elements: convs / batch.max(1) as u64,
            leaked,
            parameters,
            values,
            nodes,
            constants,
        }
    }
}

/// Why a component could not be traced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct TraceError {
    /// The failure itself.
    pub error: Error,
    /// It read values, which shapes alone do not have; it may well run on a device.
    pub reads_values: bool,
}

impl From<TraceError> for Error {
    fn from(e: TraceError) -> Self {
        e.error
    }
}

/// Runs `f` on a recorder; its failure tells whether values were read.
pub(super) fn recorded(recorder: Recorder, f: impl FnOnce(&Recorder) -> Result<(Vec<usize>, usize)>, batch: usize) -> Result<Trace, TraceError> {
    match f(&recorder) {
        Ok((outputs, leaked)) => Ok(Trace::new(recorder.finish(), outputs, batch, leaked)),
        Err(error) => Err(TraceError { error, reads_values: recorder.reads_values() }),
    }
}

/// Builds a network and runs its forward in training mode on (batch, input channels, patch...).
///
/// # Errors
/// The network cannot be built, an operation got what it does not take, values were read ([`TraceError::reads_values`]), or the
/// heads are not (B, classes, spatial...) with the first one at the patch's size.
pub fn trace(arch: &ArchitectureHandle, spec: &NetworkSpec, batch: usize) -> Result<Trace, TraceError> {
    trace_on(Recorder::new(), arch, spec, batch)
}

/// The same in prediction mode: what a network leaves out there is not in the trace.
///
/// # Errors
/// As [`trace()`].
pub fn trace_prediction(arch: &ArchitectureHandle, spec: &NetworkSpec, batch: usize) -> Result<Trace, TraceError> {
    trace_on(Recorder::predicting(), arch, spec, batch)
}

fn trace_on(recorder: Recorder, arch: &ArchitectureHandle, spec: &NetworkSpec, batch: usize) -> Result<Trace, TraceError> {
    let run = |host: &Recorder| {
        let network = arch.build(host, &serde_json::to_string(spec)?)?;
        let left = host.end_call(&[]);
        host.start_forward();
        let shape: Vec<usize> = [batch, spec.input_channels].iter().chain(&spec.patch_size).copied().collect();
        let x = host.argument(Info::new(&shape, DType::Float), false)?;
        let heads = host.returned(&network.forward(host, x)?)?;
        let left = left + host.end_call(&heads);
        Ok((heads, left))
    };
    let trace = recorded(recorder, run, batch)?;
    let infos: Vec<&Info> = trace.output_values.iter().map(|&o| &trace.values[o].info).collect();
    check_heads(&infos, spec, batch).map_err(|error| TraceError { error, reads_values: false })?;
    Ok(trace)
}

/// Heads are (B, classes, spatial...) Float, the first one at the patch's size, none finer than the one before.
fn check_heads(heads: &[&Info], spec: &NetworkSpec, batch: usize) -> Result<()> {
    let wrong = |sentence: String| Err(Error::of(ErrorKind::Component, sentence));
    if heads.is_empty() {
        return wrong("forward returned no head".into());
    }
    for (i, head) in heads.iter().enumerate() {
        let shape = &head.shape;
        let before = if i == 0 { &spec.patch_size[..] } else { &heads[i - 1].shape[2..] };
        let same_rank = shape.len() == spec.dims() + 2 && shape[..2] == [batch, spec.num_classes];
        let fits = same_rank && (if i == 0 { shape[2..] == *before } else { shape[2..].iter().zip(before).all(|(n, b)| n <= b) });
        if !fits || head.dtype != DType::Float {
            let bound = if i == 0 { "" } else { " at most" };
            let (found, spatial) = (text(shape), text(before));
            let classes = spec.num_classes;
            return wrong(format!("head {i} is {found} {:?}, wanted ({batch}, {classes}, ...) Float with spatial axes{bound} {spatial}", head.dtype));
        }
    }
    Ok(())
}

/// The figure by which the planner compares memory, for one sample and without deep supervision, as nnU-Net plans: the
/// architecture's own, else [`Trace::planning_elements`].
///
/// # Errors
/// As [`trace()`].
pub fn planning_size(arch: &ArchitectureHandle, spec: &NetworkSpec) -> Result<u64, TraceError> {
    let spec = NetworkSpec { deep_supervision: false, ..spec.clone() };
    let own = serde_json::to_string(&spec).map_err(Error::from).and_then(|json| arch.planning_size(&json));
    match own.map_err(|error| TraceError { error, reads_values: false })? {
        Some(size) => Ok(size),
        None => Ok(trace(arch, &spec, 1)?.planning_elements()),
    }
}
