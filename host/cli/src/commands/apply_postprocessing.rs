//! `apply_postprocessing`

use super::{Run, determine_postprocessing::JsonFiles};
use crate::{failure::Failure, options::ProcessesOption, show};
use pipeline::postprocess::{Postprocessing, apply};
use std::path::PathBuf;

/// Do to predictions what determine_postprocessing found
#[derive(clap::Parser)]
#[command(name = "apply_postprocessing")]
pub(crate) struct ApplyPostprocessing {
    /// Folder of predictions
    #[arg(short = 'i', value_name = "DIR")]
    input: PathBuf,
    /// Folder for postprocessed predictions
    #[arg(short = 'o', value_name = "DIR")]
    output: PathBuf,
    /// postprocessing.pkl, or the postprocessing.json beside it
    #[arg(long = "pp_pkl_file", value_name = "FILE")]
    postprocessing: PathBuf,
    #[command(flatten)]
    processes: ProcessesOption,
    #[command(flatten)]
    files: JsonFiles,
}

impl Run for ApplyPostprocessing {
    fn run(self) -> Result<(), Failure> {
        let cases = show::Cases::default();
        let postprocessing = Postprocessing::read(&self.postprocessing)?;
        let dataset = self.files.dataset(&self.input)?;
        let done = apply(&self.input, &self.output, &postprocessing, &dataset, self.processes.get()?, &|at| cases.report(at))?;
        show::line(&format!("{}: {done} cases after {} steps", self.output.display(), postprocessing.0.len()));
        Ok(())
    }
}
