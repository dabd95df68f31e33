//! Options that several commands have, and the environment behind them.

use crate::{failure::Failure, show};
use clap::{Arg, ArgAction, ArgMatches, Args, value_parser};
use engine::{Device, Devices, Precision};
use pipeline::{
    memory,
    paths::{self, Paths, quoted},
    switch,
};
use registry::{DEFAULT_TRAINER, Level, Registry};
use std::{
    env,
    path::{Path, PathBuf},
};

/// The options of every command.
pub(crate) fn everywhere() -> [Arg; 3] {
    let root = Arg::new("root").long("root").value_name("DIR").value_parser(value_parser!(PathBuf));
    let max_ram = Arg::new("max-ram").long("max-ram").value_name("GIB").value_parser(gib);
    let verbose = Arg::new("verbose").long("verbose").action(ArgAction::SetTrue);
    [
        root.help("Folder of nnUNet_raw, nnUNet_preprocessed and nnUNet_results, instead of the three variables"),
        max_ram.help("Memory that the command may take, GiB: fewer cases at a time, or a refusal with the sizes [default: what is free]"),
        verbose.help("Say more (also: nnUNet_verbose=true)"),
    ]
    .map(|option| option.global(true).help_heading("Options of every command"))
}

fn gib(text: &str) -> Result<u64, String> {
    let number: f64 = text.parse().map_err(|_| "wanted a number of GiB such as 4 or 0.5".to_owned())?;
    if number > 0.0 && number.is_finite() { Ok((number * memory::GIB) as u64) } else { Err("wanted more than 0 GiB".to_owned()) }
}

/// Does what the options of every command say; comes before the command.
pub(crate) fn apply_everywhere(matches: &ArgMatches) -> Result<(), Failure> {
    let asked = switch::read("nnUNet_verbose")?.unwrap_or(false);
    show::log(asked || matches.get_flag("verbose"));
    if let Some(&bytes) = matches.get_one::<u64>("max-ram") {
        memory::set_budget(bytes);
    }
    if let Some(root) = matches.get_one::<PathBuf>("root") {
        if !root.is_dir() {
            return Err(Failure::Plain(format!("--root {} is no folder; make it, with nnUNet_raw in it", root.display())));
        }
        paths::set_root(std::path::absolute(root).map_err(|source| Failure::Io { action: "find", path: root.clone(), source })?);
    }
    Ok(())
}

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

    /// The same options for a command that runs in another folder.
    pub(crate) fn arguments(&self) -> Result<Vec<String>, Failure> {
        let mut arguments = vec![];
        for folder in &self.folders {
            arguments.extend(["--plugins-dir".into(), absolute(folder)?.display().to_string()]);
        }
        if self.dev {
            arguments.push("--dev-plugins".into());
        }
        if let Some(level) = self.level {
            arguments.extend(["--plugin-trust".into(), level.to_string()]);
        }
        Ok(arguments)
    }

    /// The same as text, a space before each.
    pub(crate) fn flags(&self) -> Result<String, Failure> {
        Ok(self.arguments()?.iter().map(|argument| format!(" {}", quoted(Path::new(argument)))).collect())
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

/// Devices with the precision that `nnUNet_use_amp` asks for, if it is set.
pub(crate) fn precise(devices: Devices) -> Result<Devices, Failure> {
    Ok(match switch::read("nnUNet_use_amp")? {
        None => devices,
        Some(mixed) => devices.with_precision(if mixed { Precision::Mixed } else { Precision::F32 }),
    })
}

impl DeviceOption {
    pub(crate) fn parse(&self) -> Result<Device, Failure> {
        Ok(precise(Device::parse(&self.device)?.into())?.lead().clone())
    }

    /// So many of them.
    pub(crate) fn several(&self, count: usize) -> Result<Devices, Failure> {
        precise(Devices::parse(&self.device, count)?)
    }

    /// As it was given.
    pub(crate) fn name(&self) -> &str {
        &self.device
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

/// The path for a command that runs in another folder.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|source| Failure::Io { action: "find", path: path.into(), source })
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
