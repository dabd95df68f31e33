//! nnU-Net's unit: convolution, dropout, normalisation, activation; and a stack of them.

use super::{Conv, Norm, NormKind};
use crate::{ConvSettings, Params, Result, Tensor, spec::NetworkSpec};

/// What every unit of a network shares.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockSpec {
    /// Convolutions have a bias.
    pub conv_bias: bool,
    /// The normalisation.
    pub norm: NormKind,
    /// Its epsilon.
    pub norm_eps: f64,
    /// Probability of dropping a channel in training, 0 for none.
    pub dropout: f64,
    /// Negative slope of the leaky ReLU (0 is a ReLU).
    pub slope: f64,
}

/// Convolution, dropout, normalisation, leaky ReLU. Names: `conv`, `norm` (PyTorch lists them again as `all_modules.0` and `.1`).
#[derive(Clone, Debug)]
pub struct ConvBlock {
    conv: Conv,
    norm: Norm,
    dropout: f64,
    slope: Option<f64>,
}

impl ConvBlock {
    /// A unit from `input` to `output` channels with "same" padding.
    #[track_caller]
    pub fn new(p: &Params, input: usize, output: usize, kernel: &[usize], stride: &[usize], b: &BlockSpec) -> Result<Self> {
        Self::with(p, input, output, kernel, ConvSettings { stride: stride.to_vec(), ..ConvSettings::same(kernel) }, b)
    }

    /// A unit whose convolution has other settings, such as a dilation or groups.
    #[track_caller]
    pub fn with(p: &Params, input: usize, output: usize, kernel: &[usize], settings: ConvSettings, b: &BlockSpec) -> Result<Self> {
        let norm_at = if b.dropout > 0.0 { "all_modules.2" } else { "all_modules.1" };
        Ok(Self {
            conv: Conv::new(&p.at_each(&["conv", "all_modules.0"]), input, output, kernel, settings, b.conv_bias)?,
            norm: Norm::new(&p.at_each(&["norm", norm_at]), output, b.norm, b.norm_eps)?,
            dropout: b.dropout,
            slope: Some(b.slope),
        })
    }

    /// The same unit without its activation.
    #[must_use]
    pub fn linear(self) -> Self {
        Self { slope: None, ..self }
    }

    /// (B, I, spatial...) to (B, O, spatial'...).
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        self.forward_owned(x.clone())
    }

    /// As [`ConvBlock::forward`]; the memory of `x` is free as soon as the convolution has read it.
    #[track_caller]
    pub fn forward_owned(&self, x: Tensor) -> Tensor {
        let mut y = self.conv.forward(&x);
        drop(x);
        if self.dropout > 0.0 {
            y = y.dropout(self.dropout, true);
        }
        let y = self.norm.forward(&y);
        match self.slope {
            Some(slope) => y.leaky_relu(slope),
            None => y,
        }
    }
}

/// `count` units; the first one has the stride and changes the channels. Names: `convs.0`, `convs.1`, ...
#[derive(Clone, Debug)]
pub struct ConvStack(Vec<ConvBlock>);

impl ConvStack {
    /// A stack from `input` to `output` channels.
    #[track_caller]
    pub fn new(p: &Params, count: usize, input: usize, output: usize, kernel: &[usize], stride: &[usize], b: &BlockSpec) -> Result<Self> {
        let ones = vec![1; stride.len()];
        (0..count)
            .map(|i| {
                ConvBlock::new(&p.at("convs").at(i), if i == 0 { input } else { output }, output, kernel, if i == 0 { stride } else { &ones }, b)
            })
            .collect::<Result<_>>()
            .map(ConvStack)
    }

    /// The encoder's stack of one stage of a plan.
    #[track_caller]
    pub fn of_stage(p: &Params, spec: &NetworkSpec, stage: usize) -> Result<Self> {
        let s = spec.stage(stage)?;
        let input = if stage == 0 { spec.input_channels } else { spec.stage(stage - 1)?.features };
        ConvStack::new(p, s.convs, input, s.features, &s.kernel, &s.stride, &spec.block()?)
    }

    /// (B, I, spatial...) to (B, O, spatial'...).
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        self.forward_owned(x.clone())
    }

    /// As [`ConvStack::forward`]; the memory of `x` is free as soon as the first convolution has read it.
    #[track_caller]
    pub fn forward_owned(&self, x: Tensor) -> Tensor {
        self.0.iter().fold(x, |x, block| block.forward_owned(x))
    }
}
