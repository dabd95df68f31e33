//! `monitor`

use super::Run;
use crate::{
    failure::Failure,
    monitor::{Seen, block, line},
    show,
};
use indicatif::ProgressBar;
use pipeline::status::{self, State};
use std::{
    collections::HashMap,
    io::{self, IsTerminal},
    path::PathBuf,
    time::Duration,
};

/// Follow a training: epoch, losses, pseudo Dice, learning rate and the time left
#[derive(clap::Parser)]
#[command(
    name = "monitor",
    after_help = "On a terminal the curves are drawn again and again; elsewhere each epoch is a line. It ends when nothing is trained any more.\n\n\
                  Examples:\n  host monitor $nnUNet_results/Dataset004_Hippocampus/nnUNetTrainer__nnUNetPlans__3d_fullres\n  \
                  host monitor $nnUNet_results/Dataset004_Hippocampus/nnUNetTrainer__nnUNetPlans__3d_fullres/fold_0 --once"
)]
pub(crate) struct Monitor {
    /// A model folder, or one of its folds
    #[arg(value_name = "MODEL_OR_FOLD")]
    folder: PathBuf,
    /// Show how it stands, and end
    #[arg(long)]
    once: bool,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = seconds)]
    every: f64,
}

fn seconds(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|seconds| (0.1..=3600.0).contains(seconds)).ok_or_else(|| "wanted 0.1 to 3600 seconds".into())
}

impl Run for Monitor {
    fn run(self) -> Result<(), Failure> {
        let on_terminal = io::stdout().is_terminal() && io::stderr().is_terminal();
        let mut bars: HashMap<String, ProgressBar> = HashMap::new();
        let mut shown: HashMap<String, usize> = HashMap::new();
        loop {
            let model = status::of_folder(&self.folder)?;
            let mut running = false;
            for fold in &model.folds {
                let seen = Seen::of(&model, fold)?;
                running |= fold.state == State::Running;
                if self.once {
                    show::line(&block(&seen));
                } else if on_terminal {
                    let bar = bars.entry(fold.fold.clone()).or_insert_with(|| show::bar("{msg}"));
                    bar.set_message(block(&seen));
                    bar.tick();
                } else {
                    let from = shown.insert(fold.fold.clone(), seen.epochs.len()).unwrap_or(0);
                    (from..seen.epochs.len()).for_each(|epoch| show::line(&line(&seen, epoch)));
                }
            }
            if self.once {
                return Ok(());
            }
            if !running {
                bars.values().for_each(ProgressBar::abandon);
                let go_on = |fold: &status::FoldStatus| fold.command.as_ref().map_or(String::new(), |command| format!("; {command}"));
                model.folds.iter().for_each(|fold| show::line(&format!("fold {}: {}{}", fold.fold, fold.state.name(), go_on(fold))));
                return Ok(());
            }
            std::thread::sleep(Duration::from_secs_f64(self.every));
        }
    }
}
