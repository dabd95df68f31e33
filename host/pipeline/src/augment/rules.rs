//! What follows from the patch: how far to rotate, whether to augment slices or volumes, which axes to mirror, and how
//! large a patch to cut so that the rotated one is full.

use std::f64::consts::PI;

/// The augmentation that nnU-Net derives from a patch.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Range of the rotation angles in radians, about every axis; about the first axis alone if `dummy_2d`, and in the
    /// plane for 2D patches.
    pub rotation: (f64, f64),
    /// Rotate and scale the slices along the first axis instead of the volume.
    pub dummy_2d: bool,
    /// Spatial axes that may be mirrored, 0 being the slowest: all.
    pub mirror_axes: Vec<usize>,
    /// Size of the patch to cut in voxels, of the patch's rank.
    pub initial_patch: Vec<usize>,
}

/// Slices are augmented instead of volumes where the patch is longer by more than this than it is deep.
const ANISOTROPY: f64 = 3.0;

/// What a trainer config says instead of the patch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wishes {
    /// Instead of what the patch's anisotropy says.
    pub dummy_2d: Option<bool>,
    /// Least and greatest angle in radians, instead of those for the patch.
    pub rotation: Option<(f64, f64)>,
    /// How far the initial patch has to reach: the patch, rotated, divided by this.
    pub smallest_scale: f64,
}

impl Default for Wishes {
    fn default() -> Self {
        Self { dummy_2d: None, rotation: None, smallest_scale: 0.85 }
    }
}

/// The rules for `patch`, (H, W) or (D, H, W) in voxels.
pub fn rules(patch: &[usize], wishes: &Wishes) -> Rules {
    let longest = patch.iter().copied().max().unwrap_or(0) as f64;
    let shortest = patch.iter().copied().min().unwrap_or(0) as f64;
    let planar = patch.len() == 2;
    let depth = patch.first().copied().unwrap_or(0) as f64;
    let dummy_2d = !planar && wishes.dummy_2d.unwrap_or(longest / depth > ANISOTROPY);
    let degrees = match (planar, dummy_2d) {
        (true, _) if longest / shortest > 1.5 => 15.0,
        (true, _) | (_, true) => 180.0,
        _ => 30.0,
    };
    let angle = degrees / 360.0 * 2.0 * PI;
    let rotation = wishes.rotation.unwrap_or((-angle, angle));
    let mut initial_patch = initial_patch_size(patch, rotation.0.abs().max(rotation.1.abs()), wishes.smallest_scale);
    if let (true, [first, ..], [depth, ..]) = (dummy_2d, &mut initial_patch[..], patch) {
        *first = *depth;
    }
    Rules { rotation, dummy_2d, mirror_axes: (0..patch.len()).collect(), initial_patch }
}

/// The size that holds `patch` when it is rotated by up to `angle` (radians, no more than a right angle counts) about
/// any one axis and enlarged by 1 / `smallest_scale`, in voxels.
pub fn initial_patch_size(patch: &[usize], angle: f64, smallest_scale: f64) -> Vec<usize> {
    let (sin, cos) = angle.abs().min(PI / 2.0).sin_cos();
    let sides: Vec<f64> = patch.iter().map(|&side| side as f64).collect();
    let mut reach = sides.clone();
    for i in 0..sides.len() {
        for j in i + 1..sides.len() {
            let (a, b) = (sides[i], sides[j]);
            // nnU-Net turns the far corner, the first axis pair forwards and (z, x) of three backwards.
            let (a, b) = if j - i == 2 { (a * cos - b * sin, a * sin + b * cos) } else { (a * cos + b * sin, b * cos - a * sin) };
            reach[i] = reach[i].max(a.abs());
            reach[j] = reach[j].max(b.abs());
        }
    }
    reach.iter().map(|side| (side / smallest_scale) as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_are_nnunets() {
        let Ok(folder) = std::env::var("NNUNET_REFERENCE") else {
            eprintln!("skipped: NNUNET_REFERENCE is not set");
            return;
        };
        let text = std::fs::read_to_string(std::path::Path::new(&folder).join("metrics/rules.json")).unwrap();
        let wanted: serde_json::Value = serde_json::from_str(&text).unwrap();
        let cases = wanted["initial_patch_size"].as_array().unwrap();
        assert!(cases.len() >= 14);
        for case in cases {
            let sizes = |key: &str| -> Vec<usize> { serde_json::from_value(case[key].clone()).unwrap() };
            let angle = |i: usize| case["rotation"][i].as_f64().unwrap();
            let wanted = Rules {
                rotation: (angle(0), angle(1)),
                dummy_2d: case["do_dummy_2d"].as_bool().unwrap(),
                mirror_axes: sizes("mirror_axes"),
                initial_patch: sizes("initial_patch_size"),
            };
            assert_eq!(rules(&sizes("patch"), &Wishes::default()), wanted, "{case}");
        }
    }

    #[test]
    fn elongated_slices_turn_less() {
        let found = rules(&[512, 256], &Wishes::default());
        assert_eq!(found.initial_patch, [659, 301]);
        assert_eq!(found.rotation.1, 15.0 / 360.0 * 2.0 * PI);
    }

    #[test]
    fn without_dummy_2d_the_patch_is_treated_as_a_volume() {
        let found = rules(&[20, 320, 256], &Wishes { dummy_2d: Some(false), ..Wishes::default() });
        assert_eq!(found.rotation.1, 30.0 / 360.0 * 2.0 * PI);
        assert_eq!(found.initial_patch, initial_patch_size(&[20, 320, 256], found.rotation.1, 0.85));
        assert!(found.initial_patch[0] > 20);
    }

    #[test]
    fn a_wish_for_a_rotation_or_a_scale_sets_the_initial_patch() {
        let still = rules(&[64, 64, 64], &Wishes { rotation: Some((0.0, 0.0)), ..Wishes::default() });
        assert_eq!((still.rotation, still.initial_patch), ((0.0, 0.0), vec![75, 75, 75]));
        // as nnUNetTrainerDA5 computes it: get_patch_size([128]^3, 30 degrees, (0.7, 1.43))
        let strong = rules(&[128, 128, 128], &Wishes { smallest_scale: 0.7, ..Wishes::default() });
        assert_eq!(strong.initial_patch, [249, 249, 249]);
    }
}
