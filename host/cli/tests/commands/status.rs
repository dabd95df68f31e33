//! `status` and `monitor`: what they say of folds in each state.

use crate::{Done, User};
use insta::assert_snapshot;
use pipeline::claim::Claim;
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    time::{Duration, UNIX_EPOCH},
};

const MODEL: &str = "nnUNet_results/Dataset004_A/nnUNetTrainer__nnUNetPlans__2d";

/// Four folds: validated, finished, stopped, not begun; the fifth is a training on all cases that never came to a checkpoint.
fn user() -> User {
    let user = User::new();
    let write = |name: &str, text: &str| {
        let path = user.path(MODEL).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(UNIX_EPOCH + Duration::from_secs(1_700_000_000)).unwrap();
    };
    let row = |epoch: usize| {
        let rise = epoch as f64 / 10.0;
        format!("{epoch},0.0{},{:.2},{:.2},{rise:.2},{:.2},12.5\n", 9 - epoch, 0.5 - rise, 0.6 - rise * rise, rise / 2.0)
    };
    let metrics = |epochs: usize| {
        let head = "epoch,learning_rate,train_loss,val_loss,mean_fg_dice,ema_fg_dice,seconds\n".to_owned();
        head + &(0..epochs).map(row).collect::<String>()
    };
    for (fold, epochs) in [("0", 8), ("1", 8), ("2", 5)] {
        let debug = json!({"num_epochs": 8, "command": ["train", "4", "2d", fold, "-tr", "250epochs", "--epochs", "8"]});
        write(&format!("fold_{fold}/debug.json"), &debug.to_string());
        write(&format!("fold_{fold}/training_log.txt"), "");
        write(&format!("fold_{fold}/metrics.csv"), &metrics(epochs));
        write(&format!("fold_{fold}/checkpoint_best.pth"), "");
    }
    write("fold_0/checkpoint_final.pth", "");
    write("fold_1/checkpoint_final.pth", "");
    let scores = json!({"Dice": 0.875, "FN": 0.0, "FP": 0.0, "IoU": 0.5, "TN": 0.0, "TP": 0.0, "n_pred": 0.0, "n_ref": 0.0});
    write("fold_0/validation/summary.json", &json!({"foreground_mean": scores, "mean": {}, "metric_per_case": []}).to_string());
    write("fold_all/training_log.txt", "");
    let splits = json!([0, 1, 2, 3].map(|_| json!({"train": ["a"], "val": ["b"]})));
    fs::create_dir_all(user.path("nnUNet_preprocessed/Dataset004_A")).unwrap();
    fs::write(user.path("nnUNet_preprocessed/Dataset004_A/splits_final.json"), splits.to_string()).unwrap();
    user
}

fn host(user: &User, line: &str) -> Done {
    let folders = ["nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"].map(|name| (name, user.path(name)));
    user.run(&user.path("host"), line, &[folders.as_slice(), &[("TZ", "UTC".into())]].concat())
}

#[test]
fn a_table_for_each_model() {
    let user = user();
    assert_snapshot!(host(&user, "status").succeeded());
    assert_eq!(host(&user, "status 4").out, host(&user, "status Dataset004_A").out);
    assert_snapshot!("no_model_yet", host(&user, "status Dataset005_B").succeeded());
    assert!(host(&user, "status 5").failed_with(1).contains("no folder Dataset005_..."));
}

#[test]
fn who_works_on_a_fold_is_named() {
    let user = user();
    let claim = Claim::take(&user.path(MODEL).join("fold_2")).unwrap();
    let (table, id) = (host(&user, "status").succeeded().to_owned(), std::process::id());
    assert!(table.contains("running    5/8") && table.contains(&format!("fold 2 is worked on by process {id} on ")), "{table}");
    let models: Value = serde_json::from_str(host(&user, "status --json").succeeded()).unwrap();
    let fold = &models[0]["folds"][2];
    assert_eq!((&fold["state"], &fold["process"]["pid"], &fold["command"]), (&json!("running"), &json!(id), &Value::Null));
    assert_eq!(models[0]["folds"][0]["validation_dice"], json!(0.875));
    let shown = host(&user, &format!("monitor {MODEL}/fold_2 --once"));
    assert!(shown.succeeded().contains("running: process") && shown.out.contains(" left\n"), "{}", shown.out);
    drop(claim);
    assert!(host(&user, "status").out.contains("stopped    5/8"));
}

#[test]
fn curves_and_lines() {
    let user = user();
    assert_snapshot!("monitor_once", host(&user, &format!("monitor {MODEL}/fold_2 --once")).succeeded());
    // nobody trains, so it tells what there is and ends
    assert_snapshot!("monitor_lines", host(&user, &format!("monitor {MODEL}/fold_1")).succeeded());
    let model = host(&user, &format!("monitor {MODEL} --once"));
    assert_eq!(model.succeeded().matches("learning rate").count(), 4, "{}", model.out);
    assert_snapshot!("monitor_no_model", host(&user, "monitor nnUNet_results").failed_with(1));
}
