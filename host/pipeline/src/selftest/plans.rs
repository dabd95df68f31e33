//! Plans for typical data, made by the planners of the host.

use crate::{
    dataset::{DatasetJson, label_name},
    error::{Error, Result},
    fingerprint::Fingerprint,
    plan::{self, Planned},
};
use plugin_api::NetworkSpec;
use registry::Registry;
use serde_json::{Map, Value, json};

/// The planners whose networks are timed.
const PLANNERS: [(&str, &str); 3] = [("Plain", "ExperimentPlanner"), ("ResEnc-M", "nnUNetPlannerResEncM"), ("ResEnc-L", "nnUNetPlannerResEncL")];

/// Data that plans are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BenchSet {
    /// CT with voxels that are about as long as wide.
    Ct,
    /// MRI of the prostate: thick slices, two channels.
    Prostate,
    /// MRI of brain tumours: four channels, cropped.
    Brats,
    /// Grey pictures.
    Flat,
}

/// A network to time, and the size of its batch.
pub(super) struct Network {
    pub(super) network: &'static str,
    pub(super) spec: NetworkSpec,
    pub(super) batch: usize,
}

/// What a dataset of that kind has: channels, classes, cases, median spacing (mm) and shape, share that cropping leaves, ending, configuration.
struct Data {
    channels: &'static [&'static str],
    classes: usize,
    cases: usize,
    spacing: [f64; 3],
    shape: [usize; 3],
    left: f64,
    ending: &'static str,
    configuration: &'static str,
}

impl BenchSet {
    pub(super) fn part(self) -> &'static str {
        match self {
            BenchSet::Ct => "bench-ct",
            BenchSet::Prostate => "bench-prostate",
            BenchSet::Brats => "bench-brats",
            BenchSet::Flat => "bench-2d",
        }
    }

    fn data(self) -> Data {
        let volume = Data {
            channels: &["CT"],
            classes: 3,
            cases: 40,
            spacing: [1.05, 0.8, 0.8],
            shape: [300, 512, 512],
            left: 1.0,
            ending: ".nii.gz",
            configuration: "3d_fullres",
        };
        match self {
            BenchSet::Ct => volume,
            BenchSet::Prostate => Data { channels: &["T2", "ADC"], spacing: [3.5, 0.6, 0.6], shape: [20, 312, 316], ..volume },
            BenchSet::Brats => {
                let channels = &["T1", "T1ce", "T2", "FLAIR"];
                Data { channels, classes: 4, cases: 484, spacing: [1.0; 3], shape: [140, 171, 136], left: 0.42, ..volume }
            }
            BenchSet::Flat => {
                let (spacing, shape) = ([999.0, 1.0, 1.0], [1, 325, 251]);
                Data { channels: &["noNorm"], classes: 5, cases: 120, spacing, shape, ending: ".png", configuration: "2d", ..volume }
            }
        }
    }

    /// What the planners make of it, each for its own memory.
    pub(super) fn plans(self, registry: &Registry) -> Result<Vec<Network>> {
        let data = self.data();
        let dataset = data.dataset()?;
        let labels = dataset.label_manager()?;
        let intensities =
            json!({"mean": 100.0, "std": 50.0, "median": 90.0, "min": 0.0, "max": 1000.0, "percentile_00_5": 1.0, "percentile_99_5": 500.0});
        let fingerprint = Fingerprint {
            foreground_intensity_properties_per_channel: (0..data.channels.len()).map(|c| (c.to_string(), intensities.clone())).collect(),
            median_relative_size_after_cropping: data.left,
            shapes_after_crop: vec![data.shape; data.cases],
            spacings: vec![data.spacing; data.cases],
        };
        let planned = |(network, planner): (&'static str, &str)| {
            let options = plan::Options { planner: planner.into(), ..plan::Options::default() };
            let plans = plan::plan_experiment("Dataset998_Bench", &dataset, &fingerprint, &options, &Planned::by_plan(registry))?;
            let configuration = plans.configuration(data.configuration)?;
            Ok(Network { network, spec: configuration.network_of(&dataset, &labels, true), batch: configuration.batch_size })
        };
        PLANNERS.into_iter().map(planned).collect()
    }
}

impl Data {
    fn dataset(&self) -> Result<DatasetJson> {
        let labels: Map<String, Value> = (0..self.classes).map(|label| (label_name(label as i16), json!(label))).collect();
        let channels: Map<String, Value> = self.channels.iter().enumerate().map(|(i, name)| (i.to_string(), json!(name))).collect();
        let about = json!({"channel_names": channels, "labels": labels, "numTraining": self.cases, "file_ending": self.ending});
        serde_json::from_value(about).map_err(|error| Error::invalid(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same patches and batches as the reference plans of such data.
    #[test]
    fn plans_are_those_of_typical_data() {
        standard::link();
        let (_folder, registry) = crate::test_data::registry_of_tests();
        let plain = |set: BenchSet| {
            let planned = set.plans(&registry).unwrap().swap_remove(0);
            (planned.spec.patch_size, planned.batch)
        };
        assert_eq!(plain(BenchSet::Ct), (vec![96, 160, 160], 2));
        assert_eq!(plain(BenchSet::Prostate), (vec![20, 256, 320], 2));
        assert_eq!(plain(BenchSet::Brats), (vec![128, 160, 112], 2));
        assert_eq!(plain(BenchSet::Flat).0, [384, 256]);
    }
}
