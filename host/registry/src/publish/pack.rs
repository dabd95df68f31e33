//! From built libraries to a package.

use super::{
    Build, Manifest, Package,
    package::{FORMAT, MANIFEST, is_plugin_name},
    platform::is_name,
};
use crate::{Error, Metadata, Result, SecretKey, scan, signature, signature::Signature};
use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
};
use volume::files::{FileError, FirstError, atomic::write_atomic};
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

/// A package that was written.
#[derive(Clone, Debug)]
pub struct Packed {
    /// The file.
    pub file: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
}

/// A library on its way into a package.
struct Library {
    bytes: Vec<u8>,
    signature: Option<(String, String)>,
    metadata: Metadata,
}

/// Packs libraries of one plugin, each for another platform, into `output`, or into `NAME-VERSION.zip` in the folder `output`. The platform
/// is the one given, else the one that the library's bytes tell. With `key` each is signed; without, a signature beside a library goes along.
///
/// # Errors
/// A file is no plugin of this host's ABI, two are for one platform or say different things of themselves, a signature does not fit, or
/// the package cannot be written.
pub fn pack(files: &[(Option<String>, PathBuf)], key: Option<&SecretKey>, output: &Path) -> Result<Packed> {
    let mut libraries: BTreeMap<String, (Library, &Path)> = BTreeMap::new();
    for (given, file) in files {
        let refused = |reason: String| Error::Refused { file: file.clone(), reason };
        let bytes = scan::real_file(file).and_then(|real| scan::read(&real)).map_err(refused)?;
        let (metadata, told) = scan::published(&bytes).map_err(refused)?;
        let platform = match given {
            Some(platform) => platform.clone(),
            None => told.map_err(refused)?,
        };
        if !is_name(&platform) || !is_plugin_name(&metadata.name) {
            return Err(refused(format!("cannot be packed: its platform {platform} and name {} want letters, digits, - and _", metadata.name)));
        }
        let signature = signature_of(file, &bytes, &metadata, key)?;
        if let Some((other, path)) = libraries.values().next()
            && other.metadata != metadata
        {
            return Err(refused(format!("says other things of itself than {}: pack builds of one version", path.display())));
        }
        if let Some((_, other)) = libraries.insert(platform.clone(), (Library { bytes, signature, metadata }, file)) {
            return Err(refused(format!("is for {platform}, and so is {}; PLATFORM=FILE names another platform", other.display())));
        }
    }
    let Some(plugin) = libraries.values().next().map(|(library, _)| library.metadata.clone()) else {
        return Err(Error::Invalid("there is no library to pack".into()));
    };
    let file = if output.is_dir() { output.join(format!("{}-{}.zip", plugin.name, plugin.version)) } else { output.to_path_buf() };
    let build =
        |l: &Library| Build { bytes: l.bytes.len() as u64, sha256: scan::sha256(&l.bytes), key: l.signature.as_ref().map(|(id, _)| id.clone()) };
    let platforms = libraries.iter().map(|(platform, (library, _))| (platform.clone(), build(library))).collect();
    let manifest = Manifest { format: FORMAT, plugin, platforms };
    let mut members = vec![(MANIFEST.to_string(), text(&manifest, &file)?)];
    for (platform, (library, _)) in libraries {
        let name = manifest.library(&platform);
        let signature = library.signature.map(|(_, text)| (format!("{name}{}", signature::ENDING), text.into_bytes()));
        members.push((name, library.bytes));
        members.extend(signature);
    }
    write(&file, &members)?;
    // what was written is read as others will
    Ok(Packed { manifest: Package::open(&file)?.manifest, file })
}

fn text(manifest: &Manifest, file: &Path) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec_pretty(manifest).map_err(|e| FileError::io("write", file)(e.into()))?)
}

/// The id of the key and the signature's text.
fn signature_of(file: &Path, bytes: &[u8], metadata: &Metadata, key: Option<&SecretKey>) -> Result<Option<(String, String)>> {
    let refused = |reason: String| Error::Refused { file: file.to_path_buf(), reason };
    if let Some(key) = key {
        return Ok(Some((key.public().id().to_string(), key.sign(bytes, &metadata.name)?)));
    }
    let Some(beside) = Signature::beside(file).map_err(refused)? else { return Ok(None) };
    beside.by(&[], |key| Ok(beside.fits(bytes, key))).map_err(refused)?;
    Ok(Some((beside.id().to_string(), beside.text)))
}

fn write(file: &Path, members: &[(String, Vec<u8>)]) -> Result<()> {
    write_atomic(file, |out| -> Result<()> {
        let failed = |e: zip::result::ZipError| FileError::io("write", file)(e.into());
        let mut zip = ZipWriter::new(FirstError::new(out));
        // no time: equal libraries make equal files
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).last_modified_time(DateTime::default());
        for (name, bytes) in members {
            zip.start_file(name.as_str(), options.unix_permissions(0o644)).map_err(failed)?;
            zip.write_all(bytes).map_err(FileError::io("write", file))?;
        }
        zip.finish().map_err(failed)?;
        Ok(())
    })
}
