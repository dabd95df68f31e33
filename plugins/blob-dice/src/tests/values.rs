//! A host that computes: the few operations that the losses use, in f64, one by one.

use plugin_api::{
    DType, Error, Op, Result,
    abi::host::{CustomHandle, Host},
};
use std::cell::RefCell;

#[derive(Clone, Debug)]
pub(crate) struct Values {
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<f64>,
}

/// Ids are places in the list, counted from 1.
#[derive(Default)]
pub(crate) struct Calculator(RefCell<Vec<Values>>);

/// A tensor seen along one axis: (outer, length, inner).
fn around(shape: &[usize], axis: usize) -> (usize, usize, usize) {
    (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product())
}

impl Values {
    fn map(&self, f: impl Fn(f64) -> f64) -> Values {
        Values { shape: self.shape.clone(), data: self.data.iter().map(|&v| f(v)).collect() }
    }

    /// Broadcasting from the right.
    fn at(&self, index: &[usize]) -> f64 {
        let own = &index[index.len() - self.shape.len()..];
        self.data[own.iter().zip(&self.shape).fold(0, |i, (&at, &n)| i * n + if n == 1 { 0 } else { at })]
    }

    fn with(&self, other: &Values, f: impl Fn(f64, f64) -> f64) -> Values {
        let rank = self.shape.len().max(other.shape.len());
        let size = |v: &Values, axis: usize| (axis + v.shape.len()).checked_sub(rank).map_or(1, |a| v.shape[a]);
        let shape: Vec<usize> = (0..rank).map(|a| size(self, a).max(size(other, a))).collect();
        let data = indices(&shape).map(|i| f(self.at(&i), other.at(&i))).collect();
        Values { shape, data }
    }

    /// Sums over axes (all if none) and the number of summands.
    fn sum(&self, keep: bool, axes: &[usize]) -> (Values, f64) {
        let gone = |a: usize| axes.is_empty() || axes.contains(&a);
        let kept: Vec<usize> = self.shape.iter().enumerate().map(|(a, &n)| if gone(a) { 1 } else { n }).collect();
        let mut out = Values { data: vec![0.0; kept.iter().product()], shape: kept.clone() };
        for i in indices(&self.shape) {
            let place = i.iter().enumerate().fold(0, |p, (a, &at)| p * kept[a] + if gone(a) { 0 } else { at });
            out.data[place] += self.at(&i);
        }
        if !keep {
            out.shape = self.shape.iter().enumerate().filter(|&(a, _)| !gone(a)).map(|(_, &n)| n).collect();
            if out.shape.is_empty() {
                out.shape = vec![1];
            }
        }
        let summands = (self.data.len() / out.data.len()) as f64;
        (out, summands)
    }

    fn log_softmax(&self, axis: usize) -> Values {
        let (outer, n, inner) = around(&self.shape, axis);
        let mut out = self.clone();
        for o in 0..outer {
            for i in 0..inner {
                let total: f64 = (0..n).map(|c| self.data[(o * n + c) * inner + i].exp()).sum();
                (0..n).for_each(|c| out.data[(o * n + c) * inner + i] -= total.ln());
            }
        }
        out
    }
}

fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + use<> {
    let shape = shape.to_vec();
    (0..shape.iter().product()).map(move |mut flat: usize| {
        let mut index = vec![0; shape.len()];
        for (at, &n) in index.iter_mut().zip(&shape).rev() {
            (*at, flat) = (flat % n, flat / n);
        }
        index
    })
}

impl Calculator {
    pub(crate) fn put(&self, shape: &[usize], data: Vec<f64>) -> u64 {
        assert_eq!(shape.iter().product::<usize>(), data.len());
        self.0.borrow_mut().push(Values { shape: shape.to_vec(), data });
        self.0.borrow().len() as u64
    }

    pub(crate) fn get(&self, id: u64) -> Values {
        self.0.borrow()[id as usize - 1].clone()
    }

    fn run(op: Op, inputs: &[Values], ints: &[i64], floats: &[f64]) -> Result<Values> {
        let (x, n) = (&inputs[0], |i: usize| ints[i] as usize);
        Ok(match op {
            Op::Neg => x.map(|v| -v),
            Op::Affine => x.map(|v| floats[0] * v + floats[1]),
            Op::Clamp => x.map(|v| v.clamp(floats[0], floats[1])),
            Op::Sigmoid => x.map(|v| 1.0 / (1.0 + (-v).exp())),
            Op::Softplus => x.map(|v| v.exp().ln_1p()),
            Op::Softmax => x.log_softmax(n(0)).map(f64::exp),
            Op::LogSoftmax => x.log_softmax(n(0)),
            Op::Add => x.with(&inputs[1], |a, b| a + b),
            Op::Sub => x.with(&inputs[1], |a, b| a - b),
            Op::Mul => x.with(&inputs[1], |a, b| a * b),
            Op::Div => x.with(&inputs[1], |a, b| a / b),
            Op::Sum | Op::Mean => {
                let axes: Vec<usize> = ints[1..].iter().map(|&a| a as usize).collect();
                let (sum, summands) = x.sum(ints[0] == 1, &axes);
                if op == Op::Sum { sum } else { sum.map(|v| v / summands) }
            }
            Op::Expand => {
                let shape: Vec<usize> = ints.iter().map(|&v| v as usize).collect();
                Values { data: indices(&shape).map(|i| x.at(&i)).collect(), shape }
            }
            Op::Reshape => {
                let known: i64 = ints.iter().filter(|&&n| n > 0).product();
                let shape = ints.iter().map(|&n| if n < 0 { x.data.len() / known as usize } else { n as usize }).collect();
                Values { shape, data: x.data.clone() }
            }
            Op::Slice => {
                let mut shape = x.shape.clone();
                shape[n(0)] = n(2) - n(1);
                let shifted = |mut i: Vec<usize>| {
                    i[n(0)] += n(1);
                    x.at(&i)
                };
                Values { data: indices(&shape).map(shifted).collect(), shape }
            }
            Op::Gather => {
                let index = &inputs[1];
                let picked = |mut i: Vec<usize>| {
                    i[n(0)] = index.at(&i) as usize;
                    x.at(&i)
                };
                Values { data: indices(&index.shape).map(picked).collect(), shape: index.shape.clone() }
            }
            Op::OneHot => {
                let mut shape = x.shape.clone();
                shape[1] = n(0);
                let hot = |i: Vec<usize>| f64::from(u8::from(x.at(&i) == i[1] as f64));
                Values { data: indices(&shape).map(hot).collect(), shape }
            }
            Op::SegmentSum => {
                let (ids, shape) = (&inputs[1], vec![x.shape[0], x.shape[1], n(0)]);
                assert_eq!(ids.shape, x.shape);
                let mut out = Values { data: vec![0.0; shape.iter().product()], shape };
                for i in indices(&x.shape) {
                    out.data[(i[0] * x.shape[1] + i[1]) * n(0) + ids.at(&i) as usize] += x.at(&i);
                }
                out
            }
            _ => return Err(Error::new(format!("{} is not computed here", op.name()))),
        })
    }
}

impl Host for Calculator {
    fn emit(&self, op: u32, inputs: &[u64], ints: &[i64], floats: &[f64]) -> Result<Vec<u64>> {
        let inputs: Vec<Values> = inputs.iter().map(|&id| self.get(id)).collect();
        let op = Op::from_number(op).ok_or_else(|| Error::new("no such operation"))?;
        let Values { shape, data } = Self::run(op, &inputs, ints, floats)?;
        Ok(vec![self.put(&shape, data)])
    }
    fn describe(&self, id: u64) -> Result<(Vec<usize>, DType)> {
        Ok((self.get(id).shape, DType::Float))
    }
    fn upload_f32(&self, shape: &[usize], data: &[f32]) -> Result<u64> {
        Ok(self.put(shape, data.iter().map(|&v| f64::from(v)).collect()))
    }
    fn upload_i32(&self, shape: &[usize], data: &[i32]) -> Result<u64> {
        Ok(self.put(shape, data.iter().map(|&v| f64::from(v)).collect()))
    }
    fn release(&self, _: u64) {}
    fn read(&self, id: u64) -> Result<Vec<f32>> {
        Ok(self.get(id).data.iter().map(|&v| v as f32).collect())
    }
    fn parameter(&self, name: &str, _: &[usize], _: &str, _: bool) -> Result<u64> {
        Err(Error::new(format!("a loss has no parameters; {name} was asked for")))
    }
    fn custom(&self, _: CustomHandle, _: &[u64]) -> Result<u64> {
        Err(Error::new("there are no custom operations here"))
    }
    fn query(&self, _: &str) -> Option<String> {
        None
    }
    fn log(&self, _: u32, _: &str) {}
}
