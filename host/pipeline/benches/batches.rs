//! What training batches look like, sample by sample: `batches PREPROCESSED_DATASET CONFIGURATION SAMPLES`.
//!
//! Prints a JSON line a sample: statistics of the first channel, and the share and mean of each foreground label. tests/peer/batches.py holds their distributions
//! against those of nnU-Net's loader on the same folder.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use pipeline::{
    augment::{AugmentSpec, Pipeline},
    dataset::DatasetJson,
    loader::{Dataset, Loader, LoaderSpec},
    plan::Plans,
    splits::Splits,
    train::{Fold, Settings, TrainOptions},
};
use std::{path::Path, sync::Arc};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [folder, name, samples] = &arguments[..] else { return eprintln!("batches PREPROCESSED_DATASET CONFIGURATION SAMPLES") };
    let (folder, samples): (&Path, usize) = (Path::new(folder), samples.parse().expect("a number of samples"));
    let configuration = Plans::read(&folder.join("nnUNetPlans.json")).unwrap().configuration(name).unwrap();
    let labels = DatasetJson::read(folder).unwrap().label_manager().unwrap();
    let cases = Arc::new(Dataset::open(&folder.join(&configuration.data_identifier), None).unwrap());
    let keys: Vec<String> = cases.keys().map(str::to_owned).collect();
    let split = Splits::read_or_create(folder, &keys).unwrap().0.fold(0, &keys);
    let settings = Settings::new(&plugin_api::TrainerConfig::default(), &TrainOptions::new("", name, Fold::Number(0)), &configuration, None).unwrap();
    let spec = AugmentSpec {
        patch: configuration.patch_size.clone(),
        augmentation: settings.augmentation,
        rotation: settings.rules.rotation,
        dummy_2d: settings.rules.dummy_2d,
        mirror_axes: settings.mirror_axes.clone(),
        use_mask_for_norm: configuration.use_mask_for_norm.clone(),
        heads: vec![configuration.patch_size.clone()],
        ..AugmentSpec::default()
    };
    let spec = LoaderSpec {
        batch_size: settings.batch_size,
        initial_patch: settings.rules.initial_patch.clone(),
        oversample: settings.oversample,
        ignore: false,
        seed: 1,
        workers: 1,
        augment: Arc::new(Pipeline::training(&spec).unwrap()),
        prepare: None,
    };
    let mut loader = Loader::new(cases, split.train, spec).unwrap();
    for batch in loader.epoch(0, samples.div_ceil(settings.batch_size) as u64) {
        let batch = batch.unwrap();
        let voxels: usize = batch.shape[2..].iter().product();
        for place in 0..batch.shape[0] {
            let image = &batch.data[place * batch.shape[1] * voxels..][..voxels];
            let target = &batch.targets[0].labels[place * voxels..][..voxels];
            println!("{}", describe(image, target, labels.foreground_labels(), *batch.shape.last().unwrap()));
        }
    }
}

fn describe(image: &[f32], target: &[i16], labels: &[i16], row: usize) -> serde_json::Value {
    let mean = |values: &[f64]| if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 };
    let values: Vec<f64> = image.iter().map(|&value| f64::from(value)).collect();
    let centre = mean(&values);
    let deviation = mean(&values.iter().map(|value| (value - centre).powi(2)).collect::<Vec<_>>()).sqrt();
    // neighbours in a row: noise raises it, blur lowers it
    let steps: Vec<f64> = values.chunks(row).flat_map(|row| row.windows(2).map(|pair| (pair[1] - pair[0]).abs())).collect();
    let mut sorted = values.clone();
    sorted.sort_by(f64::total_cmp);
    let of = |label: i16| values.iter().zip(target).filter(|(_, found)| **found == label).map(|(value, _)| *value).collect::<Vec<_>>();
    let share: Vec<f64> = labels.iter().map(|&label| of(label).len() as f64 / values.len() as f64).collect();
    let level: Vec<f64> = labels.iter().map(|&label| mean(&of(label))).collect();
    let at = |part: f64| sorted[((sorted.len() - 1) as f64 * part) as usize];
    serde_json::json!({
        "mean": centre, "std": deviation, "p01": at(0.01), "p50": at(0.5), "p99": at(0.99), "steps": mean(&steps),
        "zeros": values.iter().filter(|value| **value == 0.0).count() as f64 / values.len() as f64, "share": share, "level": level,
    })
}
