//! Arrays as the files hold them: an element type, a shape, and little-endian bytes in C order.

use half::{bf16, f16};

use super::dtype::{Dtype, Element};
use super::error::{Malformed, malformed};

/// NumPy's and PyTorch's limit.
pub(crate) const MOST_AXES: usize = 64;

/// The number of elements of `shape`; an error when it or its bytes do not fit a `usize`.
pub(crate) fn count(shape: &[usize], dtype: Dtype) -> Result<usize, Malformed> {
    if shape.len() > MOST_AXES {
        return malformed!("an array of {} axes; NumPy and PyTorch have at most {MOST_AXES}", shape.len());
    }
    // A zero anywhere makes the array empty, however large the other sides are.
    if shape.contains(&0) {
        return Ok(0);
    }
    let count = shape.iter().try_fold(1_usize, |n, &side| n.checked_mul(side));
    match count.filter(|n| n.checked_mul(dtype.size()).is_some_and(|bytes| bytes <= isize::MAX as usize)) {
        Some(count) => Ok(count),
        None => malformed!("shape {shape:?} of {dtype} is larger than memory can hold"),
    }
}

/// The bytes of a Fortran-ordered array (first axis fastest), in C order (last axis fastest).
pub(crate) fn fortran_to_c(dtype: Dtype, shape: &[usize], bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
    ArrayView::from_bytes(dtype, shape, bytes)?;
    let size = dtype.size();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = vec![0_usize; shape.len()];
    for _ in 0..bytes.len() / size {
        let place = index.iter().zip(shape).rev().fold(0, |place, (i, side)| place * side + i);
        out.extend_from_slice(bytes.get(place * size..(place + 1) * size).unwrap_or_default());
        for (i, side) in index.iter_mut().zip(shape).rev() {
            *i += 1;
            if *i < *side {
                break;
            }
            *i = 0;
        }
    }
    Ok(out)
}

/// An array that borrows its elements.
#[derive(Debug, Clone, Copy)]
pub struct ArrayView<'a> {
    dtype: Dtype,
    shape: &'a [usize],
    bytes: &'a [u8],
}

impl<'a> ArrayView<'a> {
    /// The array of `shape` with `data` in C order.
    ///
    /// # Errors
    /// The shape does not have as many elements as `data`.
    pub fn new<T: Element>(shape: &'a [usize], data: &'a [T]) -> Result<Self, Malformed> {
        Self::from_bytes(T::DTYPE, shape, bytemuck::cast_slice(data))
    }

    /// The array of `shape` with its little-endian `bytes` in C order.
    ///
    /// # Errors
    /// The shape does not have that many bytes.
    pub fn from_bytes(dtype: Dtype, shape: &'a [usize], bytes: &'a [u8]) -> Result<Self, Malformed> {
        if count(shape, dtype)? * dtype.size() != bytes.len() {
            return malformed!("shape {shape:?} of {dtype} does not have the {} bytes given", bytes.len());
        }
        Ok(Self { dtype, shape, bytes })
    }

    /// The element type.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// The length of each axis.
    pub fn shape(&self) -> &'a [usize] {
        self.shape
    }

    /// The elements' bytes, in C order.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The elements; their type must be `T`.
    ///
    /// # Errors
    /// The array has another element type.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>, Malformed> {
        if T::DTYPE != self.dtype {
            return malformed!("elements are {}, wanted {}", self.dtype, T::DTYPE);
        }
        Ok(bytemuck::pod_collect_to_vec(self.bytes))
    }

    /// The elements as f32, rounded to nearest where their type is wider; booleans read 0 and 1.
    pub fn to_f32(&self) -> Vec<f32> {
        fn each<T: Element>(bytes: &[u8], f: impl Fn(T) -> f32) -> Vec<f32> {
            bytes.chunks_exact(size_of::<T>()).map(|c| f(bytemuck::pod_read_unaligned(c))).collect()
        }
        let b = self.bytes;
        match self.dtype {
            Dtype::Bool => each::<u8>(b, |x| f32::from(x != 0)),
            Dtype::I8 => each::<i8>(b, f32::from),
            Dtype::I16 => each::<i16>(b, f32::from),
            Dtype::I32 => each::<i32>(b, |x| x as f32),
            Dtype::I64 => each::<i64>(b, |x| x as f32),
            Dtype::U8 => each::<u8>(b, f32::from),
            Dtype::U16 => each::<u16>(b, f32::from),
            Dtype::U32 => each::<u32>(b, |x| x as f32),
            Dtype::U64 => each::<u64>(b, |x| x as f32),
            Dtype::F16 => each::<f16>(b, f16::to_f32),
            Dtype::BF16 => each::<bf16>(b, bf16::to_f32),
            Dtype::F32 => bytemuck::pod_collect_to_vec(b),
            Dtype::F64 => each::<f64>(b, |x| x as f32),
        }
    }

    /// A copy that owns its elements.
    pub fn to_owned(&self) -> NdArray {
        NdArray { dtype: self.dtype, shape: self.shape.to_vec(), bytes: self.bytes.to_vec() }
    }
}

/// An array that owns its elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NdArray {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl NdArray {
    /// The array of `shape` with `data` in C order.
    ///
    /// # Errors
    /// The shape does not have as many elements as `data`.
    pub fn new<T: Element>(shape: &[usize], data: &[T]) -> Result<Self, Malformed> {
        Ok(ArrayView::new(shape, data)?.to_owned())
    }

    /// The array of `shape` with its little-endian `bytes` in C order.
    ///
    /// # Errors
    /// The shape does not have that many bytes.
    pub fn from_bytes(dtype: Dtype, shape: Vec<usize>, bytes: Vec<u8>) -> Result<Self, Malformed> {
        ArrayView::from_bytes(dtype, &shape, &bytes)?;
        Ok(Self { dtype, shape, bytes })
    }

    /// The same array, borrowed.
    pub fn view(&self) -> ArrayView<'_> {
        ArrayView { dtype: self.dtype, shape: &self.shape, bytes: &self.bytes }
    }

    /// The element type.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// The length of each axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements; their type must be `T`.
    ///
    /// # Errors
    /// The array has another element type.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>, Malformed> {
        self.view().to_vec()
    }

    /// The elements as f32, as [`ArrayView::to_f32`] converts them.
    pub fn to_f32(&self) -> Vec<f32> {
        self.view().to_f32()
    }
}

/// A NumPy scalar, such as `np.float32(0.5)`: its type and its little-endian bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scalar {
    dtype: Dtype,
    bits: [u8; 8],
}

impl Scalar {
    /// The scalar with the value `x` and the type `T`.
    pub fn new<T: Element>(x: T) -> Self {
        let mut bits = [0; 8];
        let bytes = bytemuck::bytes_of(&x);
        bits.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Self { dtype: T::DTYPE, bits }
    }

    /// The scalar with these bytes.
    ///
    /// # Errors
    /// The type does not have that many bytes.
    pub fn from_bytes(dtype: Dtype, bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() != dtype.size() {
            return malformed!("a scalar of {dtype} has {} bytes, not {}", dtype.size(), bytes.len());
        }
        let mut bits = [0; 8];
        bits.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Ok(Self { dtype, bits })
    }

    /// Its type.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bits.get(..self.dtype.size()).unwrap_or(&self.bits)
    }

    /// Its value; integers beyond 2^53 are rounded.
    pub fn to_f64(&self) -> f64 {
        let wide = i64::from_le_bytes(self.bits);
        match self.dtype {
            Dtype::F64 => f64::from_le_bytes(self.bits),
            Dtype::U64 => u64::from_le_bytes(self.bits) as f64,
            Dtype::F32 => f64::from(f32::from_bits(wide as u32)),
            Dtype::F16 => f16::from_bits(wide as u16).to_f64(),
            Dtype::BF16 => bf16::from_bits(wide as u16).to_f64(),
            Dtype::I8 => f64::from(wide as i8),
            Dtype::I16 => f64::from(wide as i16),
            Dtype::I32 => f64::from(wide as i32),
            Dtype::I64 | Dtype::Bool | Dtype::U8 | Dtype::U16 | Dtype::U32 => wide as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_must_fit_their_bytes() {
        assert!(NdArray::new(&[2, 3], &[0_f32; 6]).is_ok());
        assert!(NdArray::new(&[2, 3], &[0_f32; 5]).is_err());
        assert!(NdArray::from_bytes(Dtype::F32, vec![usize::MAX, usize::MAX], vec![]).is_err());
        assert!(NdArray::from_bytes(Dtype::F64, vec![usize::MAX, 0], vec![]).is_ok());
        assert!(NdArray::new(&[1], &[1_i16]).unwrap().to_vec::<f32>().is_err());
    }

    #[test]
    fn numbers_convert() {
        let half = NdArray::new(&[2], &[f16::from_f32(1.5), f16::from_f32(-65504.0)]).unwrap();
        assert_eq!(half.to_f32(), [1.5, -65504.0]);
        assert_eq!(NdArray::new(&[2], &[-1_i16, 300]).unwrap().to_f32(), [-1.0, 300.0]);
        assert_eq!(Scalar::new(-3_i8).to_f64(), -3.0);
        assert_eq!(Scalar::new(0.1_f32).to_f64(), f64::from(0.1_f32));
        assert_eq!(Scalar::new(u64::MAX).to_f64(), u64::MAX as f64);
        assert_eq!(Scalar::new(-1_i32).bytes(), [255; 4]);
    }
}
