//! `download_pretrained_model_by_url`

use super::{
    Run,
    install_pretrained_model_from_zip::{SizeOption, show_models},
};
use crate::{failure::Failure, show};
use pipeline::{paths::Paths, share::download};

/// Fetch a zip file of trained models and unpack it into nnUNet_results
#[derive(clap::Parser)]
#[command(name = "download_pretrained_model_by_url")]
pub(crate) struct DownloadPretrainedModelByUrl {
    /// Address of the zip file (http or https)
    url: String,
    #[command(flatten)]
    size: SizeOption,
}

impl Run for DownloadPretrainedModelByUrl {
    fn run(self) -> Result<(), Failure> {
        let (paths, cases) = (Paths::from_env(), show::Cases::default());
        show_models(&download(&self.url, paths.results()?, self.size.limits(), &|at| cases.report(at))?);
        Ok(())
    }
}
