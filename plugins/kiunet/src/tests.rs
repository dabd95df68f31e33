//! Shapes, names and refusals.

#[path = "../../standard/tests/shapes/mod.rs"]
mod shapes;

use plugin_api::{
    Init,
    abi::host::{Library, NetworkHandle},
    json,
    prelude::*,
};
use shapes::Shapes;

/// `strides` an axis each, a stage each; the first stage's are 1.
fn spec(strides: &[&[usize]], patch: &[usize], kernel: &[usize]) -> NetworkSpec {
    let n = strides.len();
    let dims = patch.len();
    let kernels: Vec<Vec<usize>> = (0..n).map(|i| if i == 0 { kernel.to_vec() } else { vec![3; dims] }).collect();
    NetworkSpec {
        input_channels: 2,
        num_classes: 3,
        patch_size: patch.to_vec(),
        deep_supervision: true,
        network_class_name: "PlainConvUNet".into(),
        arch_kwargs: json!({
            "n_stages": n,
            "features_per_stage": (0..n).map(|i| 8usize << i).collect::<Vec<_>>(),
            "kernel_sizes": kernels,
            "strides": strides,
            "n_conv_per_stage": 2,
            "n_conv_per_stage_decoder": 2,
            "conv_bias": true,
            "norm_op": format!("torch.nn.modules.instancenorm.InstanceNorm{dims}d"),
            "nonlin": "torch.nn.LeakyReLU",
        }),
    }
}

fn cubes() -> NetworkSpec {
    spec(&[&[1, 1, 1], &[2, 2, 2], &[2, 2, 2], &[2, 2, 2]], &[16, 24, 16], &[3, 3, 3])
}

fn build(settings: &str, spec: &NetworkSpec) -> Result<(Shapes, NetworkHandle)> {
    let host = Shapes::default();
    let text = json!(spec).to_string();
    let network = Library::builtin().architecture("kiunet", settings)?.build(&host, &text)?;
    Ok((host, network))
}

/// Shapes of the heads for a batch of 2.
fn heads(settings: &str, spec: &NetworkSpec) -> Vec<Vec<usize>> {
    let (host, network) = build(settings, spec).unwrap();
    let x: Vec<usize> = [2, spec.input_channels].into_iter().chain(spec.patch_size.iter().copied()).collect();
    let logits = network.forward(&host, host.tensor(&x)).unwrap();
    assert_eq!(host.unused(), [""; 0], "every parameter takes part");
    logits.iter().map(|&id| host.shape(id)).collect()
}

#[test]
fn one_head_for_each_stage_but_the_bottleneck() {
    let wanted = [[2, 3, 16, 24, 16], [2, 3, 8, 12, 8], [2, 3, 4, 6, 4]];
    for levels in 1..=3 {
        for down in ["max", "avg", "conv"] {
            assert_eq!(heads(&format!(r#"{{"levels": {levels}, "pool_type": "{down}"}}"#), &cubes()), wanted, "{levels} {down}");
        }
    }
}

#[test]
fn flat_images_work() {
    let flat = spec(&[&[1, 1], &[2, 2], &[2, 2]], &[32, 24], &[3, 3]);
    assert_eq!(heads("{}", &flat), [[2, 3, 32, 24], [2, 3, 16, 12]]);
}

#[test]
fn anisotropic_plans_work() {
    let thick = spec(&[&[1, 1, 1], &[1, 2, 2], &[1, 2, 2], &[2, 2, 2]], &[6, 32, 40], &[1, 3, 3]);
    let wanted = [[2, 3, 6, 32, 40], [2, 3, 6, 16, 20], [2, 3, 6, 8, 10]];
    assert_eq!(heads("{}", &thick), wanted);
    assert_eq!(heads(r#"{"levels": 3}"#, &thick), wanted);
}

#[test]
fn residual_encoder_plans_work() {
    let mut residual = cubes();
    residual.arch_kwargs["n_conv_per_stage"] = json!(null);
    residual.arch_kwargs["n_blocks_per_stage"] = json!([1, 3, 4, 6]);
    assert_eq!(heads("{}", &residual).len(), 3);
}

#[test]
fn two_stages_are_enough() {
    let shallow = spec(&[&[1, 1], &[2, 2]], &[16, 16], &[3, 3]);
    assert_eq!(heads("{}", &shallow), [[2, 3, 16, 16]]);
}

#[test]
fn the_overcomplete_branch_is_finer_than_the_input() {
    let largest = |levels: usize| {
        let (host, network) = build(&format!(r#"{{"levels": {levels}}}"#), &cubes()).unwrap();
        let x = host.tensor(&[1, 2, 16, 24, 16]);
        network.forward(&host, x).unwrap();
        let voxels = (x..host.tensor(&[1])).map(|id| host.shape(id).iter().skip(2).product::<usize>()).max().unwrap();
        (voxels, host.convolved())
    };
    let patch = 16 * 24 * 16;
    let [one, two] = [1, 2].map(largest);
    assert_eq!((one.0, two.0), (patch * 8, patch * 64));
    assert!(two.1 > one.1);
}

#[test]
fn names_are_unique_and_weights_start_as_in_nnunet() {
    let (host, _) = build(r#"{"levels": 2}"#, &cubes()).unwrap();
    let parameters = host.parameters();
    let mut names: Vec<&str> = parameters.iter().map(|p| p.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), parameters.len());
    for wanted in [
        "encoder.stages.3.0.convs.1.conv.weight",
        "decoder.seg_layers.2.weight",
        "overcomplete.encoder.2.conv.weight",
        "overcomplete.decoder.1.norm.weight",
        "refine.encoder.2.to_u.conv.weight",
        "refine.decoder.1.to_ki.conv.weight",
    ] {
        assert!(names.contains(&wanted), "{wanted}");
    }
    assert!(parameters.iter().filter(|p| p.shape.len() > 1).all(|p| p.init == Init::HE && p.aliases.len() < 2));
}

/// `o i k + o`, and scale and shift of the norm.
fn unit(i: usize, o: usize, taps: usize) -> usize {
    o * i * taps + 3 * o
}

fn stack(n: usize, i: usize, o: usize, taps: usize) -> usize {
    unit(i, o, taps) + (n - 1) * unit(o, o, taps)
}

/// What docs/architectures.md says that the network has.
fn formula(spec: &NetworkSpec, levels: usize, base: usize, divisor: usize) -> usize {
    let product = |v: &[usize]| v.iter().product::<usize>();
    let (s, classes) = (spec.stages().unwrap(), spec.num_classes);
    let (f, k) = (|i: usize| s[i].features / divisor, |i: usize| product(&s[i].kernel));
    let c = |l: usize| base << l.saturating_sub(1);
    let encoder: usize = (0..s.len()).map(|i| stack(s[i].convs, if i == 0 { spec.input_channels } else { f(i - 1) }, f(i), k(i))).sum();
    let decoder: usize =
        (0..s.len() - 1).map(|i| f(i + 1) * f(i) * product(&s[i + 1].stride) + f(i) + stack(s[i].decoder_convs, 2 * f(i), f(i), k(i))).sum();
    let heads: usize = (0..s.len() - 1).map(|i| classes * (f(i) + if i == 0 { base } else { 0 }) + classes).sum();
    let branch: usize =
        (1..=levels).map(|l| unit(if l == 1 { spec.input_channels } else { c(l - 1) }, c(l), k(0)) + unit(c(l), c(l - 1), k(0))).sum();
    let refine = |levels: usize| (1..=levels).map(|l| unit(c(l), f(l), k(l)) + unit(f(l), c(l), k(l))).sum::<usize>();
    encoder + decoder + heads + branch + refine(levels) + refine(levels.min(s.len() - 2))
}

#[test]
fn row_4_the_parameters_are_those_of_the_formula() {
    let thick = spec(&[&[1, 1, 1], &[1, 2, 2], &[2, 2, 2]], &[6, 32, 40], &[1, 3, 3]);
    for spec in [cubes(), thick, spec(&[&[1, 1], &[2, 2], &[2, 2], &[2, 1]], &[32, 24], &[3, 3])] {
        for levels in 1..spec.stages().unwrap().len() {
            let found = build(&format!(r#"{{"levels": {levels}}}"#), &spec).unwrap().0.count();
            assert_eq!(found, formula(&spec, levels, 16, 1), "{levels} {:?}", spec.patch_size);
        }
        let minimal = build(r#"{"features_divisor": 2, "pool_type": "conv"}"#, &spec).unwrap().0.count();
        assert_eq!(minimal, formula(&spec, 1, 8, 2));
    }
}

#[test]
fn the_plan_may_say_how_many_levels() {
    let mut planned = cubes();
    planned.arch_kwargs["overcomplete_levels"] = json!(3);
    let count = |settings: &str, spec: &NetworkSpec| build(settings, spec).unwrap().0.count();
    assert_eq!(count("{}", &planned), count(r#"{"levels": 3}"#, &cubes()));
    assert_eq!(count(r#"{"levels": 2}"#, &planned), count(r#"{"levels": 2}"#, &cubes()), "the settings come first");
    for (wrong, said) in [(json!(4), "levels is 4"), (json!("many"), "overcomplete_levels of the plan is \"many\"")] {
        planned.arch_kwargs["overcomplete_levels"] = wrong;
        assert!(build("{}", &planned).err().unwrap().message().contains(said));
    }
}

#[test]
fn a_planner_may_choose_the_levels_unless_the_settings_do() {
    let choices = |settings, spec: &NetworkSpec| {
        let text = json!(spec).to_string();
        let list = Library::builtin().architecture("kiunet", settings).unwrap().planning_choices(&text).unwrap();
        list.iter().map(|c| c["overcomplete_levels"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(choices("{}", &cubes()), [3, 2, 1]);
    assert_eq!(choices("{}", &spec(&[&[1, 1], &[2, 2]], &[16, 16], &[3, 3])), [1]);
    assert_eq!(choices(r#"{"levels": 1}"#, &cubes()), [0; 0]);
}

#[test]
fn the_state_dict_does_not_depend_on_deep_supervision() {
    let names = |deep_supervision| {
        let spec = NetworkSpec { deep_supervision, ..cubes() };
        build("{}", &spec).unwrap().0.parameters().into_iter().map(|p| (p.name, p.shape)).collect::<Vec<_>>()
    };
    assert_eq!(names(true), names(false));
}

#[test]
fn half_the_channels_are_about_a_quarter_of_the_parameters() {
    let count = |settings| build(settings, &cubes()).unwrap().0.count() as f64;
    let share = count(r#"{"features_divisor": 2}"#) / count("{}"); // row 5
    assert!((0.25..0.3).contains(&share), "{share}");
}

#[test]
fn settings_that_make_no_network_are_refused() {
    for (settings, said) in [
        (r#"{"levels": 0}"#, "levels is 0"),
        (r#"{"levels": 4}"#, "1 to 3 levels"),
        (r#"{"features_divisor": 0}"#, "features_divisor 0"),
        (r#"{"pool_type": "sieve"}"#, "sieve"),
        (r#"{"n_blocks": 0}"#, "n_blocks is 0"),
        (r#"{"lvls": 1}"#, "lvls"),
    ] {
        let refused = build(settings, &cubes()).err().unwrap();
        assert!(refused.message().contains(said), "{settings}: {refused}");
    }
}

#[test]
fn each_config_is_read_and_can_be_built() {
    let configs: Vec<_> = Library::builtin().components().into_iter().filter(|c| c.kind == "config").collect();
    assert_eq!(configs.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["kiunet", "kiunet_conv", "kiunet_large", "kiunet_minimal"]);
    for c in configs {
        let config: plugin_api::TrainerConfig = serde_json::from_str(&c.data).unwrap();
        let architecture = config.architecture.unwrap();
        build(&json!(architecture.settings).to_string(), &cubes()).unwrap();
        assert_eq!((architecture.name.as_str(), config.num_epochs), ("kiunet", None));
    }
}
