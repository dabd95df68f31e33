//! What the system refuses.

use crate::case::{
    Case,
    Start::{Planned, Raw, Trained},
    nothing,
};
use std::fs;

// a limit on the size of files (512 bytes each) stands for a disk without room: what is written beyond it fails
pub(crate) const CASES: &[Case] = &[
    Case {
        input: "A disk that is full while cases are preprocessed",
        from: Planned,
        breaks: |tree| fs::remove_dir_all(tree.path("pre/Dataset001_Name/nnUNetPlans_3d_fullres")).unwrap(),
        line: "trap '' XFSZ; ulimit -f 16; nnUNetv2_preprocess -d 001 -c 3d_fullres -np 1",
        code: 1,
    },
    Case {
        input: "A disk that is full while a network is trained",
        from: Planned,
        breaks: nothing,
        line: "trap '' XFSZ; ulimit -f 20; nnUNetv2_train 001 3d_fullres 0 --epochs 1 --iterations 1 --val-iterations 1 --seed 1 -device cpu",
        code: 1,
    },
    Case {
        input: "A disk that is full while images are predicted",
        from: Trained,
        breaks: nothing,
        line: "trap '' XFSZ; ulimit -f 4; nnUNetv2_predict -i $nnUNet_raw/Dataset001_Name/imagesTs -o OUTPUT -d 001 -c 3d_fullres -f 0 --save_probabilities -device cpu",
        code: 1,
    },
    Case {
        // unlike a mode that forbids to write, a file in the place of a folder stops root, too
        input: "A results folder that cannot be made",
        from: Planned,
        breaks: |tree| fs::write(tree.path("file"), "").unwrap(),
        line: "nnUNet_results=file/results nnUNetv2_train Dataset001_Name 3d_fullres 0 --epochs 1 --iterations 1 --val-iterations 1 -device cpu",
        code: 1,
    },
    Case {
        input: "A folder of preprocessed data that cannot be made",
        from: Raw,
        breaks: |tree| fs::write(tree.path("file"), "").unwrap(),
        line: "nnUNet_preprocessed=file/preprocessed nnUNetv2_plan_and_preprocess -d Dataset001_Name",
        code: 1,
    },
];
