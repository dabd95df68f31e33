//! From the machine's nodes to values.

use super::constructors::Global;
use super::value::{StorageRef, TensorRef, Value};
use crate::files::dtype::Dtype;
use crate::files::error::{Malformed, malformed};
use crate::files::ndarray::{NdArray, Scalar};

/// The index of a node.
pub(super) type Id = u32;

/// A value under construction; containers hold indices.
pub(super) enum Node {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    Bytes(Vec<u8>),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    /// The entries, and whether it is an ordered dict.
    Dict(Vec<(Id, Id)>, bool),
    Set(Vec<Id>),
    Global(Global),
    NumpyDtype(Dtype),
    NumpyScalar(Scalar),
    /// An array whose state has not come yet.
    EmptyArray,
    NdArray(Box<NdArray>),
    Storage(Box<StorageRef>),
    Tensor(Box<TensorRef>),
    Device(String),
    Size(Vec<i64>),
}

/// Real checkpoints nest eight levels.
const DEEPEST: usize = 100;

/// The value of `root`. Shared nodes are copied, which a hostile pickle could use to grow beyond all bounds: what is
/// copied may not exceed a few times the length of the pickle.
pub(super) fn resolve(nodes: &[Node], root: Id, len: usize) -> Result<Value, Malformed> {
    let mut resolver = Resolver { nodes, spare: len.saturating_mul(4).saturating_add(4096) };
    resolver.value(root, 0)
}

struct Resolver<'a> {
    nodes: &'a [Node],
    /// How many values and payload bytes may still be made.
    spare: usize,
}

impl Resolver<'_> {
    fn pay(&mut self, amount: usize) -> Result<(), Malformed> {
        match self.spare.checked_sub(amount) {
            Some(left) => self.spare = left,
            None => return malformed!("pickle expands to many times its length"),
        }
        Ok(())
    }

    fn value(&mut self, id: Id, depth: usize) -> Result<Value, Malformed> {
        if depth > DEEPEST {
            return malformed!("pickle nests deeper than {DEEPEST} levels");
        }
        let nodes = self.nodes;
        let Some(node) = nodes.get(id as usize) else { return malformed!("no value {id}") };
        self.pay(1)?;
        Ok(match node {
            Node::None => Value::None,
            Node::Bool(b) => Value::Bool(*b),
            Node::Int(i) => Value::Int(*i),
            Node::Float(x) => Value::Float(*x),
            Node::Str(text) => {
                self.pay(text.len())?;
                Value::Str(text.clone())
            }
            Node::Bytes(bytes) => {
                self.pay(bytes.len())?;
                Value::Bytes(bytes.clone())
            }
            Node::List(items) => Value::List(self.values(items, depth)?),
            Node::Tuple(items) => Value::Tuple(self.values(items, depth)?),
            Node::Set(items) => Value::Set(self.values(items, depth)?),
            Node::Dict(items, ordered) => {
                self.pay(items.len())?;
                let entries =
                    items.iter().map(|&(k, v)| Ok((self.value(k, depth + 1)?, self.value(v, depth + 1)?))).collect::<Result<_, Malformed>>()?;
                if *ordered { Value::OrderedDict(entries) } else { Value::Dict(entries) }
            }
            Node::Global(Global::TorchDtype(dtype)) => Value::TorchDtype(*dtype),
            Node::Global(Global::LargestComponent) => Value::LargestComponent,
            Node::Global(global) => return malformed!("pickle holds the bare constructor {global:?} as a value"),
            Node::NumpyDtype(dtype) => Value::NumpyDtype(*dtype),
            Node::NumpyScalar(scalar) => Value::NumpyScalar(*scalar),
            Node::EmptyArray => return malformed!("pickle holds a numpy array without its state"),
            Node::NdArray(array) => {
                self.pay(array.view().bytes().len() + array.shape().len())?;
                Value::NdArray(array.clone())
            }
            Node::Storage(storage) => return malformed!("pickle holds the bare storage {} as a value", storage.key),
            Node::Tensor(tensor) => {
                self.pay(tensor.shape.len() + tensor.storage.key.len())?;
                Value::Tensor(tensor.clone())
            }
            Node::Device(name) => {
                self.pay(name.len())?;
                Value::Device(name.clone())
            }
            Node::Size(sides) => {
                self.pay(sides.len())?;
                Value::Size(sides.clone())
            }
        })
    }

    fn values(&mut self, items: &[Id], depth: usize) -> Result<Vec<Value>, Malformed> {
        self.pay(items.len())?;
        items.iter().map(|&id| self.value(id, depth + 1)).collect()
    }
}
