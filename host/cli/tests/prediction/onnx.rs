//! `export_onnx`: what lies in the files, and (where Python has ONNX Runtime) that it gives the values of the network.

use crate::{bundled, model, run, succeed};
use engine::Device;
use pipeline::{
    checkpoint::HostRecord,
    onnx::proto::{Model, Node},
    phantom::{ModelSpec, write_model},
    train::load_model,
};
use prost::Message;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use volume::files::{ArrayView, npy::write_npy};

/// The folder that has the bundled networks in it, built.
fn plugins(folder: &Path) -> PathBuf {
    bundled::add(folder, &["kiunet", "uiunet"]);
    folder.to_owned()
}

/// Name of the model, its trainer config (empty: the plan's network), and what it is like.
fn models() -> Vec<(&'static str, &'static str, ModelSpec)> {
    let three = ModelSpec { channels: 2, labels: 3, features: vec![4, 8, 8], ..ModelSpec::default() };
    let two = ModelSpec { patch: vec![32, 24], ..three.clone() };
    let residual = ModelSpec { class: "ResidualEncoderUNet".into(), blocks: 2, ..three.clone() };
    vec![
        ("plain_3d", "", three.clone()),
        ("plain_2d", "", two.clone()),
        ("residual_3d", "", residual.clone()),
        ("residual_2d", "", ModelSpec { patch: vec![32, 24], ..residual }),
        ("batch_norm_3d", "nnUNetTrainerBN", three.clone()),
        ("primus_3d", "primus_s", three.clone()),
        ("kiunet_3d", "kiunet_minimal", three.clone()),
        ("kiunet_2d", "kiunet_minimal", two.clone()),
        ("uiunet_3d", "uiunet_minimal", three),
        ("uiunet_2d", "uiunet_minimal", two),
    ]
}

/// A number in [-1, 1) from the place, without order.
fn noise(i: usize) -> f32 {
    ((i as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0
}

fn write_array(path: &Path, shape: &[usize], values: &[f32]) {
    write_npy(path, ArrayView::new(shape, values).unwrap()).unwrap();
}

/// What every reader of ONNX asks of a file, and the operations that it has.
fn check(model: &Model, channels: usize, labels: usize, patch: &[usize]) -> BTreeMap<String, usize> {
    let graph = model.graph.as_ref().unwrap();
    let mut known: HashSet<&str> = graph.input.iter().map(|input| input.name.as_str()).collect();
    for tensor in &graph.initializer {
        let elements: i64 = tensor.dims.iter().product();
        let size = if tensor.data_type == 1 { 4 } else { 8 };
        assert_eq!(tensor.raw_data.len(), elements as usize * size, "{}", tensor.name);
        assert!(known.insert(&tensor.name), "{} is there twice", tensor.name);
    }
    let mut operations = BTreeMap::new();
    for Node { input, output, name, op_type, attribute, .. } in &graph.node {
        for input in input.iter().filter(|input| !input.is_empty()) {
            assert!(known.contains(input.as_str()), "{name} takes {input}, which nothing before it gives");
        }
        assert!(output.iter().all(|output| known.insert(output)), "{name} gives {output:?}, which is there already");
        assert!(attribute.iter().all(|attribute| attribute.r#type != 0), "{name}");
        *operations.entry(op_type.clone()).or_insert(0) += 1;
    }
    let [input, output] = [&graph.input, &graph.output].map(|list| {
        assert_eq!(list.len(), 1);
        let shape = list[0].r#type.as_ref().unwrap().tensor_type.as_ref().unwrap().shape.as_ref().unwrap();
        shape.dim.iter().map(|dim| dim.dim_value.unwrap_or(-1)).collect::<Vec<_>>()
    });
    let spatial: Vec<i64> = patch.iter().map(|&n| n as i64).collect();
    assert_eq!(input, [&[-1, channels as i64], &spatial[..]].concat(), "the batch is open");
    assert_eq!(output, [&[-1, labels as i64], &spatial[..]].concat());
    assert!(known.contains(graph.output[0].name.as_str()));
    operations
}

#[test]
fn the_files_are_whole_and_give_the_networks_values() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    let found = plugins(&home.join("plugins"));
    let registry = model::registry(home, &[found]);
    let (models, exported) = (models(), home.join("onnx"));
    fs::create_dir(&exported).unwrap();
    for (name, trainer, spec) in &models {
        let mut record = HostRecord::default();
        if !trainer.is_empty() {
            (record.host_version, record.config) = ("0".into(), registry.config(trainer).unwrap().config);
        }
        let spec = ModelSpec { record, trainer: if trainer.is_empty() { "nnUNetTrainer".into() } else { (*trainer).into() }, ..spec.clone() };
        let folder = home.join(name);
        write_model(&registry, &folder, &spec).unwrap();
        let said = succeed(home, &format!("export_onnx -m {name} -f 0 -o onnx/{name}.onnx --plugins-dir plugins"));
        assert!(said.starts_with(&format!("onnx/{name}.onnx: ")) && said.contains("any batch"), "{said}");

        let file = Model::decode(fs::read(exported.join(format!("{name}.onnx"))).unwrap().as_slice()).unwrap();
        assert_eq!((file.ir_version, file.opset_import[0].version), (8, 18));
        let operations = check(&file, spec.channels, spec.labels, &spec.patch);
        let loaded = load_model(&registry, &folder, "0", "checkpoint_final.pth", &Device::cpu()).unwrap();
        let weights = loaded.model.weights().unwrap();
        let graph = file.graph.unwrap();
        // the weights are there under their names, to the bit; those of the coarser heads alone are left out
        let mut named = 0;
        for weight in &weights {
            let Some(tensor) = graph.initializer.iter().find(|tensor| tensor.name == weight.name) else { continue };
            let values: Vec<f32> = tensor.raw_data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
            assert_eq!(values, weight.data, "{}", weight.name);
            named += 1;
        }
        assert!(named * 10 >= weights.len() * 8, "{name}: {named} of {} weights", weights.len());
        let trace = loaded.trace(1).unwrap();
        let convolutions = |op: plugin_api::Op| trace.nodes.iter().filter(|node| node.kind == engine::shape::NodeKind::Op(op)).count();
        let written = operations.get("Conv").copied().unwrap_or(0);
        assert!(written > 0 && written <= convolutions(plugin_api::Op::Conv), "{name}: {written} convolutions");

        let shape: Vec<usize> = [2, spec.channels].iter().chain(&spec.patch).copied().collect();
        let image: Vec<f32> = (0..shape.iter().product()).map(noise).collect();
        let (logits, out) = loaded.model.predict(&image, &shape).unwrap();
        write_array(&exported.join(format!("{name}.input.npy")), &shape, &image);
        write_array(&exported.join(format!("{name}.output.npy")), &out, &logits);
    }
    let about: Value = serde_json::from_slice(&fs::read(exported.join("plain_3d.json")).unwrap()).unwrap();
    assert_eq!(about["input"]["patch_size"], json!([16, 16, 16]));
    assert_eq!(about["preprocessing"]["channels"][1]["scheme"], "ZScoreNormalization");
    assert_eq!((&about["preprocessing"]["spacing"], &about["prediction"]["mirror_axes"]), (&json!([1.5, 1.5, 1.5]), &json!([0, 1, 2])));
    assert_eq!((&about["postprocessing"]["nonlinearity"], &about["postprocessing"]["output_labels"]), (&json!("softmax"), &json!([0, 1, 2])));
    let about: Value = serde_json::from_slice(&fs::read(exported.join("kiunet_2d.json")).unwrap()).unwrap();
    assert_eq!((&about["network"], &about["input"]["axes"]), (&json!("kiunet"), &json!(["batch", "channel", "y", "x"])));
    compared(&exported);
}

/// Runs `tests/python/onnx.py` over a folder.
fn compared(folder: &Path) {
    let Some(python) = std::env::var_os("NNUNET_PYTHON") else {
        return eprintln!("values are not compared: NNUNET_PYTHON names no Python with onnxruntime");
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/python/onnx.py");
    let output = Command::new(python).arg(script).arg(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_cannot_be_exported_is_said() {
    let dir = tempfile::tempdir().unwrap();
    model::write(&dir.path().join("model"), 16, 2, "nnUNetTrainer", HostRecord::default());
    let says = |line: &str, code: i32, text: &str| {
        let output = run(dir.path(), line);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(code) && said.contains(text), "host {line}: {said}");
    };
    says("export_onnx -m model -f 3 -o x.onnx", 1, "fold_3");
    says("export_onnx -m model -f 0 -o x.json", 1, "choose one that ends in .onnx");
    says("export_onnx -o x.onnx", 2, "-d <DATASET>");
    says("export_onnx -m model -d 4 -o x.onnx", 2, "cannot be used with");
    assert!(!dir.path().join("x.onnx").exists());
}
