//! An ONNX graph while it grows.

use super::proto::{Attribute, BOOL, Dimension, FLOAT, INT64, Node, Shape, Tensor, TensorType, Type, ValueInfo};
use super::shapes::Dim;
use plugin_api::DType;
use std::collections::{HashMap, HashSet};

/// `AttributeProto.AttributeType`
const ATTRIBUTE_FLOAT: i32 = 1;
const ATTRIBUTE_INT: i32 = 2;
const ATTRIBUTE_STRING: i32 = 3;
const ATTRIBUTE_INTS: i32 = 7;

/// An attribute's value.
pub(super) enum Setting<'a> {
    Float(f64),
    Int(i64),
    Ints(Vec<i64>),
    Text(&'a str),
}

/// Nodes and tensors so far.
#[derive(Default)]
pub(super) struct Builder {
    pub(super) nodes: Vec<Node>,
    pub(super) tensors: Vec<Tensor>,
    names: HashSet<String>,
    constants: HashMap<(Vec<i64>, i32, Vec<u8>), String>,
    /// The layer whose operation is written now.
    pub(super) scope: String,
    /// The name of the graph's input.
    pub(super) input: String,
    /// The name of the batch as a list of one number, once it was asked for.
    batch: Option<String>,
}

impl Builder {
    /// `wanted`, or what it takes to be the only one of this name.
    pub(super) fn name(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        for number in 2.. {
            if self.names.insert(name.clone()) {
                break;
            }
            name = format!("{wanted}_{number}");
        }
        name
    }

    /// A tensor of the network.
    pub(super) fn tensor(&mut self, name: String, dims: &[usize], values: &[f32]) {
        let dims = dims.iter().map(|&length| length as i64).collect();
        self.tensors.push(Tensor { dims, data_type: FLOAT, name, raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect() });
    }

    fn constant(&mut self, dims: &[usize], data_type: i32, raw_data: Vec<u8>) -> String {
        let dims: Vec<i64> = dims.iter().map(|&length| length as i64).collect();
        let key = (dims.clone(), data_type, raw_data.clone());
        if let Some(name) = self.constants.get(&key) {
            return name.clone();
        }
        let name = self.name("constant");
        self.tensors.push(Tensor { dims, data_type, name: name.clone(), raw_data });
        self.constants.insert(key, name.clone());
        name
    }

    /// The name of a constant tensor.
    pub(super) fn floats(&mut self, dims: &[usize], values: &[f32]) -> String {
        self.constant(dims, FLOAT, values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// A number without axes.
    pub(super) fn number(&mut self, value: f64) -> String {
        self.floats(&[], &[value as f32])
    }

    /// The name of a constant list.
    pub(super) fn ints(&mut self, values: &[i64]) -> String {
        self.integers(&[values.len()], values)
    }

    /// The name of a constant tensor.
    pub(super) fn integers(&mut self, dims: &[usize], values: &[i64]) -> String {
        self.constant(dims, INT64, values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// The name of a shape: a constant, or put together with the batch that there is when the file runs.
    pub(super) fn shape(&mut self, dims: &[Dim]) -> String {
        let fixed: Option<Vec<i64>> = dims.iter().map(|dim| if let Dim::Fixed(length) = dim { Some(*length as i64) } else { None }).collect();
        if let Some(fixed) = fixed {
            return self.ints(&fixed);
        }
        let parts: Vec<String> = dims.iter().map(|dim| self.length(*dim)).collect();
        self.node("Concat", &parts.iter().map(String::as_str).collect::<Vec<_>>(), &[("axis", Setting::Int(0))])
    }

    /// A length as a list of one number.
    fn length(&mut self, dim: Dim) -> String {
        let per_sample = match dim {
            Dim::Fixed(length) => return self.ints(&[length as i64]),
            Dim::PerSample(per_sample) => per_sample,
        };
        let batch = match self.batch.clone() {
            Some(batch) => batch,
            None => {
                let input = self.input.clone();
                let batch = self.node("Shape", &[&input], &[("start", Setting::Int(0)), ("end", Setting::Int(1))]);
                self.batch.insert(batch).clone()
            }
        };
        let times = self.ints(&[per_sample as i64]);
        if per_sample == 1 { batch } else { self.node("Mul", &[&batch, &times], &[]) }
    }

    /// Adds a node with one result, whose name comes back.
    pub(super) fn node(&mut self, op: &str, inputs: &[&str], settings: &[(&str, Setting<'_>)]) -> String {
        self.nodes_of(op, inputs, settings, 1).remove(0)
    }

    /// Adds a node with `results` results.
    pub(super) fn nodes_of(&mut self, op: &str, inputs: &[&str], settings: &[(&str, Setting<'_>)], results: usize) -> Vec<String> {
        let wanted = if self.scope.is_empty() { op.to_owned() } else { format!("{}/{op}", self.scope) };
        let name = self.name(&wanted);
        let output: Vec<String> = (0..results).map(|result| self.name(&format!("{name}:{result}"))).collect();
        self.nodes.push(Node {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: output.clone(),
            name,
            op_type: op.to_owned(),
            attribute: settings.iter().map(|(name, setting)| attribute(name, setting)).collect(),
        });
        output
    }
}

fn attribute(name: &str, setting: &Setting<'_>) -> Attribute {
    let base = Attribute { name: name.to_owned(), ..Attribute::default() };
    match setting {
        Setting::Float(value) => Attribute { f: Some(*value as f32), r#type: ATTRIBUTE_FLOAT, ..base },
        Setting::Int(value) => Attribute { i: Some(*value), r#type: ATTRIBUTE_INT, ..base },
        Setting::Ints(values) => Attribute { ints: values.clone(), r#type: ATTRIBUTE_INTS, ..base },
        Setting::Text(text) => Attribute { s: Some(text.as_bytes().to_vec()), r#type: ATTRIBUTE_STRING, ..base },
    }
}

/// ONNX's number of a type.
pub(super) fn element(dtype: DType) -> i32 {
    match dtype {
        DType::Int => INT64,
        DType::Bool => BOOL,
        _ => FLOAT,
    }
}

/// Name, type and shape of a value.
pub(super) fn value_info(name: &str, dtype: DType, dims: &[Dim]) -> ValueInfo {
    let dim = |dim: &Dim| match dim {
        Dim::Fixed(length) => Dimension { dim_value: Some(*length as i64), dim_param: None },
        Dim::PerSample(1) => Dimension { dim_value: None, dim_param: Some("batch".into()) },
        // so many times the batch; there is no way to say so
        Dim::PerSample(_) => Dimension::default(),
    };
    let shape = Shape { dim: dims.iter().map(dim).collect() };
    ValueInfo { name: name.to_owned(), r#type: Some(Type { tensor_type: Some(TensorType { elem_type: element(dtype), shape: Some(shape) }) }) }
}
