//! The levels of a stage's inner U-Net: where it pools, with which kernel, how far its convolutions reach.

use plugin_api::StageSpec;

/// Shortest edge that pooling leaves: of a single voxel an instance norm would make 0.
const MIN_EDGE: usize = 2;

/// One level; an axis each.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Level {
    /// Down-sampling on entering it.
    pub(crate) pool: Vec<usize>,
    /// Kernel of its convolutions.
    pub(crate) kernel: Vec<usize>,
    /// Distance between their taps.
    pub(crate) dilation: Vec<usize>,
}

/// Voxels of a patch at a stage.
fn size_at(patch: &[usize], stages: &[StageSpec], stage: usize) -> Vec<usize> {
    stages[..=stage].iter().fold(patch.to_vec(), |size, s| pooled(&size, &s.stride))
}

fn pooled(size: &[usize], by: &[usize]) -> Vec<usize> {
    size.iter().zip(by).map(|(n, by)| n.div_ceil(*by)).collect()
}

/// Taps stay inside the map for at least one position along each axis.
fn reach(wanted: usize, size: &[usize]) -> Vec<usize> {
    size.iter().map(|&n| wanted.min(n.saturating_sub(1)).max(1)).collect()
}

/// Levels of a stage, the last one being the bottom: `height` of them, or as many as the patch has room for.
///
/// They go down as the plan does from this stage on, with its strides and kernels; below its last stage they halve what is long enough. The bottom
/// does not pool again, its taps are two apart.
pub(crate) fn pooling(stages: &[StageSpec], patch: &[usize], stage: usize, height: usize) -> Vec<Level> {
    let mut size = size_at(patch, stages, stage);
    let ones = vec![1; size.len()];
    let mut levels = vec![Level { pool: ones.clone(), kernel: stages[stage].kernel.clone(), dilation: ones.clone() }];
    for i in 1..height - 1 {
        let halved = || size.iter().map(|&n| if n >= 2 * MIN_EDGE { 2 } else { 1 }).collect();
        let pool = stages.get(stage + i).map_or_else(halved, |s| s.stride.clone());
        let next = pooled(&size, &pool);
        if pool == ones || next.iter().zip(&pool).any(|(&n, &by)| by > 1 && n < MIN_EDGE) {
            break;
        }
        size = next;
        levels.push(Level { pool, kernel: stages[(stage + i).min(stages.len() - 1)].kernel.clone(), dilation: ones.clone() });
    }
    let kernel = levels[levels.len() - 1].kernel.clone();
    levels.push(Level { pool: ones, kernel, dilation: reach(2, &size) });
    levels
}

/// Levels of a coarse stage: none pools, taps are 1, 2, 4, ... apart, as far as the map has room for.
pub(crate) fn dilated(stages: &[StageSpec], patch: &[usize], stage: usize, height: usize) -> Vec<Level> {
    let size = size_at(patch, stages, stage);
    let longest = size.iter().copied().max().unwrap_or(1);
    let fitting = (2..height).filter(|&i| 1 << i.min(32) < longest).count() + 2;
    let (pool, kernel) = (vec![1; size.len()], &stages[stage].kernel);
    (0..fitting.min(height)).map(|i| Level { pool: pool.clone(), kernel: kernel.clone(), dilation: reach(1 << i, &size) }).collect()
}
