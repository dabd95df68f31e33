//! A value's numbers in host memory: borrowed on the processor, copied from a device.

use super::Value;
use crate::device::Device;
use crate::kernels::{self, Buffer, Cells};
use burn::backend::{BackendTensor, DispatchTensorKind, flex::FlexTensor};
use plugin_api::{DType, Result};
use rayon::prelude::*;
use std::ops::{Deref, Range};

/// f32 values.
pub(crate) enum Host {
    Flex(FlexTensor, Range<usize>),
    Buffer(Buffer),
    Copy(Vec<f32>),
}

impl Deref for Host {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match self {
            Host::Flex(t, range) => &t.storage::<f32>()[range.clone()],
            Host::Buffer(v) => v,
            Host::Copy(v) => v,
        }
    }
}

impl Host {
    /// The values by themselves; what was copied from a device is not copied again.
    pub(crate) fn into_vec(self) -> Vec<f32> {
        match self {
            Host::Copy(values) => values,
            lent => lent.to_vec(),
        }
    }
}

/// Whole voxels in host memory, which may lie further apart than they are long: part of a concatenation, say.
pub(crate) struct Voxels {
    values: Host,
    step: usize,
    channels: usize,
}

impl Voxels {
    pub(crate) fn cells(&self) -> Cells<'_> {
        Cells { values: &self.values, step: self.step, channels: self.channels }
    }
}

/// Values between neighbouring voxels, where the channels of a voxel are neighbours and voxels follow in order.
fn voxel_step(shape: &[usize], strides: &[isize]) -> Option<usize> {
    let channels = shape[1];
    if channels > 1 && strides[1] != 1 {
        return None;
    }
    let mut step = None;
    let mut expected = 0;
    for axis in (2..shape.len()).rev().chain([0]).filter(|&a| shape[a] > 1) {
        let stride = usize::try_from(strides[axis]).ok()?;
        if step.is_some() && stride != expected {
            return None;
        }
        step.get_or_insert(stride);
        expected = stride * shape[axis];
    }
    Some(step.unwrap_or(channels)).filter(|&step| step >= channels)
}

/// The numbers of a tensor whose last axes lie together, or repeat one number; `None` where those pieces are small.
fn in_order(t: &FlexTensor) -> Option<Buffer> {
    const SMALL: usize = 256;
    let (shape, strides) = (t.layout().shape(), t.layout().strides());
    let (mut first, mut piece) = (shape.num_dims(), 1);
    let repeats = (0..first).rev().find(|&a| shape[a] > 1).is_some_and(|a| strides[a] == 0);
    while first > 0 && (shape[first - 1] == 1 || strides[first - 1] == if repeats { 0 } else { piece as isize }) {
        first -= 1;
        piece *= shape[first];
    }
    let (values, start) = (t.storage::<f32>(), t.layout().start_offset() as isize);
    if piece < SMALL {
        return None;
    }
    let mut to = Buffer::take(t.layout().num_elements());
    to.par_chunks_mut(piece).enumerate().for_each(|(i, to)| {
        let (mut rest, mut at) = (i, start);
        for axis in (0..first).rev() {
            at += (rest % shape[axis]) as isize * strides[axis];
            rest /= shape[axis];
        }
        let at = at as usize;
        if repeats { to.fill(values[at]) } else { to.copy_from_slice(&values[at..at + piece]) }
    });
    Some(to)
}

impl Value {
    fn flex(&self) -> Option<&FlexTensor> {
        match &self.raw.tensor().kind {
            DispatchTensorKind::Flex(BackendTensor::Float(t)) if self.dtype == DType::Float => Some(t),
            _ => None,
        }
    }

    /// Voxels in place, where they lie whole.
    fn voxels(&self) -> Option<Voxels> {
        let t = self.flex().filter(|_| self.rank() >= 2 && !self.is_empty())?;
        let step = voxel_step(&self.shape, t.layout().strides())?;
        let (start, channels) = (t.layout().start_offset(), self.shape[1]);
        let end = start + (self.len() / channels - 1) * step + channels;
        Some(Voxels { values: Host::Flex(t.clone(), start..end), step, channels })
    }

    /// Whether the channels of a voxel are neighbours in host memory, and no other order is.
    pub(crate) fn is_channels_last(&self) -> bool {
        self.flex().is_some_and(|t| !t.is_contiguous()) && self.voxels().is_some()
    }

    /// The same Float value for use on `device`; from the processor to itself nothing is copied.
    pub(crate) fn to(&self, device: &Device) -> Result<Value> {
        if device.is_cpu() && self.flex().is_some() {
            return Ok(self.clone());
        }
        Ok(Self::from_f32(self.to_vec()?, &self.shape, device))
    }

    /// Values one behind the other along the batch (axis 0). They stay channels-last if all are.
    pub(crate) fn stacked(parts: &[Value]) -> Value {
        match parts.iter().all(Value::is_channels_last) {
            true => Self::concat_channels_last(parts, 0),
            false => Self::concat(parts, 0),
        }
    }

    /// The numbers of a Float value, last axis fastest.
    pub(crate) fn host(&self) -> Result<Host> {
        match self.flex() {
            Some(t) if t.is_contiguous() => {
                let start = t.layout().start_offset();
                Ok(Host::Flex(t.clone(), start..start + t.layout().num_elements()))
            }
            Some(_) if self.is_channels_last() => {
                let (batch, channels) = (self.shape[0], self.shape[1]);
                Ok(Host::Buffer(kernels::channels_first(&self.channels_last()?, batch, channels, self.len() / (batch * channels))))
            }
            Some(t) => Ok(in_order(t).map_or_else(
                || {
                    let t = t.to_contiguous();
                    let start = t.layout().start_offset();
                    let end = start + t.layout().num_elements();
                    Host::Flex(t, start..end)
                },
                Host::Buffer,
            )),
            None => Ok(Host::Copy(self.copied()?)),
        }
    }

    /// One number again and again as so many numbers, which loops run through faster; other values as they are.
    pub(super) fn written_out(&self) -> Value {
        let repeated = self.flex().filter(|t| t.layout().strides().iter().zip(&self.shape).all(|(&stride, &n)| stride == 0 || n == 1));
        repeated.and_then(in_order).map_or_else(|| self.clone(), |values| Value::from_buffer(values, &self.shape))
    }

    /// The numbers of a Float value (B, C, spatial...) as (B, spatial..., C).
    pub(crate) fn channels_last(&self) -> Result<Host> {
        let Voxels { values, step, channels } = self.cells()?;
        if step == channels {
            return Ok(values);
        }
        let voxels = self.len() / channels;
        Ok(Host::Buffer(kernels::join(&[Cells { values: &values, step, channels }], voxels)))
    }

    /// The channels of a Float value (B, C, spatial...), in as many pieces as it has been put together from.
    pub(crate) fn pieces(&self) -> Result<Vec<Voxels>> {
        self.parts().unwrap_or_else(|| vec![self.clone()]).iter().map(|part| part.fleeting().cells()).collect()
    }

    /// The voxels of a Float value (B, C, spatial...).
    pub(crate) fn cells(&self) -> Result<Voxels> {
        if let Some(voxels) = self.voxels() {
            return Ok(voxels);
        }
        let (batch, channels) = (self.shape[0], self.shape[1]);
        let values = kernels::channels_last(&self.host()?, batch, channels, self.len() / (batch * channels).max(1));
        Ok(Voxels { values: Host::Buffer(values), step: channels, channels })
    }
}

/// Leaky ReLU on the processor; the result lies as the input does.
impl Value {
    pub(crate) fn leaky_relu(&self, slope: f32) -> Result<Value> {
        if self.is_channels_last() {
            return Ok(Self::from_channels_last(kernels::leaky_relu(&self.channels_last()?, slope), &self.shape));
        }
        Ok(Self::from_buffer(kernels::leaky_relu(&self.host()?, slope), &self.shape))
    }

    /// The gradient before a leaky ReLU from this one behind it and the activation's `output`.
    pub(crate) fn before_leaky_relu(&self, output: &Value, slope: f32) -> Result<Value> {
        if output.is_channels_last() {
            let dx = kernels::leaky_relu_grad(&output.channels_last()?, &self.channels_last()?, slope);
            return Ok(Self::from_channels_last(dx, &self.shape));
        }
        Ok(Self::from_buffer(kernels::leaky_relu_grad(&output.host()?, &self.host()?, slope), &self.shape))
    }
}
