//! What `--help` says.

use crate::User;
use insta::assert_snapshot;

#[test]
fn of_the_host() {
    let user = User::new();
    assert_snapshot!(user.host("--help").succeeded());
    assert_eq!(user.host("-help").succeeded(), user.host("-h").succeeded());
    assert_eq!(user.host("").failed_with(2), user.host("--help").succeeded());
    assert_eq!(user.host("--version").succeeded(), format!("host {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn of_each_command() {
    let user = User::new();
    let commands = [
        "extract_fingerprint",
        "plan_experiment",
        "preprocess",
        "plan_and_preprocess",
        "train",
        "status",
        "monitor",
        "cluster",
        "cluster slurm",
        "predict",
        "predict_from_modelfolder",
        "evaluate_folder",
        "evaluate_simple",
        "plans",
        "plans check",
        "plans show",
        "plans diff",
        "report",
        "verify",
        "relabel",
        "split",
        "accumulate_crossval_results",
        "find_best_configuration",
        "ensemble",
        "determine_postprocessing",
        "apply_postprocessing",
        "export_model_to_zip",
        "export_onnx",
        "install_pretrained_model_from_zip",
        "download_pretrained_model_by_url",
        "move_plans_between_datasets",
        "convert_MSD_dataset",
        "convert_old_nnUNet_dataset",
        "plot_overlay_pngs",
        "list-plugins",
        "install-plugin",
        "remove-plugin",
        "trust",
        "new-plugin",
        "plugin-key",
        "sign-plugin",
        "package-plugin",
        "validate-plugin",
        "parity",
        "doctor",
        "selftest",
        "generate_dataset_json",
        "demo",
        "link",
        "completions",
        "man",
    ];
    for command in commands {
        assert_snapshot!(format!("help_{command}"), user.host(&format!("{command} --help")).succeeded());
    }
}
