//! Each operation of the table in ONNX's words (opset 18).

mod elementwise;
mod layout;
mod network;
mod reduce;
mod window;

use super::{
    builder::{Builder, Setting},
    shapes::Dim,
};
use plugin_api::{DType, Op};

/// A value of the network in the graph.
#[derive(Clone, Copy)]
pub(super) struct Operand<'a> {
    pub(super) name: &'a str,
    pub(super) dims: &'a [Dim],
    pub(super) dtype: DType,
}

impl Operand<'_> {
    /// The length of an axis that does not grow with the batch; 0 for one that does.
    fn length(&self, axis: usize) -> usize {
        match self.dims.get(axis) {
            Some(Dim::Fixed(length)) => *length,
            _ => 0,
        }
    }

    /// Spatial lengths of (B, C, spatial...).
    fn spatial(&self) -> Vec<usize> {
        (2..self.dims.len()).map(|axis| self.length(axis)).collect()
    }
}

/// An operation that is to be written.
pub(super) struct Call<'a> {
    pub(super) op: Op,
    pub(super) inputs: Vec<Operand<'a>>,
    /// Shape and type of the first result.
    pub(super) output: Operand<'a>,
    pub(super) ints: &'a [i64],
    pub(super) floats: &'a [f64],
}

/// Why an operation has no form in ONNX.
pub(super) type Refused = String;

impl Call<'_> {
    fn input(&self, place: usize) -> &str {
        self.inputs.get(place).map_or("", |input| input.name)
    }

    fn names(&self) -> Vec<&str> {
        self.inputs.iter().map(|input| input.name).collect()
    }

    fn int(&self, place: usize) -> i64 {
        self.ints.get(place).copied().unwrap_or(0)
    }

    fn float(&self, place: usize) -> f64 {
        self.floats.get(place).copied().unwrap_or(0.0)
    }

    /// One node with these inputs.
    fn plain(&self, b: &mut Builder, op: &str) -> Vec<String> {
        vec![b.node(op, &self.names(), &[])]
    }

    /// One node with an attribute `axis`.
    fn along(&self, b: &mut Builder, op: &str, axis: i64) -> Vec<String> {
        vec![b.node(op, &self.names(), &[("axis", Setting::Int(axis))])]
    }
}

/// Writes an operation; the names of its results come back.
pub(super) fn write(c: &Call<'_>, b: &mut Builder) -> Result<Vec<String>, Refused> {
    use Op::*;
    Ok(match c.op {
        Neg | Abs | Exp | Log | Sqrt | Recip | Sin | Cos | Tanh | Erf | Sigmoid | Relu | Softplus | Floor | Round | Sign | Detach | Dropout => {
            elementwise::same_name(c, b)
        }
        Add | Sub | Mul | Div | Maximum | Minimum | Pow | Equal | Greater | GreaterEqual | Less | LessEqual | Not | And | Or | Where => {
            elementwise::same_name(c, b)
        }
        Gelu => elementwise::gelu(c, b),
        Silu => elementwise::silu(c, b),
        LeakyRelu | Elu => elementwise::with_alpha(c, b),
        Powf => elementwise::powf(c, b),
        Clamp => elementwise::clamp(c, b),
        Affine => elementwise::affine(c, b),
        NotEqual => elementwise::not_equal(c, b),
        CompareScalar => elementwise::compare_scalar(c, b)?,
        Cast => elementwise::cast(c, b),
        Sum | Mean | Max | Min => reduce::axes(c, b),
        ArgMax => reduce::argmax(c, b),
        TopK => reduce::topk(c, b),
        CumSum => reduce::cumsum(c, b),
        Softmax => c.along(b, "Softmax", c.int(0)),
        LogSoftmax => c.along(b, "LogSoftmax", c.int(0)),
        Reshape => layout::reshape(c, b),
        Permute => vec![b.node("Transpose", &c.names(), &[("perm", Setting::Ints(c.ints.to_vec()))])],
        Slice => layout::slice(c, b),
        Concat => c.along(b, "Concat", c.int(0)),
        Pad => layout::pad(c, b),
        Expand => layout::expand(c, b),
        Flip => layout::flip(c, b),
        Gather => c.along(b, "GatherElements", c.int(0)),
        ScatterAdd => layout::scatter_add(c, b),
        IndexSelect => c.along(b, "Gather", c.int(0)),
        OneHot => layout::one_hot(c, b),
        Conv => window::conv(c, b),
        ConvTranspose => window::conv_transpose(c, b),
        MaxPool => window::max_pool(c, b)?,
        AvgPool => window::avg_pool(c, b)?,
        AdaptiveAvgPool | AdaptiveMaxPool => window::adaptive_pool(c, b)?,
        Resize => window::resize(c, b),
        InstanceNorm => network::instance_norm(c, b),
        BatchNorm => network::batch_norm(c, b),
        GroupNorm => network::group_norm(c, b),
        LayerNorm => network::layer_norm(c, b),
        MatMul => c.plain(b, "MatMul"),
        Full => layout::full(c, b),
        Arange => layout::arange(c, b),
        RandUniform | RandNormal => return Err("it draws random numbers, and a file has to give the same each time".into()),
        SegmentSum => return Err("ONNX has no sum by segments".into()),
        ClassSums => return Err("it belongs to losses".into()),
        _ => return Err("it is newer than this exporter".into()),
    })
}
