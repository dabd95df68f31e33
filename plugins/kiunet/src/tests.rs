//! Shapes, names and refusals.

use plugin_api::{Init, Value, abi::host::Library, json, prelude::*};
use plugin_test::{TestNetwork, config};

/// `strides` an axis each, a stage each; the first stage's are 1. Kernels are 3, of the first stage `kernel`.
fn spec(strides: &[&[usize]], patch: &[usize], kernel: &[usize]) -> NetworkSpec {
    let mut spec = plugin_test::plan(patch, strides);
    spec.arch_kwargs["kernel_sizes"][0] = json!(kernel);
    spec
}

fn cubes() -> NetworkSpec {
    spec(&[&[1, 1, 1], &[2, 2, 2], &[2, 2, 2], &[2, 2, 2]], &[16, 24, 16], &[3, 3, 3])
}

fn build(settings: Value, spec: &NetworkSpec) -> Result<TestNetwork> {
    TestNetwork::on_shapes("kiunet", settings, spec)
}

fn count(settings: Value, spec: &NetworkSpec) -> usize {
    build(settings, spec).unwrap().bench().parameter_count()
}

/// Shapes of the heads for a batch of 2.
fn heads(settings: Value, spec: &NetworkSpec) -> Vec<Vec<usize>> {
    let network = build(settings, spec).unwrap();
    let shapes = network.head_shapes(2).unwrap();
    assert_eq!(network.bench().unused(), [""; 0], "every parameter takes part");
    shapes
}

#[test]
fn one_head_for_each_stage_but_the_bottleneck() {
    let wanted = [[2, 3, 16, 24, 16], [2, 3, 8, 12, 8], [2, 3, 4, 6, 4]];
    for levels in 1..=3 {
        for down in ["max", "avg", "conv"] {
            assert_eq!(heads(json!({"levels": levels, "pool_type": down}), &cubes()), wanted, "{levels} {down}");
        }
    }
}

#[test]
fn flat_images_work() {
    let flat = spec(&[&[1, 1], &[2, 2], &[2, 2]], &[32, 24], &[3, 3]);
    assert_eq!(heads(json!({}), &flat), [[2, 3, 32, 24], [2, 3, 16, 12]]);
}

#[test]
fn anisotropic_plans_work() {
    let thick = spec(&[&[1, 1, 1], &[1, 2, 2], &[1, 2, 2], &[2, 2, 2]], &[6, 32, 40], &[1, 3, 3]);
    let wanted = [[2, 3, 6, 32, 40], [2, 3, 6, 16, 20], [2, 3, 6, 8, 10]];
    assert_eq!(heads(json!({}), &thick), wanted);
    assert_eq!(heads(json!({"levels": 3}), &thick), wanted);
}

#[test]
fn residual_encoder_plans_work() {
    let mut residual = cubes();
    residual.arch_kwargs["n_conv_per_stage"] = json!(null);
    residual.arch_kwargs["n_blocks_per_stage"] = json!([1, 3, 4, 6]);
    assert_eq!(heads(json!({}), &residual).len(), 3);
}

#[test]
fn two_stages_are_enough() {
    let shallow = spec(&[&[1, 1], &[2, 2]], &[16, 16], &[3, 3]);
    assert_eq!(heads(json!({}), &shallow), [[2, 3, 16, 16]]);
}

#[test]
fn the_overcomplete_branch_is_finer_than_the_input() {
    let largest = |levels: usize| {
        let network = build(json!({"levels": levels}), &cubes()).unwrap();
        network.head_shapes(1).unwrap();
        let shapes = (1..).map_while(|id| network.bench().shape(id).ok());
        (shapes.map(|shape| shape.iter().skip(2).product::<usize>()).max().unwrap(), network.bench().convolved())
    };
    let patch = 16 * 24 * 16;
    let [one, two] = [1, 2].map(largest);
    assert_eq!((one.0, two.0), (patch * 8, patch * 64));
    assert!(two.1 > one.1);
}

#[test]
fn names_are_unique_and_weights_start_as_in_nnunet() {
    let parameters = build(json!({"levels": 2}), &cubes()).unwrap().bench().parameters();
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
            assert_eq!(count(json!({"levels": levels}), &spec), formula(&spec, levels, 16, 1), "{levels} {:?}", spec.patch_size);
        }
        assert_eq!(count(json!({"features_divisor": 2, "pool_type": "conv"}), &spec), formula(&spec, 1, 8, 2));
    }
}

#[test]
fn the_plan_may_say_how_many_levels() {
    let mut planned = cubes();
    planned.arch_kwargs["overcomplete_levels"] = json!(3);
    assert_eq!(count(json!({}), &planned), count(json!({"levels": 3}), &cubes()));
    assert_eq!(count(json!({"levels": 2}), &planned), count(json!({"levels": 2}), &cubes()), "the settings come first");
    for (wrong, said) in [(json!(4), "levels is 4"), (json!("many"), "overcomplete_levels of the plan is \"many\"")] {
        planned.arch_kwargs["overcomplete_levels"] = wrong;
        assert!(build(json!({}), &planned).err().unwrap().message().contains(said));
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
        build(json!({}), &spec).unwrap().bench().parameters().into_iter().map(|p| (p.name, p.shape)).collect::<Vec<_>>()
    };
    assert_eq!(names(true), names(false));
}

#[test]
fn half_the_channels_are_about_a_quarter_of_the_parameters() {
    let share = count(json!({"features_divisor": 2}), &cubes()) as f64 / count(json!({}), &cubes()) as f64; // row 5
    assert!((0.25..0.3).contains(&share), "{share}");
}

#[test]
fn settings_that_make_no_network_are_refused() {
    for (settings, said) in [
        (json!({"levels": 0}), "levels is 0"),
        (json!({"levels": 4}), "1 to 3 levels"),
        (json!({"features_divisor": 0}), "features_divisor 0"),
        (json!({"pool_type": "sieve"}), "sieve"),
        (json!({"n_blocks": 0}), "n_blocks is 0"),
        (json!({"lvls": 1}), "lvls"),
    ] {
        let refused = build(settings, &cubes()).err().unwrap();
        assert!(refused.message().contains(said), "{said}: {refused}");
    }
}

#[test]
fn each_config_is_read_and_can_be_built() {
    let names: Vec<String> = Library::builtin().components().into_iter().filter(|c| c.kind == "config").map(|c| c.name).collect();
    assert_eq!(names, ["kiunet", "kiunet_conv", "kiunet_large", "kiunet_minimal"]);
    for name in names {
        let config = config(&name).unwrap();
        let architecture = config.architecture.unwrap();
        build(architecture.settings.into(), &cubes()).unwrap();
        assert_eq!((architecture.name.as_str(), config.num_epochs), ("kiunet", None));
    }
}
