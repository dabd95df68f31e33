use super::*;
use crate::augment::{AugmentSpec, Pipeline, Stream};
use plugin_api::Prepared;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use volume::files::npz::{Packing, write_npz};
use volume::files::properties::ClassKey;
use volume::files::{ArrayView, CaseProperties};

const SHAPES: [[usize; 3]; 4] = [[12, 14, 10], [20, 9, 13], [16, 16, 16], [7, 30, 11]];

/// Writes a preprocessed case of two channels: noise, and labels 1 and 2 in two blocks.
fn write_case(folder: &Path, key: &str, shape: [usize; 3], locations: bool) {
    let [d, h, w] = shape;
    let mut data = vec![0.0f32; 2 * d * h * w];
    Stream::new(d as u64, &[h as u64]).fill_normal(&mut data, 1.0);
    let label = |z: usize, y: usize, x: usize| if z < 3 || y < 3 || x < 3 { 0 } else { 1 + i16::from(x > 6) };
    let at = |i: usize| (i / (h * w), i / w % h, i % w);
    let seg: Vec<i16> = (0..d * h * w)
        .map(|i| {
            let (z, y, x) = at(i);
            label(z, y, x)
        })
        .collect();
    let (image, map) = ([2, d, h, w], [1, d, h, w]);
    let arrays = [("data", ArrayView::new(&image, &data[..]).unwrap()), ("seg", ArrayView::new(&map, &seg[..]).unwrap())];
    write_npz(&folder.join(format!("{key}.npz")), &arrays, Packing::Stored).unwrap();
    let class_locations = locations.then(|| {
        let voxels = |wanted: &[i16]| {
            let of_class = (0..seg.len()).filter(|&i| wanted.contains(&seg[i]));
            of_class
                .map(|i| {
                    let (z, y, x) = at(i);
                    [0, z as i64, y as i64, x as i64]
                })
                .collect::<Vec<_>>()
        };
        vec![(ClassKey::Label(1), voxels(&[1])), (ClassKey::Label(2), voxels(&[2])), (ClassKey::Region(vec![-1, 0, 1]), voxels(&[0, 1]))]
    });
    let properties = CaseProperties { spacing: vec![1.0; 3], class_locations, ..CaseProperties::default() };
    properties.write(&folder.join(format!("{key}.pkl"))).unwrap();
}

fn keys() -> Vec<String> {
    (0..SHAPES.len()).map(|i| format!("case_{i}")).collect()
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    keys().iter().zip(SHAPES).for_each(|(key, shape)| write_case(folder.path(), key, shape, true));
    folder
}

fn augment_spec() -> AugmentSpec {
    AugmentSpec {
        patch: vec![8, 8, 8],
        rotation: (-0.5, 0.5),
        mirror_axes: vec![0, 1, 2],
        heads: vec![vec![8, 8, 8], vec![4, 4, 4]],
        ..AugmentSpec::default()
    }
}

fn spec(workers: usize) -> LoaderSpec {
    LoaderSpec {
        batch_size: 3,
        initial_patch: vec![12, 12, 12],
        oversample: Oversample::default(),
        ignore: false,
        seed: 42,
        workers,
        augment: Arc::new(Pipeline::training(&augment_spec()).unwrap()),
        prepare: None,
    }
}

fn loader(folder: &Path, spec: LoaderSpec) -> Loader {
    Loader::new(Arc::new(Dataset::open(folder, None).unwrap()), keys(), spec).unwrap()
}

/// Everything in a batch, floats as bits.
fn bits(batch: &Batch) -> (Vec<u32>, Vec<TargetArray>, Vec<String>) {
    (batch.data.iter().map(|v| v.to_bits()).collect(), batch.targets.clone(), batch.keys.clone())
}

#[test]
fn batches_are_equal_whatever_the_threads_and_after_a_restart() {
    let folder = folder();
    let run = |workers| {
        let mut loader = loader(folder.path(), spec(workers));
        let epochs = (0..3).map(|epoch| loader.epoch(epoch, 7).map(|batch| bits(&batch.unwrap())).collect::<Vec<_>>());
        epochs.collect::<Vec<_>>()
    };
    let alone = run(0);
    assert_eq!((alone.len(), alone[2].len()), (3, 7));
    assert_ne!(alone[0][0], alone[1][0]);
    for workers in [1, 2, 5] {
        assert!(run(workers) == alone, "{workers} workers");
    }
    for workers in [0, 2] {
        let mut resumed = loader(folder.path(), spec(workers));
        let rest: Vec<_> = resumed.epoch_from(1, 4, 7).map(|batch| bits(&batch.unwrap())).collect();
        assert!(rest == alone[1][4..], "{workers} workers");
        // An epoch that is left half way, and one again.
        drop(resumed.epoch(2, 7).next());
        let again: Vec<_> = resumed.epoch(2, 7).map(|batch| bits(&batch.unwrap())).collect();
        assert!(again == alone[2], "{workers} workers");
    }
}

#[test]
fn a_batch_has_the_networks_shapes() {
    let folder = folder();
    let batch = loader(folder.path(), spec(1)).epoch(0, 1).next().unwrap().unwrap();
    assert_eq!((batch.shape, batch.data.len()), (vec![3, 2, 8, 8, 8], 3 * 2 * 512));
    let targets: Vec<_> = batch.targets.iter().map(|t| (t.shape.clone(), t.labels.len())).collect();
    assert_eq!(targets, [(vec![3, 1, 8, 8, 8], 3 * 512), (vec![3, 1, 4, 4, 4], 3 * 64)]);
    let flat = AugmentSpec { patch: vec![8, 6], mirror_axes: vec![0], heads: vec![vec![8, 6]], ..augment_spec() };
    let regions = AugmentSpec { regions: Some(vec![vec![1, 2], vec![2]]), ignore_label: Some(3), ..flat };
    let augment = Arc::new(Pipeline::training(&regions).unwrap());
    let flat = LoaderSpec { augment, initial_patch: vec![10, 10], ..spec(1) };
    let batch = loader(folder.path(), flat).epoch(0, 1).next().unwrap().unwrap();
    assert_eq!(batch.shape, [3, 2, 8, 6]);
    assert_eq!(batch.targets[0].shape, [3, 3, 8, 6]);
}

#[test]
fn oversampling_is_nnunets() {
    let mut rng = Stream::new(0, &[]);
    let hits = (0..10_000).filter(|_| Oversample::Random(0.33).forced(0, 2, &mut rng)).count();
    assert!(hits.abs_diff(3300) < 210, "{hits}");
    let Ok(folder) = std::env::var("NNUNET_REFERENCE") else {
        eprintln!("skipped: NNUNET_REFERENCE is not set");
        return;
    };
    let text = std::fs::read_to_string(Path::new(&folder).join("metrics/rules.json")).unwrap();
    let rules: serde_json::Value = serde_json::from_str(&text).unwrap();
    let cases = rules["oversample_last_XX_percent"].as_object().unwrap();
    assert!(cases.len() > 30);
    for (name, wanted) in cases {
        let (size, share) = name.strip_prefix("bs").unwrap().split_once("_p").unwrap();
        let (size, share): (usize, f64) = (size.parse().unwrap(), share.parse().unwrap());
        let found: Vec<bool> = (0..size).map(|place| Oversample::Last(share).forced(place, size, &mut rng)).collect();
        assert_eq!(serde_json::json!(found), *wanted, "{name}");
    }
}

#[test]
fn forced_samples_show_foreground() {
    let folder = folder();
    let augment = Arc::new(Pipeline::validation(&augment_spec()).unwrap());
    let forced = LoaderSpec { oversample: Oversample::Last(1.0), initial_patch: vec![8, 8, 8], augment, ..spec(2) };
    for batch in loader(folder.path(), forced).epoch(0, 30) {
        let batch = batch.unwrap();
        assert!(batch.targets[0].labels.chunks(512).all(|sample| sample.iter().any(|&l| l > 0)));
    }
}

#[test]
fn what_a_loss_prepares_is_stacked() {
    let folder = folder();
    let prepare: Prepare = Arc::new(|shape, labels| {
        let ones = labels.iter().filter(|&&l| l == 1).count() as i32;
        let floats = labels.iter().map(|&l| f32::from(l)).collect();
        Ok(vec![Prepared::ints("ones", &[1], vec![ones]), Prepared::floats("map", shape, floats)])
    });
    let batch = loader(folder.path(), LoaderSpec { prepare: Some(prepare), ..spec(1) }).epoch(0, 1).next().unwrap().unwrap();
    assert_eq!((batch.prepared[0].name(), batch.prepared[0].shape()), ("ones", &[3, 1][..]));
    assert_eq!((batch.prepared[1].name(), batch.prepared[1].shape()), ("map", &[3, 1, 8, 8, 8][..]));
    let labels: Vec<f32> = batch.targets[0].labels.iter().map(|&l| f32::from(l)).collect();
    assert_eq!(batch.prepared[1].float_values(), labels);
    let ones = labels.chunks(512).map(|s| s.iter().filter(|&&l| l == 1.0).count() as i32).collect::<Vec<_>>();
    assert_eq!(batch.prepared[0].int_values(), ones);
}

#[test]
fn prepared_arrays_of_different_shapes_name_both_cases() {
    let folder = folder();
    let count = Mutex::new(0);
    let prepare: Prepare = Arc::new(move |_, _| {
        let mut count = count.lock().unwrap();
        *count += 1;
        Ok(vec![Prepared::ints("ids", &[*count], vec![0; *count])])
    });
    let error = loader(folder.path(), LoaderSpec { prepare: Some(prepare), ..spec(0) }).epoch(0, 1).next().unwrap().unwrap_err();
    let text = error.to_string();
    assert!(text.contains("shape of the prepared array ids") && text.matches("case case_").count() == 2, "{text}");
}

#[test]
fn a_panic_and_an_error_in_a_thread_reach_the_caller_with_the_case() {
    let folder = folder();
    for workers in [0, 2] {
        let panics: Prepare = Arc::new(|_, labels| if labels.len() == 512 { panic!("voxel {} is odd", 7) } else { Ok(vec![]) });
        let mut broken = loader(folder.path(), LoaderSpec { prepare: Some(panics), ..spec(workers) });
        let text = broken.epoch(0, 2).next().unwrap().unwrap_err().to_string();
        assert!(text.starts_with("case case_") && text.ends_with("a loader thread panicked: voxel 7 is odd"), "{text}");
        let fails: Prepare = Arc::new(|_, _| Err(plugin_api::Error::new("no components")));
        let mut broken = loader(folder.path(), LoaderSpec { prepare: Some(fails), ..spec(workers) });
        let text = broken.epoch(0, 2).next().unwrap().unwrap_err().to_string();
        assert!(text.starts_with("case case_") && text.contains("no components"), "{text}");
    }
}

#[test]
fn defects_of_the_folder_are_named() {
    let folder = folder();
    let dataset = Arc::new(Dataset::open(folder.path(), None).unwrap());
    assert_eq!(dataset.keys().collect::<Vec<_>>(), keys());
    let text = Loader::new(dataset.clone(), vec!["case_0".into(), "gone".into()], spec(0)).err().unwrap().to_string();
    assert!(text.contains("no preprocessed case for gone;"), "{text}");
    assert!(Loader::new(dataset.clone(), vec![], spec(0)).is_err());
    let text = Loader::new(dataset, keys(), LoaderSpec { initial_patch: vec![8, 4, 8], ..spec(0) }).err().unwrap().to_string();
    assert!(text.contains("[8, 4, 8]"), "{text}");
    // No labels: fine until foreground is asked for.
    keys().iter().zip(SHAPES).for_each(|(key, shape)| write_case(folder.path(), key, shape, false));
    let text = loader(folder.path(), spec(0)).epoch(0, 1).next().unwrap().unwrap_err().to_string();
    assert!(text.contains("no class_locations") && text.contains("case_"), "{text}");
    for key in keys() {
        std::fs::write(folder.path().join(format!("{key}.npz")), b"PK nonsense").unwrap();
    }
    let text = loader(folder.path(), spec(2)).epoch(0, 1).next().unwrap().unwrap_err().to_string();
    assert!(text.starts_with("case case_") && text.contains(".npz"), "{text}");
}

#[test]
fn a_cascade_gets_the_previous_stages_segmentation() {
    let (folder, previous) = (folder(), folder());
    let labels = AugmentSpec { cascade_labels: Some(vec![1, 2]), ..augment_spec() };
    let augment = Arc::new(Pipeline::validation(&labels).unwrap());
    let spec = LoaderSpec { augment, initial_patch: vec![8, 8, 8], ..spec(1) };
    let dataset = Arc::new(Dataset::open(folder.path(), Some(previous.path())).unwrap());
    let batch = Loader::new(dataset, keys(), spec.clone()).unwrap().epoch(0, 1).next().unwrap().unwrap();
    assert_eq!(batch.shape, [3, 4, 8, 8, 8]);
    for (data, labels) in batch.data.chunks(4 * 512).zip(batch.targets[0].labels.chunks(512)) {
        for (channel, label) in [(2, 1), (3, 2)] {
            assert!(data[channel * 512..].iter().zip(labels).all(|(&v, &l)| v == f32::from(l == label)));
        }
    }
    let text = loader(folder.path(), spec).epoch(0, 1).next().unwrap().unwrap_err().to_string();
    assert!(text.contains("1 label maps, wanted 2"), "{text}");
}

#[test]
fn a_dropped_loader_stops_its_threads_promptly() {
    let folder = folder();
    let slow: Prepare = Arc::new(|_, _| {
        std::thread::sleep(Duration::from_millis(100));
        Ok(vec![])
    });
    let batch_size = 50;
    let mut loader = loader(folder.path(), LoaderSpec { prepare: Some(slow), batch_size, ..spec(2) });
    let _ = loader.epoch(0, 1000);
    std::thread::sleep(Duration::from_millis(30));
    let start = Instant::now();
    drop(loader);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn the_queue_is_bounded() {
    let folder = folder();
    let count = Arc::new(Mutex::new(0u64));
    let counter = count.clone();
    let prepare: Prepare = Arc::new(move |_, _| {
        *counter.lock().unwrap() += 1;
        Ok(vec![])
    });
    let mut loader = loader(folder.path(), LoaderSpec { prepare: Some(prepare), ..spec(2) });
    drop(loader.epoch(0, 1000).next());
    std::thread::sleep(Duration::from_millis(400));
    // Two threads, six batches waiting, one taken, three samples each.
    assert_eq!(*count.lock().unwrap(), 27);
}

#[test]
fn cases_that_nnunet_preprocessed_are_read() {
    let Ok(folder) = std::env::var("NNUNET_REFERENCE") else {
        eprintln!("skipped: NNUNET_REFERENCE is not set");
        return;
    };
    let dataset = Arc::new(Dataset::open(&Path::new(&folder).join("preproc/hippo"), None).unwrap());
    let keys: Vec<String> = dataset.keys().map(String::from).collect();
    assert!(!keys.is_empty());
    let patch = AugmentSpec { patch: vec![40, 56, 40], heads: vec![vec![40, 56, 40], vec![20, 28, 20]], ..augment_spec() };
    let augment = Arc::new(Pipeline::training(&patch).unwrap());
    // Only the arrays lie there, without the tables of foreground voxels.
    let spec = LoaderSpec { augment, initial_patch: vec![73, 80, 64], oversample: Oversample::Last(0.0), ..spec(2) };
    let mut loader = Loader::new(dataset, keys, spec).unwrap();
    let mut seen = [0usize; 3];
    for batch in loader.epoch(0, 8) {
        let batch = batch.unwrap();
        assert_eq!(batch.shape, [3, 1, 40, 56, 40]);
        assert!(batch.data.iter().all(|v| v.is_finite() && v.abs() < 50.0));
        batch.targets[0].labels.iter().for_each(|&label| seen[label as usize] += 1);
    }
    assert!(seen.iter().all(|&voxels| voxels > 1000), "{seen:?}");
}
