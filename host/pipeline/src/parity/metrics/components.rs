//! The largest component, as nnU-Net's postprocessing keeps it.

use ndarray::{Array3, ArrayD, Axis, Ix3};
use volume::components::keep_largest_of;

use super::super::desk::Desk;
use super::super::files::Use;
use super::super::tolerance;
use super::FOLDER;
use crate::error::{Error, Result};

/// `{case}_in` and `{case}_keep_{kind}`: a label, `fg` for all of them, or `region12` for labels 1 and 2.
pub(super) fn compare(desk: &mut Desk<'_>) -> Result<()> {
    let file = format!("{FOLDER}/connected_components.npz");
    let arrays = desk.arrays(&file, Use::Compared)?;
    for (name, _) in arrays.iter().filter(|(name, _)| !name.ends_with("_in")) {
        let what = format!("{file}: {name}");
        let known = name.split_once("_keep_").filter(|(case, _)| arrays.find(&format!("{case}_in")).is_some());
        let Some((case, kind)) = known else {
            desk.fell_short(&what, "the array was not understood, so nothing was compared with it");
            continue;
        };
        let mut ours = volume(arrays.labels(&format!("{case}_in"))?)?;
        let labels: Vec<i16> = match kind.strip_prefix("region") {
            Some(digits) => digits.chars().filter_map(|digit| digit.to_digit(10)).map(|digit| digit as i16).collect(),
            None if kind == "fg" => (1..=ours.iter().copied().max().unwrap_or(0)).collect(),
            None => vec![kind.parse().map_err(|_| Error::invalid(format!("{what}: {kind:?} is no label, `fg` or `region12`")))?],
        };
        keep_largest_of(&mut ours, &labels);
        let theirs = volume(arrays.labels(name)?)?;
        if desk.shape(&what, ours.shape(), theirs.shape()) {
            desk.voxels(&what, ours.as_slice().unwrap_or_default(), theirs.as_slice().unwrap_or_default(), tolerance::EXACT);
        }
    }
    Ok(())
}

/// A 2D array becomes one slice.
fn volume(array: ArrayD<i16>) -> Result<Array3<i16>> {
    let array = if array.ndim() == 2 { array.insert_axis(Axis(0)) } else { array };
    array.into_dimensionality::<Ix3>().map_err(|error| Error::invalid(error.to_string()))
}
