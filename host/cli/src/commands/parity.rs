//! `parity`

use super::Run;
use crate::{
    failure::Failure,
    options::{DeviceOption, PluginOptions, processes},
    show,
};
use engine::Precision;
use pipeline::parity::{self, Parity, Row, Section, Verdict};
use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// The folders of raw datasets that the environment names.
const DATA: [&str; 2] = ["NNUNET_TEST_DATA", "nnUNet_raw"];

/// Compare with nnU-Net's own numbers: a folder of them (docs/parity.md says how to make one), a row a comparison
///
/// Exit code 1 if a row falls short; a file that is not understood is such a row.
#[derive(clap::Parser)]
#[command(name = "parity")]
pub(crate) struct ParityCommand {
    /// Folder with some or all of fingerprint, plans, planner, preproc, network, metrics, training and predict
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Write the rows as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the rows as a table
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the rows as a page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write all three: parity.json, parity.csv and parity.html
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Sections to walk [default: all that are there]
    #[arg(long = "section", value_name = "NAME", num_args = 1.., value_parser = Section::ALL.map(Section::name))]
    sections: Vec<String>,
    /// Folder with raw datasets, for sections whose images lie elsewhere (may be given several times; also: NNUNET_TEST_DATA, nnUNet_raw)
    #[arg(long, value_name = "DIR")]
    data: Vec<PathBuf>,
    /// Cases at a time [default: nnUNet_def_n_proc, else 8]
    #[arg(long = "np", value_name = "N")]
    processes: Option<usize>,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    plugins: PluginOptions,
}

impl Run for ParityCommand {
    fn run(self) -> Result<(), Failure> {
        let sections = match self.sections.as_slice() {
            [] => Section::ALL.to_vec(),
            // in the order in which they build on each other
            named => Section::ALL.into_iter().filter(|section| named.iter().any(|name| name == section.name())).collect(),
        };
        let named = DATA.iter().filter_map(env::var_os).filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let options = parity::Options {
            sections,
            data: self.data.iter().cloned().chain(named).collect(),
            registry: &self.plugins.open()?,
            // the reference is f32
            device: self.device.parse()?.with_precision(Precision::F32),
            num_processes: processes(self.processes, "nnUNet_def_n_proc", 8)?,
        };
        let cases = show::Cases::default();
        let found = parity::run(&self.folder, &options, &|at| cases.report(at))?;
        found.rows.iter().for_each(|row| show::line(&line_of(row)));
        self.write(&found)?;
        show_summary(&found);
        match found.fell_short().count() {
            0 => Ok(()),
            short => Err(Failure::Plain(format!("{short} of {} comparisons with {} fell short", found.rows.len(), self.folder.display()))),
        }
    }
}

impl ParityCommand {
    fn write(&self, found: &Parity) -> Result<(), Failure> {
        let in_folder = |name: &str| self.out.as_ref().map(|folder| folder.join(name));
        let files = |given: &Option<PathBuf>, name: &str| given.iter().cloned().chain(in_folder(name)).collect::<Vec<_>>();
        let make = |folder: &Path| fs::create_dir_all(folder).map_err(|source| Failure::Io { action: "create", path: folder.into(), source });
        self.out.iter().try_for_each(|folder| make(folder))?;
        files(&self.json, "parity.json").iter().try_for_each(|file| found.write_json(file))?;
        files(&self.csv, "parity.csv").iter().try_for_each(|file| found.write_csv(file))?;
        Ok(files(&self.html, "parity.html").iter().try_for_each(|file| found.write_html(file))?)
    }
}

/// A row on one line; both sides where they are too far apart.
fn line_of(row: &Row) -> String {
    let difference = row.difference.map_or_else(|| "no difference".to_owned(), parity::number);
    match row.verdict {
        Verdict::Pass => format!("pass  {}: {difference} (tolerance {})", row.what, parity::number(row.tolerance)),
        Verdict::Fail if row.difference.is_none() && row.theirs.is_null() => format!("FAIL  {}: {}", row.what, parity::side(&row.ours)),
        Verdict::Fail => {
            let (ours, theirs) = (parity::side(&row.ours), parity::side(&row.theirs));
            format!("FAIL  {}: {difference} (tolerance {}); ours {ours}; nnU-Net's {theirs}", row.what, parity::number(row.tolerance))
        }
    }
}

fn show_summary(found: &Parity) {
    show::line("");
    for (name, rows) in found.sections() {
        let short = rows.iter().filter(|row| row.verdict == Verdict::Fail).count();
        let nearest = parity::nearest(&rows).map_or_else(
            || "all exact".to_owned(),
            |row| {
                let difference = row.difference.map_or_else(|| "no difference".to_owned(), parity::number);
                format!("nearest to its tolerance: {} with {difference} of {}", row.what, parity::number(row.tolerance))
            },
        );
        show::line(&format!("{name}: {} row(s), {short} fell short; {nearest}", rows.len()));
    }
    found.not_compared.iter().for_each(|line| show::line(&format!("not compared: {line}")));
    show::line(&format!(
        "all: {} row(s), {} fell short, {} not compared; {} file(s) compared with, {} input(s), {} with information alone",
        found.rows.len(),
        found.fell_short().count(),
        found.not_compared.len(),
        found.compared,
        found.inputs,
        found.information
    ));
}
