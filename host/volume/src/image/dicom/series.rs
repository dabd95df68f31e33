//! The slices of a series in the order of the patient, and the grid that they make.

use super::super::{Geometry, ImageError, ImageHeader};
use super::Slice;
use std::collections::BTreeMap;
use std::path::Path;

/// Two slices that are closer than this are at one place, mm.
const SAME: f64 = 1e-3;
/// Distances between slices may differ by this share, and ...
const UNEVEN: f64 = 0.01;
/// ... by what a position may be rounded by, mm.
const ROUNDED: f64 = 0.01;

/// Slices along the normal, without a gap.
pub(super) struct Series {
    pub(super) slices: Vec<Slice>,
    pub(super) header: ImageHeader,
}

impl Series {
    /// # Errors
    /// No slice; slices of several series, of several grids, at one place, with a gap, or not one above the other.
    pub(super) fn of(path: &Path, slices: Vec<Slice>) -> Result<Self, ImageError> {
        let wrong = |what: String| ImageError::malformed(path, what);
        let mut by_series: BTreeMap<&str, usize> = BTreeMap::new();
        slices.iter().for_each(|slice| *by_series.entry(&slice.series).or_default() += 1);
        if by_series.len() > 1 {
            let list: Vec<String> = by_series.iter().map(|(series, slices)| format!("{series} ({slices} slices)")).collect();
            return Err(wrong(format!("holds {} series: {}; wanted one, so give each a folder of its own", list.len(), list.join(", "))));
        }
        let first = slices.first().cloned().ok_or_else(|| wrong("holds no slice".to_owned()))?;
        for slice in &slices {
            same_grid(slice, &first)?;
        }
        // files hold rounded cosines
        let [row, column] = first.axes.map(unit);
        let normal = unit(cross(row, column));
        if !normal.iter().all(|cosine| cosine.is_finite()) {
            return Err(wrong(format!("ImageOrientationPatient is {:?}; wanted two directions at right angles", first.axes)));
        }
        let (slices, places) = sorted(slices, normal)?;
        let step = step(path, &slices, &places)?.or(first.thickness).unwrap_or(1.0);
        let origin = slices[0].origin.unwrap_or_default();
        if let (Some(last), Some(place)) = (slices.last(), places.last()) {
            let [dx, dy, dz] = std::array::from_fn(|row| last.origin.unwrap_or_default()[row] - origin[row] - normal[row] * (place - places[0]));
            let aside = (dx * dx + dy * dy + dz * dz).sqrt();
            if aside > 0.1 * step.max(first.spacing[1]) {
                return Err(wrong(format!(
                    "the last slice lies {aside:.3} mm beside the first; a tilted gantry is not supported, so resample it first"
                )));
            }
        }
        let [row_step, column_step] = first.spacing;
        let geometry = Geometry::of_axes(&[column_step, row_step, step], &origin, &[&row, &column, &normal]);
        Ok(Self { header: ImageHeader { channels: 1, shape: [slices.len(), first.rows, first.columns], geometry }, slices })
    }
}

fn same_grid(slice: &Slice, first: &Slice) -> Result<(), ImageError> {
    let differ = |property, found: String, wanted: String| {
        Err(ImageError::Mismatch { first: first.path.clone(), path: slice.path.clone(), property, found, wanted })
    };
    let (found, wanted) = ([slice.rows, slice.columns], [first.rows, first.columns]);
    if found != wanted {
        return differ("shape", format!("{found:?}"), format!("{wanted:?}"));
    }
    let far = |a: &[f64], b: &[f64], most: f64| a.iter().zip(b).any(|(a, b)| (a - b).abs() > most);
    if far(&slice.spacing, &first.spacing, 1e-4) {
        return differ("spacing", format!("{:?}", slice.spacing), format!("{:?}", first.spacing));
    }
    if far(slice.axes.as_flattened(), first.axes.as_flattened(), 1e-3) {
        return differ("direction", format!("{:?}", slice.axes), format!("{:?}", first.axes));
    }
    Ok(())
}

/// The slices along `normal`, and where they are on it, mm.
fn sorted(slices: Vec<Slice>, normal: [f64; 3]) -> Result<(Vec<Slice>, Vec<f64>), ImageError> {
    let alone = slices.len() == 1;
    let place = |slice: Slice| match slice.origin {
        Some(origin) => Ok((origin.iter().zip(normal).map(|(a, b)| a * b).sum::<f64>(), slice)),
        None if alone => Ok((0.0, slice)),
        None => Err(ImageError::malformed(&slice.path, "has no ImagePositionPatient; wanted a position for each slice of a series")),
    };
    let mut placed = slices.into_iter().map(place).collect::<Result<Vec<(f64, Slice)>, _>>()?;
    placed.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(placed.into_iter().map(|(place, slice)| (slice, place)).unzip())
}

/// mm from slice to slice; none for a single one.
fn step(path: &Path, slices: &[Slice], places: &[f64]) -> Result<Option<f64>, ImageError> {
    let mut steps: Vec<f64> = places.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let between = steps.clone();
    steps.sort_by(f64::total_cmp);
    let Some(&middle) = steps.get(steps.len() / 2) else { return Ok(None) };
    let name = |index: usize| slices[index].path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for (index, found) in between.into_iter().enumerate() {
        let (a, b, at) = (name(index), name(index + 1), places[index]);
        if found < SAME {
            return Err(ImageError::malformed(path, format!("{a} and {b} lie both at {at:.3} mm; wanted one slice a place, so remove one of them")));
        }
        if (found - middle).abs() > UNEVEN * middle + ROUNDED {
            let (next, missing) = (places[index + 1], (found / middle).round() - 1.0);
            let fix = if missing >= 1.0 { format!("{missing} slice(s) are missing") } else { "the slices are not evenly spaced".to_owned() };
            let what = format!("{a} lies at {at:.3} mm and {b} at {next:.3} mm, {found:.3} mm apart where others are {middle:.3}; {fix}");
            return Err(ImageError::malformed(path, what));
        }
    }
    Ok(places.first().zip(places.last()).map(|(first, last)| (last - first) / (places.len() - 1) as f64))
}

fn unit(vector: [f64; 3]) -> [f64; 3] {
    let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
    vector.map(|x| x / length)
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}
