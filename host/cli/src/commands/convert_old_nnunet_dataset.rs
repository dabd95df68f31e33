//! `convert_old_nnUNet_dataset`

use super::Run;
use crate::{failure::Failure, options::ProcessesOption, show};
use pipeline::{convert::convert_v1, paths::Paths};
use std::path::PathBuf;

/// Make a raw dataset of one of nnU-Net v1
#[derive(clap::Parser)]
#[command(name = "convert_old_nnUNet_dataset")]
pub(crate) struct ConvertOldNnunetDataset {
    /// Folder of the old task, with imagesTr, labelsTr and dataset.json
    #[arg(value_name = "INPUT_DIR")]
    input: PathBuf,
    /// Name of the dataset, such as Dataset005_Prostate
    #[arg(value_name = "DATASET_NAME")]
    name: String,
    #[command(flatten)]
    processes: ProcessesOption,
}

impl Run for ConvertOldNnunetDataset {
    fn run(self) -> Result<(), Failure> {
        let cases = show::Cases::default();
        let folder = convert_v1(&Paths::from_env(), &self.input, &self.name, self.processes.get()?, &|at| cases.report(at))?;
        show::line(&format!("{}: made", folder.display()));
        Ok(())
    }
}
