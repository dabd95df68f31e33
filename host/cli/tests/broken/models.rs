//! Trained models, and what is predicted with them.

use crate::{
    Tree,
    case::{Case, Start::Trained, cut, edit, model, nothing, raw},
    lab::files,
};
use serde_json::json;
use std::{fs, io::Write};
use zip::{ZipWriter, write::SimpleFileOptions};

const PREDICT: &str = "nnUNetv2_predict -i $nnUNet_raw/Dataset001_Name/imagesTs -o OUTPUT -d 001 -c 3d_fullres -f 0 -device cpu";
const CHECKPOINT: &str = "fold_0/checkpoint_final.pth";

/// A checkpoint file with these members.
fn checkpoint_of(tree: &Tree, members: &[(&str, &[u8])]) {
    let mut zip = ZipWriter::new(fs::File::create(model(tree, CHECKPOINT)).unwrap());
    for (name, bytes) in members {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

pub(crate) const CASES: &[Case] = &[
    Case {
        input: "A model that was not trained",
        from: Trained,
        breaks: nothing,
        line: "nnUNetv2_predict -i INPUT -o OUTPUT -d 001 -c 3d_lowres -device cpu",
        code: 1,
    },
    Case {
        input: "A fold that was not trained",
        from: Trained,
        breaks: |tree| fs::remove_dir_all(model(tree, "fold_3")).unwrap(),
        line: "nnUNetv2_predict -i INPUT -o OUTPUT -d 001 -c 3d_fullres -device cpu",
        code: 1,
    },
    Case { input: "A checkpoint that was cut off", from: Trained, breaks: |tree| cut(&model(tree, CHECKPOINT), 80), line: PREDICT, code: 1 },
    Case {
        input: "A checkpoint of other bytes",
        from: Trained,
        breaks: |tree| fs::write(model(tree, CHECKPOINT), [0x5a; 4000]).unwrap(),
        line: PREDICT,
        code: 1,
    },
    Case {
        input: "A checkpoint without its pickle",
        from: Trained,
        breaks: |tree| checkpoint_of(tree, &[("archive/data/0", b"1234")]),
        line: PREDICT,
        code: 1,
    },
    Case {
        input: "A checkpoint that would run a program",
        from: Trained,
        breaks: |tree| {
            checkpoint_of(tree, &[("archive/data.pkl", b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R."), ("archive/byteorder", b"little")])
        },
        line: PREDICT,
        code: 1,
    },
    Case {
        input: "A checkpoint of nnssl",
        from: Trained,
        breaks: |tree| {
            let pickle = b"\x80\x02}X\x15\x00\x00\x00nnssl_adaptation_planK\x01s.";
            checkpoint_of(tree, &[("archive/data.pkl", pickle), ("archive/byteorder", b"little")]);
        },
        line: PREDICT,
        code: 1,
    },
    Case {
        input: "A training that goes on from a damaged checkpoint",
        from: Trained,
        breaks: |tree| cut(&model(tree, CHECKPOINT), 80),
        line: "nnUNetv2_train 001 3d_fullres 0 --c --epochs 1 --iterations 1 --val-iterations 1 -device cpu",
        code: 1,
    },
    Case {
        input: "A checkpoint of another network than the plans'",
        from: Trained,
        breaks: |tree| {
            edit(&model(tree, "plans.json"), |plans| {
                plans["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"]["features_per_stage"] = json!([2, 8])
            })
        },
        line: PREDICT,
        code: 1,
    },
    Case {
        input: "A model without dataset.json",
        from: Trained,
        breaks: |tree| fs::remove_file(model(tree, "dataset.json")).unwrap(),
        line: PREDICT,
        code: 1,
    },
    Case {
        input: "A folder of images that is empty",
        from: Trained,
        breaks: |tree| fs::create_dir(tree.path("INPUT")).unwrap(),
        line: "nnUNetv2_predict -i INPUT -o OUTPUT -d 001 -c 3d_fullres -f 0 -device cpu",
        code: 1,
    },
    Case {
        input: "A folder of images that is not there",
        from: Trained,
        breaks: nothing,
        line: "nnUNetv2_predict -i INPUT -o OUTPUT -d 001 -c 3d_fullres -f 0 -device cpu",
        code: 1,
    },
    Case {
        input: "An image to predict that lacks a channel",
        from: Trained,
        breaks: |tree| {
            for file in files(&raw(tree, "imagesTs"), "0000.nii.gz").iter().take(1) {
                fs::rename(file, file.to_string_lossy().replace("_0000", "_0001")).unwrap();
            }
        },
        line: PREDICT,
        code: 1,
    },
    Case {
        input: "An image to predict that was cut off",
        from: Trained,
        breaks: |tree| files(&raw(tree, "imagesTs"), "0000.nii.gz").iter().take(1).for_each(|file| cut(file, 70)),
        line: PREDICT,
        code: 1,
    },
    Case { input: "An output that is a file", from: Trained, breaks: |tree| fs::write(tree.path("OUTPUT"), "").unwrap(), line: PREDICT, code: 1 },
    Case {
        input: "Images and predictions in one folder",
        from: Trained,
        breaks: |tree| fs::create_dir(tree.path("INPUT")).unwrap(),
        line: "nnUNetv2_predict -i INPUT -o INPUT -d 001 -c 3d_fullres -f 0 -device cpu",
        code: 1,
    },
    Case {
        input: "Probabilities of different cases",
        from: Trained,
        breaks: nothing,
        line: "cd $nnUNet_results/Dataset001_Name/nnUNetTrainer__nnUNetPlans__2d; nnUNetv2_ensemble -i fold_0/validation fold_1/validation -o OUTPUT",
        code: 1,
    },
    Case {
        input: "Postprocessing that would run a program",
        from: Trained,
        breaks: |tree| fs::write(tree.path("postprocessing.pkl"), b"cos\nsystem\n(X\x04\x00\x00\x00truetR.").unwrap(),
        line: "nnUNetv2_apply_postprocessing -i $nnUNet_raw/Dataset001_Name/labelsTr -o OUTPUT -pp_pkl_file postprocessing.pkl",
        code: 1,
    },
];
