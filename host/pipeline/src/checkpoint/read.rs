//! Reading a checkpoint, ours or Python's. Nothing in the file is executed.

use super::{Checkpoint, HOST_KEY, HostRecord, Logging, slots};
use crate::error::{Error, Result};
use engine::{OptimizerSpec, ParameterState, Weight};
use serde_json::{Map, Value as Json};
use std::path::Path;
use volume::files::{
    pickle::Value,
    pth::{Pth, named_tensors, read_pth},
};

fn to_json(value: &Value) -> Json {
    let list = |items: &[Value]| Json::Array(items.iter().map(to_json).collect());
    match value {
        Value::Bool(b) => Json::Bool(*b),
        Value::Int(i) => Json::from(*i),
        Value::Float(f) => Json::from(*f),
        Value::NumpyScalar(s) => Json::from(s.to_f64()),
        Value::Str(s) | Value::Device(s) => Json::String(s.clone()),
        Value::List(items) | Value::Tuple(items) | Value::Set(items) => list(items),
        Value::Dict(entries) | Value::OrderedDict(entries) => {
            let key = |k: &Value| match k {
                Value::Str(s) => s.clone(),
                other => to_json(other).to_string(),
            };
            Json::Object(entries.iter().map(|(k, v)| (key(k), to_json(v))).collect::<Map<_, _>>())
        }
        _ => Json::Null,
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::NumpyScalar(s) => Some(s.to_f64()),
        Value::Int(i) => Some(*i as f64),
        other => other.as_f64(),
    }
}

fn numbers(value: Option<&Value>) -> Vec<f64> {
    value.and_then(Value::items).unwrap_or_default().iter().map(|v| number(v).unwrap_or(f64::NAN)).collect()
}

fn logging(value: Option<&Value>) -> Logging {
    let get = |key: &str| numbers(value.and_then(|v| v.get(key)));
    let per_class = value.and_then(|v| v.get("dice_per_class_or_region")).and_then(Value::items).unwrap_or_default();
    Logging {
        mean_fg_dice: get("mean_fg_dice"),
        ema_fg_dice: get("ema_fg_dice"),
        dice_per_class_or_region: per_class.iter().map(|v| numbers(Some(v))).collect(),
        train_losses: get("train_losses"),
        val_losses: get("val_losses"),
        lrs: get("lrs"),
        epoch_start_timestamps: get("epoch_start_timestamps"),
        epoch_end_timestamps: get("epoch_end_timestamps"),
    }
}

/// The optimizer's state a parameter, in the order of the trained parameters of `weights`.
fn optimizer(value: &Value, pth: &Pth, weights: &[Weight], path: &Path) -> Result<Option<(OptimizerSpec, f64, Vec<ParameterState>)>> {
    let (Some(state), Some(group)) = (value.get("state"), value.get("param_groups").and_then(Value::items).and_then(|g| g.first())) else {
        return Ok(None);
    };
    let get = |key: &str| group.get(key).and_then(number);
    let flag = |key: &str| matches!(group.get(key), Some(Value::Bool(true)));
    let weight_decay = get("weight_decay").unwrap_or(0.0);
    let spec = match group.get("betas").and_then(Value::items) {
        Some([a, b]) => OptimizerSpec::Adam {
            betas: (number(a).unwrap_or(0.9), number(b).unwrap_or(0.999)),
            eps: get("eps").unwrap_or(1e-8),
            weight_decay,
            decoupled: true,
            amsgrad: flag("amsgrad"),
        },
        Some([a, b, c]) => OptimizerSpec::Adan {
            betas: (number(a).unwrap_or(0.02), number(b).unwrap_or(0.08), number(c).unwrap_or(0.01)),
            eps: get("eps").unwrap_or(1e-8),
            weight_decay,
        },
        _ => OptimizerSpec::Sgd { momentum: get("momentum").unwrap_or(0.0), nesterov: flag("nesterov"), weight_decay },
    };
    let mut states = vec![ParameterState::new(); weights.len()];
    let trained: Vec<usize> = weights.iter().enumerate().filter(|(_, w)| w.trainable).map(|(i, _)| i).collect();
    for (key, held) in state.entries().unwrap_or_default() {
        let place = key.as_i64().and_then(|i| usize::try_from(i).ok()).and_then(|i| trained.get(i).copied());
        let place = place.ok_or_else(|| Error::content(path, format!("optimizer_state names parameter {key:?}; there are {}", trained.len())))?;
        for name in slots(&spec) {
            if let Some(tensor) = held.get(name).and_then(Value::as_tensor) {
                states[place].push(pth.tensor_f32(tensor).map_err(|e| Error::content(path, e.to_string()))?);
            }
        }
    }
    Ok(Some((spec, get("lr").unwrap_or(0.0), states)))
}

/// Steps that the optimizer took, as PyTorch keeps them with each parameter; SGD has none.
fn steps(value: &Value, pth: &Pth, path: &Path) -> Result<u64> {
    let mut most = 0.0;
    for (_, held) in value.get("state").and_then(Value::entries).unwrap_or_default() {
        let step = match held.get("step").and_then(Value::as_tensor) {
            Some(tensor) => pth.tensor_f32(tensor).map_err(|e| Error::content(path, e.to_string()))?.first().copied().map(f64::from),
            None => held.get("step").and_then(number),
        };
        most = step.unwrap_or(0.0).max(most);
    }
    Ok(most as u64)
}

/// Reads a checkpoint.
///
/// # Errors
/// The file is no checkpoint of nnU-Net, is cut short, or holds values that are not on the reader's list.
pub fn read(path: &Path) -> Result<Checkpoint> {
    let pth = read_pth(path)?;
    let root = &pth.root;
    if root.get("nnssl_adaptation_plan").is_some() {
        return Err(Error::content(path, "is a checkpoint of nnssl's self-supervised pretraining, which is not supported; give one of nnU-Net"));
    }
    let missing = |key: &str| Error::content(path, format!("holds no `{key}`; it is no checkpoint of nnU-Net"));
    let state_dict = root.get("network_weights").ok_or_else(|| missing("network_weights"))?;
    let mut weights = Vec::new();
    for tensor in named_tensors(state_dict) {
        let data = pth.tensor_f32(tensor.tensor).map_err(|e| Error::content(path, format!("{}: {e}", tensor.name)))?;
        let buffer = ["running_mean", "running_var", "num_batches_tracked", "mask_token"].iter().any(|end| tensor.name.ends_with(end));
        weights.push(Weight {
            name: tensor.name.to_string(),
            aliases: tensor.aliases.iter().map(|a| (*a).to_string()).collect(),
            trainable: !buffer,
            shape: tensor.tensor.shape.clone(),
            data,
        });
    }
    let init = root.get("init_args").ok_or_else(|| missing("init_args"))?;
    let text = |v: Option<&Value>| v.and_then(Value::as_str).unwrap_or_default().to_string();
    let json = |key: &str| init.get(key).map_or(Json::Null, to_json);
    let host: HostRecord = match root.get(HOST_KEY).and_then(Value::as_str) {
        Some(record) => serde_json::from_str(record).map_err(|e| Error::content(path, format!("`{HOST_KEY}` cannot be read: {e}")))?,
        None => HostRecord { optimizer_steps: root.get("optimizer_state").map_or(Ok(0), |value| steps(value, &pth, path))?, ..HostRecord::default() },
    };
    let optimizer = match root.get("optimizer_state") {
        Some(value) => optimizer(value, &pth, &weights, path)?,
        None => None,
    };
    let axes = root.get("inference_allowed_mirroring_axes").and_then(Value::items).unwrap_or_default();
    Ok(Checkpoint {
        optimizer,
        logging: logging(root.get("logging")),
        best_ema: root.get("_best_ema").and_then(number),
        current_epoch: root.get("current_epoch").and_then(Value::as_i64).and_then(|e| usize::try_from(e).ok()).unwrap_or(0),
        plans: json("plans"),
        configuration: text(init.get("configuration")),
        fold: json("fold").to_string().trim_matches('"').to_string(),
        dataset_json: json("dataset_json"),
        // a text, or a device of PyTorch
        device: json("device").as_str().unwrap_or_default().to_string(),
        trainer_name: text(root.get("trainer_name")),
        mirror_axes: axes.iter().filter_map(Value::as_i64).filter_map(|a| usize::try_from(a).ok()).collect(),
        host,
        weights,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn steps_are_read_where_pytorch_keeps_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoint_final.pth");
        let adam = OptimizerSpec::Adam { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, decoupled: true, amsgrad: false };
        let adan = OptimizerSpec::Adan { betas: (0.02, 0.08, 0.01), eps: 1e-8, weight_decay: 0.0 };
        for (spec, wanted) in [(adam, 7), (adan, 7), (OptimizerSpec::default(), 0)] {
            let state = vec![vec![0.5; 2]; slots(&spec).len()];
            let checkpoint = Checkpoint {
                weights: vec![Weight { name: "w".into(), aliases: vec![], trainable: true, shape: vec![2], data: vec![1.0, 2.0] }],
                optimizer: Some((spec, 0.01, vec![state])),
                logging: Logging::default(),
                best_ema: None,
                current_epoch: 1,
                plans: json!({}),
                configuration: "3d_fullres".into(),
                fold: "0".into(),
                dataset_json: json!({}),
                device: "cpu".into(),
                trainer_name: "nnUNetTrainerAdam".into(),
                mirror_axes: vec![],
                host: HostRecord { optimizer_steps: 7, ..HostRecord::default() },
            };
            crate::checkpoint::write(&path, &checkpoint).unwrap();
            let pth = read_pth(&path).unwrap();
            assert_eq!(steps(pth.root.get("optimizer_state").unwrap(), &pth, &path).unwrap(), wanted);
        }
    }
}
