//! Writing a checkpoint.

use super::{Checkpoint, HOST_KEY, Logging, slots};
use crate::error::{Error, Result};
use engine::{OptimizerSpec, Weight};
use serde_json::Value as Json;
use std::path::Path;
use volume::files::{
    pickle::Value,
    pth::{Pth, write_pth},
};

fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::None,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => n.as_i64().map_or_else(|| Value::Float(n.as_f64().unwrap_or(f64::NAN)), Value::Int),
        Json::String(s) => Value::Str(s.clone()),
        Json::Array(list) => Value::List(list.iter().map(from_json).collect()),
        Json::Object(map) => Value::dict(map.iter().map(|(k, v)| (k.clone(), from_json(v)))),
    }
}

fn floats(values: &[f64]) -> Value {
    Value::List(values.iter().map(|&v| Value::Float(v)).collect())
}

fn logging(l: &Logging) -> Value {
    Value::dict([
        ("mean_fg_dice", floats(&l.mean_fg_dice)),
        ("ema_fg_dice", floats(&l.ema_fg_dice)),
        ("dice_per_class_or_region", Value::List(l.dice_per_class_or_region.iter().map(|d| floats(d)).collect())),
        ("train_losses", floats(&l.train_losses)),
        ("val_losses", floats(&l.val_losses)),
        ("lrs", floats(&l.lrs)),
        ("epoch_start_timestamps", floats(&l.epoch_start_timestamps)),
        ("epoch_end_timestamps", floats(&l.epoch_end_timestamps)),
    ])
}

fn group(spec: &OptimizerSpec, lr: f64, parameters: usize) -> Value {
    let indices = Value::List((0..parameters as i64).map(Value::Int).collect());
    let mut entries = vec![("lr", Value::Float(lr))];
    match *spec {
        OptimizerSpec::Sgd { momentum, nesterov, weight_decay } => entries.extend([
            ("momentum", Value::Float(momentum)),
            ("dampening", Value::Int(0)),
            ("weight_decay", Value::Float(weight_decay)),
            ("nesterov", Value::Bool(nesterov)),
        ]),
        OptimizerSpec::Adam { betas, eps, weight_decay, amsgrad, .. } => entries.extend([
            ("betas", Value::Tuple(vec![Value::Float(betas.0), Value::Float(betas.1)])),
            ("eps", Value::Float(eps)),
            ("weight_decay", Value::Float(weight_decay)),
            ("amsgrad", Value::Bool(amsgrad)),
        ]),
        OptimizerSpec::Adan { betas: (b1, b2, b3), eps, weight_decay } => entries.extend([
            ("betas", Value::Tuple([b1, b2, b3].map(Value::Float).to_vec())),
            ("eps", Value::Float(eps)),
            ("weight_decay", Value::Float(weight_decay)),
            ("restart_cond", Value::None),
        ]),
    }
    entries.extend([
        ("maximize", Value::Bool(false)),
        ("foreach", Value::None),
        ("differentiable", Value::Bool(false)),
        ("fused", Value::None),
        ("initial_lr", Value::Float(lr)),
        ("params", indices),
    ]);
    Value::dict(entries)
}

fn optimizer(c: &Checkpoint, pth: &mut Pth, path: &Path) -> Result<Value> {
    let Some((spec, lr, state)) = &c.optimizer else { return Ok(Value::None) };
    let broken = |e: volume::files::Malformed| Error::content(path, e.to_string());
    let trained: Vec<(usize, &Weight)> = c.weights.iter().enumerate().filter(|(_, w)| w.trainable).collect();
    let mut entries = Vec::new();
    for (index, (place, weight)) in trained.iter().enumerate() {
        let Some(values) = state.get(*place).filter(|s| !s.is_empty()) else { continue };
        let mut slot = Vec::new();
        match spec {
            OptimizerSpec::Sgd { .. } => {}
            OptimizerSpec::Adam { .. } => slot.push((Value::Str("step".into()), pth.add(&[], &[c.host.optimizer_steps as f32]).map_err(broken)?)),
            OptimizerSpec::Adan { .. } => slot.push((Value::Str("step".into()), Value::Int(c.host.optimizer_steps as i64))),
        }
        for (name, data) in slots(spec).iter().zip(values) {
            slot.push((Value::Str((*name).into()), pth.add(&weight.shape, data).map_err(broken)?));
        }
        entries.push((Value::Int(index as i64), Value::Dict(slot)));
    }
    let groups = Value::List(vec![group(spec, *lr, trained.len())]);
    Ok(Value::dict([("state", Value::Dict(entries)), ("param_groups", groups)]))
}

/// Writes a checkpoint beside `path` and renames it there when it is whole.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, c: &Checkpoint) -> Result<()> {
    let mut pth = Pth::default();
    let mut weights = Vec::new();
    for w in &c.weights {
        let tensor = pth.add(&w.shape, &w.data).map_err(|e| Error::content(path, e.to_string()))?;
        weights.extend(std::iter::once(&w.name).chain(&w.aliases).map(|name| (name.clone(), tensor.clone())));
    }
    let optimizer = optimizer(c, &mut pth, path)?;
    let fold = c.fold.parse::<i64>().map_or_else(|_| Value::Str(c.fold.clone()), Value::Int);
    let init = Value::dict([
        ("plans", from_json(&c.plans)),
        ("configuration", Value::Str(c.configuration.clone())),
        ("fold", fold),
        ("dataset_json", from_json(&c.dataset_json)),
        ("device", Value::Device(c.device.clone())),
    ]);
    let host = serde_json::to_string(&c.host).map_err(|e| Error::content(path, e.to_string()))?;
    pth.root = Value::dict([
        ("network_weights", Value::ordered_dict(weights)),
        ("optimizer_state", optimizer),
        ("grad_scaler_state", Value::None),
        ("logging", logging(&c.logging)),
        ("_best_ema", c.best_ema.map_or(Value::None, Value::Float)),
        ("current_epoch", Value::Int(c.current_epoch as i64)),
        ("init_args", init),
        ("trainer_name", Value::Str(c.trainer_name.clone())),
        ("inference_allowed_mirroring_axes", Value::Tuple(c.mirror_axes.iter().map(|&a| Value::Int(a as i64)).collect())),
        (HOST_KEY, Value::Str(host)),
    ]);
    write_pth(path, &pth)?;
    Ok(())
}
