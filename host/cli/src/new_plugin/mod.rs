//! A new plugin's crate: the author's part from a template, and the source of plugin-api and plugin-test out of this binary beside it.

mod name;
mod template;

pub(crate) use name::{Name, id};
pub(crate) use template::{KINDS, Template};

use include_dir::{Dir, include_dir};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

static PLUGIN_API: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../plugin-api");
static PLUGIN_TEST: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../plugin-test");
const LICENCE: &str = include_str!("../../../../LICENSE");

/// What an author decides.
pub(crate) struct NewPlugin {
    /// The crate, and what the component is called.
    pub(crate) name: Name,
    /// What the crate offers.
    pub(crate) template: &'static Template,
    /// Reverse domain name.
    pub(crate) id: String,
    /// For Cargo.toml.
    pub(crate) author: String,
    /// SPDX name, for Cargo.toml.
    pub(crate) licence: String,
}

impl NewPlugin {
    /// Every file with its text, by its path in the crate.
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files: Vec<(PathBuf, Vec<u8>)> =
            self.template.files().into_iter().map(|(path, text)| (path.into(), self.fill(&text).into_bytes())).collect();
        for (folder, source) in [("plugin-api", &PLUGIN_API), ("plugin-test", &PLUGIN_TEST)] {
            let folder = Path::new("vendor").join(folder);
            let mut vendored = Vec::new();
            collect(source, &mut vendored);
            // the host's own tests of them stay at home
            let wanted = vendored.into_iter().filter(|(path, _)| path.starts_with("src") || path.components().count() == 1);
            files.extend(wanted.map(|(path, bytes)| (folder.join(path), bytes.to_vec())));
            files.push((folder.join("LICENSE"), LICENCE.as_bytes().to_vec()));
        }
        files
    }

    fn fill(&self, text: &str) -> String {
        let Name { krate, snake, camel } = &self.name;
        let file = format!("{}{snake}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        let pairs = [
            ("{{crate}}", krate.as_str()),
            ("{{name}}", snake),
            ("{{Type}}", camel),
            ("{{id}}", &self.id),
            ("{{author}}", &self.author),
            ("{{licence}}", &self.licence),
            ("{{file}}", &file),
            ("{{kind}}", self.template.kind),
        ];
        pairs.iter().fold(text.to_owned(), |text, (key, value)| text.replace(key, value))
    }

    /// Writes the crate as a folder of its name below `parent`; all of it or nothing.
    ///
    /// # Errors
    /// There is something of that name, or the system refuses; with the path.
    pub(crate) fn write(&self, parent: &Path) -> Result<PathBuf, (PathBuf, io::Error)> {
        let folder = parent.join(&self.name.krate);
        if fs::symlink_metadata(&folder).is_ok() {
            return Err((folder, io::Error::new(io::ErrorKind::AlreadyExists, "something of that name is there, and is left as it is")));
        }
        let made = parent.join(format!(".{}.{}.new", self.name.krate, std::process::id()));
        let done = self.write_files(&made).and_then(|()| fs::rename(&made, &folder).map_err(|e| (folder.clone(), e)));
        if done.is_err() {
            let _ = fs::remove_dir_all(&made); // the first failure is the one to tell
        }
        done.map(|()| folder)
    }

    fn write_files(&self, folder: &Path) -> Result<(), (PathBuf, io::Error)> {
        for (path, bytes) in self.files() {
            let path = folder.join(path);
            let parent = path.parent().unwrap_or(folder);
            fs::create_dir_all(parent).and_then(|()| fs::write(&path, bytes)).map_err(|e| (path, e))?;
        }
        Ok(())
    }
}

fn collect<'a>(dir: &'a Dir<'a>, found: &mut Vec<(&'a Path, &'a [u8])>) {
    found.extend(dir.files().map(|f| (f.path(), f.contents())));
    dir.dirs().for_each(|d| collect(d, found));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin(kind: &str) -> NewPlugin {
        let name: Name = "my-loss".parse().unwrap();
        NewPlugin { id: id(None, &name).unwrap(), template: Template::of(kind).unwrap(), author: "A Lab".into(), licence: "MIT".into(), name }
    }

    #[test]
    fn every_placeholder_is_filled() {
        for kind in KINDS {
            for (path, bytes) in plugin(kind).files().iter().filter(|(path, _)| !path.starts_with("vendor")) {
                let text = std::str::from_utf8(bytes).unwrap();
                assert!(!text.contains("{{") || text.contains("}}}"), "{kind}: {}: {text}", path.display());
            }
        }
    }

    #[test]
    fn the_source_of_the_api_comes_along_and_stands_alone() {
        let files = plugin("loss").files();
        let text = |path: &str| {
            let found = files.iter().find(|(p, _)| p == Path::new(path));
            String::from_utf8(found.unwrap_or_else(|| unreachable!("{path} is missing")).1.clone()).unwrap()
        };
        for manifest in ["Cargo.toml", "vendor/plugin-api/Cargo.toml", "vendor/plugin-test/Cargo.toml"] {
            assert!(!text(manifest).contains("workspace = true"), "{manifest}");
        }
        assert_eq!(text("vendor/plugin-api/src/lib.rs"), include_str!("../../../../plugin-api/src/lib.rs"));
        assert!(text("Cargo.toml").contains("\n[workspace]\n"));
    }
}
