//! The guide's "Specialized Training Scenarios": rows 38 to 49, and its links.

use crate::{
    Tree,
    lab::{CPU, DATASET, SHORT, copy, files, small},
};
use ndarray::Axis;
use pipeline::{json, phantom::PhantomSpec};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::Path};
use volume::image::{read_segmentation, write_image};

const TRAIN: &str = "nnUNetv2_train 001 3d_fullres 0";

/// Planned, shrunk and preprocessed for 3d_fullres.
fn prepared(spec: &PhantomSpec) -> Tree {
    let tree = Tree::of_phantom(spec);
    prepare(&tree);
    tree
}

fn prepare(tree: &Tree) {
    tree.typed("nnUNetv2_plan_and_preprocess -d 001 -c 3d_fullres --verify_dataset_integrity");
    tree.shrink();
    tree.typed("nnUNetv2_preprocess -d 001 -c 3d_fullres");
}

/// All labels in the segmentations of a folder.
fn labels_in(folder: &Path) -> BTreeSet<i16> {
    files(folder, ".nii.gz").iter().flat_map(|file| read_segmentation(file).unwrap().0.into_iter()).collect()
}

#[test]
fn row_38_regions_are_trained_scored_and_written_as_labels() {
    let tree = prepared(&PhantomSpec { regions: true, ..small() });
    let said = tree.typed(&format!("{TRAIN} {SHORT}"));
    let dice = said.lines().find_map(|line| line.split_once("Pseudo dice ")).unwrap().1;
    assert_eq!(dice.split(',').count(), 2, "one for each region: {dice}");
    let fold = tree.default_fold("3d_fullres", 0);
    let summary: Value = json::read(&fold.0.join("validation/summary.json")).unwrap();
    let regions: Vec<&String> = summary["mean"].as_object().unwrap().keys().collect();
    assert_eq!(regions, ["(1, 2)", "(2,)"]);
    // what is written are the integers of `regions_class_order`
    tree.typed(&format!("nnUNetv2_predict -i $nnUNet_raw/{DATASET}/imagesTs -o OUTPUT -d 001 -c 3d_fullres -f 0 {CPU}"));
    let labels = labels_in(&tree.path("OUTPUT"));
    assert!(labels.len() > 1 && labels.is_subset(&BTreeSet::from([0, 1, 2])), "{labels:?}");
}

/// The guide's -1 and the highest label + 1 make the same training, in which the ignore label is never predicted.
#[test]
fn row_40_an_ignore_label_of_minus_one_or_the_highest() {
    let spec = PhantomSpec { ignore: true, ..small() };
    let (highest, minus) = (Tree::of_phantom(&spec), Tree::of_phantom(&spec));
    let raw = minus.raw.join(DATASET);
    let mut about: Value = json::read(&raw.join("dataset.json")).unwrap();
    about["labels"]["ignore"] = json!(-1);
    json::write(&raw.join("dataset.json"), &about).unwrap();
    for file in files(&raw.join("labelsTr"), ".nii.gz") {
        let (labels, geometry) = read_segmentation(&file).unwrap();
        assert!(labels.iter().any(|&label| label == 3));
        let image = labels.mapv(|label| if label == 3 { -1.0 } else { f32::from(label) }).insert_axis(Axis(0));
        write_image(&file, &image, &geometry).unwrap();
    }
    let weights = [&highest, &minus].map(|tree| {
        prepare(tree);
        let said = tree.typed(&format!("{TRAIN} {SHORT}"));
        assert!(said.contains("train_loss ") && !said.contains("NaN"), "{said}");
        assert!(!labels_in(&tree.default_fold("3d_fullres", 0).0.join("validation")).contains(&3));
        tree.default_fold("3d_fullres", 0).checkpoint().weights
    });
    assert!(weights[0] == weights[1], "-1 is another label than the highest");
}

/// Train, move the plans, fine-tune: the three lines of the guide.
#[test]
fn rows_42_to_44_pretraining_and_fine_tuning() {
    let tree = Tree::planned();
    tree.typed(&format!("{TRAIN} {SHORT}"));
    // the target, whose raw folder stands beside the source's
    let target = Tree::of_phantom(&PhantomSpec { dataset: "Dataset002_Target".into(), seed: 2, ..small() });
    ["pre", "res"].iter().for_each(|folder| copy(&tree.path(folder), &target.path(folder)));
    let tree = target;

    tree.typed("nnUNetv2_move_plans_between_datasets -s 001 -t 002 -c 3d_fullres");
    assert_eq!(tree.plans()["dataset_name"], "Dataset002_Target");
    assert_eq!(tree.plans()["configurations"].as_object().unwrap().keys().collect::<Vec<_>>(), ["3d_fullres"]);
    tree.typed("nnUNetv2_preprocess -d 002 -c 3d_fullres");

    // a learning rate that changes nothing shows whose weights they are
    tree.plugin("still.toml", b"initial_lr = 1e-30\n");
    let source = "$nnUNet_results/Dataset001_Name/nnUNetTrainer__nnUNetPlans__3d_fullres/fold_0/checkpoint_final.pth";
    let tune = format!("nnUNetv2_train 002 3d_fullres 0 -pretrained_weights {source} -tr still --plugins-dir plugins");
    let said = tree.typed(&format!("{tune} {SHORT}"));
    assert!(said.contains("pretrained weights from ") && said.contains(" tensors, heads left out"), "{said}");
    let read = |path: &str| pipeline::checkpoint::read(&tree.path("res").join(path).join("fold_0/checkpoint_final.pth")).unwrap().weights;
    let from = read("Dataset001_Name/nnUNetTrainer__nnUNetPlans__3d_fullres");
    let tuned = read("Dataset002_Target/still__nnUNetPlans__3d_fullres");
    assert_eq!(from.len(), tuned.len());
    for (from, tuned) in from.iter().zip(&tuned) {
        let head = from.name.contains(".seg_layers.");
        assert_eq!(from.data == tuned.data, !head, "{}", from.name);
    }

    let said = tree.refused(&format!("{tune} --c {SHORT}"), 2);
    assert!(said.contains("cannot be used with"), "{said}");
    tree.edit(|c| c["3d_fullres"]["architecture"]["arch_kwargs"]["features_per_stage"] = json!([2, 6]));
    let said = tree.refused(&format!("{tune} {SHORT}"), 1);
    assert!(said.contains("encoder.stages.1") && said.contains('6') && said.contains('4'), "{said}");
}

/// Any number of splits in the place that the guide names; a fold beyond them is drawn, and the log says so.
#[test]
fn rows_46_and_47_splits_of_ones_own() {
    let tree = Tree::planned();
    let case = |n: usize| format!("phantom_{n:03}");
    let splits = json!([
        {"train": [case(1), case(2), case(3)], "val": [case(4)]},
        {"train": [case(1), case(2), case(4)], "val": [case(3)]}
    ]);
    let file = tree.path("pre/Dataset001_Name/splits_final.json");
    fs::write(&file, splits.to_string()).unwrap();
    for (fold, counts, noted) in [(0, [3, 1], false), (1, [3, 1], false), (2, [4, 1], true)] {
        let said = tree.typed(&format!("nnUNetv2_train 001 3d_fullres {fold} {SHORT}"));
        assert!(said.contains(&format!("{} training and {} validation cases", counts[0], counts[1])), "{said}");
        assert_eq!(said.contains("warning: fold 2 is beyond the 2 splits; 80 % of the cases drawn at random train"), noted, "{said}");
    }
    let validated = files(&tree.default_fold("3d_fullres", 1).0.join("validation"), ".nii.gz");
    assert!(validated.len() == 1 && validated[0].ends_with("phantom_003.nii.gz"), "{validated:?}");
    assert_eq!(json::read::<Value>(&file).unwrap(), splits, "the file is the user's");

    // one that comes with the raw data goes there
    let other = Tree::of_phantom(&small());
    fs::write(other.raw.join(DATASET).join("splits_final.json"), splits.to_string()).unwrap();
    other.typed("nnUNetv2_plan_and_preprocess -d 001 -c 3d_fullres");
    assert_eq!(json::read::<Value>(&other.path("pre/Dataset001_Name/splits_final.json")).unwrap(), splits);
}

/// scikit-learn's KFold(5, shuffle=True, random_state=12345) of the sorted cases, which nnU-Net uses.
#[test]
fn row_48_five_random_folds_by_default() {
    let tree = Tree::with_models();
    let splits: Value = json::read(&tree.path("pre/Dataset001_Name/splits_final.json")).unwrap();
    let validated: Vec<&Value> = splits.as_array().unwrap().iter().map(|split| &split["val"]).collect();
    let wanted = [0, 4, 3, 1, 2].map(|n| json!([format!("phantom_{n:03}")]));
    assert_eq!(validated, wanted.iter().collect::<Vec<_>>());
    assert_eq!(splits[1]["train"], json!(["phantom_000", "phantom_001", "phantom_002", "phantom_003"]));
}

/// What the guide links to has a page here; `every_link_leads_somewhere` looks at the links between pages.
#[test]
fn rows_39_and_41_and_45_and_49_and_83_the_links_have_their_pages() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let summary = fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    for page in [
        "region-based-training",
        "ignore-label",
        "pretraining-and-finetuning",
        "manual-data-splits",
        "getting-started",
        "design",
        "dataset-format",
        "architectures",
    ] {
        assert!(docs.join(format!("{page}.md")).is_file() && summary.contains(&format!("({page}.md)")), "{page}");
    }
}
