//! `train`

use super::Run;
use crate::{
    failure::Failure,
    options::{DeviceOption, PluginOptions},
    show,
};
use engine::Device;
use pipeline::{
    paths::Paths,
    train::{Fold, Outcome, TrainOptions, train},
};
use registry::DEFAULT_TRAINER;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Train a fold and validate it
#[derive(clap::Parser)]
#[command(name = "train")]
pub(crate) struct Train {
    /// Dataset, by number or by folder name
    dataset: String,
    /// Configuration of the plans, such as 2d or 3d_fullres
    #[arg(value_name = "CONFIG")]
    configuration: String,
    /// Number of the fold; `all`: folds 0 to 4 one after another; `fold_all`: one model on all cases
    fold: Folds,
    /// Trainer config; `host list-plugins` lists them
    #[arg(long = "tr", value_name = "NAME", default_value = DEFAULT_TRAINER)]
    trainer: String,
    /// Name of the plans
    #[arg(short = 'p', value_name = "NAME", default_value = "nnUNetPlans")]
    plans: String,
    /// Checkpoint whose weights training starts from
    #[arg(long = "pretrained_weights", value_name = "FILE", conflicts_with = "resume")]
    pretrained: Option<PathBuf>,
    /// Number of devices; more than one is not supported yet
    #[arg(long = "num_gpus", value_name = "N", default_value_t = 1)]
    num_gpus: usize,
    /// All visible devices; not supported yet
    #[arg(long)]
    ddp: bool,
    /// Write probabilities in the final validation too
    #[arg(long)]
    npz: bool,
    /// Go on from the latest checkpoint
    #[arg(short = 'c', long = "c")]
    resume: bool,
    /// Only the final validation
    #[arg(long, conflicts_with = "resume")]
    val: bool,
    /// The final validation takes the best checkpoint
    #[arg(long = "val_best", conflicts_with = "disable_checkpointing")]
    val_best: bool,
    /// Train on all cases, without validation and without checkpoints before the final one
    #[arg(long = "disable_checkpointing")]
    disable_checkpointing: bool,
    /// Number of epochs [default: the trainer config's]
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
    /// Training iterations an epoch [default: the trainer config's]
    #[arg(long, value_name = "N")]
    iterations: Option<usize>,
    /// Validation iterations an epoch [default: the trainer config's]
    #[arg(long = "val-iterations", value_name = "N")]
    val_iterations: Option<usize>,
    /// End after this many epochs without a better running mean of the pseudo Dice [default: never]
    #[arg(long, value_name = "EPOCHS", value_parser = clap::value_parser!(u32).range(1..))]
    patience: Option<u32>,
    /// What all random numbers come from [default: drawn]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Memory that a training step may take, GiB [default: what the processor has free]
    #[arg(long = "gpu_memory_target", value_name = "GIB", allow_negative_numbers = true)]
    gpu_memory_target: Option<f64>,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    plugins: PluginOptions,
}

/// What the third argument asks for.
#[derive(Clone)]
struct Folds(Vec<Fold>);

impl std::str::FromStr for Folds {
    type Err = pipeline::error::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Folds((0..5).map(Fold::Number).collect())),
            one => one.parse().map(|fold| Folds(vec![fold])),
        }
    }
}

impl Run for Train {
    fn run(self) -> Result<(), Failure> {
        if self.ddp || self.num_gpus != 1 {
            return Err(Failure::Plain("training on more than one device is not supported yet; leave out --ddp and -num_gpus".into()));
        }
        let device = self.device.parse()?;
        let registry = self.plugins.open()?;
        let (paths, stop) = (Paths::from_env(), stopped_by_signals()?);
        for (index, &fold) in self.fold.0.iter().enumerate() {
            match train(&paths, &registry, &self.options(fold, &device, &stop), &show::Training::new(stop.clone()))? {
                Outcome::Finished { folder, dice: Some(dice) } => show::line(&format!("{}: mean Dice {dice:.4}", folder.display())),
                Outcome::Finished { folder, dice: None } => {
                    show::line(&format!("{}: trained; there was no validation, so nothing says how good it is", folder.display()));
                }
                Outcome::Stopped { epoch, iteration } => {
                    let text = format!("stopped in fold {fold} after {epoch} epochs and {iteration} iterations");
                    let how = if self.disable_checkpointing { "without checkpoints it begins anew" } else { "the same command with --c goes on" };
                    return Err(Failure::Stopped(format!("{text}; {how}")));
                }
            }
            if let (Some(next), true) = (self.fold.0.get(index + 1), stop.load(Ordering::Relaxed)) {
                return Err(Failure::Stopped(format!("stopped after fold {fold}; fold {next} is the next")));
            }
        }
        Ok(())
    }
}

impl Train {
    fn options(&self, fold: Fold, device: &Device, stop: &Arc<AtomicBool>) -> TrainOptions {
        TrainOptions {
            dataset: self.dataset.clone(),
            configuration: self.configuration.clone(),
            fold,
            trainer: self.trainer.clone(),
            plans: self.plans.clone(),
            device: device.clone(),
            pretrained: self.pretrained.clone(),
            resume: self.resume,
            validate_only: self.val,
            validate_best: self.val_best,
            no_checkpoints: self.disable_checkpointing,
            save_probabilities: self.npz,
            epochs: self.epochs,
            iterations: self.iterations,
            validation_iterations: self.val_iterations,
            patience: self.patience.map(|epochs| epochs as usize),
            seed: self.seed,
            gpu_memory_target: self.gpu_memory_target,
            stop: stop.clone(),
        }
    }
}

/// A flag that the first Ctrl-C or SIGTERM sets; the second ends the process at once.
fn stopped_by_signals() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        let registered = flag::register_conditional_shutdown(signal, 128 + signal, stop.clone()).and_then(|_| flag::register(signal, stop.clone()));
        registered.map_err(|source| Failure::Plain(format!("cannot watch for signal {signal}: {source}")))?;
    }
    Ok(stop)
}
