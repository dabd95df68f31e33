use super::*;
use crate::plan::tests::example;
use crate::progress::silent;
use crate::test_data::{dataset, names, row, write_labels};
use serde_json::{Value, json};
use volume::files::ArrayView;
use volume::files::npz::{Packing, write_npz};

const DATASET: &str = "Dataset001_X";
const TRUTH: [i16; 6] = [0, 1, 1, 0, 0, 0];
const CASES: [&str; 2] = ["a", "b"];

/// Three folders in which `2d`, `3d_lowres` and `3d_cascade_fullres` were trained in two folds.
struct Lab {
    dir: tempfile::TempDir,
    paths: Paths,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path().join("raw"), dir.path().join("pre"), dir.path().join("results"));
        let lab = Self { dir, paths };
        let mut plans = example("ExperimentPlanner");
        let fullres = plans.configurations["3d_fullres"].clone();
        plans.configurations.remove("3d_fullres");
        plans.configurations.insert("3d_lowres".into(), fullres);
        plans.configurations.insert("3d_cascade_fullres".into(), json!({"inherits_from": "3d_lowres", "previous_stage": "3d_lowres"}));
        let preprocessed = lab.dir.path().join("pre").join(DATASET);
        std::fs::create_dir_all(&preprocessed).unwrap();
        plans.write(&preprocessed.join("nnUNetPlans.json")).unwrap();
        for case in CASES {
            write_labels(&preprocessed.join(format!("gt_segmentations/{case}.nii.gz")), &row(&TRUTH));
        }
        // of six voxels: two wrong, one wrong another way
        lab.train("2d", &plans, &[0.1, 0.9, 0.4, 0.1, 0.1, 0.6]);
        lab.train("3d_lowres", &plans, &[0.9, 0.9, 0.4, 0.9, 0.9, 0.9]);
        lab.train("3d_cascade_fullres", &plans, &[0.1, 0.9, 0.9, 0.1, 0.6, 0.1]);
        lab
    }

    fn model(&self, configuration: &str) -> PathBuf {
        self.paths.model(DATASET, "nnUNetTrainer", "nnUNetPlans", configuration).unwrap()
    }

    /// A model whose validations have this probability of label 1.
    fn train(&self, configuration: &str, plans: &Plans, probability: &[f32]) {
        let model = self.model(configuration);
        std::fs::create_dir_all(&model).unwrap();
        plans.write(&model.join("plans.json")).unwrap();
        dataset(json!({"background": 0, "a": 1}), Value::Null).write(&model).unwrap();
        for (fold, case) in CASES.iter().enumerate() {
            let folder = model.join(format!("fold_{fold}/validation"));
            let labels: Vec<i16> = probability.iter().map(|&p| i16::from(p > 0.5)).collect();
            write_labels(&folder.join(format!("{case}.nii.gz")), &row(&labels));
            let all: Vec<f32> = probability.iter().map(|p| 1.0 - p).chain(probability.iter().copied()).collect();
            let view = ArrayView::new(&[2, 1, 1, 6], &all).unwrap();
            write_npz(&folder.join(format!("{case}.npz")), &[("probabilities", view)], Packing::Deflated).unwrap();
            std::fs::write(folder.join("summary.json"), "{}").unwrap();
        }
    }

    fn find(&self, options: &Options) -> Result<Found> {
        find_best(&self.paths, DATASET, options, &silent)
    }

    /// A text with the folder's name taken out.
    fn plain(&self, text: &str) -> String {
        text.replace(&self.dir.path().display().to_string(), "~")
    }
}

fn options() -> Options {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Options {
        candidates: Candidates {
            trainers: names(&["nnUNetTrainer"]),
            configurations: names(&["2d", "3d_fullres", "3d_lowres", "3d_cascade_fullres"]),
            plans: names(&["nnUNetPlans"]),
        },
        folds: vec![0, 1],
        ensembling: true,
        overwrite: true,
        num_processes: 2,
    }
}

#[test]
fn the_best_pair_wins_and_its_commands_run_the_cascade() {
    let lab = Lab::new();
    let found = lab.find(&options()).unwrap();
    assert_eq!(found.skipped, ["nnUNetPlans has no configuration 3d_fullres"]);
    assert_eq!(found.results.len(), 6);
    // the mean of 2d and the cascade is right in every voxel
    assert_eq!(found.best, "ensemble___nnUNetTrainer__nnUNetPlans__2d___nnUNetTrainer__nnUNetPlans__3d_cascade_fullres___0_1");
    let results = lab.dir.path().join("results").join(DATASET);
    let winner = results.join("ensembles").join(&found.best);
    assert_eq!(
        names(&winner),
        ["a.nii.gz", "b.nii.gz", "dataset.json", "plans.json", "postprocessed", "postprocessing.json", "postprocessing.pkl", "summary.json"]
    );
    insta::assert_snapshot!("instructions_of_an_ensemble", lab.plain(&found.instructions));
    let text = std::fs::read_to_string(results.join("inference_information.json")).unwrap();
    insta::assert_snapshot!("information", lab.plain(&text));
    assert_eq!(std::fs::read_to_string(results.join("inference_instructions.txt")).unwrap(), found.instructions);

    // what is there is taken
    std::fs::remove_file(winner.join("a.nii.gz")).unwrap();
    let again = lab.find(&Options { overwrite: false, ..options() }).unwrap();
    assert_eq!((again.results, again.best), (found.results, found.best));
}

#[test]
fn without_ensembles_the_first_of_equals_wins() {
    let lab = Lab::new();
    let found = lab.find(&Options { ensembling: false, ..options() }).unwrap();
    assert_eq!(found.best, "nnUNetTrainer__nnUNetPlans__3d_cascade_fullres");
    assert_eq!(found.information.best_model_or_ensemble.result_on_crossval_post_pp, 1.0, "the stray voxel is another component");
    insta::assert_snapshot!("instructions_of_a_cascade", lab.plain(&found.instructions));
    let only = Candidates { configurations: vec!["2d".into(), "2d".into()], ..options().candidates };
    assert_eq!(lab.find(&Options { ensembling: false, candidates: only, ..options() }).unwrap().best, "nnUNetTrainer__nnUNetPlans__2d");
}

#[test]
fn what_is_missing_is_named_with_its_command() {
    let lab = Lab::new();
    let error = |options: Options| lab.plain(&lab.find(&options).unwrap_err().to_string());
    std::fs::remove_file(lab.model("3d_lowres").join("fold_1/validation/b.npz")).unwrap();
    let text = error(options());
    assert!(
        text.contains("1 of 2 validated cases have no probabilities (.npz)") && text.contains("`nnUNetv2_train Dataset001_X 3d_lowres FOLD"),
        "{text}"
    );
    assert!(lab.find(&Options { ensembling: false, ..options() }).is_ok());
    assert!(error(Options { folds: vec![0, 1, 2], ..options() }).contains("there is no finished validation of fold_2"));
    std::fs::remove_dir_all(lab.model("3d_lowres")).unwrap();
    let text = error(options());
    assert!(text.contains("there is no trained model ~/results/Dataset001_X/nnUNetTrainer__nnUNetPlans__3d_lowres; train it with"), "{text}");
    let none = Candidates { configurations: vec!["3d_fullres".into()], ..options().candidates };
    assert!(error(Options { candidates: none, ..options() }).contains("there is no model to compare"));
    let other = Candidates { plans: vec!["Other".into()], ..options().candidates };
    assert!(error(Options { candidates: other, ..options() }).contains("Other.json"));
}
