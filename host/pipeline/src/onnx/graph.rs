//! From a trace to the messages of a file.

use super::{
    builder::{Builder, element, value_info},
    ops::{Call, Operand, write as write_operation},
    proto::{Graph, Model, OperatorSet},
    shapes::Dim,
};
use engine::{
    Weight,
    shape::{Constant, NodeKind, Trace, ValueKind},
};

/// The version of ONNX's operations: what ONNX Runtime 1.14 and later run.
pub const OPSET: i64 = 18;
/// The version of the file format that came with [`OPSET`].
const IR_VERSION: i64 = 8;

/// Writes the finest head of a trace in prediction mode. `dims` are the shapes of its values, `weights` its parameters in their order.
///
/// # Errors
/// An operation has no form in ONNX: its name, its layer and why.
pub(super) fn write(trace: &Trace, dims: &[Vec<Dim>], weights: &[Weight]) -> Result<Model, String> {
    let Some(&output) = trace.output_values.first() else { return Err("the network gives no logits".into()) };
    let live = live(trace, output);
    let mut builder = Builder::default();
    let (input_name, output_name) = (builder.name("input"), builder.name("logits"));
    builder.input.clone_from(&input_name);
    let mut names: Vec<String> = vec![String::new(); trace.values.len()];
    let mut inputs = Vec::new();
    let mut used = vec![false; trace.values.len()];
    trace.nodes.iter().zip(&live).filter(|(_, live)| **live).flat_map(|(node, _)| &node.inputs).for_each(|&value| used[value] = true);
    for (place, value) in trace.values.iter().enumerate() {
        match value.kind {
            ValueKind::Input { .. } => {
                names[place].clone_from(&input_name);
                inputs.push(value_info(&input_name, value.info.dtype, &dims[place]));
            }
            ValueKind::Parameter(parameter) if used[place] => {
                let info = &trace.parameters[parameter];
                let weight = weights.get(parameter).filter(|weight| weight.name == info.name && weight.shape == info.shape);
                let weight = weight.ok_or_else(|| format!("the model has no weights for {}: a fault of this host", info.name))?;
                let name = builder.name(&info.name);
                builder.tensor(name.clone(), &weight.shape, &weight.data);
                names[place] = name;
            }
            ValueKind::Constant if used[place] => {
                names[place] = match trace.constants.get(&place) {
                    Some(Constant::Float(values)) => builder.floats(&value.info.shape, values),
                    Some(Constant::Int(values)) => builder.integers(&value.info.shape, &values.iter().map(|&v| i64::from(v)).collect::<Vec<_>>()),
                    None => return Err("a constant of the network was not recorded: a fault of this host".into()),
                };
            }
            _ => {}
        }
    }
    for (node, _) in trace.nodes.iter().zip(&live).filter(|(_, live)| **live) {
        let at = if node.scope.is_empty() { String::new() } else { format!(" of layer {}", node.scope) };
        let op = match &node.kind {
            NodeKind::Op(op) => *op,
            NodeKind::Custom(name) => return Err(format!("{name}{at} is an operation of the plugin's own, which ONNX does not have")),
        };
        let operand = |&value: &usize| Operand { name: &names[value], dims: &dims[value], dtype: trace.values[value].info.dtype };
        let first = node.outputs.first().ok_or_else(|| format!("{}{at} has no result", op.name()))?;
        let call = Call { op, inputs: node.inputs.iter().map(operand).collect(), output: operand(first), ints: &node.ints, floats: &node.floats };
        builder.scope.clone_from(&node.scope);
        let results = write_operation(&call, &mut builder).map_err(|why| format!("{}{at} has no form in ONNX: {why}", op.name()))?;
        node.outputs.iter().zip(results).for_each(|(&value, name)| names[value] = name);
    }
    builder.scope.clear();
    builder.nodes.push(super::proto::Node {
        input: vec![names[output].clone()],
        output: vec![output_name.clone()],
        name: "output".into(),
        op_type: "Identity".into(),
        attribute: Vec::new(),
    });
    let value = &trace.values[output];
    debug_assert_eq!(element(value.info.dtype), super::proto::FLOAT);
    let graph = Graph {
        node: builder.nodes,
        name: "network".into(),
        initializer: builder.tensors,
        input: inputs,
        output: vec![value_info(&output_name, value.info.dtype, &dims[output])],
        value_info: Vec::new(),
    };
    Ok(Model {
        ir_version: IR_VERSION,
        producer_name: "nnunet-host".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        doc_string: String::new(),
        graph: Some(graph),
        opset_import: vec![OperatorSet { domain: Some(String::new()), version: OPSET }],
        metadata_props: Vec::new(),
    })
}

/// Which nodes the output needs.
fn live(trace: &Trace, output: usize) -> Vec<bool> {
    let mut wanted = vec![false; trace.values.len()];
    wanted[output] = true;
    let mut live = vec![false; trace.nodes.len()];
    for (place, node) in trace.nodes.iter().enumerate().rev() {
        if node.outputs.iter().any(|&value| wanted[value]) {
            live[place] = true;
            node.inputs.iter().for_each(|&value| wanted[value] = true);
        }
    }
    live
}
