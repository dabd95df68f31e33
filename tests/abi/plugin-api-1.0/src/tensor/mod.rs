//! A tensor of the host: an id, with operators.

mod arith;
mod index;
mod network;
mod shape;

pub use network::{ConvSettings, Resize};
pub use shape::Padding;

use crate::{Op, abi::scope, custom::CustomOp};
use std::{marker::PhantomData, rc::Rc};

/// What a tensor's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DType {
    /// Floating point; the host chooses the width (f32 unless mixed precision is on).
    Float,
    /// Whole numbers.
    Int,
    /// Truth values.
    Bool,
}

impl DType {
    /// The number that stands for it on the wall.
    pub fn number(self) -> u32 {
        match self {
            DType::Float => 0,
            DType::Int => 1,
            DType::Bool => 2,
        }
    }

    /// The type with this number.
    pub fn from_number(number: u32) -> Self {
        match number {
            1 => DType::Int,
            2 => DType::Bool,
            _ => DType::Float,
        }
    }
}

struct Handle {
    id: u64,
    owned: bool,
    // handles belong to the thread of the host call that made them
    _not_send: PhantomData<*const ()>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.owned {
            scope::release(self.id);
        }
    }
}

/// A tensor that the host holds. Cloning copies the handle, not the values.
///
/// Operations do not return `Result`: a wrong shape leaves the component at once and reaches the user with the
/// file and line of the call. Shapes are (B, C, D, H, W), (B, C, H, W) or (B, C, W); axes count from 0.
#[derive(Clone)]
pub struct Tensor(Rc<Handle>);

impl Tensor {
    pub(crate) fn own(id: u64) -> Self {
        Tensor(Rc::new(Handle { id, owned: true, _not_send: PhantomData }))
    }

    /// A tensor that the host keeps: arguments of a call, parameters.
    pub(crate) fn borrowed(id: u64) -> Self {
        Tensor(Rc::new(Handle { id, owned: false, _not_send: PhantomData }))
    }

    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }

    /// Gives the handle to the host.
    pub(crate) fn into_id(self) -> u64 {
        let id = self.0.id;
        match Rc::try_unwrap(self.0) {
            Ok(mut handle) => handle.owned = false,
            Err(shared) => std::mem::forget(shared), // a clone lives on: the host releases what a call leaves behind
        }
        id
    }

    /// Runs one operation of the table that gives one tensor.
    #[track_caller]
    pub fn apply(op: Op, inputs: &[&Tensor], ints: &[i64], floats: &[f64]) -> Tensor {
        Self::apply_all(op, inputs, ints, floats).swap_remove(0)
    }

    /// Runs one operation of the table; at least one tensor comes back.
    #[track_caller]
    pub fn apply_all(op: Op, inputs: &[&Tensor], ints: &[i64], floats: &[f64]) -> Vec<Tensor> {
        let ids: Vec<u64> = inputs.iter().map(|t| t.id()).collect();
        scope::emit(op as u32, &ids, ints, floats).into_iter().map(Tensor::own).collect()
    }

    /// Runs an operation of the plugin's own (see [`CustomOp`]).
    #[track_caller]
    pub fn custom(op: impl CustomOp, inputs: &[&Tensor]) -> Tensor {
        let ids: Vec<u64> = inputs.iter().map(|t| t.id()).collect();
        Tensor::own(scope::custom(op, &ids))
    }

    /// A Float tensor from values, last axis fastest.
    #[track_caller]
    pub fn from_f32(shape: &[usize], data: &[f32]) -> Tensor {
        Tensor::own(scope::upload_f32(shape, data))
    }

    /// An Int tensor from values, last axis fastest.
    #[track_caller]
    pub fn from_i32(shape: &[usize], data: &[i32]) -> Tensor {
        Tensor::own(scope::upload_i32(shape, data))
    }

    /// Length of each axis.
    #[track_caller]
    pub fn shape(&self) -> Vec<usize> {
        scope::describe(self.id()).0
    }

    /// What the values are.
    #[track_caller]
    pub fn dtype(&self) -> DType {
        scope::describe(self.id()).1
    }

    /// Length of one axis.
    #[track_caller]
    pub fn size(&self, axis: usize) -> usize {
        let shape = self.shape();
        match shape.get(axis) {
            Some(&n) => n,
            None => crate::abi::guard::throw(crate::Error::of(
                crate::ErrorKind::Invalid,
                format!("axis {axis} of a tensor of shape {shape:?} does not exist"),
            )),
        }
    }

    /// Copies the values to the CPU. A network that does this in `forward` cannot be traced; the validator says so.
    #[track_caller]
    pub fn to_vec(&self) -> Vec<f32> {
        scope::read(self.id())
    }
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tensor#{}", self.id())
    }
}
