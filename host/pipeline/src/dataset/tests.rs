use super::*;
use crate::progress::silent;
use ndarray::{Array3, Array4};
use serde_json::json;
use volume::image::{Geometry, read_segmentation, write_image, write_segmentation};

fn reference(name: &str) -> Option<std::path::PathBuf> {
    let found = std::env::var_os("NNUNET_REFERENCE").map(|folder| Path::new(&folder).join(name));
    if found.is_none() {
        eprintln!("skipped: NNUNET_REFERENCE is not set");
    }
    found
}

fn dataset(labels: Value, order: Value) -> DatasetJson {
    serde_json::from_value(
        json!({"channel_names": {"0": "MRI"}, "labels": labels, "regions_class_order": order, "numTraining": 3, "file_ending": ".nii.gz"}),
    )
    .unwrap()
}

#[test]
fn labels_that_make_no_sense_are_refused() {
    let fail = |labels: Value, order: Value, part: &str| {
        let error = dataset(labels, order).label_manager().unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    fail(json!({"a": 1}), Value::Null, "background");
    fail(json!({"background": 0, "a": 2}), Value::Null, "without a gap");
    fail(json!({"background": 0, "a": 1, "ignore": 3}), Value::Null, "must be 2");
    fail(json!({"background": 0, "a": [1, 2], "b": 2}), Value::Null, "regions_class_order");
    fail(json!({"background": 0, "a": [1, 2], "b": 2}), json!([1]), "2 foreground regions");
    fail(json!({"background": 0, "a": [1, 2], "b": 2}), json!([1, 5]), "no label");
    let plain = dataset(json!({"background": 0, "a": [1], "b": 2}), Value::Null).label_manager().unwrap();
    assert!(!plain.has_regions());
}

/// Softmax and sigmoid within 1e-6, segmentations exactly.
#[test]
fn label_manager_of_the_reference() {
    let Some(folder) = reference("metrics") else { return };
    let about: Value = crate::json::read(&folder.join("label_manager.json")).unwrap();
    let arrays = volume::files::npz::read_npz(&folder.join("label_manager.npz")).unwrap();
    let array = |name: String| {
        let (_, array) = arrays
            .iter()
            .find(|(found, _)| *found == name)
            .unwrap_or_else(|| panic!("no {name} in {:?}", arrays.iter().map(|a| &a.0).collect::<Vec<_>>()));
        let shape: [usize; 4] = match *array.shape() {
            [c, z, y, x] => [c, z, y, x],
            [z, y, x] => [1, z, y, x],
            _ => panic!("{name}"),
        };
        Array4::from_shape_vec(shape, array.to_f32()).unwrap()
    };
    for (name, file) in about["dataset_json"].as_object().unwrap() {
        let labels = serde_json::from_value::<DatasetJson>(file.clone()).unwrap().label_manager().unwrap();
        let info = &about["info"][format!("{name}_info")];
        assert_eq!(json!(labels.num_outputs()), info["heads"]);
        assert_eq!(json!(labels.labels()), info["all_labels"]);
        assert_eq!(json!(labels.ignore()), info["ignore"]);
        assert_eq!(labels.has_regions(), !info["fg_regions"].is_null());
        let mut scores = array("logits".to_owned());
        let from_logits = labels.decode_logits(&scores);
        labels.to_probabilities(&mut scores);
        let wanted = array(format!("{name}_prob"));
        assert!(scores.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-6));
        let seg = array(format!("{name}_seg")).mapv(|v| v as i16).remove_axis(ndarray::Axis(0));
        assert_eq!(from_logits, seg);
        assert_eq!(labels.decode_probabilities(&scores), seg);
    }
}

#[test]
fn every_problem_is_told_with_its_case() {
    let dir = tempfile::tempdir().unwrap();
    let (images, labels) = (dir.path().join("imagesTr"), dir.path().join("labelsTr"));
    std::fs::create_dir_all(&images).unwrap();
    std::fs::create_dir_all(&labels).unwrap();
    let unit = Geometry::of_spacing([1.0; 3]);
    let image = Array4::<f32>::ones((1, 4, 5, 6));
    let seg = Array3::<i16>::ones((4, 5, 6));
    for case in ["a", "b", "c", "d"] {
        write_image(images.join(format!("{case}_0000.nii.gz")), &image, &unit).unwrap();
        write_segmentation(labels.join(format!("{case}.nii.gz")), &seg, &unit).unwrap();
    }
    let file = dataset(json!({"background": 0, "x": 1}), Value::Null);
    file.write(dir.path()).unwrap();
    // numTraining is 3; b: NaN; c: a label too many and another spacing; d: no labels
    let mut nan = image.clone();
    nan[[0, 0, 0, 0]] = f32::NAN;
    write_image(images.join("b_0000.nii.gz"), &nan, &unit).unwrap();
    write_segmentation(labels.join("c.nii.gz"), &(seg * 7), &Geometry::of_spacing([1.0, 1.0, 2.0])).unwrap();
    std::fs::remove_file(labels.join("d.nii.gz")).unwrap();
    let Err(Error::Dataset { problems, .. }) = verify(dir.path(), 2, &silent) else { panic!("no problem found") };
    let wanted = ["`numTraining` is 3", "b: 1 voxel(s) of the image are NaN", "c: ", "c: ", "d: there is no label image"];
    assert_eq!(problems.len(), wanted.len(), "{problems:#?}");
    problems.iter().zip(wanted).for_each(|(problem, wanted)| assert!(problem.contains(wanted), "{problem}"));
}

/// A label image that lost its direction, and a reader that turns what it reads by that direction.
#[test]
fn a_repaired_copy_has_its_voxels_where_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let (image, label) = (dir.path().join("imagesTr/a_0000.nii.gz"), dir.path().join("labelsTr/a.nii.gz"));
    ["imagesTr", "labelsTr"].iter().for_each(|folder| std::fs::create_dir(dir.path().join(folder)).unwrap());
    let mut about = serde_json::to_value(dataset(json!({"background": 0, "x": 1}), Value::Null)).unwrap();
    about["overwrite_image_reader_writer"] = json!("SimpleITKIOWithReorient");
    parse(about).unwrap().write(dir.path()).unwrap();
    let unit = Geometry::of_spacing([1.0; 3]);
    let mut lost = unit.clone();
    lost.direction[0][0] = -1.0;
    let seg = Array3::from_shape_fn((4, 5, 6), |(_, _, x)| i16::from(x == 0));
    write_image(&image, &Array4::ones((1, 4, 5, 6)), &unit).unwrap();
    write_segmentation(&label, &seg, &lost).unwrap();

    let misplaced = inspect(dir.path(), 1, &silent).unwrap().misplaced;
    assert_eq!(misplaced.iter().map(|misplaced| &misplaced.file).collect::<Vec<_>>(), [&label]);
    let folder = dir.path().join("repaired");
    repair(dir.path(), &misplaced, &folder, &silent).unwrap();
    let (labels, geometry) = read_segmentation(repaired(&folder, &label)).unwrap();
    assert_eq!(labels, seg);
    assert!(geometry.differences(&unit).is_empty(), "{geometry:?}");
}

fn parse(value: Value) -> Result<DatasetJson, serde_json::Error> {
    serde_json::from_value(value)
}

#[test]
fn unknown_keys_and_their_order_stay() {
    let file = json!({"name": "x", "labels": {"background": 0, "a": 1}, "licence": [1.5], "modality": {"0": "CT"}, "numTraining": 3,
        "file_ending": ".nii.gz"});
    let dataset = parse(file.clone()).unwrap();
    assert_eq!(dataset.channel_names, ["CT"]);
    assert_eq!(serde_json::to_string(&dataset).unwrap(), file.to_string());
}

#[test]
fn ignore_of_minus_one_is_the_highest_and_one() {
    let file = json!({"labels": {"background": 0, "a": 1, "ignore": -1, "b": [1, 2]}, "regions_class_order": [1, 2], "channel_names": {"0": "CT"},
        "numTraining": 3, "file_ending": ".nii.gz"});
    let dataset = parse(file).unwrap();
    assert_eq!((dataset.ignore, dataset.ignore_was_negative), (Some(3), true));
    assert_eq!(serde_json::to_value(&dataset).unwrap()["labels"], json!({"background": 0, "a": 1, "ignore": 3, "b": [1, 2]}));
    assert_eq!(dataset.num_label_entries(), 4);
}

#[test]
fn every_missing_key_is_named() {
    let error = parse(json!({"labels": {"a": "one"}})).unwrap_err().to_string();
    for key in ["channel_names", "label `a` is \"one\"", "numTraining", "file_ending"] {
        assert!(error.contains(key), "{error}");
    }
}

/// `dataset` in files of this ending, read by this reader.
pub(crate) fn in_files(dataset: &DatasetJson, ending: &str, reader: &str) -> DatasetJson {
    let mut about = serde_json::to_value(dataset).unwrap();
    about["file_ending"] = json!(ending);
    about["overwrite_image_reader_writer"] = json!(reader);
    parse(about).unwrap()
}

/// Writes an image (`.mhd`) whose header promises 10^18 voxels.
pub(crate) fn write_endless(path: &Path) {
    let header = "NDims = 3\nDimSize = 1000000 1000000 1000000\nElementType = MET_UCHAR\nElementDataFile = none.raw\n";
    std::fs::write(path, header).unwrap();
    std::fs::write(path.with_file_name("none.raw"), "").unwrap();
}

#[test]
fn a_copy_of_several_files_stands_alone() {
    let dir = tempfile::tempdir().unwrap();
    let [from, to] = ["a.mhd", "b.mhd"].map(|name| dir.path().join(name));
    let seg = Array3::from_shape_fn((2, 3, 4), |(z, _, x)| i16::from(z == 1 && x > 1));
    write_segmentation(&from, &seg, &Geometry::of_spacing([1.0; 3])).unwrap();
    copy_labels(&from, &to, &dataset(json!({"background": 0, "x": 1}), Value::Null)).unwrap();
    for file in volume::image::files(&from).unwrap() {
        std::fs::remove_file(file).unwrap();
    }
    assert_eq!(read_segmentation(&to).unwrap().0, seg);
}

#[test]
fn a_case_that_fits_into_no_memory_is_named_and_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let (image, label) = (dir.path().join("imagesTr/a_0000.mhd"), dir.path().join("labelsTr/a.mhd"));
    ["imagesTr", "labelsTr"].iter().for_each(|folder| std::fs::create_dir(dir.path().join(folder)).unwrap());
    [&image, &label].iter().for_each(|path| write_endless(path));
    in_files(&dataset(json!({"background": 0, "x": 1}), Value::Null), ".mhd", "SimpleITKIO").write(dir.path()).unwrap();
    let misplaced = Misplaced { file: label.clone(), is_label: true, like: image, differences: vec![] };
    let output = dir.path().join("out");
    let errors = [
        inspect(dir.path(), 2, &silent).unwrap_err(),
        label_values(dir.path(), 2, &silent).unwrap_err(),
        relabel(dir.path(), &[(0, 0), (1, 1)].into(), &output, 2, &silent).unwrap_err(),
        repair(dir.path(), &[misplaced], &output, &silent).unwrap_err(),
    ];
    let file = label.display().to_string();
    for (error, case) in errors.iter().map(Error::to_string).zip(["a", "a", "a", file.as_str()]) {
        assert!(error.contains(&format!("case {case}: needs ")) && error.contains("GiB of memory"), "{error}");
    }
    assert!(!output.exists());
}
