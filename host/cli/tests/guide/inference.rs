//! The guide's "Advanced Inference Options": rows 50, 51 and 53 to 57.

use crate::{
    Tree,
    lab::{CPU, DATASET, files, probabilities, small},
};
use ndarray::{Array4, ArrayD, Axis, Zip};
use pipeline::phantom::{self, PhantomSpec};
use std::{fs, path::Path};
use volume::image::{Geometry, read_segmentation, write_image};

/// The guide's line up to its own flag.
const PREDICT: &str = "nnUNetv2_predict -i INPUT -o OUTPUT -d 001 -c 3d_fullres -f 0";

/// A trained tree with the folder INPUT: one image that many tiles cover.
fn with_input() -> Tree {
    let tree = Tree::with_models();
    let spec = PhantomSpec { cases: 0, test_cases: 1, shape: vec![26, 27, 28], ..small() };
    phantom::write(&tree.path("other"), &spec).unwrap();
    fs::rename(tree.path("other").join(DATASET).join("imagesTs"), tree.path("INPUT")).unwrap();
    tree
}

/// Probabilities (K, z, y, x) of the one case in OUTPUT after a line, and what was said.
fn predicted(tree: &Tree, line: &str) -> (ArrayD<f32>, String) {
    let output = tree.path("OUTPUT");
    if output.exists() {
        fs::remove_dir_all(&output).unwrap();
    }
    let said = tree.typed(&format!("{line} --save_probabilities {CPU}"));
    (read(&files(&output, ".npz")[0]), said)
}

fn read(file: &Path) -> ArrayD<f32> {
    let (shape, values) = probabilities(file);
    ArrayD::from_shape_vec(shape, values).unwrap()
}

fn furthest(a: &ArrayD<f32>, b: &ArrayD<f32>) -> f32 {
    Zip::from(a).and(b).fold(0.0, |most: f32, a, b| most.max((a - b).abs()))
}

#[test]
fn row_50_mirror() {
    let tree = with_input();
    let (mirrored, _) = predicted(&tree, &format!("{PREDICT} --mirror"));
    let (default, _) = predicted(&tree, PREDICT);
    let (plain, _) = predicted(&tree, &format!("{PREDICT} --disable_tta"));
    assert_eq!(mirrored, default);
    assert!(furthest(&mirrored, &plain) > 1e-4, "mirroring changes nothing");
}

/// The mean over all mirrored views of an image that is its own mirror image is so, too; a single view is not.
#[test]
fn row_51_original_and_mirrored_averaged() {
    let tree = Tree::with_models();
    // in the image's own order of axes
    let plans = tree.plans();
    let mut spacing = [0.0; 3];
    for (axis, own) in plans["transpose_forward"].as_array().unwrap().iter().enumerate() {
        spacing[own.as_u64().unwrap() as usize] = plans["configurations"]["3d_fullres"]["spacing"][axis].as_f64().unwrap();
    }
    let far = |at: usize| (at as f32 - 3.5).abs();
    let image = Array4::from_shape_fn((1, 8, 8, 8), |(_, z, y, x)| 200.0 - 10.0 * far(z) - 7.0 * far(y) - 3.0 * far(x) * far(z));
    fs::create_dir(tree.path("INPUT")).unwrap();
    write_image(tree.path("INPUT/box_0000.nii.gz"), &image, &Geometry::of_spacing(spacing)).unwrap();
    let asymmetry = |p: &ArrayD<f32>| {
        [1, 2, 3].map(|axis| {
            let mut turned = p.clone();
            turned.invert_axis(Axis(axis));
            furthest(p, &turned)
        })
    };
    let (mirrored, _) = predicted(&tree, &format!("{PREDICT} --mirror"));
    let (plain, _) = predicted(&tree, &format!("{PREDICT} --disable_tta"));
    let (mirrored, plain) = (asymmetry(&mirrored), asymmetry(&plain));
    assert!(mirrored.iter().all(|&most| most < 1e-5) && plain.iter().any(|&most| most > 1e-3), "{mirrored:?} {plain:?}");
}

#[test]
fn row_53_both_configurations_trained_with_npz() {
    let tree = Tree::with_models();
    for configuration in ["2d", "3d_fullres"] {
        for fold in 0..5 {
            assert_eq!(files(&tree.default_fold(configuration, fold).0.join("validation"), ".npz").len(), 1, "{configuration}, fold {fold}");
        }
    }
}

/// The guide's line; the result is the class of the greatest mean probability.
#[test]
fn row_54_ensemble_of_validations() {
    let tree = Tree::with_models();
    tree.typed(
        "nnUNetv2_ensemble -i $nnUNet_results/Dataset001_Name/nnUNetTrainer__nnUNetPlans__2d/fold_0/validation \\
                     $nnUNet_results/Dataset001_Name/nnUNetTrainer__nnUNetPlans__3d_fullres/fold_0/validation \\
                  -o OUTPUT_FOLDER",
    );
    let merged = files(&tree.path("OUTPUT_FOLDER"), ".nii.gz");
    let members = ["2d", "3d_fullres"].map(|c| files(&tree.default_fold(c, 0).0.join("validation"), ".npz"));
    assert_eq!((merged.len(), members[0].len(), members[1].len()), (1, 1, 1));
    let sum = read(&members[0][0]) + read(&members[1][0]);
    let (labels, _) = read_segmentation(&merged[0]).unwrap();
    for ((z, y, x), &label) in labels.indexed_iter() {
        let at = |class: usize| sum[[class, z, y, x]];
        assert!((0..3).all(|class| at(class) <= at(label as usize)), "voxel {z}, {y}, {x}: {label}");
    }
    assert_eq!(labels.shape(), &sum.shape()[1..]);
}

/// The tiles that a verbose prediction says it takes.
fn tiles(said: &str) -> usize {
    said.split_once(" voxels in ").unwrap().1.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn row_55_step_size_with_one_dash_or_two() {
    let tree = with_input();
    let (half, said) = predicted(&tree, &format!("{PREDICT} --step_size 0.5 --verbose"));
    let (default, default_said) = predicted(&tree, &format!("{PREDICT} --verbose"));
    assert_eq!((&half, tiles(&said)), (&default, tiles(&default_said)));
    let (wide, _) = predicted(&tree, &format!("{PREDICT} --step_size 0.7"));
    let (same, _) = predicted(&tree, &format!("{PREDICT} -step_size 0.7"));
    assert_eq!(wide, same);
    assert!(furthest(&wide, &half) > 0.0);
}

#[test]
fn row_56_smaller_steps_are_more_tiles() {
    let tree = with_input();
    let counts = ["1", "0.7", "0.5", "0.25"].map(|step| tiles(&predicted(&tree, &format!("{PREDICT} --step_size {step} --disable_tta --verbose")).1));
    assert!(counts.is_sorted_by(|a, b| a < b), "{counts:?}");
}

/// One fold by its number; several are averaged before the softmax, so that the mean is one of logarithms.
#[test]
fn row_57_folds() {
    let tree = with_input();
    let folds = |folds: &str| predicted(&tree, &PREDICT.replace("-f 0", folds)).0;
    let (zero, one, both) = (folds("-f 0"), folds("-f 1"), folds("-f 0 1"));
    assert!(furthest(&zero, &one) > 1e-4);
    let mut mean = (zero.mapv(f32::ln) + one.mapv(f32::ln)) / 2.0;
    mean.mapv_inplace(f32::exp);
    let sum = mean.sum_axis(Axis(0)).insert_axis(Axis(0));
    assert!(furthest(&(mean / sum), &both) < 1e-4);
    // without -f all five
    assert_eq!(folds(""), folds("-f 0 1 2 3 4"));
}
