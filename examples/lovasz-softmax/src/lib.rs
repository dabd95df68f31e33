//! Lovász-softmax (Berman et al. 2018, arXiv 1705.08790): the loss whose descent raises the IoU of each class, beside cross entropy.

mod lovasz;

use lovasz::Lovasz;
use plugin_api::prelude::*;

plugin!("org.example.lovasz-softmax");

/// The settings.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LovaszSoftmax {
    /// Weight of the cross entropy.
    ce_weight: f64,
    /// Weight of the Lovász term.
    lovasz_weight: f64,
}

impl Default for LovaszSoftmax {
    fn default() -> Self {
        Self { ce_weight: 1.0, lovasz_weight: 1.0 }
    }
}

impl Loss for LovaszSoftmax {
    /// Classes that a sample does not show have no IoU and are left to the cross entropy.
    fn forward(&self, logits: &Tensor, target: &Target) -> Result<Tensor> {
        let task = target.task();
        let (p, ce) = match task.regions {
            true => (logits.sigmoid(), losses::binary_cross_entropy(logits, target.regions(), target.valid())),
            false => (logits.softmax(1), losses::cross_entropy(logits, target.labels(), target.valid())),
        };
        let (p, y) = match target.valid() {
            Some(valid) => (p * valid, target.one_hot() * valid),
            None => (p, target.one_hot()),
        };
        let axes: Vec<usize> = (2..y.shape().len()).collect();
        let shown = y.sum_axes(&axes, false).gt_scalar(0.0).float().sum().clamp(1.0, f64::MAX);
        let lovasz = Tensor::custom(Lovasz, &[&p, &y]).sum() / shown;
        Ok(ce * self.ce_weight + lovasz * self.lovasz_weight)
    }
}

register_loss!("lovasz_softmax", LovaszSoftmax, "cross entropy plus the Lovász extension of the IoU");
register_config!("lovasz_softmax" => { description: "cross entropy plus Lovász-softmax", loss: "lovasz_softmax" });

#[cfg(test)]
mod tests;
