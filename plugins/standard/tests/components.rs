//! What is on offer, and that each config can be read and names things that exist.
#![allow(clippy::unwrap_used)]

use plugin_api::{ErrorKind, Mirror, TrainerConfig, abi::host::Library};
use std::collections::BTreeMap;

fn names(kind: &str) -> Vec<String> {
    standard::link();
    Library::builtin().components().into_iter().filter(|c| c.kind == kind).map(|c| c.name).collect()
}

fn configs() -> BTreeMap<String, TrainerConfig> {
    standard::link();
    let all = Library::builtin().components().into_iter().filter(|c| c.kind == "config");
    all.map(|c| (c.name, serde_json::from_str(&c.data).unwrap())).collect()
}

/// A config with what it extends.
fn resolved(name: &str) -> TrainerConfig {
    let mut config = configs()[name].clone();
    while let Some(base) = config.extends.take() {
        config = config.over(configs()[&base].clone());
    }
    config
}

#[test]
fn networks_and_losses_are_registered_with_a_description() {
    assert_eq!(names("architecture"), ["PlainConvUNet", "Primus", "PrimusB", "PrimusL", "PrimusM", "PrimusS", "ResidualEncoderUNet", "ResidualUNet"]);
    assert_eq!(names("loss"), ["ce", "dice", "dice_ce", "dice_topk", "topk_ce"]);
    assert!(Library::builtin().components().iter().all(|c| !c.description.is_empty()));
}

#[test]
fn names_are_unique() {
    let mut all = names("config");
    let n = all.len();
    all.dedup();
    assert_eq!(all.len(), n);
}

#[test]
fn every_config_extends_and_names_what_exists() {
    let (all, losses) = (configs(), names("loss"));
    for (name, config) in &all {
        assert!(config.description.as_ref().is_some_and(|d| d.len() > 5), "{name}");
        assert!(config.extends.as_ref().is_none_or(|base| all.contains_key(base)), "{name}");
        assert!(config.loss.as_ref().is_none_or(|l| losses.contains(&l.name)), "{name}");
    }
}

#[test]
fn every_loss_of_a_config_can_be_made() {
    for (name, config) in configs() {
        let Some(loss) = config.loss else { continue };
        let settings = serde_json::to_string(&loss.settings).unwrap();
        let made = Library::builtin().loss(&loss.name, &settings, "{}");
        assert!(made.is_ok(), "{name}: {:?}", made.err());
    }
}

#[test]
fn every_name_of_nnunets_extends_or_says_something() {
    let theirs: Vec<_> = configs().into_iter().filter(|(name, _)| name.starts_with("nnUNet")).collect();
    assert!(theirs.len() > 60, "{}", theirs.len());
    assert!(theirs.iter().all(|(name, c)| c.extends.is_some()
        || *c != TrainerConfig { description: c.description.clone(), ..TrainerConfig::default() }
        || name == "nnUNetTrainer"));
}

#[test]
fn a_setting_that_a_loss_does_not_know_is_refused() {
    standard::link();
    for name in names("loss") {
        let refused = Library::builtin().loss(&name, r#"{"smoth": 1.0}"#, "{}").err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::Component);
        assert!(refused.message().contains("smoth"), "{refused}");
    }
}

#[test]
fn epochs_mean_what_they_say() {
    let numbers = [1, 2, 3, 4, 5, 10, 20, 50, 100, 250, 500, 750, 1000, 1500, 2000, 4000, 8000];
    for n in numbers {
        assert_eq!(resolved(&format!("{n}epochs")).num_epochs, Some(n));
        assert_eq!(resolved(&format!("{n}epochs")).mirror_axes, None);
        let without = resolved(&format!("{n}epochs_no_mirroring"));
        assert_eq!(without.num_epochs, Some(n));
        assert_eq!(without.mirror_axes, Some(Mirror::Switch(false)));
        assert_eq!(without.inference_allowed_mirroring_axes, Some(Mirror::Switch(false)));
    }
}

#[test]
fn configs_set_what_their_names_promise() {
    assert_eq!(resolved("mirror_01").inference_allowed_mirroring_axes, Some(Mirror::Axes(vec![0, 1])));
    for (name, optimizer, rate) in [
        ("adam", "adamw", None),
        ("adam_1e3", "adamw", Some(1e-3)),
        ("adam_3e4", "adamw", Some(3e-4)),
        ("vanilla_adam", "adam", None),
        ("vanilla_adam_1e3", "adam", Some(1e-3)),
        ("vanilla_adam_3e4", "adam", Some(3e-4)),
    ] {
        let config = resolved(name);
        assert_eq!(config.initial_lr, rate, "{name}");
        let used = config.optimizer.unwrap();
        assert_eq!(used.name, optimizer, "{name}");
        assert_eq!(used.settings.contains_key("amsgrad"), optimizer == "adamw", "{name}");
    }
    for size in ["S", "B", "M", "L"] {
        let config = resolved(&format!("nnUNet_Primus_{size}_Trainer"));
        assert_eq!(config.architecture.unwrap().name, format!("Primus{size}"));
        assert_eq!((config.initial_lr, config.weight_decay, config.gradient_clip), (Some(3e-4), Some(5e-2), Some(1.0)));
        let used = config.optimizer.unwrap();
        assert_eq!((used.name.as_str(), &used.settings["beta1"], &used.settings["beta2"]), ("adamw", &0.9.into(), &0.98.into()));
        assert_eq!(config.lr_schedule.unwrap().settings["warmup_epochs"], 50);
        assert_eq!(config.enable_deep_supervision, Some(false));
    }
    assert_eq!(resolved("cosine_annealing").lr_schedule.unwrap().name, "cosine");
    assert_eq!(resolved("no_da").disable_data_augmentation, Some(true));
    assert_eq!(resolved("no_da").inference_allowed_mirroring_axes, Some(Mirror::Switch(false)));
    assert_eq!(resolved("no_dummy_2d_da").do_dummy_2d_data_aug, Some(false));
    assert_eq!(resolved("dice_ce_no_smooth").loss.unwrap().settings["smooth"], 0.0);
    assert_eq!(resolved("no_deep_supervision").enable_deep_supervision, Some(false));
    assert_eq!(resolved("base"), TrainerConfig { description: resolved("base").description, ..TrainerConfig::default() });
}
