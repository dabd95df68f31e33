//! Models out of a zip file. The file is not trusted: no path leaves the target, no link is made, sizes are bounded, and what cannot be
//! unpacked whole leaves nothing.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Component, Path, PathBuf};

use serde_json::Value;
use zip::ZipArchive;

use crate::error::{Error, Result};
use crate::json;
use crate::memory;
use crate::paths::dataset_id;
use crate::progress::{Progress, Report};
use crate::staging::Staging;

/// What a file may unpack to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in all.
    pub bytes: u64,
    /// Members.
    pub members: usize,
}

impl Default for Limits {
    /// 64 GiB in 100,000 members: five folds of four large models are a tenth of it.
    fn default() -> Self {
        Self { bytes: 64 << 30, members: 100_000 }
    }
}

/// Deflate packs at most 1032 bytes into one.
const MOST_DEFLATED: u64 = 1032;

/// Unpacks the models in the zip file at `path` into `results` and returns their folders, such as
/// `Dataset004_X/nnUNetTrainer__nnUNetPlans__2d`.
///
/// Everything is unpacked beside its place and checked first, then renamed. Folds of a model that is there already stay, files of the
/// same name are replaced.
///
/// # Errors
/// No zip archive; members whose path is absolute, leaves the target or does not begin with a dataset's folder; links, encrypted and
/// repeated members; more than `limits`; a checksum that is wrong; no model at all; a model that is there with other plans.
pub fn install(path: &Path, results: &Path, limits: Limits, report: Report<'_>) -> Result<Vec<PathBuf>> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|error| Error::content(path, format!("is no whole zip archive ({error})")))?;
    let members = check(&mut zip, limits).map_err(|what| Error::content(path, what))?;

    let staging = Staging::beside(&results.join("install"))?;
    let total = members.len();
    for (done, member) in members.iter().enumerate() {
        unpack(&mut zip, member, staging.path()).map_err(|source| {
            let what = format!("member {} cannot be unpacked ({source}); nothing was installed", member.path.display());
            Error::content(path, what)
        })?;
        report(Progress { step: "unpack", done: done + 1, total, case: &member.path.to_string_lossy() });
    }
    let models: BTreeSet<PathBuf> = members.iter().filter_map(Member::model).collect();
    if models.is_empty() {
        return Err(Error::content(path, "holds no model; wanted Dataset.../{trainer}__{plans}__{configuration}/plans.json"));
    }
    for model in &models {
        let [new, old] = [staging.path(), results].map(|folder| folder.join(model).join("plans.json"));
        if old.is_file() && json::read::<Value>(&old)? != json::read::<Value>(&new)? {
            let what = format!("is there already with other plans than those in {}; rename or remove it first", path.display());
            return Err(Error::content(&results.join(model), what));
        }
    }
    merge(staging.path(), results)?;
    Ok(models.into_iter().collect())
}

/// A file in the archive.
struct Member {
    index: usize,
    path: PathBuf,
    bytes: u64,
}

impl Member {
    /// The model whose `plans.json` it is.
    fn model(&self) -> Option<PathBuf> {
        let folder = self.path.parent()?;
        let parts = folder.file_name()?.to_string_lossy().split("__").count();
        let is_model = folder.components().count() == 2 && parts == 3 && self.path.ends_with("plans.json");
        is_model.then(|| folder.to_path_buf())
    }
}

/// The files of the archive, all of them judged by what its directory says.
fn check(zip: &mut ZipArchive<BufReader<File>>, limits: Limits) -> Result<Vec<Member>, String> {
    if zip.len() > limits.members {
        return Err(format!("holds {} members; at most {} are unpacked", zip.len(), limits.members));
    }
    let (mut members, mut seen, mut sum) = (Vec::new(), BTreeSet::new(), 0_u64);
    for index in 0..zip.len() {
        let file = zip.by_index_raw(index).map_err(|error| format!("member {index}: {error}"))?;
        let raw = String::from_utf8(file.name_raw().to_vec()).map_err(|_| format!("the name of member {index} is not UTF-8"))?;
        let path = inside(&raw).ok_or_else(|| format!("member {raw:?} leads out of the folder that it is unpacked into"))?;
        if file.is_symlink() || file.encrypted() {
            return Err(format!("member {raw:?} is {}; files and folders are unpacked", if file.encrypted() { "encrypted" } else { "a link" }));
        }
        let dataset = path.components().next().map(|first| first.as_os_str().to_string_lossy().into_owned());
        if dataset.as_deref().is_none_or(|name| dataset_id(name).is_none()) {
            return Err(format!(
                "member {raw:?} does not begin with a dataset's folder such as Dataset004_Hippocampus; is it a model of nnU-Net v2?"
            ));
        }
        if file.is_dir() {
            continue;
        }
        if file.size() / MOST_DEFLATED > file.compressed_size() {
            return Err(format!("member {raw:?} claims to unpack {} bytes to {}, more than deflate can", file.compressed_size(), file.size()));
        }
        sum = sum.saturating_add(file.size());
        if sum > limits.bytes {
            return Err(format!("unpacks to more than {:.1} GiB, the most that is unpacked (-max_size)", memory::gib(limits.bytes)));
        }
        // two names that some file systems take for one
        if !seen.insert(path.to_string_lossy().to_lowercase()) {
            return Err(format!("member {raw:?} is there twice"));
        }
        members.push(Member { index, path, bytes: file.size() });
    }
    Ok(members)
}

/// The path of a member's name, if it stays inside: names of folders and files alone.
fn inside(name: &str) -> Option<PathBuf> {
    if name.contains(['\0', '\\', ':']) || name.starts_with('/') {
        return None;
    }
    let path = Path::new(name);
    let plain = path.components().all(|component| matches!(component, Component::Normal(_)));
    (plain && !name.is_empty()).then(|| path.components().collect())
}

/// Unpacks a member; its checksum is compared.
fn unpack(zip: &mut ZipArchive<BufReader<File>>, member: &Member, folder: &Path) -> io::Result<()> {
    let path = folder.join(&member.path);
    fs::create_dir_all(path.parent().unwrap_or(folder))?;
    let mut content = zip.by_index(member.index)?;
    let mut file = File::create_new(&path)?;
    let found = io::copy(&mut content.by_ref().take(member.bytes + 1), &mut file)?;
    if found != member.bytes {
        return Err(io::Error::other(format!("{found} bytes where its header says {}", member.bytes)));
    }
    file.sync_all()
}

/// Renames what is in `from` to the same place in `to`: folders as a whole where there is none, else file by file.
fn merge(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).map_err(Error::io("list", from))? {
        let from = entry.map_err(Error::io("list", from))?.path();
        let target = to.join(from.file_name().unwrap_or_default());
        if from.is_dir() && target.is_dir() {
            merge(&from, &target)?;
        } else {
            fs::rename(&from, &target).map_err(Error::io("rename to", &target))?;
        }
    }
    Ok(())
}
