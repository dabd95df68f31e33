//! Element-wise arithmetic, comparisons and reductions.

use super::{DType, Tensor};
use crate::Op;
use std::ops;

macro_rules! unary {
    ($($(#[doc = $doc:literal])+ $name:ident $op:ident;)+) => {
        impl Tensor { $($(#[doc = $doc])+ #[track_caller] pub fn $name(&self) -> Tensor { Tensor::apply(Op::$op, &[self], &[], &[]) })+ }
    };
}
unary! {
    /// `|x|`
    abs Abs;
    /// `e^x`
    exp Exp;
    /// Natural logarithm.
    log Log;
    /// Square root.
    sqrt Sqrt;
    /// `1/x`
    recip Recip;
    /// Sine.
    sin Sin;
    /// Cosine.
    cos Cos;
    /// Hyperbolic tangent.
    tanh Tanh;
    /// Error function.
    erf Erf;
    /// `1/(1+e^-x)`
    sigmoid Sigmoid;
    /// `max(x, 0)`
    relu Relu;
    /// Gaussian error linear unit, exact form.
    gelu Gelu;
    /// `x sigmoid(x)`
    silu Silu;
    /// `log(1 + e^x)`
    softplus Softplus;
    /// Largest integer not above x; no gradient.
    floor Floor;
    /// Nearest integer, halves to even; no gradient.
    round Round;
    /// -1, 0 or 1; no gradient.
    sign Sign;
    /// The same values outside the gradient.
    detach Detach;
    /// Logical not of a Bool tensor.
    logical_not Not;
}

macro_rules! binary {
    ($($(#[doc = $doc:literal])+ $name:ident $op:ident;)+) => {
        impl Tensor { $($(#[doc = $doc])+ #[track_caller] pub fn $name(&self, other: &Tensor) -> Tensor { Tensor::apply(Op::$op, &[self, other], &[], &[]) })+ }
    };
}
binary! {
    /// The larger of two, broadcasting.
    maximum Maximum;
    /// The smaller of two, broadcasting.
    minimum Minimum;
    /// `self ^ other`, broadcasting.
    pow Pow;
    /// `self == other`, Bool.
    equal Equal;
    /// `self != other`, Bool.
    not_equal NotEqual;
    /// `self > other`, Bool.
    greater Greater;
    /// `self >= other`, Bool.
    greater_equal GreaterEqual;
    /// `self < other`, Bool.
    less Less;
    /// `self <= other`, Bool.
    less_equal LessEqual;
    /// Both, of Bool tensors.
    logical_and And;
    /// Either, of Bool tensors.
    logical_or Or;
}

macro_rules! compare {
    ($($name:ident $op:ident $sign:literal;)+) => {
        impl Tensor { $(#[doc = concat!("`self ", $sign, " value`, Bool.")] #[track_caller] pub fn $name(&self, value: f64) -> Tensor {
            Tensor::apply(Op::CompareScalar, &[self], &[Op::$op as i64], &[value])
        })+ }
    };
}
compare! {
    eq_scalar Equal "==";
    ne_scalar NotEqual "!=";
    gt_scalar Greater ">";
    ge_scalar GreaterEqual ">=";
    lt_scalar Less "<";
    le_scalar LessEqual "<=";
}

impl Tensor {
    /// `scale x + shift`
    #[track_caller]
    pub fn affine(&self, scale: f64, shift: f64) -> Tensor {
        Tensor::apply(Op::Affine, &[self], &[], &[scale, shift])
    }

    /// `x^exponent`
    #[track_caller]
    pub fn powf(&self, exponent: f64) -> Tensor {
        Tensor::apply(Op::Powf, &[self], &[], &[exponent])
    }

    /// x above 0, `slope x` below. `slope` is finite and not below 0.
    #[track_caller]
    pub fn leaky_relu(&self, slope: f64) -> Tensor {
        Tensor::apply(Op::LeakyRelu, &[self], &[], &[slope])
    }

    /// x above 0, `alpha (e^x - 1)` below.
    #[track_caller]
    pub fn elu(&self, alpha: f64) -> Tensor {
        Tensor::apply(Op::Elu, &[self], &[], &[alpha])
    }

    /// Values limited to `low..=high`.
    #[track_caller]
    pub fn clamp(&self, low: f64, high: f64) -> Tensor {
        Tensor::apply(Op::Clamp, &[self], &[], &[low, high])
    }

    /// `self` where `condition` (Bool) holds, else `other`; all broadcast.
    #[track_caller]
    pub fn where_or(&self, condition: &Tensor, other: &Tensor) -> Tensor {
        Tensor::apply(Op::Where, &[condition, self, other], &[], &[])
    }

    /// The same values as another type.
    #[track_caller]
    pub fn cast(&self, dtype: DType) -> Tensor {
        Tensor::apply(Op::Cast, &[self], &[i64::from(dtype.number())], &[])
    }

    /// The values as Float.
    #[track_caller]
    pub fn float(&self) -> Tensor {
        self.cast(DType::Float)
    }

    #[track_caller]
    fn reduce(&self, op: Op, keep: bool, axes: &[usize]) -> Tensor {
        let ints: Vec<i64> = std::iter::once(i64::from(keep)).chain(axes.iter().map(|&a| a as i64)).collect();
        Tensor::apply(op, &[self], &ints, &[])
    }

    /// Sum of everything, shape (1).
    #[track_caller]
    pub fn sum(&self) -> Tensor {
        self.reduce(Op::Sum, false, &[])
    }

    /// Mean of everything, shape (1).
    #[track_caller]
    pub fn mean(&self) -> Tensor {
        self.reduce(Op::Mean, false, &[])
    }

    /// Largest of everything, shape (1).
    #[track_caller]
    pub fn max(&self) -> Tensor {
        self.reduce(Op::Max, false, &[])
    }

    /// Smallest of everything, shape (1).
    #[track_caller]
    pub fn min(&self) -> Tensor {
        self.reduce(Op::Min, false, &[])
    }

    /// Sum over axes, which keep length 1 if `keep`.
    #[track_caller]
    pub fn sum_axes(&self, axes: &[usize], keep: bool) -> Tensor {
        self.reduce(Op::Sum, keep, axes)
    }

    /// Mean over axes, which keep length 1 if `keep`.
    #[track_caller]
    pub fn mean_axes(&self, axes: &[usize], keep: bool) -> Tensor {
        self.reduce(Op::Mean, keep, axes)
    }

    /// Largest over axes, which keep length 1 if `keep`.
    #[track_caller]
    pub fn max_axes(&self, axes: &[usize], keep: bool) -> Tensor {
        self.reduce(Op::Max, keep, axes)
    }

    /// Smallest over axes, which keep length 1 if `keep`.
    #[track_caller]
    pub fn min_axes(&self, axes: &[usize], keep: bool) -> Tensor {
        self.reduce(Op::Min, keep, axes)
    }

    /// Mean where `mask` (Bool, or Float of 0 and 1; broadcasts) holds, or of everything without one; 0 where nothing is left.
    #[track_caller]
    pub fn mean_where(&self, mask: Option<&Tensor>) -> Tensor {
        let Some(mask) = mask else { return self.mean() };
        let mask = if mask.dtype() == DType::Float { mask.clone() } else { mask.float() };
        let mask = mask.expand(&self.shape());
        (self * &mask).sum() / mask.sum().clamp(1.0, f64::MAX)
    }
}

macro_rules! operator {
    ($($tr:ident $method:ident $op:ident;)+) => {$(
        impl ops::$tr<&Tensor> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: &Tensor) -> Tensor { Tensor::apply(Op::$op, &[self, other], &[], &[]) }
        }
        impl ops::$tr<Tensor> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: Tensor) -> Tensor { Tensor::apply(Op::$op, &[self, &other], &[], &[]) }
        }
        impl ops::$tr<&Tensor> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: &Tensor) -> Tensor { Tensor::apply(Op::$op, &[&self, other], &[], &[]) }
        }
        impl ops::$tr<Tensor> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, other: Tensor) -> Tensor { Tensor::apply(Op::$op, &[&self, &other], &[], &[]) }
        }
    )+};
}
operator! { Add add Add; Sub sub Sub; Mul mul Mul; Div div Div; }

macro_rules! with_number {
    ($($tr:ident $method:ident |$x:ident, $n:ident| $right:expr, $left:expr;)+) => {$(
        impl ops::$tr<f64> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, $n: f64) -> Tensor { let $x = self; $right }
        }
        impl ops::$tr<f64> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, $n: f64) -> Tensor { let $x = &self; $right }
        }
        impl ops::$tr<&Tensor> for f64 {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, $x: &Tensor) -> Tensor { let $n = self; $left }
        }
        impl ops::$tr<Tensor> for f64 {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, x: Tensor) -> Tensor { let ($x, $n) = (&x, self); $left }
        }
    )+};
}
with_number! {
    Add add |x, n| x.affine(1.0, n), x.affine(1.0, n);
    Sub sub |x, n| x.affine(1.0, -n), x.affine(-1.0, n);
    Mul mul |x, n| x.affine(n, 0.0), x.affine(n, 0.0);
    Div div |x, n| x.affine(1.0 / n, 0.0), x.recip().affine(n, 0.0);
}

impl ops::Neg for &Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        Tensor::apply(Op::Neg, &[self], &[], &[])
    }
}

impl ops::Neg for Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        -&self
    }
}
