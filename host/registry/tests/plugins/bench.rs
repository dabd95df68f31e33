//! Fixtures, and a place of one's own to put them.

use registry::{Options, Registry, Row, SearchPath, Trust};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

const FIXTURES: [&str; 9] = ["fx-badgrad", "fx-configs", "fx-ctor", "fx-dup", "fx-good", "fx-hooks", "fx-leak", "fx-panic", "fx-segv"];

/// The built library of a fixture. They are a workspace of their own, so that they never lie beside the executable.
pub(crate) fn fixture(name: &str) -> &'static Path {
    static BUILT: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    &BUILT.get_or_init(build)[name]
}

fn build() -> BTreeMap<String, PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root.join("tests/fixtures")).args(["build", "--release", "--message-format=json", "--target-dir", "../../target/fixtures"]);
    cargo.stderr(Stdio::inherit());
    let output = cargo.args(FIXTURES.iter().flat_map(|f| ["-p", f])).output().unwrap();
    assert!(output.status.success(), "the fixtures do not build");
    let messages = output.stdout.split(|&b| b == b'\n').filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok());
    let built: BTreeMap<String, PathBuf> = messages
        .filter(|m| m["reason"] == "compiler-artifact")
        .filter_map(|m| Some((m["target"]["name"].as_str()?.replace('_', "-"), PathBuf::from(m["filenames"][0].as_str()?))))
        .filter(|(name, _)| FIXTURES.contains(&name.as_str()))
        .collect();
    assert_eq!(built.len(), FIXTURES.len(), "{built:?}");
    built
}

/// A folder of plugins with cache and pins of its own.
pub(crate) struct Bench {
    dir: tempfile::TempDir,
    pub(crate) options: Options,
}

impl Bench {
    /// With copies of these fixtures in it.
    pub(crate) fn with(fixtures: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let plugins = dir.path().canonicalize().unwrap().join("plugins");
        fs::create_dir(&plugins).unwrap();
        chmod(&plugins, 0o755);
        let options = Options {
            search: SearchPath::new(&[plugins], None, None, None),
            cache: dir.path().join("cache"),
            lock: dir.path().join("data/plugins.lock"),
            dev_plugins: false,
            trust: Trust::default(),
        };
        let bench = Bench { dir, options };
        for name in fixtures {
            bench.add(&format!("{name}.so"), &fs::read(fixture(name)).unwrap());
        }
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join("plugins").join(name)
    }

    pub(crate) fn add(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        chmod(&path, 0o755);
        path
    }

    pub(crate) fn open(&self) -> Registry {
        Registry::open(self.options.clone()).unwrap()
    }

    /// The row of a file that is not used.
    pub(crate) fn refusal(&self, name: &str) -> String {
        reason(&self.open().list(), &self.path(name))
    }
}

/// Why the list says that a file is refused.
pub(crate) fn reason(rows: &[Row], file: &Path) -> String {
    let of_file: Vec<&Row> = rows.iter().filter(|r| r.file.as_deref() == Some(file)).collect();
    match of_file[..] {
        [row] if row.state == registry::RowState::Refused => row.reason.clone().unwrap(),
        _ => panic!("{} should have one row, refused: {of_file:?}", file.display()),
    }
}

pub(crate) fn chmod(path: &Path, mode: u32) {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

/// Bytes of a fixture with `from` replaced by `to`, of the same length, wherever it stands.
pub(crate) fn patched(name: &str, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = fs::read(fixture(name)).unwrap();
    let places: Vec<usize> = (0..bytes.len() - from.len()).filter(|&i| bytes[i..].starts_with(from)).collect();
    assert!(!places.is_empty(), "{:?} is not in {name}", String::from_utf8_lossy(from));
    for i in places {
        bytes[i..i + to.len()].copy_from_slice(to);
    }
    bytes
}

/// Bytes of a fixture with one more at the end: another file for the hash, the same for the loader.
pub(crate) fn altered(name: &str) -> Vec<u8> {
    let mut bytes = fs::read(fixture(name)).unwrap();
    bytes.push(0);
    bytes
}
