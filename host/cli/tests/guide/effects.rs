//! What each trainer config changes, all of them: nothing more and nothing less than its name promises.

use pipeline::{
    plan::Configuration,
    train::{Fold, Settings, TrainOptions},
};
use plugin_api::TrainerConfig;
use registry::{Kind, Options, Registry, SearchPath, Trust};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

fn registry() -> Registry {
    standard::link();
    let nowhere = tempfile::tempdir().unwrap();
    Registry::open(Options {
        search: SearchPath::default(),
        cache: nowhere.path().join("cache"),
        lock: nowhere.path().join("plugins.lock"),
        dev_plugins: false,
        trust: Trust::default(),
    })
    .unwrap()
}

/// The numbers of a config for a patch.
pub(crate) fn settings(name: &str, patch: &[usize]) -> Settings {
    of_config(&registry().config(name).unwrap().config, patch)
}

fn of_config(config: &TrainerConfig, patch: &[usize]) -> Settings {
    let configuration: Configuration = serde_json::from_value(json!({
        "data_identifier": "x", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2, "patch_size": patch, "spacing": vec![1; patch.len()],
        "normalization_schemes": [], "use_mask_for_norm": [], "resampling_fn_data": "", "resampling_fn_seg": "",
        "resampling_fn_probabilities": "", "architecture": {"network_class_name": "x", "arch_kwargs": {}}, "batch_dice": false
    }))
    .unwrap();
    let options = TrainOptions::new("1", "3d_fullres", Fold::Number(0));
    Settings::new(config, &options, &configuration, None).unwrap()
}

/// Everything that a config decides, as `key: value`.
fn decided(config: &TrainerConfig, patch: &[usize]) -> BTreeMap<&'static str, String> {
    let s = of_config(config, patch);
    let component = |c: &Option<plugin_api::ComponentRef>| c.as_ref().map(|c| serde_json::to_string(c).unwrap()).unwrap_or_default();
    let pairs: [(&'static str, String); 21] = [
        ("epochs", s.epochs.to_string()),
        ("iterations", format!("{} and {}", s.iterations, s.validation_iterations)),
        ("lr", s.initial_lr.to_string()),
        ("schedule", format!("{:?}", s.schedule)),
        ("optimizer", serde_json::to_string(&s.optimizer).unwrap()),
        ("clip", s.clip.to_string()),
        ("batch", s.batch_size.to_string()),
        ("save every", s.save_every.to_string()),
        ("oversample", format!("{:?}", s.oversample)),
        ("rotation", format!("{:.2}", s.rules.rotation.1)),
        ("dummy 2d", s.rules.dummy_2d.to_string()),
        ("initial patch", format!("{:?}", s.rules.initial_patch)),
        ("augmentation", format!("{:?}", s.augmentation)),
        ("plain", s.plain_data.to_string()),
        ("mirror", format!("{:?}", s.mirror_axes)),
        ("tta", format!("{:?}", s.inference_mirror_axes)),
        ("deep supervision", s.deep_supervision.to_string()),
        ("benchmark", format!("{} {}", s.benchmark, s.synthetic_data)),
        ("network", component(&config.architecture)),
        ("loss", component(&config.loss)),
        ("norm", format!("{:?}", config.norm)),
    ];
    pairs.into()
}

/// nnU-Net's default in an anisotropic patch, from which each config differs.
const PATCH: [usize; 3] = [20, 96, 96];

const SGD: &str = r#"optimizer: {"name":"sgd","momentum":0.99,"nesterov":true,"weight_decay":0.00003}"#;
const NO_MIRRORING: [&str; 2] = ["mirror: []", "tta: []"];
const MIRROR_01: [&str; 2] = ["mirror: [0, 1]", "tta: [0, 1]"];
const NEAREST_LABELS: &str = "augmentation: Standard { nearest: Nearest { image: false, labels: true } }";
const STRONG: [&str; 2] = ["augmentation: Strong { nearest: Nearest { image: false, labels: false } }", "initial patch: [20, 137, 137]"];
const PLAIN_PATCH: [&str; 2] = ["plain: true", "initial patch: [20, 96, 96]"];

fn adam(amsgrad: bool) -> String {
    let name = r#""name":"adam","betas":[0.9,0.999],"eps":1e-8,"weight_decay":0.00003"#;
    format!("optimizer: {{{name},\"decoupled\":{amsgrad},\"amsgrad\":{amsgrad}}}")
}

/// What each config is to change. Epochs come from the names.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let mut table = BTreeMap::new();
    let mut row = |names: &[&str], changes: &[&str]| {
        for name in names {
            let changes = changes.iter().map(|c| (*c).to_owned()).collect();
            assert!(table.insert((*name).to_owned(), changes).is_none(), "{name} stands there twice");
        }
    };
    row(&["base", "nnUNetTrainer"], &[]);
    for n in [1, 2, 3, 4, 5, 10, 20, 50, 100, 250, 500, 750, 1000, 1500, 2000, 4000, 8000] {
        let epochs = format!("epochs: {n}");
        let epochs: &[&str] = if n == 1000 { &[] } else { &[&epochs] };
        row(&[&format!("{n}epochs")], epochs);
        row(&[&format!("{n}epochs_no_mirroring")], &[epochs, &NO_MIRRORING].concat());
    }
    for n in [1, 5, 10, 20, 50, 100, 250, 500, 750, 2000, 4000, 8000] {
        let plural = if n == 1 { "epoch" } else { "epochs" };
        row(&[&format!("nnUNetTrainer_{n}{plural}")], &[&format!("epochs: {n}")]);
    }
    for n in [250, 2000, 4000, 8000] {
        row(&[&format!("nnUNetTrainer_{n}epochs_NoMirroring")], &[&[format!("epochs: {n}").as_str()], &NO_MIRRORING[..]].concat());
    }

    row(&["no_mirroring", "nnUNetTrainerNoMirroring"], &NO_MIRRORING);
    row(&["mirror_01", "nnUNetTrainer_onlyMirror01"], &MIRROR_01);
    row(&["nnUNetTrainer_onlyMirror01_1500ep"], &[&MIRROR_01[..], &["epochs: 1500"]].concat());
    row(&["nnUNetTrainer_onlyMirror01_DASegOrd0"], &[&MIRROR_01[..], &[NEAREST_LABELS]].concat());
    row(&["nnUNetTrainer_onlyMirror01_DA5"], &[&MIRROR_01[..], &STRONG].concat());

    row(&["no_da", "nnUNetTrainerNoDA"], &[&NO_MIRRORING[..], &PLAIN_PATCH].concat());
    row(&["no_dummy_2d_da", "nnUNetTrainer_noDummy2DDA"], &["dummy 2d: false", "rotation: 0.52", "initial patch: [76, 154, 112]"]);
    row(&["da5", "nnUNetTrainerDA5"], &STRONG);
    row(&["nnUNetTrainerDA5_10epochs"], &[&STRONG[..], &["epochs: 10"]].concat());
    row(&["nnUNetTrainerDA5ord0"], &["augmentation: Strong { nearest: Nearest { image: true, labels: true } }", STRONG[1]]);
    row(&["nnUNetTrainerDA5Segord0"], &["augmentation: Strong { nearest: Nearest { image: false, labels: true } }", STRONG[1]]);
    row(&["nearest", "nnUNetTrainerDAOrd0"], &["augmentation: Standard { nearest: Nearest { image: true, labels: true } }"]);
    row(&["nearest_labels", "nnUNetTrainer_DASegOrd0"], &[NEAREST_LABELS]);
    row(&["nnUNetTrainer_DASegOrd0_NoMirroring"], &[&NO_MIRRORING[..], &[NEAREST_LABELS]].concat());

    for (ours, theirs, amsgrad) in [("adam", "nnUNetTrainerAdam", true), ("vanilla_adam", "nnUNetTrainerVanillaAdam", false)] {
        row(&[ours, theirs], &[&adam(amsgrad)]);
        row(&[&format!("{ours}_1e3"), &format!("{theirs}1en3")], &[&adam(amsgrad), "lr: 0.001"]);
        row(&[&format!("{ours}_3e4"), &format!("{theirs}3en4")], &[&adam(amsgrad), "lr: 0.0003"]);
    }
    let adan = r#"optimizer: {"name":"adan","betas":[0.02,0.08,0.01],"eps":1e-8,"weight_decay":0.00003}"#;
    row(&["adan", "nnUNetTrainerAdan"], &[adan]);
    row(&["adan_1e3", "nnUNetTrainerAdan1en3"], &[adan, "lr: 0.001"]);
    row(&["adan_3e4", "nnUNetTrainerAdan3en4"], &[adan, "lr: 0.0003"]);
    row(&["adan_1e1", "nnUNetTrainerAdan1en1"], &[adan, "lr: 0.1"]);
    row(&["adan_cosine_annealing", "nnUNetTrainerAdanCosAnneal"], &[adan, "schedule: Own { fall: Cosine, warmup_epochs: 0 }"]);
    row(&["cosine_annealing", "nnUNetTrainerCosAnneal"], &["schedule: Own { fall: Cosine, warmup_epochs: 0 }"]);
    row(&["warmup", "nnUNetTrainer_warmup"], &["schedule: Own { fall: Poly, warmup_epochs: 50 }"]);
    for size in ["S", "B", "M", "L"] {
        let network = format!(r#"network: {{"name":"Primus{size}","drop_path_rate":0.2}}"#);
        let optimizer = r#"optimizer: {"name":"adam","betas":[0.9,0.98],"eps":1e-8,"weight_decay":0.05,"decoupled":true,"amsgrad":false}"#;
        let primus =
            [network.as_str(), optimizer, "lr: 0.0003", "clip: 1", "schedule: Own { fall: Poly, warmup_epochs: 50 }", "deep supervision: false"];
        row(&[&format!("primus_{}", size.to_lowercase()), &format!("nnUNet_Primus_{size}_Trainer")], &primus);
        if size == "M" {
            row(&["nnUNet_Primus_M_Trainer_BS8"], &[&primus[..], &["batch: 8"]].concat());
            let slower: Vec<&str> = primus.into_iter().filter(|c| !c.starts_with("lr")).chain(["batch: 8", "lr: 0.0002"]).collect();
            row(&["nnUNet_Primus_M_Trainer_BS8_2e4"], &slower);
        }
    }
    row(&["nnUNet_Trainer_BS8"], &["batch: 8"]);

    row(&["dice_loss", "nnUNetTrainerDiceLoss"], &[r#"loss: {"name":"dice"}"#]);
    row(&["ce_loss", "nnUNetTrainerCELoss"], &[r#"loss: {"name":"ce"}"#]);
    row(&["nnUNetTrainerCELoss_5epochs"], &[r#"loss: {"name":"ce"}"#, "epochs: 5"]);
    row(&["dice_ce_no_smooth", "nnUNetTrainerDiceCELoss_noSmooth"], &[r#"loss: {"name":"dice_ce","smooth":0.0}"#]);
    row(&["topk_ce_loss", "nnUNetTrainerTopk10Loss"], &[r#"loss: {"name":"topk_ce"}"#]);
    row(&["nnUNetTrainerTopk10LossLS01"], &[r#"loss: {"name":"topk_ce","label_smoothing":0.1}"#]);
    row(&["dice_topk_loss", "nnUNetTrainerDiceTopK10Loss"], &[r#"loss: {"name":"dice_topk"}"#]);

    row(&["probabilistic_oversampling", "nnUNetTrainer_probabilisticOversampling_033"], &["oversample: Random(0.33)"]);
    row(&["probabilistic_oversampling_010", "nnUNetTrainer_probabilisticOversampling_010"], &["oversample: Random(0.1)"]);
    // of two samples the last third is one
    row(&["nnUNetTrainer_probabilisticOversampling"], &["oversample: Random(0.5)"]);
    row(&["batch_norm", "nnUNetTrainerBN"], &["norm: Some(Batch)"]);
    row(&["no_deep_supervision", "nnUNetTrainerNoDeepSupervision"], &["deep supervision: false"]);
    row(&["benchmark_5epochs", "nnUNetTrainerBenchmark_5epochs"], &["epochs: 5", "benchmark: true false"]);
    row(&["benchmark_5epochs_no_data_loading", "nnUNetTrainerBenchmark_5epochs_noDataLoading"], &["epochs: 5", "benchmark: true true"]);
    table
}

#[test]
fn every_config_changes_what_its_name_promises() {
    let (registry, table) = (registry(), table());
    let base = decided(&TrainerConfig::default(), &PATCH);
    assert!(base.iter().any(|(k, v)| format!("{k}: {v}") == SGD), "{base:?}");
    assert_eq!((base["epochs"].as_str(), base["lr"].as_str(), base["oversample"].as_str()), ("1000", "0.01", "Last(0.33)"));
    assert_eq!((base["dummy 2d"].as_str(), base["rotation"].as_str(), base["mirror"].as_str()), ("true", "3.14", "[0, 1, 2]"));
    let names: BTreeSet<String> = registry.names(Kind::Config).into_iter().collect();
    let listed: BTreeSet<String> = table.keys().cloned().collect();
    assert_eq!(names, listed, "configs and this table");
    for (name, wanted) in table {
        let config = registry.config(&name).unwrap().config;
        let found = decided(&config, &PATCH);
        let found: BTreeSet<String> = found.iter().filter(|(key, value)| base[*key] != **value).map(|(k, v)| format!("{k}: {v}")).collect();
        assert_eq!(found, wanted, "{name}");
    }
}

#[test]
fn in_slices_an_axis_of_volumes_is_the_one_of_its_name() {
    let plane = [96, 96];
    // y alone, as nnU-Net's trainer has it
    for name in ["mirror_01", "nnUNetTrainer_onlyMirror01"] {
        assert_eq!((settings(name, &plane).mirror_axes, settings(name, &plane).inference_mirror_axes), (vec![0], vec![0]));
    }
    assert_eq!(settings("base", &plane).mirror_axes, [0, 1]);
    assert!(settings("no_da", &plane).mirror_axes.is_empty());
    assert_eq!(settings("no_da", &plane).rules.initial_patch, plane);
    assert!(!settings("no_dummy_2d_da", &plane).rules.dummy_2d);
}

#[test]
fn batch_size_and_save_every_are_honoured_and_no_augmentation_is_no_mirroring_either() {
    let config = |text: &str| serde_json::from_str::<TrainerConfig>(text).unwrap();
    let found = of_config(&config(r#"{"batch_size": 7, "save_every": 25}"#), &PATCH);
    assert_eq!((found.batch_size, found.save_every), (7, 25));
    let plain = of_config(&config(r#"{"disable_data_augmentation": true}"#), &PATCH);
    assert!(plain.mirror_axes.is_empty() && plain.inference_mirror_axes.is_empty());
    // without augmentation, but trained on what a radiologist mirrored
    let chosen = of_config(&config(r#"{"disable_data_augmentation": true, "inference_allowed_mirroring_axes": true}"#), &PATCH);
    assert_eq!(chosen.inference_mirror_axes, [0, 1, 2]);
}

#[test]
fn the_documentation_lists_every_config_and_field() {
    let text = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/trainer-configs.md")).unwrap();
    let listed = |name: &str| text.contains(&format!("`{name}`"));
    // one row stands for the epochs without mirroring
    let unlisted: Vec<_> = registry().names(Kind::Config).into_iter().filter(|n| !listed(n) && !n.ends_with("epochs_no_mirroring")).collect();
    assert!(unlisted.is_empty(), "{unlisted:?}");
    let error = serde_json::from_str::<TrainerConfig>(r#"{"no such field": 1}"#).unwrap_err().to_string();
    let fields: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
    assert!(fields.len() > 25 && fields.iter().all(|f| listed(f) || *f == "rotation_for_da"), "{fields:?}");
}

/// Their plugins bring the rest of the fork's 57 configs.
#[test]
fn all_names_of_the_fork_are_there() {
    let own = registry().names(Kind::Config);
    let theirs = [
        "kiunet",
        "kiunet_conv",
        "kiunet_minimal",
        "kiunet_large",
        "uiunet",
        "uiunet_minimal",
        "region_dice_loss",
        "blob_dice_loss",
        "blob_dice_ce_loss",
    ];
    let fixed = [
        "base",
        "no_mirroring",
        "mirror_01",
        "adam",
        "adam_1e3",
        "adam_3e4",
        "vanilla_adam",
        "vanilla_adam_1e3",
        "vanilla_adam_3e4",
        "cosine_annealing",
        "no_da",
        "no_dummy_2d_da",
        "dice_loss",
        "dice_ce_no_smooth",
    ];
    assert!(fixed.iter().all(|name| own.iter().any(|n| n == name)));
    assert_eq!(fixed.len() + 2 * 17 + theirs.len(), 57);
    // a crate's source says which it registers
    let plugins = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins");
    for (folder, names) in [("kiunet", &theirs[..4]), ("uiunet", &theirs[4..6]), ("region-dice", &theirs[6..7]), ("blob-dice", &theirs[7..])] {
        let Ok(files) = std::fs::read_dir(plugins.join(folder).join("src")) else { continue };
        let files = files.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
        let source: String = files.map(|path| std::fs::read_to_string(path).unwrap()).collect();
        let missing: Vec<_> = names.iter().filter(|name| !source.contains(&format!("register_config!(\"{name}\""))).collect();
        assert!(missing.is_empty(), "{folder} has no {missing:?}");
    }
}
