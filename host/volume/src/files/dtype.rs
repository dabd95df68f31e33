//! The element types that the files know.

use half::{bf16, f16};

/// The element types of NumPy and PyTorch that the readers know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Dtype {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F16,
    BF16,
    F32,
    F64,
}

/// Each type with NumPy's code (bfloat16 has none), PyTorch's storage class and PyTorch's name.
const NAMES: [(Dtype, &str, &str, &str); 13] = [
    (Dtype::Bool, "b1", "BoolStorage", "bool"),
    (Dtype::I8, "i1", "CharStorage", "int8"),
    (Dtype::I16, "i2", "ShortStorage", "int16"),
    (Dtype::I32, "i4", "IntStorage", "int32"),
    (Dtype::I64, "i8", "LongStorage", "int64"),
    (Dtype::U8, "u1", "ByteStorage", "uint8"),
    (Dtype::U16, "u2", "UInt16Storage", "uint16"),
    (Dtype::U32, "u4", "UInt32Storage", "uint32"),
    (Dtype::U64, "u8", "UInt64Storage", "uint64"),
    (Dtype::F16, "f2", "HalfStorage", "float16"),
    (Dtype::BF16, "", "BFloat16Storage", "bfloat16"),
    (Dtype::F32, "f4", "FloatStorage", "float32"),
    (Dtype::F64, "f8", "DoubleStorage", "float64"),
];

impl Dtype {
    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 | Self::F16 | Self::BF16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }

    fn names(self) -> (&'static str, &'static str, &'static str) {
        let found = NAMES.iter().find(|n| n.0 == self);
        found.map_or(("", "", ""), |n| (n.1, n.2, n.3))
    }

    /// NumPy's code without byte order (`f4`); `None` for bfloat16.
    pub fn numpy_code(self) -> Option<&'static str> {
        Some(self.names().0).filter(|code| !code.is_empty())
    }

    /// The type of a NumPy code without byte order.
    pub fn from_numpy_code(code: &str) -> Option<Self> {
        NAMES.iter().find(|n| n.1 == code && !code.is_empty()).map(|n| n.0)
    }

    /// PyTorch's storage class (`FloatStorage`).
    pub fn torch_storage(self) -> &'static str {
        self.names().1
    }

    /// The type of a PyTorch storage class.
    pub fn from_torch_storage(class: &str) -> Option<Self> {
        NAMES.iter().find(|n| n.2 == class).map(|n| n.0)
    }

    /// PyTorch's name (`float32`), which is NumPy's long name too.
    pub fn torch_name(self) -> &'static str {
        self.names().2
    }

    /// The type of a PyTorch name.
    pub fn from_torch_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|n| n.3 == name).map(|n| n.0)
    }
}

impl std::fmt::Display for Dtype {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.torch_name())
    }
}

/// A Rust type that is the element of an array.
pub trait Element: bytemuck::Pod {
    /// Its name in the files.
    const DTYPE: Dtype;
}

macro_rules! elements {
    ($($t:ty => $d:ident),*) => { $(impl Element for $t { const DTYPE: Dtype = Dtype::$d; })* };
}
elements!(i8 => I8, i16 => I16, i32 => I32, i64 => I64, u8 => U8, u16 => U16, u32 => U32, u64 => U64,
    f16 => F16, bf16 => BF16, f32 => F32, f64 => F64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_names() {
        for (dtype, numpy, storage, torch) in NAMES {
            assert_eq!(Dtype::from_torch_storage(storage), Some(dtype));
            assert_eq!(Dtype::from_torch_name(torch), Some(dtype));
            assert_eq!(dtype.numpy_code().and_then(Dtype::from_numpy_code), dtype.numpy_code().map(|_| dtype));
            assert!(numpy.is_empty() || numpy[1..].parse() == Ok(dtype.size()));
        }
    }
}
