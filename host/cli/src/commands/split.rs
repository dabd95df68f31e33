//! `split`

use super::Run;
use crate::{failure::Failure, show};
use pipeline::{
    dataset::{self, DatasetJson},
    json,
    paths::Paths,
    splits::{self, Splits},
};
use regex_lite::Regex;
use std::{collections::BTreeSet, fs};

/// Write the folds (splits_final.json), with all cases of a patient on one side
#[derive(clap::Parser)]
#[command(name = "split", after_help = "host split 4 --group-by '^(patient[0-9]+)_'   # patient12_visit1 and patient12_visit2 stay together")]
pub(crate) struct SplitCommand {
    /// Dataset, by number or by folder name
    dataset: String,
    /// What cases of a patient have in common: the first group of this regular expression in the case's name, or all that it finds
    /// [default: each case is a patient]
    #[arg(long = "group-by", value_name = "REGEX")]
    group_by: Option<Regex>,
    /// Number of folds
    #[arg(long, value_name = "N", default_value_t = 5)]
    folds: usize,
    /// Replace the splits that there are; folds that were trained with them keep what they were trained on
    #[arg(long)]
    overwrite: bool,
}

impl Run for SplitCommand {
    fn run(self) -> Result<(), Failure> {
        let paths = Paths::from_env();
        let name = paths.dataset(&self.dataset)?;
        let raw = paths.raw()?.join(&name);
        let cases = dataset::training_cases(&raw, &DatasetJson::read(&raw)?)?;
        let cases: Vec<String> = cases.into_iter().map(|case| case.name).collect();
        if let Some((pattern, case)) = self.group_by.as_ref().and_then(|pattern| Some((pattern, cases.iter().find(|case| !pattern.is_match(case))?)))
        {
            return Err(Failure::Plain(format!("--group-by {pattern} finds nothing in {case}; a pattern must name the patient of every case")));
        }
        let splits = Splits::grouped(&cases, self.folds, |case| self.patient(case))?;

        let folder = paths.preprocessed()?.join(&name);
        let file = folder.join(splits::FILE);
        if file.exists() && !self.overwrite {
            return Err(Failure::Plain(format!("{} is there; --overwrite replaces it", file.display())));
        }
        fs::create_dir_all(&folder).map_err(|source| Failure::Io { action: "create", path: folder, source })?;
        json::write(&file, &splits)?;

        let mut rows = vec![["fold", "training", "validation", "patients"].map(str::to_owned)];
        rows.extend(splits.0.iter().enumerate().map(|(fold, split)| {
            let patients: BTreeSet<&str> = split.val.iter().map(|case| self.patient(case)).collect();
            [fold.to_string(), split.train.len().to_string(), split.val.len().to_string(), patients.len().to_string()]
        }));
        show::line(&format!("{}\n{}", file.display(), show::columns(&rows, &[show::Side::Left, show::Side::Right])));
        Ok(())
    }
}

impl SplitCommand {
    fn patient<'a>(&self, case: &'a str) -> &'a str {
        let found = self.group_by.as_ref().and_then(|pattern| pattern.captures(case));
        found.and_then(|found| found.get(1).or_else(|| found.get(0))).map_or(case, |part| part.as_str())
    }
}
