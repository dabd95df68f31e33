//! The op table on values: each operation beside the way back through it.
//!
//! Shapes and types have been checked by [`crate::shape::infer`] before anything here runs.

mod class_sums;
mod conv;
mod create;
mod elementwise;
mod index;
mod layout;
mod norm;
mod pool;
pub(crate) mod reduce;
mod softmax;

use crate::{device::Device, random::Random, tape::Back, value::Value};
use plugin_api::{Error, ErrorKind, Op, Result};
use std::cell::RefCell;

/// What an operation may ask besides its inputs.
pub(crate) struct Context<'a> {
    pub(crate) device: &'a Device,
    pub(crate) training: bool,
    pub(crate) random: &'a RefCell<Random>,
}

/// Results; the first one may have a way back.
pub(crate) struct Out {
    pub(crate) values: Vec<Value>,
    pub(crate) back: Option<Back>,
    /// New values of buffers among the inputs (running statistics), by input.
    pub(crate) updates: Vec<(usize, Value)>,
}

impl Out {
    fn constant(value: Value) -> Result<Out> {
        Ok(Out { values: vec![value], back: None, updates: vec![] })
    }

    fn with(value: Value, back: impl FnOnce(&Value, &[bool]) -> Result<Vec<Option<Value>>> + 'static) -> Result<Out> {
        Ok(Out { values: vec![value], back: Some(Box::new(back)), updates: vec![] })
    }

    /// For operations of one input.
    fn single(value: Value, back: impl FnOnce(&Value) -> Result<Value> + 'static) -> Result<Out> {
        Self::with(value, move |g, _| Ok(vec![Some(back(g)?)]))
    }
}

fn sizes(ints: &[i64]) -> Vec<usize> {
    ints.iter().map(|&i| i as usize).collect()
}

/// Up to three numbers as three, the missing leading axes filled with `fill`.
fn three(values: &[usize], fill: usize) -> [usize; 3] {
    let mut out = [fill; 3];
    out[3 - values.len()..].copy_from_slice(values);
    out
}

/// Runs one operation.
pub(crate) fn run(op: Op, inputs: &[Value], ints: &[i64], floats: &[f64], cx: &Context<'_>) -> Result<Out> {
    use Op::*;
    match op {
        Neg | Abs | Exp | Log | Sqrt | Recip | Sin | Cos | Tanh | Erf | Sigmoid | Relu | Gelu | Silu | Softplus | Floor | Round | Sign
        | LeakyRelu | Elu | Powf | Clamp | Affine | Detach => elementwise::unary(op, &inputs[0], floats, cx),
        Add | Sub | Mul | Div | Maximum | Minimum | Pow => elementwise::binary(op, &inputs[0], &inputs[1], cx),
        Equal | NotEqual | Greater | GreaterEqual | Less | LessEqual | CompareScalar | Not | And | Or | Where | Cast => {
            elementwise::logic(op, inputs, ints, floats, cx)
        }
        Sum | Mean | Max | Min => reduce::over_axes(op, &inputs[0], ints, cx),
        ArgMax | TopK | CumSum => reduce::along_axis(op, &inputs[0], ints, cx),
        Softmax | LogSoftmax => softmax::run(op, &inputs[0], ints[0] as usize, cx),
        Reshape | Permute | Slice | Concat | Pad | Expand | Flip => layout::run(op, inputs, ints, floats, cx),
        Gather | ScatterAdd | IndexSelect | SegmentSum | OneHot => index::run(op, inputs, ints, cx),
        ClassSums => class_sums::run(inputs, cx),
        Conv => conv::conv(inputs, ints, cx),
        ConvTranspose => conv::conv_transpose(inputs, ints, cx),
        MaxPool | AvgPool | AdaptiveAvgPool | AdaptiveMaxPool | Resize => pool::run(op, &inputs[0], ints, cx),
        InstanceNorm | GroupNorm | LayerNorm | BatchNorm => norm::run(op, inputs, ints, floats, cx),
        Dropout => create::dropout(&inputs[0], ints[0] != 0, floats[0], cx),
        MatMul => layout::matmul(&inputs[0], &inputs[1], cx),
        Full | Arange | RandUniform | RandNormal => create::run(op, ints, floats, cx),
        _ => Err(Error::of(ErrorKind::Unsupported, format!("this host has no operation {} ({})", op.name(), op as u32))),
    }
}
