//! Configs of one's own as files: rows 11 and 60, and what a file can do wrong.

use crate::{SHORT, Tree};

/// The guide's five fields, and no other, are a config; in a crate (`my_custom` of the fixture) and in a file.
#[test]
fn row_11_an_own_config_of_five_fields() {
    let tree = Tree::preprocessed();
    tree.guide_plugin();
    let text = r#"
        name = "my_custom_file"
        description = "Custom architecture with modified loss"
        network_builder = "my_custom_network"
        loss_fn = "my_custom_loss"
        num_epochs = 500
    "#;
    tree.plugin("any_name.toml", text.as_bytes());
    for config in ["my_custom", "my_custom_file"] {
        let fold = tree.trained(config);
        let debug = fold.debug();
        assert_eq!(debug["trainer_config"]["num_epochs"], 500, "{config}");
        assert_eq!((debug["network"].as_str(), debug["loss"].as_str()), (Some("my_custom_network"), Some("my_custom_loss")), "{config}");
        for part in ["network_from", "loss_from"] {
            assert_eq!(debug[part]["plugin"], "org.example.fx_guide", "{config}: {debug}");
        }
    }
}

/// A config, its registration by lying in the folder, and its use; settings alone go to the extended config's component.
#[test]
fn row_60_a_config_registered_and_used() {
    let tree = Tree::preprocessed();
    tree.plugin("mine.json", br#"{"extends": "dice_ce_no_smooth", "loss": {"ce_weight": 0.5}, "batch_size": 1, "initial_lr": 0.002}"#);
    let fold = tree.trained("mine");
    let (checkpoint, debug) = (fold.checkpoint(), fold.debug());
    let loss = checkpoint.host.config.loss.unwrap();
    assert_eq!((loss.name.as_str(), &loss.settings["smooth"], &loss.settings["ce_weight"]), ("dice_ce", &0.0.into(), &0.5.into()));
    assert_eq!((checkpoint.logging.lrs, debug["batch_size"].as_u64()), (vec![0.002], Some(1)));
    assert!(debug["trainer_config_from"][0]["from"].as_str().unwrap().ends_with("/plugins/mine.json"), "{debug}");
}

#[test]
fn a_broken_file_is_listed_with_its_reason_and_place() {
    let tree = Tree::preprocessed();
    tree.plugin("typo.toml", b"extends = \"adam\"\nnum_epoch = 3\n");
    tree.plugin("ring_a.toml", b"extends = \"ring_b\"\n");
    tree.plugin("ring_b.json", b"{\"extends\": \"ring_a\"}");
    tree.plugin("lost.toml", b"extends = \"adm_1e3\"\n");
    let list = tree.says("list-plugins --plugins-dir plugins");
    let row = list.lines().find(|line| line.contains("typo.toml")).unwrap();
    assert!(row.contains("refused") && row.ends_with("line 2, column 1: there is no field `num_epoch`; did you mean `num_epochs`?"), "{list}");
    for (config, wanted) in [
        ("ring_a", "configs extend each other in a circle: ring_a -> ring_b -> ring_a"),
        ("lost", "the config `lost` extends `adm_1e3`: no config is called `adm_1e3`; did you mean `adam_1e3`?"),
        ("typo", "no config is called `typo`"),
    ] {
        let said = tree.fails(&format!("train 999 small 0 -tr {config} --plugins-dir plugins {SHORT}"), 1);
        assert!(said.contains(wanted), "{said}");
    }
}

/// A config is data: an edit is an edit, with nothing to trust again. Who else may write it still counts.
#[cfg(unix)]
#[test]
fn an_edited_file_is_taken_and_one_of_others_is_not() {
    use std::os::unix::fs::PermissionsExt;
    let tree = Tree::preprocessed();
    for epochs in [7, 9] {
        tree.plugin("mine.toml", format!("num_epochs = {epochs}\n").as_bytes());
        assert_eq!(tree.trained("mine").debug()["trainer_config"]["num_epochs"], epochs);
    }
    let file = tree.plugin("mine.toml", b"num_epochs = 7\n");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o666)).unwrap();
    let list = tree.says("list-plugins --plugins-dir plugins");
    assert!(list.contains("cannot be trusted: it can be written by everyone (mode 666)"), "{list}");
}
