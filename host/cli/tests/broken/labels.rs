//! Label files.

use crate::{
    Tree,
    case::{Case, Start::Raw, cut, raw},
    lab::files,
};
use ndarray::{Array3, Axis};
use std::fs;
use volume::image::{read_segmentation, write_image, write_segmentation};

const VERIFY: &str = "host verify -d 001";
const FIRST: &str = "labelsTr/phantom_000.nii.gz";

fn change(tree: &Tree, file: &str, change: impl FnOnce(&mut Array3<f32>)) {
    let (labels, geometry) = read_segmentation(raw(tree, file)).unwrap();
    let mut values = labels.mapv(f32::from);
    change(&mut values);
    write_image(raw(tree, file), &values.insert_axis(Axis(0)), &geometry).unwrap();
}

pub(crate) const CASES: &[Case] = &[
    Case { input: "A label image that was cut off", from: Raw, breaks: |tree| cut(&raw(tree, FIRST), 60), line: VERIFY, code: 1 },
    Case { input: "NaN in a label image", from: Raw, breaks: |tree| change(tree, FIRST, |v| v[[1, 2, 3]] = f32::NAN), line: VERIFY, code: 1 },
    Case { input: "A label that is no integer", from: Raw, breaks: |tree| change(tree, FIRST, |v| v[[1, 2, 3]] = 0.5), line: VERIFY, code: 1 },
    Case {
        input: "A label that dataset.json does not name",
        from: Raw,
        breaks: |tree| change(tree, FIRST, |v| v[[1, 2, 3]] = 7.0),
        line: VERIFY,
        code: 1,
    },
    Case {
        input: "A label that dataset.json does not name, and nobody verified",
        from: Raw,
        breaks: |tree| change(tree, FIRST, |v| v[[1, 2, 3]] = 7.0),
        line: "nnUNetv2_plan_and_preprocess -d 001 -c 3d_fullres",
        code: 1,
    },
    Case {
        input: "No foreground in any case",
        from: Raw,
        breaks: |tree| {
            for file in files(&raw(tree, "labelsTr"), ".nii.gz") {
                let (labels, geometry) = read_segmentation(&file).unwrap();
                write_segmentation(&file, &Array3::zeros(labels.raw_dim()), &geometry).unwrap();
            }
        },
        line: VERIFY,
        code: 1,
    },
    Case { input: "A label image that is missing", from: Raw, breaks: |tree| fs::remove_file(raw(tree, FIRST)).unwrap(), line: VERIFY, code: 1 },
    Case {
        input: "A label image that is missing, and nobody verified",
        from: Raw,
        breaks: |tree| fs::remove_file(raw(tree, FIRST)).unwrap(),
        line: "nnUNetv2_plan_and_preprocess -d 001",
        code: 1,
    },
    Case {
        input: "A label image without an image",
        from: Raw,
        breaks: |tree| fs::copy(raw(tree, FIRST), raw(tree, "labelsTr/stranger.nii.gz")).map(drop).unwrap(),
        line: VERIFY,
        code: 0,
    },
];
