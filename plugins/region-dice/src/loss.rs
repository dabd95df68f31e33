//! The mean Dice of the cells, from one sum for each number of [`crate::cells`]: the cost does not grow with the number of cells.

use crate::{RegionDice, cells::LEFT_OUT};
use plugin_api::prelude::*;

/// One score for each cell, `(2 I + smooth) / (P + size + smooth)`, with I and P the sums of probabilities on the component and in the whole
/// cell, and its weight in the mean; all (B, C_fg, cells).
struct Scores {
    shape: [usize; 3],
    size: Vec<f32>,
    smooth: Vec<f32>,
    weight: Vec<f32>,
}

impl Scores {
    /// Every cell of a channel counts the same; then every channel of a sample that has a component.
    /// A channel without one counts as one cell if `empty_smooth` says so.
    fn of(s: &RegionDice, cells: &Prepared) -> Result<Self> {
        let (shape, numbers) = (cells.shape(), cells.int_values());
        let [batch, channels, ..] = *shape else { bail!("cells of shape {shape:?} have no batch and channel axes") };
        let voxels = (numbers.len() / (batch * channels).max(1)).max(1);
        let sizes: Vec<Vec<u32>> = numbers.chunks(voxels).map(sizes).collect();
        let k = sizes.iter().map(Vec::len).max().unwrap_or(1);
        let n = batch * channels * k;
        let mut scores = Self { shape: [batch, channels, k], size: vec![0.0; n], smooth: vec![1.0; n], weight: vec![0.0; n] };
        // only a channel without a component has a cell without one
        let smooth = |size: u32| if size > 0 { s.smooth } else { s.empty_smooth };
        let counts = |size: u32| smooth(size) > 0.0;
        let cells: Vec<usize> = sizes.iter().map(|sizes| sizes.iter().skip(LEFT_OUT + 1).filter(|&&size| counts(size)).count()).collect();
        let rows = cells.iter().filter(|&&n| n > 0).count();
        for (row, (sizes, n)) in sizes.iter().zip(cells).enumerate() {
            for (cell, &size) in sizes.iter().enumerate().skip(LEFT_OUT + 1).filter(|(_, size)| counts(**size)) {
                let at = row * k + cell;
                (scores.size[at], scores.smooth[at], scores.weight[at]) = (size as f32, smooth(size) as f32, 1.0 / (n * rows) as f32);
            }
        }
        Ok(scores)
    }

    fn tensor(&self, values: &[f32]) -> Tensor {
        Tensor::from_f32(&self.shape, values)
    }
}

/// Voxels of the component of each cell; as many as there are cells.
fn sizes(numbers: &[i32]) -> Vec<u32> {
    let mut sizes = vec![0; LEFT_OUT + 1];
    for run in numbers.chunk_by(|a, b| a == b) {
        let number = run[0].max(0) as usize;
        if number / 2 >= sizes.len() {
            sizes.resize(number / 2 + 1, 0);
        }
        if number % 2 == 1 {
            sizes[number / 2] += run.len() as u32;
        }
    }
    sizes
}

/// Minus the mean Dice of the cells, between -1 (perfect) and 0; 0 for a batch without components.
pub(crate) fn region_term(s: &RegionDice, logits: &Tensor, target: &Target) -> Result<Tensor> {
    if s.smooth <= 0.0 {
        bail!("smooth is {}; it must be above 0, since a component may be predicted with probability 0", s.smooth);
    }
    let task = target.task();
    let p = if task.regions { logits.sigmoid() } else { logits.softmax(1).slice(1, 1, task.outputs) };
    let scores = Scores::of(s, target.prepared_array("cells"))?;
    let [batch, channels, k] = scores.shape;
    let shape = [batch, channels, k, 2].map(|n| n as i64);
    let sums = p.segment_sum(&target.prepared("cells"), 2 * k).reshape(&shape);
    let hit = sums.slice(3, 1, 2).squeeze(3);
    let smooth = scores.tensor(&scores.smooth);
    let score = (hit * 2.0 + &smooth) / (sums.sum_axes(&[3], false) + scores.tensor(&scores.size) + smooth);
    Ok(-(score * scores.tensor(&scores.weight)).sum())
}
