//! Judges a file by its bytes. None of it runs.

use crate::{Metadata, config_file, needed, publish::platform, signature::Signature};
use object::{Object, ObjectSection, ObjectSegment, read::NameOrOrdinal};
use plugin_api::abi::{ABI_VERSION, ROOT_SYMBOL, meta::SECTION_NAMES};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Whether a file may be loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Yes.
    Ready,
    /// No; why, as a sentence without its subject.
    Refused(String),
}

/// A file and what was found out about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Judgement {
    /// The real file, links followed.
    pub file: PathBuf,
    /// Of all its bytes, in hexadecimal; none if they could not be read.
    pub sha256: Option<String>,
    /// Its records, if they could be read; a refused file may have them.
    pub metadata: Option<Metadata>,
    /// The verdict.
    pub state: State,
}

/// What follows from the bytes alone, and so may be remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) sha256: String,
    /// it has a section of plugin records
    pub(crate) marked: bool,
    pub(crate) metadata: Option<Metadata>,
    pub(crate) fault: Option<String>,
    pub(crate) needed: Vec<String>,
    pub(crate) runpath: Vec<PathBuf>,
}

/// How the record begins that `plugin!` leaves.
const PLUGIN_RECORD: &[u8] = b"nnu-plugin=";

/// Bytes that a plugin may have.
pub(crate) const LARGEST_FILE: u64 = 1 << 30;

impl Judgement {
    pub(crate) fn refused(file: PathBuf, fault: String) -> Self {
        Judgement { file, sha256: None, metadata: None, state: State::Refused(fault) }
    }
}

/// Judges one file: is it a whole shared library for this machine, with records of an ABI that this host speaks, the root
/// symbol, its own libraries at hand, and does it fit the signature beside it, if that names its key? Who can write it, whose the key is,
/// and whether it changed since its first use, is the registry's question.
pub fn judge(file: &Path) -> Judgement {
    if config_file::is_one(file) {
        return Judgement::refused(file.to_path_buf(), "is a trainer config: data, which takes no trust and is not pinned".into());
    }
    let (bytes, real) = match real_file(file).and_then(|real| Ok((read(&real)?, real))) {
        Ok(found) => found,
        Err(fault) => return Judgement::refused(file.to_path_buf(), fault),
    };
    let mut judgement = verdict(real, inspect(&bytes));
    let signer = Signature::beside(&judgement.file).and_then(|s| s.map(|s| s.by(&[], |key| Ok(s.fits(&bytes, key)))).transpose());
    if let (State::Ready, Err(reason)) = (&judgement.state, signer) {
        judgement.state = State::Refused(reason);
    }
    judgement
}

/// The facts with what only this machine knows: whether the libraries that the file needs are here.
pub(crate) fn verdict(file: PathBuf, facts: Facts) -> Judgement {
    let state = match facts.fault {
        Some(fault) => State::Refused(fault),
        None => match needed::missing(&facts.needed, &facts.runpath) {
            gone if gone.is_empty() => State::Ready,
            gone => State::Refused(format!("needs {}, which this machine does not have: install it, or link it statically", gone.join(" and "))),
        },
    };
    Judgement { file, sha256: Some(facts.sha256), metadata: facts.metadata, state }
}

/// Follows links to a regular file.
pub(crate) fn real_file(file: &Path) -> Result<PathBuf, String> {
    let real = fs::canonicalize(file).map_err(|e| match fs::read_link(file) {
        Ok(target) => format!("is a link to {}, which cannot be reached: {e}", target.display()),
        Err(_) => format!("cannot be reached: {e}"),
    })?;
    let kind = fs::metadata(&real).map_err(|e| format!("cannot be reached: {e}"))?;
    match kind.is_file() {
        true => Ok(real),
        false if kind.is_dir() => Err("is a folder, not a shared library".into()),
        false => Err("is a device, a pipe or a socket, not a shared library".into()),
    }
}

/// All bytes of a regular file.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, String> {
    read_up_to(file, LARGEST_FILE)
}

/// All bytes of a regular file that has at most `most`.
pub(crate) fn read_up_to(file: &Path, most: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(|e| format!("cannot be read: {e}"))?;
    opened.take(most + 1).read_to_end(&mut bytes).map_err(|e| format!("cannot be read: {e}"))?;
    match bytes.len() as u64 {
        n if n <= most => Ok(bytes),
        _ if most == LARGEST_FILE => Err("is larger than 1 GiB, the most that a plugin may have".into()),
        _ => Err(format!("is larger than {most} bytes, the most that it may have")),
    }
}

/// In hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// The same of a file.
pub(crate) fn sha256_of(file: &Path) -> io::Result<String> {
    let (mut file, mut hasher, mut chunk) = (File::open(file)?, Sha256::new(), vec![0; 1 << 17]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hasher.finalize().iter().map(|b| format!("{b:02x}")).collect()),
            n => hasher.update(&chunk[..n]),
        }
    }
}

pub(crate) fn inspect(bytes: &[u8]) -> Facts {
    let mut facts = Facts { sha256: sha256(bytes), ..Facts::default() };
    facts.fault = examine(bytes, &mut facts).err();
    facts
}

/// What a library for any platform says of itself, and its platform if its bytes tell it.
///
/// # Errors
/// It is no whole plugin, or of another ABI than this host's; a sentence without its subject.
pub(crate) fn published(bytes: &[u8]) -> Result<(Metadata, Result<String, String>), String> {
    let (file, mut facts) = (parse(bytes)?, Facts::default());
    records(&file, &mut facts)?;
    speaks(&file, facts.metadata.as_ref())?;
    let needed = needed::libraries(&file).unwrap_or_default();
    Ok((facts.metadata.unwrap_or_default(), platform::of(&file, &needed)))
}

/// Fills `facts` as far as the bytes can be understood.
fn examine(bytes: &[u8], facts: &mut Facts) -> Result<(), String> {
    let file = parse(bytes)?;
    records(&file, facts)?;
    if file.format() != native_format() {
        return Err(format!("is a {:?} library, and this system takes {:?}", file.format(), native_format()));
    }
    if let Some(native) = native_architecture().filter(|&n| n != file.architecture()) {
        return Err(format!("is built for {:?}, and this machine is {native:?}", file.architecture()));
    }
    speaks(&file, facts.metadata.as_ref())?;
    facts.needed = needed::libraries(&file).map_err(damaged)?;
    facts.runpath = needed::runpath(&file).map_err(damaged)?;
    Ok(())
}

fn damaged(e: object::Error) -> String {
    format!("is damaged or truncated: {e}")
}

/// Whether it is a whole shared library with records, and what they say.
fn records(file: &object::File<'_>, facts: &mut Facts) -> Result<(), String> {
    let section = SECTION_NAMES.iter().find_map(|name| file.section_by_name(name));
    // components without a plugin's own record: a library that has the built-in ones in it, such as libnnunet
    let linked = |data: &[u8]| !data.windows(PLUGIN_RECORD.len()).any(|window| window == PLUGIN_RECORD);
    facts.marked = section.as_ref().is_some_and(|section| !section.data().is_ok_and(linked));
    if let Some(e) = file.segments().find_map(|s| s.data().err()) {
        return Err(damaged(e));
    }
    if file.kind() != object::ObjectKind::Dynamic {
        return Err("is an object of another kind than a shared library (a plugin's crate-type is cdylib)".into());
    }
    let section = section.ok_or("has no plugin records: an unrelated library, or `plugin!` is missing")?;
    facts.metadata = Some(Metadata::parse(section.data().map_err(damaged)?)?);
    Ok(())
}

/// Whether its ABI is this host's and its root symbol is there.
fn speaks(file: &object::File<'_>, metadata: Option<&Metadata>) -> Result<(), String> {
    let api = metadata.map_or("", |m| m.api.as_str());
    if major(api) != major(ABI_VERSION) {
        let (theirs, ours) = (minor(api), minor(ABI_VERSION));
        return Err(format!("needs plugin ABI {theirs}, this host speaks {ours}: rebuild it with this host's plugin-api, or use a host of its time"));
    }
    let mut exports = file.exports().map_err(damaged)?.flatten();
    if !exports.any(|e| matches!(e.name(), NameOrOrdinal::Name(n) if n.strip_prefix(b"_").unwrap_or(n) == ROOT_SYMBOL.as_bytes())) {
        return Err(format!("does not export {ROOT_SYMBOL} (stripped too far, or `plugin!` is missing)"));
    }
    Ok(())
}

fn parse(bytes: &[u8]) -> Result<object::File<'_>, String> {
    if bytes.is_empty() {
        return Err("is empty".into());
    }
    if object::FileKind::parse(bytes).is_err() {
        let head = &bytes[..bytes.len().min(512)];
        // a character may be cut at the end of the head
        let text = !head.contains(&0) && std::str::from_utf8(head).map_or_else(|e| e.error_len().is_none(), |_| true);
        return Err(if text { "is a text file, not a shared library".into() } else { "is not a shared library".to_string() });
    }
    object::File::parse(bytes).map_err(|e| format!("is damaged or truncated: {e}"))
}

fn native_format() -> object::BinaryFormat {
    if cfg!(windows) {
        object::BinaryFormat::Pe
    } else if cfg!(target_vendor = "apple") {
        object::BinaryFormat::MachO
    } else {
        object::BinaryFormat::Elf
    }
}

/// What this host was built for; none where the loader has to find out.
fn native_architecture() -> Option<object::Architecture> {
    use object::Architecture as A;
    match std::env::consts::ARCH {
        "x86_64" => Some(A::X86_64),
        "aarch64" => Some(A::Aarch64),
        "riscv64" => Some(A::Riscv64),
        "powerpc64" => Some(A::PowerPc64),
        "s390x" => Some(A::S390x),
        "loongarch64" => Some(A::LoongArch64),
        _ => None,
    }
}

fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or_default()
}

/// `1.2.3` without its last part.
fn minor(version: &str) -> String {
    version.split('.').take(2).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_library_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let refusal = |name: &str, bytes: &[u8]| {
            let file = dir.path().join(name);
            fs::write(&file, bytes).unwrap();
            match judge(&file).state {
                State::Refused(reason) => reason,
                State::Ready => panic!("{name} was accepted"),
            }
        };
        assert_eq!(refusal("empty.so", b""), "is empty");
        assert_eq!(refusal("text.so", b"not a library\n"), "is a text file, not a shared library");
        assert_eq!(refusal("accents.so", "é".repeat(400).as_bytes()), "is a text file, not a shared library");
        assert_eq!(refusal("noise.so", &[7, 0, 255, 1, 2, 3]), "is not a shared library");
        assert!(refusal("head.so", &[b"\x7fELF\x02\x01\x01".as_slice(), &[0; 25]].concat()).starts_with("is damaged or truncated"));
        assert_eq!(
            match judge(dir.path()).state {
                State::Refused(r) => r,
                State::Ready => String::new(),
            },
            "is a folder, not a shared library"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_nowhere_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("gone.so");
        std::os::unix::fs::symlink("/there/is/no/such/file.so", &link).unwrap();
        let State::Refused(reason) = judge(&link).state else { panic!("accepted") };
        assert!(reason.starts_with("is a link to /there/is/no/such/file.so, which cannot be reached"), "{reason}");
    }
}
