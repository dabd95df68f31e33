//! The validations of several folds as one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use volume::files::atomic::copy_atomic;

use crate::dataset::DatasetJson;
use crate::error::{Error, Result};
use crate::evaluate::{self, Summary, files};
use crate::paths::Paths;
use crate::progress::Report;
use crate::train::Fold;

/// `0_1_2_3_4`, as names of folders have it.
pub fn folds_name(folds: &[Fold]) -> String {
    folds.iter().map(Fold::name).collect::<Vec<_>>().join("_")
}

/// `crossval_results_folds_0_1_2_3_4` in the folder of a model.
pub fn folder(model: &Path, folds: &[Fold]) -> PathBuf {
    model.join(format!("crossval_results_folds_{}", folds_name(folds)))
}

/// The folder of true segmentations of `dataset` (its folder name): `labelsTr`, or where that is not there what preprocessing copied.
///
/// # Errors
/// A variable is not set.
pub fn references(paths: &Paths, dataset: &str) -> Result<PathBuf> {
    if let Some(raw) = paths.raw().ok().map(|raw| raw.join(dataset).join("labelsTr")).filter(|folder| folder.is_dir()) {
        return Ok(raw);
    }
    Ok(paths.preprocessed()?.join(dataset).join("gt_segmentations"))
}

/// The files that end in `ending` in `fold_X/validation` of all `folds` of the model, by their names.
///
/// # Errors
/// Folds that were not validated, all listed; a file that two folds have.
pub(crate) fn validated(model: &Path, folds: &[Fold], ending: &str) -> Result<BTreeMap<String, PathBuf>> {
    let validation = |fold: &Fold| model.join(fold.folder()).join("validation");
    let missing: Vec<String> = folds.iter().filter(|fold| !validation(fold).join("summary.json").is_file()).map(Fold::folder).collect();
    if !missing.is_empty() {
        let what = format!("there is no finished validation of {}; train and validate it (--val), or leave it out with -f", missing.join(", "));
        return Err(Error::content(model, what));
    }
    let (mut found, mut twice) = (BTreeMap::new(), Vec::new());
    for folder in folds.iter().map(validation) {
        for name in files(&folder, &[ending])? {
            let path = folder.join(&name);
            if let Some(other) = found.insert(name, path.clone()) {
                twice.push(format!("{} and {}", other.display(), path.display()));
            }
        }
    }
    if !twice.is_empty() {
        return Err(Error::content(model, format!("folds share cases: {}; a case belongs to one fold", twice.join("; "))));
    }
    Ok(found)
}

/// Copies the segmentations of all `folds` of the model to `output`, with `dataset.json` and `plans.json`, scores them against
/// `references` and writes `summary.json` last. With `keep` a summary of these very cases that is there already is taken.
///
/// What was in `output` before is removed.
///
/// # Errors
/// Folds that were not validated; a case in two folds; no case; a case without reference; files that cannot be read or written.
pub fn accumulate(
    model: &Path,
    folds: &[Fold],
    output: &Path,
    references: &Path,
    keep: bool,
    num_processes: usize,
    report: Report<'_>,
) -> Result<Summary> {
    let dataset = DatasetJson::read(model)?;
    let predictions = validated(model, folds, &dataset.file_ending)?;
    if predictions.is_empty() {
        return Err(Error::content(model, format!("folds {} have no segmentation that ends in {}", folds_name(folds), dataset.file_ending)));
    }
    if let Some(summary) = keep.then(|| finished(output, &predictions)).flatten() {
        return Ok(summary);
    }
    if output.exists() {
        std::fs::remove_dir_all(output).map_err(Error::io("remove", output))?;
    }
    std::fs::create_dir_all(output).map_err(Error::io("create", output))?;
    for (name, path) in &predictions {
        crate::dataset::copy_labels(path, &output.join(name), &dataset)?;
    }
    for name in ["dataset.json", "plans.json"] {
        copy_atomic(&model.join(name), &output.join(name))?;
    }
    evaluate::evaluate_folder(
        references,
        output,
        &dataset,
        &evaluate::Options { output: None, chill: true, num_processes, ..Default::default() },
        report,
    )
}

/// The summary in `output`, if it is of these cases.
fn finished(output: &Path, predictions: &BTreeMap<String, PathBuf>) -> Option<Summary> {
    let summary = Summary::read(&output.join("summary.json")).ok()?;
    let name = |file: &str| Path::new(file).file_name().map(|name| name.to_string_lossy().into_owned());
    let scored: Option<Vec<String>> = summary.metric_per_case.iter().map(|case| name(&case.prediction_file)).collect();
    scored.filter(|scored| scored.iter().eq(predictions.keys())).map(|_| summary)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::silent;
    use crate::test_data::{dataset, folder as data, names, reference, row, write_labels};
    use serde_json::{Value, json};
    use std::fs;

    const FOLDS: [Fold; 2] = [Fold::Number(0), Fold::Number(1)];

    #[test]
    fn a_real_validation_has_nnunets_summary() {
        let (Some(real), Some(truth)) = (reference("training/full"), data("NNUNET_TEST_DATA", "Dataset004_Hippocampus/labelsTr")) else { return };
        let dir = tempfile::tempdir().unwrap();
        let (model, wanted) = (dir.path().join("model"), reference("predict/cv_accum").unwrap());
        fs::create_dir_all(model.join("fold_0/validation")).unwrap();
        for name in names(&real.join("fold_0/validation")).into_iter().filter(|name| name.ends_with(".nii.gz")) {
            copy_atomic(&real.join("fold_0/validation").join(&name), &model.join("fold_0/validation").join(&name)).unwrap();
        }
        fs::write(model.join("fold_0/validation/summary.json"), "{}").unwrap();
        ["plans.json", "dataset.json"].iter().for_each(|name| copy_atomic(&real.join(name), &model.join(name)).unwrap());
        let output = dir.path().join("pred/cv_accum");
        let mut summary = accumulate(&model, &FOLDS[..1], &output, &truth, false, 2, &silent).unwrap();
        assert_eq!(names(&output), names(&wanted));
        for case in &mut summary.metric_per_case {
            case.prediction_file = case.prediction_file.replace(&format!("{}/", dir.path().display()), "");
            case.reference_file = case.reference_file.replace(&truth.display().to_string(), "nnUNet_raw/Dataset004_Hippocampus/labelsTr");
        }
        summary.write(&dir.path().join("summary.json")).unwrap();
        let text = |path: PathBuf| fs::read_to_string(path).unwrap();
        assert_eq!(text(dir.path().join("summary.json")), text(wanted.join("summary.json")), "to the byte");
    }

    #[test]
    fn folds_are_put_together_and_their_faults_named() {
        let dir = tempfile::tempdir().unwrap();
        let (model, truth, output) = (dir.path().join("model"), dir.path().join("truth"), dir.path().join("out"));
        fs::create_dir(&model).unwrap();
        dataset(json!({"background": 0, "a": 1}), Value::Null).write(&model).unwrap();
        fs::write(model.join("plans.json"), "{}").unwrap();
        let run = |keep| accumulate(&model, &FOLDS, &output, &truth, keep, 1, &silent);
        assert!(run(false).unwrap_err().to_string().contains("there is no finished validation of fold_0, fold_1; train and validate it"));
        for (fold, case) in [(0, "a"), (1, "b")] {
            write_labels(&truth.join(format!("{case}.nii.gz")), &row(&[0, 1]));
            write_labels(&model.join(format!("fold_{fold}/validation/{case}.nii.gz")), &row(&[0, 1]));
            fs::write(model.join(format!("fold_{fold}/validation/summary.json")), "{}").unwrap();
        }
        assert_eq!(run(false).unwrap().metric_per_case.len(), 2);
        assert_eq!(names(&output), ["a.nii.gz", "b.nii.gz", "dataset.json", "plans.json", "summary.json"]);
        assert_eq!(folder(&model, &FOLDS), model.join("crossval_results_folds_0_1"));

        // what is there is taken if it is of the same cases
        write_labels(&output.join("b.nii.gz"), &row(&[1, 0]));
        assert_eq!(run(true).unwrap().foreground_mean.dice, 1.0);
        write_labels(&truth.join("c.nii.gz"), &row(&[0, 1]));
        write_labels(&model.join("fold_1/validation/c.nii.gz"), &row(&[1, 0]));
        assert_eq!(run(true).unwrap().metric_per_case.len(), 3);

        write_labels(&model.join("fold_1/validation/a.nii.gz"), &row(&[0, 1]));
        let error = run(false).unwrap_err().to_string();
        assert!(error.contains("folds share cases: ") && error.contains("fold_0/validation/a.nii.gz and "), "{error}");
        fs::remove_file(model.join("fold_1/validation/a.nii.gz")).unwrap();
        fs::remove_file(truth.join("b.nii.gz")).unwrap();
        assert!(run(false).unwrap_err().to_string().contains("no reference for the prediction(s) b.nii.gz"));
    }

    #[test]
    fn references_are_the_raw_labels_where_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path().join("raw"), dir.path().join("pre"), dir.path().join("results"));
        assert_eq!(references(&paths, "D").unwrap(), dir.path().join("pre/D/gt_segmentations"));
        fs::create_dir_all(dir.path().join("raw/D/labelsTr")).unwrap();
        assert_eq!(references(&paths, "D").unwrap(), dir.path().join("raw/D/labelsTr"));
    }
}
