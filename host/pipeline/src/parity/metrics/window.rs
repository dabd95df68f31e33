//! Sliding windows with a network of the section `network`.

use ndarray::{Array3, Array4, ArrayView3, Axis, Ix4, s};
use serde::Deserialize;

use super::super::desk::Desk;
use super::super::files::Use;
use super::super::network::Meta;
use super::super::{Row, tolerance};
use super::FOLDER;
use crate::error::{Error, Result};
use crate::infer::{Network, Window, gaussian, positions, sliding_window};

/// `sliding_window_{configuration}.json`.
#[derive(Deserialize)]
struct About {
    /// Below the folder that is walked; what else is known of the network lies beside it.
    weights: String,
    patch_size: Vec<usize>,
    mirror_axes: Vec<usize>,
}

/// `{name}.npz`: `{image}_x` and `{image}_logits_mirror{0|1}_gauss{0|1}_step{share}`.
pub(super) fn compare(desk: &mut Desk<'_>, name: &str) -> Result<()> {
    let file = format!("{FOLDER}/{name}.npz");
    let about: About = desk.json(&format!("{FOLDER}/{name}.json"), Use::Compared)?;
    let folder = about.weights.rsplit_once('/').map_or("", |(folder, _)| folder);
    let model = desk.json::<Meta>(&format!("{folder}/meta.json"), Use::Input)?.model(desk, folder)?;
    let network = Network { model: &model, mirror_axes: about.mirror_axes.clone(), bytes: 0 };
    let arrays = desk.arrays(&file, Use::Compared)?;
    for (name, _) in arrays.iter().filter(|(name, _)| !name.ends_with("_x")) {
        let what = format!("{file}: {name}");
        let Some((image, window)) = window_of(name, &about.patch_size) else {
            desk.fell_short(&what, "the array was not understood, so nothing was compared with it");
            continue;
        };
        let (x, theirs) = (arrays.f32::<Ix4>(&format!("{image}_x"))?, arrays.f32::<Ix4>(name)?);
        let ours = sliding_window(&[&network], &x, theirs.dim().0, &window)?;
        if desk.shape(&what, ours.shape(), theirs.shape()) {
            let rounding = Rounding::of(&window, &theirs)?;
            desk.rows.extend(rounding.rows(&what, &ours, &theirs));
        }
    }
    Ok(())
}

/// The image and the settings that an array's name tells of.
fn window_of(name: &str, patch: &[usize]) -> Option<(String, Window)> {
    let (image, settings) = name.split_once("_logits_")?;
    let of = |key: &str| settings.split('_').find_map(|part| part.strip_prefix(key));
    let window =
        Window { step_size: of("step")?.parse().ok()?, gaussian: of("gauss")? == "1", mirroring: of("mirror")? == "1", ..Window::new(patch) };
    Some((image.to_owned(), window))
}

/// What nnU-Net's sums in f16 can do to its logits.
///
/// Where ten times the sum of the weights is a normal f16, they are as exact as the tolerance wants. In the corners of outermost tiles it is
/// below, and the logits are rounded to multiples of 2^-24 / weight: products and weights of n tiles are off by 2^-25 each, which makes
/// logits of at most L wrong by n (1 + 2 L) 2^-25 / weight.
struct Rounding {
    /// Voxels (z, y, x) whose weight f16 can hold.
    held: Vec<bool>,
    /// What rounding can do elsewhere.
    error: Vec<f32>,
}

/// The smallest normal f16.
const SMALLEST: f32 = 6.103_515_6e-5;

impl Rounding {
    fn of(window: &Window, theirs: &Array4<f32>) -> Result<Self> {
        let (_, d, h, w) = theirs.dim();
        let tile = match window.patch.as_slice() {
            &[d, h, w] => [d, h, w],
            &[h, w] => [1, h, w],
            other => return Err(Error::invalid(format!("the patch is {other:?}; it needs two or three axes"))),
        };
        let padded: [usize; 3] = std::array::from_fn(|axis| [d, h, w][axis].max(tile[axis]));
        let weights = if window.gaussian { gaussian(&tile) } else { vec![0.1; tile.iter().product()] };
        let weights = ArrayView3::from_shape(tile, &weights).map_err(|error| Error::invalid(error.to_string()))?;
        let (mut total, mut tiles) = (Array3::<f32>::zeros(padded), Array3::<f32>::zeros(padded));
        let [zs, ys, xs] = positions(padded, tile, window.step_size);
        for (&z, &y) in zs.iter().flat_map(|z| ys.iter().map(move |y| (z, y))) {
            for &x in &xs {
                let at = s![z..z + tile[0], y..y + tile[1], x..x + tile[2]];
                total.slice_mut(at).scaled_add(10.0, &weights);
                tiles.slice_mut(at).mapv_inplace(|n| n + 1.0);
            }
        }
        let before: [usize; 3] = std::array::from_fn(|axis| (padded[axis] - [d, h, w][axis]) / 2);
        let own = s![before[0]..before[0] + d, before[1]..before[1] + h, before[2]..before[2] + w];
        let largest = theirs.iter().fold(0_f32, |largest, v| largest.max(v.abs()));
        let error = |(weight, n): (&f32, &f32)| if *weight >= SMALLEST { 0.0 } else { n * (1.0 + 2.0 * largest) * 2_f32.powi(-25) / weight };
        let (total, tiles) = (total.slice(own), tiles.slice(own));
        Ok(Self { held: total.iter().map(|weight| *weight >= SMALLEST).collect(), error: total.iter().zip(&tiles).map(error).collect() })
    }

    /// Logits where f16 holds the weight, what is beyond rounding elsewhere, and the class on top.
    fn rows(&self, what: &str, ours: &Array4<f32>, theirs: &Array4<f32>) -> Vec<Row> {
        let worst = |held: bool| {
            let mut worst = (0.0_f32, 0.0_f32, 0.0_f32);
            for (ours, theirs) in ours.outer_iter().zip(theirs.outer_iter()) {
                for ((a, b), (is_held, error)) in ours.iter().zip(&theirs).zip(self.held.iter().zip(&self.error)) {
                    let excess = (a - b).abs() - error;
                    if *is_held == held && (excess > worst.0 || excess.is_nan()) {
                        worst = (excess, *a, *b);
                    }
                }
            }
            worst
        };
        let (held, elsewhere) = (worst(true), worst(false));
        let row = |what: String, (excess, a, b): (f32, f32, f32)| {
            Row::new(what, f64::from(a).into(), f64::from(b).into(), f64::from(excess), tolerance::WINDOW)
        };
        let count = self.held.iter().filter(|held| **held).count();
        let mut rows = vec![row(format!("{what}, logits"), held)];
        if count < self.held.len() {
            rows.push(row(format!("{what}, beyond what f16 rounds in {} corner voxels", self.held.len() - count), elsewhere));
        }
        let (top, wanted) = (top(ours), top(theirs));
        let differing = top.iter().zip(&wanted).zip(&self.held).filter(|((a, b), held)| **held && a != b).count();
        let share = differing as f64 / count.max(1) as f64;
        let equal = format!("{} of {count} voxels equal", count - differing);
        rows.push(Row::new(format!("{what}, class on top"), equal.into(), format!("{count} voxels").into(), share, tolerance::VOXELS));
        rows
    }
}

fn top(logits: &Array4<f32>) -> Array3<usize> {
    let largest = |best: (usize, f32), (k, &v): (usize, &f32)| if v > best.1 { (k, v) } else { best };
    logits.map_axis(Axis(0), |lane| lane.iter().enumerate().fold((0, f32::NEG_INFINITY), largest).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrays_name_tells_the_settings() {
        let (image, window) = window_of("larger_logits_mirror1_gauss0_step0.5", &[4, 4]).unwrap();
        assert_eq!((image.as_str(), window.mirroring, window.gaussian, window.step_size), ("larger", true, false, 0.5));
        assert!(window_of("larger_logits_mirror1", &[4, 4]).is_none());
    }
}
