//! Checks of planners: whole plannings for datasets of all sorts.

use crate::validate::{Failed, Found, Target, calls, fail, pass, warn};
use pipeline::{
    dataset::DatasetJson,
    fingerprint::Fingerprint,
    plan::{self, Planned, Plans},
};
use plugin_api::json;
use registry::Kind;
use serde_json::Value;

/// A dataset by its channels, the spacing (mm) and the shape (voxels) of its median image, and how much the others differ.
struct Sort {
    name: &'static str,
    channels: &'static [&'static str],
    spacing: [f64; 3],
    shape: [usize; 3],
    spread: f64,
}

const SORTS: [Sort; 5] = [
    Sort { name: "Dataset901_Cubes", channels: &["MRI"], spacing: [1.0; 3], shape: [36, 50, 35], spread: 0.1 },
    Sort { name: "Dataset902_Thick", channels: &["CT"], spacing: [5.0, 0.8, 0.8], shape: [60, 512, 512], spread: 0.2 },
    Sort { name: "Dataset903_Slices", channels: &["R", "G", "B"], spacing: [999.0, 1.0, 1.0], shape: [1, 512, 512], spread: 0.0 },
    Sort { name: "Dataset904_Large", channels: &["CT"], spacing: [0.6, 0.5, 0.5], shape: [500, 600, 600], spread: 0.1 },
    Sort { name: "Dataset905_Mixed", channels: &["T1", "T2", "FLAIR", "T1c"], spacing: [2.0, 1.0, 1.2], shape: [80, 190, 160], spread: 0.5 },
];
const CASES: usize = 20;

impl Sort {
    fn dataset(&self) -> Result<DatasetJson, Failed> {
        let names: serde_json::Map<String, Value> = self.channels.iter().enumerate().map(|(i, c)| (i.to_string(), json!(c))).collect();
        let labels = json!({"background": 0, "organ": 1, "lesion": 2});
        Ok(serde_json::from_value(json!({"channel_names": names, "labels": labels, "numTraining": CASES, "file_ending": ".nii.gz"}))?)
    }

    fn fingerprint(&self) -> Result<Fingerprint, Failed> {
        // from -1 to 1 over the cases
        let place = |case: usize| 2.0 * case as f64 / (CASES - 1) as f64 - 1.0;
        let scaled = |case: usize| 1.0 + self.spread * place(case);
        let facts =
            json!({"max": 300.0, "mean": 120.0, "median": 118.0, "min": -100.0, "percentile_00_5": -50.0, "percentile_99_5": 250.0, "std": 40.0});
        let intensities: serde_json::Map<String, Value> = (0..self.channels.len()).map(|i| (i.to_string(), facts.clone())).collect();
        Ok(Fingerprint {
            foreground_intensity_properties_per_channel: intensities,
            median_relative_size_after_cropping: 0.9,
            shapes_after_crop: (0..CASES).map(|c| self.shape.map(|n| ((n as f64 * scaled(c)) as usize).max(1))).collect(),
            spacings: (0..CASES).map(|c| self.spacing.map(|mm| mm / scaled(c))).collect(),
        })
    }

    /// Plans by the planner, or by the host's own.
    fn plans(&self, on: &Target, with: bool) -> Result<Plans, Failed> {
        let registry = on.registry()?;
        let plugin = with.then(|| registry.hook(Kind::Planner, on.name())).transpose()?;
        let planner = if with { on.name().into() } else { plan::Options::default().planner };
        // folders of cases have the plans' name in theirs
        let options = plan::Options { planner, plans_name: Some("nnUNetPlans".into()), ..plan::Options::default() };
        let network = Planned::by_plan(&registry);
        Ok(plan::plan_with(plugin.as_ref(), self.name, &self.dataset()?, &self.fingerprint()?, &options, &network)?)
    }
}

/// The configurations without the folders of their cases, which are called after the planner.
fn nameless(plans: &Plans) -> Vec<Value> {
    let mut all: Vec<Value> = plans.configurations.values().cloned().collect();
    all.iter_mut().filter_map(Value::as_object_mut).for_each(|c| drop(c.remove("data_identifier")));
    all
}

pub(in crate::validate) fn plans(on: &Target) -> Found {
    let (mut configurations, mut changed) = (0, false);
    for sort in &SORTS {
        let plans = match sort.plans(on, true) {
            Ok(plans) => plans,
            Err(error) => return fail(format!("no plans for {}: {error}", sort.name)),
        };
        let text = serde_json::to_string(&plans)?;
        if let Err(error) = serde_json::from_str::<Plans>(&text) {
            return fail(format!("the plans for {} cannot be read back: {error}", sort.name));
        }
        configurations += plans.configurations.len();
        changed |= nameless(&sort.plans(on, false)?) != nameless(&plans);
    }
    if !changed {
        return warn(format!("its configurations are the host's own for all {} datasets that it was asked about", SORTS.len()));
    }
    pass(format!("{configurations} configurations for {} datasets", SORTS.len()))
}

pub(in crate::validate) fn deterministic(on: &Target) -> Found {
    calls::same(|| {
        let text = |sort: &Sort| sort.plans(on, true).map_err(|e| e.to_string()).and_then(|p| serde_json::to_string(&p).map_err(|e| e.to_string()));
        SORTS[..3].iter().map(text).collect::<Result<Vec<_>, _>>()
    })
}
