//! `report`

use super::Run;
use crate::{failure::Failure, options::ProcessesOption, show};
use pipeline::{
    paths::{self, Paths},
    report::{self, Options},
};
use std::path::PathBuf;

/// Write a page about a model or an evaluation: curves, Dice of each case with the worst first, pictures in three planes, plans, plugins, times
#[derive(clap::Parser)]
#[command(name = "report")]
pub(crate) struct ReportCommand {
    /// A model folder, one of its folds, or a folder with summary.json
    folder: PathBuf,
    /// Folder of the images [default: imagesTr of the model's dataset in nnUNet_raw]
    #[arg(short = 'i', value_name = "DIR")]
    images: Option<PathBuf>,
    /// The page [default: report.html in the folder]
    #[arg(short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,
    /// So many of the worst cases are shown in pictures
    #[arg(long, value_name = "N", default_value_t = 8)]
    pictures: usize,
    #[command(flatten)]
    processes: ProcessesOption,
}

impl Run for ReportCommand {
    fn run(self) -> Result<(), Failure> {
        let output = self.output.unwrap_or_else(|| self.folder.join("report.html"));
        let options = Options { folder: self.folder, images: self.images, shown: self.pictures, num_processes: self.processes.get()? };
        let cases = show::Cases::default();
        report::write(&Paths::from_env(), &options, &output, &|at| cases.report(at))?;
        show::line(&format!("{}: open it in any browser", paths::quoted(&output)));
        Ok(())
    }
}
