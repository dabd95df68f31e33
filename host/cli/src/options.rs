//! Options that several commands have, and the environment behind them.

use crate::failure::Failure;
use clap::Args;
use engine::Device;
use pipeline::paths::{Paths, quoted};
use registry::{DEFAULT_TRAINER, Level, Registry};
use std::{env, path::PathBuf};

// The doc comment of a flattened struct would become its command's description, so these have none.
#[derive(Args)]
pub(crate) struct PluginOptions {
    /// Folder with plugins, or one plugin, searched first (may be given several times; also: NNUNET_PLUGINS)
    #[arg(long = "plugins-dir", value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Load plugins that changed since their first use
    #[arg(long = "dev-plugins")]
    dev: bool,
    /// What is asked of a plugin: first-use, pinned or signed [default: NNUNET_PLUGIN_TRUST, else as `trust --level` set it]
    #[arg(long = "plugin-trust", value_name = "LEVEL")]
    level: Option<Level>,
}

impl PluginOptions {
    pub(crate) fn options(&self) -> Result<registry::Options, Failure> {
        let mut options = registry::Options { dev_plugins: self.dev, ..registry::Options::of_user(&self.folders)? };
        options.trust.level = self.level.unwrap_or(options.trust.level);
        Ok(options)
    }

    /// The same options for a command that runs in another folder, a space before each.
    pub(crate) fn flags(&self) -> Result<String, Failure> {
        let mut flags = String::new();
        for folder in &self.folders {
            let found = std::path::absolute(folder).map_err(|source| Failure::Io { action: "find", path: folder.clone(), source })?;
            flags.push_str(&format!(" --plugins-dir {}", quoted(&found)));
        }
        if self.dev {
            flags.push_str(" --dev-plugins");
        }
        Ok(flags)
    }

    pub(crate) fn open(&self) -> Result<Registry, Failure> {
        Ok(Registry::open(self.options()?)?)
    }
}

#[derive(Args)]
pub(crate) struct DeviceOption {
    /// cpu, cuda, cuda:N, or auto: CUDA where there is a device, else the processor
    #[arg(long = "device", default_value = "auto")]
    device: String,
}

impl DeviceOption {
    pub(crate) fn parse(&self) -> Result<Device, Failure> {
        Ok(Device::parse(&self.device)?)
    }
}

#[derive(Args)]
pub(crate) struct DatasetsOption {
    /// Datasets, by number or by folder name
    #[arg(short = 'd', required = true, num_args = 1.., value_name = "DATASET")]
    datasets: Vec<String>,
}

impl DatasetsOption {
    /// The folder names.
    pub(crate) fn resolve(&self, paths: &Paths) -> Result<Vec<String>, Failure> {
        self.datasets.iter().map(|dataset| Ok(paths.dataset(dataset)?)).collect()
    }
}

#[derive(Args)]
pub(crate) struct ProcessesOption {
    /// Cases at a time [default: nnUNet_def_n_proc, else 8]
    #[arg(long = "np", value_name = "N")]
    processes: Option<usize>,
}

impl ProcessesOption {
    pub(crate) fn get(&self) -> Result<usize, Failure> {
        processes(self.processes, "nnUNet_def_n_proc", 8)
    }
}

/// The trainer config as folders name it: the empty one has two names, and one folder.
pub(crate) fn trainer_folder(name: &str) -> &str {
    if name == "base" { DEFAULT_TRAINER } else { name }
}

/// The folder of a trained model, named by dataset and configuration.
pub(crate) fn model_folder(dataset: &str, trainer: &str, plans: &str, configuration: &str) -> Result<PathBuf, Failure> {
    let paths = Paths::from_env();
    let folder = paths.model(&paths.dataset(dataset)?, trainer_folder(trainer), plans, configuration)?;
    match folder.is_dir() {
        true => Ok(folder),
        false => Err(Failure::Plain(format!("there is no model {}; train it, or name another with -tr, -p and -c", folder.display()))),
    }
}

/// How many cases at a time: as given, else what the variable says, else `default`.
pub(crate) fn processes(given: Option<usize>, variable: &str, default: usize) -> Result<usize, Failure> {
    match (given, env::var(variable)) {
        (Some(number), _) => Ok(number),
        (None, Err(env::VarError::NotPresent)) => Ok(default),
        (None, value) => {
            let value = value.unwrap_or_else(|error| error.to_string());
            value.trim().parse().map_err(|_| Failure::Plain(format!("{variable} is {value:?}; it must be a number of processes, 0 or more")))
        }
    }
}

/// What a variable names; nothing where it is empty.
pub(crate) fn named(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|value| !value.trim().is_empty())
}

/// Whether a variable is set to yes, as nnU-Net reads it.
pub(crate) fn is_on(variable: &str) -> bool {
    env::var(variable).is_ok_and(|value| ["1", "t", "true", "y", "yes", "on"].contains(&value.trim().to_lowercase().as_str()))
}
