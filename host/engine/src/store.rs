//! Parameters and buffers of a network.

use crate::{
    device::Device,
    error::{Error, Result},
    random::Random,
    value::Value,
};
use plugin_api::{Error as ComponentError, ErrorKind, Init, ParamRequest};
use std::collections::HashMap;

/// Tensors that an error lists, at most.
const SHOWN: usize = 40;

/// One parameter or buffer.
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) trainable: bool,
    pub(crate) value: Value,
}

/// A tensor of a network in host memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Weight {
    /// Canonical name.
    pub name: String,
    /// Further names under which PyTorch's state dict lists it.
    pub aliases: Vec<String>,
    /// Whether it is trained (else a buffer).
    pub trainable: bool,
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// The values, last axis fastest.
    pub data: Vec<f32>,
}

/// All parameters and buffers, in the order in which the network made them.
#[derive(Default)]
pub(crate) struct Store {
    pub(crate) entries: Vec<Entry>,
}

fn name_key(name: &str) -> u64 {
    // FNV-1a: the stream of a parameter depends on its name, not on the order of building
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3))
}

fn initial(init: Init, shape: &[usize], random: &mut Random) -> Vec<f32> {
    let n: usize = shape.iter().product();
    let mut fill = |f: &mut dyn FnMut(&mut Random) -> f64| (0..n).map(|_| f(random) as f32).collect();
    match init {
        Init::Constant { value } => vec![value as f32; n],
        Init::KaimingNormal { slope } => {
            let fan_in: usize = shape.iter().skip(1).product::<usize>().max(1);
            let deviation = (2.0 / ((1.0 + slope * slope) * fan_in as f64)).sqrt();
            fill(&mut |r| deviation * r.normal())
        }
        Init::Uniform { bound } => fill(&mut |r| bound * (2.0 * r.uniform() - 1.0)),
        Init::Normal { deviation } => fill(&mut |r| deviation * r.normal()),
        Init::TruncatedNormal { deviation } => fill(&mut |r| {
            loop {
                let z = r.normal();
                if z.abs() <= 2.0 {
                    return deviation * z;
                }
            }
        }),
        _ => vec![0.0; n],
    }
}

impl Store {
    pub(crate) fn add(
        &mut self,
        name: &str,
        shape: &[usize],
        request: &str,
        trainable: bool,
        seed: u64,
        device: &Device,
    ) -> plugin_api::Result<usize> {
        let invalid = |text: String| ComponentError::of(ErrorKind::Invalid, text);
        if shape.is_empty() || shape.contains(&0) {
            return Err(invalid(format!("parameter {name} has shape {shape:?}; every axis needs at least one element")));
        }
        if self.entries.iter().any(|e| e.name == name || e.aliases.iter().any(|a| a == name)) {
            return Err(invalid(format!("two parameters are called {name}")));
        }
        let request: ParamRequest = serde_json::from_str(request)?;
        let mut random = Random::new(seed, &[name_key(name)]);
        let value = Value::from_f32(initial(request.init, shape, &mut random), shape, device);
        self.entries.push(Entry { name: name.to_string(), aliases: request.aliases, trainable, value });
        Ok(self.entries.len() - 1)
    }

    pub(crate) fn weights(&self) -> Result<Vec<Weight>> {
        let one = |e: &Entry| {
            Ok(Weight {
                name: e.name.clone(),
                aliases: e.aliases.clone(),
                trainable: e.trainable,
                shape: e.value.shape().to_vec(),
                data: e.value.to_vec()?,
            })
        };
        self.entries.iter().map(one).collect()
    }

    /// Replaces every tensor, by name; what is missing, extra or of another shape is listed.
    pub(crate) fn load(&mut self, weights: &[(String, Vec<usize>, Vec<f32>)], skip: &dyn Fn(&str) -> bool, device: &Device) -> Result<Vec<String>> {
        let mut given: HashMap<&str, (&[usize], &[f32])> = weights.iter().map(|(n, s, d)| (n.as_str(), (s.as_slice(), d.as_slice()))).collect();
        let mut problems = Vec::new();
        let mut found = Vec::new();
        for (i, e) in self.entries.iter().enumerate() {
            let names = || std::iter::once(&e.name).chain(&e.aliases);
            let hit = names().find_map(|n| given.get(n.as_str()).copied());
            names().for_each(|n| {
                given.remove(n.as_str());
            });
            match hit {
                _ if skip(&e.name) => {}
                None => problems.push(format!("missing: {}, {:?} in the network", e.name, e.value.shape())),
                Some((shape, _)) if shape != e.value.shape() => {
                    problems.push(format!("{}: the file has {shape:?}, the network {:?}", e.name, e.value.shape()));
                }
                Some((shape, data)) if data.len() != e.value.len() => {
                    problems.push(format!("{}: {} values were given, shape {shape:?} wants {}", e.name, data.len(), e.value.len()));
                }
                Some((shape, data)) => found.push((i, shape, data)),
            }
        }
        let extra = given.iter().filter(|(n, _)| !skip(n) && !n.ends_with("num_batches_tracked"));
        problems.extend(extra.map(|(n, (shape, _))| format!("extra: {n}, {shape:?} in the file")));
        if !problems.is_empty() {
            problems.sort();
            let (count, shown) = (problems.len(), problems.len().min(SHOWN));
            let more = if count > shown { format!("\n  and {} more", count - shown) } else { String::new() };
            let list = problems[..shown].join("\n  ");
            return Err(Error::Weights(format!("the weights do not fit the network, {count} tensors differ:\n  {list}{more}")));
        }
        let mut names = Vec::new();
        for (i, shape, data) in found {
            self.entries[i].value = Value::from_f32(data.to_vec(), shape, device);
            names.push(self.entries[i].name.clone());
        }
        Ok(names)
    }
}
