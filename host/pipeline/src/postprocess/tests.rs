use super::*;
use crate::dataset::DatasetJson;
use crate::dataset::tests::{in_files, write_endless};
use crate::evaluate::Structure;
use crate::json;
use crate::progress::silent;
use crate::test_data::{dataset, folder, names, reference, row, write_labels};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use volume::image::read_segmentation;

const OPTIONS: Options = Options { keep_files: true, num_processes: 2 };

fn copy(from: &Path, to: &Path, ending: &str) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().ends_with(ending) {
            fs::write(to.join(path.file_name().unwrap()), fs::read(&path).unwrap()).unwrap();
        }
    }
}

/// Every number of two JSON texts within 1e-9, all else equal.
fn close(found: &Value, wanted: &Value, at: &str) {
    match (found, wanted) {
        (Value::Object(a), Value::Object(b)) => {
            assert!(a.keys().eq(b.keys()), "{at}: {:?} and {:?}", a.keys(), b.keys());
            a.iter().for_each(|(key, value)| close(value, &b[key], &format!("{at}.{key}")));
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{at}");
            a.iter().zip(b).for_each(|(a, b)| close(a, b, at));
        }
        (Value::Number(a), Value::Number(b)) => assert!((a.as_f64().unwrap() - b.as_f64().unwrap()).abs() <= 1e-9, "{at}: {a} and {b}"),
        _ => assert_eq!(found, wanted, "{at}"),
    }
}

/// What nnU-Net determined from the validation of a real training, and what it made of other predictions with it.
#[test]
fn steps_scores_and_voxels_are_nnunets() {
    let (Some(model), Some(truth)) = (reference("training/full"), folder("NNUNET_TEST_DATA", "Dataset004_Hippocampus/labelsTr")) else { return };
    let (validation, dir) = (model.join("fold_0/validation"), tempfile::tempdir().unwrap());
    copy(&validation, dir.path(), ".nii.gz");
    let labels = DatasetJson::read(&model).unwrap();
    let found = determine(dir.path(), &truth, &labels, &OPTIONS, &silent).unwrap();
    assert_eq!(found.unpredicted.len(), 48);
    let read = |path: &Path| json::read::<Value>(path).unwrap();
    close(&read(&dir.path().join("postprocessing.json")), &read(&validation.join("postprocessing.json")), "");
    let text = |path: &Path| fs::read_to_string(path).unwrap();
    assert_eq!(text(&dir.path().join("postprocessing.json")), text(&validation.join("postprocessing.json")), "to the byte");

    let theirs = Postprocessing::read(&validation.join("postprocessing.json")).unwrap();
    assert_eq!((&found.postprocessing, theirs.0.len()), (&theirs, 3));
    assert_eq!(Postprocessing::read(&dir.path().join("postprocessing.pkl")).unwrap(), theirs);

    let (input, wanted, output) = (reference("predict/tta").unwrap(), reference("predict/tta_pp").unwrap(), dir.path().join("applied"));
    assert_eq!(apply(&input, &output, &theirs, &labels, 2, &silent).unwrap(), 20);
    for name in names(&wanted) {
        let [found, wanted] = [&output, &wanted].map(|folder| read_segmentation(folder.join(&name)).unwrap());
        assert_eq!(found.0, wanted.0, "{name}");
    }
    assert!(output.join("plans.json").exists() && output.join("dataset.json").exists());
}

/// `pickle.dumps(([f, f, f], [{"labels_or_regions": [1, 2]}, {"labels_or_regions": 1}, {"labels_or_regions": (2, 3)}]))` of Python 3.11,
/// `f` being nnU-Net's function.
const PICKLE: &str = "800495ad000000000000005d94288c336e6e756e657476322e706f737470726f63657373696e672e72656d6f76655f636f6e6e65637465645f636f6d706f\
6e656e7473948c3272656d6f76655f616c6c5f6275745f6c6172676573745f636f6d706f6e656e745f66726f6d5f7365676d656e746174696f6e949394680368\
03655d94287d948c116c6162656c735f6f725f726567696f6e73945d94284b014b0265737d9468064b01737d9468064b024b038694736586942e";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
}

#[test]
fn a_pickle_of_python_is_read_and_one_of_ours_holds_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let [theirs, ours, none] = ["theirs.pkl", "ours.pkl", "none.pkl"].map(|name| dir.path().join(name));
    fs::write(&theirs, bytes(PICKLE)).unwrap();
    let steps = Postprocessing(vec![
        KeepLargest::OfAll(vec![Structure::Label(1), Structure::Label(2)]),
        KeepLargest::Of(Structure::Label(1)),
        KeepLargest::Of(Structure::Region(vec![2, 3])),
    ]);
    assert_eq!(Postprocessing::read(&theirs).unwrap(), steps);
    steps.write(&ours).unwrap();
    assert_eq!(Postprocessing::read(&ours).unwrap(), steps);
    fs::write(&none, bytes("80049507000000000000005d945d9486942e")).unwrap();
    assert_eq!(Postprocessing::read(&none).unwrap(), Postprocessing::default());
}

#[test]
fn a_file_with_anything_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let error = |name: &str, content: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        Postprocessing::read(&path).unwrap_err().to_string()
    };
    assert!(error("a.pkl", b"cos\nsystem\n(X\x04\x00\x00\x00truetR.").contains("a.pkl: pickle at byte 0: `os.system` is not on the list"));
    assert!(error("b.pkl", b"\x80\x04]\x94.").contains("not nnU-Net's pair of functions"));
    assert!(error("c.pkl", b"\x80\x04](K\x01e](K\x01e\x86.").contains("each must be remove_all_but"));
    let mut other = PICKLE.replace("6c6162656c735f6f725f726567696f6e73", "6c6162656c735f6f725f726567696f6e74");
    assert!(error("d.pkl", &bytes(&other)).contains("wanted `labels_or_regions` with labels"));
    other.truncate(100);
    assert!(error("e.pkl", &bytes(&other)).contains("e.pkl"));
    assert!(error("f.json", b"{\"postprocessing_fns\": [\"rm\"], \"postprocessing_kwargs\": [{}]}").contains("holds \"rm\""));
    assert!(error("g.json", b"{\"postprocessing_fns\": []}").contains("no list `postprocessing_kwargs`"));
}

/// The foreground as a whole is one piece with a bridge; a class alone is not.
#[test]
fn a_step_is_accepted_only_if_it_helps() {
    let dir = tempfile::tempdir().unwrap();
    let (truth, predictions) = (dir.path().join("truth"), dir.path().join("predictions"));
    write_labels(&truth.join("a.nii.gz"), &row(&[0, 1, 1, 1, 2, 2, 0, 0, 2, 0]));
    // a stray 1 in one piece with the rest; the far 2 is right and lost if the foreground is cut
    write_labels(&predictions.join("a.nii.gz"), &row(&[0, 1, 1, 1, 2, 2, 1, 0, 2, 0]));
    let labels = dataset(json!({"background": 0, "a": 1, "b": 2}), Value::Null);
    let found = determine(&predictions, &truth, &labels, &OPTIONS, &silent).unwrap();
    assert_eq!(found.postprocessing.0, [KeepLargest::Of(Structure::Label(1))]);
    let accepted: Vec<_> = found.trials.iter().map(|trial| (trial.structure.as_deref(), trial.accepted)).collect();
    assert_eq!(accepted, [(None, false), (Some("1"), true), (Some("2"), false)]);
    assert!(found.after.foreground_mean.dice == 1.0 && found.before.foreground_mean.dice < 1.0);
    assert_eq!(read_segmentation(predictions.join("postprocessed/a.nii.gz")).unwrap().0, row(&[0, 1, 1, 1, 2, 2, 0, 0, 2, 0]));
    assert_eq!(names(&predictions), ["a.nii.gz", "postprocessed", "postprocessing.json", "postprocessing.pkl", "summary.json"]);
    // again, without the files
    let again = determine(&predictions, &truth, &labels, &Options { keep_files: false, ..OPTIONS }, &silent).unwrap();
    assert_eq!(again.postprocessing, found.postprocessing);
    assert!(!predictions.join("postprocessed").exists());
}

/// Cutting a region takes voxels of the region inside it, so that the next step starts from there.
#[test]
fn regions_come_one_after_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let (truth, predictions) = (dir.path().join("truth"), dir.path().join("predictions"));
    write_labels(&truth.join("a.nii.gz"), &row(&[0, 1, 2, 2, 1, 1, 0, 0, 0, 0]));
    write_labels(&predictions.join("a.nii.gz"), &row(&[0, 1, 2, 2, 1, 1, 0, 0, 2, 2]));
    let labels = dataset(json!({"background": 0, "whole": [1, 2], "core": [2]}), json!([1, 2]));
    let found = determine(&predictions, &truth, &labels, &OPTIONS, &silent).unwrap();
    // the first step has done it all
    assert_eq!(found.postprocessing.0, [KeepLargest::OfAll(vec![Structure::Label(1), Structure::Label(2)])]);
    assert_eq!(found.trials.iter().map(|trial| trial.structure.as_deref()).collect::<Vec<_>>(), [None, Some("(1, 2)"), Some("(2,)")]);
    assert_eq!(found.after.foreground_mean.dice, 1.0);
}

#[test]
fn predictions_without_truth_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    let (truth, predictions) = (dir.path().join("truth"), dir.path().join("predictions"));
    write_labels(&truth.join("a.nii.gz"), &row(&[0, 1]));
    fs::create_dir(&predictions).unwrap();
    let labels = dataset(json!({"background": 0, "a": 1}), Value::Null);
    let run = || determine(&predictions, &truth, &labels, &OPTIONS, &silent).unwrap_err().to_string();
    assert!(run().contains("there is no prediction"));
    write_labels(&predictions.join("b.nii.gz"), &row(&[0, 1]));
    assert!(run().contains("no reference for the prediction(s) b.nii.gz"));
    let empty = Postprocessing::default();
    for output in [predictions.clone(), truth.join("../predictions")] {
        let error = apply(&predictions, &output, &empty, &labels, 1, &silent).unwrap_err().to_string();
        assert!(error.contains("is both input and output"), "{error}");
    }
    assert!(apply(&dir.path().join("nowhere"), &dir.path().join("out"), &empty, &labels, 1, &silent).is_err());
    assert!(!dir.path().join("out").exists());
}

/// A reader that turns images, and predictions of two files each: what is written lies as the prediction does, and can be read alone.
#[test]
fn postprocessed_files_lie_as_the_predictions() {
    let labels = dataset(json!({"background": 0, "a": 1, "b": 2}), Value::Null);
    let (right, stray) = (row(&[0, 1, 1, 1, 2, 2, 0, 0, 0]), row(&[0, 1, 1, 1, 2, 2, 0, 2, 0]));
    for (ending, reader, predicted) in [(".nii.gz", "SimpleITKIOWithReorient", &stray), (".mhd", "SimpleITKIO", &right)] {
        let dir = tempfile::tempdir().unwrap();
        let (truth, predictions, name) = (dir.path().join("truth"), dir.path().join("predictions"), format!("a{ending}"));
        write_labels(&truth.join(&name), &right);
        write_labels(&predictions.join(&name), predicted);
        determine(&predictions, &truth, &in_files(&labels, ending, reader), &OPTIONS, &silent).unwrap();
        assert_eq!(read_segmentation(predictions.join("postprocessed").join(&name)).unwrap().0, right, "{ending}");
    }
}

#[test]
fn a_case_that_fits_into_no_memory_is_named_and_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let [truth, predictions, output] = ["truth", "predictions", "output"].map(|name| dir.path().join(name));
    for folder in [&truth, &predictions] {
        fs::create_dir(folder).unwrap();
        write_endless(&folder.join("a.mhd"));
    }
    let labels = in_files(&dataset(json!({"background": 0, "a": 1}), Value::Null), ".mhd", "SimpleITKIO");
    let errors = [
        determine(&predictions, &truth, &labels, &OPTIONS, &silent).map(drop),
        apply(&predictions, &output, &Postprocessing::default(), &labels, 2, &silent).map(drop),
    ];
    for error in errors.map(|done| done.unwrap_err().to_string()) {
        assert!(error.starts_with("case a.mhd: needs ") && error.contains("GiB of memory"), "{error}");
    }
    assert!(!output.exists());
}
