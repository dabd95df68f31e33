//! `ensemble`

use super::Run;
use crate::{failure::Failure, options::ProcessesOption, show};
use pipeline::ensemble::{Options, ensemble_folders};
use std::path::PathBuf;

/// Average the probabilities of several predictions of the same images
#[derive(clap::Parser)]
#[command(name = "ensemble")]
pub(crate) struct Ensemble {
    /// Folders of predictions with probabilities (predict --save_probabilities, train --npz)
    #[arg(short = 'i', value_name = "DIR", num_args = 1.., required = true)]
    inputs: Vec<PathBuf>,
    /// Folder for the merged segmentations
    #[arg(short = 'o', value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    processes: ProcessesOption,
    /// Write the mean probabilities too
    #[arg(long = "save_npz")]
    save_npz: bool,
}

impl Run for Ensemble {
    fn run(self) -> Result<(), Failure> {
        let cases = show::Cases::default();
        let options = Options { save_probabilities: self.save_npz, keep: false, num_processes: self.processes.get()? };
        let merged = ensemble_folders(&self.inputs, &self.output, &options, &|at| cases.report(at))?;
        show::line(&format!("{}: {merged} cases merged from {} folders", self.output.display(), self.inputs.len()));
        Ok(())
    }
}
