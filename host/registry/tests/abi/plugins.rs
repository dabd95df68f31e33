//! A plugin of release 1.0: as it was built then, built today, and built by another compiler.

use plugin_api::{
    BatchQuestion, LrQuestion, NetworkSpec, PlanningDataset, PreprocessingPlan, Spacing, SpacingQuestion, Task,
    abi::host::{Named, NewValues, ValuesMut},
    json,
};
use registry::{Kind, Options, Registry, RowState, SearchPath};
use serde_json::{Map, Value};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/abi").canonicalize().unwrap()
}

/// The library that a compiler makes of a plugin's source.
fn built(plugin: &Path, target: &str, compiler: impl FnOnce(&mut Command)) -> Vec<u8> {
    // two builds in one target folder have one file
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let target = folder().join("../../target").join(target);
    let mut cargo = Command::new(env!("CARGO"));
    // what this test was built with must not reach the other build
    for name in ["RUSTC", "RUSTC_WRAPPER", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
        cargo.env_remove(name);
    }
    cargo.args(["build", "--release", "--manifest-path"]).arg(plugin.join("Cargo.toml")).arg("--target-dir").arg(&target);
    compiler(&mut cargo);
    assert!(cargo.status().unwrap().success(), "the plugin does not build");
    fs::read(target.join("release/libabi_plugin.so")).unwrap()
}

/// A registry whose only plugin has these bytes.
fn registry(bytes: &[u8]) -> (tempfile::TempDir, Registry) {
    let dir = tempfile::tempdir().unwrap();
    let plugins = dir.path().canonicalize().unwrap().join("plugins");
    fs::create_dir(&plugins).unwrap();
    fs::write(plugins.join("abi.so"), bytes).unwrap();
    for path in [plugins.clone(), plugins.join("abi.so")] {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let options = Options {
        search: SearchPath::new(&[plugins], None, None, None),
        cache: dir.path().join("cache"),
        lock: dir.path().join("plugins.lock"),
        ..Options::of_user(&[]).unwrap()
    };
    let registry = Registry::open(options).unwrap();
    (dir, registry)
}

/// Every kind of component that release 1.0 has, used.
fn works(bytes: &[u8]) {
    let (_dir, registry) = registry(bytes);
    let none = Map::new();
    let spec = NetworkSpec {
        input_channels: 1,
        num_classes: 2,
        patch_size: vec![8, 8],
        deep_supervision: false,
        network_class_name: String::new(),
        arch_kwargs: Value::Null,
    };
    let network = registry.architecture("abi_two_convs").unwrap().create(&none).unwrap();
    assert_eq!(network.planning_size(&serde_json::to_string(&spec).unwrap()).unwrap(), None);

    let loss = registry.loss("abi_counting").unwrap().create(&none, &Task::default()).unwrap();
    let prepared = loss.prepare(&[1, 2, 3], &[0, 1, 1, 0, 1, 0]).unwrap();
    assert_eq!((prepared[0].name(), prepared[0].int_values()), ("voxels", &[3][..]));
    let failing = registry.loss("abi_counting").unwrap().create(json!({"fail": true}).as_object().unwrap(), &Task::default()).unwrap();
    let error = failing.prepare(&[1, 1, 1], &[0]).unwrap_err();
    assert!(error.message().contains("abi-plugin was told to fail") && error.at().contains("lib.rs:"), "{error}");

    let planner = registry.hook(Kind::Planner, "abi_cubes").unwrap().create(&none, &PlanningDataset::default()).unwrap();
    assert_eq!(planner.answer("target_spacing", &SpacingQuestion::default(), Spacing([3.0, 0.7, 0.8])).unwrap(), Spacing([0.7; 3]));
    assert_eq!(planner.answer("batch_size", &BatchQuestion { fitting: 9, ..Default::default() }, 4usize).unwrap(), 5);
    assert_eq!(planner.answer("a_step_of_tomorrow", &json!({}), 7).unwrap(), 7);

    let preprocessor = registry.hook(Kind::Preprocessor, "abi_doubled").unwrap().create(&none, &PreprocessingPlan::default()).unwrap();
    let question = json!({"spacing": [1, 1, 1], "target_spacing": [1, 1, 1], "a_field_of_tomorrow": true});
    let mut voxels = vec![1.0f32, 2.0, 3.0];
    let mut arrays = [Named::new("image", &[1, 3, 1, 1], ValuesMut::F32(&mut voxels))];
    preprocessor.edit("before", &question, &[], &mut arrays).unwrap().unwrap();
    let edited = preprocessor.edit("run", &question, &[], &mut arrays).unwrap().unwrap();
    assert_eq!(edited.arrays, [Named::new("image", &[1, 2, 1, 1], NewValues::F32(vec![2.0, 6.0]))]);

    let schedule = registry.hook(Kind::LrSchedule, "abi_straight").unwrap().create(&none, &json!({})).unwrap();
    assert_eq!(schedule.ask::<f64>("lr", &LrQuestion { epoch: 1, epochs: 4, initial: 0.5 }).unwrap(), Some(0.375));
    assert_eq!(registry.config("abi_config").unwrap().config.num_epochs, Some(3));
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn the_file_of_release_1_0_works() {
    works(&fs::read(folder().join("x86_64-linux/abi-1.0.so")).unwrap());
}

#[test]
fn the_source_of_release_1_0_works_built_today() {
    works(&built(&folder().join("plugin"), "fixtures", |_| {}));
}

/// `NNUNET_OTHER_RUSTC` names the compiler; .ci/run fetches Debian's.
#[test]
fn the_source_of_release_1_0_works_built_by_another_compiler() {
    let Some(rustc) = std::env::var_os("NNUNET_OTHER_RUSTC") else {
        eprintln!("skipped: NNUNET_OTHER_RUSTC is not set");
        return;
    };
    works(&built(&folder().join("plugin"), "abi-other", |cargo| {
        cargo.env("RUSTC", rustc).env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0"); // the wall, not the speed
    }));
}

/// Release 1.7, made up: the source of 1.0 with a number, a function and a kind that today's host does not know.
fn release_of_tomorrow() -> PathBuf {
    let to = folder().join("../../target/abi-tomorrow-src");
    let files = ["plugin-api-1.0", "plugin"].map(|name| copied(&folder().join(name), &to.join(name)));
    assert!(files.iter().sum::<usize>() > 20);
    let edit = |file: &str, from: &str, with: &str| {
        let path = to.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{from:?} in {file}");
        fs::write(&path, text.replace(from, with)).unwrap();
    };
    edit("plugin-api-1.0/Cargo.toml", "version = \"1.0.0\"", "version = \"1.7.0\"");
    let last = "pub create_hook: extern \"C\" fn(RStr<'_>, RStr<'_>, RStr<'_>, RStr<'_>) -> AbiResult<HookBox>,";
    let one_more = format!("{last}\n    #[sabi(missing_field(option))]\n    pub tomorrow: extern \"C\" fn(u64) -> u64,");
    edit("plugin-api-1.0/src/abi/types.rs", last, &one_more);
    edit("plugin-api-1.0/src/abi/export.rs", "create_loss, create_hook }", "create_loss, create_hook, tomorrow }");
    edit(
        "plugin-api-1.0/src/abi/export.rs",
        "#[doc(hidden)]\npub fn root()",
        "extern \"C\" fn tomorrow(x: u64) -> u64 {\n    x\n}\n\n#[doc(hidden)]\npub fn root()",
    );
    edit(
        "plugin/src/lib.rs",
        "register_lr_schedule!(",
        "plugin_api::__register_own!(\"oracle\", \"abi_oracle\", \"of a kind of tomorrow\");\nregister_lr_schedule!(",
    );
    to
}

/// Copies the files of a source folder; how many there are.
fn copied(from: &Path, to: &Path) -> usize {
    fs::create_dir_all(to).unwrap();
    let entries = fs::read_dir(from).unwrap().flatten().filter(|entry| entry.file_name() != "target");
    entries
        .map(|entry| {
            let (path, to) = (entry.path(), to.join(entry.file_name()));
            if path.is_dir() { copied(&path, &to) } else { fs::copy(path, to).map(|_| 1).unwrap() }
        })
        .sum()
}

#[test]
fn a_plugin_of_a_later_release_works() {
    let bytes = built(&release_of_tomorrow().join("plugin"), "fixtures", |_| {});
    works(&bytes);
    let (_dir, registry) = registry(&bytes);
    let rows = registry.list();
    let oracle = rows.iter().find(|row| row.name == "abi_oracle").unwrap();
    assert_eq!((oracle.state, oracle.api.as_str()), (RowState::Ignored, "1.7.0"));
    assert_eq!(oracle.reason.as_deref(), Some("is of a kind that this host does not know"));
}

/// A file says which release it was built against: one of another major version is not loaded.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn another_major_version_is_refused_in_a_sentence() {
    let file = fs::read(folder().join("x86_64-linux/abi-1.0.so")).unwrap();
    let says = |version: &str| {
        let (from, to) = (b"\0api=1.0.0\0", format!("\0api={version}\0"));
        let mut bytes = file.clone();
        let places: Vec<usize> = (0..bytes.len() - from.len()).filter(|&i| bytes[i..].starts_with(from)).collect();
        assert_eq!((places.len(), to.len()), (1, from.len()));
        bytes[places[0]..places[0] + to.len()].copy_from_slice(to.as_bytes());
        bytes
    };
    let (_dir, registry) = registry(&says("2.0.0"));
    let row = registry.list().into_iter().find(|row| row.state == RowState::Refused).unwrap();
    let wanted = "needs plugin ABI 2.0, this host speaks 1.0: rebuild it with this host's plugin-api, or use a host of its time";
    assert_eq!(row.reason.as_deref(), Some(wanted));
}

/// What authors are told in docs/abi.md: the file runs wherever glibc is at least this old.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn the_file_needs_no_newer_glibc_than_is_said() {
    let file = fs::read(folder().join("x86_64-linux/abi-1.0.so")).unwrap();
    let text = String::from_utf8_lossy(&file);
    let versions = text.split("GLIBC_").skip(1).filter_map(|rest| {
        let number: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        let (major, minor) = number.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.split('.').next()?.parse::<u32>().ok()?))
    });
    let newest = versions.max().unwrap();
    let docs = fs::read_to_string(folder().join("../../docs/abi.md")).unwrap();
    assert!(docs.contains(&format!("glibc {}.{} or newer", newest.0, newest.1)), "docs/abi.md should say glibc {}.{}", newest.0, newest.1);
}
