//! `train`

use super::Run;
use crate::{
    estimate,
    failure::Failure,
    folds::{self, Job, SideBySide},
    options::{DeviceOption, PluginOptions, absolute, precise, trainer_folder},
    show,
};
use engine::{Device, Devices};
use pipeline::{
    paths::Paths,
    train::{self, Fold, Outcome, TrainOptions, memory_needed},
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
#[command(
    name = "train",
    after_help = "Examples:\n  host train 4 3d_fullres 0 --estimate               how long, how much memory, how much disk\n  host train 4 3d_fullres 0 --npz\n  host train 4 3d_fullres 0 --c                      go on where it stopped\n  \
                  host train 4 3d_fullres 0 -num_gpus 4              one training on four GPUs\n  \
                  host train 4 3d_fullres all --devices 0,1,2,3      five folds on four GPUs\n  host train 4 3d_fullres all --jobs 2 -device cpu   two folds at a time"
)]
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
    /// Devices that share each batch of one training: CUDA devices from cuda:0 on, or parts of the processor [default: 1]
    #[arg(long = "num_gpus", value_name = "N", value_parser = clap::value_parser!(u16).range(1..), conflicts_with_all = ["jobs", "devices"])]
    num_gpus: Option<u16>,
    /// All visible CUDA devices share each batch
    #[arg(long, conflicts_with_all = ["num_gpus", "jobs", "devices"])]
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
    #[arg(long = "disable_checkpointing", conflicts_with = "patience")]
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
    /// Say how long it will take, and how much memory and disk, from a few iterations, of which nothing is kept
    #[arg(long, conflicts_with_all = ["val", "resume", "jobs", "devices"])]
    estimate: bool,
    /// What all random numbers come from [default: drawn]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Memory that a training step may take, GiB [default: what the processor has free]
    #[arg(long = "gpu_memory_target", value_name = "GIB", allow_negative_numbers = true)]
    gpu_memory_target: Option<f64>,
    /// Compute cheap activations once more on the way back instead of keeping them: less memory, a little slower, the same numbers (on the processor)
    #[arg(long)]
    recompute: bool,
    #[command(flatten)]
    device: DeviceOption,
    /// With `all`: so many folds side by side, each a process of its own [default: one for each of --devices]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// With `all`: CUDA devices that the folds are spread over, such as 0,1,2,3
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with = "device")]
    devices: Vec<usize>,
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
        if self.jobs.is_some() || !self.devices.is_empty() {
            return self.side_by_side();
        }
        let devices = self.devices()?;
        devices.compute_here();
        let registry = self.plugins.open()?;
        let (paths, stop) = (Paths::from_env(), stopped_by_signals()?);
        if let (true, Some(&fold)) = (self.estimate, self.fold.0.first()) {
            let options = self.options(fold, self.device.name(), &devices, &stop)?;
            show::line(&estimate::table(&train::estimate(&paths, &registry, &options)?, self.fold.0.len()));
            return Ok(());
        }
        for (index, &fold) in self.fold.0.iter().enumerate() {
            match train::train(&paths, &registry, &self.options(fold, self.device.name(), &devices, &stop)?, &show::Training::new(stop.clone()))? {
                Outcome::Finished { folder, dice: Some(dice) } => show::line(&format!("{}: mean Dice {dice:.4}", folder.display())),
                Outcome::Finished { folder, dice: None } => {
                    show::line(&format!("{}: trained; there was no validation, so nothing says how good it is", folder.display()));
                }
                Outcome::Stopped { epoch, iteration, how } => {
                    return Err(Failure::Stopped(format!("stopped in fold {fold} after {epoch} epochs and {iteration} iterations; {how}")));
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
    /// The arguments that train `fold` in another folder or another process, but for --c and --val.
    pub(crate) fn arguments(&self, fold: Fold, device: &str) -> Result<Vec<String>, Failure> {
        let mut arguments = vec!["train".to_owned(), self.dataset.clone(), self.configuration.clone(), fold.argument()];
        let mut option = |name: &str, value: Option<String>| value.into_iter().for_each(|value| arguments.extend([name.to_owned(), value]));
        let number = |value: Option<usize>| value.map(|value| value.to_string());
        option("-tr", Some(self.trainer.clone()).filter(|name| name != DEFAULT_TRAINER));
        option("-p", Some(self.plans.clone()).filter(|name| name != "nnUNetPlans"));
        option("-device", Some(device.to_owned()).filter(|name| name != "auto"));
        option("-num_gpus", self.num_gpus.filter(|&count| count > 1).map(|count| count.to_string()));
        option("--pretrained_weights", self.pretrained.as_deref().map(absolute).transpose()?.map(|path| path.display().to_string()));
        option("--epochs", number(self.epochs));
        option("--iterations", number(self.iterations));
        option("--val-iterations", number(self.val_iterations));
        option("--patience", self.patience.map(|epochs| epochs.to_string()));
        option("--seed", self.seed.map(|seed| seed.to_string()));
        option("-gpu_memory_target", self.gpu_memory_target.map(|gib| gib.to_string()));
        let flags = [
            (self.ddp, "--ddp"),
            (self.npz, "--npz"),
            (self.val_best, "--val_best"),
            (self.disable_checkpointing, "--disable_checkpointing"),
            (self.recompute, "--recompute"),
        ];
        arguments.extend(flags.into_iter().filter(|(given, _)| *given).map(|(_, name)| name.to_owned()));
        arguments.extend(self.plugins.arguments()?);
        Ok(arguments)
    }

    /// Whether it says how a training goes on, or on which devices.
    pub(crate) fn names_a_way(&self) -> bool {
        self.estimate || self.resume || self.val || self.jobs.is_some() || !self.devices.is_empty() || self.ddp
    }

    /// How many devices share each batch.
    pub(crate) fn num_gpus(&self) -> usize {
        self.num_gpus.map_or(1, usize::from)
    }

    /// Those of one training.
    fn devices(&self) -> Result<Devices, Failure> {
        let devices = self.shared()?.recomputing(self.recompute);
        if self.recompute && !devices.lead().recomputes() {
            return Err(Failure::usage(format!("--recompute is there for -device cpu, and the device is {}; leave it away", devices.lead().name())));
        }
        Ok(devices)
    }

    /// The device, or those that share each batch.
    fn shared(&self) -> Result<Devices, Failure> {
        match (self.ddp, self.device.name()) {
            (false, _) => self.device.several(self.num_gpus()),
            (true, "auto" | "cuda") => {
                let way_out = "to share each batch by parts of the processor say -device cpu -num_gpus 2";
                let all = Devices::all_cuda().map_err(|e| Failure::Plain(format!("--ddp takes all CUDA devices: {e}; {way_out}")))?;
                precise(all)
            }
            (true, name) => {
                Err(Failure::usage(format!("--ddp takes all CUDA devices, and -device is {name}; say how many with -num_gpus N instead")))
            }
        }
    }

    pub(crate) fn registry(&self) -> Result<registry::Registry, Failure> {
        self.plugins.open()
    }

    fn side_by_side(&self) -> Result<(), Failure> {
        if self.fold.0.len() == 1 {
            return Err(Failure::usage("--jobs and --devices spread the folds of `all`; for one fold say -device cuda:N"));
        }
        let paths = Paths::from_env();
        for device in &self.devices {
            Device::parse(&format!("cuda:{device}"))?;
        }
        let at_a_time = self.jobs.map_or(self.devices.len(), usize::from).min(self.fold.0.len());
        if self.devices.is_empty() && self.device.parse()?.is_cpu() && self.gpu_memory_target.is_none() {
            let step = memory_needed(
                &paths,
                &self.plugins.open()?,
                &self.options(Fold::Number(0), "cpu", &Device::cpu().recomputing(self.recompute).into(), &Arc::default())?,
            )?;
            folds::check_memory(at_a_time, step)?;
        }
        let model = paths.model(&paths.dataset(&self.dataset)?, trainer_folder(&self.trainer), &self.plans, &self.configuration)?;
        let way = if self.resume { Some("--c") } else { self.val.then_some("--val") };
        let job = |&fold: &Fold| {
            let mut arguments = self.arguments(fold, self.device.name())?;
            arguments.extend(way.map(str::to_owned));
            Ok(Job { fold: fold.name(), folder: model.join(fold.folder()), arguments })
        };
        let jobs = self.fold.0.iter().map(job).collect::<Result<_, Failure>>()?;
        folds::run(SideBySide { jobs, at_a_time, devices: self.devices.clone() })
    }

    pub(crate) fn options(&self, fold: Fold, device_name: &str, devices: &Devices, stop: &Arc<AtomicBool>) -> Result<TrainOptions, Failure> {
        Ok(TrainOptions {
            dataset: self.dataset.clone(),
            configuration: self.configuration.clone(),
            fold,
            trainer: self.trainer.clone(),
            plans: self.plans.clone(),
            devices: devices.clone(),
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
            command: self.arguments(fold, device_name)?,
            stop: stop.clone(),
        })
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
