//! The blob term and how it joins the main loss.
//!
//! With the blobs of a channel numbered, the score of blob n is `(2 S_n + s) / (S_background + S_n + N_n + s)`, where S are sums
//! of probabilities and N_n is the blob's size: all other blobs are left out. One sum for each number is all that it takes,
//! so the cost does not grow with the number of blobs.

use crate::Settings;
use plugin_api::prelude::*;

/// The number of voxels outside every blob.
const BACKGROUND: usize = 0;
/// The number of voxels without a part in the blob term: not annotated, or in a blob below `min_voxels`.
const LEFT_OUT: usize = 1;
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
        let blobs = labels.components(channel, s.connectivity);
        let number = numbering(&blobs.sizes, s.min_voxels);
        numbers.extend(blobs.ids.iter().zip(&valid).map(|(&id, &ok)| if ok { number[id as usize] } else { LEFT_OUT as i32 }));
    }
    let shape: Vec<usize> = [labels.foreground().len()].into_iter().chain(spatial.iter().copied()).collect();
    Ok(vec![Prepared::ints("components", &shape, numbers)])
}

/// The number of each component, that of the background in front.
fn numbering(sizes: &[usize], min_voxels: usize) -> Vec<i32> {
    let mut next = FIRST;
    let number = |&size: &usize| match size < min_voxels {
        true => LEFT_OUT as i32,
        false => {
            next += 1;
            next as i32 - 1
        }
    };
    std::iter::once(BACKGROUND as i32).chain(sizes.iter().map(number)).collect()
}

/// One score for each number, `(gain S_n + smooth) / (S_background + S_n + size + smooth)`, and its weight in the mean; all (B, C_fg, k).
struct Scores {
    shape: [usize; 3],
    gain: Vec<f32>,
    size: Vec<f32>,
    smooth: Vec<f32>,
    weight: Vec<f32>,
}

impl Scores {
    /// Every blob of a sample counts the same, whatever its channel; then every sample that has one counts the same.
    /// A channel without blobs counts as one blob if `empty_smooth` says so.
    fn of(s: &Settings, components: &Prepared) -> Result<Self> {
        let (shape, numbers) = (components.shape(), components.int_values());
        let [batch, channels, ..] = *shape else { bail!("components of shape {shape:?} have no batch and channel axes") };
        let voxels = (numbers.len() / (batch * channels).max(1)).max(1);
        let counts: Vec<Vec<u32>> = numbers.chunks(voxels).map(count).collect();
        let k = counts.iter().map(Vec::len).max().unwrap_or(FIRST);
        let n = batch * channels * k;
        let mut scores = Self { shape: [batch, channels, k], gain: vec![0.0; n], size: vec![0.0; n], smooth: vec![1.0; n], weight: vec![0.0; n] };
        for (row, counts) in counts.iter().enumerate() {
            for (number, &count) in counts.iter().enumerate().skip(FIRST) {
                scores.set(row * k + number, 2.0, count as f32, s.smooth);
            }
            if counts.len() == FIRST && counts[BACKGROUND] > 0 && s.empty_smooth > 0.0 {
                // the background's sum is in the denominator twice, so twice the smoothing gives e / (S + e)
                scores.set(row * k + BACKGROUND, 0.0, 0.0, 2.0 * s.empty_smooth);
            }
        }
        let samples = scores.weight.chunks_mut((channels * k).max(1));
        let mut counted: Vec<_> = samples.map(|w| (w.iter().sum::<f32>(), w)).filter(|(blobs, _)| *blobs > 0.0).collect();
        let with_blobs = counted.len() as f32;
        counted.iter_mut().for_each(|(blobs, w)| w.iter_mut().for_each(|w| *w /= *blobs * with_blobs));
        Ok(scores)
    }

    fn set(&mut self, at: usize, gain: f32, size: f32, smooth: f64) {
        (self.gain[at], self.size[at], self.smooth[at], self.weight[at]) = (gain, size, smooth as f32, 1.0);
    }

    fn tensor(&self, values: &[f32]) -> Tensor {
        Tensor::from_f32(&self.shape, values)
    }
}

/// Voxels of each number; at least those before the first blob are there.
fn count(numbers: &[i32]) -> Vec<u32> {
    let mut counts = vec![0; FIRST];
    for run in numbers.chunk_by(|a, b| a == b) {
        let number = run[0].max(0) as usize;
        if number >= counts.len() {
            counts.resize(number + 1, 0);
        }
        counts[number] += run.len() as u32;
    }
    counts
}

/// Minus the mean Dice of the blobs, between -1 (perfect) and 0; 0 for a batch without blobs.
fn blob_term(s: &Settings, logits: &Tensor, target: &Target) -> Result<Tensor> {
    if s.smooth <= 0.0 {
        bail!("smooth is {}; it must be above 0, since a blob may be predicted with probability 0", s.smooth);
    }
    let task = target.task();
    let p = if task.regions { logits.sigmoid() } else { logits.softmax(1).slice(1, 1, task.outputs) };
    let scores = Scores::of(s, target.prepared_array("components"))?;
    let sums = p.segment_sum(&target.prepared("components"), scores.shape[2]);
    let background = sums.slice(2, BACKGROUND, BACKGROUND + 1);
    let smooth = scores.tensor(&scores.smooth);
    let score = (&sums * scores.tensor(&scores.gain) + &smooth) / (sums + background + scores.tensor(&scores.size) + smooth);
    Ok(-(score * scores.tensor(&scores.weight)).sum())
}

/// The main loss of every head by its weight, and the blob term at the finest one: coarse heads merge and lose small blobs.
pub(crate) fn heads(s: &Settings, main: Main, heads: &[Head]) -> Result<Tensor> {
    let Some(finest) = heads.first() else { bail!("there is no head to take the loss of") };
    let blobs = blob_term(s, &finest.logits, &finest.target)? * s.blob_weight;
    if s.main_weight == 0.0 {
        return Ok(blobs);
    }
    Ok(losses::over_heads(heads, main)? * s.main_weight + blobs)
}

/// Main loss and blob term of one head.
pub(crate) fn one_head(s: &Settings, main: Main, logits: &Tensor, target: &Target) -> Result<Tensor> {
    Ok(main(logits, target)? * s.main_weight + blob_term(s, logits, target)? * s.blob_weight)
}
