//! Kernels of our own for GPUs, in CubeCL: what Burn lacks there (pooling and resizing in three dimensions) and norms with the activation behind them.
//!
//! Each has its plain version in `crate::kernels`. Sums are f32 and taken in an order that shapes alone decide; gradients gather, so no two units
//! add to one place. Burn's extension trait takes an operation to the tensor behind the dispatch, and through the fusion of operations as one that
//! is not fused.

mod found;
mod norm;
mod planes;
mod pool;
mod resize;
#[cfg(test)]
mod tests;

use crate::kernels::{Blend, Windows};
use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, backend_extension};
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeBackend;
use std::sync::Arc;

pub(crate) use found::count;

/// (B, C, spatial...) with other lengths in space; up to three axes, the first ones of `size` are left out.
fn resized(shape: &Shape, size: [usize; 3]) -> Shape {
    let space = shape.num_dims() - 2;
    Shape::from(shape.iter().take(2).copied().chain(size[3 - space..].iter().copied()).collect::<Vec<_>>())
}

/// A shape with another length along one axis.
fn with_length(shape: &Shape, axis: usize, length: usize) -> Shape {
    Shape::from(shape.iter().enumerate().map(|(a, &n)| if a == axis { length } else { n }).collect::<Vec<_>>())
}

fn f32_of(shape: Shape) -> TensorSpec {
    TensorSpec::new(shape, DType::F32)
}

/// The operations. Tensors are f32, (B, C, spatial...) with up to three axes in space.
#[backend_extension(Cube, Fusion)]
pub(crate) trait Kernels: Backend {
    /// The maximum of each window, and its place in the volume (i32).
    #[fusion(meta = |x, windows| (f32_of(resized(&x.shape, windows.output())), TensorSpec::new(resized(&x.shape, windows.output()), DType::I32)))]
    fn max_pool(x: FloatTensor<Self>, windows: Arc<Windows>) -> (FloatTensor<Self>, IntTensor<Self>);

    /// The gradient of `max_pool` from the places.
    #[fusion(dtype = dy, shape = resized(dy, windows.input))]
    fn max_pool_grad(dy: FloatTensor<Self>, places: IntTensor<Self>, windows: Arc<Windows>) -> FloatTensor<Self>;

    /// The average of each window.
    #[fusion(dtype = x, shape = resized(x, windows.output()))]
    fn avg_pool(x: FloatTensor<Self>, windows: Arc<Windows>, count_padding: bool) -> FloatTensor<Self>;

    /// The gradient of `avg_pool`.
    #[fusion(dtype = dy, shape = resized(dy, windows.input))]
    fn avg_pool_grad(dy: FloatTensor<Self>, windows: Arc<Windows>, count_padding: bool) -> FloatTensor<Self>;

    /// Blends along one axis, one an output.
    #[fusion(dtype = x, shape = with_length(x, *axis, blends.len()))]
    fn blend(x: FloatTensor<Self>, axis: usize, blends: Arc<Vec<Blend>>) -> FloatTensor<Self>;

    /// The gradient of `blend`; `from` is the input's length.
    #[fusion(dtype = dy, shape = with_length(dy, *axis, *from))]
    fn blend_grad(dy: FloatTensor<Self>, axis: usize, from: usize, blends: Arc<Vec<Blend>>) -> FloatTensor<Self>;

    /// Mean and 1 / sqrt(variance + eps) of each (batch, group), as (B * groups, 2).
    #[fusion(dtype = x, shape = Shape::from(vec![x[0] * *groups, 2]))]
    fn norm_statistics(x: FloatTensor<Self>, groups: usize, eps: f32) -> FloatTensor<Self>;

    /// `(x - mean) * rstd * scale + shift` with a leaky ReLU behind it. `scale` and `shift` are (C).
    #[fusion(dtype = x, shape = x)]
    fn norm(x: FloatTensor<Self>, stats: FloatTensor<Self>, scale: FloatTensor<Self>, shift: FloatTensor<Self>, slope: f32) -> FloatTensor<Self>;

    /// The gradients of `norm` for x, scale and shift.
    #[fusion(meta = |x, _stats, scale, shift, _dy, _slope| (x.clone(), scale.clone(), shift.clone()))]
    fn norm_grad(
        x: FloatTensor<Self>,
        stats: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        slope: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

impl Kernels for CubeBackend {
    fn max_pool(x: FloatTensor<Self>, windows: Arc<Windows>) -> (FloatTensor<Self>, IntTensor<Self>) {
        pool::max(x, &windows)
    }

    fn max_pool_grad(dy: FloatTensor<Self>, places: IntTensor<Self>, windows: Arc<Windows>) -> FloatTensor<Self> {
        pool::max_grad(dy, places, &windows)
    }

    fn avg_pool(x: FloatTensor<Self>, windows: Arc<Windows>, count_padding: bool) -> FloatTensor<Self> {
        pool::average(x, &windows, count_padding)
    }

    fn avg_pool_grad(dy: FloatTensor<Self>, windows: Arc<Windows>, count_padding: bool) -> FloatTensor<Self> {
        pool::average_grad(dy, &windows, count_padding)
    }

    fn blend(x: FloatTensor<Self>, axis: usize, blends: Arc<Vec<Blend>>) -> FloatTensor<Self> {
        resize::blend(x, axis, &blends)
    }

    fn blend_grad(dy: FloatTensor<Self>, axis: usize, from: usize, blends: Arc<Vec<Blend>>) -> FloatTensor<Self> {
        resize::blend_grad(dy, axis, from, &blends)
    }

    fn norm_statistics(x: FloatTensor<Self>, groups: usize, eps: f32) -> FloatTensor<Self> {
        norm::statistics(x, groups, eps)
    }

    fn norm(x: FloatTensor<Self>, stats: FloatTensor<Self>, scale: FloatTensor<Self>, shift: FloatTensor<Self>, slope: f32) -> FloatTensor<Self> {
        norm::forward(x, stats, scale, shift, slope)
    }

    fn norm_grad(
        x: FloatTensor<Self>,
        stats: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        slope: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        norm::backward(x, stats, [scale, shift], dy, slope)
    }
}
