//! `cluster`

use super::{Run, train::Train};
use crate::{
    arguments,
    failure::Failure,
    options::{absolute, trainer_folder},
    show,
    slurm::{self, Array, Start},
};
use clap::{CommandFactory, FromArgMatches, Subcommand};
use engine::Devices;
use pipeline::{
    paths::{Paths, quoted},
    train::{Fold, TrainOptions, memory_needed},
};
use registry::Registry;
use std::{ffi::OsString, path::PathBuf};
use volume::files::atomic::write_bytes;

/// Write what a cluster's scheduler wants
#[derive(clap::Parser)]
#[command(name = "cluster")]
pub(crate) struct Cluster {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Write an sbatch script that trains folds and configurations as an array of tasks, each of which goes on where it was stopped
    #[command(after_help = "What follows `--` goes to `train`.\n\nExamples:\n  host cluster slurm 4 3d_fullres --partition gpu --time 24:00:00\n  \
                      host cluster slurm 4 2d 3d_fullres -device cpu --cpus 16 --at-once 4 -- --npz --epochs 250")]
    Slurm(Slurm),
}

#[derive(clap::Args)]
struct Slurm {
    /// Dataset, by number or by folder name
    dataset: String,
    /// Configurations of the plans
    #[arg(value_name = "CONFIG", required = true)]
    configurations: Vec<String>,
    /// Folds
    #[arg(short = 'f', value_name = "FOLD", num_args = 1.., default_values = ["0", "1", "2", "3", "4"])]
    folds: Vec<Fold>,
    /// cpu, or cuda: one GPU a task, or as many as -num_gpus says behind `--`
    #[arg(long = "device", default_value = "cuda", value_parser = ["cpu", "cuda"])]
    device: String,
    /// The script [default: train_DATASET.sbatch]
    #[arg(short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,
    /// Folder of the tasks' output [default: slurm_logs in the dataset's folder in nnUNet_results]
    #[arg(long, value_name = "DIR")]
    logs: Option<PathBuf>,
    /// Partition
    #[arg(long, value_name = "NAME")]
    partition: Option<String>,
    /// Account
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Longest time of a task, such as 24:00:00; a training that needs more goes on by itself
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
    /// Processors a task [default: 8, with GPUs 12 for each]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    cpus: Option<u16>,
    /// Memory a task, GiB [default: as the plans' networks need]
    #[arg(long, value_name = "GIB", value_parser = clap::value_parser!(u32).range(1..))]
    mem: Option<u32>,
    /// Resources besides processors and memory [default: gpu:N where -device is cuda]
    #[arg(long, value_name = "LIST")]
    gres: Option<String>,
    /// So many tasks at a time [default: as many as there is room for]
    #[arg(long = "at-once", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    at_once: Option<u32>,
    /// Options of `train`
    #[arg(last = true, value_name = "OPTION")]
    train: Vec<OsString>,
}

impl Run for Cluster {
    fn run(self) -> Result<(), Failure> {
        let Action::Slurm(slurm) = self.action;
        slurm.write()
    }
}

impl Slurm {
    fn write(self) -> Result<(), Failure> {
        let paths = Paths::from_env();
        let dataset = paths.dataset(&self.dataset)?;
        let (train, registry) = self.trainings()?;
        let gpus = train.first().map(|options| options.devices.count()).filter(|_| self.device == "cuda");
        let output = self.output.clone().unwrap_or_else(|| format!("train_{dataset}.sbatch").into());
        if output.exists() {
            return Err(Failure::Plain(format!("{} is there already; remove it, or name another file with -o", output.display())));
        }
        let logs = absolute(&self.logs.clone().unwrap_or(paths.results()?.join(&dataset).join("slurm_logs")))?;
        let logs_text = logs.display().to_string();
        if logs_text.contains(['\n', ' ', '%', '\\', '\'', '"']) {
            return Err(Failure::Plain(format!(
                "{logs_text:?} holds a space, a quote, %, \\ or a line's end, which sbatch reads as its own; name another folder with --logs"
            )));
        }
        let memory = match self.mem {
            Some(gib) => gib,
            None => {
                slurm::memory(train.iter().map(|options| memory_needed(&paths, &registry, options)).collect::<Result<Vec<_>, _>>()?, gpus.is_some())
            }
        };
        let mut arguments = train.first().map(|options| options.command.clone()).unwrap_or_default();
        // they begin a training, and --c goes on with one
        let start = match (train.first(), arguments.iter().position(|word| word == "--pretrained_weights")) {
            (Some(options), Some(at)) => Some(Start {
                option: arguments.drain(at..at + 2).collect(),
                models: absolute(&paths.model(&dataset, trainer_folder(&options.trainer), &options.plans, "")?)?,
            }),
            _ => None,
        };
        let array = Array {
            program: std::env::current_exe().map_err(|source| Failure::Io { action: "find", path: "host".into(), source })?,
            variables: paths.variables().into_iter().map(|(name, folder)| Ok((name, absolute(folder)?))).collect::<Result<_, Failure>>()?,
            arguments,
            start,
            name: dataset,
            configurations: self.configurations.clone(),
            folds: self.folds.iter().map(Fold::argument).collect(),
            at_once: self.at_once,
            cpus: self.cpus.unwrap_or(gpus.map_or(8, |count| u16::try_from(12 * count).unwrap_or(u16::MAX))),
            memory,
            logs: logs_text,
            options: [("partition", &self.partition), ("account", &self.account), ("time", &self.time)]
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.clone()?)))
                .chain(self.gres.clone().or_else(|| gpus.map(|count| format!("gpu:{count}"))).map(|gres| ("gres", gres)))
                .collect(),
        };
        let script = array.script()?;
        std::fs::create_dir_all(&logs).map_err(|source| Failure::Io { action: "create", path: logs, source })?;
        write_bytes(&output, script.as_bytes()).map_err(pipeline::error::Error::from)?;
        let (tasks, file) = (array.configurations.len() * array.folds.len(), quoted(&output));
        show::line(&format!("{file}: {tasks} tasks of {} processors and {memory} GiB", array.cpus));
        show::line(&format!("`sbatch {file}` starts them, `host status {}` says how far they are", self.dataset));
        Ok(())
    }

    /// A training of each configuration, as `train` understands its options.
    fn trainings(&self) -> Result<(Vec<TrainOptions>, Registry), Failure> {
        let fold = *self.folds.first().unwrap_or(&Fold::Number(0));
        let mut registry = None;
        let mut of = |configuration: &String| {
            let given = [self.dataset.as_str(), configuration, "0", "-device", self.device.as_str()].map(OsString::from);
            let given = arguments::normalise(given.into_iter().chain(self.train.iter().cloned()));
            let train = Train::from_arg_matches(&Train::command().no_binary_name(true).try_get_matches_from(given)?)?;
            if train.names_a_way() {
                return Err(Failure::usage(
                    "--c, --val, --jobs and --devices are the script's own business, --estimate trains nothing, and --ddp does not say how many GPUs to ask for \
                     (-num_gpus N does); leave them out",
                ));
            }
            if registry.is_none() {
                registry = Some(train.registry()?);
            }
            // what is asked of the processor, which is where this runs, is the same
            train.options(fold, &self.device, &Devices::parse("cpu", train.num_gpus())?, &Default::default())
        };
        let trainings = self.configurations.iter().map(&mut of).collect::<Result<Vec<_>, Failure>>()?;
        let registry = registry.ok_or_else(|| Failure::usage("name a configuration"))?;
        Ok((trainings, registry))
    }
}
