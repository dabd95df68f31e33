//! Kernels of our own for GPUs, in CubeCL: what Burn lacks there (pooling and resizing in three dimensions) and norms with the activation behind them.
//!
//! Each has its plain version in `crate::kernels`. Sums are f32 and taken in an order that shapes alone decide; gradients gather, so no two units
//! add to one place. Burn's extension trait takes an operation to the tensor behind the dispatch, and through the fusion of operations as one that
//! is not fused.

mod blocks;
mod class_sums;
mod conv;
mod found;
mod kept;
mod norm;
mod parts;
mod planes;
mod pool;
mod products;
mod resize;
mod segments;
mod sgd;
mod taps;
#[cfg(test)]
mod tests;
mod tiles;

use crate::kernels::{Blend, Sgd, Windows};
use crate::value::Conv3;
use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, backend_extension};
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeBackend;
use cubecl::CubeCount;
use std::sync::Arc;

pub(crate) use found::count;
pub(crate) use kept::keep;

/// (B, C, spatial...) with other lengths in space; up to three axes, the first ones of `size` are left out.
fn resized(shape: &Shape, size: [usize; 3]) -> Shape {
    let space = shape.num_dims() - 2;
    Shape::from(shape.iter().take(2).copied().chain(size[3 - space..].iter().copied()).collect::<Vec<_>>())
}

/// A shape with another length along one axis.
fn with_length(shape: &Shape, axis: usize, length: usize) -> Shape {
    Shape::from(shape.iter().enumerate().map(|(a, &n)| if a == axis { length } else { n }).collect::<Vec<_>>())
}

/// Cubes for `count` units, in rows of a length that every GPU takes.
fn in_rows(count: usize, units: usize) -> CubeCount {
    let cubes = count.div_ceil(units).max(1);
    let rows = cubes.div_ceil(1 << 15);
    CubeCount::Static(cubes.div_ceil(rows) as u32, rows as u32, 1)
}

fn f32_of(shape: Shape) -> TensorSpec {
    TensorSpec::new(shape, DType::F32)
}

/// The operations. Tensors are (B, C, spatial...) with up to three axes in space, and f32; those that convolutions, products and norms take, and give back, may be bf16.
#[backend_extension(Cube, Fusion)]
pub(crate) trait Kernels: Backend {
    /// A convolution in three dimensions and one group, without a bias.
    #[fusion(dtype = x, shape = conv::convolved(x, w, s))]
    fn convolve(x: FloatTensor<Self>, w: FloatTensor<Self>, s: Conv3) -> FloatTensor<Self>;

    /// The same plus a bias (O).
    #[fusion(dtype = x, shape = conv::convolved(x, w, s))]
    fn convolve_and_add(x: FloatTensor<Self>, w: FloatTensor<Self>, bias: FloatTensor<Self>, s: Conv3) -> FloatTensor<Self>;

    /// The gradient of `convolve` for w, whose kernel this is.
    #[fusion(dtype = x, shape = conv::weights(x, dy, *kernel))]
    fn convolve_weight_grad(x: FloatTensor<Self>, dy: FloatTensor<Self>, kernel: [usize; 3], s: Conv3) -> FloatTensor<Self>;

    /// Along each axis every `step`-th of some values, (first, count, step), in the memory where they are.
    #[fusion(dtype = x, shape = Shape::from(picks.iter().map(|pick| pick.1).collect::<Vec<_>>()))]
    fn picked(x: FloatTensor<Self>, picks: Arc<Vec<(usize, usize, usize)>>) -> FloatTensor<Self>;

    /// From (B, C, D, H, W) blocks of voxels as rows.
    #[fusion(dtype = x, shape = blocks::shape(x, *block))]
    fn gathered(x: FloatTensor<Self>, block: [usize; 3]) -> FloatTensor<Self>;

    /// From blocks of voxels as rows (B, C, D, H, W), the shape `whole`.
    #[fusion(dtype = rows, shape = Shape::from(whole.to_vec()))]
    fn spread(rows: FloatTensor<Self>, block: [usize; 3], whole: [usize; 5]) -> FloatTensor<Self>;

    /// Products of matrices (..., M, K) and (..., K, N), by a kernel that is not sought by trial.
    #[fusion(dtype = a, shape = with_length(a, a.num_dims() - 1, b[b.num_dims() - 1]))]
    fn product(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Of (..., O) and (..., I) as rows: for each of `firsts` sums of products (any number, O, wide I) of the rows of the left, each row times the `wide` rows of the
    /// right that begin so much further on. `cut` is parts of the left, their length, wide. f32.
    #[fusion(meta = |left, right, cut, firsts| f32_of(products::shape(&left.shape, &right.shape, left.dtype, *cut, firsts)))]
    fn rows_products(left: FloatTensor<Self>, right: FloatTensor<Self>, cut: [usize; 3], firsts: Arc<Vec<usize>>) -> FloatTensor<Self>;

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
    #[fusion(meta = |x, groups, _eps| f32_of(Shape::from(vec![x.shape[0] * *groups, 2])))]
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

    /// Sums of x (B, C, spatial...) over the voxels of each of `k` ids (B, 1 or C, spatial...).
    #[fusion(meta = |x, _ids, k| f32_of(segments::shape(&x.shape, *k)))]
    fn segment_sums(x: FloatTensor<Self>, ids: IntTensor<Self>, k: usize) -> FloatTensor<Self>;

    /// The sums of `Op::ClassSums`, and each voxel's largest logit and sum of exponentials, for the way back. `weights` is one a voxel, or a single 1.
    #[fusion(meta = |x, _labels, _weights| class_sums::results(&x.shape))]
    fn class_sums(x: FloatTensor<Self>, labels: IntTensor<Self>, weights: FloatTensor<Self>) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// The gradient of `class_sums` for x from that of the sums.
    #[fusion(dtype = x, shape = x)]
    fn class_sums_grad(
        x: FloatTensor<Self>,
        labels: IntTensor<Self>,
        weights: FloatTensor<Self>,
        scales: FloatTensor<Self>,
        g: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// The new weights and momentum after a step with a gradient, all gradients clipped to the norm `clip`; `squares` is the sum of their squares.
    #[fusion(meta = |w, _g, momentum, _squares, _sgd, _clip| (w.clone(), momentum.clone()))]
    fn sgd(
        w: FloatTensor<Self>,
        g: FloatTensor<Self>,
        momentum: FloatTensor<Self>,
        squares: FloatTensor<Self>,
        sgd: Sgd,
        clip: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

impl Kernels for CubeBackend {
    fn convolve(x: FloatTensor<Self>, w: FloatTensor<Self>, s: Conv3) -> FloatTensor<Self> {
        conv::forward(x, w, None, s)
    }

    fn convolve_and_add(x: FloatTensor<Self>, w: FloatTensor<Self>, bias: FloatTensor<Self>, s: Conv3) -> FloatTensor<Self> {
        conv::forward(x, w, Some(bias), s)
    }

    fn convolve_weight_grad(x: FloatTensor<Self>, dy: FloatTensor<Self>, kernel: [usize; 3], s: Conv3) -> FloatTensor<Self> {
        conv::weight_grad(x, dy, kernel, s)
    }

    fn picked(x: FloatTensor<Self>, picks: Arc<Vec<(usize, usize, usize)>>) -> FloatTensor<Self> {
        planes::picked(x, &picks)
    }

    fn gathered(x: FloatTensor<Self>, block: [usize; 3]) -> FloatTensor<Self> {
        blocks::gather(x, block)
    }

    fn spread(rows: FloatTensor<Self>, block: [usize; 3], whole: [usize; 5]) -> FloatTensor<Self> {
        blocks::spread(rows, block, whole)
    }

    fn product(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let dtype = a.dtype;
        products::product(a, b, dtype)
    }

    fn rows_products(left: FloatTensor<Self>, right: FloatTensor<Self>, cut: [usize; 3], firsts: Arc<Vec<usize>>) -> FloatTensor<Self> {
        products::of_rows(left, right, cut, &firsts)
    }

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

    fn segment_sums(x: FloatTensor<Self>, ids: IntTensor<Self>, k: usize) -> FloatTensor<Self> {
        segments::sums(x, ids, k)
    }

    fn class_sums(x: FloatTensor<Self>, labels: IntTensor<Self>, weights: FloatTensor<Self>) -> (FloatTensor<Self>, FloatTensor<Self>) {
        class_sums::forward(x, labels, weights)
    }

    fn class_sums_grad(
        x: FloatTensor<Self>,
        labels: IntTensor<Self>,
        weights: FloatTensor<Self>,
        scales: FloatTensor<Self>,
        g: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        class_sums::backward(x, labels, weights, scales, g)
    }

    fn sgd(
        w: FloatTensor<Self>,
        g: FloatTensor<Self>,
        momentum: FloatTensor<Self>,
        squares: FloatTensor<Self>,
        sgd: Sgd,
        clip: f32,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        sgd::step(w, g, momentum, squares, sgd, clip)
    }
}
