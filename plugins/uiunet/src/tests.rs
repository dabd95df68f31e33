//! Shapes, names, formulas and refusals.

#[path = "../../standard/tests/shapes/mod.rs"]
mod shapes;

use crate::levels::{Level, dilated, pooling};
use plugin_api::{
    Init,
    abi::host::{Library, NetworkHandle},
    json,
    prelude::*,
};
use shapes::Shapes;

/// `strides` an axis each, a stage each; the first stage's are 1. Kernels are 3, of the first stage `kernel`.
fn spec(strides: &[&[usize]], patch: &[usize], kernel: &[usize]) -> NetworkSpec {
    let (n, dims) = (strides.len(), patch.len());
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

/// Halving every axis.
fn cubes(stages: usize, edge: usize) -> NetworkSpec {
    let strides: Vec<&[usize]> = (0..stages).map(|i| if i == 0 { &[1, 1, 1][..] } else { &[2, 2, 2] }).collect();
    spec(&strides, &[edge; 3], &[3, 3, 3])
}

fn thick() -> NetworkSpec {
    spec(&[&[1, 1, 1], &[1, 2, 2], &[1, 2, 2], &[2, 2, 2]], &[6, 32, 40], &[1, 3, 3])
}

fn build(settings: &str, spec: &NetworkSpec) -> Result<(Shapes, NetworkHandle)> {
    let host = Shapes::default();
    let network = Library::builtin().architecture("uiunet", settings)?.build(&host, &json!(spec).to_string())?;
    Ok((host, network))
}

/// Shapes of the heads for a batch of 2 of this size.
fn heads(settings: &str, spec: &NetworkSpec, size: &[usize]) -> Vec<Vec<usize>> {
    let (host, network) = build(settings, spec).unwrap();
    let x: Vec<usize> = [2, spec.input_channels].iter().chain(size).copied().collect();
    let logits = network.forward(&host, host.tensor(&x)).unwrap();
    assert_eq!(host.unused(), [""; 0], "every parameter takes part");
    logits.iter().map(|&id| host.shape(id)).collect()
}

#[test]
fn one_head_for_each_stage_but_the_bottleneck() {
    for settings in ["{}", r#"{"features_divisor": 2, "heights": [5, 4, 3]}"#] {
        let found = heads(settings, &cubes(4, 32), &[32, 32, 32]);
        assert_eq!(found, [[2, 3, 32, 32, 32], [2, 3, 16, 16, 16], [2, 3, 8, 8, 8]]);
        let found = heads(settings, &thick(), &[6, 32, 40]);
        assert_eq!(found, [[2, 3, 6, 32, 40], [2, 3, 6, 16, 20], [2, 3, 6, 8, 10]]);
    }
}

#[test]
fn row_6_flat_images_work() {
    let flat = spec(&[&[1, 1], &[2, 2], &[2, 2]], &[32, 24], &[3, 3]);
    assert_eq!(heads("{}", &flat, &[32, 24]), [[2, 3, 32, 24], [2, 3, 16, 12]]);
    let shallow = spec(&[&[1, 1], &[2, 2]], &[16, 16], &[3, 3]);
    assert_eq!(heads("{}", &shallow, &[16, 16]), [[2, 3, 16, 16]]);
}

#[test]
fn odd_sizes_work() {
    let odd = spec(&[&[1, 1, 1], &[2, 2, 2], &[2, 2, 2]], &[20, 28, 12], &[3, 3, 3]);
    assert_eq!(heads("{}", &odd, &[20, 28, 12]), [[2, 3, 20, 28, 12], [2, 3, 10, 14, 6]]);
    // another size than the plan's, which the strides do not divide
    assert_eq!(heads("{}", &odd, &[21, 27, 13]), [[2, 3, 21, 27, 13], [2, 3, 11, 14, 7]]);
}

#[test]
fn residual_encoder_plans_work() {
    let mut residual = cubes(4, 32);
    residual.arch_kwargs["n_conv_per_stage"] = json!(null);
    residual.arch_kwargs["n_blocks_per_stage"] = json!([1, 3, 4, 6]);
    assert_eq!(heads("{}", &residual, &[32, 32, 32]).len(), 3);
}

fn pools(levels: &[Level]) -> Vec<Vec<usize>> {
    levels.iter().map(|l| l.pool.clone()).collect()
}

#[test]
fn the_finest_stage_pools_inside_although_its_stride_is_1() {
    let six = cubes(6, 128).stages().unwrap();
    assert_eq!(pools(&pooling(&six, &[128; 3], 0, 7)), [vec![1; 3], vec![2; 3], vec![2; 3], vec![2; 3], vec![2; 3], vec![2; 3], vec![1; 3]]);
    let (thick, patch) = (thick().stages().unwrap(), [6, 32, 40]);
    let found = pooling(&thick, &patch, 0, 5);
    assert_eq!(pools(&found), [[1, 1, 1], [1, 2, 2], [1, 2, 2], [2, 2, 2], [1, 1, 1]]);
    assert_eq!(found.iter().map(|l| l.kernel[0]).collect::<Vec<_>>(), [1, 3, 3, 3, 3], "kernels follow the plan");
    // (3, 4, 5) behind the plan's last stage: the first axis is too short
    assert_eq!(pooling(&thick, &patch, 0, 6)[4].pool, [1, 2, 2]);
}

#[test]
fn inner_levels_cost_little_because_they_pool() {
    let cost = |heights: &str| {
        let (host, network) = build(&format!(r#"{{"heights": {heights}}}"#), &cubes(6, 64)).unwrap();
        network.forward(&host, host.tensor(&[1, 2, 64, 64, 64])).unwrap();
        host.convolved() as f64
    };
    let share = cost("[7, 6, 5, 4]") / cost("[3]");
    assert!((0.9..1.1).contains(&share), "{share}");
}

#[test]
fn heights_are_capped_by_the_patch() {
    let small = cubes(3, 16).stages().unwrap();
    // 16, 8, 4, 2 and the bottom
    assert_eq!(pooling(&small, &[16; 3], 0, 7).len(), 5);
    assert_eq!(pooling(&small, &[8; 3], 0, 7).len(), 4);
    assert_eq!(dilated(&small, &[64; 3], 2, 4).iter().map(|l| l.dilation[0]).collect::<Vec<_>>(), [1, 2, 4, 8]);
    assert_eq!(dilated(&small, &[16; 3], 2, 4).iter().map(|l| l.dilation[0]).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(dilated(&small, &[4; 3], 2, 4), vec![Level { pool: vec![1; 3], kernel: vec![3; 3], dilation: vec![1; 3] }; 2]);
    let flat = thick().stages().unwrap();
    assert_eq!(dilated(&flat, &[4, 128, 128], 3, 4)[3].dilation, [1, 8, 8]);
}

/// `o i k + o`, and scale and shift of the norm.
fn unit(i: usize, o: usize, kernel: &[usize]) -> usize {
    o * i * kernel.iter().product::<usize>() + 3 * o
}

fn rsu(levels: &[Level], i: usize, m: usize, o: usize) -> usize {
    let k = |l: usize| levels[l].kernel.as_slice();
    let outer = |l: usize| if l == 0 { o } else { m };
    let (h, each) = (levels.len(), 0..levels.len() - 1);
    unit(i, o, k(0)) + unit(m, m, k(h - 1)) + each.map(|l| unit(outer(l), m, k(l)) + unit(2 * m, outer(l), k(l))).sum::<usize>()
}

fn attention(f: usize, kernel: &[usize]) -> usize {
    let (narrow, taps) = (f / 4, kernel.iter().product::<usize>());
    (f * narrow + narrow) + (narrow * f + f) + unit(f, narrow, &[1]) + 2 * taps + unit(f, f, kernel)
}

/// What docs/architectures.md says that the network has.
fn formula(spec: &NetworkSpec, heights: &[usize], divisor: usize) -> usize {
    let (s, classes) = (spec.stages().unwrap(), spec.num_classes);
    let (f, last) = (|i: usize| s[i].features / divisor, s.len() - 1);
    let (finer, taps) = (|i: usize| f(i.max(1) - 1), |i: usize| s[i].kernel.iter().product::<usize>());
    let levels = |i: usize| {
        let height = heights[i.min(heights.len() - 1)];
        if i > 0 && i + 1 >= last { dilated(&s, &spec.patch_size, i, height) } else { pooling(&s, &spec.patch_size, i, height) }
    };
    let head = |input: usize, i: usize| classes * input * taps(i) + classes;
    let encoder: usize = (0..=last)
        .map(|i| rsu(&levels(i), if i == 0 { spec.input_channels } else { finer(i) }, f(i) / 2, if i == last { finer(i) } else { f(i) }))
        .sum();
    let decoder: usize = (0..last).map(|i| rsu(&levels(i), 2 * f(i), f(i) / 2, finer(i)) + head(finer(i), i)).sum();
    let gates: usize = (1..last).map(|i| attention(f(i), &s[i].kernel)).sum();
    encoder + decoder + gates + head(finer(last), last) + s.len() * classes * classes + classes
}

#[test]
fn the_parameters_are_those_of_the_formula() {
    for spec in [cubes(4, 32), cubes(6, 128), thick(), spec(&[&[1, 1], &[2, 2], &[2, 2], &[2, 1]], &[64, 24], &[3, 3])] {
        for (settings, heights, divisor) in
            [("{}", &[7, 6, 5, 4][..], 1), (r#"{"features_divisor": 2, "heights": [5, 4, 3]}"#, &[5, 4, 3], 2), (r#"{"heights": [2]}"#, &[2], 1)]
        {
            assert_eq!(build(settings, &spec).unwrap().0.count(), formula(&spec, heights, divisor), "{settings} {:?}", spec.patch_size);
        }
    }
}

#[test]
fn names_are_unique_and_weights_start_as_in_nnunet() {
    let names = |deep_supervision| {
        let (host, _) = build("{}", &NetworkSpec { deep_supervision, ..cubes(4, 32) }).unwrap();
        let parameters = host.parameters();
        assert!(parameters.iter().filter(|p| p.shape.len() > 1).all(|p| p.init == Init::HE && p.aliases.len() < 2));
        parameters.into_iter().map(|p| p.name).collect::<Vec<_>>()
    };
    let found = names(true);
    assert_eq!(found, names(false), "the state dict does not depend on deep supervision");
    for wanted in [
        "encoder.stages.3.bottom.conv.weight",
        "encoder.stages.0.down.1.norm.weight",
        "decoder.stages.2.up.0.conv.bias",
        "decoder.attention.0.channel.1.weight",
        "decoder.attention.1.space.1.weight",
        "decoder.seg_layers.2.weight",
        "decoder.seg_layers.bottleneck.weight",
        "decoder.seg_layers.fusion.bias",
    ] {
        assert_eq!(found.iter().filter(|n| *n == wanted).count(), 1, "{wanted}");
    }
    assert!(!found.iter().any(|n| n.starts_with("decoder.attention.2")), "the finest stage has a plain skip");
    let mut unique = found.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), found.len());
}

#[test]
fn settings_that_make_no_network_are_refused() {
    for (settings, said) in
        [(r#"{"heights": []}"#, "heights []"), (r#"{"heights": [1]}"#, "heights [1]"), (r#"{"features_divisor": 0}"#, "is 0"), (r#"{"h": 1}"#, "`h`")]
    {
        let refused = build(settings, &cubes(3, 16)).err().unwrap();
        assert!(refused.message().contains(said), "{settings}: {refused}");
    }
    assert!(build("{}", &cubes(1, 16)).err().unwrap().message().contains("at least 2"));
}

#[test]
fn each_config_is_read_and_can_be_built() {
    let configs: Vec<_> = Library::builtin().components().into_iter().filter(|c| c.kind == "config").collect();
    assert_eq!(configs.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["uiunet", "uiunet_minimal"]);
    for c in configs {
        let config: plugin_api::TrainerConfig = serde_json::from_str(&c.data).unwrap();
        let architecture = config.architecture.unwrap();
        build(&json!(architecture.settings).to_string(), &cubes(4, 32)).unwrap();
        assert_eq!((architecture.name.as_str(), config.num_epochs), ("uiunet", None));
    }
}
