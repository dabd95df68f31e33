//! `training`: checkpoints that nnU-Net wrote, what it logged, and its final validation.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use volume::files::pth::read_pth;

use super::arrays::weights;
use super::desk::Desk;
use super::files::Use;
use super::models::{CHECKPOINT, How, Trained, cases_in, copy_images, segmentation};
use super::network::{norm, same_weights};
use super::summaries::{self, Segmentations};
use super::tolerance;
use crate::checkpoint::{self, Checkpoint, Logging};
use crate::error::{Error, Result};
use crate::json;
use crate::postprocess;
use crate::train::{load_model, poly_lr};

/// Files that tell of the run.
const INFORMATION: [&str; 3] = ["debug.json", "progress.png", "dataset_fingerprint.json"];
/// Entries of a checkpoint that only its training needs: one that was made smaller lacks them.
const FOR_TRAINING: [&str; 4] = ["optimizer_state", "grad_scaler_state", "logging", "_best_ema"];

pub(super) fn run(desk: &mut Desk<'_>) -> Result<()> {
    let mut folds = Vec::new();
    for name in desk.files.folders_in("training") {
        let folder = format!("training/{name}");
        folds.extend(desk.files.folders_in(&folder).into_iter().filter(|name| name.starts_with("fold_")).map(|fold| format!("{folder}/{fold}")));
        INFORMATION.iter().for_each(|name| desk.files.note(&format!("{folder}/{name}"), Use::Information));
    }
    desk.each("training", &folds, |desk, fold| {
        let folder = fold.rsplit_once('/').map_or("", |(folder, _)| folder);
        let model = Trained::read(desk, folder)?;
        note_information(desk, fold);
        desk.attempt(&format!("{fold}/checkpoint"), |desk| checkpoints(desk, fold, &model));
        desk.attempt(&format!("{fold}/validation"), |desk| validation(desk, fold, &model));
        desk.attempt(&format!("{fold}/validation/postprocessing.json"), |desk| postprocessing(desk, fold, &model));
        Ok(())
    });
    Ok(())
}

fn note_information(desk: &mut Desk<'_>, fold: &str) {
    for name in desk.files.names_in(fold) {
        if INFORMATION.contains(&name.as_str()) || name.starts_with("training_log") && name.ends_with(".txt") {
            desk.files.note(&format!("{fold}/{name}"), Use::Information);
        }
    }
}

/// `checkpoint_info.json`.
#[derive(Deserialize)]
struct Info {
    keys: Option<Vec<String>>,
    n_network_weights: Option<usize>,
    n_unique: Option<usize>,
    init_args: Option<BTreeMap<String, Value>>,
    trainer_name: Option<String>,
    inference_allowed_mirroring_axes: Option<Vec<usize>>,
    current_epoch: Option<usize>,
    best_ema: Option<f64>,
    logging_keys: Option<Vec<String>>,
    #[serde(default)]
    optimizer_param_groups: Vec<BTreeMap<String, Value>>,
    weight_l2: Option<BTreeMap<String, f64>>,
}

/// `lab_timing.json`: what the trainer logged, an entry an epoch; timings beside it are nobody's to compare.
#[derive(Deserialize)]
struct Timing {
    logger: Option<Logged>,
}

#[derive(Deserialize)]
struct Logged {
    train_losses: Vec<f64>,
    val_losses: Vec<f64>,
    mean_fg_dice: Vec<f64>,
    ema_fg_dice: Vec<f64>,
    dice_per_class_or_region: Vec<Vec<f64>>,
    lrs: Vec<f64>,
}

fn checkpoints(desk: &mut Desk<'_>, fold: &str, model: &Trained) -> Result<()> {
    let names: Vec<String> = desk.files.names_in(fold).into_iter().filter(|name| name.starts_with("checkpoint") && name.ends_with(".pth")).collect();
    let number = fold.rsplit("fold_").next().unwrap_or_default();
    for name in &names {
        let file = format!("{fold}/{name}");
        desk.attempt(&file, |desk| {
            let path = desk.take(&file, Use::Input)?;
            let loaded = load_model(desk.options.registry, &desk.files.path(&model.folder), number, name, &desk.options.device)?;
            let tensors = loaded.model.weights()?.len();
            desk.exact(&format!("{file}: opens strictly, tensors"), &tensors, &checkpoint::read(&path)?.weights.len());
            Ok(())
        });
    }
    if !names.iter().any(|name| name == CHECKPOINT) {
        return Ok(());
    }
    let file = format!("{fold}/{CHECKPOINT}");
    let checkpoint = checkpoint::read(&desk.files.path(&file))?;
    let (info, timing, npz) =
        (format!("{fold}/checkpoint_info.json"), format!("{fold}/lab_timing.json"), format!("{fold}/checkpoint_final_weights.npz"));
    if desk.files.has(&info) {
        desk.attempt(&info, |desk| told(desk, &file, &info, &checkpoint));
    }
    if desk.files.has(&timing) {
        let has_log = keys_of(&desk.files.path(&file))?.iter().any(|key| key == "logging");
        desk.attempt(&timing, |desk| logged(desk, &timing, has_log.then_some(&checkpoint.logging)));
    }
    if desk.files.has(&npz) {
        desk.attempt(&npz, |desk| {
            let theirs = weights(&desk.arrays(&npz, Use::Compared)?);
            let ours = checkpoint.weights.iter().map(|w| (w.name.clone(), w.shape.clone(), w.data.clone())).collect();
            desk.rows.push(same_weights(&npz, &ours, &theirs));
            Ok(())
        });
    }
    Ok(())
}

/// What `checkpoint_info.json` tells of the file.
fn told(desk: &mut Desk<'_>, file: &str, info: &str, ours: &Checkpoint) -> Result<()> {
    let theirs: Info = desk.json(info, Use::Compared)?;
    let keys = keys_of(&desk.files.path(file))?;
    let has = |key: &str| keys.iter().any(|found| found == key);
    for key in FOR_TRAINING.into_iter().filter(|key| !has(key)) {
        desk.not_compared(&format!("{info}: {key}"), &format!("{file} was made smaller and has none"));
    }
    if let Some(theirs) = &theirs.keys {
        let wanted: Vec<&String> = theirs.iter().filter(|key| has(key) || !FOR_TRAINING.contains(&key.as_str())).collect();
        desk.exact(&format!("{info}: keys"), &keys, &wanted);
    }
    if let Some(theirs) = theirs.n_network_weights {
        desk.exact(&format!("{info}: n_network_weights"), &ours.weights.iter().map(|w| 1 + w.aliases.len()).sum::<usize>(), &theirs);
    }
    if let Some(theirs) = theirs.n_unique {
        desk.exact(&format!("{info}: n_unique"), &ours.weights.len(), &theirs);
    }
    if let Some(theirs) = &theirs.init_args {
        let known = [("configuration", &ours.configuration), ("fold", &ours.fold), ("device", &ours.device)];
        for (key, found) in known {
            if let Some(theirs) = theirs.get(key) {
                let theirs = theirs.as_str().map_or_else(|| theirs.to_string(), str::to_owned);
                desk.exact(&format!("{info}: init_args.{key}"), found, &theirs);
            }
        }
    }
    if let Some(theirs) = &theirs.trainer_name {
        desk.exact(&format!("{info}: trainer_name"), &ours.trainer_name, theirs);
    }
    if let Some(theirs) = &theirs.inference_allowed_mirroring_axes {
        desk.exact(&format!("{info}: inference_allowed_mirroring_axes"), &ours.mirror_axes, theirs);
    }
    if let Some(theirs) = theirs.current_epoch {
        desk.exact(&format!("{info}: current_epoch"), &ours.current_epoch, &theirs);
    }
    if let Some(theirs) = theirs.best_ema.filter(|_| has("_best_ema")) {
        desk.relative(&format!("{info}: best_ema"), ours.best_ema.unwrap_or(f64::NAN), theirs, tolerance::PLANS);
    }
    if let Some(theirs) = &theirs.logging_keys {
        let logging = serde_json::to_value(&ours.logging).map_err(|error| Error::invalid(error.to_string()))?;
        let keys: BTreeSet<&String> = logging.as_object().into_iter().flat_map(|map| map.keys()).collect();
        desk.exact(&format!("{info}: logging_keys"), &keys, &theirs.iter().collect::<BTreeSet<_>>());
    }
    match (&ours.optimizer, theirs.optimizer_param_groups.first()) {
        (Some((spec, lr, _)), Some(theirs)) => {
            let found = serde_json::to_value(spec).map_err(|error| Error::invalid(error.to_string()))?;
            for key in ["momentum", "nesterov", "weight_decay"].into_iter().filter(|key| theirs.contains_key(*key)) {
                desk.tree(&format!("{info}: optimizer, {key}"), &found[key], &theirs[key], tolerance::PLANS);
            }
            desk.tree(&format!("{info}: optimizer, lr"), lr, theirs.get("lr").unwrap_or(&Value::Null), tolerance::PLANS);
        }
        (None, Some(_)) if has("optimizer_state") => desk.fell_short(&format!("{info}: optimizer"), "we read none, and the file has one"),
        _ => {}
    }
    if let Some(theirs) = &theirs.weight_l2 {
        let norms: BTreeMap<&str, f64> = ours.weights.iter().map(|w| (w.name.as_str(), norm(&w.data))).collect();
        desk.tree(&format!("{info}: weight_l2"), &norms, theirs, tolerance::NORM);
    }
    Ok(())
}

/// The entries of the checkpoint `path`.
fn keys_of(path: &Path) -> Result<Vec<String>> {
    let root = read_pth(path)?.root;
    Ok(root.entries().unwrap_or_default().iter().filter_map(|(key, _)| key.as_str()).map(str::to_owned).collect())
}

/// What was read of the checkpoint's log, and the learning rates of nnU-Net's schedule.
fn logged(desk: &mut Desk<'_>, name: &str, ours: Option<&Logging>) -> Result<()> {
    let Timing { logger: Some(theirs) } = desk.json(name, Use::Information)? else { return Ok(()) };
    desk.files.note(name, Use::Compared);
    let initial = theirs.lrs.first().copied().unwrap_or_default();
    let rates: Vec<f64> = (0..theirs.lrs.len()).map(|epoch| poly_lr(initial, epoch, theirs.lrs.len())).collect();
    desk.tree(&format!("{name}: learning rates of the schedule"), &rates, &theirs.lrs, tolerance::PLANS);
    // without one, checkpoint_info.json has it that the file was made smaller
    let Some(ours) = ours else { return Ok(()) };
    for (key, ours, theirs) in [
        ("train_losses", &ours.train_losses, &theirs.train_losses),
        ("val_losses", &ours.val_losses, &theirs.val_losses),
        ("mean_fg_dice", &ours.mean_fg_dice, &theirs.mean_fg_dice),
        ("ema_fg_dice", &ours.ema_fg_dice, &theirs.ema_fg_dice),
        ("lrs", &ours.lrs, &theirs.lrs),
    ] {
        desk.tree(&format!("{name}: {key}"), ours, theirs, tolerance::PLANS);
    }
    desk.tree(&format!("{name}: dice_per_class_or_region"), &ours.dice_per_class_or_region, &theirs.dice_per_class_or_region, tolerance::PLANS);
    Ok(())
}

/// Segmentations of the validation cases, theirs and ours, and their scores.
fn validation(desk: &mut Desk<'_>, fold: &str, model: &Trained) -> Result<()> {
    let folder = format!("{fold}/validation");
    let ending = &model.dataset.file_ending;
    let cases = cases_in(desk, &folder, ending);
    if cases.is_empty() {
        return Ok(());
    }
    for case in &cases {
        desk.files.note(&format!("{folder}/{case}{ending}"), Use::Input);
    }
    let summary = format!("{folder}/summary.json");
    let Some(raw) = desk.raw(&model.folder, &model.plans.dataset_name) else {
        if desk.files.has(&summary) {
            desk.files.note(&summary, Use::Input);
        }
        desk.no_images(&folder, &model.plans.dataset_name);
        return Ok(());
    };
    let (predictions, references) = (desk.files.path(&folder), raw.join("labelsTr"));
    if desk.files.has(&summary) {
        desk.attempt(&summary, |desk| summaries::compare(desk, &summary, &predictions, &references, model.dataset.ignore, Segmentations::Theirs));
    }
    let scratch = tempfile::tempdir().map_err(Error::io("create", Path::new("a temporary folder")))?;
    let [images, output] = ["images", "output"].map(|name| scratch.path().join(name));
    copy_images(&raw.join("imagesTr"), &images, ending, &cases)?;
    let number = fold.rsplit("fold_").next().unwrap_or_default().to_owned();
    model.predict(desk, &[number], &images, &output, How { mirroring: true, probabilities: false })?;
    for case in &cases {
        let name = format!("{folder}/{case}{ending}");
        desk.attempt(&name, |desk| segmentation(desk, &name, &output.join(format!("{case}{ending}")), &name, tolerance::VOXELS));
    }
    if desk.files.has(&summary) {
        desk.attempt(&summary, |desk| summaries::compare(desk, &summary, &output, &references, model.dataset.ignore, Segmentations::Ours));
    }
    Ok(())
}

/// The postprocessing that the validation determines, as nnU-Net tells of it and as its pickle holds it.
fn postprocessing(desk: &mut Desk<'_>, fold: &str, model: &Trained) -> Result<()> {
    let folder = format!("{fold}/validation");
    let [told, held] = ["postprocessing.json", "postprocessing_pkl_as_json.json"].map(|name| format!("{folder}/{name}"));
    if !desk.files.has(&told) && !desk.files.has(&held) {
        return Ok(());
    }
    let Some(raw) = desk.raw(&model.folder, &model.plans.dataset_name) else {
        [&told, &held].iter().for_each(|name| desk.files.note(name, Use::Input));
        desk.no_images(&told, &model.plans.dataset_name);
        return Ok(());
    };
    let scratch = tempfile::tempdir().map_err(Error::io("create", Path::new("a temporary folder")))?;
    for case in cases_in(desk, &folder, &model.dataset.file_ending) {
        let name = format!("{case}{}", model.dataset.file_ending);
        let from = desk.files.path(&format!("{folder}/{name}"));
        std::fs::copy(&from, scratch.path().join(&name)).map_err(Error::io("copy", &from))?;
    }
    let options = postprocess::Options { keep_files: false, num_processes: desk.options.num_processes };
    postprocess::determine(scratch.path(), &raw.join("labelsTr"), &model.dataset, &options, desk.report())?;
    let ours: Value = json::read(&scratch.path().join("postprocessing.json"))?;
    if desk.files.has(&told) {
        let theirs: Value = desk.json(&told, Use::Compared)?;
        desk.each_key(&told, &ours, &theirs, tolerance::EXACT)?;
    }
    if desk.files.has(&held) {
        let theirs: Value = desk.json(&held, Use::Compared)?;
        let ours = serde_json::json!({"fns": ours["postprocessing_fns"], "kwargs": ours["postprocessing_kwargs"]});
        desk.each_key(&held, &ours, &theirs, tolerance::EXACT)?;
    }
    Ok(())
}
