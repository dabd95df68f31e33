//! The commands. A new one is a file with its flags and its `run`, and its lines here.

mod accumulate_crossval_results;
mod apply_postprocessing;
mod cluster;
mod completions;
mod convert_msd_dataset;
mod convert_old_nnunet_dataset;
mod demo;
mod determine_postprocessing;
mod doctor;
mod download_pretrained_model_by_url;
mod ensemble;
mod evaluate_folder;
mod evaluate_simple;
mod export_model_to_zip;
mod export_onnx;
mod extract_fingerprint;
mod find_best_configuration;
mod generate_dataset_json;
mod install_plugin;
mod install_pretrained_model_from_zip;
mod link;
mod list_plugins;
mod man;
mod monitor;
mod move_plans_between_datasets;
mod new_plugin;
mod package_plugin;
mod parity;
mod plan_and_preprocess;
mod plan_experiment;
mod plans;
mod plot_overlay_pngs;
mod plugin_key;
mod predict;
mod predict_from_modelfolder;
mod preprocess;
mod relabel;
mod remove_plugin;
mod report;
mod selftest;
mod sign_plugin;
mod split;
mod status;
mod train;
mod trust;
mod validate_plugin;
mod verify;

use crate::{arguments::PREFIX, failure::Failure, options};
use clap::{ArgMatches, Parser, error::ErrorKind};
use std::ffi::OsString;

/// In the order of the help.
const ALL: &[Entry] = &[
    Entry::nnunet::<extract_fingerprint::ExtractFingerprint>(),
    Entry::nnunet::<plan_experiment::PlanExperiment>(),
    Entry::nnunet::<preprocess::Preprocess>(),
    Entry::nnunet::<plan_and_preprocess::PlanAndPreprocess>(),
    Entry::nnunet::<train::Train>(),
    Entry::own::<status::Status>(),
    Entry::own::<monitor::Monitor>(),
    Entry::own::<cluster::Cluster>(),
    Entry::nnunet::<predict::Predict>(),
    Entry::nnunet::<predict_from_modelfolder::PredictFromModelfolder>(),
    Entry::nnunet::<evaluate_folder::EvaluateFolder>(),
    Entry::nnunet::<evaluate_simple::EvaluateSimple>(),
    Entry::own::<plans::PlansCommand>(),
    Entry::own::<report::ReportCommand>(),
    Entry::own::<generate_dataset_json::GenerateDatasetJson>(),
    Entry::own::<verify::Verify>(),
    Entry::own::<relabel::Relabel>(),
    Entry::own::<split::SplitCommand>(),
    Entry::nnunet::<accumulate_crossval_results::AccumulateCrossvalResults>(),
    Entry::nnunet::<find_best_configuration::FindBestConfiguration>(),
    Entry::nnunet::<ensemble::Ensemble>(),
    Entry::nnunet::<determine_postprocessing::DeterminePostprocessing>(),
    Entry::nnunet::<apply_postprocessing::ApplyPostprocessing>(),
    Entry::nnunet::<export_model_to_zip::ExportModelToZip>(),
    Entry::own::<export_onnx::ExportOnnx>(),
    Entry::nnunet::<install_pretrained_model_from_zip::InstallPretrainedModelFromZip>(),
    Entry::nnunet::<download_pretrained_model_by_url::DownloadPretrainedModelByUrl>(),
    Entry::nnunet::<move_plans_between_datasets::MovePlansBetweenDatasets>(),
    Entry::nnunet::<convert_msd_dataset::ConvertMsdDataset>(),
    Entry::nnunet::<convert_old_nnunet_dataset::ConvertOldNnunetDataset>(),
    Entry::nnunet::<plot_overlay_pngs::PlotOverlayPngs>(),
    Entry::own::<list_plugins::ListPlugins>(),
    Entry::own::<install_plugin::InstallPlugin>(),
    Entry::own::<remove_plugin::RemovePlugin>(),
    Entry::own::<trust::Trust>(),
    Entry::own::<new_plugin::NewPluginCommand>(),
    Entry::own::<plugin_key::PluginKey>(),
    Entry::own::<sign_plugin::SignPlugin>(),
    Entry::own::<package_plugin::PackagePlugin>(),
    Entry::own::<validate_plugin::ValidatePlugin>(),
    Entry::own::<validate_plugin::RunCheck>(),
    Entry::own::<parity::ParityCommand>(),
    Entry::own::<doctor::Doctor>(),
    Entry::own::<selftest::Selftest>(),
    Entry::own::<demo::Demo>(),
    Entry::own::<link::Link>(),
    Entry::own::<completions::Completions>(),
    Entry::own::<man::Man>(),
];

/// A command: its flags are its fields.
pub(crate) trait Run: Parser {
    /// Does it.
    fn run(self) -> Result<(), Failure>;
}

struct Entry {
    command: fn() -> clap::Command,
    run: fn(&ArgMatches) -> Result<(), Failure>,
    /// nnU-Net has it too, as `nnUNetv2_NAME`.
    nnunet: bool,
}

impl Entry {
    const fn own<C: Run>() -> Self {
        Entry { command: C::command, run: |matches| C::from_arg_matches(matches)?.run(), nnunet: false }
    }

    const fn nnunet<C: Run>() -> Self {
        Entry { nnunet: true, ..Self::own::<C>() }
    }

    fn command(&self) -> clap::Command {
        (self.command)().args(options::everywhere())
    }

    fn name(&self) -> String {
        (self.command)().get_name().to_owned()
    }
}

/// nnU-Net's names of the commands that it has too.
pub(crate) fn nnunet_names() -> Vec<String> {
    ALL.iter().filter(|entry| entry.nnunet).map(|entry| format!("{PREFIX}{}", entry.name())).collect()
}

/// A command that was asked for.
pub(crate) struct Call {
    run: fn(&ArgMatches) -> Result<(), Failure>,
    matches: ArgMatches,
}

impl Call {
    /// Does it.
    pub(crate) fn run(self) -> Result<(), Failure> {
        options::apply_everywhere(&self.matches)?;
        (self.run)(&self.matches)
    }
}

/// Understands the arguments behind the program's name; `called_as` is the command that the program was called as, if any.
pub(crate) fn parse(called_as: Option<&str>, arguments: Vec<OsString>) -> Result<Call, clap::Error> {
    let entry = |name: &str| ALL.iter().find(|entry| entry.name() == name);
    if let Some(name) = called_as {
        let Some(entry) = entry(name).filter(|entry| entry.nnunet) else {
            let known = nnunet_names().join(", ");
            return Err(clap::Error::raw(ErrorKind::InvalidSubcommand, format!("there is no {PREFIX}{name} here; there are {known}\n")));
        };
        let command = entry.command().name(format!("{PREFIX}{name}")).no_binary_name(true);
        return Ok(Call { run: entry.run, matches: command.try_get_matches_from(arguments)? });
    }
    let mut matches = host().try_get_matches_from(arguments)?;
    match matches.remove_subcommand().and_then(|(name, matches)| entry(&name).map(|entry| Call { run: entry.run, matches })) {
        Some(call) => Ok(call),
        None => Err(host().error(ErrorKind::MissingSubcommand, "name a command; `host --help` lists them")),
    }
}

/// The program with all its commands: what is parsed, and what help, man pages and completions are made of.
pub(crate) fn host() -> clap::Command {
    clap::Command::new("host")
        .bin_name("host")
        .version(env!("CARGO_PKG_VERSION"))
        .about("nnU-Net as one program: from medical images to trained, applied and scored segmentation models")
        .after_help(
            "Datasets and models lie where nnUNet_raw, nnUNet_preprocessed and nnUNet_results say, or in these folders of --root DIR. `host link DIR` makes nnU-Net's own names \
             (nnUNetv2_train ...). Every option may have one dash or two.",
        )
        .no_binary_name(true)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(ALL.iter().map(Entry::command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_finds_no_fault() {
        host().debug_assert();
    }

    #[test]
    fn names_are_unique_and_nnunets() {
        let mut names: Vec<String> = ALL.iter().map(Entry::name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        assert!(nnunet_names().contains(&"nnUNetv2_plan_and_preprocess".to_owned()));
    }
}
