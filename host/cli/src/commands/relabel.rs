//! `relabel`

use super::Run;
use crate::{failure::Failure, options::ProcessesOption, show};
use pipeline::{
    dataset::{self, Renumbering},
    paths::Paths,
};
use std::path::PathBuf;

/// Renumber labels that are not 0, 1, 2, ... (0 and 255; 0, 1, 2, 4): says what is found and what it would become; copies are written with --yes
#[derive(clap::Parser)]
#[command(name = "relabel")]
pub(crate) struct Relabel {
    /// Dataset, by number or by folder name
    #[arg(short = 'd', value_name = "DATASET")]
    dataset: String,
    /// A value and what it becomes; every value that occurs must be given [default: consecutive, in their order]
    #[arg(long, value_name = "OLD=NEW", num_args = 1.., value_parser = pair, allow_negative_numbers = true)]
    map: Vec<(i16, i16)>,
    /// Folder for labelsTr and dataset.json [default: nnUNet_raw/DATASET/relabelled]
    #[arg(short = 'o', value_name = "DIR")]
    output: Option<PathBuf>,
    /// Write the copies; the dataset itself stays as it is
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    processes: ProcessesOption,
}

fn pair(text: &str) -> Result<(i16, i16), String> {
    let parts = text.split_once('=').and_then(|(old, new)| Some((old.trim().parse().ok()?, new.trim().parse().ok()?)));
    parts.ok_or_else(|| format!("{text:?} is not OLD=NEW, such as 255=1"))
}

impl Run for Relabel {
    fn run(self) -> Result<(), Failure> {
        let paths = Paths::from_env();
        let folder = paths.raw()?.join(paths.dataset(&self.dataset)?);
        let (workers, cases) = (self.processes.get()?, show::Cases::default());
        let values = dataset::label_values(&folder, workers, &|at| cases.report(at))?;
        let map: Renumbering = if self.map.is_empty() { dataset::consecutive(&values) } else { self.map.iter().copied().collect() };
        for (value, cases) in &values {
            match map.get(value) {
                Some(new) => show::line(&format!("{value} (in {cases} cases) -> {new}")),
                None => return Err(Failure::usage(format!("the value {value} (in {cases} cases) is in no --map; add --map {value}=NEW"))),
            }
        }
        if map.iter().all(|(old, new)| old == new) {
            show::line("the labels are consecutive: nothing to do");
            return Ok(());
        }
        if !self.yes {
            show::line("--yes writes the copies");
            return Ok(());
        }
        let output = self.output.unwrap_or_else(|| folder.join("relabelled"));
        dataset::relabel(&folder, &map, &output, workers, &|at| cases.report(at))?;
        let place = output.display();
        show::line(&format!("written to {place}: look at them, then move labelsTr and dataset.json over those of {}", folder.display()));
        Ok(())
    }
}
