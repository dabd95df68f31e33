//! A plugin's augmentation, linked into the tests through the very registration that files use.

use super::pipeline::spec;
use super::{noisy, source};
use crate::augment::{Example, Pipeline, Plugged, Stream};
use crate::test_data::registry_of_tests;
use plugin_api::prelude::{Augmentation, Deserialize, Place, Rng};
use plugin_api::{Result as Answer, json};
use registry::Kind;
use std::sync::Arc;

/// Adds a number to the image, and its own draw; `fail` panics.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Adding {
    before: bool,
    add: f32,
    fail: bool,
}

impl Augmentation for Adding {
    fn place(&self) -> Place {
        if self.before { Place::Before } else { Place::After }
    }

    fn apply(&self, sample: &mut plugin_api::Sample<'_>, rng: &mut Rng) -> Answer<()> {
        assert!(!self.fail, "no sample of {:?} today", sample.image.shape());
        assert_eq!(sample.image.spatial(), sample.labels.spatial());
        let add = self.add + rng.uniform(0.0, 1e-3) as f32;
        sample.image.values_mut().iter_mut().for_each(|v| *v += add);
        sample.labels.values_mut().iter_mut().for_each(|label| *label = (*label).max(0));
        Ok(())
    }
}
plugin_api::register_augmentation!("test_adding", Adding, "test: an augmentation");

fn plugged(settings: plugin_api::Value) -> Option<Arc<Plugged>> {
    let (_dir, registry) = registry_of_tests();
    let hook = registry.hook(Kind::Augmentation, "test_adding").unwrap().create(settings.as_object().unwrap(), &json!({})).unwrap();
    Some(Arc::new(Plugged::new(hook).unwrap()))
}

fn examples(plugin: Option<Arc<Plugged>>) -> Vec<Example> {
    let sample = noisy([12, 14, 16], 3);
    let pipeline = Pipeline::training(&spec()).unwrap().with(plugin);
    (0..4).map(|draw| pipeline.apply(&source(&sample), &Stream::new(4, &[draw])).unwrap()).collect()
}

#[test]
fn after_the_standard_steps_which_draw_as_without_it() {
    let (plain, added) = (examples(None), examples(plugged(json!({"add": 10.0}))));
    for (plain, added) in plain.iter().zip(&added) {
        let differences: Vec<f32> = plain.data.iter().zip(&added.data).map(|(a, b)| b - a).collect();
        assert!(differences.iter().all(|d| (10.0..10.002).contains(d) && (d - differences[0]).abs() < 1e-4), "{differences:?}");
        assert_eq!(plain.targets, added.targets);
    }
    assert_eq!(added, examples(plugged(json!({"add": 10.0}))), "the same seed gives the same sample");
}

#[test]
fn before_the_standard_steps() {
    let before = examples(plugged(json!({"add": 10.0, "before": true})));
    assert_ne!(before, examples(plugged(json!({"add": 10.0}))), "contrast, gamma and so on act on what was added");
    assert!(before.iter().all(|example| example.data.iter().all(|v| v.is_finite())));
}

#[test]
fn a_panic_is_an_error_with_its_line() {
    let pipeline = Pipeline::training(&spec()).unwrap().with(plugged(json!({"fail": true})));
    let error = pipeline.apply(&source(&noisy([12, 14, 16], 3)), &Stream::new(0, &[])).unwrap_err().to_string();
    assert!(error.contains("failed in apply at ") && error.contains("plugged.rs:") && error.contains("no sample of "), "{error}");
}
