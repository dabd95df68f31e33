//! A host that knows shapes alone: it records the parameters and runs the operations that U-Nets use.

use plugin_api::{
    DType, Error, ErrorKind, Init, Op, ParamRequest, Result,
    abi::host::{CustomHandle, Host},
};
use std::{cell::RefCell, collections::BTreeSet};

/// One parameter as the network asked for it.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// Canonical name.
    pub(crate) name: String,
    /// Shape.
    pub(crate) shape: Vec<usize>,
    /// The tensor.
    pub(crate) id: u64,
    /// How it starts.
    pub(crate) init: Init,
    /// Other names.
    pub(crate) aliases: Vec<String>,
}

/// Ids are places in the list of shapes, counted from 1.
#[derive(Default)]
pub(crate) struct Shapes {
    tensors: RefCell<Vec<Vec<usize>>>,
    parameters: RefCell<Vec<Recorded>>,
    convolved: RefCell<u64>,
    used: RefCell<BTreeSet<u64>>,
}

impl Shapes {
    /// A tensor of this shape.
    pub(crate) fn tensor(&self, shape: &[usize]) -> u64 {
        self.tensors.borrow_mut().push(shape.to_vec());
        self.tensors.borrow().len() as u64
    }

    /// The shape of a tensor.
    pub(crate) fn shape(&self, id: u64) -> Vec<usize> {
        self.tensors.borrow()[id as usize - 1].clone()
    }

    /// What was asked for, in order.
    pub(crate) fn parameters(&self) -> Vec<Recorded> {
        self.parameters.borrow().clone()
    }

    /// Numbers in all parameters.
    pub(crate) fn count(&self) -> usize {
        self.parameters().iter().map(|p| p.shape.iter().product::<usize>()).sum()
    }

    /// Parameters that no operation took so far.
    pub(crate) fn unused(&self) -> Vec<String> {
        self.parameters().into_iter().filter(|p| !self.used.borrow().contains(&p.id)).map(|p| p.name).collect()
    }

    /// Elements of all convolution outputs so far.
    pub(crate) fn convolved(&self) -> u64 {
        *self.convolved.borrow()
    }

    fn result_of(&self, op: Op, inputs: &[Vec<usize>], ints: &[i64]) -> Result<Vec<usize>> {
        let n = ints.first().map_or(0, |&n| n as usize);
        let axis = |part: usize, i: usize| ints[1 + part * n + i] as usize;
        let x = inputs[0].clone();
        let spatial = |first: usize, f: &dyn Fn(usize, usize) -> usize| -> Vec<usize> {
            [x[0], first].into_iter().chain((0..n).map(|i| f(i, x[2 + i]))).collect()
        };
        Ok(match op {
            Op::Conv | Op::ConvTranspose => {
                let w = &inputs[1];
                let (takes, gives) = if op == Op::Conv { (w[1], w[0]) } else { (w[0], w[1]) };
                if x[1] != takes || x.len() != n + 2 || w.len() != n + 2 {
                    return Err(Error::of(ErrorKind::Invalid, format!("{x:?} does not fit a weight of {w:?}")));
                }
                let out = match op {
                    Op::Conv => spatial(gives, &|i, size| (size + 2 * axis(1, i) - axis(2, i) * (w[2 + i] - 1) - 1) / axis(0, i) + 1),
                    _ => spatial(gives, &|i, size| (size - 1) * axis(0, i) + w[2 + i]),
                };
                *self.convolved.borrow_mut() += out[1..].iter().product::<usize>() as u64;
                out
            }
            Op::MaxPool | Op::AvgPool => {
                let rest = if ints[3 * n + 1] == 1 { |by: usize| by - 1 } else { |_| 0 };
                spatial(x[1], &|i, size| (size - axis(0, i) + rest(axis(1, i))) / axis(1, i) + 1)
            }
            Op::Resize => spatial(x[1], &|i, _| axis(0, i)),
            Op::InstanceNorm | Op::LeakyRelu | Op::Sigmoid | Op::Affine => x,
            Op::Add if inputs[1] == x => x,
            Op::Mul if inputs[1].iter().zip(&x).all(|(b, a)| b == a || *b == 1) => x,
            // over the axes after the first integer, which keep length 1
            Op::Mean | Op::Max => x.iter().enumerate().map(|(i, &n)| if ints[1..].contains(&(i as i64)) { 1 } else { n }).collect(),
            Op::Concat if inputs.iter().all(|o| o[0] == x[0] && o[2..] == x[2..]) => {
                let mut out = x;
                out[1] = inputs.iter().map(|o| o[1]).sum();
                out
            }
            _ => return Err(Error::of(ErrorKind::Invalid, format!("{} does not take {inputs:?}", op.name()))),
        })
    }
}

impl Host for Shapes {
    fn emit(&self, op: u32, inputs: &[u64], ints: &[i64], _: &[f64]) -> Result<Vec<u64>> {
        let op = Op::from_number(op).ok_or_else(|| Error::new("no such operation"))?;
        self.used.borrow_mut().extend(inputs);
        let inputs: Vec<Vec<usize>> = inputs.iter().map(|&id| self.shape(id)).collect();
        Ok(vec![self.tensor(&self.result_of(op, &inputs, ints)?)])
    }
    fn describe(&self, id: u64) -> Result<(Vec<usize>, DType)> {
        Ok((self.shape(id), DType::Float))
    }
    fn parameter(&self, name: &str, shape: &[usize], init: &str, _: bool) -> Result<u64> {
        let ParamRequest { init, aliases } = serde_json::from_str(init)?;
        let id = self.tensor(shape);
        self.parameters.borrow_mut().push(Recorded { name: name.into(), shape: shape.to_vec(), id, init, aliases });
        Ok(id)
    }
    fn release(&self, _: u64) {}
    fn read(&self, _: u64) -> Result<Vec<f32>> {
        Err(Error::new("there are no values here"))
    }
    fn upload_f32(&self, shape: &[usize], _: &[f32]) -> Result<u64> {
        Ok(self.tensor(shape))
    }
    fn upload_i32(&self, shape: &[usize], _: &[i32]) -> Result<u64> {
        Ok(self.tensor(shape))
    }
    fn custom(&self, _: CustomHandle, _: &[u64]) -> Result<u64> {
        Err(Error::new("there are no custom operations here"))
    }
    fn query(&self, _: &str) -> Option<String> {
        None
    }
    fn log(&self, _: u32, _: &str) {}
}
