//! Scores of single lesions: each connected component of a structure counts the same, whatever its size.
//!
//! Components are connected over faces, edges and corners (26 neighbours, 8 in 2D). Three questions, each for one structure of one case:
//!
//! - [`Detection`]: is it found? A component counts as found if any voxel of it is shared with the other image, so a lesion that is predicted in two
//!   pieces is found once, and one piece over two lesions finds both.
//! - [`Matching`]: is it outlined? Pairs, one to one, whose IoU is above a threshold; panoptic quality (Kirillov et al. 2019, arXiv 1801.00868).
//! - `CC_Dice`: the mean Dice of the neighbourhoods of the reference's components (Jaus et al. 2024, arXiv 2410.18684).

mod cells;
mod metrics;
mod pairs;
mod summary;

pub use metrics::{Detection, InstanceMetrics, Matching};
pub use summary::{CaseInstances, Instances};

use ndarray::{Array3, ArrayRef3, Zip};
use volume::components::{Components, Connectivity, label};

use super::Structure;
use pairs::Pairs;

/// The masks of one structure in one case, and their components; all (z, y, x).
struct Masks {
    reference: Components,
    prediction: Components,
}

impl Masks {
    /// Voxels that are `ignore` in the reference are in neither mask.
    fn of(reference: &ArrayRef3<i16>, prediction: &ArrayRef3<i16>, ignore: Option<i16>, structure: &Structure) -> Self {
        let components = |image: &ArrayRef3<i16>| {
            let mut mask = Array3::from_elem(image.raw_dim(), false);
            Zip::from(&mut mask).and(image).and(reference).for_each(|inside, &label, &truth| {
                *inside = structure.contains(label) && Some(truth) != ignore;
            });
            label(&mask, Connectivity::Full)
        };
        Self { reference: components(reference), prediction: components(prediction) }
    }
}

/// The scores of `structure` in two segmentations (z, y, x) of the same shape; voxels that are `ignore` in the reference do not count.
/// A pair matches if its IoU is above `iou`.
pub fn instance_metrics(
    reference: &ArrayRef3<i16>,
    prediction: &ArrayRef3<i16>,
    ignore: Option<i16>,
    structure: &Structure,
    iou: f64,
) -> InstanceMetrics<u64> {
    let masks = Masks::of(reference, prediction, ignore, structure);
    let pairs = Pairs::count(&masks);
    InstanceMetrics {
        cc_dice: cells::dice(&masks),
        iou: Matching::of(&pairs, iou),
        n_pred: masks.prediction.sizes.len() as u64,
        n_ref: masks.reference.sizes.len() as u64,
        overlap: Detection::of(&pairs),
    }
}

#[cfg(test)]
mod tests;
