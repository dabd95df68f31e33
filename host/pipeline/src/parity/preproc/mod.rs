//! `preproc`: preprocessed cases, exported logits, and resampling by itself.

mod case;
mod export;
mod resample;

use std::collections::{BTreeMap, BTreeSet};

use ndarray::Array3;
use serde_json::json;

use super::Row;
use super::desk::Desk;
use super::files::Use;
use crate::dataset::{DatasetJson, read_labels, training_cases};
use crate::error::{Error, Result};
use crate::plan::{Configuration, Plans};
use crate::preprocess::preprocess_case;
use case::About;
use volume::image::read_channels;

pub(super) fn run(desk: &mut Desk<'_>) -> Result<()> {
    let folders: Vec<String> = desk.files.folders_below("preproc").into_iter().collect();
    desk.each("preproc", &folders, |desk, folder| {
        let names = desk.files.names_in(folder);
        let has = |name: &str| names.iter().any(|found| found == name);
        if has("plans.json") && has("out.json") {
            return crafted(desk, folder);
        }
        if has("resample_cases.json") {
            desk.attempt(&format!("{folder}/resample_cases.json"), |desk| resample::cases(desk, folder));
        }
        if has("compute_new_shape.json") {
            desk.attempt(&format!("{folder}/compute_new_shape.json"), |desk| resample::new_shapes(desk, folder));
        }
        let pairs =
            names.iter().filter_map(|name| name.strip_suffix(".npz")).filter(|stem| has(&format!("{stem}.json")) && *stem != "resample_cases");
        for stem in pairs {
            desk.attempt(&format!("{folder}/{stem}"), |desk| of_dataset(desk, &format!("{folder}/{stem}")));
        }
        Ok(())
    });
    Ok(())
}

/// The plans in `name` and the configuration `wanted`, or their only one. Plans that were made for preprocessing need no network.
fn plans_of(desk: &mut Desk<'_>, name: &str, wanted: Option<&str>) -> Result<(Plans, Configuration)> {
    let mut plans: Plans = desk.json(name, Use::Input)?;
    for (_, configuration) in &mut plans.configurations {
        if let (Some(keys), None) = (configuration.as_object_mut().filter(|keys| !keys.contains_key("architecture")), wanted) {
            keys.insert("architecture".into(), json!({"network_class_name": "none", "arch_kwargs": {}}));
        }
    }
    let first = plans.configurations.keys().next().cloned().unwrap_or_default();
    let configuration = plans.configuration(wanted.unwrap_or(&first))?;
    Ok((plans, configuration))
}

/// A folder with `in_0000{ending}`, ..., `in_seg{ending}`, plans and what nnU-Net made of them with labels, without, and of logits.
fn crafted(desk: &mut Desk<'_>, folder: &str) -> Result<()> {
    let about: About = desk.json(&format!("{folder}/out.json"), Use::Compared)?;
    let (plans, configuration) = plans_of(desk, &format!("{folder}/plans.json"), about.config.as_deref())?;
    let dataset: DatasetJson = desk.json(&format!("{folder}/dataset.json"), Use::Input)?;
    let ending = &dataset.file_ending;
    let images: Vec<String> = (0..).map(|channel| format!("{folder}/in_{channel:04}{ending}")).take_while(|name| desk.files.has(name)).collect();
    let paths = images.iter().map(|name| desk.take(name, Use::Input)).collect::<Result<Vec<_>>>()?;
    if paths.is_empty() {
        return Err(Error::content(&desk.files.path(folder), format!("there is no image in_0000{ending}")));
    }
    let (image, _) = read_channels(&paths)?;
    let (seg, _) = read_labels(&desk.take(&format!("{folder}/in_seg{ending}"), Use::Input)?, &dataset)?;
    let ours = preprocess_case(image.clone(), Some(seg), &plans, &configuration, &dataset)?;
    let what = format!("{folder}/out");
    desk.attempt(&what, |desk| case::compare(desk, &what, &ours, &about, &configuration));
    let without = format!("{folder}/out_noseg.json");
    if desk.files.has(&without) {
        desk.attempt(&without, |desk| {
            let made = preprocess_case(image, None, &plans, &configuration, &dataset)?;
            case::without_labels(desk, &without, &made, &ours, &about)
        });
    }
    if desk.files.has(&format!("{folder}/export.npz")) {
        desk.attempt(&format!("{folder}/export.npz"), |desk| export::compare(desk, folder, &plans, &configuration, &dataset, &ours.properties));
    }
    Ok(())
}

/// `{case}.json` and `{case}.npz` of a dataset whose images lie elsewhere; `input` in the former names it.
fn of_dataset(desk: &mut Desk<'_>, what: &str) -> Result<()> {
    let (about_file, folder) = (format!("{what}.json"), what.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned());
    let about: About = desk.json(&about_file, Use::Compared)?;
    desk.files.note(&format!("{what}.npz"), Use::Compared);
    let input = about.input.clone().unwrap_or_default();
    let digits: String = input.trim_start_matches("Dataset").chars().take_while(char::is_ascii_digit).collect();
    let Ok(id) = digits.parse() else {
        return Err(Error::content(
            &desk.files.path(&about_file),
            format!("`input` is {input:?}; it should begin with the dataset, such as Dataset004"),
        ));
    };
    let name = what.rsplit('/').next().unwrap_or(what);
    let Some(raw) = desk.raw_by_id(id) else {
        desk.no_images(what, &format!("Dataset{digits}"));
        return Ok(());
    };
    let dataset_name = raw.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let places = [format!("{folder}/plans.json"), format!("plans/{dataset_name}/nnUNetPlans.json")];
    let Some(plans_file) = places.iter().find(|place| desk.files.has(place)) else {
        return Err(Error::content(&desk.files.path(&about_file), format!("its plans are missing; they can be {}", places.join(" or "))));
    };
    let dataset = DatasetJson::read(&raw)?;
    let Some(found) = training_cases(&raw, &dataset)?.into_iter().find(|case| case.name == name) else {
        desk.not_compared(what, &format!("{} has no case {name}", raw.display()));
        return Ok(());
    };
    let main = about.config.clone().unwrap_or_else(|| "3d_fullres".to_owned());
    let second = about.sha_2d_equals_3d.filter(|same| *same && main != "2d").map(|_| "2d".to_owned());
    for configuration in std::iter::once(main).chain(second) {
        let (plans, configured) = plans_of(desk, plans_file, Some(&configuration))?;
        let (image, _) = read_channels(&found.images)?;
        let (seg, _) = read_labels(&found.label, &dataset)?;
        let ours = preprocess_case(image, Some(seg), &plans, &configured, &dataset)?;
        let what = if configuration == "2d" { format!("{what} (2d)") } else { what.to_owned() };
        case::compare_with(desk, &what, &ours, &about, &configured, &format!("{folder}/{name}.npz"))?;
    }
    Ok(())
}

/// Voxels of each label.
type Counts = BTreeMap<i16, i64>;

/// nnU-Net's `seg_counts` against ours: the share of the voxels that have another label.
fn counts(desk: &mut Desk<'_>, what: &str, ours: &Array3<i16>, theirs: &Counts, limit: f64) {
    let mut found = Counts::new();
    ours.iter().for_each(|label| *found.entry(*label).or_default() += 1);
    let labels: BTreeSet<i16> = found.keys().chain(theirs.keys()).copied().collect();
    let of = |counts: &Counts, label: &i16| counts.get(label).copied().unwrap_or(0);
    let moved: i64 = labels.iter().map(|label| (of(&found, label) - of(theirs, label)).abs()).sum();
    // a voxel that moved is missing in one label and too many in another; all together are as many
    let all = theirs.values().sum::<i64>() == ours.len() as i64;
    let share = if all { moved as f64 / 2.0 / ours.len().max(1) as f64 } else { f64::NAN };
    let text = |counts: &Counts| counts.iter().map(|(label, count)| format!("{label}: {count}")).collect::<Vec<_>>().join(", ");
    desk.rows.push(Row::new(what.to_owned(), text(&found).into(), text(theirs).into(), share, limit));
}
