//! `plans`

use super::Run;
use crate::{failure::Failure, options::PluginOptions, show};
use clap::Subcommand;
use pipeline::{
    dataset::DatasetJson,
    diagram, json,
    paths::Paths,
    plan::{self, Configuration, Plans, Stages},
};
use registry::Registry;
use std::path::{Path, PathBuf};

/// Look at plans: whether they can be followed, what their networks cost, and what was changed
#[derive(clap::Parser)]
#[command(name = "plans")]
pub(crate) struct PlansCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Say what cannot be followed or has no effect: the axis and divisor of a patch, unknown keys, lists of the wrong length
    Check {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        plugins: PluginOptions,
    },
    /// Print each configuration with its network, stage by stage: size, parameters, GFLOP and memory
    Show {
        #[command(flatten)]
        which: Which,
        /// Only this configuration
        #[arg(short = 'c', value_name = "CONFIG")]
        configuration: Option<String>,
        /// Draw the network of one configuration, too: FILE.svg or FILE.pdf
        #[arg(long, value_name = "FILE")]
        diagram: Option<PathBuf>,
        #[command(flatten)]
        plugins: PluginOptions,
    },
    /// Print the keys that differ between two plans files
    Diff {
        /// Plans file
        first: PathBuf,
        /// Plans file
        second: PathBuf,
    },
}

#[derive(clap::Args)]
struct Which {
    /// A plans file, a folder with plans.json, or a dataset by number or folder name
    plans: String,
    /// Name of a dataset's plans
    #[arg(short = 'p', value_name = "NAME", default_value = "nnUNetPlans")]
    name: String,
}

impl Which {
    fn file(&self) -> Result<PathBuf, Failure> {
        let path = Path::new(&self.plans);
        if path.is_dir() {
            return Ok(path.join("plans.json"));
        }
        if path.exists() || path.extension().is_some_and(|ending| ending == "json") {
            return Ok(path.to_owned());
        }
        let paths = Paths::from_env();
        let dataset = paths.dataset(&self.plans)?;
        Ok(paths.preprocessed()?.join(dataset).join(format!("{}.json", self.name)))
    }
}

impl Run for PlansCommand {
    fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Check { which, plugins } => check(&which.file()?, &plugins.open()?),
            Action::Show { which, configuration, diagram, plugins } => {
                show_plans(&which.file()?, configuration.as_deref(), diagram.as_deref(), &plugins.open()?)
            }
            Action::Diff { first, second } => {
                for difference in plan::difference(&json::read(&first)?, &json::read(&second)?) {
                    show::line(&difference.to_string());
                }
                Ok(())
            }
        }
    }
}

fn check(file: &Path, registry: &Registry) -> Result<(), Failure> {
    let plans = Plans::read(file)?;
    let mut remarks = plan::review(&plans);
    if !remarks.iter().any(|remark| remark.fatal) {
        let dataset = dataset_of(file)?;
        for name in plans.configurations.keys() {
            let configuration = plans.configuration(name)?;
            if let Err(error) = plan::trace(registry, &configuration, &dataset, configuration.batch_size) {
                remarks.push(plan::Remark { configuration: Some(name.clone()), fatal: true, text: error.to_string() });
            }
        }
    }
    remarks.iter().for_each(|remark| show::line(&remark.to_string()));
    match remarks.iter().filter(|remark| remark.fatal).count() {
        0 => {
            show::line(&format!("{}: {} configurations can be followed", file.display(), plans.configurations.len()));
            Ok(())
        }
        faults => Err(Failure::Plain(format!("{}: {faults} of the above keep it from being followed", file.display()))),
    }
}

fn show_plans(file: &Path, wanted: Option<&str>, diagram: Option<&Path>, registry: &Registry) -> Result<(), Failure> {
    let (plans, dataset) = (Plans::read(file)?, dataset_of(file)?);
    let names: Vec<&str> = wanted.map_or_else(|| plans.configurations.keys().map(String::as_str).collect(), |name| vec![name]);
    if let (Some(_), [_, _, ..]) = (diagram, names.as_slice()) {
        return Err(Failure::usage(format!("-diagram draws one network; name one of {} with -c", names.join(", "))));
    }
    for name in names {
        let configuration = plans.configuration(name)?;
        if let Some(path) = diagram {
            let class = configuration.architecture.network_class_name.rsplit('.').next().unwrap_or_default();
            diagram::draw(path, &format!("{class} of {}, {name}", plans.plans_name), &plan::trace(registry, &configuration, &dataset, 1)?)?;
        }
        show::line(&describe(name, &configuration, &plan::stages(registry, &configuration, &dataset)?));
        if let Some(path) = diagram {
            show::line(&format!("{}: the network", path.display()));
        }
    }
    Ok(())
}

/// The dataset that the plans lie beside: it says how many channels and classes there are.
fn dataset_of(file: &Path) -> Result<DatasetJson, Failure> {
    Ok(DatasetJson::read(file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))?)
}

fn describe(name: &str, configuration: &Configuration, stages: &Stages) -> String {
    let list = |numbers: &[usize]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join("x");
    let spacing = configuration.spacing.iter().map(|s| format!("{s:.3}")).collect::<Vec<_>>().join(" ");
    let class = configuration.architecture.network_class_name.rsplit('.').next().unwrap_or_default();
    let (patch, batch) = (list(&configuration.patch_size), configuration.batch_size);
    let head = format!(
        "{name}\n  patch {patch}, batch {batch}, spacing {spacing} mm, {}\n  {class}: {} parameters, {:.1} GFLOP a sample; activations {} in training, {} in prediction\n",
        configuration.normalization_schemes.join(", "),
        stages.parameters,
        stages.flops as f64 / 1e9,
        memory(stages.training_bytes),
        memory(stages.inference_bytes)
    );
    let mut rows = vec![["part", "output (C, spatial)", "parameters", "GFLOP", "activations"].map(str::to_owned)];
    rows.extend(stages.parts.iter().map(|part| {
        let output = list(part.output.get(1..).unwrap_or_default());
        [part.name.clone(), output, part.parameters.to_string(), format!("{:.2}", part.flops as f64 / 1e9), memory(part.activation_bytes)]
    }));
    let table = show::columns(&rows, &[show::Side::Left, show::Side::Right]);
    format!("{head}  {}\n", table.replace('\n', "\n  "))
}

fn memory(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    if mib < 1024.0 { format!("{mib:.1} MiB") } else { format!("{:.2} GiB", mib / 1024.0) }
}
