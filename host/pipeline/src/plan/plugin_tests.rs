//! Planner plugins, linked into the tests through the very registration that files use.

use super::tests::{example, planning_size};
use super::*;
use crate::dataset::DatasetJson;
use crate::error::Result;
use crate::fingerprint::Fingerprint;
use crate::test_data::registry_of_tests;
use plugin_api::prelude::{
    BatchQuestion, ChannelNormalization, Deserialize, LowresQuestion, PatchQuestion, Planner, PlannerSetup, PlanningDataset, PlansQuestion,
    SchemesQuestion, Spacing, SpacingQuestion, Topology as Stages, TopologyQuestion, TransposeQuestion,
};
use plugin_api::{Result as Answer, Value, json};
use serde_json::Map;

macro_rules! planner {
    ($name:literal, $ty:ident, { $($step:item)* }) => {
        #[derive(Default, Deserialize)]
        struct $ty {}
        impl Planner for $ty { $($step)* }
        plugin_api::register_planner!($name, $ty, "test: a planner");
    };
}

planner!("test_patch", PatchOf32, {
    fn patch_size(&self, q: &PatchQuestion, host: Vec<usize>) -> Answer<Vec<usize>> {
        assert!(q.memory_gib == 8.0 && q.topology.divisors().iter().zip(&host).all(|(d, n)| n % d == 0));
        assert_eq!((q.dataset.channel_names.as_slice(), q.dataset.outputs), (&["MRI".to_owned()][..], 3));
        Ok(vec![32; host.len()])
    }
});
planner!("test_odd_patch", OddPatch, {
    fn patch_size(&self, _: &PatchQuestion, host: Vec<usize>) -> Answer<Vec<usize>> {
        Ok(host.iter().map(|_| 33).collect())
    }
});
planner!("test_huge_patch", HugePatch, {
    fn patch_size(&self, q: &PatchQuestion, host: Vec<usize>) -> Answer<Vec<usize>> {
        Ok(if q.configuration == "2d" { host } else { vec![512; 3] })
    }
});
planner!("test_huge_batch", HugeBatch, {
    fn batch_size(&self, q: &BatchQuestion, _: usize) -> Answer<usize> {
        Ok(q.fitting + 1)
    }
});
planner!("test_shallow", Shallow, {
    fn topology(&self, q: &TopologyQuestion, host: Stages) -> Answer<Stages> {
        assert!(q.patch.iter().all(|&n| n >= 1.0) && q.spacing.len() == q.patch.len());
        Ok(Stages { strides: host.strides[..2].to_vec(), kernels: host.kernels[..2].to_vec() })
    }
});
planner!("test_all_steps", AllSteps, {
    fn setup(&self, dataset: &PlanningDataset, host: PlannerSetup) -> Answer<PlannerSetup> {
        assert_eq!((host.base.as_str(), host.plans_name.as_str(), dataset.num_training), ("ExperimentPlanner", "test_all_stepsPlans", 60));
        Ok(PlannerSetup { base: "nnUNetPlannerResEncM".into(), plans_name: "myPlans".into() })
    }
    fn target_spacing(&self, _: &SpacingQuestion, host: Spacing) -> Answer<Spacing> {
        Ok(Spacing([host[0], host[1] * 0.5, host[2]]))
    }
    fn transpose(&self, q: &TransposeQuestion, host: [usize; 3]) -> Answer<[usize; 3]> {
        assert_eq!((q.target_spacing, host), (Spacing([1.0, 0.5, 1.0]), [0, 1, 2]));
        Ok([1, 0, 2])
    }
    fn normalization(&self, _: &SchemesQuestion, host: Vec<ChannelNormalization>) -> Answer<Vec<ChannelNormalization>> {
        assert_eq!(host, [ChannelNormalization { scheme: "ZScoreNormalization".into(), use_mask: false }]);
        Ok(vec![ChannelNormalization { scheme: "Mine".into(), use_mask: true }])
    }
    fn batch_size(&self, _: &BatchQuestion, _: usize) -> Answer<usize> {
        Ok(3)
    }
    fn lowres_spacing(&self, q: &LowresQuestion, host: Option<Spacing>) -> Answer<Option<Spacing>> {
        assert_eq!((q.spacing, host), (Spacing([0.5, 1.0, 1.0]), None));
        Ok(Some(Spacing::isotropic(2.0)))
    }
    fn plans(&self, _: &PlansQuestion, mut host: Value) -> Answer<Value> {
        host["configurations"]["mine"] = json!({"inherits_from": "3d_fullres", "batch_size": 5});
        host["made_by"] = "a test".into();
        Ok(host)
    }
});
planner!("test_broken_plans", BrokenPlans, {
    fn plans(&self, _: &PlansQuestion, mut host: Value) -> Answer<Value> {
        host["configurations"]["3d_fullres"]["patch_size"] = json!([40, 56, 41]);
        Ok(host)
    }
});
planner!("test_panics", Panics, {
    fn patch_size(&self, _: &PatchQuestion, _: Vec<usize>) -> Answer<Vec<usize>> {
        panic!("no patch today")
    }
});

fn planned(name: &str) -> Result<Plans> {
    let dataset: DatasetJson = serde_json::from_value(
        json!({"channel_names": {"0": "MRI"}, "labels": {"background": 0, "a": 1, "b": 2}, "numTraining": 60, "file_ending": ".nii.gz"}),
    )
    .unwrap();
    let fingerprint = Fingerprint {
        foreground_intensity_properties_per_channel: Map::new(),
        median_relative_size_after_cropping: 1.0,
        shapes_after_crop: vec![[36, 50, 35]],
        spacings: vec![[1.0; 3]],
    };
    let (_dir, registry) = registry_of_tests();
    let plugin = planner_plugin(&registry, name)?;
    let options = Options { planner: name.to_owned(), ..Options::default() };
    plan_with(plugin.as_ref(), "Dataset001_X", &dataset, &fingerprint, &options, &planning_size)
}

fn refused(name: &str) -> String {
    planned(name).unwrap_err().to_string()
}

#[test]
fn another_patch_gets_a_network_of_its_own() {
    let (plans, host) = (planned("test_patch").unwrap(), example("ExperimentPlanner"));
    let (mine, theirs) = (plans.configuration("3d_fullres").unwrap(), host.configuration("3d_fullres").unwrap());
    assert_eq!((mine.patch_size.as_slice(), theirs.patch_size.as_slice()), (&[32; 3][..], &[40, 56, 40][..]));
    let divisors = topology(&[1.0; 3], &[32.0; 3]).divisors;
    let strides: Vec<Vec<usize>> = serde_json::from_value(mine.architecture.arch_kwargs["strides"].clone()).unwrap();
    assert_eq!(Stages { strides, kernels: vec![] }.divisors(), divisors);
    assert!(mine.batch_size > theirs.batch_size, "what the patch leaves goes into the batch");
    assert_eq!((plans.experiment_planner_used.as_str(), plans.plans_name.as_str()), ("test_patch", "test_patchPlans"));
    assert_eq!(mine.data_identifier, "test_patchPlans_3d_fullres");
}

#[test]
fn a_patch_that_its_network_does_not_divide_is_refused() {
    let error = refused("test_odd_patch");
    assert!(error.contains("in patch_size: answered the patch 33x33; the strides of its network, 8x8 in all, do not divide it;"), "{error}");
    assert!(error.contains("40x40 would do"), "{error}");
}

#[test]
fn what_cannot_fit_is_refused_with_the_memory() {
    let error = refused("test_huge_patch");
    assert!(error.contains("answered [512, 512, 512] for 3d_fullres; with 2 samples a batch it needs ") && error.contains(" GiB of 8;"), "{error}");
    let error = refused("test_huge_batch");
    assert!(error.contains("in batch_size: answered ") && error.contains(" GiB of 8;"), "{error}");
    let needed: f64 = error.split("needs ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((8.0..9.0).contains(&needed), "one sample more than fits: {error}");
}

#[test]
fn a_shallow_network_everywhere() {
    let plans = planned("test_shallow").unwrap();
    for name in ["2d", "3d_fullres"] {
        let configuration = plans.configuration(name).unwrap();
        assert_eq!(configuration.architecture.arch_kwargs["n_stages"], 2, "{name}");
        assert!(configuration.patch_size.iter().all(|n| n % 2 == 0), "{name}");
    }
}

#[test]
fn every_step_is_asked() {
    let plans = planned("test_all_steps").unwrap();
    assert_eq!((plans.plans_name.as_str(), plans.transpose_forward, plans.transpose_backward), ("myPlans", [1, 0, 2], [1, 0, 2]));
    let full = plans.configuration("3d_fullres").unwrap();
    assert_eq!((full.spacing.as_slice(), full.batch_size), (&[0.5, 1.0, 1.0][..], 3));
    assert_eq!((full.normalization_schemes.as_slice(), full.use_mask_for_norm.as_slice()), (&["Mine".to_owned()][..], &[true][..]));
    assert!(full.architecture.network_class_name.ends_with("ResidualEncoderUNet"), "the base's network");
    // the base shares the default planner's cases, a plugin has its own
    assert_eq!(full.data_identifier, "myPlans_3d_fullres");
    assert_eq!(plans.configuration("3d_lowres").unwrap().spacing, [2.0; 3]);
    assert!(plans.configurations.contains_key("3d_cascade_fullres"));
    assert_eq!((plans.configuration("mine").unwrap().batch_size, plans.rest["made_by"].as_str()), (5, Some("a test")));
}

#[test]
fn plans_that_cannot_be_and_panics_are_sentences() {
    let error = refused("test_broken_plans");
    assert!(error.contains("in plans: answered the patch 40x56x41; the strides of its network, 8x8x8 in all"), "{error}");
    let error = refused("test_panics");
    assert!(
        error.contains("failed in patch_size at ") && error.contains("plugin_tests.rs:") && error.ends_with("panicked: no patch today"),
        "{error}"
    );
    let error = refused("test_pach");
    assert!(error.starts_with("no planner is called `test_pach`; did you mean `test_patch`?") && error.contains("ExperimentPlanner"), "{error}");
}
