//! `doctor`: what it says of folders that are there, and of a user who has none.

use crate::User;
use serde_json::Value;

#[test]
fn folders_and_variables() {
    let user = User::new();
    let fit = user.host_with_folders("doctor --json");
    let findings: Vec<Value> = serde_json::from_str(fit.succeeded()).unwrap();
    let of = |what: &str| findings.iter().find(|f| f["what"] == what).unwrap_or_else(|| panic!("nothing about {what}: {findings:?}"));
    for what in ["processor", "memory", "gpu", "nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results", "plugins"] {
        assert_ne!(of(what)["state"], "bad", "{:?}", of(what));
    }
    assert!(of("nnUNet_results")["found"].as_str().unwrap().starts_with("~/nnUNet_results, "));

    let unfit = user.host("doctor");
    assert_eq!(unfit.code, Some(1), "{}", unfit.out);
    assert!(unfit.out.contains("BAD   nnUNet_raw") && unfit.out.contains("nnUNet_raw is not set"), "{}", unfit.out);
    assert_eq!(unfit.err, "error: 3 of what was looked at will make something fail\n");
}
