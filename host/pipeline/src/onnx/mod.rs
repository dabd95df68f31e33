//! A trained network as an ONNX file, whoever wrote the network, with a JSON that says what belongs around it.
//!
//! The file holds the finest head's logits as a function of a patch: (batch, channels, patch...) to (batch, classes, patch...). The batch is
//! open where the network treats each sample alike, else it is 1. What a network does is recorded by the engine's shape trace in
//! prediction mode; `ops` writes each operation in the words of opset [`OPSET`].

mod builder;
mod description;
mod graph;
mod ops;
pub mod proto;
mod shapes;
#[cfg(test)]
mod tests;

pub use graph::OPSET;

use crate::{
    dataset::DatasetJson,
    error::{Error, Result},
    json,
    plan::Plans,
    train::{Fold, load_model},
};
use engine::Device;
use prost::Message;
use registry::Registry;
use std::path::{Path, PathBuf};
use volume::files::atomic::write_bytes;

/// The largest message of protobuf.
const LARGEST: usize = i32::MAX as usize;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The JSON beside the file.
    pub description: PathBuf,
    /// Nodes of the graph.
    pub nodes: usize,
    /// Bytes of the file.
    pub bytes: usize,
    /// Whether the batch is open.
    pub open_batch: bool,
    /// Where a plugin is another than the one that trained the model.
    pub warnings: Vec<String>,
}

/// Writes the network of a model folder's fold into `file`, and beside it, with the ending `.json`, how images become its input and its
/// logits segmentations.
///
/// # Errors
/// The model cannot be loaded; the network reads values or uses an operation that ONNX does not have, which is named; the file would have
/// more than 2 GiB, or cannot be written.
pub fn export(registry: &Registry, model: &Path, fold: &Fold, checkpoint: &str, file: &Path) -> Result<Written> {
    let description = file.with_extension("json");
    if description == file {
        return Err(Error::invalid(format!("{}: the JSON beside the network has this name; choose one that ends in .onnx", file.display())));
    }
    let loaded = load_model(registry, model, &fold.name(), checkpoint, &Device::cpu())?;
    let (plans, dataset) = (Plans::read(&model.join("plans.json"))?, DatasetJson::read(model)?);
    let traces = shapes::BATCHES.into_iter().chain([1]).map(|batch| loaded.trace(batch)).collect::<Result<Vec<_>>>()?;
    let [a, b, one] = traces.as_slice() else { return Err(Error::invalid("there are not three traces")) };
    let (trace, dims) = match shapes::open([a, b]) {
        Some(open) => (a, Some(open)),
        None => (one, None),
    };
    let open_batch = dims.is_some();
    let weights = loaded.model.weights()?;
    let onnx = graph::write(trace, &dims.unwrap_or_else(|| shapes::fixed(trace)), &weights).map_err(|what| Error::content(file, what))?;
    let about = description::of(model, &plans, &dataset, &loaded.checkpoint, &onnx)?;
    let bytes = onnx.encoded_len();
    if bytes > LARGEST {
        return Err(Error::content(file, format!("the network takes {bytes} bytes, and an ONNX file holds at most {LARGEST}")));
    }
    write_bytes(file, &onnx.encode_to_vec())?;
    json::write(&description, &about)?;
    let nodes = onnx.graph.map_or(0, |graph| graph.node.len());
    Ok(Written { description, nodes, bytes, open_batch, warnings: loaded.warnings })
}
