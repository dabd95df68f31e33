//! nnU-Net's losses under names that a trainer config can select.
//!
//! `logits` is (B, C, spatial...) of one head; ignored voxels take no part. Labels are compared through a softmax,
//! regions through a sigmoid.

use plugin_api::{
    losses::{ClassSums, DiceCe, SoftDice},
    prelude::*,
};

/// Soft Dice plus cross entropy; for regions, plus binary cross entropy.
#[derive(Default, Deserialize)]
#[serde(transparent)]
struct DiceAndCrossEntropy(DiceCe);

impl Loss for DiceAndCrossEntropy {
    fn forward(&self, logits: &Tensor, target: &Target) -> Result<Tensor> {
        losses::dice_ce(logits, target, &self.0)
    }
}

/// Soft Dice plus the cross entropy of the hardest voxels.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DiceAndTopK {
    /// Per cent of the voxels that count in the cross entropy.
    percent: f64,
    /// Added to numerator and denominator of the Dice.
    smooth: f64,
}

impl Default for DiceAndTopK {
    fn default() -> Self {
        Self { percent: 10.0, smooth: 1e-5 }
    }
}

impl Loss for DiceAndTopK {
    fn forward(&self, logits: &Tensor, target: &Target) -> Result<Tensor> {
        losses::dice_ce(logits, target, &DiceCe { smooth: self.smooth, top_k: Some(self.percent), ..DiceCe::default() })
    }
}

/// Soft Dice alone: -1 is perfect.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Dice {
    /// Added to numerator and denominator.
    smooth: f64,
}

impl Default for Dice {
    fn default() -> Self {
        Self { smooth: 1e-5 }
    }
}

impl Loss for Dice {
    fn forward(&self, logits: &Tensor, target: &Target) -> Result<Tensor> {
        let task = target.task();
        let settings = SoftDice { smooth: self.smooth, background: task.regions, batch: task.batch_dice };
        Ok(match task.regions {
            true => losses::soft_dice(&logits.sigmoid(), target.regions(), target.valid(), &settings),
            false => ClassSums::of(logits, target.labels(), target.valid()).soft_dice(&settings),
        })
    }
}

/// Cross entropy alone; for regions, binary cross entropy.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CrossEntropy {
    /// The weight of each label, background first; all alike if empty.
    class_weights: Vec<f64>,
}

impl Loss for CrossEntropy {
    fn forward(&self, logits: &Tensor, target: &Target) -> Result<Tensor> {
        let (task, given) = (target.task(), self.class_weights.len());
        if given > 0 && (task.regions || given != task.outputs) {
            let what = if task.regions { "regions, which take none".to_owned() } else { format!("{} labels", task.outputs) };
            bail!("class_weights has {given} numbers, one a label; this task has {what}");
        }
        Ok(match (task.regions, given) {
            (true, _) => losses::binary_cross_entropy(logits, target.regions(), target.valid()),
            (false, 0) => losses::cross_entropy(logits, target.labels(), target.valid()),
            (false, _) => losses::weighted_cross_entropy(logits, target.labels(), &self.class_weights, target.valid()),
        })
    }
}

/// Cross entropy of the hardest voxels of the batch.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TopKCrossEntropy {
    /// Per cent of the voxels that count.
    percent: f64,
    /// Share of the wanted distribution that is spread evenly over all labels (Szegedy et al. 2016).
    label_smoothing: f64,
}

impl Default for TopKCrossEntropy {
    fn default() -> Self {
        Self { percent: 10.0, label_smoothing: 0.0 }
    }
}

impl Loss for TopKCrossEntropy {
    fn forward(&self, logits: &Tensor, target: &Target) -> Result<Tensor> {
        if target.task().regions {
            bail!("topk_ce is defined for labels; this task has regions, for which ce and dice_ce work");
        }
        if self.label_smoothing == 0.0 {
            return Ok(losses::top_k_cross_entropy(logits, target.labels(), target.valid(), self.percent));
        }
        let log_p = logits.log_softmax(1);
        let even = log_p.mean_axes(&[1], true) * self.label_smoothing;
        let each = -(log_p.gather(1, target.labels()) * (1.0 - self.label_smoothing) + even);
        let each = match target.valid() {
            Some(valid) => each * valid,
            None => each,
        };
        let voxels: usize = each.shape().iter().product();
        let hardest = ((voxels as f64 * self.percent / 100.0) as usize).max(1);
        Ok(each.reshape(&[-1]).topk(hardest, 0).0.mean())
    }
}

register_loss!("dice_ce", DiceAndCrossEntropy, "soft Dice plus cross entropy (binary for regions), the default");
register_loss!("dice", Dice, "soft Dice alone");
register_loss!("ce", CrossEntropy, "cross entropy alone (binary for regions)");
register_loss!("topk_ce", TopKCrossEntropy, "cross entropy of the hardest 10 % of the voxels");
register_loss!("dice_topk", DiceAndTopK, "soft Dice plus cross entropy of the hardest 10 % of the voxels");
