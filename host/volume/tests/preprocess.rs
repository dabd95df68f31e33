//! Reading, cropping and resampling together, against nnU-Net's preprocessed cases and exported segmentations.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers outside #[test] functions, too
mod common;

use common::{Npz, json, lengths, numbers, reference};
use ndarray::{Array3, Array4, Axis, Ix3, Ix4};
use std::fs;
use std::path::{Path, PathBuf};
use volume::crop::{Cropped, crop_to_nonzero};
use volume::image::{read_channels, read_segmentation};
use volume::resample::{ResampleOptions, compute_new_shape, resample_channel, resample_seg};

/// A crafted case, read, transposed and cropped.
struct Case {
    folder: PathBuf,
    cropped: Cropped,
    /// Of the file and of the plans, transposed.
    spacing: [f64; 3],
    target: [f64; 3],
    /// Shape before cropping, transposed.
    whole: [usize; 3],
    transpose: [usize; 3],
}

fn case(folder: &Path) -> Case {
    let plans = json(&folder.join("plans.json"));
    let transpose = lengths(&plans["transpose_forward"]);
    let turn = |[a, b, c]: [usize; 3]| [0, a + 1, b + 1, c + 1];
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.to_string_lossy().contains("in_0"));
    names.sort();
    let (image, warnings) = read_channels(&names).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let (seg, _) = read_segmentation(folder.join("in_seg.nii.gz")).unwrap();
    let spacing = transpose.map(|axis| image.spacing()[axis]);
    let data = image.data.permuted_axes(turn(transpose));
    let seg = seg.permuted_axes(transpose);
    let configuration = plans["configurations"].as_object().unwrap().values().next().unwrap();
    let target = match configuration["spacing"].as_array().unwrap().len() {
        2 => {
            let [y, x] = numbers(&configuration["spacing"]);
            [spacing[0], y, x]
        }
        _ => numbers(&configuration["spacing"]),
    };
    let whole = [data.shape()[1], data.shape()[2], data.shape()[3]];
    Case { folder: folder.to_owned(), cropped: crop_to_nonzero(data, Some(seg)), spacing, target, whole, transpose }
}

fn crafted() -> Vec<Case> {
    let Some(folder) = reference("preproc/crafted") else { return Vec::new() };
    let cases: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| case(&entry.unwrap().path())).collect();
    assert_eq!(cases.len(), 18);
    cases
}

fn dim(array: &Array3<i16>) -> [usize; 3] {
    let (depth, height, width) = array.dim();
    [depth, height, width]
}

#[test]
fn boxes_shapes_and_labels() {
    for Case { folder, cropped, spacing, target, .. } in crafted() {
        let properties = &json(&folder.join("out.json"))["properties"];
        let bbox = properties["bbox_used_for_cropping"].as_array().unwrap();
        for (found, wanted) in cropped.bbox.iter().zip(bbox) {
            assert_eq!(found.map(|bound| bound as f64), numbers(wanted), "{}", folder.display());
        }
        assert_eq!(dim(&cropped.seg), lengths(&properties["shape_after_cropping_and_before_resampling"]));

        let wanted = Npz::open(&folder.join("out.npz")).get("seg").mapv(|label| label as i16);
        let wanted = wanted.index_axis_move(Axis(0), 0).into_dimensionality::<Ix3>().unwrap();
        let shape = compute_new_shape(dim(&cropped.seg), spacing, target);
        let found = resample_seg(&cropped.seg, shape, spacing, target, &ResampleOptions::LABELS);
        assert_eq!(found.dim(), wanted.dim(), "{}", folder.display());
        let different = found.iter().zip(&wanted).filter(|(found, wanted)| found != wanted).count();
        println!("{}: {different} of {} labels differ", folder.display(), found.len());
        assert!(different as f64 <= 0.0005 * found.len() as f64, "{}: {different} labels differ", folder.display());
    }
}

#[test]
fn an_image_that_is_not_normalised() {
    let Some(folder) = reference("preproc/crafted/multichannel_mixed_norms") else { return };
    let Case { cropped, spacing, target, .. } = case(&folder);
    let wanted = Npz::open(&folder.join("out.npz")).get("data");
    let shape = compute_new_shape(dim(&cropped.seg), spacing, target);
    let plain = cropped.data.index_axis(Axis(0), 4);
    let found = resample_channel(&plain, shape, spacing, target, &ResampleOptions::IMAGE);
    let worst = found.iter().zip(wanted.index_axis(Axis(0), 4)).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
    println!("largest difference {worst:.1e}");
    assert!(worst <= 1e-4, "{worst}");
}

#[test]
fn logits_on_the_way_back() {
    let mut compared = 0;
    for Case { folder, cropped, spacing, target, whole, transpose } in crafted() {
        let path = folder.join("export.npz");
        if !path.exists() {
            continue;
        }
        let mut npz = Npz::open(&path);
        let logits: Array4<f32> = npz.get("logits_f16").mapv(|v| v as f32).into_dimensionality::<Ix4>().unwrap();
        if dim(&cropped.seg).contains(&0) || json(&folder.join("dataset.json")).get("regions_class_order").is_some() {
            continue;
        }
        let mut best = Array3::from_elem(cropped.seg.raw_dim(), (0i16, f32::NEG_INFINITY));
        for (label, class) in logits.outer_iter().enumerate() {
            let class = resample_channel(&class, dim(&cropped.seg), target, spacing, &ResampleOptions::LABELS);
            best.zip_mut_with(&class, |best, &value| {
                if value > best.1 {
                    *best = (label as i16, value);
                }
            });
        }
        let mut found = Array3::zeros(whole);
        let [z, y, x] = cropped.bbox.map(|[low, high]| low..high);
        found.slice_mut(ndarray::s![z, y, x]).assign(&best.mapv(|(label, _)| label));
        let mut backward = [0; 3];
        for (to, from) in transpose.into_iter().enumerate() {
            backward[from] = to;
        }
        let found = found.permuted_axes(backward);
        let wanted = npz.get("seg_f32");
        assert_eq!(found.shape(), wanted.shape(), "{}", folder.display());
        let different = found.iter().zip(&wanted).filter(|(a, b)| f64::from(**a) != **b).count();
        println!("{}: {different} of {} labels differ", folder.display(), found.len());
        assert!(different as f64 <= 0.0005 * found.len() as f64, "{}: {different} labels differ", folder.display());
        compared += 1;
    }
    assert!(compared > 0 || std::env::var_os("NNUNET_REFERENCE").is_none());
}
