//! The keys by which plans of old described a network: read, and turned into `architecture`.

use serde_json::{Map, Value, json};

const CLASS: &str = "UNet_class_name";
const BASE_FEATURES: &str = "UNet_base_num_features";
const MAX_FEATURES: &str = "unet_max_num_features";
const ENCODER: &str = "n_conv_per_stage_encoder";
const DECODER: &str = "n_conv_per_stage_decoder";
const STRIDES: &str = "pool_op_kernel_sizes";
const KERNELS: &str = "conv_kernel_sizes";
const POOLS: &str = "num_pool_per_axis";
pub(super) const KEYS: [&str; 8] = [CLASS, BASE_FEATURES, MAX_FEATURES, ENCODER, DECODER, STRIDES, KERNELS, POOLS];

/// The keys of one configuration with those of old replaced by `architecture`.
///
/// They take effect over what is inherited. Beside an `architecture` of the same configuration they must say the same.
///
/// # Errors
/// A key of old that cannot be used, or that contradicts `architecture`; both are named.
pub(super) fn modernise(mut own: Map<String, Value>, inherited: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    if !KEYS.iter().any(|key| own.contains_key(*key)) {
        return Ok(own);
    }
    let old: Map<String, Value> = KEYS.iter().filter_map(|key| Some(((*key).to_owned(), own.shift_remove(*key)?))).collect();
    let context = |key: &str| own.get(key).or_else(|| inherited.get(key)).cloned().unwrap_or_default();
    let beside = own.get("architecture").cloned();
    let base = beside.clone().unwrap_or_else(|| inherited.get("architecture").cloned().unwrap_or_default());
    for (key, found) in [("architecture", &base), ("arch_kwargs", &base["arch_kwargs"])] {
        if !found.is_null() && !found.is_object() {
            return Err(format!("`{key}` is {found}, not an object; correct it, or leave it out where the keys of old say all"));
        }
    }
    let dims = context("patch_size").as_array().map_or(3, Vec::len);
    let said = translate(&old, &base, dims)?;

    if let Some(architecture) = beside {
        for (source, key, value) in said {
            let found = if key == "network_class_name" { &architecture[key] } else { &architecture["arch_kwargs"][key] };
            let same = *found == value || (key == "network_class_name" && short(found) == short(&value));
            if !same {
                return Err(format!("`{source}` means {key} = {value}, but `architecture` says {found}; change one of them or remove `{source}`"));
            }
        }
        return Ok(own);
    }
    let mut architecture = if base.is_object() { base } else { plain(dims) };
    for (_, key, value) in said {
        if key == "network_class_name" {
            architecture[key] = value;
        } else {
            architecture["arch_kwargs"][key] = value;
        }
    }
    own.insert("architecture".into(), architecture);
    Ok(own)
}

/// What the keys of old mean: (key of old, key of now, value). `base` fills in what they leave open.
fn translate(old: &Map<String, Value>, base: &Value, dims: usize) -> Result<Vec<(&'static str, &'static str, Value)>, String> {
    let kwargs = &base["arch_kwargs"];
    let mut said = Vec::new();
    let class = match old.get(CLASS).map(|class| (class.as_str(), class)) {
        None => base["network_class_name"].clone(),
        Some((Some(name @ ("PlainConvUNet" | "ResidualEncoderUNet")), _)) => {
            let class = Value::from(format!("dynamic_network_architectures.architectures.unet.{name}"));
            said.push((CLASS, "network_class_name", class.clone()));
            class
        }
        Some((_, other)) => return Err(format!("`{CLASS}` is {other}; it can be PlainConvUNet or ResidualEncoderUNet")),
    };
    let blocks = if short(&class) == "ResidualEncoderUNet" { "n_blocks_per_stage" } else { "n_conv_per_stage" };

    let pools = old.get(POOLS).map(|pools| numbers(POOLS, pools)).transpose()?;
    if let Some(pools) = pools.as_ref().filter(|pools| pools.len() != dims) {
        return Err(format!("`{POOLS}` is {pools:?}; it needs {dims} axes, as `patch_size`"));
    }
    let deepest = pools.as_ref().map(|pools| pools.iter().copied().max().unwrap_or(0) as usize + 1);
    let stages = [old.get(ENCODER), old.get(STRIDES), old.get(KERNELS)].into_iter().flatten().find_map(|v| v.as_array().map(Vec::len));
    let known = kwargs["n_stages"].as_u64().map(|n| n as usize);
    let stages = stages.or(deepest).or(known).ok_or_else(|| format!("`{ENCODER}` is missing; it says how many stages the network has"))?;
    if let (Some(pools), Some(deepest)) = (&pools, deepest)
        && deepest != stages
    {
        return Err(format!("`{POOLS}` {pools:?} makes {deepest} stages, but there are {stages} (`{ENCODER}`)"));
    }
    let stages_source = if old.contains_key(ENCODER) { ENCODER } else { POOLS };
    if known != Some(stages) || old.contains_key(ENCODER) {
        said.push((stages_source, "n_stages", stages.into()));
    }
    if let Some(convs) = old.get(ENCODER) {
        said.push((ENCODER, blocks, convs.clone()));
    }
    if let Some(convs) = old.get(DECODER) {
        said.push((DECODER, "n_conv_per_stage_decoder", convs.clone()));
    }
    if old.contains_key(BASE_FEATURES) || old.contains_key(MAX_FEATURES) || known != Some(stages) {
        let first = kwargs["features_per_stage"][0].as_u64().unwrap_or(32);
        let first = number(BASE_FEATURES, old.get(BASE_FEATURES), first)?;
        let most = number(MAX_FEATURES, old.get(MAX_FEATURES), if dims == 2 { 512 } else { 320 })?;
        let features: Vec<u64> = (0..stages as u32).map(|stage| first.saturating_mul(1 << stage.min(32)).min(most)).collect();
        let source = if old.contains_key(BASE_FEATURES) { BASE_FEATURES } else { MAX_FEATURES };
        said.push((source, "features_per_stage", json!(features)));
    }
    match (old.get(STRIDES), &pools) {
        (Some(strides), _) => said.push((STRIDES, "strides", strides.clone())),
        (None, Some(pools)) => said.push((POOLS, "strides", strides(pools, stages))),
        (None, None) => {}
    }
    match old.get(KERNELS) {
        Some(kernels) => said.push((KERNELS, "kernel_sizes", kernels.clone())),
        None if known != Some(stages) => said.push((stages_source, "kernel_sizes", json!(vec![vec![3; dims]; stages]))),
        None => {}
    }
    Ok(said)
}

/// Strides for so many halvings of each axis. An axis with fewer of them begins later: it is the coarse one of an anisotropic image.
fn strides(pools: &[u64], stages: usize) -> Value {
    let stride = |stage: usize| -> Vec<u64> { pools.iter().map(|&n| if stage > 0 && stage as u64 + n >= stages as u64 { 2 } else { 1 }).collect() };
    json!((0..stages).map(stride).collect::<Vec<_>>())
}

/// A network with nothing said: what nnU-Net's plans of old leave out.
fn plain(dims: usize) -> Value {
    json!({
        "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "arch_kwargs": {
            "n_stages": null,
            "features_per_stage": null,
            "conv_op": format!("torch.nn.modules.conv.Conv{dims}d"),
            "kernel_sizes": null,
            "strides": null,
            "n_conv_per_stage_decoder": null,
            "conv_bias": true,
            "norm_op": format!("torch.nn.modules.instancenorm.InstanceNorm{dims}d"),
            "norm_op_kwargs": {"eps": 1e-5, "affine": true},
            "dropout_op": null,
            "dropout_op_kwargs": null,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": true},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    })
}

/// The class without its module.
fn short(class: &Value) -> &str {
    class.as_str().unwrap_or_default().rsplit('.').next().unwrap_or_default()
}

fn numbers(key: &str, value: &Value) -> Result<Vec<u64>, String> {
    let list = value.as_array().and_then(|list| list.iter().map(Value::as_u64).collect::<Option<Vec<_>>>());
    list.filter(|list| list.iter().all(|&n| n < 32)).ok_or_else(|| format!("`{key}` is {value}, not a list of small integers"))
}

fn number(key: &str, value: Option<&Value>, default: u64) -> Result<u64, String> {
    match value {
        None => Ok(default),
        Some(value) => value.as_u64().filter(|&n| n > 0).ok_or_else(|| format!("`{key}` is {value}, not an integer above 0")),
    }
}
