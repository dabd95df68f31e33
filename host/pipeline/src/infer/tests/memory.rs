//! What a case takes is known beforehand, and too much is refused.

use super::{Pointwise, dataset, plans};
use crate::dataset::DatasetJson;
use crate::infer::case::Segmenter;
use crate::infer::export::Place;
use crate::infer::memory::{self, GOAL};
use crate::infer::{Export, LoadedModel, Predictor, Window};
use serde_json::json;

/// A model of 118 outputs, and the images that it is asked about.
fn with_segmenter(patch: usize, probabilities: bool, ask: impl FnOnce(&Segmenter<'_>)) {
    let labels: serde_json::Map<_, _> = (0..118).map(|k| (if k == 0 { "background".into() } else { format!("l{k}") }, json!(k))).collect();
    let mut wide = serde_json::to_value(dataset(1)).unwrap();
    wide["labels"] = labels.into();
    let dataset: DatasetJson = serde_json::from_value(wide).unwrap();
    let plans = plans(1);
    let configuration = plans.configuration("3d_fullres").unwrap();
    let predictors: [&dyn Predictor; 1] = [&Pointwise { classes: 118, mirror_axes: vec![] }];
    let model = LoadedModel { plugins: None, plans: &plans, configuration: &configuration, dataset: &dataset, predictors: &predictors };
    let (export, window) = (Export::new(&model).unwrap(), Window::new(&[patch; 3]));
    ask(&Segmenter::new(&model, &window, &export, probabilities));
}

const WHOLE_BODY: [usize; 3] = [512, 900, 512];

/// The network's grid is half as fine as the image, or the same: 13 and 104 GiB of logits.
#[test]
fn a_whole_body_stays_below_the_goal() {
    let place = Place::uncropped(WHOLE_BODY, [1.0; 3], [1, 0, 2]);
    with_segmenter(128, false, |segmenter| {
        for network in [[450, 256, 256], [900, 512, 512]] {
            let total = segmenter.memory(1, network, &place).unwrap().total();
            assert!(total <= GOAL, "{network:?}: {total}");
        }
    });
}

#[test]
fn what_cannot_fit_is_refused_with_the_sizes() {
    let refused = |patch: usize, probabilities: bool| {
        let mut said = String::new();
        with_segmenter(patch, probabilities, |segmenter| {
            let place = Place::uncropped([60_000; 3], [1.0; 3], [0, 1, 2]);
            let memory = segmenter.memory(1, [20_000, 200, 20_000], &place);
            said = memory.and_then(|memory| memory::check(&memory, probabilities)).unwrap_err().to_string();
        });
        said
    };
    let said = refused(128, true);
    assert!(said.contains("35166.7 GiB for logits") && said.contains("leave out --save_probabilities"), "{said}");
    let said = refused(16, false);
    assert!(said.starts_with("prediction takes ") && said.contains("GiB can be had; give --max-ram more, use a machine with more memory"), "{said}");
}
