//! The constructors that a pickle may name, and what they make.

use super::machine::Nodes;
use super::resolve::{Id, Node};
use super::value::{StorageRef, TensorRef};
use crate::files::dtype::Dtype;
use crate::files::error::{Malformed, malformed};
use crate::files::ndarray::{MOST_AXES, NdArray, Scalar, fortran_to_c};

type Result<T> = std::result::Result<T, Malformed>;

/// Where nnU-Net has its postprocessing, whose name its `postprocessing.pkl` holds.
pub(super) const POSTPROCESSING: &str = "nnunetv2.postprocessing.remove_connected_components";
/// What it is called there.
pub(super) const LARGEST_COMPONENT: &str = "remove_all_but_largest_component_from_segmentation";

/// A constructor on the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    Set,
    Bytes,
    Encode,
    RebuildTensor,
    RebuildParameter,
    Storage(Dtype),
    TorchDtype(Dtype),
    Device,
    Size,
    NumpyDtype,
    NumpyScalar,
    Reconstruct,
    FromBuffer,
    NdArray,
    LargestComponent,
}

impl Global {
    /// The constructor of that name, in the spellings of Python 2 and 3 and of NumPy 1 and 2.
    pub(super) fn find(module: &str, name: &str) -> Result<Self> {
        let found = match (module, name) {
            ("collections", "OrderedDict") => Some(Self::OrderedDict),
            ("builtins" | "__builtin__", "set" | "frozenset") => Some(Self::Set),
            ("builtins" | "__builtin__", "bytes" | "bytearray") => Some(Self::Bytes),
            ("_codecs", "encode") => Some(Self::Encode),
            ("torch._utils", "_rebuild_tensor_v2") => Some(Self::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Some(Self::RebuildParameter),
            ("torch", "device") => Some(Self::Device),
            ("torch", "Size") => Some(Self::Size),
            ("torch" | "torch.storage", class) if class.ends_with("Storage") => Dtype::from_torch_storage(class).map(Self::Storage),
            ("torch", dtype) => Dtype::from_torch_name(dtype).map(Self::TorchDtype),
            ("numpy", "dtype") => Some(Self::NumpyDtype),
            ("numpy", "ndarray") => Some(Self::NdArray),
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Some(Self::NumpyScalar),
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Some(Self::Reconstruct),
            ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Some(Self::FromBuffer),
            (module, LARGEST_COMPONENT) if module.starts_with("nnunetv2.") => Some(Self::LargestComponent),
            _ => None,
        };
        found.ok_or_else(|| Malformed(format!("`{module}.{name}` is not on the list of what a pickle may build")))
    }
}

/// Calls the constructor `callable` with the tuple `args`.
pub(super) fn construct(nodes: &mut Nodes, callable: Id, args: Id) -> Result<Id> {
    let Node::Global(global) = *nodes.get(callable)? else { return malformed!("a call of what is no constructor") };
    let args = fields(nodes, args)?;
    let (node, cost) = match (global, args.as_slice()) {
        (Global::OrderedDict, []) => (Node::Dict(Vec::new(), true), 0),
        (Global::Set, [Node::List(items) | Node::Tuple(items)]) => (Node::Set(items.clone()), items.len() * 4),
        (Global::Bytes, []) => (Node::Bytes(Vec::new()), 0),
        (Global::Bytes, [Node::Bytes(bytes)]) => (Node::Bytes(bytes.clone()), bytes.len()),
        (Global::Encode, [Node::Str(text), Node::Str(codec)]) if codec == "latin1" => {
            let bytes = text.chars().map(|c| u8::try_from(c).ok()).collect::<Option<Vec<_>>>();
            let Some(bytes) = bytes else { return malformed!("text that is not Latin-1 given as bytes") };
            let cost = bytes.len();
            (Node::Bytes(bytes), cost)
        }
        (Global::RebuildTensor, [Node::Storage(storage), Node::Int(offset), shape, stride, Node::Bool(grad), ..]) => {
            let shape = sides(nodes, shape)?;
            let cost = shape.len() * 16;
            let tensor =
                TensorRef { storage: StorageRef::clone(storage), offset: side(*offset)?, shape, stride: sides(nodes, stride)?, requires_grad: *grad };
            tensor.check()?;
            (Node::Tensor(Box::new(tensor)), cost)
        }
        (Global::RebuildParameter, [Node::Tensor(tensor), Node::Bool(grad), ..]) => {
            let parameter = TensorRef { requires_grad: *grad, ..TensorRef::clone(tensor) };
            let cost = parameter.shape.len() * 16;
            (Node::Tensor(Box::new(parameter)), cost)
        }
        (Global::Device, [Node::Str(name)]) => (Node::Device(name.clone()), name.len()),
        (Global::Device, [Node::Str(name), Node::Int(index)]) => (Node::Device(format!("{name}:{index}")), name.len()),
        (Global::Size, [Node::Tuple(ids)]) => (Node::Size(ints(nodes, ids)?), ids.len() * 8),
        (Global::NumpyDtype, [Node::Str(code), ..]) => (Node::NumpyDtype(numpy_dtype(code)?), 0),
        (Global::NumpyScalar, [Node::NumpyDtype(dtype), Node::Bytes(bytes)]) => (Node::NumpyScalar(Scalar::from_bytes(*dtype, bytes)?), 0),
        (Global::Reconstruct, [Node::Global(Global::NdArray), ..]) => (Node::EmptyArray, 0),
        (Global::FromBuffer, [Node::Bytes(bytes), Node::NumpyDtype(dtype), shape, Node::Str(order)]) => {
            let array = array(*dtype, sides(nodes, shape)?, bytes, order == "F")?;
            (Node::NdArray(Box::new(array)), bytes.len())
        }
        _ => return malformed!("{global:?} called with {} arguments of the wrong kinds", args.len()),
    };
    nodes.pay(cost)?;
    nodes.add(node)
}

/// Gives `object` the `state` that Python would give to its `__setstate__`.
pub(super) fn build(nodes: &mut Nodes, object: Id, state: Id) -> Result<()> {
    match (nodes.get(object)?, nodes.get(state)?) {
        // attributes of a state dict (`_metadata`): versions of PyTorch's modules, of no use here
        (Node::Dict(_, true), Node::Dict(..)) => Ok(()),
        (Node::NumpyDtype(dtype), Node::Tuple(fields)) => {
            let order = fields.get(1).map(|&id| nodes.get(id)).transpose()?;
            match order {
                Some(Node::Str(order)) if ["<", "|", "="].contains(&order.as_str()) || dtype.size() == 1 => Ok(()),
                _ => malformed!("a numpy dtype whose byte order is not little-endian"),
            }
        }
        (Node::EmptyArray, Node::Tuple(_)) => {
            let fields = fields(nodes, state)?;
            let [_, shape, Node::NumpyDtype(dtype), Node::Bool(fortran), Node::Bytes(bytes)] = fields.as_slice() else {
                return malformed!("a numpy array whose state is not (version, shape, dtype, order, bytes)");
            };
            let array = array(*dtype, sides(nodes, shape)?, bytes, *fortran)?;
            let cost = bytes.len();
            nodes.pay(cost)?;
            nodes.set(object, Node::NdArray(Box::new(array)))
        }
        _ => malformed!("state given to what takes none"),
    }
}

/// The storage of a persistent id: `("storage", class, key, location, number of elements)`.
pub(super) fn storage(nodes: &Nodes, id: Id) -> Result<Node> {
    let fields = fields(nodes, id)?;
    match fields.as_slice() {
        [Node::Str(tag), Node::Global(Global::Storage(dtype)), Node::Str(key), Node::Str(_), Node::Int(len)]
            if tag == "storage" && key.len() <= 32 =>
        {
            let storage = StorageRef { key: key.clone(), dtype: *dtype, len: side(*len)? };
            Ok(Node::Storage(Box::new(storage)))
        }
        _ => malformed!("a persistent id that is no storage"),
    }
}

/// The items of a tuple of arguments; no constructor takes more than a handful.
fn fields(nodes: &Nodes, tuple: Id) -> Result<Vec<&Node>> {
    match nodes.get(tuple)? {
        Node::Tuple(ids) if ids.len() <= 16 => ids.iter().map(|&id| nodes.get(id)).collect(),
        _ => malformed!("arguments that are no tuple of at most 16"),
    }
}

fn array(dtype: Dtype, shape: Vec<usize>, bytes: &[u8], fortran: bool) -> Result<NdArray> {
    let bytes = if fortran { fortran_to_c(dtype, &shape, bytes)? } else { bytes.to_vec() };
    NdArray::from_bytes(dtype, shape, bytes)
}

fn numpy_dtype(code: &str) -> Result<Dtype> {
    let bare = code.trim_start_matches(['<', '|', '=']);
    let found = Dtype::from_numpy_code(bare).or_else(|| Dtype::from_torch_name(bare));
    found.ok_or_else(|| Malformed(format!("numpy dtype `{code}` is not one of little-endian numbers or bool")))
}

fn ints(nodes: &Nodes, ids: &[Id]) -> Result<Vec<i64>> {
    let int = |&id: &Id| match nodes.get(id)? {
        Node::Int(i) => Ok(*i),
        _ => malformed!("a shape with a side that is no integer"),
    };
    ids.iter().map(int).collect()
}

fn sides(nodes: &Nodes, node: &Node) -> Result<Vec<usize>> {
    match node {
        Node::Tuple(ids) if ids.len() <= MOST_AXES => ints(nodes, ids)?.into_iter().map(side).collect(),
        Node::Size(ints) if ints.len() <= MOST_AXES => ints.iter().copied().map(side).collect(),
        _ => malformed!("a shape that is no tuple of at most {MOST_AXES} sides"),
    }
}

fn side(int: i64) -> Result<usize> {
    usize::try_from(int).map_err(|_| Malformed(format!("{int} where a size belongs")))
}
