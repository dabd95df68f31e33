//! Components by name.

use crate::bench::{Bench, altered};
use plugin_api::{ErrorKind, Task, json};
use registry::{DEFAULT_TRAINER, Error, Kind, RowState};
use serde_json::{Map, Value};
use std::fs;

// the host's own, as `standard` registers them in the binary
mod own {
    use plugin_api::prelude::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Own {}

    impl Architecture for Own {
        fn build(&self, _: &NetworkSpec, _: &Params) -> Result<Box<dyn Network>> {
            bail!("is never built")
        }
    }

    register_architecture!("kiunet", Own, "the host's own by a name that fx-dup has too");
    register_architecture!("own_net", Own, "the host's own");
    register_config!("own_config" => { description: "the host's own", extends: "base", architecture: "own_net" });
}

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn a_component_is_made_and_knows_where_it_is_from() {
    let bench = Bench::with(&["fx-good"]);
    let registry = bench.open();
    assert!(!bench.options.cache.join("plugins").exists(), "nothing is loaded before it is asked for");
    let source = registry.architecture("fx_small_unet").unwrap();
    assert_eq!((source.from.plugin.as_str(), source.from.file.as_deref()), ("org.example.fx_good", Some(&*bench.path("fx-good.so"))));
    source.create(&map(json!({"width": 2}))).unwrap();
    registry.loss("fx_focal").unwrap().create(&Map::new(), &Task::default()).unwrap();
    let copies: Vec<_> = fs::read_dir(bench.options.cache.join("plugins")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(copies, [format!("{}.so", source.from.sha256.unwrap()).as_str()]);
}

#[test]
fn a_plugins_failure_names_the_plugin() {
    let bench = Bench::with(&["fx-good", "fx-panic"]);
    let registry = bench.open();
    let wrong = registry.architecture("fx_small_unet").unwrap().create(&map(json!({"with": 2}))).err().unwrap().to_string();
    assert!(wrong.starts_with("plugin org.example.fx_good (fx-good.so) failed in create of architecture `fx_small_unet`: "), "{wrong}");
    assert!(wrong.contains("unknown field `with`"), "{wrong}");

    let source = registry.loss("fx_panic").unwrap();
    let loss = source.create(&map(json!({"step": "prepare"})), &Task::default()).unwrap();
    let error = loss.prepare(&[1, 2, 2], &[0; 4]).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Panic);
    let text = source.from.failed("prepare", error).to_string();
    assert!(text.starts_with("plugin org.example.fx_panic (fx-panic.so) failed in prepare at "), "{text}");
    assert!(text.contains("src/lib.rs:") && text.ends_with("panicked: fx-panic: labels of shape [2, 2] were to be prepared"), "{text}");
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest() {
    let registry = Bench::with(&["fx-good", "fx-panic"]).open();
    let Err(Error::Unknown { kind: Kind::Loss, nearest, known, .. }) = registry.loss("fx_fokal") else { panic!("found") };
    assert_eq!((nearest.as_deref(), &known[..]), (Some("fx_focal"), &["fx_focal", "fx_panic", "fx_panic_late"].map(String::from)[..]));
    let text = registry.loss("fx_fokal").unwrap_err().to_string();
    assert_eq!(text, "no loss is called `fx_fokal`; did you mean `fx_focal`? (valid: fx_focal, fx_panic, fx_panic_late)");
    assert!(!registry.architecture("hausdorff").unwrap_err().to_string().contains("did you mean"));
}

#[test]
fn a_name_that_two_files_have_is_neither_ones() {
    let bench = Bench::with(&["fx-badgrad", "fx-good"]);
    bench.add("other.so", &altered("fx-badgrad"));
    let registry = bench.open();
    let text = registry.loss("fx_badgrad").unwrap_err().to_string();
    let (a, b) = (bench.path("fx-badgrad.so"), bench.path("other.so"));
    assert_eq!(
        text,
        format!("the loss `fx_badgrad` is offered by {} and by {}, so none of them is used: remove all but one", a.display(), b.display())
    );
    assert!(!registry.names(Kind::Loss).contains(&"fx_badgrad".to_string()));
    let conflicts = registry.list().iter().filter(|r| r.state == RowState::Conflict && r.name == "fx_badgrad").count();
    assert_eq!(conflicts, 4, "a loss and an architecture in two files");
    registry.loss("fx_focal").unwrap();
}

#[test]
fn a_plugin_does_not_take_a_name_of_the_hosts() {
    let registry = Bench::with(&["fx-dup"]).open();
    let text = registry.architecture("kiunet").err().unwrap().to_string();
    assert!(text.contains("offered by the host itself and by /") && text.contains("fx-dup.so, so none of them is used"), "{text}");
    let rows = registry.list();
    let states: Vec<RowState> = rows.iter().filter(|r| r.name == "kiunet").map(|r| r.state).collect();
    assert_eq!(states, [RowState::Conflict, RowState::Conflict]);
    // without the plugin it is the host's
    let own = Bench::with(&[]).open().architecture("kiunet").unwrap();
    assert_eq!((own.from.plugin.as_str(), &own.from.sha256), ("built-in", &None));
    own.create(&Map::new()).unwrap();
}

#[test]
fn the_same_content_twice_is_no_conflict() {
    let bench = Bench::with(&["fx-good"]);
    bench.add("z-copy.so", &fs::read(bench.path("fx-good.so")).unwrap());
    let registry = bench.open();
    registry.loss("fx_focal").unwrap();
    let row = registry.list().into_iter().find(|r| r.name == "z-copy.so").unwrap();
    assert_eq!((row.state, row.reason), (RowState::Copy, Some(format!("is the same as {}", bench.path("fx-good.so").display()))));
}

#[test]
fn a_config_is_laid_over_what_it_extends() {
    let bench = Bench::with(&["fx-configs", "fx-good"]);
    let registry = bench.open();
    let child = registry.config("fx_child").unwrap();
    assert_eq!((child.name.as_str(), child.config.num_epochs, child.config.initial_lr), ("fx_child", Some(7), Some(1e-3)));
    assert_eq!(child.config.optimizer.as_ref().unwrap().name, "adamw");
    assert_eq!(child.config.extends, None);
    let steps: Vec<(&str, &str)> = child.steps.iter().map(|s| (s.name.as_str(), s.from.plugin.as_str())).collect();
    assert_eq!(steps, [("fx_child", "org.example.fx_configs"), ("fx_parent", "org.example.fx_configs")]);

    let focal = registry.config("fx_focal").unwrap().config;
    assert_eq!((focal.architecture.unwrap().name.as_str(), &focal.loss.unwrap().settings["gamma"]), ("fx_small_unet", &json!(3.0)));
    let own = registry.config("own_config").unwrap();
    assert_eq!((own.steps.len(), own.steps[1].from.plugin.as_str()), (2, "built-in"));
}

#[test]
fn the_default_has_two_names_and_one_folder() {
    let registry = Bench::with(&[]).open();
    for name in ["base", DEFAULT_TRAINER] {
        let config = registry.config(name).unwrap();
        assert_eq!((config.name.as_str(), config.config), (DEFAULT_TRAINER, plugin_api::TrainerConfig::default()));
    }
    assert!(registry.names(Kind::Config).contains(&"base".to_string()));
}

#[test]
fn each_fault_of_a_config_is_named() {
    let bench = Bench::with(&["fx-configs"]);
    let registry = bench.open();
    let fault = |name: &str| registry.config(name).unwrap_err().to_string();
    assert!(fault("fx_orphan").starts_with("the config `fx_orphan` extends `fx_nobody`: no config is called `fx_nobody`"));
    assert_eq!(fault("fx_ring_a"), "configs extend each other in a circle: fx_ring_a -> fx_ring_b -> fx_ring_a");
    let misspelt = fault("fx_misspelt");
    assert!(misspelt.starts_with("the config `fx_misspelt` of plugin org.example.fx_configs (fx-configs.so) cannot be read: "), "{misspelt}");
    assert!(misspelt.contains("unknown field `num_epoch`"), "{misspelt}");
}

#[test]
fn the_list_has_a_row_a_component_and_a_row_a_refused_file() {
    let bench = Bench::with(&["fx-good", "fx-ctor"]);
    let rows = bench.open().list();
    let text = |state| rows.iter().filter(|r| r.state == state).map(|r| format!("{} {}", r.kind, r.name)).collect::<Vec<_>>();
    assert_eq!(text(RowState::Ready), ["architecture fx_small_unet", "config fx_focal", "loss fx_focal"]);
    assert_eq!(text(RowState::Refused), ["- fx-ctor.so"]);
    assert!(text(RowState::BuiltIn).contains(&"config nnUNetTrainer".to_string()));
    let good = rows.iter().find(|r| r.name == "fx_small_unet").unwrap();
    assert_eq!((good.license.as_str(), good.version.as_str(), good.reason.as_deref()), ("Apache-2.0", env!("CARGO_PKG_VERSION"), None));
    let json = serde_json::to_value(&rows).unwrap();
    let refused = json.as_array().unwrap().iter().find(|r| r["state"] == "refused").unwrap();
    assert_eq!((&refused["plugin"], &refused["api"]), (&json!("org.example.fx_ctor"), &json!("2.0.0")));
    assert!(!bench.options.cache.join("plugins").exists(), "a list loads nothing");
}
