//! Where the classes of a case are, so that a loader finds foreground without searching.

use ndarray::Array3;
use volume::files::properties::ClassKey;
use volume::numpy::RandomState;

use crate::dataset::LabelManager;
use crate::error::{Error, Result};

/// nnU-Net's seed.
const SEED: u32 = 1234;
/// Voxels that are kept of a class that has as many.
const VOXELS: usize = 10_000;

/// The class with the voxels (0, z, y, x) that are kept of it.
type Located = (ClassKey, Vec<[i64; 4]>);

/// Voxels of each foreground label or region of `seg` (z, y, x): 10000 or one in a hundred, whichever is more, drawn without
/// replacement. Regions are drawn on their own, so that one inside another has its voxels too.
///
/// With an ignore label there is one more class, all that is annotated: what to sample where nothing is foreground.
pub(super) fn class_locations(seg: &Array3<i16>, labels: &LabelManager) -> Result<Vec<Located>> {
    if u32::try_from(seg.len()).is_err() {
        return Err(Error::invalid(format!("{} voxels after resampling; a case can have at most {}", seg.len(), u32::MAX)));
    }
    let mut classes: Vec<Vec<i16>> = match labels.has_regions() {
        true => labels.foreground_regions().to_vec(),
        false => labels.foreground_labels().iter().map(|&label| vec![label]).collect(),
    };
    if labels.ignore().is_some() {
        classes.push([&[-1], labels.labels()].concat());
    }
    let mut random = RandomState::new(SEED);
    Ok(classes.into_iter().map(|class| locate(seg, class, &mut random)).collect())
}

fn locate(seg: &Array3<i16>, class: Vec<i16>, random: &mut RandomState) -> Located {
    let (_, height, width) = seg.dim();
    // label by label, as nnU-Net lists the voxels of a region
    let mut voxels: Vec<u32> = Vec::new();
    for &wanted in &class {
        voxels.extend((0_u32..).zip(seg).filter(|(_, label)| **label == wanted).map(|(index, _)| index));
    }
    let hundredth = (voxels.len() as f64 * 0.01).ceil() as usize;
    let kept = voxels.len().min(VOXELS).max(hundredth);
    // as `voxels[random.choice(n, kept, replace=False)]`
    random.shuffle(&mut voxels);
    voxels.truncate(kept);
    let place = |index: u32| {
        let index = index as usize;
        [0, (index / (height * width)) as i64, (index / width % height) as i64, (index % width) as i64]
    };
    let key = match *class.as_slice() {
        [label] => ClassKey::Label(label.into()),
        _ => ClassKey::Region(class.iter().map(|&label| label.into()).collect()),
    };
    (key, voxels.into_iter().map(place).collect())
}
