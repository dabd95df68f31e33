//! The blob term and how it joins the main loss.
//!
//! With the blobs of a channel numbered, the score of blob n is `(2 S_n + s) / (S_background + S_n + N_n + s)`, where S are sums
//! of probabilities and N_n is the blob's size: all other blobs are left out. One sum for each number is all that it takes,
//! so the cost does not grow with the number of blobs.

use crate::{Settings, components::label};
use plugin_api::prelude::*;

/// The number of voxels outside every blob.
const BACKGROUND: i32 = 0;
/// The number of voxels without a part in the blob term: not annotated, or in a blob below `min_voxels`.
const LEFT_OUT: i32 = 1;
/// The number of the first blob.
const FIRST: usize = 2;

/// The main loss of one head.
type Main = fn(&Tensor, &Target) -> Result<Tensor>;

/// "components": the number of each voxel in each foreground channel, (C_fg, spatial...).
pub(crate) fn prepare(s: &Settings, labels: &Labels<'_>) -> Result<Vec<Prepared>> {
    let spatial = labels.spatial();
    if spatial.is_empty() || spatial.len() > 3 {
        bail!("blob dice works on 1 to 3 spatial axes, not on {spatial:?}");
    }
    let valid = labels.valid();
    let mut numbers = Vec::with_capacity(labels.foreground().len() * valid.len());
    for channel in labels.foreground() {
        numbers.extend(channel_numbers(s, &labels.mask(channel), &valid, spatial));
    }
    let shape: Vec<usize> = [labels.foreground().len()].into_iter().chain(spatial.iter().copied()).collect();
    Ok(vec![Prepared::ints("components", &shape, numbers)])
}

fn channel_numbers(s: &Settings, mask: &[bool], valid: &[bool], spatial: &[usize]) -> Vec<i32> {
    let ids = label(mask, spatial, s.connectivity);
    let mut sizes = vec![0usize; ids.iter().max().map_or(0, |&n| n as usize) + 1];
    for &id in &ids {
        sizes[id as usize] += 1;
    }
    let mut next = FIRST as i32;
    let mut number = vec![BACKGROUND; sizes.len()];
    for (number, &size) in number.iter_mut().zip(&sizes).skip(1) {
        *number = if size < s.min_voxels { LEFT_OUT } else { next };
        next += i32::from(*number != LEFT_OUT);
    }
    ids.iter().zip(valid).map(|(&id, &ok)| if ok { number[id as usize] } else { LEFT_OUT }).collect()
}

/// Sizes of the blobs of a batch and what each counts in the mean, both (B, C_fg, k).
struct Blobs {
    k: usize,
    sizes: Vec<f32>,
    weights: Vec<f32>,
}

impl Blobs {
    /// Every blob of a sample counts the same, whatever its channel; then every sample that has one counts the same.
    fn of(components: &Prepared) -> Result<Self> {
        let (shape, numbers) = (components.shape(), components.int_values());
        let [batch, channels, ..] = *shape else { bail!("components of shape {shape:?} have no batch and channel axes") };
        let k = numbers.iter().max().map_or(0, |&n| n.max(0) as usize).max(FIRST) + 1;
        let mut sizes = vec![0.0f32; batch * channels * k];
        let voxels = (numbers.len() / (batch * channels).max(1)).max(1);
        for (sizes, numbers) in sizes.chunks_mut(k).zip(numbers.chunks(voxels)) {
            let mut counts = vec![0u32; k];
            for &n in numbers {
                counts[n.max(0) as usize] += 1;
            }
            sizes.iter_mut().zip(counts).skip(FIRST).for_each(|(size, count)| *size = count as f32);
        }
        let samples: Vec<&[f32]> = sizes.chunks((channels * k).max(1)).collect();
        let blobs: Vec<usize> = samples.iter().map(|s| s.iter().filter(|&&size| size > 0.0).count()).collect();
        let with_blobs = blobs.iter().filter(|&&n| n > 0).count();
        let weight = |size: f32, n: usize| if size > 0.0 { 1.0 / (n * with_blobs) as f32 } else { 0.0 };
        let weights = samples.iter().zip(blobs).flat_map(|(s, n)| s.iter().map(move |&size| weight(size, n))).collect();
        Ok(Self { k, sizes, weights })
    }
}

/// Minus the mean Dice of the blobs, between -1 (perfect) and 0; 0 for a batch without blobs.
fn blob_term(s: &Settings, logits: &Tensor, target: &Target) -> Result<Tensor> {
    if s.smooth <= 0.0 {
        bail!("smooth is {}; it must be above 0, since a blob may be predicted with probability 0", s.smooth);
    }
    let task = target.task();
    let p = if task.regions { logits.sigmoid() } else { logits.softmax(1).slice(1, 1, task.outputs) };
    let components = target.prepared_array("components");
    let blobs = Blobs::of(components)?;
    let shape = [components.shape()[0], components.shape()[1], blobs.k];
    let sums = p.segment_sum(&target.prepared("components"), blobs.k);
    let size = Tensor::from_f32(&shape, &blobs.sizes);
    let background = sums.slice(2, BACKGROUND as usize, 1);
    let score = sums.affine(2.0, s.smooth) / (&sums + background + size + s.smooth);
    Ok(-(score * Tensor::from_f32(&shape, &blobs.weights)).sum())
}

/// Main loss and blob term of the finest head.
pub(crate) fn one_head(s: &Settings, main: Main, logits: &Tensor, target: &Target) -> Result<Tensor> {
    Ok(main(logits, target)? * s.main_weight + blob_term(s, logits, target)? * s.blob_weight)
}

/// The main loss of every head by its weight, and the blob term at the finest one: coarse heads merge and lose small blobs.
pub(crate) fn heads(s: &Settings, main: Main, heads: &[Head]) -> Result<Tensor> {
    let Some(finest) = heads.first() else { bail!("there is no head to take the loss of") };
    let mut total = blob_term(s, &finest.logits, &finest.target)? * s.blob_weight;
    for head in heads.iter().filter(|h| h.weight * s.main_weight != 0.0) {
        total = total + main(&head.logits, &head.target)? * (head.weight * s.main_weight);
    }
    Ok(total)
}
