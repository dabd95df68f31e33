//! `splits_final.json`: which cases a fold trains on and which it is validated with.

use std::path::Path;

use serde::{Deserialize, Serialize};
use volume::numpy::{RandomState, kfold};

use crate::error::{Error, Result};
use crate::json;

/// nnU-Net's seed.
const SEED: u32 = 12345;
/// nnU-Net's number of folds.
const FOLDS: usize = 5;

/// The cases of one fold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// Trained on.
    pub train: Vec<String>,
    /// Validated with.
    pub val: Vec<String>,
}

/// All folds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Splits(pub Vec<Split>);

impl Splits {
    /// Five folds of `cases`, shuffled with nnU-Net's seed.
    ///
    /// # Errors
    /// Fewer than five cases.
    pub fn create(cases: &[String]) -> Result<Self> {
        let mut cases = cases.to_vec();
        cases.sort();
        if cases.len() < FOLDS {
            return Err(Error::invalid(format!(
                "{} case(s) cannot be split into {FOLDS} folds; write a splits_final.json, or train on all cases with fold_all",
                cases.len()
            )));
        }
        let names = |indices: &[usize]| indices.iter().filter_map(|&i| cases.get(i).cloned()).collect();
        Ok(Self(kfold(cases.len(), FOLDS, SEED).iter().map(|(train, val)| Split { train: names(train), val: names(val) }).collect()))
    }

    /// The splits of `splits_final.json` in `folder`; where there is none, five folds of `cases` are made and written. A file that is
    /// there may have any number of folds.
    ///
    /// The strings are warnings: cases that a fold both trains on and is validated with.
    ///
    /// # Errors
    /// The file cannot be read or written; it names cases that are not in `cases`, or a fold that is empty.
    pub fn read_or_create(folder: &Path, cases: &[String]) -> Result<(Self, Vec<String>)> {
        let path = folder.join("splits_final.json");
        if !path.exists() {
            let splits = Self::create(cases)?;
            json::write(&path, &splits)?;
            return Ok((splits, Vec::new()));
        }
        let splits: Self = json::read(&path).map_err(|error| match error {
            Error::Content { path, what } => {
                Error::Content { path, what: format!(r#"{what}; wanted a list such as [{{"train": ["case_001"], "val": ["case_002"]}}]"#) }
            }
            other => other,
        })?;
        let warnings = splits.check(cases).map_err(|what| Error::content(&path, what))?;
        Ok((splits, warnings))
    }

    fn check(&self, cases: &[String]) -> Result<Vec<String>, String> {
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        for (fold, Split { train, val }) in self.0.iter().enumerate() {
            let unknown: Vec<&str> = train.iter().chain(val).filter(|case| !cases.contains(case)).map(String::as_str).collect();
            if !unknown.is_empty() {
                problems.push(format!(
                    "fold {fold} names cases that the dataset does not have: {}; cases are named without channel and ending",
                    unknown.join(", ")
                ));
            }
            if train.is_empty() || val.is_empty() {
                problems.push(format!("fold {fold} has {} training and {} validation cases; each needs one", train.len(), val.len()));
            }
            let both: Vec<&str> = train.iter().filter(|case| val.contains(case)).map(String::as_str).collect();
            if !both.is_empty() {
                warnings.push(format!("fold {fold} trains on cases that it is validated with: {}", both.join(", ")));
            }
        }
        if problems.is_empty() { Ok(warnings) } else { Err(problems.join("; ")) }
    }

    /// Fold `fold`; beyond those of the file, 80 % of `cases` drawn with a seed of the fold's own train and the rest validates.
    pub fn fold(&self, fold: usize, cases: &[String]) -> Split {
        if let Some(split) = self.0.get(fold) {
            return split.clone();
        }
        let mut cases = cases.to_vec();
        cases.sort();
        let mut random = RandomState::new(SEED.wrapping_add(fold as u32));
        let train = random.choice_without_replacement(cases.len(), cases.len() * 4 / 5);
        let val = (0..cases.len()).filter(|index| !train.contains(index));
        Split { val: val.filter_map(|i| cases.get(i).cloned()).collect(), train: train.iter().filter_map(|&i| cases.get(i).cloned()).collect() }
    }
}

/// Every case trains and validates: nnU-Net's `fold_all`.
pub fn all(cases: &[String]) -> Split {
    Split { train: cases.to_vec(), val: cases.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(indices: &[usize]) -> Vec<String> {
        indices.iter().map(|i| format!("c{i:02}")).collect()
    }

    #[test]
    fn folds_beyond_the_file_are_drawn() {
        let cases = names(&(0..10).collect::<Vec<_>>());
        let splits = Splits::create(&cases).unwrap();
        assert_eq!(splits.0.len(), 5);
        assert_eq!(splits.fold(1, &cases).val, names(&[3, 9]));
        assert_eq!(splits.fold(5, &cases), Split { train: names(&[0, 8, 4, 5, 3, 9, 7, 6]), val: names(&[1, 2]) });
        assert!(Splits::create(&names(&[1, 2])).is_err());
    }

    #[test]
    fn a_file_is_used_as_it_is_and_checked() {
        let dir = tempfile::tempdir().unwrap();
        let cases = names(&(0..6).collect::<Vec<_>>());
        let (made, _) = Splits::read_or_create(dir.path(), &cases).unwrap();
        assert_eq!(Splits::read_or_create(dir.path(), &cases).unwrap(), (made, vec![]));
        let own = Splits(vec![Split { train: names(&[0, 1]), val: names(&[1]) }]);
        json::write(&dir.path().join("splits_final.json"), &own).unwrap();
        let (read, warnings) = Splits::read_or_create(dir.path(), &cases).unwrap();
        assert_eq!(read, own);
        assert!(warnings[0].contains("c01"));
        let error = Splits::read_or_create(dir.path(), &names(&[1])).unwrap_err().to_string();
        assert!(error.contains("fold 0") && error.contains("c00"), "{error}");
    }

    #[test]
    fn the_reference_file_to_the_byte() {
        let Some(reference) = std::env::var_os("NNUNET_REFERENCE") else { return eprintln!("skipped: NNUNET_REFERENCE is not set") };
        let path = Path::new(&reference).join("plans/Dataset004_Hippocampus/splits_final.json");
        let file = std::fs::read_to_string(&path).unwrap();
        let splits: Splits = json::parse(&file).unwrap();
        let mut cases: Vec<String> = splits.0.iter().flat_map(|split| split.val.clone()).collect();
        cases.reverse();
        assert_eq!(json::to_string(&Splits::create(&cases).unwrap()).unwrap(), file);
    }
}
