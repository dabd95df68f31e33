//! Pickles of protocol 2, as `torch.save` writes them.

use super::constructors::{LARGEST_COMPONENT, POSTPROCESSING};
use super::value::{TensorRef, Value};
use crate::files::dtype::Dtype;
use crate::files::error::{Malformed, malformed};
use crate::files::ndarray::NdArray;

/// What builds arrays. NumPy 1.24 and 1.25 know this name alone, and NumPy 2 still opens it.
const MULTIARRAY: &str = "numpy.core.multiarray";

/// The pickle of `value`; equal values give equal bytes.
///
/// # Errors
/// A string or array of 4 GiB or more, or a NumPy value of bfloat16, which NumPy does not have.
pub fn write(value: &Value) -> Result<Vec<u8>, Malformed> {
    let mut writer = Writer { out: vec![0x80, 2] };
    writer.value(value)?;
    writer.out.push(b'.');
    Ok(writer.out)
}

struct Writer {
    out: Vec<u8>,
}

type Done = Result<(), Malformed>;

impl Writer {
    fn value(&mut self, value: &Value) -> Done {
        match value {
            Value::None => self.op(b'N'),
            Value::Bool(b) => self.op(if *b { 0x88 } else { 0x89 }),
            Value::Int(i) => self.int(*i),
            Value::Float(x) => {
                self.op(b'G');
                self.out.extend(x.to_be_bytes());
            }
            Value::Str(text) => self.text(text)?,
            Value::Bytes(bytes) => self.bytes(bytes)?,
            Value::List(items) => self.list(items)?,
            Value::Tuple(items) => self.tuple(items)?,
            Value::Dict(entries) => {
                self.op(b'}');
                self.entries(entries)?;
            }
            Value::OrderedDict(entries) => {
                self.global("collections", "OrderedDict");
                self.out.extend(b")R");
                self.entries(entries)?;
            }
            Value::Set(items) => {
                self.global("__builtin__", "set");
                self.list(items)?;
                self.out.extend([0x85, b'R']);
            }
            Value::NumpyScalar(scalar) => {
                self.global(MULTIARRAY, "scalar");
                self.numpy_dtype(scalar.dtype())?;
                self.bytes(scalar.bytes())?;
                self.out.extend([0x86, b'R']);
            }
            Value::NdArray(array) => self.array(array)?,
            Value::NumpyDtype(dtype) => self.numpy_dtype(*dtype)?,
            Value::Tensor(tensor) => self.tensor(tensor)?,
            Value::LargestComponent => self.global(POSTPROCESSING, LARGEST_COMPONENT),
            Value::TorchDtype(dtype) => self.global("torch", dtype.torch_name()),
            Value::Device(name) => {
                self.global("torch", "device");
                self.text(name)?;
                self.out.extend([0x85, b'R']);
            }
            Value::Size(sides) => {
                self.global("torch", "Size");
                self.tuple(&sides.iter().map(|&side| Value::Int(side)).collect::<Vec<_>>())?;
                self.out.extend([0x85, b'R']);
            }
        }
        Ok(())
    }

    fn op(&mut self, op: u8) {
        self.out.push(op);
    }

    fn global(&mut self, module: &str, name: &str) {
        self.out.extend(format!("c{module}\n{name}\n").bytes());
    }

    fn int(&mut self, i: i64) {
        if let Ok(byte) = u8::try_from(i) {
            self.out.extend([b'K', byte]);
        } else if let Ok(short) = u16::try_from(i) {
            self.op(b'M');
            self.out.extend(short.to_le_bytes());
        } else if let Ok(int) = i32::try_from(i) {
            self.op(b'J');
            self.out.extend(int.to_le_bytes());
        } else {
            self.out.extend([0x8a, 8]);
            self.out.extend(i.to_le_bytes());
        }
    }

    fn text(&mut self, text: &str) -> Done {
        let Ok(len) = u32::try_from(text.len()) else { return malformed!("text of {} bytes", text.len()) };
        self.op(b'X');
        self.out.extend(len.to_le_bytes());
        self.out.extend(text.bytes());
        Ok(())
    }

    /// Protocol 2 has no bytes: they travel as Latin-1 text.
    fn bytes(&mut self, bytes: &[u8]) -> Done {
        self.global("_codecs", "encode");
        self.text(&bytes.iter().map(|&b| char::from(b)).collect::<String>())?;
        self.text("latin1")?;
        self.out.extend([0x86, b'R']);
        Ok(())
    }

    fn list(&mut self, items: &[Value]) -> Done {
        self.op(b']');
        if !items.is_empty() {
            self.op(b'(');
            items.iter().try_for_each(|item| self.value(item))?;
            self.op(b'e');
        }
        Ok(())
    }

    fn tuple(&mut self, items: &[Value]) -> Done {
        if items.len() > 3 {
            self.op(b'(');
        }
        items.iter().try_for_each(|item| self.value(item))?;
        self.close_tuple(items.len());
        Ok(())
    }

    /// A size or an offset; those of arrays that exist fit 63 bits.
    fn size(&mut self, size: usize) {
        self.int(size as i64);
    }

    fn sizes(&mut self, sizes: &[usize]) {
        if sizes.len() > 3 {
            self.op(b'(');
        }
        sizes.iter().for_each(|&side| self.size(side));
        self.close_tuple(sizes.len());
    }

    fn close_tuple(&mut self, len: usize) {
        self.op(match len {
            0 => b')',
            1 => 0x85,
            2 => 0x86,
            3 => 0x87,
            _ => b't',
        });
    }

    fn entries(&mut self, entries: &[(Value, Value)]) -> Done {
        if !entries.is_empty() {
            self.op(b'(');
            for (key, value) in entries {
                self.value(key)?;
                self.value(value)?;
            }
            self.op(b'u');
        }
        Ok(())
    }

    /// `dtype(code, False, True)` with the state that sets its byte order.
    fn numpy_dtype(&mut self, dtype: Dtype) -> Done {
        let Some(code) = dtype.numpy_code() else { return malformed!("numpy has no {dtype}") };
        self.global("numpy", "dtype");
        self.text(code)?;
        self.out.extend([0x89, 0x88, 0x87, b'R', b'(', b'K', 3]);
        self.text(if dtype.size() == 1 { "|" } else { "<" })?;
        self.out.extend(b"NNN");
        self.int(-1);
        self.int(-1);
        self.out.extend([b'K', 0, b't', b'b']);
        Ok(())
    }

    /// `_reconstruct(ndarray, (0,), b"b")` with the state (1, shape, dtype, False, bytes).
    fn array(&mut self, array: &NdArray) -> Done {
        self.global(MULTIARRAY, "_reconstruct");
        self.global("numpy", "ndarray");
        self.out.extend([b'K', 0, 0x85]);
        self.bytes(b"b")?;
        self.out.extend([0x87, b'R', b'(', b'K', 1]);
        self.sizes(array.shape());
        self.numpy_dtype(array.dtype())?;
        self.op(0x89);
        self.bytes(array.view().bytes())?;
        self.out.extend(b"tb");
        Ok(())
    }

    /// `_rebuild_tensor_v2(storage, offset, shape, stride, requires_grad, OrderedDict())`.
    fn tensor(&mut self, tensor: &TensorRef) -> Done {
        tensor.check()?;
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.out.extend(b"((");
        self.text("storage")?;
        self.global("torch", tensor.storage.dtype.torch_storage());
        self.text(&tensor.storage.key)?;
        self.text("cpu")?;
        self.size(tensor.storage.len);
        self.out.extend(b"tQ");
        self.size(tensor.offset);
        self.sizes(&tensor.shape);
        self.sizes(&tensor.stride);
        self.op(if tensor.requires_grad { 0x88 } else { 0x89 });
        self.global("collections", "OrderedDict");
        self.out.extend(b")RtR");
        Ok(())
    }
}
