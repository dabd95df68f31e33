//! What comes after prediction: ensembles, postprocessing, and the folds of a cross-validation together.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use volume::files::CaseProperties;
use volume::image::read_segmentation;

use super::super::desk::Desk;
use super::super::files::Use;
use super::super::models::{Trained, cases_in, segmentation};
use super::super::summaries::{self, Segmentations};
use super::super::tolerance;
use super::{Told, how, probabilities, told};
use crate::crossval::accumulate;
use crate::dataset::DatasetJson;
use crate::ensemble::{self, ensemble_folders};
use crate::error::{Error, Result};
use crate::postprocess::Postprocessing;

/// A folder that no network predicted. `members` are those with probabilities that one did.
pub(super) fn compare(desk: &mut Desk<'_>, folder: &str, members: &[String], models: &[Trained]) -> Result<()> {
    let about = told(desk, folder)?;
    if let Some(base) = folder.strip_suffix("_pp") {
        let (model, _) = how(desk, base, models)?;
        return postprocessed(desk, folder, base, &model);
    }
    if about.members.is_some() || folder.starts_with("predict/ensemble") {
        return ensemble(desk, folder, members, &about);
    }
    if desk.files.has(&format!("{folder}/plans.json")) {
        let (model, _) = how(desk, folder, models)?;
        return accumulated(desk, folder, &model);
    }
    let what = "is no ensemble, its name does not end in _pp, and it has no plans.json of a model whose folds it could hold together";
    Err(Error::content(&desk.files.path(folder), what))
}

/// An ensemble of `members`, the folders of predictions with probabilities.
fn ensemble(desk: &mut Desk<'_>, folder: &str, members: &[String], told: &Told) -> Result<()> {
    let dataset: DatasetJson = desk.json(&format!("{folder}/dataset.json"), Use::Input)?;
    let ending = &dataset.file_ending;
    let cases = cases_in(desk, folder, ending);
    let has_all = |member: &String| cases.iter().all(|case| desk.files.has(&format!("{member}/{case}.npz")));
    let members: Vec<&String> = members.iter().filter(|member| has_all(member)).collect();
    let scratch = tempfile::tempdir().map_err(Error::io("create", Path::new("a temporary folder")))?;
    let mut best: Option<(f64, Vec<String>, PathBuf)> = None;
    for (index, chosen) in choices(folder, &members, told).into_iter().enumerate() {
        let output = scratch.path().join(index.to_string());
        merge(desk, &chosen, &cases, ending, &output)?;
        let mut differing = 0.0;
        for case in &cases {
            let name = format!("{case}{ending}");
            let (ours, theirs) = (read_segmentation(output.join(&name))?.0, read_segmentation(desk.files.path(&format!("{folder}/{name}")))?.0);
            differing += ours.iter().zip(&theirs).filter(|(a, b)| a != b).count() as f64;
        }
        if best.as_ref().is_none_or(|(least, ..)| differing < *least) {
            best = Some((differing, chosen, output));
        }
    }
    let Some((_, chosen, output)) = best else {
        return Err(Error::content(&desk.files.path(folder), "no two folders of predictions have the probabilities of its cases"));
    };
    let of = chosen.iter().map(|member| member.rsplit('/').next().unwrap_or(member)).collect::<Vec<_>>().join(" and ");
    for case in &cases {
        let name = format!("{folder}/{case}{ending}");
        let what = format!("{name}, {of}");
        desk.attempt(&what, |desk| segmentation(desk, &what, &output.join(format!("{case}{ending}")), &name, tolerance::VOXELS));
        let name = format!("{folder}/{case}.npz");
        if desk.files.has(&name) {
            desk.attempt(&name, |desk| probabilities(desk, &name, &output.join(format!("{case}.npz"))));
        }
    }
    Ok(())
}

/// The sets of members to try: those that `parity.json` or the folder's name tells, else each set of two and more.
fn choices(folder: &str, members: &[&String], told: &Told) -> Vec<Vec<String>> {
    if let Some(told) = &told.members {
        return vec![told.clone()];
    }
    let words: Vec<&str> = folder.rsplit('/').next().unwrap_or(folder).split('_').skip(1).collect();
    let named: Vec<String> = words
        .iter()
        .filter_map(|word| members.iter().find(|member| member.rsplit('_').next() == Some(word)))
        .map(|member| (*member).clone())
        .collect();
    if named.len() >= 2 {
        return vec![named];
    }
    // few folders have probabilities
    let sets = 0_u32..1 << members.len().min(8);
    let of = |set: u32| members.iter().enumerate().filter(move |(index, _)| set >> index & 1 == 1).map(|(_, member)| (*member).clone()).collect();
    sets.filter(|set| set.count_ones() >= 2).map(of).collect()
}

/// Merges copies of the members' files; the properties that go with saved probabilities are no part of the comparison.
fn merge(desk: &Desk<'_>, members: &[String], cases: &BTreeSet<String>, ending: &str, output: &Path) -> Result<()> {
    let mut folders = Vec::new();
    for (index, member) in members.iter().enumerate() {
        let folder = output.with_extension(format!("member{index}"));
        std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        let files = cases.iter().flat_map(|case| [format!("{case}.npz"), format!("{case}{ending}")]);
        for name in files.chain(["dataset.json", "plans.json"].map(str::to_owned)) {
            let from = desk.files.path(&format!("{member}/{name}"));
            std::fs::copy(&from, folder.join(&name)).map_err(Error::io("copy", &from))?;
        }
        cases.iter().try_for_each(|case| CaseProperties::default().write(&folder.join(format!("{case}.pkl"))))?;
        folders.push(folder);
    }
    let options = ensemble::Options { save_probabilities: true, keep: false, num_processes: desk.options.num_processes };
    ensemble_folders(&folders, output, &options, desk.report()).map(drop)
}

/// `{base}_pp`: the predictions in `base` after the postprocessing that its model's validation determined.
fn postprocessed(desk: &mut Desk<'_>, folder: &str, base: &str, model: &Trained) -> Result<()> {
    let places: Vec<String> = model.folds.iter().map(|fold| format!("{}/fold_{fold}/validation/postprocessing.json", model.folder)).collect();
    let Some(file) = places.iter().find(|place| desk.files.has(place)) else {
        return Err(Error::content(&desk.files.path(folder), format!("its postprocessing is missing; it can be {}", places.join(" or "))));
    };
    let steps = Postprocessing::read(&desk.files.path(file))?;
    let ending = &model.dataset.file_ending;
    for case in cases_in(desk, folder, ending) {
        let name = format!("{folder}/{case}{ending}");
        desk.attempt(&name, |desk| {
            let (mut ours, _) = read_segmentation(desk.take(&format!("{base}/{case}{ending}"), Use::Input)?)?;
            steps.apply(&mut ours);
            let (theirs, _) = read_segmentation(desk.take(&name, Use::Compared)?)?;
            if desk.shape(&name, ours.shape(), theirs.shape()) {
                desk.voxels(&name, &ours.into_iter().collect::<Vec<_>>(), &theirs.into_iter().collect::<Vec<_>>(), tolerance::EXACT);
            }
            Ok(())
        });
    }
    Ok(())
}

/// All folds' validation of `model` in one folder.
fn accumulated(desk: &mut Desk<'_>, folder: &str, model: &Trained) -> Result<()> {
    let ending = &model.dataset.file_ending;
    let cases = cases_in(desk, folder, ending);
    let Some(raw) = desk.raw(&model.folder, &model.plans.dataset_name) else {
        desk.files.note_below(folder, Use::Input);
        desk.no_images(folder, &model.plans.dataset_name);
        return Ok(());
    };
    let scratch = tempfile::tempdir().map_err(Error::io("create", Path::new("a temporary folder")))?;
    let output = scratch.path().join("all");
    let folds = model.folds.iter().map(|fold| fold.parse()).collect::<Result<Vec<_>>>()?;
    let references = raw.join("labelsTr");
    accumulate(&desk.files.path(&model.folder), &folds, &output, &references, false, desk.options.num_processes, desk.report())?;
    for case in &cases {
        let name = format!("{folder}/{case}{ending}");
        desk.attempt(&name, |desk| segmentation(desk, &name, &output.join(format!("{case}{ending}")), &name, tolerance::EXACT));
    }
    for name in ["dataset.json", "plans.json"].map(|name| format!("{folder}/{name}")) {
        if desk.files.has(&name) {
            let theirs: serde_json::Value = desk.json(&name, Use::Compared)?;
            let ours: serde_json::Value = crate::json::read(&output.join(name.rsplit('/').next().unwrap_or(&name)))?;
            desk.exact(&name, &ours, &theirs);
        }
    }
    let summary = format!("{folder}/summary.json");
    if desk.files.has(&summary) {
        summaries::compare(desk, &summary, &output, &references, model.dataset.ignore, Segmentations::Theirs)?;
    }
    Ok(())
}
