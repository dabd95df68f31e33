//! The values that a pickle can hold.

use crate::files::dtype::Dtype;
use crate::files::error::{Malformed, malformed};
use crate::files::ndarray::{NdArray, Scalar, count};

/// A Python value of the kinds that nnU-Net's checkpoints and properties are made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An `int` of at most 64 bits; a longer one is refused.
    Int(i64),
    /// A `float`.
    Float(f64),
    /// A `str`.
    Str(String),
    /// `bytes` or a `bytearray`.
    Bytes(Vec<u8>),
    /// A `list`.
    List(Vec<Value>),
    /// A `tuple`.
    Tuple(Vec<Value>),
    /// A `dict`, its entries in order.
    Dict(Vec<(Value, Value)>),
    /// A `collections.OrderedDict`; attributes such as a state dict's `_metadata` are left out.
    OrderedDict(Vec<(Value, Value)>),
    /// A `set` or `frozenset`, in the order of the file.
    Set(Vec<Value>),
    /// A NumPy scalar such as `np.float32(0.5)`.
    NumpyScalar(Scalar),
    /// A NumPy array.
    NdArray(Box<NdArray>),
    /// A `numpy.dtype`.
    NumpyDtype(Dtype),
    /// A `torch.Tensor` or parameter, which lies in a storage of the archive.
    Tensor(Box<TensorRef>),
    /// A `torch.dtype`.
    TorchDtype(Dtype),
    /// A `torch.device`, as `cpu` or `cuda:0`.
    Device(String),
    /// A `torch.Size`.
    Size(Vec<i64>),
    /// nnU-Net's postprocessing, `remove_all_but_largest_component_from_segmentation`, by its name: nothing calls it.
    LargestComponent,
}

/// A storage of a PyTorch archive: the member `data/{key}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageRef {
    /// Its name in the archive.
    pub key: String,
    /// The type of its elements.
    pub dtype: Dtype,
    /// The number of its elements.
    pub len: usize,
}

/// A tensor: a view of a storage. Two tensors with the same storage share their elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorRef {
    /// Where its elements lie.
    pub storage: StorageRef,
    /// The first element, counted in elements.
    pub offset: usize,
    /// The length of each axis.
    pub shape: Vec<usize>,
    /// The step along each axis, in elements.
    pub stride: Vec<usize>,
    /// Whether it was saved as wanting a gradient.
    pub requires_grad: bool,
}

impl TensorRef {
    /// A tensor of `shape` that fills `storage` in C order.
    pub fn contiguous(storage: StorageRef, shape: Vec<usize>) -> Self {
        let mut stride = vec![1_usize; shape.len()];
        let mut step = 1_usize;
        for (s, side) in stride.iter_mut().zip(&shape).rev() {
            *s = step;
            step = step.saturating_mul((*side).max(1));
        }
        Self { storage, offset: 0, shape, stride, requires_grad: false }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().fold(1, |n, &side| n.saturating_mul(side))
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the elements lie in C order without gaps.
    pub fn is_contiguous(&self) -> bool {
        let plain = Self::contiguous(self.storage.clone(), self.shape.clone()).stride;
        // The step along an axis of length one is never taken.
        self.is_empty() || self.shape.iter().zip(self.stride.iter().zip(&plain)).all(|(n, (a, b))| *n == 1 || a == b)
    }

    /// Checks that every element lies inside the storage.
    ///
    /// # Errors
    /// One does not, or the view repeats elements of a small storage into more than the storage could hold.
    pub fn check(&self) -> Result<(), Malformed> {
        let Self { storage: StorageRef { key, dtype, len }, offset, shape, stride, .. } = self;
        if shape.len() != stride.len() {
            return malformed!("tensor in storage {key} has {} sides and {} strides", shape.len(), stride.len());
        }
        let elements = count(shape, *dtype)?;
        if elements == 0 {
            return Ok(());
        }
        let steps = shape.iter().zip(stride).try_fold(*offset, |last, (side, step)| last.checked_add(side.saturating_sub(1).checked_mul(*step)?));
        if steps.is_none_or(|last| last >= *len) || elements > *len {
            return malformed!("tensor at {offset} with shape {shape:?} and strides {stride:?} does not fit storage {key} of {len} elements");
        }
        Ok(())
    }
}

impl Value {
    /// A dict with these entries.
    pub fn dict<K: Into<String>>(entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        Self::Dict(entries.into_iter().map(|(k, v)| (Self::Str(k.into()), v)).collect())
    }

    /// An ordered dict with these entries, as a state dict is.
    pub fn ordered_dict<K: Into<String>>(entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        Self::OrderedDict(entries.into_iter().map(|(k, v)| (Self::Str(k.into()), v)).collect())
    }

    /// What a dict holds under `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries()?.iter().find(|(k, _)| k.as_str() == Some(key)).map(|(_, v)| v)
    }

    /// The entries of a dict or ordered dict.
    pub fn entries(&self) -> Option<&[(Value, Value)]> {
        match self {
            Self::Dict(entries) | Self::OrderedDict(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items of a list, tuple or set.
    pub fn items(&self) -> Option<&[Value]> {
        match self {
            Self::List(items) | Self::Tuple(items) | Self::Set(items) => Some(items),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The value of an integer, NumPy's included.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(i) => Some(*i),
            Self::NumpyScalar(s) => {
                let x = s.to_f64();
                let whole = x.fract() == 0.0 && x.abs() <= 9_007_199_254_740_992.0;
                whole.then_some(x as i64)
            }
            _ => None,
        }
    }

    /// The value of a number, NumPy's included.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(i) => Some(*i as f64),
            Self::Float(x) => Some(*x),
            Self::NumpyScalar(s) => Some(s.to_f64()),
            _ => None,
        }
    }

    /// The tensor.
    pub fn as_tensor(&self) -> Option<&TensorRef> {
        match self {
            Self::Tensor(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// Python's name of the value's type, for errors.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) => "str",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Tuple(_) => "tuple",
            Self::Dict(_) => "dict",
            Self::OrderedDict(_) => "OrderedDict",
            Self::Set(_) => "set",
            Self::NumpyScalar(_) => "numpy scalar",
            Self::NdArray(_) => "numpy array",
            Self::NumpyDtype(_) => "numpy.dtype",
            Self::Tensor(_) => "torch.Tensor",
            Self::TorchDtype(_) => "torch.dtype",
            Self::LargestComponent => "function",
            Self::Device(_) => "torch.device",
            Self::Size(_) => "torch.Size",
        }
    }
}
