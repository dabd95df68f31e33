//! The foreground intensities of real cases, sampled and summarised as nnU-Net's fingerprint does.

use std::path::PathBuf;

use super::{RandomState, mean_f32, percentile_linear};
use crate::image::{read_image, read_segmentation};

/// `reference/fingerprint/per_case_dataset004.json`: exact, but for the moments of the samples in float64.
#[test]
fn foreground_intensities_of_dataset_004() {
    let folder = |name| std::env::var_os(name).map(PathBuf::from);
    let (Some(data), Some(reference)) = (folder("NNUNET_TEST_DATA"), folder("NNUNET_REFERENCE")) else {
        return eprintln!("skipped: NNUNET_TEST_DATA or NNUNET_REFERENCE is not set");
    };
    let dataset = data.join("Dataset004_Hippocampus");
    let cases = std::fs::read(reference.join("fingerprint/per_case_dataset004.json")).unwrap();
    let cases: serde_json::Value = serde_json::from_slice(&cases).unwrap();
    let mut compared = 0;
    for (case, wanted) in cases.as_object().unwrap() {
        let number = |v: &serde_json::Value| v.as_f64().unwrap();
        let image = read_image(dataset.join(format!("imagesTr/{case}_0000.nii.gz"))).unwrap();
        let (labels, _) = read_segmentation(dataset.join(format!("labelsTr/{case}.nii.gz"))).unwrap();
        let pixels = image.data.iter().zip(&labels).filter(|(_, label)| **label > 0);
        let pixels: Vec<f32> = pixels.map(|(x, _)| *x).collect();
        assert_eq!(pixels.len() as u64, wanted["n_fg"].as_u64().unwrap(), "{case}");

        let n = wanted["n_samples"].as_u64().unwrap() as usize;
        let samples: Vec<f64> = RandomState::new(1234).choice(pixels.len(), n).into_iter().map(|i| f64::from(pixels[i])).collect();
        let first: Vec<f64> = wanted["first16_samples"].as_array().unwrap().iter().map(number).collect();
        assert_eq!(samples[..16], first, "{case}");
        let mean = samples.iter().sum::<f64>() / n as f64;
        let std = (samples.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
        for (found, name) in [(mean, "samples_mean_f64"), (std, "samples_std_f64")] {
            assert!((found / number(&wanted[name]) - 1.0).abs() < 1e-9, "{case} {name} {found}");
        }

        let stats = &wanted["stats"];
        assert_eq!(f64::from(mean_f32(&pixels)), number(&stats["mean"]), "{case}");
        let names = ["percentile_00_5", "median", "percentile_99_5"];
        assert_eq!(percentile_linear(&pixels, &[0.5, 50.0, 99.5]), names.map(|name| number(&stats[name])), "{case}");
        compared += 1;
    }
    assert!(compared >= 4);
}
