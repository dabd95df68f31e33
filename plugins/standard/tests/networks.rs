//! The networks against nnU-Net: names, order, shapes, aliases, counts, and the planner's figure.
#![allow(clippy::unwrap_used)]

mod shapes;

use plugin_api::{
    Init, NetworkSpec,
    abi::host::{Library, NetworkHandle},
};
use serde_json::{Value, json};
use shapes::Shapes;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn reference() -> Option<PathBuf> {
    let dir = std::env::var_os("NNUNET_REFERENCE").map(PathBuf::from);
    if dir.is_none() {
        eprintln!("skipped: NNUNET_REFERENCE is not set");
    }
    dir
}

fn read(path: PathBuf) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn sizes(v: &Value) -> Vec<usize> {
    serde_json::from_value(v.clone()).unwrap()
}

/// The last part of a class name, as components are registered.
fn class(architecture: &Value) -> &str {
    architecture["network_class_name"].as_str().unwrap().rsplit('.').next().unwrap()
}

fn build(name: &str, spec: &NetworkSpec) -> (Shapes, NetworkHandle) {
    standard::link();
    let host = Shapes::default();
    let network = Library::builtin().architecture(name, "{}").unwrap().build(&host, &serde_json::to_string(spec).unwrap()).unwrap();
    (host, network)
}

fn planning_size(name: &str, spec: &NetworkSpec) -> u64 {
    standard::link();
    Library::builtin().architecture(name, "{}").unwrap().planning_size(&serde_json::to_string(spec).unwrap()).unwrap().unwrap()
}

/// The folder of `tests/reference`, which is always there.
fn own_reference() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference")
}

fn reference_networks() -> Vec<(String, Value, NetworkSpec)> {
    let Some(dir) = reference() else { return vec![] };
    let found = networks_in(&dir);
    assert_eq!(found.len(), 10);
    found
}

fn own_networks() -> Vec<(String, Value, NetworkSpec)> {
    let found = networks_in(&own_reference());
    assert_eq!(found.len(), 2);
    found
}

fn networks_in(dir: &Path) -> Vec<(String, Value, NetworkSpec)> {
    let mut found = vec![];
    for entry in fs::read_dir(dir.join("network")).unwrap() {
        let path = entry.unwrap().path().join("meta.json");
        if path.is_file() {
            let meta = read(path);
            let spec = NetworkSpec {
                input_channels: meta["input_channels"].as_u64().unwrap() as usize,
                num_classes: meta["num_outputs"].as_u64().unwrap() as usize,
                patch_size: sizes(&meta["patch"]),
                deep_supervision: true,
                network_class_name: class(&meta["architecture"]).into(),
                arch_kwargs: meta["architecture"]["arch_kwargs"].clone(),
            };
            found.push((meta["name"].as_str().unwrap().to_string(), meta, spec));
        }
    }
    found
}

#[test]
fn parameters_are_those_of_the_state_dict_in_its_order() {
    for (name, meta, spec) in reference_networks().into_iter().chain(own_networks()) {
        let (host, _) = build(class(&meta["architecture"]), &spec);
        let made: Vec<(String, Vec<usize>)> = host.parameters().into_iter().map(|p| (p.name, p.shape)).collect();
        let wanted: Vec<(String, Vec<usize>)> = meta["canonical_params"].as_object().unwrap().iter().map(|(k, v)| (k.clone(), sizes(v))).collect();
        assert_eq!(made, wanted, "{name}");
        assert_eq!(host.count() as u64, meta["n_parameters"].as_u64().unwrap(), "{name}");
    }
}

#[test]
fn aliases_are_those_of_the_state_dict() {
    for (name, meta, spec) in reference_networks().into_iter().chain(own_networks()) {
        let (host, _) = build(class(&meta["architecture"]), &spec);
        let made: BTreeSet<(String, String)> = host.parameters().iter().flat_map(|p| p.aliases.iter().map(|a| (a.clone(), p.name.clone()))).collect();
        let wanted: BTreeSet<(String, String)> =
            meta["aliases"].as_object().unwrap().iter().map(|(alias, of)| (alias.clone(), of.as_str().unwrap().to_string())).collect();
        assert_eq!(made, wanted, "{name}");
        assert_eq!((made.len() + host.parameters().len()) as u64, meta["n_state_dict_entries"].as_u64().unwrap(), "{name}");
    }
}

#[test]
fn every_head_comes_back_finest_first() {
    for (name, meta, spec) in reference_networks() {
        let (host, network) = build(class(&meta["architecture"]), &spec);
        let x: Vec<usize> = [2, spec.input_channels].into_iter().chain(spec.patch_size.iter().copied()).collect();
        let heads = network.forward(&host, host.tensor(&x)).unwrap();
        let made: Vec<Vec<usize>> = heads.iter().map(|&id| host.shape(id)).collect();
        let scales: Vec<Vec<f64>> = serde_json::from_value(meta["ds_scales"].clone()).unwrap();
        let scaled = |s: &Vec<f64>| spec.patch_size.iter().zip(s).map(|(&n, s)| (n as f64 * s) as usize).collect::<Vec<_>>();
        let wanted: Vec<Vec<usize>> = scales.iter().map(|s| [2, spec.num_classes].into_iter().chain(scaled(s)).collect()).collect();
        assert_eq!(made, wanted, "{name}");
        assert_eq!(host.unused(), [""; 0], "{name}");
    }
}

#[test]
fn the_planners_figure_is_that_of_the_reference_networks() {
    // Primus has no figure of its own: the host adds up its convolutions
    let own = own_networks().into_iter().filter(|(name, ..)| name != "primus");
    for (name, meta, spec) in reference_networks().into_iter().chain(own) {
        // nnU-Net plans with deep supervision off
        let made = planning_size(class(&meta["architecture"]), &NetworkSpec { deep_supervision: false, ..spec });
        assert_eq!(made, meta["conv_feature_map_size_at_patch"].as_u64().unwrap(), "{name}");
    }
}

/// Names and shapes of the whole state dict, of each of Primus' sizes.
#[test]
fn state_dicts_of_primus() {
    for (name, wanted) in read(own_reference().join("primus_sizes.json")).as_object().unwrap() {
        let spec = NetworkSpec {
            input_channels: 1,
            num_classes: 3,
            patch_size: vec![32; 3],
            deep_supervision: false,
            network_class_name: "PlainConvUNet".into(),
            arch_kwargs: json!({"n_stages": 4}), // of the plan's own network, and none of Primus' concern
        };
        let (host, _) = build(name, &spec);
        let parameters = host.parameters();
        let text: String = parameters.iter().map(|p| format!("{} {:?}\n", p.name, p.shape)).collect();
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        assert_eq!(json!({"entries": parameters.len(), "numbers": host.count(), "fnv1a": format!("{hash:016x}")}), *wanted, "{name}");
    }
}

#[test]
fn what_primus_cannot_be_is_refused_with_the_way_out() {
    standard::link();
    let refused = |name: &str, settings: Value, patch: &[usize], class: &str, kwargs: Value| {
        let spec = NetworkSpec {
            input_channels: 1,
            num_classes: 2,
            patch_size: patch.to_vec(),
            deep_supervision: false,
            network_class_name: class.into(),
            arch_kwargs: kwargs,
        };
        let made = Library::builtin().architecture(name, &settings.to_string()).unwrap();
        made.build(&Shapes::default(), &serde_json::to_string(&spec).unwrap()).err().unwrap().to_string()
    };
    for (error, wanted) in [
        (refused("PrimusS", json!({}), &[40, 56, 36], "", json!({})), "[40, 56, 36] is not divisible"),
        (refused("PrimusS", json!({}), &[64, 64], "", json!({})), "a network for volumes"),
        (refused("Primus", json!({}), &[16; 3], "", json!({})), "embed_dim is missing"),
        (refused("Primus", json!({"embed_dim": 40, "eva_depth": 1, "eva_numheads": 4}), &[16; 3], "", json!({})), "a multiple of 6"),
        (refused("Primus", json!({}), &[16; 3], "x.Primus", json!({"num_register_tokens": 4})), "num_register_tokens"),
        (refused("PrimusB", json!({"drop_path_rate": 1.5}), &[16; 3], "", json!({})), "drop_path_rate is 1.5"),
    ] {
        assert!(error.contains(wanted), "{error}");
    }
}

/// Each network that the planner of 16 data sets weighed.
#[test]
fn the_planners_figure_is_that_of_its_traces() {
    let Some(dir) = reference() else { return };
    let mut compared = 0;
    for entry in fs::read_dir(dir.join("planner")).unwrap() {
        let dir = entry.unwrap().path();
        let dataset = read(dir.join("dataset.json"));
        for (plans, trace) in read(dir.join("vram_trace.json")).as_object().unwrap() {
            let path = dir.join(format!("{plans}.json"));
            let plan = read(path);
            for step in trace.as_array().unwrap() {
                let n = step["strides"].as_array().unwrap().len();
                let dims = step["patch_size"].as_array().unwrap().len();
                let architecture = architecture_of(&plan, dims);
                let mut kwargs = architecture["arch_kwargs"].clone();
                let residual = class(&architecture) == "ResidualEncoderUNet";
                kwargs["n_stages"] = json!(n);
                kwargs["strides"] = step["strides"].clone();
                kwargs["kernel_sizes"] = step["kernel_sizes"].clone();
                let largest = if dims == 2 { 512 } else { 320 };
                kwargs["features_per_stage"] = (0..n).map(|i| (32usize << i).min(largest)).collect();
                if residual {
                    kwargs["n_blocks_per_stage"] = (0..n).map(|i| [1, 3, 4, 6][i.min(3)]).collect();
                    kwargs["n_conv_per_stage_decoder"] = json!(vec![1; n - 1]);
                } else {
                    kwargs["n_conv_per_stage"] = json!(vec![2; n]);
                    kwargs["n_conv_per_stage_decoder"] = json!(vec![2; n - 1]);
                }
                let spec = NetworkSpec {
                    input_channels: dataset.get("channel_names").or(dataset.get("modality")).unwrap().as_object().unwrap().len(),
                    num_classes: dataset["labels"].as_object().unwrap().len(),
                    patch_size: sizes(&step["patch_size"]),
                    deep_supervision: false,
                    network_class_name: String::new(),
                    arch_kwargs: kwargs,
                };
                let made = planning_size(class(&architecture), &spec);
                assert_eq!(made, step["estimate"].as_u64().unwrap(), "{} {plans} {step}", dir.display());
                compared += 1;
            }
        }
    }
    eprintln!("{compared} networks compared");
    assert!(compared > 300, "{compared}");
}

fn architecture_of(plan: &Value, dims: usize) -> Value {
    let configurations = plan["configurations"].as_object().unwrap();
    let found = configurations.values().find(|c| c.get("patch_size").is_some_and(|p| p.as_array().unwrap().len() == dims));
    found.unwrap()["architecture"].clone()
}

/// A plan with `n` stages of the usual widths, cubic kernels and strides of 2.
fn usual(n: usize, dims: usize, residual: bool, patch: usize) -> NetworkSpec {
    let largest = if dims == 2 { 512 } else { 320 };
    let strides: Vec<usize> = (0..n).map(|i| if i == 0 { 1 } else { 2 }).collect();
    let mut kwargs = json!({
        "n_stages": n,
        "features_per_stage": (0..n).map(|i| (32usize << i).min(largest)).collect::<Vec<_>>(),
        "kernel_sizes": 3,
        "strides": strides,
        "n_conv_per_stage_decoder": if residual { 1 } else { 2 },
        "conv_bias": true,
        "norm_op": format!("torch.nn.modules.instancenorm.InstanceNorm{dims}d"),
        "nonlin": "torch.nn.LeakyReLU",
    });
    if residual {
        kwargs["n_blocks_per_stage"] = (0..n).map(|i| [1, 3, 4, 6][i.min(3)]).collect();
    } else {
        kwargs["n_conv_per_stage"] = json!(2);
    }
    NetworkSpec {
        input_channels: 1,
        num_classes: 3,
        patch_size: vec![patch; dims],
        deep_supervision: true,
        network_class_name: String::new(),
        arch_kwargs: kwargs,
    }
}

#[test]
fn parameter_counts_of_the_usual_plans() {
    let count = |name: &str, n, dims| build(name, &usual(n, dims, name != "PlainConvUNet", 64)).0.count();
    let by_stages = |name: &str| [4, 5, 6].map(|n| count(name, n, 3));
    assert_eq!(by_stages("PlainConvUNet"), [5_603_177, 16_548_076, 31_196_399]);
    assert_eq!(by_stages("ResidualEncoderUNet"), [25_895_593, 62_810_412, 102_350_575]);
    assert_eq!(by_stages("ResidualUNet"), [26_520_329, 65_336_972, 107_848_335]);
    assert_eq!(count("PlainConvUNet", 7, 2), 33_473_330);
}

#[test]
fn planning_sizes_of_the_usual_plans() {
    let size = |name: &str, n, dims, patch| planning_size(name, &usual(n, dims, name != "PlainConvUNet", patch));
    assert_eq!([6, 5, 4].map(|n| size("PlainConvUNet", n, 3, 128)), [453_694_976, 453_160_960, 449_675_264]);
    assert_eq!(size("PlainConvUNet", 7, 2, 512), 83_033_856);
    assert_eq!([6, 5, 4].map(|n| size("ResidualEncoderUNet", n, 3, 128)), [558_319_104, 557_723_648, 553_484_288]);
    assert_eq!(size("ResidualUNet", 6, 3, 128), 736_904_704);
}

/// Where no block pools without a convolution, the figure is the sum over the convolutions that really run.
#[test]
fn the_figure_is_what_a_forward_pass_convolves() {
    for (dims, patch) in [(3, 32), (2, 64)] {
        let spec = usual(5, dims, false, patch);
        let (host, network) = build("PlainConvUNet", &spec);
        let x: Vec<usize> = [1, 1].into_iter().chain(spec.patch_size.iter().copied()).collect();
        network.forward(&host, host.tensor(&x)).unwrap();
        assert_eq!(host.convolved(), planning_size("PlainConvUNet", &spec));
    }
}

#[test]
fn weights_start_as_in_nnunet() {
    let (host, _) = build("ResidualUNet", &usual(3, 3, true, 32));
    let parameters = host.parameters();
    for p in &parameters {
        let wanted = match (p.shape.len(), p.name.as_str()) {
            (5, _) => Init::HE,
            (_, name) if name.ends_with("conv2.norm.weight") => Init::ZEROS,
            (_, name) if name.ends_with("norm.weight") => Init::ONES,
            _ => Init::ZEROS,
        };
        assert_eq!(p.init, wanted, "{}", p.name);
    }
    let zeroed = parameters.iter().filter(|p| p.name.ends_with("conv2.norm.weight")).count();
    assert_eq!(zeroed, 1 + 3 + 4 + 2, "one a block, of encoder and decoder");
}

/// nnU-Net zeroes the norm that ends a block, whatever its kind.
#[test]
fn residual_blocks_take_batch_normalisation() {
    let mut spec = usual(3, 3, true, 32);
    spec.arch_kwargs["norm_op"] = json!("torch.nn.modules.batchnorm.BatchNorm3d");
    let (host, _) = build("ResidualEncoderUNet", &spec);
    let ending: Vec<_> = host.parameters().into_iter().filter(|p| p.name.contains("conv2.norm.")).collect();
    assert_eq!(ending.len(), 4 * (1 + 3 + 4), "scale, shift and two statistics a block");
    for p in ending {
        let wanted = if p.name.ends_with("running_var") { Init::ONES } else { Init::ZEROS };
        assert_eq!(p.init, wanted, "{}", p.name);
    }
}

#[test]
fn an_option_that_the_network_lacks_is_refused_by_name() {
    let mut spec = usual(3, 3, true, 32);
    spec.arch_kwargs["squeeze_excitation"] = json!(true);
    let text = serde_json::to_string(&spec).unwrap();
    standard::link();
    let refused = Library::builtin().architecture("ResidualEncoderUNet", "{}").unwrap().build(&Shapes::default(), &text).err().unwrap();
    assert!(refused.message().contains("squeeze_excitation"), "{refused}");
}

#[test]
fn a_single_stage_is_refused() {
    let text = serde_json::to_string(&usual(1, 3, false, 32)).unwrap();
    standard::link();
    let refused = Library::builtin().architecture("PlainConvUNet", "{}").unwrap().build(&Shapes::default(), &text).err().unwrap();
    assert!(refused.message().contains("n_stages"), "{refused}");
}
