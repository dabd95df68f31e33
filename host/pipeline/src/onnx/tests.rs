//! Each operation of the table in a file: whole, refused by name, and (where Python has ONNX Runtime) with our values.

use super::{
    graph,
    proto::Model,
    shapes::{self, BATCHES},
};
use engine::{
    Device, Weight,
    shape::{Trace, trace_prediction},
};
use plugin_api::{
    Architecture, ConvSettings, CustomOp, DType, Error, Network, NetworkSpec, Op, Padding, Params, Resize, Result, Tensor,
    abi::host::{ArchitectureHandle, Library},
    json,
    prelude::Deserialize,
    register_architecture,
};
use prost::Message;
use std::{collections::BTreeSet, path::Path, process::Command};
use volume::files::{ArrayView, npy::write_npy};

/// (B, 2, 8, 8) to anything with the batch first.
type Run = fn(&Tensor) -> Tensor;
type Case = (&'static str, Run);

fn table(shape: &[usize]) -> Tensor {
    let n = shape.iter().product();
    Tensor::from_f32(shape, &(0..n).map(|i| ((i * 37 + 11) % 23) as f32 / 11.5 - 1.0).collect::<Vec<_>>())
}

fn places(shape: &[usize], below: i32) -> Tensor {
    let n = shape.iter().product::<usize>() as i32;
    Tensor::from_i32(shape, &(0..n).map(|i| (i * 5 + 3) % below).collect::<Vec<_>>())
}

fn settings(stride: usize, padding: usize, dilation: usize, groups: usize) -> ConvSettings {
    ConvSettings { stride: vec![stride; 2], padding: vec![padding; 2], dilation: vec![dilation; 2], groups }
}

fn one(op: Op, x: &Tensor) -> Tensor {
    Tensor::apply(op, &[x], &[], &[])
}

fn two(op: Op, x: &Tensor) -> Tensor {
    Tensor::apply(op, &[x, &table(&[2, 8, 1])], &[], &[])
}

fn compared(op: Op, x: &Tensor) -> Tensor {
    Tensor::apply(op, &[&one(Op::Round, x), &one(Op::Round, &table(&[8, 8]))], &[], &[]).float()
}

const CASES: &[Case] = &[
    ("neg", |x| one(Op::Neg, x)),
    ("abs", |x| one(Op::Abs, x)),
    ("exp", |x| one(Op::Exp, x)),
    ("log", |x| one(Op::Log, &one(Op::Abs, x).affine(1.0, 0.1))),
    ("sqrt", |x| one(Op::Sqrt, &one(Op::Abs, x))),
    ("recip", |x| one(Op::Recip, &one(Op::Abs, x).affine(1.0, 0.5))),
    ("sin", |x| one(Op::Sin, x)),
    ("cos", |x| one(Op::Cos, x)),
    ("tanh", |x| one(Op::Tanh, x)),
    ("erf", |x| one(Op::Erf, x)),
    ("sigmoid", |x| one(Op::Sigmoid, x)),
    ("relu", |x| one(Op::Relu, x)),
    ("gelu", |x| one(Op::Gelu, x)),
    ("silu", |x| one(Op::Silu, x)),
    ("softplus", |x| one(Op::Softplus, &x.affine(20.0, 0.0))),
    ("floor", |x| one(Op::Floor, &x.affine(3.0, 0.0))),
    ("round", |x| one(Op::Round, &x.affine(3.0, 0.0))),
    ("sign", |x| one(Op::Sign, x)),
    ("leaky_relu", |x| x.leaky_relu(0.2)),
    ("elu", |x| x.elu(0.7)),
    ("powf", |x| one(Op::Abs, x).powf(1.5)),
    ("clamp", |x| x.clamp(-0.3, 0.4)),
    ("affine", |x| x.affine(-2.0, 0.25)),
    ("detach", |x| one(Op::Detach, x)),
    ("add", |x| two(Op::Add, x)),
    ("sub", |x| two(Op::Sub, x)),
    ("mul", |x| two(Op::Mul, x)),
    ("div", |x| Tensor::apply(Op::Div, &[x, &table(&[8]).affine(1.0, 3.0)], &[], &[])),
    ("maximum", |x| two(Op::Maximum, x)),
    ("minimum", |x| two(Op::Minimum, x)),
    ("pow", |x| Tensor::apply(Op::Pow, &[&one(Op::Abs, x).affine(1.0, 0.5), &table(&[8])], &[], &[])),
    ("equal", |x| compared(Op::Equal, x)),
    ("not_equal", |x| compared(Op::NotEqual, x)),
    ("greater", |x| compared(Op::Greater, x)),
    ("greater_equal", |x| compared(Op::GreaterEqual, x)),
    ("less", |x| compared(Op::Less, x)),
    ("less_equal", |x| compared(Op::LessEqual, x)),
    ("compare_scalar", |x| {
        let of = |op: Op| Tensor::apply(Op::CompareScalar, &[&one(Op::Round, x)], &[op as i64], &[1.0]).float();
        Tensor::concat(&[&of(Op::Equal), &of(Op::NotEqual), &of(Op::Less), &of(Op::GreaterEqual)], 1).slice(2, 0, 3)
    }),
    ("logic", |x| {
        let (a, b) = (Tensor::apply(Op::CompareScalar, &[x], &[Op::Greater as i64], &[0.0]), table(&[8]).cast(DType::Bool));
        let and = Tensor::apply(Op::And, &[&a, &b], &[], &[]);
        let or = Tensor::apply(Op::Or, &[&one(Op::Not, &a), &b], &[], &[]);
        x.where_or(&and, &or.float())
    }),
    ("cast", |x| x.affine(3.0, 0.0).cast(DType::Int).float()),
    ("sum", |x| x.sum_axes(&[1, 3], false)),
    ("mean", |x| x.mean_axes(&[2, 3], true)),
    ("max", |x| x.max_axes(&[1], true)),
    ("min", |x| x.min_axes(&[2], false)),
    ("argmax", |x| x.argmax(3).float()),
    ("topk", |x| {
        let (values, at) = x.topk(3, 2);
        Tensor::concat(&[&values, &at.float()], 2)
    }),
    ("cumsum", |x| x.cumsum(3)),
    ("softmax", |x| x.softmax(1)),
    ("log_softmax", |x| x.log_softmax(2)),
    ("reshape", |x| x.reshape(&[-1, 16, 8]).permute(&[0, 2, 1])),
    ("permute", |x| x.permute(&[0, 3, 1, 2])),
    ("slice", |x| x.slice_step(2, 1, 8, 3)),
    ("concat", |x| Tensor::concat(&[x, &x.affine(2.0, 0.0)], 1)),
    ("pad", |x| x.pad(&[(0, 0), (0, 0), (1, 0), (0, 2)], Padding::Constant(0.5)).slice(2, 0, 7)),
    ("pad_reflect", |x| x.pad(&[(0, 0), (0, 0), (2, 1), (0, 2)], Padding::Reflect)),
    ("pad_replicate", |x| x.pad(&[(0, 0), (0, 0), (2, 1), (0, 2)], Padding::Replicate)),
    ("expand", |x| x.slice(3, 0, 1).expand(&[x.size(0), 2, 8, 5])),
    ("flip", |x| x.flip(&[1, 3])),
    ("gather", |x| x.gather(2, &places(&[1, 2, 3, 8], 8).expand(&[x.size(0), 2, 3, 8]))),
    ("scatter_add", |x| x.scatter_add(2, &places(&[1, 2, 3, 8], 8).expand(&[x.size(0), 2, 3, 8]), &x.slice(2, 0, 3))),
    ("index_select", |x| x.index_select(3, &places(&[5], 8))),
    ("one_hot", |x| one(Op::Abs, &x.slice(1, 0, 1)).cast(DType::Int).one_hot(3)),
    ("conv", |x| x.conv(&table(&[4, 2, 3, 3]), Some(&table(&[4])), &settings(2, 1, 1, 1))),
    ("conv_grouped", |x| x.conv(&table(&[4, 1, 3, 3]), None, &settings(1, 2, 2, 2))),
    ("conv_transpose", |x| x.slice(2, 0, 4).slice(3, 0, 4).conv_transpose(&table(&[2, 3, 2, 2]), Some(&table(&[3])), &settings(2, 0, 1, 1), &[0, 0])),
    ("conv_transpose_odd", |x| x.slice(2, 0, 3).slice(3, 0, 3).conv_transpose(&table(&[2, 2, 3, 3]), None, &settings(2, 1, 1, 2), &[1, 1])),
    ("max_pool", |x| x.max_pool(&[2, 3], &[2, 2], &[0, 1], false)),
    ("max_pool_ceil", |x| x.max_pool(&[3, 3], &[2, 2], &[0, 0], true)),
    ("avg_pool", |x| x.avg_pool(&[3, 3], &[2, 2], &[1, 1], false, true)),
    ("avg_pool_ceil", |x| x.avg_pool(&[3, 3], &[2, 2], &[1, 0], true, false)),
    ("adaptive_avg_pool", |x| x.adaptive_avg_pool(&[1, 4])),
    ("adaptive_max_pool", |x| x.adaptive_max_pool(&[2, 8])),
    ("resize_nearest", |x| x.resize(&[11, 4], Resize::Nearest)),
    ("resize_exact", |x| x.resize(&[11, 4], Resize::NearestExact)),
    ("resize_linear", |x| x.resize(&[11, 5], Resize::Linear)),
    ("resize_aligned", |x| x.resize(&[11, 5], Resize::LinearAligned)),
    ("instance_norm", |x| x.instance_norm(None, 1e-5)),
    ("instance_norm_affine", |x| x.instance_norm(Some((&table(&[2]), &table(&[2]).affine(2.0, 1.0))), 1e-5)),
    ("batch_norm", |x| {
        let positive = table(&[2]).affine(0.5, 1.0);
        Tensor::apply(Op::BatchNorm, &[x, &table(&[2]), &positive, &table(&[2]), &positive], &[], &[1e-5, 0.1])
    }),
    ("group_norm", |x| Tensor::concat(&[x, &x.affine(2.0, 1.0)], 1).group_norm(2, Some((&table(&[4]), &table(&[4]))), 1e-5)),
    ("layer_norm", |x| x.layer_norm(1, Some((&table(&[8]), &table(&[8]))), 1e-5)),
    ("layer_norm_plain", |x| x.layer_norm(2, None, 1e-5)),
    ("dropout", |x| x.dropout(0.5, false)),
    ("matmul", |x| x.matmul(&table(&[8, 5]))),
    ("full", |x| x * &Tensor::full(&[8, 8], 0.5)),
    ("full_batch", |x| Tensor::concat(&[&Tensor::full(&[x.size(0), 2, 8, 8], 0.5), x], 1)),
    ("batch_inside", |x| x.reshape(&[1, x.size(0) as i64 * 2, 64]).permute(&[1, 0, 2]).reshape(&[x.size(0) as i64, 2, 64])),
    ("arange", |x| x.index_select(3, &Tensor::arange(1, 8, 2))),
];

/// What is refused, and what the sentence says.
const REFUSED: &[(&str, Run, &str)] = &[
    ("random", |x| x + &Tensor::rand_normal(&[8], 0.0, 1.0), "RandNormal has no form in ONNX: it draws random numbers"),
    ("segments", |x| x.segment_sum(&places(&[1, 1, 8, 8], 3).expand(&[x.size(0), 1, 8, 8]), 3), "SegmentSum has no form in ONNX"),
    (
        "classes",
        |x| Tensor::apply(Op::ClassSums, &[x, &places(&[1, 1, 8, 8], 2).expand(&[x.size(0), 1, 8, 8])], &[], &[]),
        "ClassSums has no form in ONNX: it belongs to losses",
    ),
    ("uneven", |x| x.adaptive_avg_pool(&[3, 8]), "AdaptiveAvgPool has no form in ONNX: 3 does not divide 8 along axis 2"),
    ("own", |x| Tensor::custom(Same, &[x]), "same is an operation of the plugin's own"),
];

struct Same;
impl CustomOp for Same {
    fn name(&self) -> &str {
        "same"
    }
    fn out_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        inputs.first().map(|shape| shape.to_vec()).ok_or_else(|| Error::new("same: takes a tensor"))
    }
    fn forward(&self, inputs: &[plugin_api::Array<'_>], out: plugin_api::ArrayMut<'_>) -> Result<()> {
        out.data.copy_from_slice(inputs[0].data);
        Ok(())
    }
}

/// A network that is one case.
#[derive(Default, Deserialize)]
#[serde(default)]
struct OneCase {
    case: String,
}

struct OneCaseNetwork(Run);

impl Architecture for OneCase {
    fn build(&self, _: &NetworkSpec, _: &Params) -> Result<Box<dyn Network>> {
        let refused = REFUSED.iter().map(|(name, run, _)| (*name, *run));
        let found = CASES.iter().copied().chain(refused).find(|(name, _)| *name == self.case);
        found.map(|(_, run)| Box::new(OneCaseNetwork(run)) as Box<dyn Network>).ok_or_else(|| Error::new("no such case"))
    }
}

impl Network for OneCaseNetwork {
    /// The case's values in the shape that logits have, 0 behind them.
    fn forward(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        let flat = (self.0)(x).reshape(&[x.size(0) as i64, -1]);
        let missing = LOGITS.checked_sub(flat.size(1)).ok_or_else(|| Error::new("the case has too many values"))?;
        Ok(vec![flat.pad(&[(0, 0), (0, missing)], Padding::Constant(0.0)).reshape(&[x.size(0) as i64, 4, 8, 8])])
    }
}
register_architecture!("onnx_case", OneCase);

/// Logits of a sample.
const LOGITS: usize = 4 * 8 * 8;

fn spec() -> NetworkSpec {
    NetworkSpec {
        input_channels: 2,
        num_classes: 4,
        patch_size: vec![8, 8],
        deep_supervision: false,
        network_class_name: "onnx_case".into(),
        arch_kwargs: json!({}),
    }
}

fn handle(case: &str) -> ArchitectureHandle {
    Library::builtin().architecture("onnx_case", &json!({ "case": case }).to_string()).unwrap()
}

/// The file, whose batch is open.
fn written(case: &str) -> std::result::Result<Model, String> {
    let traced = |batch: usize| -> Trace { trace_prediction(&handle(case), &spec(), batch).unwrap_or_else(|e| panic!("{case}: {e}")) };
    let [a, b] = BATCHES.map(traced);
    let dims = shapes::open([&a, &b]).unwrap_or_else(|| panic!("{case}: the batch is not open"));
    let weights: Vec<Weight> = Vec::new();
    graph::write(&a, &dims, &weights)
}

#[test]
fn every_operation_has_a_file_with_its_values() {
    let dir = tempfile::tempdir().unwrap();
    let mut seen = BTreeSet::new();
    let input: Vec<f32> = (0..3 * 2 * 64).map(|i| ((i * 53 + 7) % 101) as f32 / 25.0 - 2.0).collect();
    for (name, _) in CASES {
        let file = written(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(Model::decode(file.encode_to_vec().as_slice()).unwrap(), file, "{name}");
        let mut known: BTreeSet<&str> = BTreeSet::from(["input", ""]);
        let graph = file.graph.as_ref().unwrap();
        known.extend(graph.initializer.iter().map(|tensor| tensor.name.as_str()));
        for node in &graph.node {
            assert!(node.input.iter().all(|input| known.contains(input.as_str())), "{name}: {node:?}");
            assert!(node.output.iter().all(|output| known.insert(output)), "{name}: {node:?}");
        }
        assert!(known.contains("logits"), "{name}");
        let trace = trace_prediction(&handle(name), &spec(), 1).unwrap();
        seen.extend(trace.nodes.iter().map(|node| format!("{:?}", node.kind)));

        let model = engine::Model::build(&Device::cpu(), &handle(name), &spec(), 1).unwrap();
        let (logits, shape) = model.predict(&input, &[3, 2, 8, 8]).unwrap();
        let save = |which: &str, shape: &[usize], values: &[f32]| {
            write_npy(&dir.path().join(format!("{name}.{which}.npy")), ArrayView::new(shape, values).unwrap()).unwrap();
        };
        save("input", &[3, 2, 8, 8], &input);
        save("output", &shape, &logits);
        std::fs::write(dir.path().join(format!("{name}.onnx")), file.encode_to_vec()).unwrap();
    }
    let without: Vec<&str> = Op::ALL.iter().map(|op| op.name()).filter(|op| !seen.contains(&format!("Op({op})"))).collect();
    assert_eq!(without, ["SegmentSum", "ClassSums", "RandUniform", "RandNormal"], "operations of the table that no case has");
    let Some(python) = std::env::var_os("NNUNET_PYTHON") else {
        return eprintln!("values are not compared: NNUNET_PYTHON names no Python with onnxruntime");
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/python/onnx.py");
    let output = Command::new(python).arg(script).arg(dir.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_onnx_does_not_have_is_refused_by_name() {
    for (name, _, text) in REFUSED {
        let refused = written(name).unwrap_err();
        assert!(refused.starts_with(text), "{name}: {refused}");
    }
}
