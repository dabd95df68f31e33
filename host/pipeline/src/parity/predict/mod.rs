//! `predict`: images, and what nnU-Net's commands made of them with the models of the section `training`.

mod after;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ndarray::Ix4;
use serde::Deserialize;

use super::arrays::Arrays;
use super::desk::Desk;
use super::files::Use;
use super::models::{How, Trained, cases_in, copy_images, segmentation};
use super::summaries::{self, Segmentations};
use super::tolerance;
use crate::dataset::DatasetJson;
use crate::error::{Error, Result};

/// The folder of images.
const IMAGES: &str = "predict/images";
/// The folder of their true segmentations.
const LABELS: &str = "predict/labels";
/// What a folder that was predicted holds, and no other.
const ARGUMENTS: &str = "predict_from_raw_data_args.json";

/// `parity.json` in a folder of predictions: what its name alone does not tell.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Told {
    /// The model, such as `training/full`.
    model: Option<String>,
    /// Whether views were mirrored.
    mirroring: Option<bool>,
    /// Of an ensemble: the folders that it was made of, such as `predict/prob3_tta`.
    members: Option<Vec<String>>,
}

/// Folders that one run of the network answers for.
struct Group {
    model: Trained,
    mirroring: bool,
    folders: Vec<String>,
}

pub(super) fn run(desk: &mut Desk<'_>) -> Result<()> {
    [IMAGES, LABELS].iter().for_each(|folder| desk.files.note_below(folder, Use::Input));
    let models = Trained::all(desk);
    let folders: Vec<String> = desk.files.folders_in("predict").into_iter().map(|name| format!("predict/{name}")).collect();
    let mut groups: Vec<Group> = Vec::new();
    let with_arguments: Vec<&String> = folders.iter().filter(|folder| desk.files.has(&format!("{folder}/{ARGUMENTS}"))).collect();
    for folder in with_arguments {
        desk.attempt(folder, |desk| {
            let (model, mirroring) = how(desk, folder, &models)?;
            match groups.iter_mut().find(|group| group.model.folder == model.folder && group.mirroring == mirroring) {
                Some(group) => group.folders.push(folder.clone()),
                None => groups.push(Group { model, mirroring, folders: vec![folder.clone()] }),
            }
            Ok(())
        });
    }
    for group in &groups {
        desk.attempt(&group.folders.join(" and "), |desk| predicted(desk, group));
    }
    let has_npz = |desk: &Desk<'_>, folder: &str| desk.files.names_in(folder).iter().any(|name| name.ends_with(".npz"));
    let (others, predicted): (Vec<String>, Vec<String>) = folders
        .into_iter()
        .filter(|folder| folder != IMAGES && folder != LABELS)
        .partition(|folder| !desk.files.has(&format!("{folder}/{ARGUMENTS}")));
    let members: Vec<String> = predicted.into_iter().filter(|folder| has_npz(desk, folder)).collect();
    desk.each("after predict", &others, |desk, folder| after::compare(desk, folder, &members, &models));
    Ok(())
}

/// What `parity.json` in `folder` says, if there is one.
fn told(desk: &mut Desk<'_>, folder: &str) -> Result<Told> {
    let name = format!("{folder}/parity.json");
    if desk.files.has(&name) { desk.json(&name, Use::Input) } else { Ok(Told::default()) }
}

/// The model that made the predictions in `folder`, and whether with mirroring: as `parity.json` says; else the model with the same plans,
/// the one whose name is in the folder's where several have them, and mirrored unless the folder's name says `notta`.
fn how(desk: &mut Desk<'_>, folder: &str, models: &[Trained]) -> Result<(Trained, bool)> {
    let (told, plans) = (told(desk, folder)?, format!("{folder}/plans.json"));
    let name = folder.rsplit('/').next().unwrap_or(folder);
    desk.files.note(&format!("{folder}/{ARGUMENTS}"), Use::Input);
    desk.files.note(&plans, Use::Input);
    let candidates: Vec<&Trained> = match &told.model {
        Some(model) => models.iter().filter(|trained| trained.folder == *model).collect(),
        None => models.iter().filter(|trained| trained.has_plans(desk, &plans)).collect(),
    };
    let model = candidates.iter().find(|model| name.contains(model.name())).or(candidates.first()).ok_or_else(|| {
        Error::content(&desk.files.path(folder), "no model in training has its plans, so nothing can be predicted; name the model in parity.json")
    })?;
    let mirrored = !["notta", "no_tta", "disable_tta"].iter().any(|word| name.contains(word));
    Ok(((*model).clone(), told.mirroring.unwrap_or(mirrored)))
}

/// Predicts the cases of a group once, and compares each folder with what came out.
fn predicted(desk: &mut Desk<'_>, group: &Group) -> Result<()> {
    let ending = &group.model.dataset.file_ending;
    let cases: BTreeSet<String> = group.folders.iter().flat_map(|folder| cases_in(desk, folder, ending)).collect();
    let probabilities = group.folders.iter().any(|folder| desk.files.names_in(folder).iter().any(|name| name.ends_with(".npz")));
    let scratch = tempfile::tempdir().map_err(Error::io("create", Path::new("a temporary folder")))?;
    let [images, output] = ["images", "output"].map(|name| scratch.path().join(name));
    copy_images(&desk.files.path(IMAGES), &images, ending, &cases)?;
    group.model.predict(desk, &group.model.folds, &images, &output, How { mirroring: group.mirroring, probabilities })?;
    for folder in &group.folders {
        desk.attempt(folder, |desk| folder_of_predictions(desk, folder, &output, &group.model.dataset));
    }
    Ok(())
}

/// Segmentations, probabilities, `dataset.json` and scores in `folder` against those in `output`.
fn folder_of_predictions(desk: &mut Desk<'_>, folder: &str, output: &Path, dataset: &DatasetJson) -> Result<()> {
    let ending = &dataset.file_ending;
    for case in cases_in(desk, folder, ending) {
        let name = format!("{folder}/{case}{ending}");
        desk.attempt(&name, |desk| segmentation(desk, &name, &output.join(format!("{case}{ending}")), &name, tolerance::VOXELS));
        let name = format!("{folder}/{case}.npz");
        if desk.files.has(&name) {
            desk.attempt(&name, |desk| probabilities(desk, &name, &output.join(format!("{case}.npz"))));
        }
    }
    let name = format!("{folder}/dataset.json");
    if desk.files.has(&name) {
        let theirs: serde_json::Value = desk.json(&name, Use::Compared)?;
        desk.exact(&name, dataset, &theirs);
    }
    scores(desk, folder, dataset, Some(output))
}

fn probabilities(desk: &mut Desk<'_>, theirs: &str, ours: &Path) -> Result<()> {
    let (theirs_, ours) = (desk.arrays(theirs, Use::Compared)?.f32::<Ix4>("probabilities")?, Arrays::read(ours)?.f32::<Ix4>("probabilities")?);
    if desk.shape(theirs, ours.shape(), theirs_.shape()) {
        desk.floats(theirs, ours.as_slice().unwrap_or_default(), theirs_.as_slice().unwrap_or_default(), tolerance::PROBABILITY);
    }
    Ok(())
}

/// `summary.json` in `folder`, of the segmentations there and of ours in `output`.
fn scores(desk: &mut Desk<'_>, folder: &str, dataset: &DatasetJson, output: Option<&Path>) -> Result<()> {
    let summary = format!("{folder}/summary.json");
    if !desk.files.has(&summary) {
        return Ok(());
    }
    let (predictions, references): (PathBuf, PathBuf) = (desk.files.path(folder), desk.files.path(LABELS));
    desk.attempt(&summary, |desk| summaries::compare(desk, &summary, &predictions, &references, dataset.ignore, Segmentations::Theirs));
    if let Some(output) = output {
        desk.attempt(&summary, |desk| summaries::compare(desk, &summary, output, &references, dataset.ignore, Segmentations::Ours));
    }
    Ok(())
}
