//! Who may know whom. The test reads every crate's manifest and fails when a forbidden dependency appears.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fs, path::Path};

/// Crate, and the crates of this workspace that it may depend on (dev-dependencies apart).
const ARROWS: &[(&str, &[&str])] = &[
    ("plugin-api", &[]),
    ("plugin-test", &["plugin-api"]),
    ("volume", &[]),
    ("engine", &["plugin-api"]),
    ("registry", &["plugin-api", "volume"]),
    ("pipeline", &["engine", "plugin-api", "registry", "volume"]),
    ("nnunet", &["engine", "pipeline", "registry", "standard"]),
    ("host", &["engine", "pipeline", "plugin-api", "registry", "standard", "volume"]),
];

/// A plugin knows plugin-api alone.
const PLUGIN: &[&str] = &["plugin-api"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Name and normal dependencies of every crate of the workspace.
fn crates() -> BTreeMap<String, (String, Vec<String>)> {
    let folders = ["plugin-api", "plugin-test", "host/*", "plugins/*", "examples/*", "tests/fixtures/*"];
    let mut found = BTreeMap::new();
    for pattern in folders {
        let paths: Vec<_> = match pattern.strip_suffix("/*") {
            Some(parent) => fs::read_dir(root().join(parent)).map(|d| d.flatten().map(|e| e.path()).collect()).unwrap_or_default(),
            None => vec![root().join(pattern)],
        };
        for path in paths {
            let Ok(manifest) = fs::read_to_string(path.join("Cargo.toml")) else { continue };
            let (mut section, mut name, mut dependencies) = ("", String::new(), Vec::new());
            for line in manifest.lines().map(str::trim) {
                if line.starts_with('[') {
                    section = line;
                } else if section == "[package]" && name.is_empty() && line.starts_with("name") {
                    name = line.split('"').nth(1).unwrap_or_default().to_string();
                } else if section == "[dependencies]" && !line.starts_with('#') {
                    dependencies.extend(line.split(['.', '=', ' ']).next().filter(|d| !d.is_empty()).map(str::to_string));
                }
            }
            let folder = path.strip_prefix(root()).unwrap().display().to_string();
            found.insert(name, (folder, dependencies));
        }
    }
    found
}

#[test]
fn dependencies_point_up_the_page_only() {
    let crates = crates();
    assert!(crates.len() >= 9, "only {:?} were found", crates.keys());
    for (name, (folder, dependencies)) in &crates {
        let allowed = ARROWS.iter().find(|(n, _)| n == name).map_or(PLUGIN, |(_, a)| a);
        for d in dependencies.iter().filter(|d| crates.contains_key(*d)) {
            assert!(allowed.contains(&d.as_str()), "{name} ({folder}) depends on {d}; it may know {allowed:?}");
        }
    }
}

#[test]
fn burn_is_named_in_the_engine_alone_and_the_wall_in_plugin_api_alone() {
    for (name, (folder, dependencies)) in crates() {
        for d in &dependencies {
            let owner = match d.as_str() {
                d if d.starts_with("burn") || d.starts_with("cubecl") => "engine",
                "abi_stable" => "plugin-api",
                "libloading" => "registry",
                _ => continue,
            };
            assert_eq!(name, owner, "{name} ({folder}) depends on {d}, which is {owner}'s alone");
        }
    }
}

fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn abi_stable_is_named_in_the_abi_folder_alone() {
    let (mut files, src) = (Vec::new(), root().join("plugin-api/src"));
    sources(&src, &mut files);
    assert!(!files.is_empty());
    for file in files.iter().filter(|f| !f.starts_with(src.join("abi"))) {
        let text = fs::read_to_string(file).unwrap();
        let named = text.lines().any(|l| l.contains("abi_stable") && !l.trim_start().starts_with("//") && !l.contains("__private"));
        assert!(!named, "{} names abi_stable; only plugin-api/src/abi may", file.display());
    }
}

/// Files and folders that may have `unsafe` (docs/design.md says why).
const UNSAFE: &[&str] = &[
    "plugin-api/src/abi",
    "plugin-api/src/register.rs",
    "host/registry/src/load.rs",
    "host/engine/src/kernels",
    "host/volume/src/files/npz_map.rs",
    "host/nnunet/src/ffi.rs",
];

#[test]
fn unsafe_code_has_its_rooms() {
    for (folder, _) in crates().into_values().filter(|(folder, _)| !folder.starts_with("tests") && !folder.starts_with("examples")) {
        let (mut files, src) = (Vec::new(), root().join(&folder).join("src"));
        sources(&src, &mut files);
        for file in files.iter().filter(|f| !UNSAFE.iter().any(|room| f.starts_with(root().join(room)))) {
            let text = fs::read_to_string(file).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let found = code
                .filter(|line| ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "#[unsafe("].iter().any(|word| line.contains(word)))
                .count();
            assert_eq!(found, 0, "{} has unsafe code; docs/design.md names the rooms for it", file.display());
        }
    }
}
