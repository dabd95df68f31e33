//! `evaluate_folder`

use super::Run;
use crate::{failure::Failure, options::processes, show};
use pipeline::{
    dataset::DatasetJson,
    evaluate::{self, Summary},
    json,
};
use std::path::PathBuf;

/// Score predictions against references by the labels or regions of a dataset
#[derive(clap::Parser)]
#[command(name = "evaluate_folder")]
pub(crate) struct EvaluateFolder {
    #[command(flatten)]
    folders: Folders,
    /// dataset.json: the labels or regions
    #[arg(long = "djfile", value_name = "FILE")]
    dataset: PathBuf,
    /// plans.json; not needed, as images are read by their endings
    #[arg(long = "pfile", value_name = "FILE")]
    plans: Option<PathBuf>,
    #[command(flatten)]
    options: EvaluateOptions,
}

#[derive(clap::Args)]
pub(crate) struct Folders {
    /// Folder of references
    #[arg(value_name = "GT_DIR")]
    pub(crate) references: PathBuf,
    /// Folder of predictions
    #[arg(value_name = "PRED_DIR")]
    pub(crate) predictions: PathBuf,
}

#[derive(clap::Args)]
pub(crate) struct EvaluateOptions {
    /// File to write [default: PRED_DIR/summary.json]
    #[arg(short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,
    /// Cases at a time [default: nnUNet_def_n_proc, else 8]
    #[arg(long = "np", value_name = "N")]
    processes: Option<usize>,
    /// Leave out references without a prediction
    #[arg(long)]
    chill: bool,
    /// Score single lesions too (connected components): found or missed, matched by IoU, panoptic quality, CC-Dice (docs/losses.md)
    #[arg(long)]
    instances: bool,
    /// IoU above which two components match, from 0 to below 1
    #[arg(long, value_name = "IOU", default_value_t = 0.5, requires = "instances")]
    iou: f64,
}

impl EvaluateOptions {
    pub(crate) fn get(&self) -> Result<evaluate::Options, Failure> {
        let num_processes = processes(self.processes, "nnUNet_def_n_proc", 8)?;
        let instances = self.instances.then_some(self.iou);
        Ok(evaluate::Options { output: self.output.clone(), chill: self.chill, num_processes, instances })
    }
}

impl Run for EvaluateFolder {
    fn run(self) -> Result<(), Failure> {
        let dataset: DatasetJson = json::read(&self.dataset)?;
        let cases = show::Cases::default();
        let Folders { references, predictions } = &self.folders;
        show_scores(&evaluate::evaluate_folder(references, predictions, &dataset, &self.options.get()?, &|at| cases.report(at))?);
        Ok(())
    }
}

/// The mean Dice of each label or region, and of the foreground; the means of single lesions if they were scored.
pub(crate) fn show_scores(summary: &Summary) {
    for (structure, metrics) in &summary.mean {
        show::line(&format!("{structure}: Dice {:.4}", metrics.dice));
    }
    show::line(&format!("foreground mean of {} cases: Dice {:.4}", summary.metric_per_case.len(), summary.foreground_mean.dice));
    let Some(instances) = &summary.instances else { return };
    for (structure, m) in &instances.mean {
        let (o, iou) = (m.overlap, m.iou);
        let found = format!("lesion F1 {:.4} (sensitivity {:.4}, precision {:.4})", o.f1, o.sensitivity, o.precision);
        let matched = format!("F1 {:.4} and panoptic quality {:.4} at IoU {}", iou.f1, iou.panoptic_quality, instances.iou_threshold);
        show::line(&format!("{structure}: {found}; {matched}; CC-Dice {:.4}", m.cc_dice));
    }
}
