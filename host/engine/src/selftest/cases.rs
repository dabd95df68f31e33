//! A small question to each operation of the table, some to several of its forms.

use crate::{device::Device, random::Random, value::Value};
use plugin_api::{DType, Op};

/// An input, drawn from a stream of its own.
#[derive(Clone)]
pub(super) enum Input {
    /// Uniform between two numbers.
    Float(Vec<usize>, f64, f64),
    /// Whole numbers from 0 to below this one.
    Int(Vec<usize>, i32),
    /// Yes or no.
    Bool(Vec<usize>),
}

/// An operation with its inputs and arguments.
pub(super) struct Case {
    pub(super) op: Op,
    pub(super) inputs: Vec<Input>,
    pub(super) ints: Vec<i64>,
    pub(super) floats: Vec<f64>,
}

impl Input {
    pub(super) fn shape(&self) -> &[usize] {
        match self {
            Input::Float(shape, ..) | Input::Int(shape, _) | Input::Bool(shape) => shape,
        }
    }

    /// Whether it has a gradient.
    pub(super) fn is_float(&self) -> bool {
        matches!(self, Input::Float(..))
    }

    /// On a device; equal streams give equal values on all of them.
    pub(super) fn put(&self, random: &mut Random, device: &Device) -> Value {
        let length = self.shape().iter().product::<usize>();
        let mut whole = |below: i32| (0..length).map(|_| (random.uniform() * f64::from(below)) as i32).collect();
        match self {
            Input::Int(shape, below) => Value::from_i32(whole(*below), shape, device),
            Input::Bool(shape) => Value::from_i32(whole(2), shape, device).cast(DType::Bool, device),
            Input::Float(shape, low, high) => {
                let values = (0..length).map(|_| (low + (high - low) * random.uniform()) as f32).collect();
                Value::from_f32(values, shape, device)
            }
        }
    }
}

/// Shapes of x and weight, whether there is a bias, and integers.
type Convolution<'a> = (&'a [usize], &'a [usize], bool, &'a [i64]);

fn any(shape: &[usize]) -> Input {
    Input::Float(shape.to_vec(), -2.0, 2.0)
}

fn positive(shape: &[usize]) -> Input {
    Input::Float(shape.to_vec(), 0.2, 2.0)
}

/// All of them.
pub(super) fn all() -> Vec<Case> {
    let mut cases = Cases(Vec::new());
    cases.elementwise();
    cases.logic();
    cases.reductions();
    cases.shapes();
    cases.indices();
    cases.windows();
    cases.norms();
    cases.creation();
    cases.0
}

struct Cases(Vec<Case>);

impl Cases {
    fn add(&mut self, op: Op, inputs: Vec<Input>, ints: &[i64], floats: &[f64]) {
        self.0.push(Case { op, inputs, ints: ints.to_vec(), floats: floats.to_vec() });
    }

    fn elementwise(&mut self) {
        use Op::*;
        let shape = [2, 3, 5, 7];
        for op in [Neg, Abs, Exp, Sin, Cos, Tanh, Erf, Sigmoid, Relu, Gelu, Silu, Softplus, Floor, Round, Sign, Detach] {
            self.add(op, vec![any(&shape)], &[], &[]);
        }
        for op in [Log, Sqrt, Recip] {
            self.add(op, vec![positive(&shape)], &[], &[]);
        }
        for (op, floats) in [(LeakyRelu, &[0.01][..]), (Elu, &[1.3]), (Clamp, &[-0.5, 0.7]), (Affine, &[1.7, -0.4])] {
            self.add(op, vec![any(&shape)], &[], floats);
        }
        self.add(Powf, vec![positive(&shape)], &[], &[1.6]);
        for op in [Add, Sub, Mul, Maximum, Minimum] {
            self.add(op, vec![any(&shape), any(&[3, 1, 7])], &[], &[]);
            self.add(op, vec![any(&shape), any(&shape)], &[], &[]);
        }
        self.add(Div, vec![any(&shape), positive(&[3, 1, 7])], &[], &[]);
        self.add(Pow, vec![positive(&shape), any(&[3, 1, 7])], &[], &[]);
    }

    fn logic(&mut self) {
        use Op::*;
        let shape = vec![2, 3, 5];
        for op in [Equal, NotEqual, Greater, GreaterEqual, Less, LessEqual] {
            self.add(op, vec![Input::Int(shape.clone(), 3), Input::Int(shape.clone(), 3)], &[], &[]);
            self.add(op, vec![any(&shape), any(&shape)], &[], &[]);
            self.add(CompareScalar, vec![Input::Int(shape.clone(), 3)], &[op as i64], &[1.0]);
            self.add(CompareScalar, vec![any(&shape)], &[op as i64], &[0.3]);
        }
        self.add(Not, vec![Input::Bool(shape.clone())], &[], &[]);
        for op in [And, Or] {
            self.add(op, vec![Input::Bool(shape.clone()), Input::Bool(shape.clone())], &[], &[]);
        }
        self.add(Where, vec![Input::Bool(shape.clone()), any(&shape), any(&[3, 1])], &[], &[]);
        for to in 0..3 {
            self.add(Cast, vec![any(&shape)], &[to], &[]);
            self.add(Cast, vec![Input::Int(shape.clone(), 4)], &[to], &[]);
            self.add(Cast, vec![Input::Bool(shape.clone())], &[to], &[]);
        }
    }

    fn reductions(&mut self) {
        use Op::*;
        for op in [Sum, Mean, Max, Min] {
            for ints in [&[0][..], &[1, 2, 3], &[0, 1], &[1, 0]] {
                self.add(op, vec![any(&[2, 3, 5, 7])], ints, &[]);
            }
        }
        for axis in [1, 3] {
            self.add(ArgMax, vec![any(&[2, 3, 5, 7])], &[axis], &[]);
            self.add(TopK, vec![any(&[2, 3, 5, 7])], &[2, axis], &[]);
            self.add(CumSum, vec![any(&[2, 3, 5, 7])], &[axis], &[]);
            self.add(Softmax, vec![any(&[2, 3, 5, 7])], &[axis], &[]);
            self.add(LogSoftmax, vec![any(&[2, 3, 5, 7])], &[axis], &[]);
        }
    }

    fn shapes(&mut self) {
        use Op::*;
        let x = || vec![any(&[2, 3, 4, 5])];
        self.add(Reshape, x(), &[6, -1], &[]);
        self.add(Permute, x(), &[0, 2, 3, 1], &[]);
        self.add(Slice, x(), &[3, 1, 5, 2], &[]);
        self.add(Slice, x(), &[1, 1, 3, 1], &[]);
        self.add(Concat, vec![any(&[2, 3, 4, 5]), any(&[2, 2, 4, 5]), any(&[2, 1, 4, 5])], &[1], &[]);
        for mode in 0..3 {
            self.add(Pad, x(), &[mode, 0, 0, 0, 0, 2, 1, 1, 3], &[0.5]);
        }
        self.add(Expand, vec![any(&[2, 1, 4, 1])], &[2, 3, 4, 5], &[]);
        self.add(Flip, x(), &[1, 3], &[]);
    }

    fn indices(&mut self) {
        use Op::*;
        self.add(Gather, vec![any(&[2, 5, 3]), Input::Int(vec![2, 4, 3], 5)], &[1], &[]);
        self.add(ScatterAdd, vec![any(&[2, 5, 3]), Input::Int(vec![2, 4, 3], 5), any(&[2, 4, 3])], &[1], &[]);
        self.add(IndexSelect, vec![any(&[2, 5, 3]), Input::Int(vec![6], 5)], &[1], &[]);
        for channels in [1, 3] {
            self.add(SegmentSum, vec![any(&[2, 3, 4, 5]), Input::Int(vec![2, channels, 4, 5], 6)], &[6], &[]);
        }
        self.add(OneHot, vec![Input::Int(vec![2, 1, 4, 5], 4)], &[4], &[]);
        for (classes, space) in [(3, [40, 50, 30]), (40, [9, 5, 7])] {
            let of = |channels: usize| [2, channels].into_iter().chain(space).collect::<Vec<_>>();
            let (logits, labels) = (any(&of(classes)), Input::Int(of(1), classes as i32));
            self.add(ClassSums, vec![logits.clone(), labels.clone()], &[], &[]);
            self.add(ClassSums, vec![logits, labels, any(&of(1))], &[], &[]);
        }
    }

    fn windows(&mut self) {
        use Op::*;
        let weights = |shape: &[usize]| Input::Float(shape.to_vec(), -0.3, 0.3);
        // [n, stride.., padding.., dilation.., groups]
        let convolutions: [Convolution<'_>; 10] = [
            (&[2, 16, 12, 14, 10], &[32, 16, 3, 3, 3], true, &[3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
            (&[2, 32, 8, 8, 8], &[32, 32, 3, 3, 3], false, &[3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
            (&[2, 16, 12, 14, 10], &[24, 16, 3, 3, 3], true, &[3, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1]),
            (&[2, 16, 6, 14, 10], &[16, 16, 1, 3, 3], true, &[3, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1]),
            (&[2, 16, 6, 14, 10], &[5, 16, 1, 1, 1], true, &[3, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1]),
            (&[2, 16, 9, 9, 9], &[16, 4, 3, 3, 3], false, &[3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4]),
            (&[2, 8, 9, 9, 9], &[8, 8, 3, 3, 3], false, &[3, 1, 1, 1, 2, 2, 2, 2, 2, 2, 1]),
            (&[2, 16, 24, 20], &[16, 16, 3, 3], true, &[2, 1, 1, 1, 1, 1, 1, 1]),
            (&[2, 16, 24, 20], &[16, 16, 3, 3], true, &[2, 2, 2, 1, 1, 1, 1, 1]),
            (&[2, 8, 40], &[8, 8, 3], true, &[1, 1, 1, 1, 1]),
        ];
        for (x, w, bias, ints) in convolutions {
            let bias = bias.then(|| any(&w[..1]));
            self.add(Conv, [any(x), weights(w)].into_iter().chain(bias).collect(), ints, &[]);
        }
        let transposed: [(&[usize], &[usize], &[i64]); 4] = [
            (&[2, 16, 5, 7, 5], &[16, 8, 2, 2, 2], &[3, 2, 2, 2, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1]),
            (&[2, 16, 5, 7, 5], &[16, 8, 1, 2, 2], &[3, 1, 2, 2, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1]),
            (&[2, 8, 5, 7, 5], &[8, 8, 3, 3, 3], &[3, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
            (&[2, 16, 12, 10], &[16, 8, 2, 2], &[2, 2, 2, 0, 0, 0, 0, 1, 1, 1]),
        ];
        for (x, w, ints) in transposed {
            self.add(ConvTranspose, vec![any(x), weights(w), any(&[w[1]])], ints, &[]);
        }
        let x = || vec![any(&[2, 3, 8, 9, 10])];
        self.add(MaxPool, x(), &[3, 2, 2, 2, 2, 2, 2, 0, 0, 0, 0], &[]);
        self.add(MaxPool, x(), &[3, 3, 3, 3, 2, 2, 2, 1, 1, 1, 1], &[]);
        self.add(AvgPool, x(), &[3, 2, 2, 2, 2, 2, 2, 0, 0, 0, 0, 1], &[]);
        self.add(AvgPool, x(), &[3, 3, 3, 3, 2, 2, 2, 1, 1, 1, 0, 0], &[]);
        for op in [AdaptiveAvgPool, AdaptiveMaxPool] {
            self.add(op, x(), &[3, 1, 1, 1], &[]);
            self.add(op, x(), &[3, 3, 4, 5], &[]);
        }
        for (mode, aligned) in [(0, 0), (1, 0), (2, 0), (2, 1)] {
            self.add(Resize, x(), &[3, 16, 18, 20, mode, aligned], &[]);
            self.add(Resize, x(), &[3, 5, 6, 7, mode, aligned], &[]);
        }
        self.add(MatMul, vec![any(&[2, 4, 6, 5]), any(&[5, 7])], &[], &[]);
        self.add(MatMul, vec![any(&[33, 65]), any(&[65, 17])], &[], &[]);
    }

    fn norms(&mut self) {
        use Op::*;
        let with = |x: &[usize], channels: &[usize]| vec![any(x), positive(channels), any(channels)];
        for x in [&[2, 8, 5, 6, 7][..], &[2, 8, 11, 12]] {
            self.add(InstanceNorm, with(x, &[8]), &[], &[1e-5]);
            self.add(InstanceNorm, vec![any(x)], &[], &[1e-5]);
            self.add(GroupNorm, with(x, &[8]), &[4], &[1e-5]);
            let statistics = [any(&[8]), positive(&[8])];
            self.add(BatchNorm, with(x, &[8]).into_iter().chain(statistics).collect(), &[], &[1e-5, 0.1]);
        }
        self.add(LayerNorm, with(&[2, 6, 10], &[10]), &[1], &[1e-5]);
        for whole in 0..2 {
            self.add(Dropout, vec![any(&[2, 8, 5, 6])], &[whole], &[0.3]);
        }
    }

    fn creation(&mut self) {
        use Op::*;
        for dtype in 0..3 {
            self.add(Full, vec![], &[dtype, 2, 3], &[1.0]);
        }
        self.add(Arange, vec![], &[2, 11, 3], &[]);
        self.add(RandUniform, vec![], &[4, 5], &[-1.0, 2.0]);
        self.add(RandNormal, vec![], &[4, 5], &[1.0, 2.0]);
    }
}
