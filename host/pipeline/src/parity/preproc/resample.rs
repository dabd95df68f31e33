//! Resampling by itself.

use ndarray::{Axis, Ix4};
use serde::Deserialize;
use volume::resample::{Order, ResampleOptions, compute_new_shape, resample_data, resample_seg};

use super::super::desk::Desk;
use super::super::files::Use;
use super::super::tolerance;
use crate::error::{Error, Result};

/// An image, random labels and smooth ones, and the grid that they go to.
#[derive(Deserialize)]
struct Case {
    i: usize,
    shape_in: [usize; 3],
    shape_out: [usize; 3],
    spacing_in: [f64; 3],
    spacing_out: [f64; 3],
    do_separate_z: bool,
    axis: Option<usize>,
    new_shape_from_spacing: Option<[usize; 3]>,
}

/// `resample_cases.npz`: `{i}_x`, `{i}_g` and `{i}_sm` with results `_o{order}_oz{order_z}`.
pub(super) fn cases(desk: &mut Desk<'_>, folder: &str) -> Result<()> {
    let file = format!("{folder}/resample_cases.npz");
    let cases: Vec<Case> = desk.json(&format!("{folder}/resample_cases.json"), Use::Compared)?;
    let arrays = desk.arrays(&file, Use::Compared)?;
    let mut used = 0;
    for case in &cases {
        let what = format!("{file}: case {}", case.i);
        let (from, to, shape) = (case.spacing_in, case.spacing_out, case.shape_out);
        desk.exact(&format!("{what}, separate axis"), &separate(from, to), &(case.do_separate_z, case.axis));
        if let Some(wanted) = case.new_shape_from_spacing {
            desk.exact(&format!("{what}, new shape"), &compute_new_shape(case.shape_in, from, to), &wanted);
        }
        for kind in ["x", "g", "sm"] {
            let input = format!("{}_{kind}", case.i);
            let results: Vec<&str> = arrays.iter().map(|(name, _)| name).filter(|name| name.starts_with(&format!("{input}_o"))).collect();
            used += usize::from(arrays.find(&input).is_some()) + results.len();
            for name in results {
                let options = orders(name).ok_or_else(|| Error::invalid(format!("{file}: `{name}` does not end in _o(order)_oz(order)")))?;
                let what = format!("{what}, {name}");
                if kind == "x" {
                    let (ours, theirs) = (resample_data(&arrays.f32::<Ix4>(&input)?, shape, from, to, &options), arrays.f32::<Ix4>(name)?);
                    let limit = if options.order == Order::Cubic { tolerance::DATA_CUBIC } else { tolerance::DATA_LINEAR };
                    if desk.shape(&what, ours.shape(), theirs.shape()) {
                        desk.floats(&what, &ours.into_iter().collect::<Vec<_>>(), &theirs.into_iter().collect::<Vec<_>>(), limit);
                    }
                } else {
                    let input = arrays.labels::<Ix4>(&input)?.index_axis_move(Axis(0), 0);
                    let (ours, theirs) = (resample_seg(&input, shape, from, to, &options), arrays.labels::<Ix4>(name)?);
                    if desk.shape(&what, ours.shape(), &theirs.shape()[1..]) {
                        desk.voxels(&what, &ours.into_iter().collect::<Vec<_>>(), &theirs.into_iter().collect::<Vec<_>>(), tolerance::TIES);
                    }
                }
            }
        }
    }
    // every array is one of a case
    desk.exact(&format!("{file}: arrays"), &used, &arrays.iter().count());
    Ok(())
}

/// The splines' orders at the end of a name.
fn orders(name: &str) -> Option<ResampleOptions> {
    let (rest, order_z) = name.rsplit_once("_oz")?;
    let (_, order) = rest.rsplit_once("_o")?;
    let number = |text: &str| text.parse().ok().and_then(Order::from_number);
    Some(ResampleOptions { order: number(order)?, order_z: number(order_z)?, ..ResampleOptions::IMAGE })
}

fn separate(from: [f64; 3], to: [f64; 3]) -> (bool, Option<usize>) {
    let axis = ResampleOptions::IMAGE.separate_axis(from, to);
    (axis.is_some(), axis)
}

/// Shapes after a change of spacing, and the axis that is on its own.
#[derive(Deserialize)]
struct NewShape {
    shape: [usize; 3],
    old: [f64; 3],
    new: [f64; 3],
    new_shape: [usize; 3],
    sepz: Option<(bool, Option<usize>)>,
}

pub(super) fn new_shapes(desk: &mut Desk<'_>, folder: &str) -> Result<()> {
    let file = format!("{folder}/compute_new_shape.json");
    let cases: Vec<NewShape> = desk.json(&file, Use::Compared)?;
    let shapes = |of: fn(&NewShape) -> [usize; 3]| cases.iter().map(of).collect::<Vec<_>>();
    desk.exact(
        &format!("{file}: shapes of {} cases", cases.len()),
        &shapes(|case| compute_new_shape(case.shape, case.old, case.new)),
        &shapes(|case| case.new_shape),
    );
    let known = || cases.iter().filter(|case| case.sepz.is_some());
    let ours: Vec<_> = known().map(|case| Some(separate(case.old, case.new))).collect();
    desk.exact(&format!("{file}: separate axes of {} cases", known().count()), &ours, &known().map(|case| case.sepz).collect::<Vec<_>>());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_stand_at_the_end_of_a_name() {
        let found = orders("3_x_o3_oz0").unwrap();
        assert_eq!((found.order, found.order_z), (Order::Cubic, Order::Nearest));
        assert!(orders("3_x").is_none() && orders("3_x_o2_oz0").is_none());
    }
}
