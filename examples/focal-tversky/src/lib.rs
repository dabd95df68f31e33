//! Focal Tversky loss (Abraham and Khan 2019, arXiv 1810.07842): a Dice that weighs misses and false alarms apart, and hard structures more.

use plugin_api::prelude::*;

plugin!("org.example.focal-tversky");

/// The settings; defaults are the paper's.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FocalTversky {
    /// Weight of voxels that are missed.
    alpha: f64,
    /// Weight of voxels that are wrongly predicted.
    beta: f64,
    /// Focus: `(1 - TI)^(1 / gamma)`; above 1 it pulls harder at what is nearly right.
    gamma: f64,
    /// Voxels added to numerator and denominator.
    smooth: f64,
}

impl Default for FocalTversky {
    fn default() -> Self {
        Self { alpha: 0.7, beta: 0.3, gamma: 4.0 / 3.0, smooth: 1.0 }
    }
}

impl Loss for FocalTversky {
    /// The mean over samples and foreground channels; sums run over the batch where the plan's Dice does.
    fn forward(&self, logits: &Tensor, target: &Target) -> Result<Tensor> {
        if self.gamma <= 0.0 || self.smooth <= 0.0 {
            bail!("gamma is {} and smooth {}; both must be above 0", self.gamma, self.smooth);
        }
        let task = target.task();
        let (p, y) = match task.regions {
            true => (logits.sigmoid(), target.regions().clone()),
            false => (logits.softmax(1).slice(1, 1, task.outputs), target.one_hot().slice(1, 1, task.outputs)),
        };
        let (p, y) = match target.valid() {
            Some(valid) => (p * valid, y * valid),
            None => (p, y),
        };
        let rank = p.shape().len();
        let axes: Vec<usize> = (0..rank).filter(|&axis| axis > 1 || axis == 0 && task.batch_dice).collect();
        let hit = (&p * &y).sum_axes(&axes, false);
        let missed = y.sum_axes(&axes, false) - &hit;
        let wrong = p.sum_axes(&axes, false) - &hit;
        let index = (&hit + self.smooth) / (&hit + missed * self.alpha + wrong * self.beta + self.smooth);
        // the power's slope has no end at 0
        Ok((1.0 - index).clamp(1e-6, 1.0).powf(1.0 / self.gamma).mean())
    }
}

register_loss!("focal_tversky", FocalTversky, "focal Tversky index of each class");
register_config!("focal_tversky" => { description: "focal Tversky loss instead of Dice + cross entropy", loss: "focal_tversky" });

#[cfg(test)]
mod tests {
    use super::*;
    use plugin_test::{TestLoss, Values, labels, regions};

    fn sigmoid(x: f64) -> f64 {
        1.0 / (1.0 + (-x).exp())
    }

    #[test]
    fn a_row_by_hand() -> Result<()> {
        let x = [2.0, -1.0, 0.5, -2.0];
        let loss = TestLoss::new("focal_tversky", json!({}), &regions(1))?;
        let found = loss.value(&Values::new(&[1, 1, 4], x.to_vec()), &[vec![1, 1, 0, 0]])?;
        let p = x.map(sigmoid);
        let (hit, missed, wrong) = (p[0] + p[1], 2.0 - p[0] - p[1], p[2] + p[3]);
        let index = (hit + 1.0) / (hit + 0.7 * missed + 0.3 * wrong + 1.0);
        assert!((found - (1.0 - index).powf(0.75)).abs() < 1e-12, "{found}");
        Ok(())
    }

    #[test]
    fn with_even_weights_it_is_one_minus_the_dice() -> Result<()> {
        let loss = TestLoss::new("focal_tversky", json!({"alpha": 0.5, "beta": 0.5, "gamma": 1.0, "smooth": 0.5}), &labels(2))?;
        let x = [0.3, -0.8, 1.2, 0.1];
        let logits = [[0.0; 4], x].concat();
        let found = loss.value(&Values::new(&[1, 2, 2, 2], logits), &[vec![1, 0, 1, 0]])?;
        let p = x.map(sigmoid);
        let dice = (2.0 * (p[0] + p[2]) + 1.0) / (p.iter().sum::<f64>() + 2.0 + 1.0);
        assert!((found - (1.0 - dice)).abs() < 1e-12, "{found} {dice}");
        Ok(())
    }
}
