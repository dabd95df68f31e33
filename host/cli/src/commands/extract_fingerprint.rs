//! `extract_fingerprint`

use super::Run;
use crate::{
    failure::Failure,
    options::{DatasetsOption, processes},
    show,
};
use pipeline::{fingerprint, paths::Paths};

/// Learn what the images of a dataset have in common: spacings, shapes and intensities
#[derive(clap::Parser)]
#[command(name = "extract_fingerprint")]
pub(crate) struct ExtractFingerprint {
    #[command(flatten)]
    datasets: DatasetsOption,
    #[command(flatten)]
    fingerprint: FingerprintOptions,
    /// Cases at a time [default: nnUNet_def_n_proc, else 8]
    #[arg(long = "np", value_name = "N")]
    processes: Option<usize>,
}

#[derive(clap::Args)]
pub(crate) struct FingerprintOptions {
    /// Who extracts the fingerprint
    #[arg(long = "fpe", value_name = "NAME", default_value = EXTRACTOR, value_parser = [EXTRACTOR])]
    extractor: String,
    /// Check that images and labels fit together first
    #[arg(long = "verify_dataset_integrity")]
    verify: bool,
    /// Extract the fingerprint anew although there is one
    #[arg(long)]
    clean: bool,
}

const EXTRACTOR: &str = "DatasetFingerprintExtractor";

impl Run for ExtractFingerprint {
    fn run(self) -> Result<(), Failure> {
        let paths = Paths::from_env();
        for dataset in self.datasets.resolve(&paths)? {
            self.fingerprint.extract(&paths, &dataset, self.processes)?;
        }
        Ok(())
    }
}

impl FingerprintOptions {
    /// Extracts the fingerprint of `dataset` (its folder name) if it is wanted.
    pub(crate) fn extract(&self, paths: &Paths, dataset: &str, given: Option<usize>) -> Result<(), Failure> {
        let num_processes = processes(given, "nnUNet_def_n_proc", 8)?;
        let options = fingerprint::Options { num_processes, verify_dataset_integrity: self.verify, clean: self.clean };
        let cases = show::Cases::default();
        let (fingerprint, warnings) = fingerprint::run(paths, dataset, &options, &|at| cases.report(at))?;
        for warning in warnings {
            show::note(&format!("warning: {warning}"));
        }
        show::line(&format!("{dataset}: fingerprint of {} cases", fingerprint.spacings.len()));
        Ok(())
    }
}
