//! Where datasets and models lie: the three variables or one root, and nnU-Net's names of folders.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::error::{Error, Result};

/// The folder that stands for all three variables, where the user named one.
static ROOT: OnceLock<PathBuf> = OnceLock::new();

/// From now on the three folders are `nnUNet_raw`, `nnUNet_preprocessed` and `nnUNet_results` in `root`, whatever the variables say. The first
/// call holds for the life of the process.
pub fn set_root(root: PathBuf) {
    let _ = ROOT.set(root);
}

/// The three folders. A variable that is unset matters only to a step that needs its folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paths {
    raw: Option<PathBuf>,
    preprocessed: Option<PathBuf>,
    results: Option<PathBuf>,
}

impl Paths {
    /// The folders in the root of [`set_root`], or else those that `nnUNet_raw`, `nnUNet_preprocessed` and `nnUNet_results` name now.
    pub fn from_env() -> Self {
        let named = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = |name| ROOT.get().map(|root| root.join(name)).or_else(|| named(name));
        Self { raw: folder("nnUNet_raw"), preprocessed: folder("nnUNet_preprocessed"), results: folder("nnUNet_results") }
    }

    /// These folders.
    pub fn new(raw: impl Into<PathBuf>, preprocessed: impl Into<PathBuf>, results: impl Into<PathBuf>) -> Self {
        Self { raw: Some(raw.into()), preprocessed: Some(preprocessed.into()), results: Some(results.into()) }
    }

    /// `nnUNet_raw`: the datasets as they were made.
    ///
    /// # Errors
    /// The variable is not set.
    pub fn raw(&self) -> Result<&Path> {
        set("nnUNet_raw", "raw datasets", &self.raw)
    }

    /// `nnUNet_preprocessed`: fingerprints, plans and preprocessed cases.
    ///
    /// # Errors
    /// The variable is not set.
    pub fn preprocessed(&self) -> Result<&Path> {
        set("nnUNet_preprocessed", "preprocessed datasets", &self.preprocessed)
    }

    /// `nnUNet_results`: trained models.
    ///
    /// # Errors
    /// The variable is not set.
    pub fn results(&self) -> Result<&Path> {
        set("nnUNet_results", "trained models", &self.results)
    }

    /// The folder name of a dataset given as a number (`4`, `004`) or as that name (`Dataset004_Hippocampus`).
    ///
    /// A number is looked up in all three folders; `4` means `Dataset004_...` and never `Dataset0041_...`.
    ///
    /// # Errors
    /// Neither a number nor a dataset's name; no folder with the number, or several with different names.
    pub fn dataset(&self, id_or_name: &str) -> Result<String> {
        if dataset_id(id_or_name).is_some() {
            return Ok(id_or_name.to_owned());
        }
        let id: u32 = id_or_name.parse().map_err(|_| {
            Error::invalid(format!("{id_or_name} is no dataset: give its number, or its folder's name such as Dataset004_Hippocampus"))
        })?;
        let name = |folder: &PathBuf| Some(folder.file_name()?.to_str()?.to_owned());
        let mut names: Vec<String> = self.folders_of(id).iter().filter_map(name).collect();
        names.sort();
        names.dedup();
        match names.as_slice() {
            [name] => Ok(name.clone()),
            [] => Err(Error::invalid(format!("no folder Dataset{id:03}_... in {}", self.list()))),
            several => Err(Error::invalid(format!(
                "dataset {id} has several names: {}; rename or remove all but one in {}",
                several.join(", "),
                self.list()
            ))),
        }
    }

    /// The folders of the dataset with this number, in any of the three folders.
    pub fn folders_of(&self, id: u32) -> Vec<PathBuf> {
        let entries = self.all().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten().map(|entry| entry.path());
        let is_it = |path: &PathBuf| path.is_dir() && path.file_name().and_then(|name| name.to_str()).and_then(dataset_id) == Some(id);
        entries.filter(is_it).collect()
    }

    /// The variables that name these folders to another process, for those that are known.
    pub fn variables(&self) -> Vec<(&'static str, &Path)> {
        let all = [("nnUNet_raw", &self.raw), ("nnUNet_preprocessed", &self.preprocessed), ("nnUNet_results", &self.results)];
        all.into_iter().filter_map(|(name, folder)| Some((name, folder.as_deref()?))).collect()
    }

    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.preprocessed, &self.raw, &self.results].into_iter().flatten()
    }

    fn list(&self) -> String {
        let shown = |name: &str, folder: &Option<PathBuf>| match folder {
            Some(folder) => format!("{name} ({})", folder.display()),
            None => format!("{name} (not set)"),
        };
        let all = [shown("nnUNet_raw", &self.raw), shown("nnUNet_preprocessed", &self.preprocessed), shown("nnUNet_results", &self.results)];
        all.join(", ")
    }

    /// `{nnUNet_results}/{dataset}/{trainer}__{plans}__{configuration}`.
    ///
    /// # Errors
    /// The variable is not set, or a part holds the `__` that separates the parts.
    pub fn model(&self, dataset: &str, trainer: &str, plans: &str, configuration: &str) -> Result<PathBuf> {
        if let Some(part) = [trainer, plans, configuration].into_iter().find(|part| part.contains("__")) {
            return Err(Error::invalid(format!("{part} holds `__`, which separates the parts of a model folder's name; choose another name")));
        }
        Ok(self.results()?.join(dataset).join(format!("{trainer}__{plans}__{configuration}")))
    }
}

/// The file `name` in `folder`, or else in one of the two folders above it: the predictions of a validation lie two below their model's
/// `dataset.json` and `plans.json`.
///
/// # Errors
/// It is in none of them.
pub fn nearest(folder: &Path, name: &str) -> Result<PathBuf> {
    let absolute = std::path::absolute(folder).map_err(Error::io("find", folder))?;
    let found = absolute.ancestors().take(3).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| Error::content(folder, format!("there is no {name}, nor in the two folders above")))
}

/// Whether two paths lead to one place, however they are written; those of nothing that is there do if they are written alike.
pub(crate) fn same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    real(one) == real(other)
}

/// A path as a shell takes it.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "/._-+=:,@".contains(c));
    if plain { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// The number in a dataset's folder name: `Dataset004_Hippocampus` is 4.
pub fn dataset_id(name: &str) -> Option<u32> {
    let (digits, rest) = name.strip_prefix("Dataset")?.split_once('_')?;
    let padded = digits.len() >= 3 && digits.bytes().all(|b| b.is_ascii_digit()) && (digits.len() == 3 || !digits.starts_with('0'));
    if padded && !rest.is_empty() { digits.parse().ok() } else { None }
}

fn set<'a>(name: &str, holds: &str, folder: &'a Option<PathBuf>) -> Result<&'a Path> {
    folder.as_deref().ok_or_else(|| {
        Error::invalid(format!("{name} is not set; it names the folder of {holds}: export {name}=/path/to/folder, or give --root DIR for all three"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_whole_number() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path().join("raw"), dir.path().join("pre"), dir.path().join("results"));
        for folder in ["raw/Dataset001_A", "pre/Dataset001_A", "raw/Dataset0011_B", "raw/Dataset1001_C", "pre/Dataset002_D", "raw/Dataset002_E"] {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        assert_eq!(paths.dataset("1").unwrap(), "Dataset001_A");
        assert_eq!(paths.dataset("001").unwrap(), "Dataset001_A");
        assert_eq!(paths.dataset("1001").unwrap(), "Dataset1001_C");
        assert_eq!(paths.dataset("Dataset077_X").unwrap(), "Dataset077_X");
        assert!(paths.dataset("2").unwrap_err().to_string().contains("Dataset002_D, Dataset002_E"));
        assert!(paths.dataset("3").unwrap_err().to_string().contains("nnUNet_raw ("));
        assert!(paths.dataset("Hippo").is_err());
    }

    #[test]
    fn an_unset_variable_is_named() {
        assert!(Paths::default().raw().unwrap_err().to_string().starts_with("nnUNet_raw is not set"));
        assert!(Paths::default().dataset("4").unwrap_err().to_string().contains("nnUNet_results (not set)"));
    }

    #[test]
    fn model_folders_are_nnunets() {
        let paths = Paths::new("/r", "/p", "/m");
        let folder = paths.model("Dataset004_X", "nnUNetTrainer", "nnUNetPlans", "2d").unwrap();
        assert_eq!(folder, Path::new("/m/Dataset004_X/nnUNetTrainer__nnUNetPlans__2d"));
        assert!(paths.model("Dataset004_X", "a__b", "nnUNetPlans", "2d").is_err());
    }
}
