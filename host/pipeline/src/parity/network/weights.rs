//! Where a network's weights come from.

use std::collections::BTreeMap;

use engine::Model;
use serde_json::Value;
use volume::files::pth;

use super::super::desk::{Desk, farthest};
use super::super::files::Use;
use super::super::{Row, arrays, tolerance};
use super::synthesis;
use crate::error::{Error, Result};

/// Names, shapes and values of parameters.
type Weights = Vec<(String, Vec<usize>, Vec<f32>)>;

/// Loads the weights that lie in `folder`, or synthesises them as `init` says.
pub(super) fn load(desk: &mut Desk<'_>, folder: &str, init: &str, model: &mut Model) -> Result<()> {
    let (npz, dict) = (format!("{folder}/weights.npz"), format!("{folder}/state_dict.pth"));
    let from_npz = if desk.files.has(&npz) { Some(arrays::weights(&desk.arrays(&npz, Use::Input)?)) } else { None };
    let from_dict = if desk.files.has(&dict) { Some(state_dict(desk, &dict)?) } else { None };
    if let (Some(npz), Some(dict)) = (&from_npz, &from_dict) {
        desk.rows.push(same_weights(&format!("{folder}: state_dict.pth beside weights.npz"), dict, npz));
    }
    let loaded = match (from_dict, from_npz) {
        (Some(weights), _) | (None, Some(weights)) => weights,
        (None, None) => {
            let salt = init.rsplit("salt=").next().and_then(|salt| salt.trim().parse().ok());
            let Some(salt) = salt.filter(|_| init.contains("salt=")) else {
                let what = format!(
                    "there are no weights: neither weights.npz nor state_dict.pth, and `init` in meta.json is {init:?}, not \"synth salt=1\""
                );
                return Err(Error::content(&desk.files.path(folder), what));
            };
            model.weights()?.into_iter().map(|w| (w.name.clone(), w.shape.clone(), synthesis::weights(&w.name, &w.shape, salt))).collect()
        }
    };
    // strict: what is missing, extra or of another shape is an error that lists it
    Ok(model.load(&loaded)?)
}

/// The tensors of a state dict, each once.
fn state_dict(desk: &mut Desk<'_>, name: &str) -> Result<Weights> {
    let path = desk.take(name, Use::Input)?;
    let file = pth::read_pth(&path)?;
    let named = pth::named_tensors(&file.root);
    let one = |n: &pth::NamedTensor<'_>| Ok((n.name.to_owned(), n.tensor.shape.clone(), file.tensor_f32(n.tensor).map_err(|error| error.at(&path))?));
    named.iter().map(one).collect()
}

/// Two sets of weights, which must be equal to the bit.
pub(in super::super) fn same_weights(what: &str, ours: &Weights, theirs: &Weights) -> Row {
    let shapes = |weights: &Weights| weights.iter().map(|(name, shape, _)| (name.clone(), shape.clone())).collect::<BTreeMap<_, _>>();
    let (own, wanted) = (shapes(ours), shapes(theirs));
    if own != wanted {
        let odd =
            wanted.iter().find(|(name, shape)| own.get(*name) != Some(*shape)).or_else(|| own.iter().find(|(name, _)| !wanted.contains_key(*name)));
        let name = odd.map_or("", |(name, _)| name);
        let shown =
            |weights: &BTreeMap<String, Vec<usize>>| Value::from(weights.get(name).map_or(format!("no {name}"), |shape| format!("{name} {shape:?}")));
        return Row::new(what.to_owned(), shown(&own), shown(&wanted), f64::NAN, tolerance::EXACT);
    }
    let sorted = |weights: &Weights| {
        let mut all: Vec<&(String, Vec<usize>, Vec<f32>)> = weights.iter().collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all.into_iter().flat_map(|(_, _, data)| data.iter().copied()).collect::<Vec<f32>>()
    };
    farthest(what, &sorted(ours), &sorted(theirs), tolerance::EXACT)
}
