use super::*;
use crate::dataset::tests::{in_files, write_endless};
use crate::plan::tests::example;
use crate::progress::silent;
use crate::test_data::{dataset, names, write_labels};
use ndarray::{Array3, Array4, arr2};
use serde_json::{Value, json};
use volume::files::ArrayView;
use volume::files::npz::{Packing, write_npz};
use volume::image::{Geometry, read_image, write_image};

#[test]
fn the_slice_shows_most_of_every_label() {
    let mut labels = Array3::zeros((5, 4, 4));
    assert_eq!(slice_to_show(&labels.view()), 2, "nothing to see: the middle");
    // many voxels of label 1 in slice 1, a few in slice 3 with all of label 2
    labels.index_axis_mut(Axis(0), 1).fill(1);
    labels[(3, 0, 0)] = 1;
    labels[(3, 0, 1)] = 2;
    assert_eq!(slice_to_show(&labels.view()), 3);
    labels.index_axis_mut(Axis(0), 4).fill(-1);
    assert_eq!(slice_to_show(&labels.view()), 3, "what is outside does not count");
}

fn pixels(path: &Path) -> Array4<f32> {
    read_image(path).unwrap().data
}

#[test]
fn labels_are_coloured_over_grey() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.png");
    draw(&path, &arr2(&[[0.0, 10.0], [10.0, 5.0]]), &arr2(&[[0, 0], [1, 15]]), 0.6).unwrap();
    let found = pixels(&path);
    let at = |y: usize, x: usize| [0, 1, 2].map(|channel| found[(channel, 0, y, x)]);
    // the brightest value is blue over white: 255 + 0.6 x 0xd8
    let brightest = 255.0_f32 + 0.6 * 216.0;
    let scaled = |value: f32| (value / brightest * 255.0).floor();
    assert_eq!(at(0, 0), [0.0; 3]);
    assert_eq!(at(0, 1), [scaled(255.0); 3]);
    assert_eq!(at(1, 0), [scaled(255.0 + 0.6 * 67.0), scaled(255.0 + 0.6 * 99.0), 255.0]);
    // the fifteenth label has the first colour again
    assert_eq!(at(1, 1), [scaled(127.5 + 0.6 * 67.0), scaled(127.5 + 0.6 * 99.0), scaled(127.5 + 0.6 * 216.0)]);
    draw(&path, &arr2(&[[3.0, 3.0], [f32::NAN, 3.0]]), &Array2::zeros((2, 2)), 0.6).unwrap();
    assert!(pixels(&path).iter().all(|&value| value == 0.0), "an image of one value is black");
    assert!(draw(&path, &Array2::zeros((2, 2)), &Array2::zeros((2, 3)), 0.6).is_err());
}

#[test]
fn raw_and_preprocessed_cases_make_a_picture_each() {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::new(dir.path().join("raw"), dir.path().join("pre"), dir.path().join("results"));
    let (raw, pre) = (dir.path().join("raw/Dataset001_X"), dir.path().join("pre/Dataset001_X"));
    let data = pre.join("nnUNetPlans_3d_fullres");
    [&raw.join("imagesTr"), &data].iter().for_each(|folder| std::fs::create_dir_all(folder).unwrap());
    [&raw, &pre].iter().for_each(|folder| dataset(json!({"background": 0, "a": 1}), Value::Null).write(folder).unwrap());
    example("ExperimentPlanner").write(&pre.join("nnUNetPlans.json")).unwrap();
    let image = Array4::from_shape_fn((1, 3, 4, 5), |(_, z, y, x)| (z * 20 + y * 5 + x) as f32);
    let labels = Array3::from_shape_fn((3, 4, 5), |(z, y, _)| i16::from(z == 2 && y > 1));
    for case in ["a", "b"] {
        write_image(raw.join(format!("imagesTr/{case}_0000.nii.gz")), &image, &Geometry::of_spacing([1.0; 3])).unwrap();
        write_labels(&raw.join(format!("labelsTr/{case}.nii.gz")), &labels);
        let seg = labels.mapv(|label| if label == 0 { -1 } else { label });
        let arrays = [
            ("data", ArrayView::new(&[1, 3, 4, 5], image.as_slice().unwrap()).unwrap()),
            ("seg", ArrayView::new(&[1, 3, 4, 5], seg.as_slice().unwrap()).unwrap()),
        ];
        write_npz(&data.join(format!("{case}.npz")), &arrays, Packing::Stored).unwrap();
    }
    let preprocessed = || Source::Preprocessed { plans: "nnUNetPlans".into(), configuration: None };
    let options = |output: &str, source: Source| Options {
        dataset: "Dataset001_X".into(),
        output: dir.path().join(output),
        source,
        channel: 0,
        intensity: 0.6,
        num_processes: 2,
    };
    assert_eq!(plot_overlays(&paths, &options("from_raw", Source::Raw), &silent).unwrap(), 2);
    assert_eq!(plot_overlays(&paths, &options("from_pre", preprocessed()), &silent).unwrap(), 2);
    assert_eq!(names(&dir.path().join("from_raw")), ["a.png", "b.png"]);
    let [one, other] = ["from_raw/a.png", "from_pre/a.png"].map(|name| pixels(&dir.path().join(name)));
    assert_eq!((one.dim(), &one), ((3, 1, 4, 5), &other));

    // image and labels are turned together
    let turned = in_files(&dataset(json!({"background": 0, "a": 1}), Value::Null), ".nii.gz", "SimpleITKIOWithReorient");
    turned.write(&raw).unwrap();
    plot_overlays(&paths, &options("turned", Source::Raw), &silent).unwrap();
    let mut turned = pixels(&dir.path().join("turned/a.png"));
    [2, 3].iter().for_each(|&axis| turned.invert_axis(Axis(axis)));
    assert_eq!(turned, one);

    let error = |options: Options| plot_overlays(&paths, &options, &silent).unwrap_err().to_string();
    for source in [Source::Raw, preprocessed()] {
        let text = error(Options { channel: 1, ..options("x", source) });
        assert!(text.contains("case ") && text.contains("-channel_idx is 1, but the images have 1 channel(s)"), "{text}");
    }
    assert!(error(Options { intensity: 0.0, ..options("x", Source::Raw) }).contains("it must be above 0"));
    let flat = Source::Preprocessed { plans: "nnUNetPlans".into(), configuration: Some("2d".into()) };
    assert!(error(options("x", flat)).contains("there is no preprocessed case of 2d; preprocess it first, or give --use_raw"));
}

#[test]
fn a_case_that_fits_into_no_memory_is_named_and_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let raw = dir.path().join("raw/Dataset001_X");
    std::fs::create_dir_all(raw.join("imagesTr")).unwrap();
    write_endless(&raw.join("imagesTr/a_0000.mhd"));
    in_files(&dataset(json!({"background": 0, "a": 1}), Value::Null), ".mhd", "SimpleITKIO").write(&raw).unwrap();
    let paths = Paths::new(dir.path().join("raw"), dir.path().join("pre"), dir.path().join("results"));
    let output = dir.path().join("out");
    let options = Options { dataset: "Dataset001_X".into(), output, source: Source::Raw, channel: 0, intensity: 0.6, num_processes: 2 };
    let error = plot_overlays(&paths, &options, &silent).unwrap_err().to_string();
    assert!(error.starts_with("case a: needs ") && error.contains("GiB of memory"), "{error}");
}
