//! The same networks in PyTorch, where a Python has it.

use super::plans::Network;
use engine::Device;
use serde_json::{Map, Value, json};
use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

/// Reads a network from standard input and prints a JSON object: seconds an iteration and bytes held, by the way of computing.
const SCRIPT: &str = include_str!("torch.py");

/// What an iteration takes by one way of computing.
pub(super) struct Time {
    /// `bf16`, `bf16 compiled`, ...
    pub(super) how: String,
    pub(super) seconds: f64,
    /// Memory that PyTorch held on the GPU at most; 0 on the processor.
    pub(super) bytes: u64,
}

/// The ways of computing, each timed.
///
/// # Errors
/// No such Python, no PyTorch in it, or it fails; the last line of what it said.
pub(super) fn times(python: &Path, network: &Network, device: &Device) -> Result<Vec<Time>, String> {
    let (spec, device) = (&network.spec, if device.is_cpu() { "cpu" } else { device.name() });
    let question = json!({
        "class": spec.network_class_name.rsplit('.').next(), "kwargs": spec.arch_kwargs, "channels": spec.input_channels, "classes": spec.num_classes,
        "patch": spec.patch_size, "batch": network.batch, "device": device,
    });
    let failed = |error: std::io::Error| format!("{}: {error}", python.display());
    let mut child = Command::new(python);
    let mut child = child.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(question.to_string().as_bytes()).map_err(failed)?;
    }
    let output = child.wait_with_output().map_err(failed)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(said.lines().last().unwrap_or("it ended without a word").to_owned());
    }
    let answer: Map<String, Value> = serde_json::from_slice(&output.stdout).map_err(|error| format!("its answer is no JSON: {error}"))?;
    let time = |(how, of): (String, Value)| Some(Time { how, seconds: of["seconds"].as_f64()?, bytes: of["bytes"].as_u64()? });
    Ok(answer.into_iter().filter_map(time).collect())
}
