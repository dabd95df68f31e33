//! The weights of a tile.

use std::collections::BTreeMap;

use half::f16;

use super::super::desk::Desk;
use super::super::files::Use;
use super::super::tolerance;
use super::FOLDER;
use crate::error::{Error, Result};
use crate::infer::gaussian;

/// The factor of nnU-Net's f16 weights.
const SCALE: f32 = 10.0;

pub(super) fn compare(desk: &mut Desk<'_>) -> Result<()> {
    let (file, npz) = (format!("{FOLDER}/gaussian.json"), format!("{FOLDER}/gaussian.npz"));
    let statistics: BTreeMap<String, BTreeMap<String, f64>> = desk.json(&file, Use::Compared)?;
    for (name, theirs) in &statistics {
        let what = format!("{file}: {name}");
        let single = gaussian(&tile(&what, name)?);
        let half = halved(&single);
        let (wide, half) = ((single.iter().copied().map(f64::from).collect::<Vec<_>>()), half.iter().map(|v| v.to_f64()).collect::<Vec<_>>());
        for (key, &theirs) in theirs {
            let (values, of, unit) = match key.split_once('_') {
                Some((of, "f32")) => (&wide, of, tolerance::GAUSSIAN),
                // a unit in the last place of numbers up to 10
                Some((of, "f16s10")) => (&half, of, 2f64.powi(-7)),
                _ => {
                    desk.fell_short(&format!("{what}, {key}"), "the number was not understood, so nothing was compared with it");
                    continue;
                }
            };
            let ours = match of {
                "sum" => values.iter().sum(),
                "min" => values.iter().copied().fold(f64::INFINITY, f64::min),
                _ => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            };
            let limit = if of == "sum" { unit * theirs.abs() } else { unit };
            desk.number(&format!("{what}, {key}"), ours, theirs, limit);
        }
    }
    let arrays = desk.arrays(&npz, Use::Compared)?;
    for (name, theirs) in arrays.iter() {
        let what = format!("{npz}: {name}");
        let tile = tile(&what, name.split('_').next().unwrap_or_default())?;
        let single = gaussian(&tile);
        if name.contains("_f32_") {
            desk.floats(&what, &part(name, &tile, &single), &theirs.to_f32(), tolerance::GAUSSIAN);
        } else if name.contains("_f16_") {
            let ours = part(name, &tile, &halved(&single));
            ulps(desk, &what, &ours, &arrays.elements::<f16>(name)?);
        } else {
            desk.fell_short(&what, "the array was not understood, so nothing was compared with it");
        }
    }
    Ok(())
}

/// `40x56x40`.
fn tile(what: &str, name: &str) -> Result<Vec<usize>> {
    let sides: Option<Vec<usize>> = name.split('x').map(|side| side.parse().ok().filter(|side| *side > 0)).collect();
    sides.ok_or_else(|| Error::invalid(format!("{what}: {name:?} is no tile such as 40x56x40")))
}

/// As nnU-Net keeps the weights: ten times as large, as f16, and never 0.
fn halved(weights: &[f32]) -> Vec<f16> {
    let half: Vec<f16> = weights.iter().map(|weight| f16::from_f32(SCALE * weight)).collect();
    let smallest = half.iter().copied().filter(|weight| *weight > f16::ZERO).fold(f16::MAX, f16::min);
    half.into_iter().map(|weight| if weight == f16::ZERO { smallest } else { weight }).collect()
}

/// What of a large tile is stored: all, its middle slice, or the line along the first axis through the middle.
fn part<T: Copy>(name: &str, tile: &[usize], all: &[T]) -> Vec<T> {
    let inner: usize = tile.iter().skip(1).product();
    if name.ends_with("center_slice") {
        return all.iter().skip(tile[0] / 2 * inner).take(inner).copied().collect();
    }
    if name.ends_with("axis0_line") {
        let middle = tile.iter().skip(1).fold(0, |at, side| at * side + side / 2);
        return all.chunks(inner).filter_map(|slice| slice.get(middle).copied()).collect();
    }
    all.to_vec()
}

/// Distances in units in the last place: positive f16 count up with their bits.
fn ulps(desk: &mut Desk<'_>, what: &str, ours: &[f16], theirs: &[f16]) {
    let distance = |(a, b): (&f16, &f16)| (i32::from(a.to_bits()) - i32::from(b.to_bits())).unsigned_abs();
    if ours.len() != theirs.len() {
        return desk.exact(&format!("{what}, weights"), &ours.len(), &theirs.len());
    }
    let worst = ours.iter().zip(theirs).max_by_key(|(a, b)| distance((a, b)));
    if let Some((a, b)) = worst {
        let difference = f64::from(distance((a, b)));
        desk.rows.push(super::super::Row::new(what.to_owned(), a.to_f64().into(), b.to_f64().into(), difference, tolerance::GAUSSIAN_ULPS));
    }
}
