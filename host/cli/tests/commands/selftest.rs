//! `selftest`, with the way of a GPU computed on the processor.

use crate::User;
use serde_json::Value;
use std::fs;

#[test]
fn a_device_is_held_against_the_processor() {
    let user = User::new();
    let said = user.host("selftest -device flex --part ops --json results.json");
    assert!(said.finished().starts_with("good  operations, float32: ") && said.out.contains("good  operations, mixed: "), "{}", said.out);
    let said = user.host("selftest -device cpu --part train memory --json results.json");
    assert!(said.finished().contains("good  memory: 0 tensors were left behind in 50 iterations"), "{}", said.out);
    let results: Value = serde_json::from_slice(&fs::read(user.path("results.json")).unwrap()).unwrap();
    let parts: Vec<&String> = results["parts"].as_object().unwrap().keys().collect();
    assert_eq!(parts, ["ops", "train", "memory"], "a part of an earlier run stays");
    assert_eq!(results["parts"]["train"]["checks"][0]["device"].as_array().unwrap().len(), 20);
}

#[test]
fn parts_have_names() {
    let user = User::new();
    let said = user.host("selftest --part ops bench-3d");
    assert!(
        said.failed_with(2)
            .contains("there is no part bench-3d; there are ops, train, plugins, memory, bench-ct, bench-prostate, bench-brats, bench-2d")
    );
    let said = user.host("selftest -device cuda");
    assert!(said.failed_with(1).contains("CUDA"), "{}", said.err);
}
