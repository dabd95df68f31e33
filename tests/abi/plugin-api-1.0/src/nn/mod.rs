//! Layers, with parameters named as nnU-Net's state dict names them.

mod block;
mod conv;
mod norm;

pub use block::{BlockSpec, ConvBlock, ConvStack};
pub use conv::{Conv, ConvTranspose, Linear};
pub use norm::{BatchNorm, InstanceNorm, LayerNorm, Norm, NormKind};
