//! Runs of equal voxels along x, and a union-find over those that touch.

use super::Connectivity;
use ndarray::{Array3, ArrayRef3};

/// Voxels `start..end` of one row.
#[derive(Debug, Clone, Copy)]
struct Run {
    start: usize,
    end: usize,
}

/// The runs of a mask, joined to components.
pub(super) struct Runs {
    /// (z, y, x).
    shape: [usize; 3],
    /// In row-major order.
    runs: Vec<Run>,
    /// The runs of row `z * height + y` are `first[row]..first[row + 1]`.
    first: Vec<usize>,
    /// Union-find forest; a root is the first run of its component.
    parent: Vec<u32>,
}

impl Runs {
    /// The runs of voxels that equal `wanted`.
    pub(super) fn of(mask: &ArrayRef3<bool>, wanted: bool, connectivity: Connectivity) -> Self {
        let (depth, height, width) = mask.dim();
        let mut runs = Vec::new();
        let mut first = vec![0];
        for row in mask.rows() {
            let mut start = None;
            for (x, &voxel) in row.iter().enumerate() {
                match (voxel == wanted, start) {
                    (true, None) => start = Some(x),
                    (false, Some(from)) => {
                        runs.push(Run { start: from, end: x });
                        start = None;
                    }
                    _ => {}
                }
            }
            if let Some(from) = start {
                runs.push(Run { start: from, end: width });
            }
            first.push(runs.len());
        }
        let parent = (0..runs.len() as u32).collect();
        let mut joined = Self { shape: [depth, height, width], runs, first, parent };
        joined.join(connectivity);
        joined
    }

    /// Joins each row with those of its neighbours that came before it.
    fn join(&mut self, connectivity: Connectivity) {
        let [depth, height, _] = self.shape;
        let (before, reach): (&[(usize, isize)], usize) = match connectivity {
            Connectivity::Faces => (&[(0, -1), (1, 0)], 0),
            Connectivity::Full => (&[(0, -1), (1, -1), (1, 0), (1, 1)], 1),
        };
        for z in 0..depth {
            for y in 0..height {
                for &(up, aside) in before {
                    let neighbour = z.checked_sub(up).zip(y.checked_add_signed(aside).filter(|&y| y < height));
                    if let Some((other_z, other_y)) = neighbour {
                        self.join_rows(z * height + y, other_z * height + other_y, reach);
                    }
                }
            }
        }
    }

    /// Joins the runs of two rows that overlap, or lie no more than `reach` apart.
    fn join_rows(&mut self, row: usize, other: usize, reach: usize) {
        let (mut i, mut j) = (self.first[row], self.first[other]);
        while i < self.first[row + 1] && j < self.first[other + 1] {
            let (a, b) = (self.runs[i], self.runs[j]);
            if a.start < b.end + reach && b.start < a.end + reach {
                self.union(i, j);
            }
            if a.end < b.end { i += 1 } else { j += 1 }
        }
    }

    fn union(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent[a.max(b) as usize] = a.min(b);
    }

    /// The root of a run, halving the path to it.
    fn root(&mut self, run: usize) -> u32 {
        let mut run = run as u32;
        while self.parent[run as usize] != run {
            let grandparent = self.parent[self.parent[run as usize] as usize];
            self.parent[run as usize] = grandparent;
            run = grandparent;
        }
        run
    }

    /// The component of each run, counted from 0 in the order of first voxels, and the components' sizes in voxels.
    pub(super) fn components(&self) -> (Vec<u32>, Vec<usize>) {
        let mut components: Vec<u32> = Vec::with_capacity(self.runs.len());
        let mut sizes = Vec::new();
        for (run, &parent) in self.parent.iter().enumerate() {
            // a parent comes before its children, so its component is known
            let component = components.get(parent as usize).copied().unwrap_or_else(|| {
                sizes.push(0);
                sizes.len() as u32 - 1
            });
            components.push(component);
            sizes[component as usize] += self.runs[run].end - self.runs[run].start;
        }
        (components, sizes)
    }

    /// Whether a run has a voxel on the border of the volume.
    pub(super) fn touches_border(&self, run: usize) -> bool {
        let [depth, height, width] = self.shape;
        let row = self.first.partition_point(|&first| first <= run) - 1;
        let (z, y) = (row / height, row % height);
        let at_end = |i: usize, length: usize| i == 0 || i + 1 == length;
        at_end(z, depth) || at_end(y, height) || self.runs[run].start == 0 || self.runs[run].end == width
    }

    /// Sets the voxels of each run to the run's colour; the others stay as they are.
    pub(super) fn paint<T: Copy>(&self, target: &mut Array3<T>, colour: impl Fn(usize) -> T) {
        for (row, mut voxels) in target.rows_mut().into_iter().enumerate() {
            for run in self.first[row]..self.first[row + 1] {
                let Run { start, end } = self.runs[run];
                voxels.slice_mut(ndarray::s![start..end]).fill(colour(run));
            }
        }
    }
}
