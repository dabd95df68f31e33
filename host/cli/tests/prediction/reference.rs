//! Models that nnU-Net trained, and what it predicted with them.

use super::succeed;
use std::{
    fs,
    path::{Path, PathBuf},
};
use volume::{files::npz::read_npz_array, image::read_segmentation};

/// Model, nnU-Net's segmentations of 20 images, its probabilities of three, and the flag that it had.
const RUNS: [(&str, &str, &str, &str); 3] =
    [("small", "small_tta", "prob3_small", ""), ("full", "tta", "prob3_tta", ""), ("full", "notta", "prob3_notta", "--disable_tta")];

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(ending));
    files.sort();
    files
}

/// The smallest share of equal voxels among the images of `wanted`.
fn agreement(found: &Path, wanted: &Path) -> f64 {
    let shares = files(wanted, ".nii.gz").into_iter().map(|path| {
        let (truth, _) = read_segmentation(&path).unwrap();
        let (labels, _) = read_segmentation(found.join(path.file_name().unwrap())).unwrap();
        assert_eq!(labels.dim(), truth.dim(), "{}", path.display());
        labels.iter().zip(&truth).filter(|(a, b)| a == b).count() as f64 / truth.len() as f64
    });
    shares.fold(1.0, f64::min)
}

/// 99.9 % of the voxels of each image agree, and probabilities are within 2e-3 (they are stored as f16, which nnU-Net's logits were, too).
#[test]
#[ignore = "minutes"]
fn every_prediction_of_nnunet() {
    let Some(reference) = std::env::var_os("NNUNET_REFERENCE").map(PathBuf::from) else {
        return eprintln!("skipped: NNUNET_REFERENCE is not set");
    };
    let dir = tempfile::tempdir().unwrap();
    for (model, segmentations, probabilities, flag) in RUNS {
        let [all, three] = [segmentations, probabilities].map(|name| (reference.join("predict").join(name), dir.path().join(name)));
        let model = reference.join("training").join(model);
        let predict = |images: &Path, output: &Path, more: &str| {
            let (model, images, output) = (model.display(), images.display(), output.display());
            succeed(dir.path(), &format!("predict_from_modelfolder -m {model} -i {images} -o {output} -f 0 -device cpu {flag} {more}"));
        };
        predict(&reference.join("predict/images"), &all.1, "");
        let images = dir.path().join(format!("{probabilities}_images"));
        fs::create_dir(&images).unwrap();
        for npz in files(&three.0, ".npz") {
            let name = format!("{}_0000.nii.gz", npz.file_stem().unwrap().to_string_lossy());
            fs::copy(reference.join("predict/images").join(&name), images.join(&name)).unwrap();
        }
        predict(&images, &three.1, "--save_probabilities");
        let cases = files(&all.0, ".nii.gz").len();
        let share = agreement(&all.1, &all.0).min(agreement(&three.1, &three.0));
        let mut worst = 0.0_f32;
        for npz in files(&three.0, ".npz") {
            let [found, wanted] = [&three.1, &three.0].map(|folder| read_npz_array(&folder.join(npz.file_name().unwrap()), "probabilities").unwrap());
            assert_eq!(found.shape(), wanted.shape());
            worst = found.to_f32().iter().zip(wanted.to_f32()).map(|(a, b)| (a - b).abs()).fold(worst, f32::max);
        }
        println!("{segmentations}: {cases} images, at least {:.4} % of the voxels agree; {probabilities}: within {worst:.1e}", 100.0 * share);
        assert!(cases == 20 && share >= 0.999 && worst <= 2e-3, "{segmentations}: {cases} images, {share}, {worst}");
    }
}
