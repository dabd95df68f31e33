//! The exact Euclidean feature transform, one pass an axis over the lower envelope of parabolas (Felzenszwalb and Huttenlocher 2012,
//! doi 10.4086/toc.2012.v008a019).

use super::three_axes;

/// [`Nearest::squared`] where there is no seed at all.
pub const FAR: u32 = u32::MAX;

/// Lanes that go through a pass together: as many neighbours as memory brings at once.
const TOGETHER: usize = 16;

/// The nearest seed of each voxel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearest {
    /// Its id; 0 where there is no seed at all. Where several are equally near, which one is named is the same in each run.
    pub ids: Vec<u32>,
    /// The squared distance to it in voxels; 0 on a seed, [`FAR`] where there is none at all.
    pub squared: Vec<u32>,
}

/// For each voxel of an array of `shape` the nearest one whose id is not 0: its id, and how far it is. No axis may be longer than 32767.
///
/// With the ids of components these are their Voronoi cells; with 1 inside a mask, the distances to it.
pub fn nearest(ids: &[u32], shape: &[usize]) -> Nearest {
    let [depth, height, width] = three_axes(shape);
    let mut found = Nearest { ids: ids.to_vec(), squared: ids.iter().map(|&id| if id == 0 { FAR } else { 0 }).collect() };
    if ids.is_empty() {
        return found;
    }
    let mut lanes = Lanes::of(height.max(depth));
    let rows = found.ids.chunks_mut(width).zip(found.squared.chunks_mut(width));
    rows.filter(|(ids, _)| ids.iter().any(|&id| id != 0)).for_each(|(ids, squared)| along_row(ids, squared));
    if height > 1 {
        let slices = found.ids.chunks_mut(height * width).zip(found.squared.chunks_mut(height * width));
        slices.for_each(|(ids, squared)| lanes.pass(ids, squared, height, width));
    }
    if depth > 1 {
        lanes.pass(&mut found.ids, &mut found.squared, depth, height * width);
    }
    found
}

/// The nearest seed along one row that has one: the last one to the left, then the next one to the right.
fn along_row(ids: &mut [u32], squared: &mut [u32]) {
    let mut seed: Option<(usize, u32)> = None;
    for x in 0..ids.len() {
        if squared[x] == 0 {
            seed = Some((x, ids[x]));
        } else if let Some((at, id)) = seed {
            (ids[x], squared[x]) = (id, ((x - at) * (x - at)) as u32);
        }
    }
    let mut seed: Option<(usize, u32)> = None;
    for x in (0..ids.len()).rev() {
        if squared[x] == 0 {
            seed = Some((x, ids[x]));
        } else if let Some((at, id)) = seed {
            let right = ((at - x) * (at - x)) as u32;
            if right < squared[x] {
                (ids[x], squared[x]) = (id, right);
            }
        }
    }
}

/// A parabola of the lower envelope.
#[derive(Clone, Copy, Default)]
struct Parabola {
    /// Its place along the lane.
    vertex: usize,
    /// Its value there.
    height: i64,
    id: u32,
    /// The first place where it is the lowest.
    from: i64,
}

/// Room for the pass along one axis.
struct Lanes {
    ids: Vec<u32>,
    squared: Vec<u32>,
    envelope: Vec<Parabola>,
    /// `1 / 2d`
    halves: Vec<f64>,
}

impl Lanes {
    fn of(longest: usize) -> Self {
        let room = || vec![0; longest * TOGETHER];
        let halves = (0..=longest).map(|d| 0.5 / d as f64).collect();
        Lanes { ids: room(), squared: room(), envelope: Vec::with_capacity(longest), halves }
    }

    /// Along the first axis of an array (length, stride).
    fn pass(&mut self, ids: &mut [u32], squared: &mut [u32], length: usize, stride: usize) {
        // the pass before left a row far as a whole, or not at all
        let seeded: Vec<usize> = (0..length).filter(|i| squared[i * stride] != FAR).collect();
        if seeded.is_empty() {
            return;
        }
        for start in (0..stride).step_by(TOGETHER) {
            let count = TOGETHER.min(stride - start);
            for &i in &seeded {
                for lane in 0..count {
                    self.ids[lane * length + i] = ids[i * stride + start + lane];
                    self.squared[lane * length + i] = squared[i * stride + start + lane];
                }
            }
            for lane in 0..count {
                self.lane(lane * length..(lane + 1) * length, &seeded);
            }
            for i in 0..length {
                for lane in 0..count {
                    ids[i * stride + start + lane] = self.ids[lane * length + i];
                    squared[i * stride + start + lane] = self.squared[lane * length + i];
                }
            }
        }
    }

    /// One lane, whose entries at `seeded` are known.
    fn lane(&mut self, at: std::ops::Range<usize>, seeded: &[usize]) {
        let (ids, squared) = (&mut self.ids[at.clone()], &mut self.squared[at]);
        self.envelope.clear();
        for &vertex in seeded {
            let height = i64::from(squared[vertex]);
            let mut from = 0;
            while let Some(last) = self.envelope.last() {
                let (a, b) = (last.vertex as i64, vertex as i64);
                // they are equal at this place, over 2 (b - a); rounding matters only where both are equally near
                let crossing = height + b * b - last.height - a * a;
                from = if crossing < 0 { 0 } else { (crossing as f64 * self.halves[vertex - last.vertex]) as i64 + 1 };
                if from > last.from {
                    break;
                }
                self.envelope.pop();
                from = 0;
            }
            if from < ids.len() as i64 {
                self.envelope.push(Parabola { vertex, height, id: ids[vertex], from });
            }
        }
        let mut end = ids.len();
        for p in self.envelope.iter().rev() {
            let from = p.from as usize;
            ids[from..end].fill(p.id);
            for (i, squared) in (from..end).zip(&mut squared[from..end]) {
                let along = i.abs_diff(p.vertex) as u32;
                *squared = p.height as u32 + along * along;
            }
            end = from;
        }
    }
}
