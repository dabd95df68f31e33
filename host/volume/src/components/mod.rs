//! Connected components of masks in 2D (one slice) and 3D, in one pass over the voxels.
//!
//! ```
//! use volume::components::{Connectivity, label};
//! let mask = ndarray::arr3(&[[[true, false], [false, true]]]);
//! assert_eq!(label(&mask, Connectivity::Faces).sizes, [1, 1]);
//! assert_eq!(label(&mask, Connectivity::Full).sizes, [2]);
//! ```

mod runs;

use ndarray::{Array3, ArrayRef3};
use runs::Runs;

/// Which voxels are neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connectivity {
    /// Those that share a face: 4 in 2D, 6 in 3D.
    Faces,
    /// Those that share a face, an edge or a corner: 8 in 2D, 26 in 3D.
    Full,
}

/// The components of a mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Components {
    /// (z, y, x): 0 outside the mask; components count from 1 in the order of their first voxels.
    pub labels: Array3<u32>,
    /// Number of voxels of component `i + 1`.
    pub sizes: Vec<usize>,
}

/// Labels the components of `mask` (z, y, x).
pub fn label(mask: &ArrayRef3<bool>, connectivity: Connectivity) -> Components {
    let runs = Runs::of(mask, true, connectivity);
    let (components, sizes) = runs.components();
    let mut labels = Array3::zeros(mask.raw_dim());
    runs.paint(&mut labels, |run| components[run] + 1);
    Components { labels, sizes }
}

/// Keeps the largest component of `mask` (z, y, x), all of them where several are tied for largest.
pub fn keep_largest(mask: &ArrayRef3<bool>, connectivity: Connectivity) -> Array3<bool> {
    let runs = Runs::of(mask, true, connectivity);
    let (components, sizes) = runs.components();
    let largest = sizes.iter().max().copied().unwrap_or(0);
    let mut kept = Array3::from_elem(mask.raw_dim(), false);
    runs.paint(&mut kept, |run| sizes[components[run] as usize] == largest);
    kept
}

/// Of the voxels of `segmentation` (z, y, x) whose label is among `labels`, keeps the largest component, full connectivity;
/// the others become 0. This is nnU-Net's postprocessing.
pub fn keep_largest_of(segmentation: &mut Array3<i16>, labels: &[i16]) {
    let mask = segmentation.mapv(|label| labels.contains(&label));
    let kept = keep_largest(&mask, Connectivity::Full);
    ndarray::Zip::from(segmentation).and(&mask).and(&kept).for_each(|label, &asked, &kept| {
        if asked && !kept {
            *label = 0;
        }
    });
}

/// Fills the holes of `mask` (z, y, x): what is outside it, and has no way to the border over faces, becomes part of it.
pub fn fill_holes(mask: &mut Array3<bool>) {
    let background = Runs::of(mask, false, Connectivity::Faces);
    let (components, sizes) = background.components();
    let mut open = vec![false; sizes.len()];
    for (run, &component) in components.iter().enumerate() {
        open[component as usize] |= background.touches_border(run);
    }
    background.paint(mask, |run| !open[components[run] as usize]);
}
