//! `export_onnx`

use super::Run;
use crate::{
    failure::Failure,
    options::{PluginOptions, model_folder},
    show,
};
use pipeline::{onnx, train::Fold};
use registry::DEFAULT_TRAINER;
use std::path::PathBuf;

/// Write the network of a trained model as an ONNX file, with a JSON that says how images become its input and its logits labels
#[derive(clap::Parser)]
#[command(
    name = "export_onnx",
    after_help = "host export_onnx -d 4 -c 3d_fullres -f 0 -o hippocampus.onnx\nhost export_onnx -m MODEL_FOLDER -f 0 -o hippocampus.onnx"
)]
pub(crate) struct ExportOnnx {
    /// Dataset that the model was trained on, by number or by folder name
    #[arg(short = 'd', value_name = "DATASET", required_unless_present = "model", conflicts_with = "model")]
    dataset: Option<String>,
    /// Configuration of the plans
    #[arg(short = 'c', value_name = "CONFIG", required_unless_present = "model", conflicts_with = "model")]
    configuration: Option<String>,
    /// Name of the plans
    #[arg(short = 'p', value_name = "NAME", default_value = "nnUNetPlans")]
    plans: String,
    /// Trainer config
    #[arg(long = "tr", value_name = "NAME", default_value = DEFAULT_TRAINER)]
    trainer: String,
    /// Model folder, with plans.json, dataset.json and fold_X, instead of -d and -c
    #[arg(short = 'm', value_name = "DIR")]
    model: Option<PathBuf>,
    /// Fold
    #[arg(short = 'f', value_name = "FOLD", default_value = "0")]
    fold: Fold,
    /// Checkpoint of the fold
    #[arg(long = "chk", value_name = "FILE", default_value = "checkpoint_final.pth")]
    checkpoint: String,
    /// The ONNX file; the JSON lies beside it
    #[arg(short = 'o', value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    plugins: PluginOptions,
}

impl Run for ExportOnnx {
    fn run(self) -> Result<(), Failure> {
        let folder = match (self.model, &self.dataset, &self.configuration) {
            (Some(folder), ..) => folder,
            (None, Some(dataset), Some(configuration)) => model_folder(dataset, &self.trainer, &self.plans, configuration)?,
            _ => return Err(Failure::usage("name the model by -d and -c, or by its folder with -m")),
        };
        let written = onnx::export(&self.plugins.open()?, &folder, &self.fold, &self.checkpoint, &self.output)?;
        written.warnings.iter().for_each(|what| show::note(&format!("warning: {}: {what}", folder.display())));
        let batch = if written.open_batch { "any batch" } else { "a batch of 1" };
        let size = written.bytes as f64 / f64::from(1 << 20);
        let (file, description) = (self.output.display(), written.description.display());
        show::line(&format!(
            "{file}: {} nodes of opset {}, {batch}, {size:.1} MiB; {description} says what belongs around it",
            written.nodes,
            onnx::OPSET
        ));
        Ok(())
    }
}
