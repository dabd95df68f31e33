//! Each state, from the files that make it.

use super::*;
use crate::claim::Claim;
use serde_json::json;
use std::fs;

const MODEL: &str = "Dataset004_A/nnUNetTrainer__nnUNetPlans__2d";

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn each_state_with_the_command_that_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("res").join(MODEL);
    let fold = |n: &str| model.join(format!("fold_{n}"));
    let paths = Paths::new(dir.path().join("raw"), dir.path().join("pre"), dir.path().join("res"));
    let metrics = "epoch,learning_rate,train_loss,val_loss,mean_fg_dice,ema_fg_dice,seconds\n0,0.01,-0.5,-0.25,0.5,0.25,1.5\n";
    let debug = json!({"num_epochs": 3, "command": ["train", "4", "2d", "0", "--epochs", "3"]}).to_string();
    for n in ["0", "1", "2", "3"] {
        write(&fold(n), "training_log.txt", "");
        write(&fold(n), "metrics.csv", metrics);
        write(&fold(n), "debug.json", &debug);
    }
    for (n, name) in [("0", "final"), ("1", "final"), ("1", "best"), ("2", "best"), ("2", "latest")] {
        write(&fold(n), &format!("checkpoint_{name}.pth"), "");
    }
    write(&fold("0"), "validation/summary.json", r#"{"foreground_mean": {}, "#);
    write(&fold("all"), "training_log.txt", "");
    write(&dir.path().join("pre/Dataset004_A"), "splits_final.json", r#"[{"train": ["a"], "val": ["b"]}]"#);
    write(&dir.path().join("res/Dataset004_A"), "ensembles/x/y", "");

    let held = Claim::take(&fold("3")).unwrap();
    let models_found = models(&paths, &[]).unwrap();
    let [found] = &models_found[..] else { panic!("{models_found:?}") };
    assert_eq!((found.dataset.as_str(), found.configuration.as_str(), found.folder.as_path()), ("Dataset004_A", "2d", model.as_path()));
    let of = |n: usize| &found.folds[n];
    let states: Vec<(&str, State, Option<&str>)> = found.folds.iter().map(|f| (f.fold.as_str(), f.state, f.command.as_deref())).collect();
    assert_eq!(
        states,
        [
            ("0", State::Validated, None),
            ("1", State::Finished, Some("host train 4 2d 1 --epochs 3 --val")),
            ("2", State::Stopped, Some("host train 4 2d 2 --epochs 3 --c")),
            ("3", State::Running, None),
            ("all", State::Stopped, Some("host train 4 2d fold_all --epochs 3")),
        ]
    );
    assert!(of(0).problem.as_ref().unwrap().contains("summary.json"), "{:?}", of(0));
    assert_eq!((of(2).epoch, of(2).epochs, of(2).pseudo_dice, of(2).ema_pseudo_dice), (1, Some(3), Some(0.5), Some(0.25)));
    assert_eq!((of(2).checkpoint.as_deref(), of(1).checkpoint.as_deref()), (Some("checkpoint_latest.pth"), None));
    assert_eq!(of(3).process.as_ref().unwrap().pid, std::process::id());

    drop(held);
    let one = of_folder(&fold("3")).unwrap();
    assert_eq!((one.folds.len(), one.folds[0].state, one.fold_folder("3")), (1, State::Stopped, fold("3")));
    fs::remove_dir_all(fold("3")).unwrap();
    assert_eq!(models(&paths, &["Dataset004_A".into()]).unwrap()[0].folds.len(), 4);
    assert!(of_folder(&fold("3")).is_err() && of_folder(dir.path()).is_err());
    assert_eq!(models(&paths, &["Dataset005_B".into()]).unwrap(), []);
}
