//! PyTorch's checkpoints: a zip archive with a pickle of the values and a member for each tensor's storage.
//!
//! `torch.load` opens what [`write_pth`] writes, `weights_only=True` included as long as it holds no NumPy values;
//! [`read_pth`] opens what `torch.save` has written since PyTorch 1.6.

use std::collections::BTreeMap;
use std::path::Path;

use super::archive::{Archive, ArchiveWriter, Packing};
use super::atomic::write_atomic;
use super::dtype::Element;
use super::error::{Malformed, malformed};
use super::ndarray::NdArray;
use super::pickle::{self, Value};
use super::{FileError, Result};

pub use super::pickle::{StorageRef, TensorRef};

/// The content of a checkpoint: a value, usually a dict, and the storages that its tensors are views of.
///
/// To build one, [`add`](Self::add) each tensor, put the returned values into a dict, and make that the `root`.
#[derive(Debug, Clone, PartialEq)]
pub struct Pth {
    /// What `torch.load` returns.
    pub root: Value,
    storages: BTreeMap<String, Vec<u8>>,
}

/// A tensor of a state dict with all the names it goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedTensor<'a> {
    /// The first name in the order of the state dict.
    pub name: &'a str,
    /// The other names of the same elements (nnU-Net: `decoder.encoder.*`, `*.all_modules.*`).
    pub aliases: Vec<&'a str>,
    /// The tensor.
    pub tensor: &'a TensorRef,
}

impl Default for Pth {
    fn default() -> Self {
        Self { root: Value::None, storages: BTreeMap::new() }
    }
}

impl Pth {
    /// Adds a storage with `data` and returns the tensor of `shape` that fills it; clones of it are aliases.
    ///
    /// # Errors
    /// The shape does not have as many elements as `data`.
    pub fn add<T: Element>(&mut self, shape: &[usize], data: &[T]) -> std::result::Result<Value, Malformed> {
        super::ArrayView::new(shape, data)?;
        let key = self.storages.len().to_string();
        self.storages.insert(key.clone(), bytemuck::cast_slice(data).to_vec());
        let storage = StorageRef { key, dtype: T::DTYPE, len: data.len() };
        Ok(Value::Tensor(Box::new(TensorRef::contiguous(storage, shape.to_vec()))))
    }

    /// The elements of `tensor` in C order.
    ///
    /// # Errors
    /// The tensor is not one of this checkpoint.
    pub fn array(&self, tensor: &TensorRef) -> std::result::Result<NdArray, Malformed> {
        tensor.check()?;
        let storage = self.storage(&tensor.storage)?;
        let size = tensor.storage.dtype.size();
        let element = |at: usize, len: usize| storage.get(at * size..(at + len) * size).unwrap_or_default();
        if tensor.is_contiguous() {
            let bytes = element(if tensor.is_empty() { 0 } else { tensor.offset }, tensor.len()).to_vec();
            return NdArray::from_bytes(tensor.storage.dtype, tensor.shape.clone(), bytes);
        }
        let mut bytes = Vec::with_capacity(tensor.len() * size);
        let mut index = vec![0_usize; tensor.shape.len()];
        for _ in 0..tensor.len() {
            let at = index.iter().zip(&tensor.stride).fold(tensor.offset, |at, (i, step)| at + i * step);
            bytes.extend_from_slice(element(at, 1));
            for (i, side) in index.iter_mut().zip(&tensor.shape).rev() {
                *i += 1;
                if *i < *side {
                    break;
                }
                *i = 0;
            }
        }
        NdArray::from_bytes(tensor.storage.dtype, tensor.shape.clone(), bytes)
    }

    /// The elements of `tensor` in C order as f32; half, bfloat16 and double are converted.
    ///
    /// # Errors
    /// The tensor is not one of this checkpoint.
    pub fn tensor_f32(&self, tensor: &TensorRef) -> std::result::Result<Vec<f32>, Malformed> {
        Ok(self.array(tensor)?.to_f32())
    }

    fn storage(&self, wanted: &StorageRef) -> std::result::Result<&[u8], Malformed> {
        match self.storages.get(&wanted.key) {
            Some(bytes) if wanted.len.checked_mul(wanted.dtype.size()).is_some_and(|n| n <= bytes.len()) => Ok(bytes),
            Some(bytes) => {
                let StorageRef { key, dtype, len } = wanted;
                malformed!("storage {key} has {} bytes where {len} elements of {dtype} are wanted", bytes.len())
            }
            None => malformed!("no storage {}", wanted.key),
        }
    }
}

/// The tensors of a state dict, those with the same elements under one entry, in order of their first names; entries that
/// are no tensors are left out.
pub fn named_tensors(state_dict: &Value) -> Vec<NamedTensor<'_>> {
    let mut found: Vec<NamedTensor<'_>> = Vec::new();
    let mut seen = BTreeMap::new();
    for (name, value) in state_dict.entries().unwrap_or_default() {
        let (Some(name), Some(tensor)) = (name.as_str(), value.as_tensor()) else { continue };
        let place = (&tensor.storage.key, tensor.offset, &tensor.shape, &tensor.stride);
        match seen.get(&place).and_then(|&at: &usize| found.get_mut(at)) {
            Some(first) => first.aliases.push(name),
            None => {
                seen.insert(place, found.len());
                found.push(NamedTensor { name, aliases: Vec::new(), tensor });
            }
        }
    }
    found
}

/// Reads the checkpoint at `path`; nothing in it is executed.
///
/// # Errors
/// The file cannot be read, is no zip archive of PyTorch, is cut short, or holds values that are not on the list of
/// [`pickle`]; its name is in the error.
pub fn read_pth(path: &Path) -> Result<Pth> {
    let mut archive = Archive::open(path).map_err(|e| match e {
        FileError::Content { path, source } => {
            Malformed(format!("{source}, or written by PyTorch before 1.6, which a newer one must load and save again")).at(&path)
        }
        other => other,
    })?;
    decode(&mut archive).map_err(|e| e.at(path))
}

fn decode<R: std::io::Read + std::io::Seek>(archive: &mut Archive<R>) -> std::result::Result<Pth, Malformed> {
    let mut members = BTreeMap::new();
    for index in 0..archive.len() {
        let member = archive.member(index)?;
        if !member.stored {
            return malformed!("member {} is compressed, which torch.save does not do", member.name);
        }
        members.insert(member.name, index);
    }
    let folder = members.keys().find_map(|name| name.strip_suffix("data.pkl")).map(String::from);
    let Some(folder) = folder else { return malformed!("no data.pkl in it: not a checkpoint of torch.save") };
    let mut read = |name: &str| match members.get(&format!("{folder}{name}")) {
        Some(&index) => archive.read(index).map(Some),
        None => Ok(None),
    };
    if let Some(order) = read("byteorder")?.filter(|order| order != b"little") {
        return malformed!("byte order `{}`; little is read", String::from_utf8_lossy(&order));
    }
    let root = pickle::read(&read("data.pkl")?.unwrap_or_default())?;
    let mut pth = Pth { root, storages: BTreeMap::new() };
    let mut wanted = Vec::new();
    storages(&pth.root, &mut wanted);
    for storage in wanted {
        let key = &storage.key;
        if !pth.storages.contains_key(key) {
            let Some(bytes) = read(&format!("data/{key}"))? else { return malformed!("no member data/{key}") };
            pth.storages.insert(key.clone(), bytes);
        }
        pth.storage(&storage)?;
    }
    Ok(pth)
}

/// Writes `pth` to `path`, atomically; equal checkpoints under the same name give equal bytes.
///
/// # Errors
/// The file cannot be written, or a tensor's storage is missing or too short.
pub fn write_pth(path: &Path, pth: &Pth) -> Result<()> {
    let pickle = pickle::write(&pth.root).map_err(|e| e.at(path))?;
    let mut wanted = Vec::new();
    storages(&pth.root, &mut wanted);
    wanted.iter().try_for_each(|s| pth.storage(s).map(drop)).map_err(|e| e.at(path))?;
    let keys = wanted.into_iter().map(|s| s.key).collect::<std::collections::BTreeSet<_>>();
    let mut used: Vec<_> = pth.storages.iter().filter(|(key, _)| keys.contains(*key)).collect();
    used.sort_by_key(|(key, _)| (key.len(), *key));
    let mut id = Fnv::default();
    id.update(&pickle);
    used.iter().for_each(|(_, bytes)| id.update(bytes));
    let id = format!("{:040}", id.0);
    // PyTorch names the folder in the archive after the file.
    let folder = path.file_stem().map_or("archive".into(), |stem| stem.to_string_lossy());
    write_atomic(path, |out| {
        let mut archive = ArchiveWriter::new(out, path);
        let mut add = |name: &str, content: &[u8]| archive.add(&format!("{folder}/{name}"), Packing::Stored, &[content]);
        add("data.pkl", &pickle)?;
        add(".format_version", b"1")?;
        add(".storage_alignment", b"64")?;
        add("byteorder", b"little")?;
        used.iter().try_for_each(|(key, bytes)| add(&format!("data/{key}"), bytes))?;
        add("version", b"3\n")?;
        add(".data/serialization_id", id.as_bytes())?;
        archive.finish()
    })
}

/// The storages of all tensors in `value`.
fn storages(value: &Value, found: &mut Vec<StorageRef>) {
    if let Value::Tensor(tensor) = value {
        found.push(tensor.storage.clone());
    }
    for (key, value) in value.entries().unwrap_or_default() {
        storages(key, found);
        storages(value, found);
    }
    value.items().unwrap_or_default().iter().for_each(|item| storages(item, found));
}

/// The FNV-1a hash, taken eight bytes at a time; it tells archives apart and guards nothing.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn update(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            self.0 = (self.0 ^ u64::from_le_bytes(word)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

#[cfg(test)]
#[path = "pth_tests.rs"]
mod tests;
