//! Lines that make no sense, and variables that are not there.

use crate::case::{
    Case,
    Start::{Planned, Raw},
    nothing, raw,
};
use std::fs;

pub(crate) const CASES: &[Case] = &[
    Case {
        input: "A flag that does not exist",
        from: Raw,
        breaks: nothing,
        line: "nnUNetv2_predict -i INPUT -o OUTPUT -d 001 -c 3d_fullres -step_sise 0.5",
        code: 2,
    },
    Case { input: "A command that does not exist", from: Raw, breaks: nothing, line: "host trian 001 3d_fullres 0", code: 2 },
    Case { input: "An argument that is missing", from: Raw, breaks: nothing, line: "nnUNetv2_train 001 3d_fullres", code: 2 },
    Case { input: "A fold that is no number", from: Raw, breaks: nothing, line: "nnUNetv2_train 001 3d_fullres zero", code: 2 },
    Case {
        input: "A step that is no share of the patch",
        from: Raw,
        breaks: nothing,
        line: "nnUNetv2_predict -i INPUT -o OUTPUT -d 001 -c 3d_fullres --step_size 2",
        code: 2,
    },
    Case {
        input: "Flags that exclude each other",
        from: Raw,
        breaks: nothing,
        line: "nnUNetv2_train 001 3d_fullres 0 --c -pretrained_weights checkpoint_final.pth --epochs 1 --iterations 1 --val-iterations 1 -device cpu",
        code: 2,
    },
    Case {
        input: "A folder's variable that is not set",
        from: Raw,
        breaks: nothing,
        line: "unset nnUNet_raw; nnUNetv2_extract_fingerprint -d Dataset001_Name",
        code: 1,
    },
    Case {
        input: "A variable that is neither true nor false",
        from: Planned,
        breaks: nothing,
        line: "nnUNet_use_amp=perhaps nnUNetv2_train 001 3d_fullres 0 --epochs 1 --iterations 1 --val-iterations 1 -device cpu",
        code: 1,
    },
    Case {
        input: "A variable that is no number",
        from: Planned,
        breaks: nothing,
        line: "nnUNet_n_proc_DA=many nnUNetv2_train 001 3d_fullres 0 --epochs 1 --iterations 1 --val-iterations 1 -device cpu",
        code: 1,
    },
    Case {
        input: "More devices than samples in a batch",
        from: Planned,
        breaks: nothing,
        line: "nnUNetv2_train 001 3d_fullres 0 -device cpu -num_gpus 3",
        code: 1,
    },
    Case { input: "All GPUs, on the processor", from: Planned, breaks: nothing, line: "nnUNetv2_train 001 3d_fullres 0 -device cpu --ddp", code: 2 },
    Case { input: "A dataset that is not there", from: Raw, breaks: nothing, line: "nnUNetv2_plan_and_preprocess -d 7", code: 1 },
    Case { input: "A dataset that is no name", from: Raw, breaks: nothing, line: "nnUNetv2_plan_and_preprocess -d Liver", code: 1 },
    Case {
        input: "Two datasets with one number",
        from: Raw,
        breaks: |tree| fs::create_dir(raw(tree, "").with_file_name("Dataset001_Other")).unwrap(),
        line: "nnUNetv2_plan_and_preprocess -d 001",
        code: 1,
    },
];
