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
        "predict",
        "predict_from_modelfolder",
        "evaluate_folder",
        "evaluate_simple",
        "verify",
        "list-plugins",
        "trust",
        "validate-plugin",
        "demo",
        "link",
    ];
    for command in commands {
        assert_snapshot!(format!("help_{command}"), user.host(&format!("{command} --help")).succeeded());
    }
}
