//! A model of a plugin that is not installed.

use super::{model, run};
use pipeline::{
    checkpoint::{self, Checkpoint, HostRecord},
    lock::UsedPlugin,
};
use plugin_api::{ComponentRef, TrainerConfig};
use serde_json::Map;
use std::fs;

fn plugin(id: &str, component: &str) -> UsedPlugin {
    UsedPlugin {
        plugin: id.into(),
        version: "1.2.0".into(),
        sha256: "ab".repeat(32),
        repository: "https://example.org/waves".into(),
        components: vec![component.into()],
    }
}

#[test]
fn the_plugin_is_named_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let architecture = Some(ComponentRef { name: "wavy_unet".into(), settings: Map::new() });
    let record = HostRecord {
        host_version: "0.1.0".into(),
        config: TrainerConfig { architecture, ..TrainerConfig::default() },
        plugins: vec![plugin("org.loss", "loss:not_needed"), plugin("org.waves", "architecture:wavy_unet")],
        ..HostRecord::default()
    };
    model::write(&dir.path().join("model"), 16, 3, "waves_250epochs", HostRecord::default());
    // the network is here only to have weights; the plugin that it is said to be of never was
    let path = dir.path().join("model/fold_0/checkpoint_final.pth");
    let trained = Checkpoint { host: record, ..checkpoint::read(&path).unwrap() };
    checkpoint::write(&path, &trained).unwrap();
    let output = run(dir.path(), "predict_from_modelfolder -m model -i images -o out -f 0 -device cpu");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let wanted = "error: model/fold_0/checkpoint_final.pth: trained with the architecture `wavy_unet` of plugin org.waves 1.2.0 (sha256 abababababab...), \
                  which is not here; get it from https://example.org/waves, install it (`host install-plugin`), or name its folder with --plugins-dir: \
                  no architecture is called `wavy_unet`";
    assert!(said.starts_with(wanted) && said.trim_end().lines().count() == 1, "{said}");
}

/// What the plans of a model ask for, with the plugin that the checkpoint knows to have had it; nobody knows whose the last one is.
#[test]
fn the_plans_that_ask_for_it_are_named() {
    for (key, asked, component) in [
        ("DefaultPreprocessor", "the preprocessor `Waves`", "preprocessor:Waves"),
        ("ZScoreNormalization", "the normalization `Waves`", "normalization:Waves"),
        ("ZScoreNormalization", "the normalization `Waves`", "loss:waves"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let record = HostRecord { host_version: "0.1.0".into(), plugins: vec![plugin("org.waves", component)], ..HostRecord::default() };
        model::write(&dir.path().join("model"), 16, 3, "nnUNetTrainer", record);
        let plans = dir.path().join("model/plans.json");
        fs::write(&plans, fs::read_to_string(&plans).unwrap().replace(key, "Waves")).unwrap();
        let output = run(dir.path(), "predict_from_modelfolder -m model -i images -o out -f 0 -device cpu");
        let said = String::from_utf8_lossy(&output.stderr);
        let whose = match component {
            "loss:waves" => ", which no plugin here has; install it",
            _ => " of plugin org.waves 1.2.0 (sha256 abababababab...), which is not here; get it from https://example.org/waves, install it",
        };
        let wanted = format!(
            "error: model/plans.json: 3d_fullres asks for {asked}{whose} (`host install-plugin`), or name its folder with --plugins-dir: no "
        );
        assert!(output.status.code() == Some(1) && said.starts_with(&wanted) && said.trim_end().lines().count() == 1, "{said}");
    }
}
