use super::*;
use crate::dataset::{DatasetJson, training_cases, verify};
use crate::progress::silent;
use volume::components::{Connectivity, label};
use volume::image::{read_image, read_segmentation};

fn small() -> PhantomSpec {
    PhantomSpec { cases: 2, test_cases: 1, shape: vec![20, 24, 22], ..PhantomSpec::default() }
}

#[test]
fn cases_differ_and_are_the_same_each_time() {
    let spec = small();
    assert_eq!(draw(&spec, 1), draw(&spec, 1));
    assert_ne!(draw(&spec, 0).image, draw(&spec, 1).image);
    assert_ne!(draw(&PhantomSpec { seed: 1, ..spec.clone() }, 0).image, draw(&spec, 0).image);
}

#[test]
fn organ_and_lesions_are_there_and_can_be_told_apart() {
    let spec = PhantomSpec { lesions: 3..=5, ..PhantomSpec::default() };
    for index in 0..4 {
        let case = draw(&spec, index);
        let share = |l: i16| case.labels.iter().filter(|&&v| v == l).count() as f64 / case.labels.len() as f64;
        assert!((0.02..0.3).contains(&share(1)) && (0.0005..0.1).contains(&share(2)), "case {index}: {} and {}", share(1), share(2));
        let lesions = label(&case.labels.mapv(|v| v == 2), Connectivity::Full);
        assert!((1..=5).contains(&lesions.sizes.len()), "case {index}: {:?}", lesions.sizes);
        let mean = |l: i16| {
            let (n, sum) =
                case.image.iter().zip(&case.labels).filter(|(_, v)| **v == l).fold((0.0, 0.0), |(n, s), (x, _)| (n + 1.0, s + f64::from(*x)));
            sum / n
        };
        assert!(mean(0) < 50.0 && mean(0) + 30.0 < mean(1) && mean(1) + 30.0 < mean(2), "case {index}: {} {} {}", mean(0), mean(1), mean(2));
        assert!(case.image.iter().all(|x| *x >= 0.0));
        assert!(case.spacing.iter().all(|s| (0.9..=1.1).contains(s)));
    }
}

#[test]
fn a_dataset_passes_the_integrity_check() {
    for spec in
        [small(), PhantomSpec { regions: true, ignore: true, channels: 2, ..small() }, PhantomSpec { cases: 2, test_cases: 1, ..PhantomSpec::flat() }]
    {
        let dir = tempfile::tempdir().unwrap();
        let folder = write(dir.path(), &spec).unwrap();
        let dataset = DatasetJson::read(&folder).unwrap();
        let labels = dataset.label_manager().unwrap();
        assert_eq!((labels.has_regions(), labels.ignore()), (spec.regions, spec.ignore.then_some(3)));
        let warnings = verify(&folder, 1, &silent).unwrap();
        assert!(warnings.len() == 1 && warnings[0].starts_with("there are 2 cases"), "{warnings:?}");
        let cases = training_cases(&folder, &dataset).unwrap();
        assert_eq!((cases.len(), cases[0].images.len()), (2, spec.channels));
        let (seg, _) = read_segmentation(&cases[1].label).unwrap();
        let drawn = draw(&spec, 1);
        assert_eq!(seg, if spec.ignore { drawn.sparse_labels() } else { drawn.labels.clone() });
        let image = read_image(folder.join("imagesTs/phantom_002_0000.nii.gz")).unwrap();
        let drawn = draw(&spec, 2);
        assert_eq!(image.data.index_axis(ndarray::Axis(0), 0), drawn.image.index_axis(ndarray::Axis(0), 0));
        let (test, _) = read_segmentation(folder.join("labelsTs/phantom_002.nii.gz")).unwrap();
        assert_eq!(test, drawn.labels);
    }
}

#[test]
fn what_cannot_be_made_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for spec in
        [PhantomSpec { shape: vec![4, 24, 22], ..small() }, PhantomSpec { spacing: vec![1.0], ..small() }, PhantomSpec { channels: 0, ..small() }]
    {
        assert!(write(dir.path(), &spec).unwrap_err().to_string().starts_with("a phantom of"));
    }
}
