//! A model of a plugin that is not installed.

use super::{model, run};
use pipeline::{checkpoint::HostRecord, lock::UsedPlugin};
use plugin_api::{ComponentRef, TrainerConfig};
use serde_json::Map;

#[test]
fn the_plugin_is_named_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let plugin = |id: &str, component: &str| UsedPlugin {
        plugin: id.into(),
        version: "1.2.0".into(),
        sha256: "ab".repeat(32),
        repository: "https://example.org/waves".into(),
        components: vec![component.into()],
    };
    let architecture = Some(ComponentRef { name: "wavy_unet".into(), settings: Map::new() });
    let record = HostRecord {
        host_version: "0.1.0".into(),
        config: TrainerConfig { architecture, ..TrainerConfig::default() },
        plugins: vec![plugin("org.loss", "loss:not_needed"), plugin("org.waves", "architecture:wavy_unet")],
        ..HostRecord::default()
    };
    model::write(&dir.path().join("model"), 16, 3, "waves_250epochs", record);
    let output = run(dir.path(), "predict_from_modelfolder -m model -i images -o out -f 0 -device cpu");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let wanted = "error: model/fold_0/checkpoint_final.pth: trained with the architecture `wavy_unet` of plugin org.waves 1.2.0 (sha256 abababababab...), \
                  which is not here; get it from https://example.org/waves, install it (`host install-plugin`), or name its folder with --plugins-dir: \
                  no architecture is called `wavy_unet`";
    assert!(said.starts_with(wanted) && said.trim_end().lines().count() == 1, "{said}");
}
