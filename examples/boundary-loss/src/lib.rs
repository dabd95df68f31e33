//! Boundary loss (Kervadec et al. 2019, arXiv 1812.07032) beside Dice + cross entropy: each probability is weighed by its voxel's signed distance to
//! the annotation's surface, so what is far outside costs most and what is deep inside pays most.

use plugin_api::{prelude::*, voxels::nearest};

plugin!("org.example.boundary-loss");

/// The settings.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Boundary {
    /// Weight of the boundary term. The paper starts at 0.01 and raises it; a loss is not told the epoch, so here it is one number.
    weight: f64,
}

impl Default for Boundary {
    fn default() -> Self {
        Self { weight: 0.01 }
    }
}

/// For each voxel its distance in voxels to the mask outside it, and 1 less than that to what is outside, below 0, on it. 0 everywhere
/// where the mask is nothing or everything, since there is no surface.
fn signed_distance(mask: &[bool], shape: &[usize]) -> Vec<f32> {
    if mask.iter().all(|&inside| inside == mask[0]) {
        return vec![0.0; mask.len()];
    }
    let to = |wanted: bool| nearest(&mask.iter().map(|&inside| u32::from(inside == wanted)).collect::<Vec<_>>(), shape).squared;
    let distance = |squared: u32| f64::from(squared).sqrt() as f32;
    let both = to(true).into_iter().zip(to(false));
    both.map(|(to_mask, to_rest)| if to_mask > 0 { distance(to_mask) } else { 1.0 - distance(to_rest) }).collect()
}

fn main_loss(logits: &Tensor, target: &Target) -> Result<Tensor> {
    losses::dice_ce(logits, target, &losses::DiceCe::default())
}

impl Boundary {
    /// The mean over voxels and foreground channels of probability times signed distance.
    fn term(&self, logits: &Tensor, target: &Target) -> Tensor {
        let task = target.task();
        let p = if task.regions { logits.sigmoid() } else { logits.softmax(1).slice(1, 1, task.outputs) };
        (p * target.prepared("distance")).mean() * self.weight
    }
}

impl Loss for Boundary {
    fn forward(&self, logits: &Tensor, target: &Target) -> Result<Tensor> {
        Ok(main_loss(logits, target)? + self.term(logits, target))
    }

    /// The boundary term at the finest head alone: that is the one which distances are made for.
    fn heads(&self, heads: &[Head]) -> Result<Tensor> {
        let Some(finest) = heads.first() else { bail!("there is no head to take the loss of") };
        Ok(losses::over_heads(heads, main_loss)? + self.term(&finest.logits, &finest.target))
    }

    /// "distance": the signed distances of each foreground channel, (C_fg, spatial...); 0 where a voxel is ignored.
    fn prepare(&self, labels: &Labels<'_>) -> Result<Vec<Prepared>> {
        let valid = labels.valid();
        let mut distances = Vec::with_capacity(labels.foreground().len() * valid.len());
        for channel in labels.foreground() {
            let found = signed_distance(&labels.mask(channel), labels.spatial());
            distances.extend(found.iter().zip(&valid).map(|(&d, &ok)| if ok { d } else { 0.0 }));
        }
        let shape = [&[labels.foreground().len()], labels.spatial()].concat();
        Ok(vec![Prepared::floats("distance", &shape, distances)])
    }
}

register_loss!("boundary", Boundary, "Dice + cross entropy, plus probabilities weighed by their distance to the surface");
register_config!("boundary_loss" => { description: "Dice + cross entropy plus the boundary loss", loss: "boundary" });

#[cfg(test)]
mod tests {
    use super::*;
    use plugin_test::{TestLoss, Values, labels};

    #[test]
    fn distances_are_negative_inside_and_zero_at_the_edge() {
        let row = [0, 0, 1, 1, 1, 0].map(|v| v == 1);
        assert_eq!(signed_distance(&row, &[6]), [2.0, 1.0, 0.0, -1.0, 0.0, 1.0]);
        let corner = [1, 0, 0, 0].map(|v| v == 1);
        assert_eq!(signed_distance(&corner, &[2, 2]), [0.0, 1.0, 1.0, 2f32.sqrt()]);
        assert_eq!((signed_distance(&[false; 4], &[4]), signed_distance(&[true; 4], &[2, 2])), (vec![0.0; 4], vec![0.0; 4]));
    }

    #[test]
    fn the_term_is_the_mean_of_probability_times_distance() -> Result<()> {
        let logits = Values::new(&[1, 2, 4], vec![0.0, 0.0, 0.0, 0.0, 1.0, -1.0, 0.5, 2.0]);
        let sample = [vec![1, 0, 0, 2]];
        let task = Task { ignore: true, ..labels(2) };
        let of = |weight: f64| TestLoss::new("boundary", json!({"weight": weight}), &task)?.value(&logits, &sample);
        let p = [1.0, -1.0, 0.5f64].map(|x| 1.0 / (1.0 + (-x).exp()));
        let wanted = (0.0 * p[0] + 1.0 * p[1] + 2.0 * p[2]) / 4.0;
        assert!((of(1.0)? - of(0.0)? - wanted).abs() < 1e-9);
        Ok(())
    }
}
