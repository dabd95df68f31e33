//! `install_pretrained_model_from_zip`

use super::Run;
use crate::{failure::Failure, show};
use pipeline::{
    paths::Paths,
    share::{Limits, install},
};
use std::path::PathBuf;

/// Unpack trained models from a zip file into nnUNet_results
#[derive(clap::Parser)]
#[command(name = "install_pretrained_model_from_zip")]
pub(crate) struct InstallPretrainedModelFromZip {
    /// The zip file
    #[arg(value_name = "FILE")]
    zip: PathBuf,
    #[command(flatten)]
    size: SizeOption,
}

#[derive(clap::Args)]
pub(crate) struct SizeOption {
    /// Refuse what unpacks to more, GiB
    #[arg(long = "max_size", value_name = "GIB", default_value_t = 64)]
    gib: u32,
}

impl SizeOption {
    pub(crate) fn limits(&self) -> Limits {
        Limits { bytes: u64::from(self.gib) << 30, ..Limits::default() }
    }
}

impl Run for InstallPretrainedModelFromZip {
    fn run(self) -> Result<(), Failure> {
        let (paths, cases) = (Paths::from_env(), show::Cases::default());
        show_models(&install(&self.zip, paths.results()?, self.size.limits(), &|at| cases.report(at))?);
        Ok(())
    }
}

/// What was installed.
pub(crate) fn show_models(models: &[PathBuf]) {
    models.iter().for_each(|model| show::line(&format!("{}: installed", model.display())));
}
