//! `convert_MSD_dataset`

use super::Run;
use crate::{failure::Failure, options::ProcessesOption, show};
use pipeline::{convert::convert_msd, paths::Paths};
use std::path::PathBuf;

/// Make a raw dataset of a task of the Medical Segmentation Decathlon
#[derive(clap::Parser)]
#[command(name = "convert_MSD_dataset")]
pub(crate) struct ConvertMsdDataset {
    /// Folder of the task as it was downloaded, such as Task05_Prostate
    #[arg(short = 'i', value_name = "DIR")]
    input: PathBuf,
    /// Number of the dataset [default: the task's]
    #[arg(long = "overwrite_id", value_name = "N")]
    id: Option<u32>,
    #[command(flatten)]
    processes: ProcessesOption,
}

impl Run for ConvertMsdDataset {
    fn run(self) -> Result<(), Failure> {
        let cases = show::Cases::default();
        let folder = convert_msd(&Paths::from_env(), &self.input, self.id, self.processes.get()?, &|at| cases.report(at))?;
        show::line(&format!("{}: made", folder.display()));
        Ok(())
    }
}
