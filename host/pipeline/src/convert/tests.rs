use super::*;
use crate::dataset::training_cases;
use crate::json;
use crate::progress::silent;
use crate::test_data::{names, row, write_labels};
use ndarray::Array4;
use serde_json::{Value, json};
use std::fs;
use volume::image::{Geometry, read_header, read_image, write_image};

fn paths(dir: &Path) -> Paths {
    Paths::new(dir.join("raw"), dir.join("pre"), dir.join("results"))
}

/// Two training cases and a test case of `channels` channels in one file.
fn task(folder: &Path, channels: usize) {
    let image = Array4::from_shape_fn((channels, 2, 3, 4), |(c, z, y, x)| (c * 100 + z * 12 + y * 4 + x) as f32);
    let geometry = Geometry { origin: [1.0, 2.0, 3.0], ..Geometry::of_spacing([2.0, 1.0, 0.5]) };
    for (part, case) in [("imagesTr", "p_01"), ("imagesTr", "p_02"), ("imagesTs", "p_03")] {
        fs::create_dir_all(folder.join(part)).unwrap();
        write_image(folder.join(part).join(format!("{case}.nii.gz")), &image, &geometry).unwrap();
        fs::write(folder.join(part).join(format!("._{case}.nii.gz")), "left by a file manager").unwrap();
        fs::write(folder.join(part).join(format!("_{case}.nii.gz")), "left by a browser").unwrap();
    }
    for case in ["p_01", "p_02"] {
        write_labels(&folder.join("labelsTr").join(format!("{case}.nii.gz")), &row(&[0, 1, 2]));
    }
    let old = json!({"name": "X", "modality": {"0": "T2", "1": "ADC"}, "labels": {"0": "Background", "1": "PZ", "2": "TZ"}, "numTraining": 9,
        "numTest": 1, "tensorImageSize": "4D", "training": [{"image": "a", "label": "b"}], "test": ["c"]});
    json::write(&folder.join("dataset.json"), &old).unwrap();
}

#[test]
fn a_task_of_the_decathlon_becomes_a_dataset() {
    let dir = tempfile::tempdir().unwrap();
    let (source, paths) = (dir.path().join("Task05_Prostate"), paths(dir.path()));
    task(&source, 2);
    let folder = convert_msd(&paths, &source, None, 2, &silent).unwrap();
    assert_eq!(folder, dir.path().join("raw/Dataset005_Prostate"));
    assert_eq!(names(&dir.path().join("raw")), ["Dataset005_Prostate"]);
    assert_eq!(names(&folder.join("imagesTr")), ["p_01_0000.nii.gz", "p_01_0001.nii.gz", "p_02_0000.nii.gz", "p_02_0001.nii.gz"]);
    assert_eq!(names(&folder.join("imagesTs")), ["p_03_0000.nii.gz", "p_03_0001.nii.gz"]);
    assert_eq!(names(&folder.join("labelsTr")), ["p_01.nii.gz", "p_02.nii.gz"]);
    let second = read_image(folder.join("imagesTr/p_02_0001.nii.gz")).unwrap();
    assert_eq!((second.data.dim(), second.data[(0, 1, 2, 3)]), ((1, 2, 3, 4), 123.0));
    assert_eq!((second.geometry.spacing, second.geometry.origin), ([2.0, 1.0, 0.5], [1.0, 2.0, 3.0]));
    let made: Value = json::read(&folder.join("dataset.json")).unwrap();
    let wanted = json!({"name": "X", "labels": {"background": 0, "PZ": 1, "TZ": 2}, "numTraining": 2, "numTest": 1, "tensorImageSize": "4D",
        "file_ending": ".nii.gz", "channel_names": {"0": "T2", "1": "ADC"}});
    assert_eq!(made, wanted);
    let dataset = DatasetJson::read(&folder).unwrap();
    assert_eq!(training_cases(&folder, &dataset).unwrap().len(), 2);

    let error = convert_msd(&paths, &source, None, 2, &silent).unwrap_err().to_string();
    assert!(error.contains("the number 5 is taken by") && error.contains("Dataset005_Prostate"), "{error}");
    assert!(convert_msd(&paths, &source, Some(105), 2, &silent).unwrap().ends_with("Dataset105_Prostate"));
}

#[test]
fn three_dimensional_images_are_copied() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("Task09_Spleen");
    task(&source, 1);
    let folder = convert_msd(&paths(dir.path()), &source, None, 1, &silent).unwrap();
    assert_eq!(fs::read(folder.join("imagesTr/p_01_0000.nii.gz")).unwrap(), fs::read(source.join("imagesTr/p_01.nii.gz")).unwrap());
}

#[test]
fn half_a_dataset_is_never_left() {
    let dir = tempfile::tempdir().unwrap();
    let (source, paths) = (dir.path().join("Task05_Prostate"), paths(dir.path()));
    task(&source, 2);
    let error = || convert_msd(&paths, &source, None, 2, &silent).unwrap_err().to_string();
    let image = source.join("imagesTs/p_03.nii.gz");
    let whole = fs::read(&image).unwrap();
    fs::write(&image, &whole[..whole.len() / 2]).unwrap();
    assert!(error().contains("p_03.nii.gz"));
    assert_eq!(names(&dir.path().join("raw")), Vec::<String>::new());
    fs::write(&image, whole).unwrap();
    fs::write(source.join("dataset.json"), "{\"labels\": [1], \"modality\": {}}").unwrap();
    assert!(error().contains("`labels` is [1], not an object such as"));
    fs::write(source.join("dataset.json"), "{\"labels\": {\"0\": \"a\", \"1\": \"background\"}}").unwrap();
    assert!(error().contains("names background twice"));
    fs::remove_file(source.join("labelsTr/p_01.nii.gz")).unwrap();
    assert!(error().contains("only images [p_01.nii.gz], only labels []"));
    fs::remove_dir_all(source.join("labelsTr")).unwrap();
    assert!(error().contains("there is no folder labelsTr"));
    assert!(convert_msd(&paths, &dir.path().join("x"), None, 2, &silent).unwrap_err().to_string().contains("not named as a task"));
    assert_eq!(names(&dir.path().join("raw")), Vec::<String>::new());
}

#[test]
fn a_dataset_of_the_first_version_is_copied() {
    let dir = tempfile::tempdir().unwrap();
    let (source, paths) = (dir.path().join("Task500_Old"), paths(dir.path()));
    task(&source, 1);
    fs::rename(source.join("imagesTs"), source.join("imagesVal")).unwrap();
    let folder = convert_v1(&paths, &source, "Dataset500_New", 2, &silent).unwrap();
    assert_eq!(names(&folder), ["dataset.json", "imagesTr", "imagesVal", "labelsTr"]);
    assert_eq!(names(&folder.join("imagesVal")), ["p_03.nii.gz"]);
    assert_eq!(read_header(folder.join("imagesTr/p_01.nii.gz")).unwrap().shape, [2, 3, 4]);
    let made: Value = json::read(&folder.join("dataset.json")).unwrap();
    assert_eq!(made["labels"], json!({"background": 0, "PZ": 1, "TZ": 2}));
    assert!(made.get("numTest").is_none() && made.get("tensorImageSize").is_none() && made.get("training").is_none());
    let error = |name: &str| convert_v1(&paths, &source, name, 2, &silent).unwrap_err().to_string();
    assert!(error("Dataset500_Other").contains("the number 500 is taken by"));
    assert!(error("New").contains("New is no dataset's name"));
}
