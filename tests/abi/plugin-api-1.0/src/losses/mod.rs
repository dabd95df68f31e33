//! nnU-Net's losses as functions, so that "the usual loss plus mine" is one line.

mod class_sums;
mod cross_entropy;
mod dice;

pub use class_sums::ClassSums;
pub use cross_entropy::{binary_cross_entropy, cross_entropy, top_k_cross_entropy, weighted_cross_entropy};
pub use dice::{SoftDice, soft_dice};

use crate::{Error, Head, Result, Target, Tensor};
use serde::Deserialize;

/// Weights of the two terms and the Dice's settings.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiceCe {
    /// Weight of the Dice term.
    pub dice_weight: f64,
    /// Weight of the cross-entropy term.
    pub ce_weight: f64,
    /// Added to numerator and denominator of the Dice.
    pub smooth: f64,
    /// Per cent of the voxels, the hardest ones, that the cross entropy is taken over; all if none.
    pub top_k: Option<f64>,
}

impl Default for DiceCe {
    fn default() -> Self {
        DiceCe { dice_weight: 1.0, ce_weight: 1.0, smooth: 1e-5, top_k: None }
    }
}

/// nnU-Net's default: soft Dice plus cross entropy; for regions, soft Dice plus binary cross entropy.
///
/// Labels: softmax, background left out of the Dice. Regions: sigmoid, every channel counts.
/// Ignored voxels take no part in either term.
pub fn dice_ce(logits: &Tensor, target: &Target, s: &DiceCe) -> Result<Tensor> {
    let task = target.task();
    let settings = SoftDice { smooth: s.smooth, background: task.regions, batch: task.batch_dice };
    let (dice, ce) = if task.regions {
        if s.top_k.is_some() {
            crate::bail!("the top-k cross entropy is defined for labels; this task has regions");
        }
        let dice = soft_dice(&logits.sigmoid(), target.regions(), target.valid(), &settings);
        (dice, binary_cross_entropy(logits, target.regions(), target.valid()))
    } else {
        let sums = ClassSums::of(logits, target.labels(), target.valid());
        let ce = match s.top_k {
            None => sums.cross_entropy(),
            Some(k) => top_k_cross_entropy(logits, target.labels(), target.valid(), k),
        };
        (sums.soft_dice(&settings), ce)
    };
    Ok(dice * s.dice_weight + ce * s.ce_weight)
}

/// The sum over the heads of `one`, each with its weight; heads of weight 0 are not computed.
///
/// # Errors
/// Those of `one`; no head has a weight.
pub fn over_heads(heads: &[Head], one: impl Fn(&Tensor, &Target) -> Result<Tensor>) -> Result<Tensor> {
    let mut total: Option<Tensor> = None;
    for head in heads.iter().filter(|h| h.weight != 0.0) {
        let part = one(&head.logits, &head.target)? * head.weight;
        total = Some(match total {
            Some(sum) => sum + part,
            None => part,
        });
    }
    total.ok_or_else(|| Error::new("no head has a weight above zero"))
}
