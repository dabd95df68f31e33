use super::*;
use crate::dataset::DatasetJson;
use crate::error::Result;
use crate::fingerprint::Fingerprint;
use crate::json;
use plugin_api::NetworkSpec;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

fn reference(name: &str) -> Option<PathBuf> {
    let found = std::env::var_os("NNUNET_REFERENCE").map(|folder| Path::new(&folder).join(name));
    if found.is_none() {
        eprintln!("skipped: NNUNET_REFERENCE is not set");
    }
    found
}

/// Elements of all convolution outputs of nnU-Net's two networks, without the heads of deep supervision.
pub(crate) fn planning_size(spec: &NetworkSpec) -> plugin_api::Result<u64> {
    let stages = spec.stages()?;
    let residual = spec.network_class_name.ends_with("ResidualEncoderUNet");
    let mut size = spec.patch_size.clone();
    let count = |size: &[usize]| size.iter().map(|&n| n as u64).product::<u64>();
    let (mut total, mut voxels, mut input) = (0, Vec::new(), stages[0].features);
    if residual {
        total += stages[0].features as u64 * count(&size);
    }
    for stage in &stages {
        size.iter_mut().zip(&stage.stride).for_each(|(n, s)| *n /= s);
        let (features, here) = (stage.features as u64, count(&size));
        let skip = residual && (input != stage.features || stage.stride.iter().any(|&s| s > 1));
        total += stage.convs as u64 * features * here * if residual { 2 } else { 1 } + if skip { features * here } else { 0 };
        voxels.push(here);
        input = stage.features;
    }
    for (stage, &here) in stages.iter().zip(&voxels).rev().skip(1) {
        total += (stage.decoder_convs as u64 + 1) * stage.features as u64 * here;
    }
    Ok(total + spec.num_classes as u64 * voxels[0])
}

fn options_of(name: &str, call: &Value) -> Options {
    let kwargs = &call["kwargs"];
    Options {
        planner: call["planner"].as_str().unwrap().to_owned(),
        gpu_memory_target: kwargs["gpu_memory_target_in_gb"].as_f64(),
        target_spacing: serde_json::from_value(kwargs["overwrite_target_spacing"].clone()).ok(),
        suppress_transpose: kwargs["suppress_transpose"].as_bool().unwrap_or(false),
        plans_name: Some(name.to_owned()),
        ..Options::default()
    }
}

fn made(folder: &Path, options: &Options) -> Result<String> {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let plans = plan_experiment(name, &DatasetJson::read(folder)?, &Fingerprint::read(folder)?, options, &planning_size)?;
    Ok(json::to_string(&plans).unwrap())
}

/// Sixteen synthetic datasets and all planners: the files to the byte.
#[test]
fn planner_references_to_the_byte() {
    let Some(folder) = reference("planner") else { return };
    let mut compared = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let folder = entry.unwrap().path();
        let calls: Map<String, Value> = json::read(&folder.join("calls.json")).unwrap();
        for (name, call) in &calls {
            let wanted = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
            let made = made(&folder, &options_of(name, call)).unwrap();
            same(&made, &wanted, &format!("{} {name}", folder.display()));
            compared += 1;
        }
    }
    assert!(compared >= 40, "{compared}");
}

fn same(made: &str, wanted: &str, what: &str) {
    let line = made.lines().zip(wanted.lines()).position(|(a, b)| a != b);
    if let Some(line) = line {
        panic!("{what}, line {}: {:?} instead of {:?}", line + 1, made.lines().nth(line), wanted.lines().nth(line));
    }
    assert_eq!(made.len(), wanted.len(), "{what}");
}

/// Real datasets with every planner and several memory targets.
#[test]
fn real_plans_to_the_byte() {
    let Some(folder) = reference("plans") else { return };
    let crafted = reference("fingerprint/Dataset011_FPCraft").unwrap();
    let folders = ["Dataset004_Hippocampus", "Dataset005_HippoRegions", "Dataset006_HippoIgnore"].map(|name| folder.join(name));
    let mut compared = 0;
    for folder in folders.into_iter().chain([crafted]) {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            if !stem.starts_with("nnUNet") || stem.ends_with("Small") || path.extension().is_none_or(|e| e != "json") {
                continue;
            }
            let wanted = std::fs::read_to_string(&path).unwrap();
            let plans: Plans = json::parse(&wanted).unwrap();
            let gb = stem.split_once("_gpu").map(|(_, gb)| gb.parse().unwrap());
            let options = Options {
                planner: plans.experiment_planner_used.clone(),
                gpu_memory_target: gb,
                plans_name: Some(plans.plans_name.clone()),
                ..Options::default()
            };
            same(&made(&folder, &options).unwrap(), &wanted, &path.display().to_string());
            assert_eq!(json::to_string(&plans).unwrap(), wanted, "read and written");
            compared += 1;
        }
    }
    assert!(compared >= 18, "{compared}");
}

fn minimal() -> Plans {
    let Some(folder) = reference("plans") else { return example("ExperimentPlanner") };
    Plans::read(&folder.join("Dataset004_Hippocampus/nnUNetPlans.json")).unwrap()
}

/// Plans of a made-up dataset.
pub(crate) fn example(planner: &str) -> Plans {
    let dataset: DatasetJson = serde_json::from_value(
        json!({"channel_names": {"0": "MRI"}, "labels": {"background": 0, "a": 1, "b": 2}, "numTraining": 60, "file_ending": ".nii.gz"}),
    )
    .unwrap();
    let fingerprint = Fingerprint {
        foreground_intensity_properties_per_channel: Map::new(),
        median_relative_size_after_cropping: 1.0,
        shapes_after_crop: vec![[36, 50, 35]],
        spacings: vec![[1.0; 3]],
    };
    let options = Options { planner: planner.to_owned(), ..Options::default() };
    plan_experiment("Dataset001_X", &dataset, &fingerprint, &options, &planning_size).unwrap()
}

#[test]
fn configurations_inherit() {
    let mut plans = minimal();
    let mut add = |name: &str, value: Value| plans.configurations.insert(name.to_owned(), value);
    add("mine", json!({"inherits_from": "3d_fullres", "batch_size": 7, "my_key": [1], "next_stage": "x"}));
    add("child", json!({"inherits_from": "mine", "patch_size": [8, 8, 8]}));
    add("a", json!({"inherits_from": "b"}));
    add("b", json!({"inherits_from": "a"}));
    add("orphan", json!({"inherits_from": "lost"}));
    add("grandchild", json!({"inherits_from": "orphan"}));
    let child = plans.configuration("child").unwrap();
    assert_eq!((child.batch_size, child.patch_size.as_slice(), &child.rest["my_key"]), (7, &[8, 8, 8][..], &json!([1])));
    assert_eq!(child.next_stage, ["x"]);
    assert!(plans.configuration("a").unwrap_err().to_string().contains("a -> b -> a"));
    let missing = plans.configuration("grandchild").unwrap_err().to_string();
    assert!(missing.contains("grandchild -> orphan -> lost") && missing.contains("there are 2d"), "{missing}");
    assert!(plans.configuration("3d_lowres").unwrap_err().to_string().contains("there are 2d, 3d_fullres, mine"));
}

#[test]
fn keys_of_old_take_effect_or_contradict() {
    let mut plans = minimal();
    let parent = plans.configurations["3d_fullres"].as_object().unwrap().clone();
    let old = json!({"UNet_class_name": "PlainConvUNet", "UNet_base_num_features": 16, "n_conv_per_stage_encoder": [2, 2, 2, 2, 2],
        "n_conv_per_stage_decoder": [2, 2, 2, 2], "num_pool_per_axis": [3, 4, 4]});
    let with = |mut keys: Map<String, Value>| {
        keys.extend(old.as_object().unwrap().clone());
        Value::Object(keys)
    };
    let mut bare = parent.clone();
    bare.shift_remove("architecture");
    plans.configurations.insert("old".into(), with(bare));
    plans.configurations.insert("child".into(), with(json!({"inherits_from": "3d_fullres"}).as_object().unwrap().clone()));
    plans.configurations.insert("both".into(), with(parent));
    for name in ["old", "child"] {
        let configuration = plans.configuration(name).unwrap();
        let stages = configuration.network_spec(1, 3, false).stages().unwrap();
        assert_eq!(stages.iter().map(|s| s.features).collect::<Vec<_>>(), [16, 32, 64, 128, 256]);
        assert_eq!(stages.iter().map(|s| s.stride.clone()).collect::<Vec<_>>(), [[1, 1, 1], [1, 2, 2], [2, 2, 2], [2, 2, 2], [2, 2, 2]]);
        assert_eq!(stages[4].kernel, [3, 3, 3]);
        configuration.network_spec(1, 3, false).block().unwrap();
    }
    let error = plans.configuration("both").unwrap_err().to_string();
    assert!(error.contains("n_conv_per_stage_encoder") && error.contains("architecture"), "{error}");
    let no_objects = [(json!([1]), "`architecture` is [1], not an object"), (json!({"arch_kwargs": "x"}), "`arch_kwargs` is \"x\", not an object")];
    for (architecture, wanted) in no_objects {
        plans.configurations["3d_fullres"]["architecture"] = architecture;
        let error = plans.configuration("child").unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn resampling_settings_are_read() {
    let mut plans = minimal();
    let configuration = plans.configuration("3d_fullres").unwrap();
    assert_eq!(configuration.resampling(Resampling::Data).unwrap(), Some(volume::resample::ResampleOptions::IMAGE));
    assert_eq!(configuration.resampling(Resampling::Probabilities).unwrap(), Some(volume::resample::ResampleOptions::LABELS));
    plans.configurations["3d_fullres"]["resampling_fn_data"] = "own".into();
    plans.configurations["3d_fullres"]["resampling_fn_seg_kwargs"]["ordr"] = 1.into();
    let configuration = plans.configuration("3d_fullres").unwrap();
    assert!(configuration.resampling(Resampling::Data).unwrap_err().to_string().contains("own"));
    assert!(configuration.resampling(Resampling::Seg).unwrap_err().to_string().contains("`ordr`"));
}

/// The planners that resample in another way: what they write, and what it means.
#[test]
fn planners_of_other_resampling() {
    use volume::resample::ResampleOptions;
    let torch = |is_seg: bool| json!({"is_seg": is_seg, "force_separate_z": false, "memefficient_seg_resampling": false});
    let separate = |is_seg: bool| json!({"is_seg": is_seg, "force_separate_z": null, "memefficient_seg_resampling": false, "separate_z_anisotropy_threshold": 3});
    let together = ResampleOptions { force_separate_z: Some(false), ..ResampleOptions::TORCH };
    let (torch_name, none) = ("resample_torch_fornnunet", "no_resampling_hack");
    for (planner, plans_name, function, kwargs, options) in [
        ("nnUNetPlanner_torchres", "nnUNetPlans_torchres", torch_name, [torch(false), torch(true)], Some(together)),
        ("nnUNetPlannerResEncL_torchres", "nnUNetResEncUNetLPlans_torchres", torch_name, [torch(false), torch(true)], Some(together)),
        (
            "nnUNetPlannerResEncL_torchres_sepz",
            "nnUNetResEncUNetLPlans_torchres_sepz",
            torch_name,
            [separate(false), separate(true)],
            Some(ResampleOptions::TORCH),
        ),
        ("nnUNetPlannerResEncL_noResampling", "nnUNetResEncUNetLPlans_noResampling", none, [json!({}), json!({})], None),
    ] {
        let plans = example(planner);
        assert_eq!((plans.plans_name.as_str(), plans.experiment_planner_used.as_str()), (plans_name, planner));
        for name in ["2d", "3d_fullres"] {
            let configuration = plans.configuration(name).unwrap();
            assert_eq!(configuration.data_identifier, format!("{plans_name}_{name}"));
            let [data, seg] = &kwargs;
            for (what, found, found_kwargs, wanted) in [
                (Resampling::Data, &configuration.resampling_fn_data, &configuration.resampling_fn_data_kwargs, data),
                (Resampling::Seg, &configuration.resampling_fn_seg, &configuration.resampling_fn_seg_kwargs, seg),
                (Resampling::Probabilities, &configuration.resampling_fn_probabilities, &configuration.resampling_fn_probabilities_kwargs, data),
            ] {
                assert_eq!((found.as_str(), json!(found_kwargs).to_string()), (function, wanted.to_string()), "{planner} {name}");
                assert_eq!(configuration.resampling(what).unwrap(), options, "{planner} {name}");
            }
        }
    }
}

/// Planning again keeps what was made by hand, and replaces the rest.
#[test]
fn planning_again_keeps_own_configurations() {
    let Some(folder) = reference("plans") else { return };
    let dir = tempfile::tempdir().unwrap();
    let name = "Dataset004_Hippocampus";
    let pre = dir.path().join(name);
    std::fs::create_dir_all(&pre).unwrap();
    for file in ["dataset_fingerprint.json", "nnUNetPlans.json"] {
        std::fs::copy(folder.join(name).join(file), pre.join(file)).unwrap();
    }
    let path = pre.join("nnUNetPlans.json");
    let mut plans: Value = json::read(&path).unwrap();
    plans["configurations"]["mine"] = json!({"inherits_from": "3d_fullres", "batch_size": 3});
    plans["configurations"]["2d"]["batch_size"] = 1.into();
    json::write(&path, &plans).unwrap();
    let paths = crate::paths::Paths::new(&folder, dir.path(), dir.path());
    let (plans, written) = run(&paths, name, &Options::default(), None, &planning_size).unwrap();
    assert_eq!((plans.configuration("mine").unwrap().batch_size, written), (3, path.clone()));
    assert_eq!(
        plans.configuration("2d").unwrap().batch_size,
        Plans::read(&folder.join(name).join("nnUNetPlans.json")).unwrap().configuration("2d").unwrap().batch_size
    );
    assert_eq!(Plans::read(&path).unwrap(), plans);
    // the raw folder's splits were taken over; others in use are refused
    assert!(pre.join("splits_final.json").exists());
    std::fs::write(pre.join("splits_final.json"), r#"[{"train": ["a"], "val": ["b"]}]"#).unwrap();
    assert!(run(&paths, name, &Options::default(), None, &planning_size).unwrap_err().to_string().contains("first folds"));
}

/// A network that takes `1 + levels` times the memory of nnU-Net's own, and 2 times where the plan says nothing.
struct Levels;

fn with_levels(spec: &NetworkSpec, levels: u64) -> u64 {
    planning_size(spec).unwrap() * (1 + levels)
}

impl Estimate for Levels {
    fn size(&self, spec: &NetworkSpec) -> plugin_api::Result<u64> {
        Ok(with_levels(spec, spec.arch_kwargs["levels"].as_u64().unwrap_or(1)))
    }

    fn choices(&self, _: &NetworkSpec) -> plugin_api::Result<Vec<Map<String, Value>>> {
        Ok((1..=3).rev().map(|levels| Map::from_iter([("levels".to_owned(), levels.into())])).collect())
    }
}

#[test]
fn the_patch_comes_first_then_what_the_network_offers_then_the_batch() {
    let dataset: DatasetJson = serde_json::from_value(
        json!({"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}, "numTraining": 900, "file_ending": ".nii.gz"}),
    )
    .unwrap();
    let fingerprint = Fingerprint {
        foreground_intensity_properties_per_channel: Map::new(),
        median_relative_size_after_cropping: 1.0,
        shapes_after_crop: vec![[60, 100, 70]],
        spacings: vec![[1.0; 3]],
    };
    let mut seen = Vec::new();
    for gb in [1.0, 3.0, 4.0, 5.0, 6.0, 8.0, 20.0] {
        let options = Options { gpu_memory_target: Some(gb), trainer: Some("mine".into()), ..Options::default() };
        let plan = |estimate: &dyn Estimate| plan_experiment("Dataset001_X", &dataset, &fingerprint, &options, estimate).unwrap();
        let (plans, without) = (plan(&Levels), plan(&|spec: &NetworkSpec| Levels.size(spec)));
        assert_eq!(plans.plans_name, "nnUNetPlans_mine");
        for (name, reference, samples) in [("2d", 85e6, 12.0), ("3d_fullres", 560e6, 2.0)] {
            let (chosen, plain) = (plans.configuration(name).unwrap(), without.configuration(name).unwrap());
            assert_eq!((&chosen.patch_size, &chosen.data_identifier), (&plain.patch_size, &format!("nnUNetPlans_{name}")));
            let spec = chosen.network_spec(1, 2, false);
            let levels = spec.arch_kwargs["levels"].as_u64().unwrap();
            let room = reference * samples * gb / 8.0;
            let most = (1..=3).rev().find(|&levels| 2.0 * with_levels(&spec, levels) as f64 <= room).unwrap();
            assert_eq!(levels, most, "{name} at {gb} GiB");
            assert!(chosen.batch_size as f64 * with_levels(&spec, levels) as f64 <= room, "{name} at {gb} GiB: a batch of {}", chosen.batch_size);
            assert!((2..=plain.batch_size).contains(&chosen.batch_size));
            assert!(plain.architecture.arch_kwargs.get("levels").is_none());
            seen.push(levels);
        }
    }
    assert!((1..=3).all(|levels| seen.contains(&levels)), "{seen:?}");
}
