//! The CPU kernels of the engine, on plain slices.
//!
//! Every tensor is f32 and contiguous; a 2D one has D = 1. Convolutions and norms take channels last, (B, D, H, W, C); pooling and
//! resizing take (B, C, D, H, W). Work is spread over rayon's current pool, in
//! pieces that depend on shapes alone, and sums are taken in a fixed order: the number of threads never changes a bit.
//! Lengths that do not fit the shapes are errors of the caller and panic.

mod activation;
mod arena;
mod axis;
mod blocked;
mod buffer;
mod cells;
mod class_sums;
mod conv;
mod gather;
mod level;
mod micro;
mod norm;
mod pick;
mod places;
mod pool;
mod resize;
mod rounded;
mod sgd;
mod shape;
mod shared;
mod softmax;
mod transpose;
mod vector;
mod weight_grad;
mod winograd;

pub use activation::{leaky_relu, leaky_relu_grad};
pub use buffer::{Buffer, peak_bytes};
pub use cells::{Cells, add, join};
pub use class_sums::ClassSums;
pub use conv::{
    bias_grad, conv_forward, conv_input_grad, conv_transpose_forward, conv_transpose_input_grad, conv_transpose_weight_grad, conv_weight_grad,
};
pub use level::{instructions, multiplies_bf16};
pub use norm::{Norm, NormGradients, NormStats};
pub use pool::{
    PoolShape, adaptive_avg_pool, adaptive_avg_pool_grad, adaptive_max_pool, adaptive_max_pool_grad, avg_pool, avg_pool_grad, max_pool, max_pool_grad,
};
pub use resize::{resize_linear, resize_linear_grad, resize_nearest, resize_nearest_grad};
pub use sgd::{Sgd, sum_of_squares};
pub use shape::ConvShape;
pub use softmax::Middle;
pub use transpose::{channels_first, channels_last};
#[cfg(feature = "gpu")]
pub(crate) use {
    pool::{Window, Windows},
    resize::{Blend, linear, nearest},
};

#[cfg(test)]
mod tests;
