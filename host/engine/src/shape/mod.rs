//! Shapes alone: what an operation gives for which inputs, and networks and losses run without values.
//!
//! [`infer`] is the gate before every operation, on values and on shapes alike: what it lets through has results of at
//! least one element, known types and no overflow. What depends on values (an index out of range) is the engine's to check.
//! [`trace()`] builds a network and runs it through the same gate, [`trace_loss`] does so with a loss.
//!
//! Types: most operations take Float. `Add`, `Sub`, `Mul`, `ArgMax`, `CumSum`, the comparisons of order and `CompareScalar`
//! take Int as well; equality, `Where`, `Cast`, `Detach`, `Gather`, `IndexSelect` and the operations that only move values (but `Pad`) take
//! every type; `Not`, `And` and `Or` take Bool; indices, ids and labels are Int. Two inputs that are combined have the same type.

mod check;
mod cost;
mod create;
mod elementwise;
mod index;
mod layout;
mod loss;
mod memory;
mod network;
mod parts;
mod recorder;
mod reduce;
#[cfg(test)]
mod tests;
mod trace;
mod window;

pub use check::{MAX_RANK, check_shape, text};
pub use cost::flops;
pub use elementwise::broadcast;
pub use loss::{LossHead, trace_loss};
pub use parts::Part;
pub use trace::{Constant, Node, NodeKind, ParamInfo, Trace, TraceError, Value, ValueKind, planning_size, trace, trace_prediction};

use check::Call;
use plugin_api::{DType, Error, ErrorKind, Op, Result};

/// Shape and type of a tensor: at least one axis, no axis of length 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// What the values are.
    pub dtype: DType,
}

impl Info {
    /// A tensor of this shape and type.
    pub fn new(shape: &[usize], dtype: DType) -> Self {
        Info { shape: shape.to_vec(), dtype }
    }

    /// Number of elements.
    pub fn elements(&self) -> u64 {
        self.shape.iter().fold(1u64, |n, &d| n.saturating_mul(d as u64))
    }

    /// Bytes: 4 for an element of Float (f32) or Int, 1 for Bool.
    pub fn bytes(&self) -> u64 {
        self.elements().saturating_mul(if self.dtype == DType::Bool { 1 } else { 4 })
    }
}

/// The results of an operation, or a sentence that says what it does not take.
///
/// # Errors
/// [`ErrorKind::Invalid`] for everything that the op table does not allow; [`ErrorKind::Unsupported`] for an operation that
/// this version does not know.
pub fn infer(op: Op, inputs: &[Info], ints: &[i64], floats: &[f64]) -> Result<Vec<Info>> {
    let call = Call::new(op, inputs, ints, floats)?;
    let c = &call;
    let one = |info: Result<Info>| info.map(|i| vec![i]);
    match op {
        Op::Neg | Op::Abs | Op::Exp | Op::Log | Op::Sqrt | Op::Recip | Op::Sin | Op::Cos | Op::Tanh | Op::Erf | Op::Sigmoid => {
            one(elementwise::float(c))
        }
        Op::Relu | Op::Gelu | Op::Silu | Op::Softplus | Op::Floor | Op::Round | Op::Sign => one(elementwise::float(c)),
        Op::LeakyRelu => one(elementwise::leaky_relu(c)),
        Op::Elu | Op::Powf => one(elementwise::with_float(c)),
        Op::Affine => one(elementwise::affine(c)),
        Op::Clamp => one(elementwise::clamp(c)),
        Op::Detach => one(elementwise::detach(c)),
        Op::Cast => one(elementwise::cast(c)),
        Op::Add | Op::Sub | Op::Mul => one(elementwise::binary(c, &[DType::Float, DType::Int])),
        Op::Div | Op::Pow | Op::Maximum | Op::Minimum => one(elementwise::binary(c, &[DType::Float])),
        Op::Equal | Op::NotEqual => one(elementwise::compare(c, &[DType::Float, DType::Int, DType::Bool])),
        Op::Greater | Op::GreaterEqual | Op::Less | Op::LessEqual => one(elementwise::compare(c, &[DType::Float, DType::Int])),
        Op::CompareScalar => one(elementwise::compare_scalar(c)),
        Op::Not => one(elementwise::not(c)),
        Op::And | Op::Or => one(elementwise::compare(c, &[DType::Bool])),
        Op::Where => one(elementwise::choose(c)),

        Op::Sum | Op::Mean | Op::Max | Op::Min => one(reduce::axes(c)),
        Op::ArgMax => one(reduce::argmax(c)),
        Op::TopK => reduce::topk(c),
        Op::CumSum => one(reduce::along(c, &[DType::Float, DType::Int])),
        Op::Softmax | Op::LogSoftmax => one(reduce::along(c, &[DType::Float])),

        Op::Reshape => one(layout::reshape(c)),
        Op::Permute => one(layout::permute(c)),
        Op::Slice => one(layout::slice(c)),
        Op::Concat => one(layout::concat(c)),
        Op::Pad => one(layout::pad(c)),
        Op::Expand => one(layout::expand(c)),
        Op::Flip => one(layout::flip(c)),

        Op::Gather => one(index::gather(c)),
        Op::ScatterAdd => one(index::scatter_add(c)),
        Op::IndexSelect => one(index::index_select(c)),
        Op::SegmentSum => one(index::segment_sum(c)),
        Op::OneHot => one(index::one_hot(c)),
        Op::ClassSums => one(index::class_sums(c)),

        Op::Conv => one(window::conv(c)),
        Op::ConvTranspose => one(window::conv_transpose(c)),
        Op::MaxPool => one(window::pool(c, 0)),
        Op::AvgPool => one(window::pool(c, 1)),
        Op::AdaptiveAvgPool | Op::AdaptiveMaxPool => one(window::adaptive_pool(c)),
        Op::Resize => one(window::resize(c)),
        Op::InstanceNorm => one(network::instance_norm(c)),
        Op::BatchNorm => one(network::batch_norm(c)),
        Op::GroupNorm => one(network::group_norm(c)),
        Op::LayerNorm => one(network::layer_norm(c)),
        Op::Dropout => one(network::dropout(c)),
        Op::MatMul => one(network::matmul(c)),

        Op::Full => one(create::full(c)),
        Op::Arange => one(create::arange(c)),
        Op::RandUniform => one(create::uniform(c)),
        Op::RandNormal => one(create::normal(c)),
        _ => Err(Error::of(ErrorKind::Unsupported, format!("operation {} ({}) is newer than this engine", op.name(), op as u32))),
    }
}
