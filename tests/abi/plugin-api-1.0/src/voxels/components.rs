//! Runs of voxels along the last axis, and a union-find over those that touch.

use super::three_axes;
use serde::Deserialize;

/// Which voxels touch each other.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Connectivity {
    /// Faces, edges and corners: 26 neighbours in 3D, 8 in 2D.
    #[default]
    Full,
    /// Faces alone: 6 neighbours in 3D, 4 in 2D.
    Faces,
}

/// The connected components of a mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Components {
    /// For each voxel 0 outside the mask, else its component, counted from 1 in the order of first voxels.
    pub ids: Vec<u32>,
    /// Voxels of component `i + 1`.
    pub sizes: Vec<usize>,
}

/// Voxels `start..end` of the whole array, all in one row.
#[derive(Clone, Copy)]
struct Run {
    start: usize,
    end: usize,
}

struct Forest {
    runs: Vec<Run>,
    /// The runs of row r are `first[r]..first[r + 1]`.
    first: Vec<usize>,
    /// A root is the first run of its component.
    parent: Vec<u32>,
}

impl Forest {
    /// The runs of `mask`, each by itself.
    fn of(mask: &[bool], width: usize) -> Self {
        let (mut runs, mut first) = (Vec::new(), vec![0]);
        for (row, voxels) in mask.chunks(width.max(1)).enumerate() {
            let mut at = 0;
            while let Some(start) = voxels[at..].iter().position(|&inside| inside).map(|gap| at + gap) {
                let length = voxels[start..].iter().position(|&inside| !inside).unwrap_or(width - start);
                at = start + length;
                runs.push(Run { start: row * width + start, end: row * width + at });
            }
            first.push(runs.len());
        }
        let parent = (0..runs.len() as u32).collect();
        Forest { runs, first, parent }
    }

    /// Joins the runs of two rows, `apart` voxels from each other in memory, that overlap or lie no more than `reach` apart.
    fn join_rows(&mut self, row: usize, before: usize, apart: usize, reach: usize) {
        let (mut i, mut j) = (self.first[row], self.first[before]);
        while i < self.first[row + 1] && j < self.first[before + 1] {
            let (a, b) = (self.runs[i], self.runs[j]);
            if a.start < b.end + apart + reach && b.start + apart < a.end + reach {
                let (a, b) = (self.root(i), self.root(j));
                self.parent[a.max(b) as usize] = a.min(b);
            }
            if a.end < b.end + apart { i += 1 } else { j += 1 }
        }
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
}

/// The connected components of `mask`, an array of `shape`.
pub fn components(mask: &[bool], shape: &[usize], connectivity: Connectivity) -> Components {
    let [depth, height, width] = three_axes(shape);
    let mut forest = Forest::of(mask, width);
    // rows that came before, as (slices up, rows aside)
    let (before, reach): (&[(usize, isize)], usize) = match connectivity {
        Connectivity::Faces => (&[(0, -1), (1, 0)], 0),
        Connectivity::Full => (&[(0, -1), (1, -1), (1, 0), (1, 1)], 1),
    };
    for row in (0..depth * height).filter(|_| !mask.is_empty()) {
        for &(up, aside) in before {
            let beside = (row % height).checked_add_signed(aside).filter(|&y| y < height);
            if let Some((z, y)) = (row / height).checked_sub(up).zip(beside) {
                let other = z * height + y;
                forest.join_rows(row, other, (row - other) * width, reach);
            }
        }
    }
    let (mut ids, mut sizes) = (vec![0; mask.len()], Vec::new());
    let mut component: Vec<u32> = Vec::with_capacity(forest.runs.len());
    for (run, &parent) in forest.runs.iter().zip(&forest.parent) {
        // a parent comes before its children, so its component is known
        let id = component.get(parent as usize).copied().unwrap_or_else(|| {
            sizes.push(0);
            sizes.len() as u32
        });
        component.push(id);
        sizes[id as usize - 1] += run.end - run.start;
        ids[run.start..run.end].fill(id);
    }
    Components { ids, sizes }
}
