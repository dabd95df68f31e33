//! The op table: what a tensor can be asked to do. Append-only; a number never changes its meaning.
//!
//! An operation is a number, input tensors, integers and floats. Notation: `x` is (B, C, spatial...)
//! with 1 to 3 spatial axes, `n` their count; `[..n]` is one integer an axis. Axes count from 0.
//! Element-wise operations broadcast from the right, as NumPy does. Results of a reduction over
//! everything have shape (1).

macro_rules! ops {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal,)+) => {
        /// An operation and its number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        #[non_exhaustive]
        pub enum Op { $($(#[doc = $doc])+ $name = $number,)+ }

        impl Op {
            /// Every operation that this version knows, in the order of the table.
            pub const ALL: &'static [Op] = &[$(Op::$name),+];

            /// The operation with this number, if this version knows it.
            pub fn from_number(number: u32) -> Option<Op> {
                match number { $($number => Some(Op::$name),)+ _ => None }
            }

            /// The name as written in this table.
            pub fn name(self) -> &'static str {
                match self { $(Op::$name => stringify!($name),)+ }
            }
        }
    };
}

ops! {
    // element-wise, one input
    /// `-x`
    Neg = 1,
    /// `|x|`
    Abs = 2,
    /// `e^x`
    Exp = 3,
    /// natural logarithm
    Log = 4,
    /// square root
    Sqrt = 5,
    /// `1/x`
    Recip = 6,
    /// sine
    Sin = 7,
    /// cosine
    Cos = 8,
    /// hyperbolic tangent
    Tanh = 9,
    /// error function
    Erf = 10,
    /// `1/(1+e^-x)`
    Sigmoid = 11,
    /// `max(x, 0)`
    Relu = 12,
    /// `x/2 (1 + erf(x/sqrt 2))`
    Gelu = 13,
    /// `x sigmoid(x)`
    Silu = 14,
    /// `log(1 + e^x)`, stable for large |x|
    Softplus = 15,
    /// largest integer not above x; no gradient
    Floor = 16,
    /// nearest integer, halves to even; no gradient
    Round = 17,
    /// -1, 0 or 1; no gradient
    Sign = 18,
    /// floats `[slope]`, finite and not below 0: x above 0, `slope x` below
    LeakyRelu = 19,
    /// floats `[alpha]`: x above 0, `alpha (e^x - 1)` below
    Elu = 20,
    /// floats `[exponent]`: `x^exponent`
    Powf = 21,
    /// floats `[low, high]`
    Clamp = 22,
    /// floats `[scale, shift]`: `scale x + shift`
    Affine = 23,
    /// the same values outside the gradient
    Detach = 24,

    // element-wise, two inputs, broadcasting
    /// `a + b`
    Add = 40,
    /// `a - b`
    Sub = 41,
    /// `a b`
    Mul = 42,
    /// `a / b`
    Div = 43,
    /// larger of the two; the gradient goes to the larger one, to `a` where equal
    Maximum = 44,
    /// smaller of the two
    Minimum = 45,
    /// `a^b`
    Pow = 46,

    // comparisons and logic; results are Bool
    /// `a == b`
    Equal = 60,
    /// `a != b`
    NotEqual = 61,
    /// `a > b`
    Greater = 62,
    /// `a >= b`
    GreaterEqual = 63,
    /// `a < b`
    Less = 64,
    /// `a <= b`
    LessEqual = 65,
    /// ints `[number of one of the six comparisons]`, floats `[value]`: compares with a number
    CompareScalar = 66,
    /// logical not
    Not = 67,
    /// logical and
    And = 68,
    /// logical or
    Or = 69,
    /// inputs condition (Bool), a, b: a where the condition holds, else b; all three broadcast
    Where = 70,
    /// ints `[dtype]`: 0 float, 1 int (towards zero), 2 bool (not zero)
    Cast = 71,

    // reductions: ints `[keep (0/1), axes...]`; no axes means all
    /// sum
    Sum = 80,
    /// arithmetic mean
    Mean = 81,
    /// largest; the gradient is shared equally between equal largest ones
    Max = 82,
    /// smallest
    Min = 83,
    /// ints `[axis]`: index of the (first) largest, axis kept with length 1, Int
    ArgMax = 84,
    /// ints `[k, axis]`: the k largest in falling order; two results, values and Int indices
    TopK = 85,
    /// ints `[axis]`: running sum
    CumSum = 86,

    // softmax: ints `[axis]`
    /// softmax
    Softmax = 90,
    /// logarithm of the softmax, stable
    LogSoftmax = 91,

    // shape
    /// ints: the new shape, -1 at most once
    Reshape = 100,
    /// ints: the source axis of each new axis
    Permute = 101,
    /// ints `[axis, start, end, step]`, step at least 1
    Slice = 102,
    /// ints `[axis]`, any number of inputs
    Concat = 103,
    /// ints `[mode (0 constant, 1 reflect, 2 replicate), low, high an axis]`, floats `[value]`
    Pad = 104,
    /// ints: the new shape; axes of length 1 are repeated
    Expand = 105,
    /// ints: the axes to reverse
    Flip = 106,

    // indices
    /// inputs x, index (Int, same rank), ints `[axis]`: `out[i][j][k] = x[i][index[i][j][k]][k]` for axis 1
    Gather = 120,
    /// inputs x, index, source, ints `[axis]`: x with the source added at the indices (reverse of Gather)
    ScatterAdd = 121,
    /// inputs x, index (1-D Int), ints `[axis]`
    IndexSelect = 122,
    /// inputs x (B, C, spatial...), ids (B, 1 or C, spatial...) Int from 0 to k-1, ints `[k]`: sums an id, (B, C, k)
    SegmentSum = 123,
    /// input labels (B, 1, spatial...) Int, ints `[classes]`: (B, classes, spatial...) Float
    OneHot = 124,
    /// inputs logits (B, C, spatial...), labels (B, 1, spatial...) Int from 0 to C-1, [weights (B, 1, spatial...), which have no gradient]: with p the
    /// softmax over C and y the labels in one-hot, sums over the voxels, each times its weight, of `y p`, `p`, `y` and `-y log p`: (B, C, 4)
    ClassSums = 125,

    // networks
    /// inputs x, weight (O, I/groups, kernel...), [bias (O)]; ints `[n, stride[..n], padding[..n], dilation[..n], groups]`
    Conv = 140,
    /// inputs x, weight (I, O/groups, kernel...), [bias (O)]; ints `[n, stride[..n], padding[..n], output_padding[..n], dilation[..n], groups]`
    ConvTranspose = 141,
    /// ints `[n, kernel[..n], stride[..n], padding[..n], ceil (0/1)]`
    MaxPool = 142,
    /// ints as MaxPool, then `[count_padding (0/1)]`
    AvgPool = 143,
    /// ints `[n, size[..n]]`
    AdaptiveAvgPool = 144,
    /// ints `[n, size[..n]]`
    AdaptiveMaxPool = 145,
    /// ints `[n, size[..n], mode (0 nearest: floor(i scale), 1 nearest exact: floor((i+0.5) scale), 2 linear), align_corners (0/1)]`
    Resize = 146,
    /// inputs x, [scale (C), shift (C)]; floats `[eps]`: each (b, c) over its spatial axes, biased variance
    InstanceNorm = 147,
    /// inputs x, scale, shift, running mean, running variance (C each); floats `[eps, momentum]`; in training batch statistics are used and the buffers updated as PyTorch does
    BatchNorm = 148,
    /// inputs x, [scale (C), shift (C)]; ints `[groups]`; floats `[eps]`
    GroupNorm = 149,
    /// inputs x, [scale, shift]; ints `[k]`: over the last k axes; floats `[eps]`
    LayerNorm = 150,
    /// ints `[whole channels (0/1)]`, floats `[p]`: in training zeroes with probability p and scales by 1/(1-p)
    Dropout = 151,
    /// (..., M, K) by (..., K, N), leading axes broadcast
    MatMul = 152,

    // creation
    /// ints `[dtype, shape...]`, floats `[value]`
    Full = 170,
    /// ints `[start, end, step]`: Int, 1-D
    Arange = 171,
    /// ints shape, floats `[low, high]`: from the host's random numbers
    RandUniform = 172,
    /// ints shape, floats `[mean, deviation]`: from the host's random numbers
    RandNormal = 173,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_go_both_ways() {
        for &op in Op::ALL {
            assert_eq!(Op::from_number(op as u32), Some(op));
        }
        assert_eq!(Op::from_number(0), None);
    }
}
