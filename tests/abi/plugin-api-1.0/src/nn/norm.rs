//! Normalisations.

use crate::{Init, Op, Param, Params, Result, Tensor};
use serde::{Deserialize, Serialize};

/// Which normalisation follows a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NormKind {
    /// Each sample and channel by itself; nnU-Net's choice.
    Instance,
    /// Over the batch, with running statistics.
    Batch,
    /// None.
    None,
}

/// Scale and shift (C) after normalising each (b, c).
#[derive(Clone, Debug)]
pub struct InstanceNorm {
    affine: Option<(Param, Param)>,
    eps: f64,
}

impl InstanceNorm {
    /// For `channels` channels.
    #[track_caller]
    pub fn new(p: &Params, channels: usize, eps: f64, affine: bool) -> Result<Self> {
        let affine = affine
            .then(|| Ok::<_, crate::Error>((p.param("weight", &[channels], Init::ONES)?, p.param("bias", &[channels], Init::ZEROS)?)))
            .transpose()?;
        Ok(Self { affine, eps })
    }

    /// The same with a scale that starts at zero (the last norm of a residual branch).
    #[track_caller]
    pub fn zeroed(p: &Params, channels: usize, eps: f64) -> Result<Self> {
        Ok(Self { affine: Some((p.param("weight", &[channels], Init::ZEROS)?, p.param("bias", &[channels], Init::ZEROS)?)), eps })
    }

    /// (B, C, spatial...)
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        match self.affine {
            Some((w, b)) => x.instance_norm(Some((&w.tensor(), &b.tensor())), self.eps),
            None => x.instance_norm(None, self.eps),
        }
    }
}

/// Batch normalisation with running statistics, as PyTorch keeps them.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    scale: Param,
    shift: Param,
    mean: Param,
    variance: Param,
    eps: f64,
    momentum: f64,
}

impl BatchNorm {
    /// For `channels` channels.
    #[track_caller]
    pub fn new(p: &Params, channels: usize, eps: f64, momentum: f64) -> Result<Self> {
        Self::scaled(p, channels, eps, momentum, Init::ONES)
    }

    /// The same with a scale that starts at zero (the last norm of a residual branch).
    #[track_caller]
    pub fn zeroed(p: &Params, channels: usize, eps: f64, momentum: f64) -> Result<Self> {
        Self::scaled(p, channels, eps, momentum, Init::ZEROS)
    }

    #[track_caller]
    fn scaled(p: &Params, channels: usize, eps: f64, momentum: f64, scale: Init) -> Result<Self> {
        Ok(Self {
            scale: p.param("weight", &[channels], scale)?,
            shift: p.param("bias", &[channels], Init::ZEROS)?,
            mean: p.buffer("running_mean", &[channels], Init::ZEROS)?,
            variance: p.buffer("running_var", &[channels], Init::ONES)?,
            eps,
            momentum,
        })
    }

    /// (B, C, spatial...)
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let inputs = [&self.scale, &self.shift, &self.mean, &self.variance].map(Param::tensor);
        let [scale, shift, mean, variance] = &inputs;
        Tensor::apply(Op::BatchNorm, &[x, scale, shift, mean, variance], &[], &[self.eps, self.momentum])
    }
}

/// Normalisation over the last axis with scale and shift.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    scale: Param,
    shift: Param,
    eps: f64,
}

impl LayerNorm {
    /// Over a last axis of `features`.
    #[track_caller]
    pub fn new(p: &Params, features: usize, eps: f64) -> Result<Self> {
        Ok(Self { scale: p.param("weight", &[features], Init::ONES)?, shift: p.param("bias", &[features], Init::ZEROS)?, eps })
    }

    /// (..., features)
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.layer_norm(1, Some((&self.scale.tensor(), &self.shift.tensor())), self.eps)
    }
}

/// Whichever normalisation the plan names.
#[derive(Clone, Debug)]
pub enum Norm {
    /// instance norm
    Instance(InstanceNorm),
    /// batch norm
    Batch(BatchNorm),
    /// nothing
    None,
}

impl Norm {
    /// For `channels` channels.
    #[track_caller]
    pub fn new(p: &Params, channels: usize, kind: NormKind, eps: f64) -> Result<Self> {
        Ok(match kind {
            NormKind::Instance => Norm::Instance(InstanceNorm::new(p, channels, eps, true)?),
            NormKind::Batch => Norm::Batch(BatchNorm::new(p, channels, eps, 0.1)?),
            NormKind::None => Norm::None,
        })
    }

    /// (B, C, spatial...)
    #[track_caller]
    pub fn forward(&self, x: &Tensor) -> Tensor {
        match self {
            Norm::Instance(n) => n.forward(x),
            Norm::Batch(n) => n.forward(x),
            Norm::None => x.clone(),
        }
    }
}
