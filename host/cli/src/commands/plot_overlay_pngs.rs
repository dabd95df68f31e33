//! `plot_overlay_pngs`

use super::Run;
use crate::{failure::Failure, options::ProcessesOption, show};
use pipeline::{
    overlay::{Options, Source, plot_overlays},
    paths::Paths,
};
use std::path::PathBuf;

/// Draw each training case as a PNG: the slice that shows most of its labels, in colour over the image
#[derive(clap::Parser)]
#[command(name = "plot_overlay_pngs")]
pub(crate) struct PlotOverlayPngs {
    /// Dataset, by number or by folder name
    #[arg(short = 'd', value_name = "DATASET")]
    dataset: String,
    /// Folder for the pictures
    #[arg(short = 'o', value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    processes: ProcessesOption,
    /// Channel to show, counted from 0
    #[arg(long = "channel_idx", value_name = "N", default_value_t = 0)]
    channel: usize,
    /// Draw the raw images instead of the preprocessed ones
    #[arg(long = "use_raw")]
    raw: bool,
    /// Name of the plans, for preprocessed images
    #[arg(short = 'p', value_name = "NAME", default_value = "nnUNetPlans")]
    plans: String,
    /// Configuration, for preprocessed images [default: 3d_fullres, else 2d]
    #[arg(short = 'c', value_name = "CONFIG")]
    configuration: Option<String>,
    /// Strength of the colours; higher is less transparent
    #[arg(long = "overlay_intensity", value_name = "X", default_value_t = 0.6, allow_negative_numbers = true)]
    intensity: f32,
}

impl Run for PlotOverlayPngs {
    fn run(self) -> Result<(), Failure> {
        let paths = Paths::from_env();
        let source = match self.raw {
            true => Source::Raw,
            false => Source::Preprocessed { plans: self.plans, configuration: self.configuration },
        };
        let options = Options {
            dataset: paths.dataset(&self.dataset)?,
            output: self.output,
            source,
            channel: self.channel,
            intensity: self.intensity,
            num_processes: self.processes.get()?,
        };
        let cases = show::Cases::default();
        let drawn = plot_overlays(&paths, &options, &|at| cases.report(at))?;
        show::line(&format!("{}: {drawn} pictures", options.output.display()));
        Ok(())
    }
}
