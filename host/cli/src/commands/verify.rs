//! `verify`

use super::Run;
use crate::{
    failure::Failure,
    options::{DatasetsOption, processes},
    show,
};
use pipeline::{
    dataset::{self, Misplaced},
    error::Error,
    paths::Paths,
};
use std::path::{Path, PathBuf};

/// Check that the files of a dataset fit together: every problem at once, each with the way out
#[derive(clap::Parser)]
#[command(name = "verify")]
pub(crate) struct Verify {
    #[command(flatten)]
    datasets: DatasetsOption,
    /// Say which images would get the spacing, origin and direction of their case's first channel; nothing is written without --yes
    #[arg(long = "fix-geometry")]
    fix_geometry: bool,
    /// Write the repaired copies; the dataset itself stays as it is
    #[arg(long, requires = "fix_geometry")]
    yes: bool,
    /// Folder for repaired copies [default: nnUNet_raw/DATASET/repaired]
    #[arg(short = 'o', value_name = "DIR", requires = "fix_geometry")]
    output: Option<PathBuf>,
    /// Cases at a time [default: nnUNet_def_n_proc, else 8]
    #[arg(long = "np", value_name = "N")]
    processes: Option<usize>,
}

impl Run for Verify {
    fn run(self) -> Result<(), Failure> {
        let paths = Paths::from_env();
        let processes = processes(self.processes, "nnUNet_def_n_proc", 8)?;
        let mut failed = None;
        for name in self.datasets.resolve(&paths)? {
            let folder = paths.raw()?.join(&name);
            let cases = show::Cases::default();
            let found = dataset::inspect(&folder, processes, &|at| cases.report(at))?;
            for warning in &found.warnings {
                show::note(&format!("warning: {warning}"));
            }
            if self.fix_geometry {
                self.repair(&folder, &found.misplaced)?;
            }
            if found.problems.is_empty() {
                show::line(&format!("{name}: {} cases, no problem", found.cases));
            } else if let Some(first) = failed.replace(Error::Dataset { folder, problems: found.problems }) {
                show::note(&format!("error: {first}"));
            }
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }
}

impl Verify {
    fn repair(&self, folder: &Path, misplaced: &[Misplaced]) -> Result<(), Failure> {
        let output = self.output.clone().unwrap_or_else(|| folder.join("repaired"));
        for image in misplaced {
            let target = dataset::repaired(&output, &image.file);
            let changes: Vec<String> = image.differences.iter().map(|d| format!("{} {} becomes {}", d.property, d.found, d.wanted)).collect();
            let verb = if self.yes { "writing" } else { "would write" };
            show::line(&format!("{verb} {}: {}", target.display(), changes.join(", ")));
        }
        if misplaced.is_empty() {
            show::line("no image has another geometry than its case");
        } else if self.yes {
            let cases = show::Cases::default();
            dataset::repair(folder, misplaced, &output, &|at| cases.report(at))?;
            show::line(&format!(
                "{} repaired in {}: look at them beside their images, then move them over the files that they are copies of",
                misplaced.len(),
                output.display()
            ));
        } else {
            show::line(&format!("{} to repair; --yes writes the copies", misplaced.len()));
        }
        Ok(())
    }
}
