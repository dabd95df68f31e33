//! Flags that the guide does not name and users of nnU-Net type all the same.

use crate::{
    Tree,
    lab::{DATASET, SHORT, files, small},
};
use std::fs;

#[test]
fn the_flags_of_planning() {
    let tree = Tree::of_phantom(&small());
    tree.typed("nnUNetv2_plan_and_preprocess -d 001 --no_pp -np 1 -npfp 1");
    let folder = tree.path("pre").join(DATASET);
    assert!(folder.join("nnUNetPlans.json").is_file() && !folder.join("nnUNetPlans_2d").exists());
    let fingerprint = || fs::metadata(folder.join("dataset_fingerprint.json")).unwrap().modified().unwrap();
    let before = fingerprint();
    tree.typed("nnUNetv2_extract_fingerprint -d 001 -np 1");
    assert_eq!(fingerprint(), before, "what is there is kept");
    tree.typed("nnUNetv2_extract_fingerprint -d 001 -fpe DatasetFingerprintExtractor --clean");
    assert_ne!(fingerprint(), before);
    // cases at a time for each configuration
    tree.typed("nnUNetv2_preprocess -d 001 -c 2d 3d_fullres -np 2 1");
    for configuration in ["2d", "3d_fullres"] {
        assert_eq!(files(&folder.join(format!("nnUNetPlans_{configuration}")), ".npz").len(), 5);
    }
}

#[test]
fn the_flags_of_training() {
    let tree = Tree::planned();
    fs::copy(tree.plans_file(), tree.plans_file().with_file_name("Mine.json")).unwrap();
    tree.typed(&format!("nnUNetv2_train 001 3d_fullres 0 -p Mine -num_gpus 1 {SHORT}"));
    let fold = tree.path("res").join(DATASET).join("nnUNetTrainer__Mine__3d_fullres/fold_0");
    let best = fold.join("checkpoint_best.pth");
    fs::remove_dir_all(fold.join("validation")).unwrap();
    let said = tree.typed("nnUNetv2_train 001 3d_fullres 0 -p Mine --val --val_best -device cpu");
    assert!(said.contains("Mean Validation Dice: ") && fold.join("validation/summary.json").is_file(), "{said}");
    fs::remove_file(best).unwrap();
    let said = tree.refused("nnUNetv2_train 001 3d_fullres 0 -p Mine --val --val_best -device cpu", 1);
    assert!(said.contains("has no checkpoint_best.pth"), "{said}");
}

#[test]
fn a_citation_is_asked_for() {
    let tree = Tree::planned();
    let cites = |said: &str| said.contains("please cite nnU-Net when you publish: Isensee et al.");
    assert!(cites(&tree.typed(&format!("nnUNetv2_train 001 3d_fullres 0 {SHORT}"))));
    let log = tree.path("res").join(DATASET).join("nnUNetTrainer__nnUNetPlans__3d_fullres/fold_0/training_log.txt");
    assert!(cites(&fs::read_to_string(log).unwrap()));
    assert!(cites(
        &tree.typed(&format!("nnUNetv2_predict -i $nnUNet_raw/{DATASET}/imagesTr -o out -d 001 -c 3d_fullres -f 0 --disable_tta -device cpu"))
    ));
}

/// Variables of nnU-Net for processes and ports that are not there.
#[test]
fn variables_that_change_nothing() {
    let tree = Tree::planned();
    let variables = "export nnUNet_npp=2\nexport nnUNet_nps=3\nexport MASTER_PORT=29501\n";
    tree.typed(&format!("{variables}nnUNetv2_train 001 3d_fullres 0 {SHORT}"));
    let predict =
        |out: &str| format!("nnUNetv2_predict -i $nnUNet_raw/{DATASET}/imagesTr -o {out} -d 001 -c 3d_fullres -f 0 --disable_tta -device cpu");
    tree.typed(&format!("{variables}{}", predict("with")));
    tree.typed(&predict("without"));
    for file in files(&tree.path("with"), ".nii.gz") {
        let other = tree.path("without").join(file.file_name().unwrap());
        assert!(fs::read(&file).unwrap() == fs::read(other).unwrap(), "{}", file.display());
    }
}
