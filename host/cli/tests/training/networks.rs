//! The bundled networks: rows 4 to 7 and 10 of the guide, and a plan that has room for them.

use crate::{bundled, tree::Tree};
use engine::{Device, HeadTarget, Mode, Model, Supervision, shape::trace};
use pipeline::{checkpoint, json as files, plan::Plans};
use plugin_api::{
    NetworkSpec, Task,
    abi::host::{ArchitectureHandle, Library},
    json,
};
use registry::{Options, Registry, SearchPath};
use standard as _;
use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const CONFIGS: [&str; 6] = ["kiunet", "kiunet_conv", "kiunet_minimal", "kiunet_large", "uiunet", "uiunet_minimal"];
/// Batch of the networks that are run here.
const BATCH: usize = 2;

fn open(tree: &Tree) -> Registry {
    let search = SearchPath::new(&[tree.path("plugins")], None, None, None);
    Registry::open(Options { search, cache: tree.path("cache"), lock: tree.path("plugins.lock"), dev_plugins: false, trust: Default::default() })
        .unwrap()
}

fn architecture(registry: &Registry, config: &str) -> ArchitectureHandle {
    let wanted = registry.config(config).unwrap().config.architecture.unwrap();
    registry.architecture(&wanted.name).unwrap().create(&wanted.settings).unwrap()
}

/// A tree with the plugins and a preprocessed phantom.
fn tree() -> Tree {
    let tree = Tree::phantom();
    bundled::add(&tree.path("plugins"), &["kiunet", "uiunet"]);
    tree.done("plan_and_preprocess -d 999 -c 3d_fullres 2d");
    tree.add_small(Some([16, 16, 16]), &[4, 8, 8]);
    tree
}

fn fold(tree: &Tree, model: &str) -> PathBuf {
    tree.path("res").join(&tree.dataset).join(model).join("fold_0")
}

/// Each one as a user names it: the log says so, the checkpoint keeps it, and the loss falls.
#[test]
fn rows_4_to_7_the_dual_and_the_nested_network_train() {
    let tree = tree();
    for config in ["kiunet", "kiunet_minimal", "uiunet", "uiunet_minimal"] {
        tree.done(&format!("train 999 small 0 -tr {config} --plugins-dir plugins --epochs 3 --iterations 8 --val-iterations 1 --seed 1 -device cpu"));
        let fold = fold(&tree, &format!("{config}__nnUNetPlans__small"));
        let log = fs::read_to_string(fold.join("training_log.txt")).unwrap();
        let plugin = config.split('_').next().unwrap();
        assert!(log.contains(&format!("trainer {config}, ")) && log.contains(&format!(" of plugin org.nnunet-host.{plugin} ")), "{log}");
        let done = checkpoint::read(&fold.join("checkpoint_final.pth")).unwrap();
        assert_eq!(done.trainer_name, config);
        is_drawn(&fold, config, &done);
        let losses = done.logging.train_losses;
        assert!(losses.len() == 3 && losses[2] < losses[0], "{config}: {losses:?}");
    }
    // a checkpoint of one network does not fit the other
    let other = fold(&tree, "kiunet_minimal__nnUNetPlans__small").join("checkpoint_final.pth");
    let line = format!("train 999 small 0 -tr uiunet_minimal --plugins-dir plugins --epochs 1 -device cpu -pretrained_weights {}", other.display());
    assert_eq!(tree.host(&line).output().unwrap().status.code(), Some(1));
}

/// Row 75: the fold has the network's picture, with every layer of the checkpoint.
fn is_drawn(fold: &Path, config: &str, done: &checkpoint::Checkpoint) {
    let svg = fs::read_to_string(fold.join("network_architecture.svg")).unwrap();
    assert!(svg.starts_with("<?xml") && svg.ends_with("</svg>\n") && svg.contains(&format!(" of {config}</text>")), "{config}");
    let named: HashSet<&str> =
        svg.split("<title>").skip(1).filter_map(|part| part.split_once("</title>")).flat_map(|(names, _)| names.split(' ')).collect();
    for weight in &done.weights {
        let layer = |name: &str| name.rsplit_once('.').map_or("", |(layer, _)| layer).to_owned();
        let mut names = std::iter::once(&weight.name).chain(&weight.aliases).map(|name| layer(name));
        assert!(names.any(|name| named.contains(name.as_str())), "{config}: {} is not drawn", weight.name);
    }
    assert!(svg.matches("class=\"skip\"").count() >= 2, "{config} has skip connections");
    let pdf = fs::read(fold.join("network_architecture.pdf")).unwrap();
    assert!(pdf.starts_with(b"%PDF-1.") && pdf.trim_ascii_end().ends_with(b"%%EOF"), "{config}");
}

/// The networks of `examples`, built as their authors would.
#[test]
fn the_example_networks_train() {
    let tree = tree();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    for config in ["attention_unet", "mednext"] {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(root.join("examples").join(config.replace('_', "-"))).args(["build", "--release", "--target-dir"]);
        assert!(cargo.arg(root.join("target/fixtures")).status().unwrap().success(), "{config} does not build");
        let name = format!("{}{config}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        fs::copy(root.join("target/fixtures/release").join(&name), tree.path("plugins").join(&name)).unwrap();
        tree.done(&format!(
            "train 999 small 0 -tr {config} --plugins-dir plugins --epochs 2 --iterations 10 --val-iterations 1 --seed 1 -device cpu"
        ));
        let done = checkpoint::read(&fold(&tree, &format!("{config}__nnUNetPlans__small")).join("checkpoint_final.pth")).unwrap();
        let losses = done.logging.train_losses;
        assert!(losses.len() == 2 && losses[1] < losses[0], "{config}: {losses:?}");
    }
}

fn spec(strides: &[&[usize]], patch: &[usize], first_kernel: usize) -> NetworkSpec {
    let (n, dims) = (strides.len(), patch.len());
    let kernel = |i: usize| (0..dims).map(|axis| if i == 0 && axis == 0 { first_kernel } else { 3 }).collect::<Vec<_>>();
    NetworkSpec {
        input_channels: 2,
        num_classes: 3,
        patch_size: patch.to_vec(),
        deep_supervision: true,
        network_class_name: "PlainConvUNet".into(),
        arch_kwargs: json!({
            "n_stages": n,
            "features_per_stage": (0..n).map(|i| 8usize << i).collect::<Vec<_>>(),
            "kernel_sizes": (0..n).map(kernel).collect::<Vec<_>>(),
            "strides": strides,
            "n_conv_per_stage": 1,
            "n_conv_per_stage_decoder": 1,
            "conv_bias": true,
            "norm_op": format!("torch.nn.modules.instancenorm.InstanceNorm{dims}d"),
            "nonlin": "torch.nn.LeakyReLU",
        }),
    }
}

/// Volumes, slices, thick slices, edges that no power of two divides.
fn specs() -> [NetworkSpec; 4] {
    [
        spec(&[&[1, 1, 1], &[2, 2, 2], &[2, 2, 2]], &[16, 16, 16], 3),
        spec(&[&[1, 1], &[2, 2], &[2, 2]], &[32, 24], 3),
        spec(&[&[1, 1, 1], &[1, 2, 2], &[2, 2, 2]], &[6, 16, 24], 1),
        spec(&[&[1, 1, 1], &[2, 2, 2], &[2, 2, 2]], &[12, 20, 12], 3),
    ]
}

/// A number in [-1, 1) from the place, without order.
fn noise(i: usize) -> f32 {
    ((i as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0
}

/// What the planner counts on is what runs, each target has its head, and each weight learns.
#[test]
fn on_values_the_heads_are_those_of_the_shapes_and_no_weight_is_dead() {
    let dir = Tree::phantom();
    bundled::add(&dir.path("plugins"), &["kiunet", "uiunet"]);
    let registry = open(&dir);
    let task = Task { outputs: 3, ..Task::default() };
    let loss = Library::builtin().loss("ce", "{}", &serde_json::to_string(&task).unwrap()).unwrap();
    for config in CONFIGS {
        let made = architecture(&registry, config);
        for spec in specs() {
            let model = Model::build(&Device::cpu(), &made, &spec, 1).unwrap();
            let shape: Vec<usize> = [BATCH, spec.input_channels].iter().chain(&spec.patch_size).copied().collect();
            let image: Vec<f32> = (0..shape.iter().product()).map(noise).collect();
            let found: Vec<Vec<usize>> = model.heads(&image, &shape).unwrap().into_iter().map(|(_, shape)| shape).collect();
            let t = trace(&made, &spec, BATCH).unwrap();
            assert_eq!(t.outputs, found, "{config} {:?}", spec.patch_size);
            assert!(t.differentiable && t.leaked == 0 && t.unused_parameters().is_empty(), "{config}");
            let mut size = spec.patch_size.clone();
            let stages = spec.stages().unwrap();
            let wanted: Vec<Vec<usize>> = (stages[..stages.len() - 1].iter())
                .map(|s| {
                    size.iter_mut().zip(&s.stride).for_each(|(n, by)| *n /= by);
                    [&[BATCH, 3], &size[..]].concat()
                })
                .collect();
            assert_eq!(found, wanted, "{config} {:?}", spec.patch_size);

            let targets: Vec<(Vec<usize>, Vec<i16>)> = (found.iter())
                .map(|head| {
                    let shape = [&[BATCH, 1], &head[2..]].concat();
                    let labels = (0..shape.iter().product()).map(|i| (noise(i) * 1.5 + 1.5) as i16).collect();
                    (shape, labels)
                })
                .collect();
            let heads = targets.iter().map(|(shape, values)| HeadTarget { shape, values, weight: 0.5 }).collect();
            let supervision = Supervision { heads, prepared: &[], task: &task };
            let step = model.step(Mode::Train, &image, &shape, &supervision, &loss, &[0]).unwrap();
            let gradients = step.gradients.unwrap().to_vecs().unwrap();
            for (weight, gradient) in model.weights().unwrap().iter().zip(gradients) {
                let largest = gradient.iter().flatten().fold(0f32, |m, g| m.max(g.abs()));
                // the norm behind a convolution takes its bias away
                let behind = weight.name.ends_with("conv.bias");
                assert!(largest > 1e-8 || behind && largest.is_finite(), "{config} {:?}: {} learns nothing", spec.patch_size, weight.name);
            }
        }
    }
}

/// Row 10: what the networks are stands in our docs.
#[test]
fn row_10_the_networks_have_a_page() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/architectures.md")).unwrap();
    assert!(CONFIGS.iter().all(|config| page.contains(&format!("`{config}`"))));
}

/// Plans for a config: its own patch and batch, as many overcomplete levels as fit, and a training that the same memory holds.
#[test]
fn a_plan_for_a_config_fits_and_another_is_refused_with_its_gib() {
    let tree = tree();
    let plan = |line: &str| tree.done(&format!("plan_experiment -d 999 --plugins-dir plugins {line}"));
    let read = |name: &str| Plans::read(&tree.path("pre").join(&tree.dataset).join(format!("{name}.json"))).unwrap();
    let levels = |plans: &Plans, name: &str| plans.configuration(name).unwrap().architecture.arch_kwargs["overcomplete_levels"].as_u64();
    let registry = open(&tree);
    let voxels = |plans: &Plans| plans.configuration("3d_fullres").unwrap().patch_size.iter().product::<usize>();
    let mut before = (usize::MAX, u64::MAX);
    for gib in [8.0, 0.5, 0.2] {
        plan(&format!("-tr kiunet -gpu_memory_target {gib}"));
        let plans = read("nnUNetPlans_kiunet");
        for name in ["2d", "3d_fullres"] {
            let configuration = plans.configuration(name).unwrap();
            assert_eq!(configuration.data_identifier, format!("nnUNetPlans_{name}"), "the cases are those of the default plans");
            let t = trace(&architecture(&registry, "kiunet"), &configuration.network_spec(1, 3, true), 1).unwrap();
            let needed = t.activation_bytes * configuration.batch_size as u64;
            assert!((needed as f64) < 0.92 * gib * f64::from(1 << 30), "{name} at {gib} GiB takes {needed} bytes");
            assert!(levels(&plans, name).is_some_and(|n| (1..=3).contains(&n)));
        }
        let now = (voxels(&plans), levels(&plans, "3d_fullres").unwrap());
        assert!(now.0 <= before.0 && now.1 <= before.1 && now != before, "{gib} GiB: {now:?} after {before:?}");
        before = now;
    }
    plan("-tr uiunet_minimal");
    assert!(levels(&read("nnUNetPlans_uiunet_minimal"), "2d").is_none(), "only a network that offers a choice has one");
    let unknown = tree.host("plan_experiment -d 999 -tr kiunett --plugins-dir plugins").output().unwrap();
    assert!(unknown.status.code() == Some(1) && String::from_utf8_lossy(&unknown.stderr).contains("kiunet"), "{unknown:?}");

    tree.done("preprocess -d 999 -plans_name nnUNetPlans_kiunet -c 3d_fullres");
    let train =
        "train 999 3d_fullres 0 -tr kiunet --plugins-dir plugins --epochs 1 --iterations 1 --val-iterations 0 -device cpu -gpu_memory_target 0.2";
    let refused = tree.host(train).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("GiB for") && said.contains("-gpu_memory_target allows 0.20 GiB"), "{said}");
    assert!(!fold(&tree, "kiunet__nnUNetPlans__3d_fullres").join("checkpoint_final.pth").exists());
    tree.done(&format!("{train} -p nnUNetPlans_kiunet"));
    let model: serde_json::Value = files::read(&fold(&tree, "kiunet__nnUNetPlans_kiunet__3d_fullres").with_file_name("plans.json")).unwrap();
    assert_eq!(model["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"]["overcomplete_levels"], 1);
}
