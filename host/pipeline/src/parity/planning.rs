//! `plans` and `planner`: fingerprints and the plans that come out of them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use plugin_api::NetworkSpec;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::desk::Desk;
use super::files::Use;
use super::{fingerprint, tolerance};
use crate::dataset::{DatasetJson, training_cases};
use crate::error::Result;
use crate::fingerprint::Fingerprint;
use crate::plan::{Estimate as _, Options, PRESETS, Planned, Plans, plan_experiment};
use crate::splits::Splits;

/// What is no plans file in the folder of a dataset.
const OTHERS: [&str; 5] = ["dataset.json", "dataset_fingerprint.json", "splits_final.json", "calls.json", "vram_trace.json"];

pub(super) fn run(desk: &mut Desk<'_>, section: &str) -> Result<()> {
    let folders: Vec<String> = desk.files.folders_in(section).into_iter().map(|name| format!("{section}/{name}")).collect();
    desk.each(section, &folders, |desk, folder| {
        if section == "plans" {
            desk.attempt(&format!("{folder}/dataset_fingerprint.json"), |desk| fingerprint::dataset(desk, folder));
            desk.attempt(&format!("{folder}/splits_final.json"), |desk| splits(desk, folder));
        }
        plans_in(desk, folder)
    });
    Ok(())
}

/// How a plans file was made.
#[derive(Deserialize)]
struct Call {
    planner: String,
    #[serde(default)]
    kwargs: Kwargs,
}

/// The planner's settings by nnU-Net's names.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Kwargs {
    gpu_memory_target_in_gb: Option<f64>,
    overwrite_target_spacing: Option<[f64; 3]>,
    suppress_transpose: bool,
    preprocessor_name: Option<String>,
}

/// A network that a planner asked the memory of.
#[derive(Deserialize, Serialize)]
struct Estimate {
    patch_size: Vec<usize>,
    strides: Value,
    kernel_sizes: Value,
    estimate: u64,
}

impl Estimate {
    fn network(&self) -> String {
        serde_json::json!([self.patch_size, self.strides, self.kernel_sizes]).to_string()
    }
}

/// The plans files in `folder`, each made again from the fingerprint beside it.
pub(super) fn plans_in(desk: &mut Desk<'_>, folder: &str) -> Result<()> {
    let optional = |name: &str| desk.files.has(&format!("{folder}/{name}"));
    let (has_calls, has_trace) = (optional("calls.json"), optional("vram_trace.json"));
    let dataset: DatasetJson = desk.json(&format!("{folder}/dataset.json"), Use::Input)?;
    let fingerprint: Fingerprint = desk.json(&format!("{folder}/dataset_fingerprint.json"), Use::Input)?;
    let calls: Option<BTreeMap<String, Call>> = if has_calls { Some(desk.json(&format!("{folder}/calls.json"), Use::Input)?) } else { None };
    let traces: BTreeMap<String, Vec<Estimate>> =
        if has_trace { desk.json(&format!("{folder}/vram_trace.json"), Use::Compared)? } else { BTreeMap::new() };
    let mut names: Vec<String> = desk.files.names_in(folder).into_iter().filter(|name| !OTHERS.contains(&name.as_str())).collect();
    names.retain(|name| name.ends_with(".json"));
    let stems: Vec<&str> = names.iter().filter_map(|name| name.strip_suffix(".json")).collect();
    for missing in calls.iter().flat_map(BTreeMap::keys).chain(traces.keys()).filter(|name| !stems.contains(&name.as_str())) {
        desk.fell_short(&format!("{folder}/{missing}.json"), "the file is missing, so there is nothing to compare");
    }
    for stem in stems {
        let file = format!("{folder}/{stem}.json");
        desk.attempt(&file, |desk| {
            let theirs: Value = desk.json(&file, Use::Compared)?;
            let read: Plans = desk.json(&file, Use::Compared)?;
            desk.tree(&format!("{file}: read and written"), &read, &theirs, tolerance::EXACT);
            for name in read.configurations.keys() {
                desk.attempt(&format!("{file}: {name}"), |_| read.configuration(name).map(drop));
            }
            let call = match &calls {
                Some(calls) => calls.get(stem).map(|call| options_of(call, stem)),
                None => options_by_name(&read, stem),
            };
            let Some(options) = call else {
                desk.not_compared(&format!("{file}: planning"), "it is no planner's output under that name, so it was edited by hand");
                return Ok(());
            };
            let (ours, asked) = plan(desk, folder, &dataset, &fingerprint, &options)?;
            desk.each_key(&file, &ours, &theirs, tolerance::PLANS)?;
            if let Some(trace) = traces.get(stem) {
                estimates(desk, &format!("{folder}/vram_trace.json, {stem}"), &asked, trace);
            }
            Ok(())
        });
    }
    Ok(())
}

/// Plans, and the elements of each network that the planner asked for, in order.
fn plan(desk: &Desk<'_>, folder: &str, dataset: &DatasetJson, fingerprint: &Fingerprint, options: &Options) -> Result<(Plans, Vec<Estimate>)> {
    let asked = RefCell::new(Vec::new());
    let planned = Planned::by_plan(desk.options.registry);
    let estimate = |spec: &NetworkSpec| {
        let estimate = planned.size(spec)?;
        let kwargs = |key: &str| spec.arch_kwargs.get(key).cloned().unwrap_or_default();
        asked.borrow_mut().push(Estimate {
            patch_size: spec.patch_size.clone(),
            strides: kwargs("strides"),
            kernel_sizes: kwargs("kernel_sizes"),
            estimate,
        });
        Ok(estimate)
    };
    let name = folder.rsplit('/').next().unwrap_or(folder);
    let plans = plan_experiment(name, dataset, fingerprint, options, &estimate)?;
    Ok((plans, asked.into_inner()))
}

/// Every network that nnU-Net's planner asked for must be one that ours asked for, with the same figure.
fn estimates(desk: &mut Desk<'_>, what: &str, ours: &[Estimate], theirs: &[Estimate]) {
    let known: BTreeMap<String, u64> = ours.iter().map(|asked| (asked.network(), asked.estimate)).collect();
    let found: Vec<Option<u64>> = theirs.iter().map(|asked| known.get(&asked.network()).copied()).collect();
    let wanted: Vec<Option<u64>> = theirs.iter().map(|asked| Some(asked.estimate)).collect();
    desk.exact(&format!("{what}: elements of {} networks", theirs.len()), &found, &wanted);
}

fn options_of(call: &Call, stem: &str) -> Options {
    let default = Options::default();
    Options {
        trainer: None,
        planner: call.planner.clone(),
        gpu_memory_target: call.kwargs.gpu_memory_target_in_gb,
        target_spacing: call.kwargs.overwrite_target_spacing,
        suppress_transpose: call.kwargs.suppress_transpose,
        preprocessor: call.kwargs.preprocessor_name.clone().unwrap_or(default.preprocessor),
        plans_name: Some(stem.to_owned()),
    }
}

/// Without a `calls.json`: the planner that the plans name, with the memory of a name's end `_gpu24`. A name that is not the planner's own
/// with such an end is that of plans that were edited.
fn options_by_name(plans: &Plans, stem: &str) -> Option<Options> {
    let planner = PRESETS.into_iter().find(|preset| preset.name == plans.experiment_planner_used);
    let end = match planner {
        Some(planner) => stem.strip_prefix(planner.plans_name)?,
        // one that is not there is an error of the planning, which says so
        None => "",
    };
    let gpu_memory_target = match end {
        "" => None,
        end => Some(end.strip_prefix("_gpu")?.parse().ok()?),
    };
    let preprocessor = plans.configurations.values().find_map(|configuration| configuration.get("preprocessor_name")?.as_str());
    Some(Options {
        planner: plans.experiment_planner_used.clone(),
        gpu_memory_target,
        preprocessor: preprocessor.map_or_else(|| Options::default().preprocessor, str::to_owned),
        plans_name: Some(stem.to_owned()),
        ..Options::default()
    })
}

/// `splits_final.json` of the dataset's cases: all that it validates, and the raw images' where those are there.
fn splits(desk: &mut Desk<'_>, folder: &str) -> Result<()> {
    let file = format!("{folder}/splits_final.json");
    if !desk.files.has(&file) {
        return Ok(());
    }
    let theirs: Splits = desk.json(&file, Use::Compared)?;
    let mut cases: Vec<String> = theirs.0.iter().flat_map(|split| split.val.clone()).collect();
    cases.sort();
    desk.exact(&file, &Splits::create(&cases)?, &theirs);
    let name = folder.rsplit('/').next().unwrap_or(folder);
    if let Some(raw) = desk.raw(folder, name) {
        let found: Vec<String> = training_cases(&raw, &DatasetJson::read(&raw)?)?.into_iter().map(|case| case.name).collect();
        desk.exact(&format!("{file}: cases"), &found, &cases);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_setting_of_a_planner_is_not_passed_over() {
        let call = |kwargs: &str| serde_json::from_str::<Call>(&format!(r#"{{"planner": "X", "kwargs": {kwargs}}}"#));
        assert_eq!(options_of(&call(r#"{"gpu_memory_target_in_gb": 24}"#).unwrap(), "n").gpu_memory_target, Some(24.0));
        assert!(call(r#"{"gpu_memory": 24}"#).is_err());
    }
}
