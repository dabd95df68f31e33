//! `splits_final.json`: which cases a fold trains on and which it is validated with.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use volume::numpy::{RandomState, kfold};

use crate::claim::Claim;
use crate::error::{Error, Result};
use crate::json;

/// The file, in the folder of a preprocessed dataset.
pub const FILE: &str = "splits_final.json";
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

    /// `folds` folds of `cases` in which a group, as `group` names it, is on one side: the largest group first, each to the fold that validates
    /// with the fewest cases so far; groups of a size are shuffled with nnU-Net's seed. With a group a case these are nnU-Net's folds.
    ///
    /// # Errors
    /// Fewer than two folds, or fewer groups than folds.
    pub fn grouped<'a>(cases: &'a [String], folds: usize, group: impl Fn(&'a str) -> &'a str) -> Result<Self> {
        let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut cases: Vec<&str> = cases.iter().map(String::as_str).collect();
        cases.sort_unstable();
        cases.iter().for_each(|case| groups.entry(group(case)).or_default().push(case));
        let count = groups.len();
        if folds < 2 || count < folds {
            return Err(Error::invalid(format!("{count} groups of cases cannot be split into {folds} folds; give 2 to {count} folds")));
        }
        let mut groups: Vec<Vec<&str>> = groups.into_values().collect();
        let of: Vec<usize> = if count == cases.len() {
            let mut of = vec![0; count];
            kfold(count, folds, SEED).iter().enumerate().for_each(|(fold, (_, val))| val.iter().for_each(|&index| of[index] = fold));
            of
        } else {
            RandomState::new(SEED).shuffle(&mut groups);
            groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
            let mut sizes = vec![0; folds];
            let lightest = |group: &Vec<&str>| {
                let fold = (0..folds).min_by_key(|&fold| sizes[fold]).unwrap_or_default();
                sizes[fold] += group.len();
                fold
            };
            groups.iter().map(lightest).collect()
        };
        let side = |fold: usize, validates: bool| {
            let mut names: Vec<String> =
                groups.iter().zip(&of).filter(|(_, of)| (**of == fold) == validates).flat_map(|(group, _)| group).map(ToString::to_string).collect();
            names.sort();
            names
        };
        Ok(Self((0..folds).map(|fold| Split { train: side(fold, false), val: side(fold, true) }).collect()))
    }

    /// The splits of `splits_final.json` in `folder`; where there is none, five folds of `cases` are made and written. A file that is
    /// there may have any number of folds.
    ///
    /// The strings are warnings: cases that a fold both trains on and is validated with.
    ///
    /// # Errors
    /// The file cannot be read or written; it names cases that are not in `cases`, or a fold that is empty.
    pub fn read_or_create(folder: &Path, cases: &[String]) -> Result<(Self, Vec<String>)> {
        let path = folder.join(FILE);
        if !path.exists() {
            // of several folds that begin at once, one writes the file and the others read it
            let _claim = Claim::wait(&path)?;
            if !path.exists() {
                let splits = Self::create(cases)?;
                json::write(&path, &splits)?;
                return Ok((splits, Vec::new()));
            }
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
    fn a_group_is_on_one_side_and_folds_are_even() {
        let cases: Vec<String> = (0..23).map(|i| format!("p{}_v{i:02}", i % 7 * (i % 3).min(1))).collect();
        let patient = |case: &str| case.split('_').next().unwrap().to_owned();
        let splits = Splits::grouped(&cases, 4, |case| case.split('_').next().unwrap()).unwrap();
        let mut seen: Vec<&String> = splits.0.iter().flat_map(|split| &split.val).collect();
        seen.sort();
        assert_eq!(seen, {
            let mut all: Vec<&String> = cases.iter().collect();
            all.sort();
            all
        });
        for Split { train, val } in &splits.0 {
            assert_eq!(train.len() + val.len(), cases.len());
            assert!(train.iter().all(|case| val.iter().all(|other| patient(case) != patient(other))), "{train:?} {val:?}");
        }
        // seven patients, the largest of 11 cases
        let mut sizes: Vec<usize> = splits.0.iter().map(|split| split.val.len()).collect();
        sizes.sort_unstable();
        assert_eq!(sizes.iter().sum::<usize>(), 23);
        assert!(sizes[3] - sizes[0] <= 7, "{sizes:?}");
    }

    #[test]
    fn a_group_a_case_gives_nnunets_folds() {
        let cases = names(&(0..13).collect::<Vec<_>>());
        assert_eq!(Splits::grouped(&cases, 5, |case| case).unwrap(), Splits::create(&cases).unwrap());
        assert!(Splits::grouped(&cases, 14, |case| case).unwrap_err().to_string().contains("13 groups"));
        assert!(Splits::grouped(&cases, 1, |case| case).is_err());
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
