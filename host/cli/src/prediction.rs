//! What `predict` and `predict_from_modelfolder` have in common: the flags, and from a model folder to predictions.

use crate::{
    failure::Failure,
    options::{DeviceOption, PluginOptions},
    show,
};
use pipeline::{
    infer::{PredictOptions, TrainedModel, trained_folds},
    progress,
    train::Fold,
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

#[derive(clap::Args)]
pub(crate) struct PredictionOptions {
    /// Folder of images, {case}_{XXXX}{ending}
    #[arg(short = 'i', value_name = "DIR")]
    input: PathBuf,
    /// Folder for segmentations
    #[arg(short = 'o', value_name = "DIR")]
    output: PathBuf,
    /// Folds whose predictions are averaged; `all`: fold_all where it was trained, else each fold that was
    #[arg(short = 'f', value_name = "FOLD", num_args = 1.., default_values = ["0", "1", "2", "3", "4"])]
    folds: Vec<String>,
    /// Distance between tiles as a share of the patch, above 0 and at most 1
    #[arg(long = "step_size", value_name = "SHARE", default_value_t = 0.5, value_parser = step_size, allow_negative_numbers = true)]
    step_size: f64,
    /// Average mirrored views (this is the default)
    #[arg(long, conflicts_with = "disable_tta")]
    mirror: bool,
    /// Do not average mirrored views: faster, a little worse
    #[arg(long = "disable_tta")]
    disable_tta: bool,
    /// Write probabilities too; an ensemble needs them
    #[arg(long = "save_probabilities")]
    save_probabilities: bool,
    /// Checkpoint of each fold
    #[arg(long = "chk", value_name = "FILE", default_value = "checkpoint_final.pth")]
    checkpoint: String,
    /// Accepted as in nnU-Net; one case is prepared while another is predicted
    #[arg(long = "npp", value_name = "N")]
    preprocessing_processes: Option<usize>,
    /// Accepted as in nnU-Net; one case is written while another is predicted
    #[arg(long = "nps", value_name = "N")]
    export_processes: Option<usize>,
    /// Segmentations of the same images by the previous stage of a cascade
    #[arg(long = "prev_stage_predictions", value_name = "DIR")]
    previous_stage: Option<PathBuf>,
    /// Keep sums of logits in the host's memory, not on the GPU
    #[arg(long = "not_on_device")]
    not_on_device: bool,
    /// Do not say how far it is
    #[arg(long = "disable_progress_bar")]
    disable_progress_bar: bool,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    plugins: PluginOptions,
}

fn step_size(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("wanted a number above 0 and at most 1".into()),
    }
}

/// Which of the cases, and those that are there.
pub(crate) struct Share {
    pub(crate) num_parts: usize,
    pub(crate) part_id: usize,
    pub(crate) continue_prediction: bool,
}

impl PredictionOptions {
    /// Predicts with the model that `folder` gives, once the device is there.
    pub(crate) fn predict(&self, folder: impl FnOnce() -> Result<PathBuf, Failure>, share: &Share) -> Result<(), Failure> {
        let device = self.device.parse()?;
        let folder = folder()?;
        let (folds, registry) = (self.folds(&folder)?, self.plugins.open()?);
        let model = TrainedModel::open(&registry, &folder, &folds, &self.checkpoint, &device)?;
        show::note(pipeline::CITATION);
        let warnings: BTreeSet<&str> = model.warnings().collect();
        warnings.iter().for_each(|what| show::note(&format!("warning: {}: {what}", folder.display())));
        let options = PredictOptions {
            step_size: self.step_size,
            mirroring: !self.disable_tta,
            on_device: !self.not_on_device,
            save_probabilities: self.save_probabilities,
            continue_prediction: share.continue_prediction,
            num_parts: share.num_parts,
            part_id: share.part_id,
            previous_stage: self.previous_stage.clone(),
            ..PredictOptions::new(&self.input, &self.output)
        };
        let cases = show::Cases::default();
        let report = |at: progress::Progress<'_>| if self.disable_progress_bar { progress::silent(at) } else { cases.report(at) };
        let predicted = model.predict_folder(&options, &report)?;
        let kept = if predicted.kept.is_empty() { String::new() } else { format!(", {} were there", predicted.kept.len()) };
        show::line(&format!("{}: {} cases predicted on {}{kept}", self.output.display(), predicted.done.len(), device.name()));
        Ok(())
    }

    /// The folds that are meant; each of them has the checkpoint.
    fn folds(&self, folder: &Path) -> Result<Vec<Fold>, Failure> {
        let trained = trained_folds(folder, &self.checkpoint)?;
        let wanted: Vec<Fold> = match self.folds.as_slice() {
            [all] if all == "all" && trained.contains(&Fold::All) => vec![Fold::All],
            [all] if all == "all" => trained.clone(),
            named => named.iter().map(|fold| fold.parse().map_err(Failure::usage)).collect::<Result<_, _>>()?,
        };
        let missing: Vec<String> = wanted.iter().filter(|fold| !trained.contains(fold)).map(Fold::folder).collect();
        if missing.is_empty() && !wanted.is_empty() {
            return Ok(wanted);
        }
        let there: Vec<String> = trained.iter().map(Fold::name).collect();
        let what = match (missing.as_slice(), there.as_slice()) {
            (_, []) => format!("no fold has a {}; train one first", self.checkpoint),
            (missing, there) => format!("there is no {} in {}; -f takes {}", self.checkpoint, missing.join(", "), there.join(", ")),
        };
        Err(Failure::Plain(format!("{}: {what}", folder.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: PredictionOptions,
    }

    fn folds(folder: &Path, named: &[&str]) -> Result<Vec<Fold>, String> {
        let line = ["line", "-i", "in", "-o", "out"].iter().chain(if named.is_empty() { &[][..] } else { &["-f"] }).chain(named);
        let line = <Line as clap::Parser>::try_parse_from(line).unwrap();
        line.options.folds(folder).map_err(|failure| failure.to_string().replace(&folder.display().to_string(), "MODEL"))
    }

    #[test]
    fn all_is_fold_all_where_it_was_trained() {
        let dir = tempfile::tempdir().unwrap();
        let train = |fold: &str| {
            std::fs::create_dir_all(dir.path().join(fold)).unwrap();
            std::fs::write(dir.path().join(fold).join("checkpoint_final.pth"), "").unwrap();
        };
        assert_eq!(folds(dir.path(), &["all"]).unwrap_err(), "MODEL: no fold has a checkpoint_final.pth; train one first");
        std::fs::create_dir(dir.path().join("fold_2")).unwrap();
        ["fold_10", "fold_1", "fold_x"].into_iter().for_each(train);
        assert_eq!(folds(dir.path(), &["all"]).unwrap(), [Fold::Number(1), Fold::Number(10)]);
        assert_eq!(folds(dir.path(), &["10"]).unwrap(), [Fold::Number(10)]);
        let missing = "MODEL: there is no checkpoint_final.pth in fold_0, fold_2, fold_3, fold_4; -f takes 1, 10";
        assert_eq!(folds(dir.path(), &[]).unwrap_err(), missing);
        train("fold_all");
        assert_eq!(folds(dir.path(), &["all"]).unwrap(), [Fold::All]);
        assert_eq!(folds(dir.path(), &["1", "fold_all"]).unwrap(), [Fold::Number(1), Fold::All]);
    }
}
