//! How a tensor (B, C, spatial...) lies in the memory of a GPU: voxels side by side, as Burn makes new tensors, or channels, as its convolutions
//! leave them. Kernels take both, and their results lie as their input does.

use burn::tensor::{DType, Shape, Slice};
use burn_cubecl::kernel::{into_contiguous, slice_with_steps};
use burn_cubecl::ops::{numeric::empty_device_contiguous_dtype, permute_nhwc_to_nchw};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::{AddressType, ElemType, FloatKind};
use cubecl::prelude::*;
use cubecl::zspace::{Strides, metadata::Metadata};

/// Values between neighbours.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(super) struct Steps {
    pub(super) image: usize,
    pub(super) channel: usize,
    pub(super) voxel: usize,
}

/// A tensor whose voxels follow each other at one distance.
pub(super) struct Planes {
    pub(super) tensor: CubeTensor,
    pub(super) batch: usize,
    pub(super) channels: usize,
    pub(super) voxels: usize,
    steps: [usize; 3],
}

impl Planes {
    /// The tensor as it lies, a part of a larger one's channels too, or copied where its voxels do not follow each other.
    pub(super) fn of(tensor: CubeTensor) -> Self {
        let tensor = if steps(&tensor).is_some() { tensor } else { into_contiguous(tensor) };
        let shape = tensor.meta.shape();
        let (batch, channels, voxels) = (shape[0], shape[1], shape.iter().skip(2).product());
        let steps = steps(&tensor).unwrap_or([channels * voxels, voxels, 1]);
        Self { tensor, batch, channels, voxels, steps }
    }

    /// Whether a voxel's channels are neighbours.
    pub(super) fn channels_last(&self) -> bool {
        self.steps[1] == 1 && self.channels > 1
    }

    pub(super) fn steps(&self) -> StepsLaunch {
        StepsLaunch::new(self.steps[0], self.steps[1], self.steps[2])
    }

    pub(super) fn kind(&self) -> ElemType {
        kind(&self.tensor)
    }

    /// What a kernel reads or writes: from the first value to the last, which may have others between them.
    pub(super) fn arg(&self) -> BufferArg {
        let shape = self.tensor.meta.shape();
        let last: usize = shape.iter().zip(self.tensor.meta.strides().iter()).map(|(n, step)| n.saturating_sub(1) * step).sum();
        let CubeTensor { client, device, handle, dtype, .. } = self.tensor.clone();
        CubeTensor::new_contiguous(client, device, Shape::from(vec![last + 1]), handle, dtype).into_buffer_arg()
    }

    pub(super) fn addresses(&self) -> AddressType {
        self.tensor.required_address_type()
    }

    /// Room for a tensor that lies as this one does, with `space` voxels along the axes (D, H, W).
    pub(super) fn like(&self, shape: Shape, dtype: DType) -> CubeTensor {
        let (client, device) = (self.tensor.client.clone(), self.tensor.device.clone());
        if !self.channels_last() {
            return empty_device_contiguous_dtype(client, device, shape, dtype);
        }
        let last: Vec<usize> = shape.iter().take(1).chain(shape.iter().skip(2)).chain(shape.iter().skip(1).take(1)).copied().collect();
        permute_nhwc_to_nchw(empty_device_contiguous_dtype(client, device, Shape::from(last), dtype))
    }
}

/// Along each axis every `step`-th of some values, (first, count, step): where they are if they begin where memory is read at once, else copied.
pub(super) fn picked(x: CubeTensor, picks: &[(usize, usize, usize)]) -> CubeTensor {
    const ALIGN: usize = 32;
    let strides = x.meta.strides();
    let bytes = picks.iter().zip(strides.iter()).map(|((first, ..), stride)| first * stride).sum::<usize>() * x.dtype.size();
    if !bytes.is_multiple_of(ALIGN) {
        let slice = |&(first, count, step): &(usize, usize, usize)| {
            Slice::new(first as isize, Some((first + count.saturating_sub(1) * step + count.min(1)) as isize), step as isize)
        };
        return slice_with_steps(x, &picks.iter().map(slice).collect::<Vec<_>>());
    }
    let steps: Vec<usize> = picks.iter().zip(strides.iter()).map(|((.., step), stride)| step * stride).collect();
    let meta = Metadata::new(Shape::from(picks.iter().map(|pick| pick.1).collect::<Vec<_>>()), Strides::new(&steps));
    CubeTensor::new(x.client.clone(), x.handle.clone().offset_start(bytes as u64), meta, x.device.clone(), x.dtype)
}

/// What a tensor's numbers are: f32 or bf16.
pub(super) fn kind(tensor: &CubeTensor) -> ElemType {
    ElemType::Float(if tensor.dtype == DType::BF16 { FloatKind::BF16 } else { FloatKind::F32 })
}

/// Values between images, channels and voxels; none where the voxels do not follow each other at one distance.
fn steps(tensor: &CubeTensor) -> Option<[usize; 3]> {
    let (shape, strides) = (tensor.meta.shape(), tensor.meta.strides());
    let (mut voxel, mut next) = (None, 0);
    for axis in (2..shape.num_dims()).rev().filter(|&axis| shape[axis] > 1) {
        if voxel.is_some() && strides[axis] != next {
            return None;
        }
        voxel.get_or_insert(strides[axis]);
        next = strides[axis] * shape[axis];
    }
    Some([strides[0], strides[1], voxel.unwrap_or(1)])
}

/// Whole numbers that a kernel reads, on the device of `beside`.
pub(super) fn table(values: &[u32], beside: &CubeTensor) -> BufferArg {
    let handle = beside.client.create_from_slice(bytemuck::cast_slice(values));
    CubeTensor::new_contiguous(beside.client.clone(), beside.device.clone(), Shape::from(vec![values.len()]), handle, DType::U32).into_buffer_arg()
}
