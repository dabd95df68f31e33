//! Image files.

use crate::{
    Tree,
    case::{Case, Start::Raw, cut, raw},
    lab::files,
};
use ndarray::Axis;
use std::{fs, os::unix::fs::symlink};
use volume::image::{Geometry, Image, read_image, read_segmentation, write_image, write_segmentation};

const VERIFY: &str = "host verify -d 001";
const FIRST: &str = "imagesTr/phantom_000_0000.nii.gz";

fn change(tree: &Tree, change: impl FnOnce(&mut Image)) {
    let mut image = read_image(raw(tree, FIRST)).unwrap();
    change(&mut image);
    write_image(raw(tree, FIRST), &image.data, &image.geometry).unwrap();
}

/// Leaves `size` voxels of the middle of each image and label along z, y and x.
fn crop(tree: &Tree, size: [usize; 3]) {
    let part = |axis: usize| {
        move |n: usize| {
            let kept = n.min(size[axis]);
            ndarray::Slice::from((n - kept) / 2..(n - kept) / 2 + kept)
        }
    };
    for file in files(&raw(tree, "imagesTr"), ".nii.gz") {
        let Image { data, geometry } = read_image(&file).unwrap();
        let data = data.slice_each_axis(|axis| if axis.axis.index() == 0 { (..).into() } else { part(axis.axis.index() - 1)(axis.len) });
        write_image(&file, &data, &geometry).unwrap();
    }
    for file in files(&raw(tree, "labelsTr"), ".nii.gz") {
        let (labels, geometry) = read_segmentation(&file).unwrap();
        let labels = labels.slice_each_axis(|axis| part(axis.axis.index())(axis.len));
        write_segmentation(&file, &labels, &geometry).unwrap();
    }
}

/// A NIfTI-1 file with voxels of 16 bits in steps of 0.001, as its bytes are laid out.
fn wrapped(tree: &Tree) {
    let Image { data, geometry } = read_image(raw(tree, FIRST)).unwrap();
    write_image(raw(tree, FIRST).with_extension(""), &data, &geometry).unwrap();
    let plain = raw(tree, FIRST).with_extension("");
    let mut bytes = fs::read(&plain).unwrap()[..352].to_vec();
    fs::remove_file(plain).unwrap();
    bytes[70..72].copy_from_slice(&4_i16.to_le_bytes());
    bytes[72..74].copy_from_slice(&16_i16.to_le_bytes());
    bytes[112..116].copy_from_slice(&0.001_f32.to_le_bytes());
    // a ramp that goes on beyond the greatest, at the least
    bytes.extend((0..data.len()).flat_map(|voxel| ((31 * voxel) as i16).to_le_bytes()));
    fs::write(raw(tree, FIRST), bytes).unwrap();
}

pub(crate) const CASES: &[Case] = &[
    Case { input: "An image that was cut off", from: Raw, breaks: |tree| cut(&raw(tree, FIRST), 60), line: VERIFY, code: 1 },
    Case {
        input: "An image that was cut off, and nobody verified",
        from: Raw,
        breaks: |tree| cut(&raw(tree, FIRST), 60),
        line: "nnUNetv2_plan_and_preprocess -d 001",
        code: 1,
    },
    Case { input: "A file that is no image", from: Raw, breaks: |tree| fs::write(raw(tree, FIRST), "not an image").unwrap(), line: VERIFY, code: 1 },
    Case { input: "An empty file", from: Raw, breaks: |tree| fs::write(raw(tree, FIRST), "").unwrap(), line: VERIFY, code: 1 },
    Case { input: "NaN in an image", from: Raw, breaks: |tree| change(tree, |image| image.data[[0, 1, 2, 3]] = f32::NAN), line: VERIFY, code: 1 },
    Case {
        input: "A channel too many",
        from: Raw,
        breaks: |tree| fs::copy(raw(tree, FIRST), raw(tree, "imagesTr/phantom_000_0001.nii.gz")).map(drop).unwrap(),
        line: VERIFY,
        code: 1,
    },
    Case {
        input: "A channel that is not counted from 0000",
        from: Raw,
        breaks: |tree| fs::rename(raw(tree, FIRST), raw(tree, "imagesTr/phantom_000_0001.nii.gz")).unwrap(),
        line: VERIFY,
        code: 1,
    },
    Case {
        input: "Another spacing than that of the labels",
        from: Raw,
        breaks: |tree| change(tree, |image| image.geometry = Geometry::of_spacing([3.0, 1.0, 1.0])),
        line: VERIFY,
        code: 1,
    },
    Case {
        input: "Another shape than that of the labels",
        from: Raw,
        breaks: |tree| change(tree, |image| image.data = image.data.slice_axis(Axis(1), (..5).into()).to_owned()),
        line: VERIFY,
        code: 1,
    },
    Case { input: "Integers of 16 bits that overflowed", from: Raw, breaks: wrapped, line: VERIFY, code: 0 },
    Case {
        input: "No image in imagesTr",
        from: Raw,
        breaks: |tree| files(&raw(tree, "imagesTr"), "").iter().for_each(|file| fs::remove_file(file).unwrap()),
        line: "nnUNetv2_plan_and_preprocess -d 001 --verify_dataset_integrity",
        code: 1,
    },
    Case {
        input: "No image in imagesTr, and nobody verified",
        from: Raw,
        breaks: |tree| files(&raw(tree, "imagesTr"), "").iter().for_each(|file| fs::remove_file(file).unwrap()),
        line: "nnUNetv2_plan_and_preprocess -d 001",
        code: 1,
    },
    Case { input: "No imagesTr", from: Raw, breaks: |tree| fs::remove_dir_all(raw(tree, "imagesTr")).unwrap(), line: VERIFY, code: 1 },
    Case {
        input: "One case with two endings",
        from: Raw,
        breaks: |tree| {
            let Image { data, geometry } = read_image(raw(tree, FIRST)).unwrap();
            write_image(raw(tree, "imagesTr/phantom_000_0000.nrrd"), &data, &geometry).unwrap();
        },
        line: VERIFY,
        code: 0,
    },
    Case {
        input: "Another ending than dataset.json says",
        from: Raw,
        breaks: |tree| {
            for file in files(&raw(tree, "imagesTr"), ".nii.gz") {
                let Image { data, geometry } = read_image(&file).unwrap();
                fs::remove_file(&file).unwrap();
                write_image(file.to_string_lossy().replace(".nii.gz", ".nrrd"), &data, &geometry).unwrap();
            }
        },
        line: VERIFY,
        code: 1,
    },
    Case {
        input: "A file name that is not UTF-8",
        from: Raw,
        breaks: |tree| {
            use std::os::unix::ffi::OsStrExt;
            fs::rename(raw(tree, FIRST), raw(tree, "imagesTr").join(std::ffi::OsStr::from_bytes(b"f\xfcr_0000.nii.gz"))).unwrap();
        },
        line: VERIFY,
        code: 1,
    },
    Case {
        input: "A link to itself",
        from: Raw,
        breaks: |tree| {
            fs::remove_file(raw(tree, FIRST)).unwrap();
            symlink(raw(tree, FIRST), raw(tree, FIRST)).unwrap();
        },
        line: VERIFY,
        code: 1,
    },
    Case {
        input: "Images of one slice, which have no 3D configuration of low resolution",
        from: Raw,
        breaks: |tree| crop(tree, [1, 99, 99]),
        line: "nnUNetv2_plan_and_preprocess -d 001",
        code: 0,
    },
    Case {
        input: "Images of one voxel",
        from: Raw,
        breaks: |tree| {
            crop(tree, [1, 1, 1]);
            for file in files(&raw(tree, "labelsTr"), ".nii.gz") {
                let (labels, geometry) = read_segmentation(&file).unwrap();
                write_segmentation(&file, &ndarray::Array3::ones(labels.raw_dim()), &geometry).unwrap();
            }
        },
        line: "nnUNetv2_plan_and_preprocess -d 001; nnUNetv2_train 001 2d 0 --epochs 1 --iterations 1 --val-iterations 1 -device cpu",
        code: 1,
    },
];
