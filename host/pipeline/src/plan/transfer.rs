//! Plans of one dataset for another: a network that was trained under them can then be trained on (fine-tuning).

use std::path::PathBuf;

use serde_json::Value;

use super::Plans;
use crate::dataset::{DatasetJson, training_cases};
use crate::error::{Error, Result};
use crate::paths::Paths;

/// What [`move_plans`] can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// The folder name of the dataset that has the plans.
    pub source: String,
    /// The folder name of the dataset that gets them.
    pub target: String,
    /// The plans' name.
    pub source_plans: String,
    /// Their name in the target.
    pub target_plans: String,
    /// Only these configurations, with those that they inherit from or follow in a cascade; none: all.
    pub configurations: Vec<String>,
}

/// Writes the plans of one dataset to the preprocessed folder of another, with `dataset.json` beside them, and returns the file.
///
/// Under another name each configuration's data goes to a folder of that name too. The reader is that of the target's files. The target
/// has to be preprocessed with these plans before it is trained.
///
/// # Errors
/// There are no such plans, or no such configuration; the target has no raw `dataset.json`, or other channels than the plans; a name
/// that plans cannot have.
pub fn move_plans(paths: &Paths, transfer: &Transfer) -> Result<PathBuf> {
    let Transfer { source, target, source_plans, target_plans, configurations } = transfer;
    let file = paths.preprocessed()?.join(source).join(format!("{source_plans}.json"));
    if !file.is_file() {
        return Err(Error::content(&file, "there are no such plans; plan the source dataset first, or name its plans with -sp"));
    }
    let mut plans = Plans::read(&file)?;
    if target_plans.is_empty() || target_plans.contains(['/', '\\']) || target_plans.contains("__") {
        return Err(Error::invalid(format!("{target_plans:?} is no name for plans; it must be without slashes and `__`")));
    }
    let raw = paths.raw()?.join(target);
    let dataset = DatasetJson::read(&raw)?;
    if !configurations.is_empty() {
        let kept = with_ancestors(&plans, configurations)?;
        plans.configurations.retain(|name, _| kept.contains(name));
    }
    for name in plans.configurations.keys() {
        let (found, wanted) = (dataset.channel_names.len(), plans.configuration(name)?.normalization_schemes.len());
        if found != wanted {
            return Err(Error::invalid(format!("{target} has {found} channel(s), but the plans of {source} are for {wanted}")));
        }
    }
    if source_plans != target_plans {
        plans.configurations.values_mut().filter_map(|keys| keys.get_mut("data_identifier")).for_each(|identifier| {
            let old = identifier.as_str().unwrap_or_default();
            *identifier = Value::from(match old.strip_prefix(source_plans.as_str()) {
                Some(rest) => format!("{target_plans}{rest}"),
                None => format!("{target_plans}_{old}"),
            });
        });
    }
    // a target whose images are elsewhere is judged by its `file_ending`
    let cases = if raw.join("imagesTr").is_dir() { training_cases(&raw, &dataset)? } else { vec![] };
    let reader = match cases.first().and_then(|case| case.images.first()) {
        Some(image) => dataset.reader_of(image)?,
        None => dataset.reader()?,
    };
    plans.dataset_name.clone_from(target);
    plans.plans_name.clone_from(target_plans);
    plans.image_reader_writer = reader.name().to_owned();

    let folder = paths.preprocessed()?.join(target);
    std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    dataset.write(&folder)?;
    let file = folder.join(format!("{target_plans}.json"));
    plans.write(&file)?;
    Ok(file)
}

/// `names` and all that they inherit from or follow in a cascade.
fn with_ancestors(plans: &Plans, names: &[String]) -> Result<Vec<String>> {
    let (mut kept, mut todo) = (Vec::new(), names.to_vec());
    while let Some(name) = todo.pop() {
        if kept.contains(&name) {
            continue;
        }
        // an error where there is no such configuration
        let previous = plans.configuration(&name)?.previous_stage;
        let parent = plans.configurations.get(&name).and_then(|keys| keys.get("inherits_from")).and_then(Value::as_str);
        todo.extend(previous.into_iter().chain(parent.map(str::to_owned)));
        kept.push(name);
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::example;
    use crate::test_data::dataset;
    use serde_json::json;

    #[test]
    fn plans_move_with_their_names_and_data() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path().join("raw"), dir.path().join("pre"), dir.path().join("results"));
        let (source, raw) = (dir.path().join("pre/Dataset001_X"), dir.path().join("raw/Dataset002_Y"));
        [&source, &raw].iter().for_each(|folder| std::fs::create_dir_all(folder).unwrap());
        let mut plans = example("ExperimentPlanner");
        plans.configurations.insert("mine".into(), json!({"inherits_from": "3d_fullres", "data_identifier": "own", "previous_stage": "2d"}));
        plans.write(&source.join("nnUNetPlans.json")).unwrap();
        dataset(json!({"background": 0, "b": 1}), Value::Null).write(&raw).unwrap();
        let transfer = |target_plans: &str, configurations: &[&str]| Transfer {
            source: "Dataset001_X".into(),
            target: "Dataset002_Y".into(),
            source_plans: "nnUNetPlans".into(),
            target_plans: target_plans.into(),
            configurations: configurations.iter().map(|name| (*name).to_owned()).collect(),
        };
        let file = move_plans(&paths, &transfer("nnUNetPlans", &[])).unwrap();
        let moved = Plans::read(&file).unwrap();
        assert_eq!((moved.dataset_name.as_str(), moved.plans_name.as_str()), ("Dataset002_Y", "nnUNetPlans"));
        assert_eq!(moved.configurations, plans.configurations, "data keeps its name under the same plans");
        assert_eq!(DatasetJson::read(file.parent().unwrap()).unwrap(), DatasetJson::read(&raw).unwrap());

        let moved = Plans::read(&move_plans(&paths, &transfer("Theirs", &["3d_fullres"])).unwrap()).unwrap();
        assert_eq!(moved.configurations.keys().collect::<Vec<_>>(), ["3d_fullres"]);
        assert_eq!(moved.configuration("3d_fullres").unwrap().data_identifier, "Theirs_3d_fullres");
        let moved = Plans::read(&move_plans(&paths, &transfer("Theirs", &["mine"])).unwrap()).unwrap();
        assert_eq!(moved.configurations.keys().collect::<Vec<_>>(), ["2d", "3d_fullres", "mine"], "with all that it builds on");
        assert_eq!(moved.configuration("mine").unwrap().data_identifier, "Theirs_own");

        let error = |transfer: &Transfer| move_plans(&paths, transfer).unwrap_err().to_string();
        assert!(error(&transfer("a__b", &[])).contains("is no name for plans"));
        assert!(error(&transfer("nnUNetPlans", &["3d_lowres"])).contains("there is no such configuration"));
        assert!(error(&Transfer { source_plans: "Other".into(), ..transfer("x", &[]) }).contains("Other.json: there are no such plans"));
        let two = json!({"channel_names": {"0": "A", "1": "B"}, "labels": {"background": 0, "b": 1}, "numTraining": 1, "file_ending": ".png"});
        crate::json::write(&raw.join("dataset.json"), &two).unwrap();
        assert!(error(&transfer("x", &[])).contains("has 2 channel(s), but the plans of Dataset001_X are for 1"));
    }
}
