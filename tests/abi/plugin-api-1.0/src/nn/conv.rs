//! Convolutions and the linear layer.

use crate::{ConvSettings, Init, Param, Params, Result, Tensor};

/// Convolution with `weight` (O, I/groups, kernel...) and `bias` (O).
#[derive(Clone, Debug)]
pub struct Conv {
    weight: Param,
    bias: Option<Param>,
    settings: ConvSettings,
}

impl Conv {
    /// A convolution from `input` to `output` channels; `kernel` and the settings have one entry an axis.
    #[track_caller]
    pub fn new(p: &Params, input: usize, output: usize, kernel: &[usize], settings: ConvSettings, bias: bool) -> Result<Self> {
        let shape: Vec<usize> = [output, input / settings.groups.max(1)].into_iter().chain(kernel.iter().copied()).collect();
        Ok(Self { weight: p.param("weight", &shape, Init::HE)?, bias: bias.then(|| p.param("bias", &[output], Init::ZEROS)).transpose()?, settings })
    }

    /// "Same" padding and the given stride.
    #[track_caller]
    pub fn same(p: &Params, input: usize, output: usize, kernel: &[usize], stride: &[usize], bias: bool) -> Result<Self> {
        let settings = ConvSettings { stride: stride.to_vec(), ..ConvSettings::same(kernel) };
        Self::new(p, input, output, kernel, settings, bias)
    }

    /// Kernel 1 on every one of `dims` axes.
    #[track_caller]
    pub fn pointwise(p: &Params, input: usize, output: usize, dims: usize, bias: bool) -> Result<Self> {
        Self::same(p, input, output, &vec![1; dims], &vec![1; dims], bias)
    }

    /// (B, I, spatial...) to (B, O, spatial'...).
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.conv(&self.weight.tensor(), self.bias.map(|b| b.tensor()).as_ref(), &self.settings)
    }
}

/// Transposed convolution with kernel = stride, `weight` (I, O, kernel...) and `bias` (O).
#[derive(Clone, Debug)]
pub struct ConvTranspose {
    weight: Param,
    bias: Option<Param>,
    settings: ConvSettings,
}

impl ConvTranspose {
    /// Up-sampling by `stride` on each axis.
    #[track_caller]
    pub fn new(p: &Params, input: usize, output: usize, stride: &[usize], bias: bool) -> Result<Self> {
        let n = stride.len();
        let shape: Vec<usize> = [input, output].into_iter().chain(stride.iter().copied()).collect();
        Ok(Self {
            weight: p.param("weight", &shape, Init::HE)?,
            bias: bias.then(|| p.param("bias", &[output], Init::ZEROS)).transpose()?,
            settings: ConvSettings { stride: stride.to_vec(), padding: vec![0; n], dilation: vec![1; n], groups: 1 },
        })
    }

    /// (B, I, spatial...) to (B, O, stride * spatial...).
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let none = vec![0; self.settings.stride.len()];
        x.conv_transpose(&self.weight.tensor(), self.bias.map(|b| b.tensor()).as_ref(), &self.settings, &none)
    }
}

/// `x W^T + b` over the last axis, `weight` (O, I), `bias` (O).
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Param,
    bias: Option<Param>,
}

impl Linear {
    /// From `input` to `output` features.
    #[track_caller]
    pub fn new(p: &Params, input: usize, output: usize, bias: bool, init: Init) -> Result<Self> {
        Ok(Self { weight: p.param("weight", &[output, input], init)?, bias: bias.then(|| p.param("bias", &[output], Init::ZEROS)).transpose()? })
    }

    /// (..., I) to (..., O).
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let y = x.matmul(&self.weight.tensor().permute(&[1, 0]));
        match self.bias {
            Some(b) => y + b.tensor(),
            None => y,
        }
    }
}
