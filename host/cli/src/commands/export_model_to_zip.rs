//! `export_model_to_zip`

use super::Run;
use crate::{failure::Failure, options::trainer_folder, show};
use pipeline::{
    paths::Paths,
    share::{Export, export},
    train::Fold,
};
use registry::DEFAULT_TRAINER;
use std::path::PathBuf;

/// Pack trained models into a zip file, for install_pretrained_model_from_zip elsewhere
#[derive(clap::Parser)]
#[command(name = "export_model_to_zip")]
pub(crate) struct ExportModelToZip {
    /// Dataset, by number or by folder name
    #[arg(short = 'd', value_name = "DATASET")]
    dataset: String,
    /// The zip file
    #[arg(short = 'o', value_name = "FILE")]
    output: PathBuf,
    /// Configurations [default: those of 3d_lowres, 3d_fullres, 2d and 3d_cascade_fullres that were trained]
    #[arg(short = 'c', value_name = "CONFIG", num_args = 1..)]
    configurations: Vec<String>,
    /// Trainer config
    #[arg(long = "tr", value_name = "NAME", default_value = DEFAULT_TRAINER)]
    trainer: String,
    /// Name of the plans
    #[arg(short = 'p', value_name = "NAME", default_value = "nnUNetPlans")]
    plans: String,
    /// Folds
    #[arg(short = 'f', value_name = "FOLD", num_args = 1.., default_values = ["0", "1", "2", "3", "4"])]
    folds: Vec<Fold>,
    /// Checkpoints of each fold
    #[arg(long = "chk", value_name = "FILE", num_args = 1.., default_values = ["checkpoint_final.pth"])]
    checkpoints: Vec<String>,
    /// Leave out what is not there instead of failing
    #[arg(long = "not_strict")]
    not_strict: bool,
    /// Pack the segmentations of the cross-validation too
    #[arg(long = "exp_cv_preds")]
    predictions: bool,
}

impl Run for ExportModelToZip {
    fn run(self) -> Result<(), Failure> {
        let paths = Paths::from_env();
        let what = Export {
            dataset: paths.dataset(&self.dataset)?,
            configurations: self.configurations,
            trainer: trainer_folder(&self.trainer).to_owned(),
            plans: self.plans,
            folds: self.folds,
            checkpoints: self.checkpoints,
            strict: !self.not_strict,
            predictions: self.predictions,
        };
        let cases = show::Cases::default();
        let files = export(&paths, &what, &self.output, &|at| cases.report(at))?;
        show::line(&format!("{}: {files} files", self.output.display()));
        Ok(())
    }
}
