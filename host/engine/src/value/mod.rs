//! A tensor value of the engine: any rank, any device, one of three types. Burn is named here and in `device`.

mod conv;
mod float;
#[cfg(feature = "gpu")]
mod gpu;
mod host;
mod later;
mod read;

use crate::device::{Device, Precision};
#[cfg(feature = "gpu")]
use crate::gpu::Kernels;
use crate::kernels::{self, Buffer};
use crate::shape::Info;
use burn::backend::{Dispatch, DispatchTensor, TensorMetadata, ops::*};
use burn::tensor::{AllocationProperty, Bytes, FloatDType, IntDType, Shape, Slice, TensorData};
use plugin_api::DType;
#[cfg(feature = "gpu")]
use std::sync::Arc;

pub(crate) use conv::Conv3;
use host::Host;
pub(crate) use host::Voxels;
use later::Raw;

type D = Dispatch;

/// An immutable tensor; cloning shares the storage.
#[derive(Clone)]
pub(crate) struct Value {
    raw: Raw,
    shape: Vec<usize>,
    dtype: DType,
    /// The smallest and the largest of whole numbers that came from the host; looking at what is on a device means to wait for it.
    bounds: Option<(i32, i32)>,
}

pub(crate) fn slice_of(start: usize, end: usize, step: usize) -> Slice {
    Slice::new(start as isize, Some(end as isize), step as isize)
}

impl Value {
    fn of(raw: DispatchTensor, dtype: DType) -> Self {
        let shape = raw.shape().to_vec();
        Value { raw: Raw::Ready(raw), shape, dtype, bounds: None }
    }

    fn raw(&self) -> DispatchTensor {
        self.raw.tensor().clone()
    }

    fn into_raw(self) -> DispatchTensor {
        match self.raw {
            Raw::Ready(tensor) | Raw::Again(tensor, _) => tensor,
            later @ Raw::Later(_) => later.tensor().clone(),
        }
    }

    pub(crate) fn from_f32(data: Vec<f32>, shape: &[usize], device: &Device) -> Self {
        Self::of(D::float_from_data(TensorData::new(data, shape.to_vec()), device.raw()), DType::Float)
    }

    /// A value on the processor from numbers in the order of its axes.
    pub(crate) fn from_buffer(values: Buffer, shape: &[usize]) -> Self {
        let bytes = Bytes::from_shared(bytes::Bytes::from_owner(values), AllocationProperty::Other);
        let data = TensorData::from_bytes(bytes, shape.to_vec(), burn::tensor::DType::F32);
        Self::of(D::float_from_data(data, Device::cpu().raw()), DType::Float)
    }

    /// A value (B, C, spatial...) on the processor from numbers (B, spatial..., C), which stay as they are.
    pub(crate) fn from_channels_last(values: Buffer, shape: &[usize]) -> Self {
        let n = shape.len();
        let stored: Vec<usize> = shape[..1].iter().chain(&shape[2..]).chain(&shape[1..2]).copied().collect();
        let axes: Vec<usize> = [0, n - 1].into_iter().chain(1..n - 1).collect();
        Self::from_buffer(values, &stored).permute(&axes)
    }

    pub(crate) fn from_i32(data: Vec<i32>, shape: &[usize], device: &Device) -> Self {
        let bounds = data.iter().fold(None, |bounds, &v| bounds.map_or(Some((v, v)), |(low, high)| Some((v.min(low), v.max(high)))));
        Value { bounds, ..Self::of(D::int_from_data(TensorData::new(data, shape.to_vec()), device.raw()), DType::Int) }
    }

    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub(crate) fn rank(&self) -> usize {
        self.shape.len()
    }

    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub(crate) fn dtype(&self) -> DType {
        self.dtype
    }

    pub(crate) fn info(&self) -> Info {
        Info { shape: self.shape.clone(), dtype: self.dtype }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies the values to f32, whatever the type.
    pub(crate) fn to_vec(&self) -> plugin_api::Result<Vec<f32>> {
        if self.dtype == DType::Float { self.host().map(Host::into_vec) } else { self.copied() }
    }

    /// The smallest and the largest of whole numbers; `None` where there are none.
    pub(crate) fn bounds(&self) -> plugin_api::Result<Option<(i32, i32)>> {
        if self.bounds.is_some() || self.is_empty() {
            return Ok(self.bounds);
        }
        let flat = self.reshape(&[self.len()]).raw();
        let both = [D::int_min(flat.clone()), D::int_max(flat)].map(|raw| Self::of(raw, DType::Int).to_ints());
        let [low, high] = both;
        Ok(low?.first().copied().zip(high?.first().copied()))
    }

    pub(crate) fn cast(&self, dtype: DType, device: &Device) -> Value {
        let raw = self.raw();
        let (f, i) = (FloatDType::F32, IntDType::I32);
        let raw = match (self.dtype, dtype) {
            (a, b) if a == b => raw,
            (DType::Float, DType::Int) => D::float_into_int(raw, i),
            (DType::Float, _) => D::float_not_equal_elem(raw, 0.0.into(), device.bool_dtype()),
            (DType::Int, DType::Float) => D::int_into_float(raw, f),
            (DType::Int, _) => D::int_not_equal_elem(raw, 0i64.into(), device.bool_dtype()),
            (_, DType::Float) => D::bool_into_float(raw, f),
            (_, _) => D::bool_into_int(raw, i),
        };
        Self::of(raw, dtype)
    }

    /// A Float value as a factor of a product that Burn computes: bf16 where the precision is mixed.
    pub(crate) fn factor(&self, precision: Precision) -> Value {
        match precision {
            Precision::F32 => self.clone(),
            Precision::Mixed => Self::of(self.narrow().unwrap_or_else(|| D::float_cast(self.raw(), FloatDType::BF16)), DType::Float),
        }
    }

    /// The product of [`Value::factor`]s as a value, f32 to who looks.
    pub(crate) fn product(&self, precision: Precision) -> Value {
        match precision {
            Precision::F32 => self.clone(),
            Precision::Mixed => Self::float(self.raw()),
        }
    }

    /// A tensor of this one's type that holds none but its numbers.
    fn among(&self, raw: DispatchTensor) -> Value {
        Value { bounds: self.bounds, ..Self::of(raw, self.dtype) }
    }

    /// The same numbers in other places, kept as they are kept.
    fn moved(&self, to: impl FnOnce(DispatchTensor) -> DispatchTensor) -> Value {
        match self.raw {
            Raw::Later(_) => Self::float(to(self.stored())),
            _ => Self::of(to(self.raw()), DType::Float),
        }
    }

    pub(crate) fn reshape(&self, shape: &[usize]) -> Value {
        let shape = Shape::from(shape.to_vec());
        let raw = match self.dtype {
            DType::Int => D::int_reshape(self.raw(), shape),
            DType::Bool => D::bool_reshape(self.raw(), shape),
            _ => return self.moved(|raw| D::float_reshape(raw, shape)),
        };
        self.among(raw)
    }

    pub(crate) fn permute(&self, axes: &[usize]) -> Value {
        let raw = match self.dtype {
            DType::Int => D::int_permute(self.raw(), axes),
            DType::Bool => D::bool_permute(self.raw(), axes),
            _ => return self.moved(|raw| D::float_permute(raw, axes)),
        };
        self.among(raw)
    }

    pub(crate) fn flip(&self, axes: &[usize]) -> Value {
        let raw = match self.dtype {
            DType::Int => D::int_flip(self.raw(), axes),
            DType::Bool => D::bool_flip(self.raw(), axes),
            _ => return self.moved(|raw| D::float_flip(raw, axes)),
        };
        self.among(raw)
    }

    pub(crate) fn expand(&self, shape: &[usize]) -> Value {
        if self.shape == shape {
            return self.clone();
        }
        let mut padded = vec![1; shape.len().saturating_sub(self.rank())];
        padded.extend(&self.shape);
        let source = if padded == self.shape { self.clone() } else { self.reshape(&padded) };
        let (raw, shape) = (source.raw(), Shape::from(shape.to_vec()));
        let raw = match self.dtype {
            DType::Int => D::int_expand(raw, shape),
            DType::Bool => D::bool_expand(raw, shape),
            _ => D::float_expand(raw, shape),
        };
        self.among(raw)
    }

    pub(crate) fn slice(&self, axis: usize, start: usize, end: usize, step: usize) -> Value {
        #[cfg(feature = "gpu")]
        if let (1, 1, Some(narrow)) = (axis, step, self.narrow()) {
            let whole = self.shape.iter().map(|&n| (0, n, 1));
            let picks = whole.enumerate().map(|(a, all)| if a == 1 { (start, end - start, 1) } else { all });
            return Self::float(D::picked(narrow, Arc::new(picks.collect())));
        }
        let ranges: Vec<Slice> =
            self.shape.iter().enumerate().map(|(a, &n)| if a == axis { slice_of(start, end, step) } else { slice_of(0, n, 1) }).collect();
        let raw = match self.dtype {
            DType::Int => D::int_slice(self.raw(), &ranges),
            DType::Bool => D::bool_slice(self.raw(), &ranges),
            _ => return self.moved(|raw| D::float_slice(raw, &ranges)),
        };
        self.among(raw)
    }

    pub(crate) fn concat(parts: &[Value], axis: usize) -> Value {
        let dtype = parts[0].dtype;
        if let Some(narrow) = parts.iter().map(Value::narrow).collect() {
            if axis == 1 && parts[0].rank() > 2 {
                return Self::concat_channels_last(parts, axis);
            }
            return Self::float(D::float_cat(narrow, axis));
        }
        if axis == 1
            && parts.iter().any(Value::is_channels_last)
            && let Ok(voxels) = parts.iter().map(Value::cells).collect::<plugin_api::Result<Vec<_>>>()
        {
            let cells: Vec<_> = voxels.iter().map(Voxels::cells).collect();
            let mut shape = parts[0].shape.clone();
            shape[1] = cells.iter().map(|cells| cells.channels).sum();
            let voxels = shape.iter().product::<usize>() / shape[1];
            return Self::from_channels_last(kernels::join(&cells, voxels), &shape);
        }
        let raw: Vec<DispatchTensor> = parts.iter().map(|p| p.raw()).collect();
        let raw = match dtype {
            DType::Int => D::int_cat(raw, axis),
            DType::Bool => D::bool_cat(raw, axis),
            _ => D::float_cat(raw, axis),
        };
        Self::of(raw, dtype)
    }

    /// The same for values whose channels are neighbours in memory, as convolutions leave them: they stay so.
    fn concat_channels_last(parts: &[Value], axis: usize) -> Value {
        let rank = parts[0].rank();
        let last: Vec<usize> = [0].into_iter().chain(2..rank).chain([1]).collect();
        let first: Vec<usize> = [0, rank - 1].into_iter().chain(1..rank - 1).collect();
        let axis = if axis == 1 { rank - 1 } else { axis.saturating_sub(1) };
        Self::concat(&parts.iter().map(|part| part.permute(&last)).collect::<Vec<_>>(), axis).permute(&first)
    }

    /// `self` (any type) where `mask` holds, else `other`; shapes equal.
    pub(crate) fn where_mask(&self, mask: &Value, other: &Value) -> Value {
        let (raw, mask, value) = (other.raw(), mask.raw(), self.raw());
        let raw = match self.dtype {
            DType::Int => D::int_mask_where(raw, mask, value),
            DType::Bool => D::bool_mask_where(raw, mask, value),
            _ => D::float_mask_where(raw, mask, value),
        };
        Self::of(raw, self.dtype)
    }

    pub(crate) fn gather(&self, axis: usize, index: &Value) -> Value {
        let (raw, index) = (self.raw(), index.raw());
        let raw = match self.dtype {
            DType::Int => D::int_gather(axis, raw, index),
            DType::Bool => D::bool_gather(axis, raw, index),
            _ => D::float_gather(axis, raw, index),
        };
        Self::of(raw, self.dtype)
    }

    pub(crate) fn index_select(&self, axis: usize, index: &Value) -> Value {
        let (raw, index) = (self.raw(), index.raw());
        let raw = match self.dtype {
            DType::Int => D::int_select(raw, axis, index),
            DType::Bool => D::bool_select(raw, axis, index),
            _ => D::float_select(raw, axis, index),
        };
        Self::of(raw, self.dtype)
    }

    pub(crate) fn bool_not(&self) -> Value {
        Self::of(D::bool_not(self.raw()), DType::Bool)
    }

    pub(crate) fn bool_and(&self, other: &Value) -> Value {
        Self::of(D::bool_and(self.raw(), other.raw()), DType::Bool)
    }

    pub(crate) fn bool_or(&self, other: &Value) -> Value {
        Self::of(D::bool_or(self.raw(), other.raw()), DType::Bool)
    }

    pub(crate) fn arange(start: i64, end: i64, step: usize, device: &Device) -> Value {
        Self::of(D::int_arange_step(start..end, step, device.raw(), IntDType::I32), DType::Int)
    }
}
