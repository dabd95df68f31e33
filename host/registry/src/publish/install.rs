//! Plugins into a folder, and out of it.

use super::{
    Entry, Index, Package,
    index::{self, is_address},
    platform::here,
};
use crate::{
    Error, Metadata, Options, Origin, Place, Result, SearchPath, Signed, State,
    admit::asked,
    scan,
    secret::write_mode,
    signature::{Signature, path_beside},
    trust::{EVERYONE_ELSE, Pins, writable},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use volume::files::{FileError, fetch};

/// Bytes that a package may have.
const LARGEST_PACKAGE: u64 = 4 << 30;

/// What is installed, and how.
#[derive(Clone, Debug)]
pub struct Install<'a> {
    /// A package's file, its address, or `NAME` or `NAME@VERSION` in the index.
    pub what: &'a str,
    /// The index: a file or an address.
    pub index: Option<&'a str>,
    /// Replaces a version that is not older.
    pub force: bool,
}

/// A plugin that was installed.
#[derive(Clone, Debug)]
pub struct Installed {
    /// What it says of itself.
    pub plugin: Metadata,
    /// Where it lies.
    pub file: PathBuf,
    /// The version that it replaced.
    pub replaced: Option<String>,
    /// Who signed it.
    pub signed: Signed,
}

/// Installs a plugin into `folder`: this platform's library, whole or not at all, its signature beside it and its hash pinned. `told` gets
/// the bytes of a download so far and in all.
///
/// # Errors
/// There is no such package, or none for this platform; it is damaged, larger than 4 GiB, or another than the index says; its library is
/// refused, or the trust level asks for more; others can write the folder; a version is there that is not older, or another plugin's file.
pub fn install(request: &Install<'_>, folder: &Path, options: &Options, told: &mut dyn FnMut(u64, Option<u64>)) -> Result<Installed> {
    let here_is_a_file = Path::new(request.what).is_file();
    if !here_is_a_file && !is_address(request.what) && (request.what.contains('/') || request.what.ends_with(".zip")) {
        return Err(FileError::io("read", Path::new(request.what))(io::ErrorKind::NotFound.into()).into());
    }
    if here_is_a_file {
        return from_file(Path::new(request.what), None, request.force, folder, options);
    }
    fs::create_dir_all(&options.cache).map_err(FileError::io("create", &options.cache))?;
    let downloads = tempfile::tempdir_in(&options.cache).map_err(FileError::io("create a folder in", &options.cache))?;
    let package = downloads.path().join("package.zip");
    if is_address(request.what) {
        fetch(request.what, &package, LARGEST_PACKAGE, told)?;
        return from_file(&package, None, request.force, folder, options);
    }
    let Some(index) = request.index else {
        let what = request.what;
        return Err(Error::Invalid(format!("there is no file {what}, and no index to look for a plugin of this name: --index names one")));
    };
    let wrong = |what: String| Error::Content { path: index.into(), what };
    let text = match is_address(index) {
        true => {
            let file = downloads.path().join("index.json");
            fetch(index, &file, index::LARGEST, &mut |_, _| ())?;
            fs::read(&file).map_err(FileError::io("read", &file))?
        }
        false => scan::real_file(Path::new(index)).and_then(|real| scan::read_up_to(&real, index::LARGEST)).map_err(wrong)?,
    };
    let parsed = Index::parse(&text).map_err(wrong)?;
    let entry = parsed.find(request.what).map_err(wrong)?;
    let base = index.rsplit_once('/').map_or("", |(base, _)| base);
    match (is_address(&entry.file), is_address(index)) {
        (true, _) => fetch(&entry.file, &package, LARGEST_PACKAGE, told)?,
        (false, true) => fetch(&format!("{base}/{}", entry.file), &package, LARGEST_PACKAGE, told)?,
        (false, false) => {
            let file = Path::new(index).with_file_name("").join(&entry.file);
            return from_file(&file, Some(entry), request.force, folder, options);
        }
    }
    from_file(&package, Some(entry), request.force, folder, options)
}

/// Installs a package's file; `entry` is what an index says of it.
fn from_file(file: &Path, entry: Option<&Entry>, force: bool, folder: &Path, options: &Options) -> Result<Installed> {
    let wrong = |what: String| Error::Content { path: file.to_path_buf(), what };
    if let Some(entry) = entry {
        let sha256 = scan::sha256_of(file).map_err(FileError::io("read", file))?;
        if sha256 != entry.sha256 {
            return Err(wrong(format!("is not the {} {} of the index: sha256 {sha256} instead of {}", entry.name, entry.version, entry.sha256)));
        }
    }
    let mut package = Package::open(file)?;
    let plugin = package.manifest.plugin.clone();
    if let Some(entry) = entry.filter(|e| (&e.id, &e.version) != (&plugin.id, &plugin.version)) {
        let (is, says) = (format!("{} {}", plugin.id, plugin.version), format!("{} {}", entry.id, entry.version));
        return Err(wrong(format!("is {is}, and the index says {says}")));
    }
    let key = package.manifest.platforms.get(&here()).and_then(|build| build.key.clone());
    let (bytes, text) = package.library(&here())?;
    let judgement = scan::verdict(PathBuf::from(package.manifest.library(&here())), scan::inspect(&bytes));
    if let State::Refused(reason) = judgement.state {
        return Err(wrong(format!("holds a library that {reason}")));
    }
    if judgement.metadata.as_ref() != Some(&plugin) {
        return Err(wrong("says other things of the plugin than its library does".into()));
    }
    let signature = text.map(|text| Signature::parse(&text)).transpose().map_err(|what| wrong(format!("holds a signature that {what}")))?;
    let refused = |reason: String| wrong(format!("holds a library that {reason}"));
    let signed = match &signature {
        Some(signature) => signature.by(&options.trust.keys, |key| Ok(signature.fits(&bytes, key))).map_err(refused)?,
        None => Signed::No,
    };
    let found = signature.as_ref().map(|s| s.id().to_string());
    if found != key || entry.is_some_and(|e| e.key != found) {
        let says = entry.map_or(&key, |e| &e.key);
        let name = |key: &Option<String>| key.clone().unwrap_or("nobody".into());
        return Err(wrong(format!("is signed by {}, and was announced as signed by {}", name(&found), name(says))));
    }
    asked(file, &signed, true, options.trust.level).map_err(refused)?;

    let folder = own_folder(folder)?;
    let (target, old) = target(&folder, &plugin)?;
    let replaced = old.map(|old| replaces(&old, &plugin, &scan::sha256(&bytes), force, &target)).transpose()?.flatten();
    write_mode(&target, &bytes, 0o644)?;
    let beside = path_beside(&target);
    match &signature {
        Some(signature) => write_mode(&beside, signature.text.as_bytes(), 0o644)?,
        None => remove_if_there(&beside)?,
    }
    Pins::read(&options.lock)?.set(&target, &scan::sha256(&bytes))?;
    Ok(Installed { plugin, file: target, replaced, signed })
}

/// The folder's real path; one that is made here can be written by its owner alone, and another must be so.
fn own_folder(folder: &Path) -> Result<PathBuf> {
    if !folder.exists() {
        fs::create_dir_all(folder).map_err(FileError::io("create", folder))?;
        #[cfg(unix)]
        fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o755)).map_err(FileError::io("set the mode of", folder))?;
    }
    let real = fs::canonicalize(folder).map_err(FileError::io("open", folder))?;
    match writable(&real, "it", EVERYONE_ELSE) {
        Some(reason) => Err(Error::Refused { file: real, reason }),
        None => Ok(real),
    }
}

/// A file of the folder that says which plugin it is.
struct Old {
    path: PathBuf,
    plugin: Option<Metadata>,
    sha256: Option<String>,
}

fn files_of(folder: &Path) -> Result<Vec<Old>> {
    let place = Place { path: folder.to_path_buf(), origin: Origin::User, mixed: false };
    let candidates = SearchPath(vec![place]).files()?.into_iter();
    let read = |path: PathBuf| {
        let judged = scan::judge(&path);
        Old { path, plugin: judged.metadata, sha256: judged.sha256 }
    };
    Ok(candidates.map(|c| read(c.path)).collect())
}

/// Where the plugin goes: over its older version whatever that file is called, else under its own name, where no other may be.
fn target(folder: &Path, plugin: &Metadata) -> Result<(PathBuf, Option<Old>)> {
    let mut same: Vec<Old> = files_of(folder)?.into_iter().filter(|f| f.plugin.as_ref().is_some_and(|m| m.id == plugin.id)).collect();
    if same.len() > 1 {
        let files: Vec<String> = same.iter().map(|f| f.path.display().to_string()).collect();
        return Err(Error::Invalid(format!("{} is there as {}: remove all but one", plugin.id, files.join(" and "))));
    }
    let old = same.pop();
    if let Some(link) = old.as_ref().filter(|old| old.path.is_symlink()) {
        return Err(Error::Content { path: link.path.clone(), what: format!("is a link to a {} elsewhere; remove it first", plugin.id) });
    }
    let path = old.as_ref().map_or_else(|| folder.join(format!("{}{}", plugin.name, std::env::consts::DLL_SUFFIX)), |old| old.path.clone());
    match old {
        None if fs::symlink_metadata(&path).is_ok() => {
            Err(Error::Content { path, what: format!("is there already and not {}; remove it or give it another name", plugin.id) })
        }
        old => Ok((path, old)),
    }
}

/// The version that goes, if another one does and may.
fn replaces(old: &Old, new: &Metadata, sha256: &str, force: bool, file: &Path) -> Result<Option<String>> {
    let before = old.plugin.as_ref().map_or("", |m| m.version.as_str());
    let newer = match (before.parse::<semver::Version>(), new.version.parse::<semver::Version>()) {
        (Ok(before), Ok(new)) => new > before,
        _ => false,
    };
    if old.sha256.as_deref() == Some(sha256) {
        return Ok(None);
    }
    if newer || force {
        return Ok(Some(before.to_string()));
    }
    let what = format!("is {} {before} already, and {} is not newer: --force replaces it", new.id, new.version);
    Err(Error::Content { path: file.to_path_buf(), what })
}

/// Removes a plugin by its name, id or file name from `folder`: the file, its signature and its pin. The files that are gone.
///
/// # Errors
/// None or several are called so, or the system refuses.
pub fn remove(name: &str, folder: &Path, options: &Options) -> Result<Vec<PathBuf>> {
    let real = fs::canonicalize(folder).map_err(FileError::io("open", folder))?;
    let all = files_of(&real)?;
    let called = |f: &&Old| {
        let file = f.path.file_name().is_some_and(|n| n == name) || f.path.file_stem().is_some_and(|n| n == name);
        file || f.plugin.as_ref().is_some_and(|m| m.name == name || m.id == name)
    };
    let found: Vec<&Old> = all.iter().filter(called).collect();
    let listed =
        |files: &[&Old]| files.iter().map(|f| f.path.file_name().unwrap_or_default().to_string_lossy().into_owned()).collect::<Vec<_>>().join(", ");
    let path = match found[..] {
        [one] => one.path.clone(),
        [] if all.is_empty() => return Err(Error::Content { path: real, what: format!("has no plugin called `{name}`: it is empty") }),
        [] => {
            let there = listed(&all.iter().collect::<Vec<_>>());
            return Err(Error::Content { path: real, what: format!("has no plugin called `{name}`; there is {there}") });
        }
        _ => return Err(Error::Content { path: real, what: format!("has several called `{name}`: name one of {}", listed(&found)) }),
    };
    // a link goes, not what it leads to; the pin is of the file behind it
    let pinned = fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
    fs::remove_file(&path).map_err(FileError::io("remove", &path))?;
    let beside = path_beside(&path);
    let had_signature = beside.is_file();
    remove_if_there(&beside)?;
    Pins::read(&options.lock)?.remove(&pinned)?;
    Ok([path].into_iter().chain(had_signature.then_some(beside)).collect())
}

fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(FileError::io("remove", path)(e).into()),
        _ => Ok(()),
    }
}
