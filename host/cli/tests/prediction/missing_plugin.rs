//! A model of a plugin that is not installed.

use super::{model, run};
use pipeline::checkpoint::HostRecord;
use plugin_api::{ComponentRef, TrainerConfig};
use registry::Provenance;
use serde_json::Map;

#[test]
fn the_plugin_is_named_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let ours = Provenance { plugin: "waves".into(), version: "1.2.0".into(), sha256: None, file: Some("/elsewhere/libwaves.so".into()) };
    let architecture = Some(ComponentRef { name: "wavy_unet".into(), settings: Map::new() });
    let record = HostRecord {
        host_version: "0.1.0".into(),
        config: TrainerConfig { architecture, ..TrainerConfig::default() },
        components: vec![ours.clone(), ours],
        ..HostRecord::default()
    };
    model::write(&dir.path().join("model"), 16, 3, "waves_250epochs", record);
    let output = run(dir.path(), "predict_from_modelfolder -m model -i images -o out -f 0 -device cpu");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let wanted = "error: model/fold_0/checkpoint_final.pth: config `waves_250epochs` was trained with plugin waves (libwaves.so) 1.2.0, which is \
                  not here; install it, or name its folder with --plugins-dir: no architecture is called `wavy_unet`";
    assert!(said.starts_with(wanted) && said.trim_end().lines().count() == 1, "{said}");
}
