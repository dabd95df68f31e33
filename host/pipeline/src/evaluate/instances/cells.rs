//! CC-Dice: the Dice in the Voronoi cell of each component of the reference, distances in voxels.

use ndarray::Zip;
use volume::{crop::bounding_box, distance::nearest};

use super::Masks;

/// What is counted in one cell.
#[derive(Clone, Copy, Default)]
struct Cell {
    /// Voxels of the prediction.
    predicted: u64,
    /// Those of them on the component.
    shared: u64,
}

/// The mean Dice of the cells; without a component 1 if nothing is predicted, else 0.
pub(super) fn dice(masks: &Masks) -> f64 {
    let sizes = &masks.reference.sizes;
    if sizes.is_empty() {
        return if masks.prediction.sizes.is_empty() { 1.0 } else { 0.0 };
    }
    // outside this box there is neither component nor prediction
    let (reference, prediction) = (&masks.reference.labels, &masks.prediction.labels);
    let mut any = reference.mapv(|id| id > 0);
    Zip::from(&mut any).and(prediction).for_each(|any, &id| *any |= id > 0);
    let Some([z, y, x]) = bounding_box(&any).map(|bounds| bounds.map(|[low, high]| low..high)) else { return 1.0 };
    let part = ndarray::s![z, y, x];
    let (reference, prediction) = (reference.slice(part), prediction.slice(part));
    let components: Vec<u32> = reference.iter().copied().collect();
    let nearest = nearest(&reference.mapv(|id| id > 0), [1.0; 3]).index;
    let mut cells = vec![Cell::default(); sizes.len()];
    Zip::from(&nearest).and(reference).and(prediction).for_each(|&nearest, &own, &predicted| {
        if predicted > 0 {
            let cell = &mut cells[components[nearest as usize] as usize - 1];
            cell.predicted += 1;
            cell.shared += u64::from(own > 0);
        }
    });
    let dice = |(cell, &size): (&Cell, &usize)| 2.0 * cell.shared as f64 / (cell.predicted + size as u64) as f64;
    cells.iter().zip(sizes).map(dice).sum::<f64>() / sizes.len() as f64
}
