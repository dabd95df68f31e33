use super::*;
use crate::dataset::{DatasetJson, read_labels, training_cases};
use crate::json;
use crate::paths::Paths;
use crate::plan::Plans;
use crate::progress::silent;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use volume::files::npz::read_npz_array;
use volume::files::properties::{CaseProperties, ClassKey};
use volume::image::read_channels;

fn folder(variable: &str, name: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(|folder| Path::new(&folder).join(name));
    if found.is_none() {
        eprintln!("skipped: {variable} is not set");
    }
    found
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compares with nnU-Net's arrays and properties; `tolerance` is in normalised units. Returns whether the labels are the very same.
fn compare(made: &PreprocessedCase, npz: &Path, about: &Value, tolerance: f32, what: &str) -> bool {
    let wanted = read_npz_array(npz, "data").unwrap();
    assert_eq!(made.data.shape(), wanted.shape(), "{what}");
    let worst = made.data.iter().zip(wanted.to_f32()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= tolerance, "{what}: {worst} > {tolerance}");
    let seg = read_npz_array(npz, "seg").unwrap().to_vec::<i16>().unwrap();
    assert_eq!(seg.len(), made.seg.len(), "{what}");
    let differing = made.seg.iter().zip(&seg).filter(|(a, b)| a != b).count();
    assert!((differing as f64) < 0.0005 * seg.len() as f64, "{what}: {differing} of {} labels differ", seg.len());

    let (found, wanted) = (&made.properties, &about["properties"]);
    let same = |key: &str, value: Value| assert_eq!(value, wanted[key], "{what} {key}");
    same("spacing", serde_json::json!(found.spacing));
    same("shape_before_cropping", serde_json::json!(found.shape_before_cropping));
    same("bbox_used_for_cropping", serde_json::json!(found.bbox_used_for_cropping));
    same("shape_after_cropping_and_before_resampling", serde_json::json!(found.shape_after_cropping_and_before_resampling));
    let stuff = &found.sitk_stuff;
    for (key, values) in [("spacing", &stuff.spacing), ("origin", &stuff.origin), ("direction", &stuff.direction)] {
        let wanted: Vec<f64> = serde_json::from_value(wanted["sitk_stuff"][key].clone()).unwrap();
        assert!(values.len() == wanted.len() && values.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-6), "{what} {key} {values:?} {wanted:?}");
    }
    if differing == 0 {
        compare_locations(found, &wanted["class_locations"], what);
    }
    differing == 0
}

fn compare_locations(found: &CaseProperties, wanted: &Value, what: &str) {
    let (found, wanted) = (found.class_locations.as_ref().unwrap(), wanted.as_object().unwrap());
    assert_eq!(found.len(), wanted.len(), "{what}");
    for ((key, voxels), (name, wanted)) in found.iter().zip(wanted) {
        let key = match key {
            ClassKey::Label(label) => label.to_string(),
            ClassKey::Region(labels) => format!("({})", labels.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")),
        };
        assert_eq!(key, *name, "{what}");
        assert_eq!(voxels.len() as u64, wanted["n"].as_u64().unwrap(), "{what} {name}");
        let bytes: Vec<u8> = voxels.as_flattened().iter().flat_map(|n| n.to_le_bytes()).collect();
        if !voxels.is_empty() {
            let first: Vec<_> = voxels.iter().take(10).collect();
            assert_eq!(serde_json::json!(first), wanted["first10"], "{what} {name}");
            assert_eq!(hex(&bytes), wanted["sha256_int64_le_Nx4"].as_str().unwrap(), "{what} {name}");
        }
    }
}

#[test]
fn crafted_cases() {
    let Some(folder) = folder("NNUNET_REFERENCE", "preproc/crafted") else { return };
    let (mut exact, mut all) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let folder = entry.unwrap().path();
        let what = folder.display().to_string();
        let (plans, dataset) = (Plans::read(&folder.join("plans.json")).unwrap(), DatasetJson::read(&folder).unwrap());
        let name = plans.configurations.keys().next().unwrap();
        // the crafted plans have no network
        let mut plans = plans.clone();
        plans.configurations[name]["architecture"] = serde_json::json!({"network_class_name": "none", "arch_kwargs": {}});
        let configuration = plans.configuration(name).unwrap();
        let images: Vec<_> = (0..9).map(|i| folder.join(format!("in_{i:04}.nii.gz"))).filter(|path| path.exists()).collect();
        let (image, _) = read_channels(&images).unwrap();
        let (seg, _) = read_labels(&folder.join("in_seg.nii.gz"), &dataset).unwrap();
        let about: Value = json::read(&folder.join("out.json")).unwrap();
        let made = preprocess_case(image.clone(), Some(seg), &plans, &configuration, &dataset).unwrap();
        exact += usize::from(compare(&made, &folder.join("out.npz"), &about, 1e-4, &what));
        all += 1;

        let without = preprocess_case(image, None, &plans, &configuration, &dataset).unwrap();
        let about: Value = json::read(&folder.join("out_noseg.json")).unwrap();
        assert_eq!(without.data == made.data, about["same_data_as_with_seg"].as_bool().unwrap(), "{what}");
        assert_eq!(without.properties.class_locations, None);
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        without.seg.iter().for_each(|label| *counts.entry(label.to_string()).or_default() += 1);
        assert_eq!(serde_json::json!(counts), about["seg_counts"], "{what}");
    }
    eprintln!("{exact} of {all} crafted cases have the very same labels and class locations");
    assert!(all >= 18 && exact >= 16, "{exact} of {all}");
}

/// Without resampling the grid stays; half of a resampling, or another's preprocessor, is refused.
#[test]
fn plans_that_do_not_resample() {
    let Some(folder) = folder("NNUNET_REFERENCE", "preproc/crafted/lowres_axis1") else { return };
    let dataset = DatasetJson::read(&folder).unwrap();
    let mut plans = Plans::read(&folder.join("plans.json")).unwrap();
    let name = plans.configurations.keys().next().unwrap().clone();
    let mut set = |keys: &[&str], value: Value| {
        keys.iter().for_each(|key| plans.configurations[&name][*key] = value.clone());
        let (image, _) = read_channels(&[folder.join("in_0000.nii.gz")]).unwrap();
        let (seg, _) = read_labels(&folder.join("in_seg.nii.gz"), &dataset).unwrap();
        preprocess_case(image, Some(seg), &plans, &plans.configuration(&name).unwrap(), &dataset)
    };
    set(&["architecture"], serde_json::json!({"network_class_name": "none", "arch_kwargs": {}})).unwrap();
    set(&["resampling_fn_data_kwargs", "resampling_fn_seg_kwargs"], serde_json::json!({})).unwrap();
    let error = set(&["resampling_fn_data"], "no_resampling_hack".into()).unwrap_err().to_string();
    assert!(error.contains("both must be resampled, or neither"), "{error}");
    let made = set(&["resampling_fn_seg"], "no_resampling_hack".into()).unwrap();
    assert_eq!(made.seg.shape(), made.properties.shape_after_cropping_and_before_resampling);
    assert_eq!(made.data.shape()[1..], *made.seg.shape());
    let error = set(&["preprocessor_name"], "Mine".into()).unwrap_err().to_string();
    assert!(error.contains("the preprocessor Mine; there is DefaultPreprocessor"), "{error}");
}

#[test]
fn hippocampus_cases() {
    let (Some(folder_), Some(raw)) = (folder("NNUNET_REFERENCE", "preproc/hippo"), folder("NNUNET_TEST_DATA", "Dataset004_Hippocampus")) else {
        return;
    };
    let plans = Plans::read(&folder_.join("../../plans/Dataset004_Hippocampus/nnUNetPlans.json")).unwrap();
    let dataset = DatasetJson::read(&raw).unwrap();
    let mut compared = 0;
    for case in training_cases(&raw, &dataset).unwrap() {
        let npz = folder_.join(format!("{}.npz", case.name));
        if !npz.exists() {
            continue;
        }
        let about: Value = json::read(&npz.with_extension("json")).unwrap();
        for name in ["3d_fullres", "2d"] {
            let (image, _) = read_channels(&case.images).unwrap();
            let (seg, _) = read_labels(&case.label, &dataset).unwrap();
            let made = preprocess_case(image, Some(seg), &plans, &plans.configuration(name).unwrap(), &dataset).unwrap();
            assert!(compare(&made, &npz, &about, 1e-5, &format!("{} {name}", case.name)));
            compared += 1;
        }
    }
    assert!(compared >= 2, "{compared}");
}

/// A preprocessed dataset of the crafted fingerprint cases.
struct Prepared {
    dir: tempfile::TempDir,
    paths: Paths,
}

const NAME: &str = "Dataset011_FPCraft";

impl Prepared {
    fn new() -> Option<Self> {
        let reference = folder("NNUNET_REFERENCE", "fingerprint")?.join(NAME);
        let dir = tempfile::tempdir().unwrap();
        let (raw, pre) = (dir.path().join("raw").join(NAME), dir.path().join("pre").join(NAME));
        for sub in ["imagesTr", "labelsTr"] {
            fs::create_dir_all(raw.join(sub)).unwrap();
            for entry in fs::read_dir(reference.join(sub)).unwrap() {
                let path = entry.unwrap().path();
                fs::copy(&path, raw.join(sub).join(path.file_name().unwrap())).unwrap();
            }
        }
        fs::create_dir_all(&pre).unwrap();
        fs::copy(reference.join("dataset.json"), raw.join("dataset.json")).unwrap();
        fs::copy(reference.join("nnUNetPlans.json"), pre.join("nnUNetPlans.json")).unwrap();
        let paths = Paths::new(dir.path().join("raw"), dir.path().join("pre"), dir.path().join("results"));
        Some(Self { dir, paths })
    }

    fn run(&self) {
        run(&self.paths, None, NAME, &Options::default(), &silent).unwrap();
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join("pre").join(NAME).join(path)
    }

    /// Bytes and time of each file of 3d_fullres.
    fn state(&self) -> BTreeMap<String, (Vec<u8>, std::time::SystemTime)> {
        let entries = fs::read_dir(self.at("3d_fullres")).unwrap();
        entries
            .map(|entry| {
                let path = entry.unwrap().path();
                let changed = fs::metadata(&path).unwrap().modified().unwrap();
                (path.file_name().unwrap().to_string_lossy().into_owned(), (fs::read(&path).unwrap(), changed))
            })
            .collect()
    }
}

#[test]
fn a_dataset_is_made_once_and_remade_where_it_changed() {
    let Some(prepared) = Prepared::new() else { return };
    prepared.run();
    let first = prepared.state();
    assert_eq!(first.len(), 10, "npz and pkl alone: {:?}", first.keys());
    assert!(prepared.at("gt_segmentations/fp_0.nii.gz").exists() && prepared.at("2d").is_symlink());
    let map = volume::files::NpzMap::open(&prepared.at("3d_fullres/fp_0.npz")).unwrap();
    assert!(map.is_mapped("data").unwrap() && map.is_mapped("seg").unwrap());
    let (shape, data) = map.array_f32("data").unwrap();
    assert_eq!((shape.len(), shape[0], data.as_ptr().align_offset(4)), (4, 2, 0));
    assert_eq!(map.array_i16("seg").unwrap().0[0], 1);
    let (plans, dataset) = (Plans::read(&prepared.at("nnUNetPlans.json")).unwrap(), DatasetJson::read(&prepared.at("")).unwrap());
    let configuration = plans.configuration("3d_fullres").unwrap();
    let cases = check(&prepared.at(""), &plans, &configuration, &dataset, &Plugins::default()).unwrap();
    assert_eq!(cases, ["fp_0", "fp_1", "fp_2", "fp_3", "fp_4"]);

    // nothing to do
    prepared.run();
    assert_eq!(prepared.state(), first);

    // one file lost, one raw file changed, one touched, one case gone
    fs::remove_file(prepared.at("3d_fullres/fp_1.pkl")).unwrap();
    let raw = prepared.dir.path().join("raw").join(NAME);
    fs::copy(raw.join("labelsTr/fp_3.nii.gz"), raw.join("labelsTr/fp_2.nii.gz.new")).unwrap();
    let bytes = fs::read(raw.join("imagesTr/fp_0_0000.nii.gz")).unwrap();
    fs::write(raw.join("imagesTr/fp_0_0000.nii.gz"), bytes).unwrap();
    for channel in ["fp_4_0000.nii.gz", "fp_4_0001.nii.gz"] {
        fs::remove_file(raw.join("imagesTr").join(channel)).unwrap();
    }
    let (image, geometry) = volume::image::read_segmentation(raw.join("labelsTr/fp_2.nii.gz")).unwrap();
    volume::image::write_segmentation(raw.join("labelsTr/fp_2.nii.gz"), &image.mapv(|_| 0), &geometry).unwrap();
    prepared.run();
    let second = prepared.state();
    assert_eq!(second.len(), 8);
    for (name, (bytes, changed)) in &second {
        let (old_bytes, old_changed) = &first[name];
        let remade = name.starts_with("fp_1") || name.starts_with("fp_2");
        assert_eq!(changed != old_changed, remade, "{name}");
        assert_eq!(bytes != old_bytes, name.starts_with("fp_2"), "{name}");
    }

    // another batch size changes nothing; another spacing everything, and until then training is refused
    let mut plans = plans;
    plans.configurations["3d_fullres"]["batch_size"] = 77.into();
    assert!(check(&prepared.at(""), &plans, &plans.configuration("3d_fullres").unwrap(), &dataset, &Plugins::default()).is_ok());
    plans.configurations["3d_fullres"]["spacing"] = serde_json::json!([3.0, 3.0, 3.0]);
    let error = check(&prepared.at(""), &plans, &plans.configuration("3d_fullres").unwrap(), &dataset, &Plugins::default()).unwrap_err();
    assert!(error.to_string().contains("another spacing"));
    plans.write(&prepared.at("nnUNetPlans.json")).unwrap();
    prepared.run();
    assert!(prepared.state().iter().all(|(name, (bytes, _))| name.ends_with("pkl") || *bytes != second[name].0));
    assert!(check(&prepared.at(""), &plans, &plans.configuration("3d_fullres").unwrap(), &dataset, &Plugins::default()).is_ok());
}

#[test]
fn a_missing_file_is_told_with_its_case_and_the_rest_stays() {
    let Some(prepared) = Prepared::new() else { return };
    let label = prepared.dir.path().join("raw").join(NAME).join("labelsTr/fp_3.nii.gz");
    let bytes = fs::read(&label).unwrap();
    fs::write(&label, &bytes[..bytes.len() / 2]).unwrap();
    let options = Options { num_processes: vec![1], configurations: vec!["3d_fullres".into(), "own".into()], ..Options::default() };
    let error = run(&prepared.paths, None, NAME, &options, &silent).unwrap_err().to_string();
    assert!(error.starts_with("case fp_3: ") && error.contains("fp_3.nii.gz"), "{error}");
    assert!(prepared.at("nnUNetPlans_3d_fullres/fp_2.pkl").exists());
    // and no training, nor its splits, is made of a part of the cases
    let (plans, dataset) = (Plans::read(&prepared.at("nnUNetPlans.json")).unwrap(), DatasetJson::read(&prepared.at("")).unwrap());
    let checked = || check(&prepared.at(""), &plans, &plans.configuration("3d_fullres").unwrap(), &dataset, &Plugins::default());
    let error = checked().unwrap_err().to_string();
    assert!(error.ends_with("3 of the 5 cases of nnUNetPlans_3d_fullres are preprocessed; nnUNetv2_preprocess makes the others"), "{error}");
    fs::write(&label, bytes).unwrap();
    assert_eq!(run(&prepared.paths, None, NAME, &options, &silent).unwrap(), ["own"]);
    assert_eq!(checked().unwrap().len(), 5);
    let options = Options { num_processes: vec![1, 2, 3], ..options };
    assert!(run(&prepared.paths, None, NAME, &options, &silent).unwrap_err().to_string().contains("-np"));
}

/// The tests run this in a process of its own, to kill it: all of Dataset004 in the folder that the variable names.
#[test]
#[ignore = "a part of other tests"]
fn whole_dataset() {
    let (Some(dir), Some(raw)) = (std::env::var_os("WHOLE_DATASET_IN"), std::env::var_os("NNUNET_TEST_DATA")) else { return };
    let paths = Paths::new(raw, &dir, &dir);
    let name = "Dataset004_Hippocampus";
    crate::fingerprint::run(&paths, name, &Default::default(), &silent).unwrap();
    crate::plan::run(&paths, name, &Default::default(), None, &crate::plan::tests::planning_size).unwrap();
    run(&paths, None, name, &Options::default(), &silent).unwrap();
}

fn child(dir: &Path) -> std::process::Child {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["preprocess::tests::whole_dataset", "--exact", "--ignored"]).env("WHOLE_DATASET_IN", dir);
    command.stdout(std::process::Stdio::null()).spawn().unwrap()
}

/// Every file below `folder` but the manifests, which hold times.
fn files_below(folder: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>, root: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, into, root);
        } else if !path.to_string_lossy().ends_with(".manifest.json") {
            into.insert(path.strip_prefix(root).unwrap().to_path_buf(), fs::read(&path).unwrap());
        }
    }
}

/// Killed again and again, it ends with the files of an undisturbed run.
#[test]
#[ignore = "preprocesses a whole dataset twice"]
fn killed_at_any_moment_it_goes_on() {
    if folder("NNUNET_TEST_DATA", "").is_none() {
        return;
    }
    let (calm, rough) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let start = std::time::Instant::now();
    assert!(child(calm.path()).wait().unwrap().success());
    eprintln!("undisturbed: {:?}", start.elapsed());
    let mut kills = 0;
    for round in 1.. {
        let mut running = child(rough.path());
        std::thread::sleep(std::time::Duration::from_millis(300 * round));
        if running.try_wait().unwrap().is_some_and(|status| status.success()) {
            break;
        }
        running.kill().unwrap();
        running.wait().unwrap();
        kills += 1;
    }
    eprintln!("killed {kills} times");
    let (mut wanted, mut found) = (BTreeMap::new(), BTreeMap::new());
    files_below(calm.path(), &mut wanted, calm.path());
    files_below(rough.path(), &mut found, rough.path());
    assert!(kills > 2 && wanted.len() > 300);
    assert!(wanted.keys().eq(found.keys()), "{:?}", found.keys().filter(|name| !wanted.contains_key(*name)).collect::<Vec<_>>());
    assert!(wanted == found, "a file differs");
}
