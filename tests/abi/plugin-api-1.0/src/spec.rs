//! The plan as a network sees it.

use crate::{
    Error, Result,
    nn::{BlockSpec, NormKind},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One resolution of the plan's topology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageSpec {
    /// 0 is the full resolution.
    pub index: usize,
    /// Channels.
    pub features: usize,
    /// Kernel, an axis each.
    pub kernel: Vec<usize>,
    /// Down-sampling on entering the stage, an axis each.
    pub stride: Vec<usize>,
    /// Convolutions (or residual blocks) of the encoder.
    pub convs: usize,
    /// Convolutions of the decoder at this resolution; 0 for the bottleneck.
    pub decoder_convs: usize,
}

/// What to build: channels, patch, and the plan's `architecture` entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkSpec {
    /// Image channels (plus one-hot channels of a previous stage).
    pub input_channels: usize,
    /// Channels of the logits.
    pub num_classes: usize,
    /// Patch, an axis each; its length says whether the network is 2D or 3D.
    pub patch_size: Vec<usize>,
    /// Whether more heads than the finest one will be used. Heads are built always.
    #[serde(default)]
    pub deep_supervision: bool,
    /// The plan's `network_class_name`.
    #[serde(default)]
    pub network_class_name: String,
    /// The plan's `arch_kwargs`, as they stand.
    #[serde(default)]
    pub arch_kwargs: Value,
}

fn missing(key: &str, found: &Value) -> Error {
    Error::new(format!("arch_kwargs.{key} of the plan is {found}, which cannot be read as wanted"))
}

fn number(v: &Value) -> Option<usize> {
    v.as_u64().map(|n| n as usize)
}

impl NetworkSpec {
    /// Reads the form that crosses the wall.
    ///
    /// # Errors
    /// The text is not this structure.
    pub fn from_json(text: &str) -> Result<Self> {
        Ok(serde_json::from_str(text)?)
    }

    /// Spatial axes: 2 or 3.
    pub fn dims(&self) -> usize {
        self.patch_size.len()
    }

    fn kwarg(&self, key: &str) -> &Value {
        self.arch_kwargs.get(key).unwrap_or(&Value::Null)
    }

    /// A list with one number a stage; a single number stands for all.
    fn per_stage(&self, key: &str, n: usize) -> Result<Vec<usize>> {
        let v = self.kwarg(key);
        let list = match v {
            Value::Array(list) => list.iter().map(number).collect::<Option<Vec<_>>>(),
            one => number(one).map(|k| vec![k; n]),
        };
        list.filter(|l| l.len() == n).ok_or_else(|| missing(key, v))
    }

    /// A list with one vector a stage; a number stands for all axes.
    fn vectors(&self, key: &str, n: usize) -> Result<Vec<Vec<usize>>> {
        let v = self.kwarg(key);
        let vector = |v: &Value| match v {
            Value::Array(list) => list.iter().map(number).collect::<Option<Vec<_>>>().filter(|l| l.len() == self.dims()),
            one => number(one).map(|k| vec![k; self.dims()]),
        };
        let list = match v {
            Value::Array(list) => list.iter().map(vector).collect::<Option<Vec<_>>>(),
            one => vector(one).map(|k| vec![k; n]),
        };
        list.filter(|l| l.len() == n).ok_or_else(|| missing(key, v))
    }

    /// The stages, finest first.
    ///
    /// # Errors
    /// A key of `arch_kwargs` is missing or has the wrong length; the error names it and its value.
    pub fn stages(&self) -> Result<Vec<StageSpec>> {
        let n = number(self.kwarg("n_stages")).filter(|&n| n > 0).ok_or_else(|| missing("n_stages", self.kwarg("n_stages")))?;
        let features = self.per_stage("features_per_stage", n)?;
        let (kernels, strides) = (self.vectors("kernel_sizes", n)?, self.vectors("strides", n)?);
        let convs = if self.kwarg("n_conv_per_stage").is_null() { "n_blocks_per_stage" } else { "n_conv_per_stage" };
        let convs = self.per_stage(convs, n)?;
        let decoder = if n > 1 { self.per_stage("n_conv_per_stage_decoder", n - 1)? } else { vec![] };
        Ok((0..n)
            .map(|i| StageSpec {
                index: i,
                features: features[i],
                kernel: kernels[i].clone(),
                stride: strides[i].clone(),
                convs: convs[i],
                // the plan lists the decoder from the bottleneck up
                decoder_convs: if i + 1 < n { decoder[n - 2 - i] } else { 0 },
            })
            .collect())
    }

    /// One stage, 0 being the finest.
    ///
    /// # Errors
    /// As [`NetworkSpec::stages`], or there is no such stage.
    pub fn stage(&self, index: usize) -> Result<StageSpec> {
        let stages = self.stages()?;
        let n = stages.len();
        stages.into_iter().nth(index).ok_or_else(|| Error::new(format!("the plan has {n} stages; stage {index} was asked for")))
    }

    /// Bias, normalisation, dropout and activation of each unit.
    ///
    /// # Errors
    /// The plan names a normalisation or activation that is not known, or a normalisation without scale and shift.
    pub fn block(&self) -> Result<BlockSpec> {
        let name = |key: &str| self.kwarg(key).as_str().unwrap_or_default().rsplit('.').next().unwrap_or_default().to_string();
        let norm = match name("norm_op").trim_end_matches(['1', '2', '3', 'd']) {
            "InstanceNorm" => NormKind::Instance,
            "BatchNorm" => NormKind::Batch,
            "" => NormKind::None,
            _ => return Err(missing("norm_op", self.kwarg("norm_op"))),
        };
        let affine = self.kwarg("norm_op_kwargs").get("affine").and_then(Value::as_bool);
        if norm != NormKind::None && affine == Some(false) {
            return Err(Error::new("arch_kwargs.norm_op_kwargs.affine of the plan is false; wanted true: norms have scale and shift here"));
        }
        let inner = |key: &str, field: &str| self.kwarg(key).get(field).and_then(Value::as_f64);
        let slope = match name("nonlin").as_str() {
            "LeakyReLU" => inner("nonlin_kwargs", "negative_slope").unwrap_or(1e-2),
            "ReLU" => 0.0,
            _ => return Err(missing("nonlin", self.kwarg("nonlin"))),
        };
        Ok(BlockSpec {
            conv_bias: self.kwarg("conv_bias").as_bool().unwrap_or(false),
            norm,
            norm_eps: inner("norm_op_kwargs", "eps").unwrap_or(1e-5),
            dropout: if self.kwarg("dropout_op").is_null() { 0.0 } else { inner("dropout_op_kwargs", "p").unwrap_or(0.5) },
            slope,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn block(kwargs: Value) -> Result<BlockSpec> {
        let spec = NetworkSpec {
            input_channels: 1,
            num_classes: 2,
            patch_size: vec![8; 3],
            deep_supervision: false,
            network_class_name: String::new(),
            arch_kwargs: kwargs,
        };
        spec.block()
    }

    #[test]
    fn dropout_without_a_probability_is_pytorchs() {
        let dropout = |op: Value, settings: Value| {
            let kwargs = json!({"nonlin": "torch.nn.ReLU", "dropout_op": op, "dropout_op_kwargs": settings});
            block(kwargs).unwrap().dropout
        };
        let named = || json!("torch.nn.modules.dropout.Dropout3d");
        assert_eq!([Value::Null, json!({}), json!({"p": 0.2})].map(|settings| dropout(named(), settings)), [0.5, 0.5, 0.2]);
        assert_eq!(dropout(Value::Null, Value::Null), 0.0);
    }

    /// Left out, it counts as true.
    #[test]
    fn a_norm_without_scale_and_shift_is_refused() {
        let normed = |norm: &str, settings: Value| block(json!({"nonlin": "torch.nn.ReLU", "norm_op": norm, "norm_op_kwargs": settings}));
        for norm in ["torch.nn.modules.instancenorm.InstanceNorm3d", "torch.nn.modules.batchnorm.BatchNorm3d"] {
            let refused = normed(norm, json!({"affine": false})).unwrap_err();
            assert!(refused.message().contains("affine of the plan is false; wanted true"), "{refused}");
            assert!(normed(norm, json!({"eps": 1e-3})).is_ok() && normed(norm, json!({"affine": true})).is_ok());
        }
    }
}
