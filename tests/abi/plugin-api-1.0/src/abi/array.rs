//! Arrays that cross the wall: the host's memory, borrowed, or a new one in its place.

use super::types::{AbiArray, AbiArrayMut, AbiNewArray};
use crate::{Error, ErrorKind, Result};
use abi_stable::std_types::{RSlice, RSliceMut, RStr, RVec};

/// The voxels of an array to read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Values<'a> {
    /// Number 1.
    F32(&'a [f32]),
    /// Number 2.
    I16(&'a [i16]),
}

/// The voxels of an array to change.
#[derive(Debug, PartialEq)]
pub enum ValuesMut<'a> {
    /// Number 1.
    F32(&'a mut [f32]),
    /// Number 2.
    I16(&'a mut [i16]),
}

/// The voxels of a new array.
#[derive(Clone, Debug, PartialEq)]
pub enum NewValues {
    /// Number 1.
    F32(Vec<f32>),
    /// Number 2.
    I16(Vec<i16>),
}

/// A dense array with its name, last axis fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct Named<V> {
    /// What the step calls it.
    pub name: String,
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// The voxels.
    pub values: V,
}

impl<V> Named<V> {
    /// An array called `name`.
    pub fn new(name: &str, shape: &[usize], values: V) -> Self {
        Named { name: name.to_string(), shape: shape.to_vec(), values }
    }
}

/// What came of an edit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edited {
    /// JSON, or empty.
    pub answer: String,
    /// Arrays that take the place of others, by name.
    pub arrays: Vec<Named<NewValues>>,
}

/// A type of voxel and its number. A number never gets another meaning; further types get further numbers.
trait Element: Copy {
    const NUMBER: u32;
}
impl Element for f32 {
    const NUMBER: u32 = 1;
}
impl Element for i16 {
    const NUMBER: u32 = 2;
}

fn bytes<T: Element>(values: &[T]) -> &[u8] {
    // SAFETY: f32 and i16 have no padding, and any address is aligned for bytes.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

fn bytes_mut<T: Element>(values: &mut [T]) -> &mut [u8] {
    // SAFETY: as above; every pattern of bits is an f32 or i16, so whatever is written through it is one.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), size_of_val(values)) }
}

fn elements<T: Element>(bytes: &[u8]) -> Option<&[T]> {
    // SAFETY: every pattern of bits is an f32 or i16, and `align_to` sees to the alignment.
    match unsafe { bytes.align_to::<T>() } {
        ([], values, []) => Some(values),
        _ => None,
    }
}

fn elements_mut<T: Element>(bytes: &mut [u8]) -> Option<&mut [T]> {
    // SAFETY: as above.
    match unsafe { bytes.align_to_mut::<T>() } {
        ([], values, []) => Some(values),
        _ => None,
    }
}

fn refused(kind: ErrorKind, name: &str, what: &str) -> Error {
    Error::with_place(kind, format!("the array `{name}` {what}"), String::new())
}

fn unknown(name: &str, element: u32) -> Error {
    refused(ErrorKind::Unsupported, name, &format!("holds elements of type {element}, which this version does not know"))
}

/// The shape, if it is that of so many voxels. An array may be empty.
fn shape_of(name: &str, shape: &[u64], voxels: usize) -> Result<Vec<usize>> {
    let wide: Vec<usize> = shape.iter().map(|&n| n as usize).collect();
    let product = wide.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    match product {
        Some(n) if n == voxels => Ok(wide),
        _ => Err(refused(ErrorKind::Invalid, name, &format!("of shape {shape:?} has {voxels} voxels"))),
    }
}

/// The sizes of shapes as they cross, kept while the arrays do.
pub(crate) fn wide<V>(arrays: &[Named<V>]) -> Vec<Vec<u64>> {
    arrays.iter().map(|a| a.shape.iter().map(|&n| n as u64).collect()).collect()
}

pub(crate) fn to_read<'a>(array: &'a Named<Values<'_>>, shape: &'a [u64]) -> AbiArray<'a> {
    let (element, data) = match array.values {
        Values::F32(values) => (f32::NUMBER, bytes(values)),
        Values::I16(values) => (i16::NUMBER, bytes(values)),
    };
    AbiArray { name: RStr::from_str(&array.name), element, shape: RSlice::from_slice(shape), data: RSlice::from_slice(data) }
}

pub(crate) fn to_change<'a>(array: &'a mut Named<ValuesMut<'_>>, shape: &'a [u64]) -> AbiArrayMut<'a> {
    let (element, data) = match &mut array.values {
        ValuesMut::F32(values) => (f32::NUMBER, bytes_mut(values)),
        ValuesMut::I16(values) => (i16::NUMBER, bytes_mut(values)),
    };
    AbiArrayMut { name: RStr::from_str(&array.name), element, shape: RSlice::from_slice(shape), data: RSliceMut::from_mut_slice(data) }
}

pub(crate) fn read<'a>(array: &'a AbiArray<'_>) -> Result<Named<Values<'a>>> {
    let (name, data) = (array.name.as_str(), array.data.as_slice());
    let crooked = || refused(ErrorKind::Invalid, name, "is not aligned");
    let (values, voxels) = match array.element {
        f32::NUMBER => elements(data).map(|v| (Values::F32(v), v.len())).ok_or_else(crooked)?,
        i16::NUMBER => elements(data).map(|v| (Values::I16(v), v.len())).ok_or_else(crooked)?,
        other => return Err(unknown(name, other)),
    };
    Ok(Named { name: name.to_string(), shape: shape_of(name, &array.shape, voxels)?, values })
}

pub(crate) fn change<'a>(array: &'a mut AbiArrayMut<'_>) -> Result<Named<ValuesMut<'a>>> {
    let name = array.name.as_str();
    let crooked = || refused(ErrorKind::Invalid, name, "is not aligned");
    let data = array.data.as_mut_slice();
    let (values, voxels) = match array.element {
        f32::NUMBER => {
            let values = elements_mut(data).ok_or_else(crooked)?;
            let voxels = values.len();
            (ValuesMut::F32(values), voxels)
        }
        i16::NUMBER => {
            let values = elements_mut(data).ok_or_else(crooked)?;
            let voxels = values.len();
            (ValuesMut::I16(values), voxels)
        }
        other => return Err(unknown(name, other)),
    };
    Ok(Named { name: name.to_string(), shape: shape_of(name, &array.shape, voxels)?, values })
}

pub(crate) fn new_to_abi(array: Named<NewValues>) -> AbiNewArray {
    let shape = array.shape.iter().map(|&n| n as u64).collect();
    let (element, floats, shorts) = match array.values {
        NewValues::F32(values) => (f32::NUMBER, RVec::from(values), RVec::new()),
        NewValues::I16(values) => (i16::NUMBER, RVec::new(), RVec::from(values)),
    };
    AbiNewArray { name: array.name.into(), element, shape, floats, shorts, bytes: RVec::new() }
}

pub(crate) fn new_from_abi(array: AbiNewArray) -> Result<Named<NewValues>> {
    let name: String = array.name.into();
    let (voxels, values) = match array.element {
        f32::NUMBER => (array.floats.len(), NewValues::F32(array.floats.into())),
        i16::NUMBER => (array.shorts.len(), NewValues::I16(array.shorts.into())),
        other => return Err(unknown(&name, other)),
    };
    Ok(Named { shape: shape_of(&name, &array.shape, voxels)?, name, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_crosses_without_a_copy() {
        let mut voxels = vec![1.5f32, -2.0, 0.0, 7.0, 1.0, 2.0];
        let address = voxels.as_ptr();
        let mut array = Named::new("image", &[1, 2, 3], ValuesMut::F32(&mut voxels));
        let shapes = wide(std::slice::from_ref(&array));
        let mut abi = to_change(&mut array, &shapes[0]);
        let back = change(&mut abi).unwrap();
        assert_eq!((back.name.as_str(), back.shape.as_slice()), ("image", &[1, 2, 3][..]));
        let ValuesMut::F32(values) = back.values else { panic!("type") };
        assert_eq!(values.as_ptr(), address);
        values[1] = 3.0;
        assert_eq!(voxels[1], 3.0);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let labels = [0i16, 1, 2];
        let array = Named::new("labels", &[3], Values::I16(&labels));
        let ask = |element: u32, shape: &[u64], data: &[u8]| {
            let abi = AbiArray { name: RStr::from_str("labels"), element, shape: RSlice::from_slice(shape), data: RSlice::from_slice(data) };
            read(&abi).err().map(|e| e.message().to_string()).unwrap_or_default()
        };
        assert_eq!(to_read(&array, &[3]).data.len(), 6);
        assert_eq!(ask(2, &[3], bytes(&labels)), "");
        assert_eq!(ask(2, &[4], bytes(&labels)), "the array `labels` of shape [4] has 3 voxels");
        assert_eq!(ask(2, &[u64::MAX, 2], bytes(&labels)), format!("the array `labels` of shape [{}, 2] has 3 voxels", u64::MAX));
        assert_eq!(ask(9, &[3], bytes(&labels)), "the array `labels` holds elements of type 9, which this version does not know");
        assert_eq!(ask(1, &[1], &bytes(&labels)[..5]), "the array `labels` is not aligned");
    }
}
