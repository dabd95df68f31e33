//! Zip archives as npz and pth use them: members aligned to 64 bytes, a fixed time stamp, nothing trusted when reading.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::error::{Malformed, malformed};
use super::{FileError, FirstError, Result};

/// The alignment of a stored member's first byte; that of PyTorch, and of NumPy's array data after its header.
pub(super) const ALIGNMENT: u16 = 64;

/// How the members of an archive are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// As they are, so that they can be mapped.
    Stored,
    /// Deflated, as `np.savez_compressed` does.
    Deflated,
}

/// An archive being written.
pub(super) struct ArchiveWriter<'a> {
    zip: ZipWriter<FirstError<&'a mut BufWriter<File>>>,
    path: &'a Path,
}

impl<'a> ArchiveWriter<'a> {
    /// An archive that goes to `out`; `path` is for errors.
    pub(super) fn new(out: &'a mut BufWriter<File>, path: &'a Path) -> Self {
        Self { zip: ZipWriter::new(FirstError::new(out)), path }
    }

    /// Appends a member whose content is `parts` one after the other.
    pub(super) fn add(&mut self, name: &str, packing: Packing, parts: &[&[u8]]) -> Result<()> {
        let len = parts.iter().fold(0, |n: u64, part| n.saturating_add(part.len() as u64));
        self.begin(name, packing, len)?;
        parts.iter().try_for_each(|part| self.append(part))
    }

    /// Begins a member of `len` bytes, which [`ArchiveWriter::append`] brings.
    pub(super) fn begin(&mut self, name: &str, packing: Packing, len: u64) -> Result<()> {
        let method = match packing {
            Packing::Stored => CompressionMethod::Stored,
            Packing::Deflated => CompressionMethod::Deflated,
        };
        let options = SimpleFileOptions::default()
            .compression_method(method)
            .last_modified_time(DateTime::default())
            // Deflate can lengthen what it packs, by far less than this.
            .large_file(len > u64::from(u32::MAX) - (1 << 24))
            .with_alignment(ALIGNMENT);
        self.zip.start_file(name, options).map_err(|e| self.error(e))
    }

    /// The next bytes of the member that was begun last.
    pub(super) fn append(&mut self, part: &[u8]) -> Result<()> {
        self.zip.write_all(part).map_err(FileError::io("write", self.path))
    }

    /// Writes the directory at the end.
    pub(super) fn finish(self) -> Result<()> {
        let path = self.path;
        self.zip.finish().map(drop).map_err(|e| FileError::io("write", path)(e.into()))
    }

    fn error(&self, e: ZipError) -> FileError {
        FileError::io("write", self.path)(e.into())
    }
}

/// An archive being read.
pub(super) struct Archive<R> {
    zip: ZipArchive<R>,
    /// The length of the whole file in bytes.
    len: u64,
    /// How many of them have not been read yet: members that overlap would be read more than once.
    unread: u64,
}

/// Where a member lies, its sizes already checked against the length of the archive.
pub(super) struct Member {
    pub(super) name: String,
    /// The first byte of its content in the file.
    pub(super) start: u64,
    /// Its length once unpacked.
    pub(super) len: usize,
    pub(super) stored: bool,
    /// Its length in the file.
    packed: u64,
}

/// Deflate packs at most 1032 bytes into one.
const MOST_DEFLATED: u64 = 1032;

impl Archive<BufReader<File>> {
    /// Opens the archive at `path`.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(FileError::io("read", path))?;
        let len = file.metadata().map_err(FileError::io("read", path))?.len();
        Self::new(BufReader::with_capacity(1 << 18, file), len).map_err(|e| e.at(path))
    }
}

impl<R: Read + Seek> Archive<R> {
    /// The archive of `len` bytes in `reader`.
    pub(super) fn new(reader: R, len: u64) -> std::result::Result<Self, Malformed> {
        match ZipArchive::new(reader) {
            Ok(zip) => Ok(Self { zip, len, unread: len }),
            Err(e) => malformed!("no whole zip archive ({e}); it may be cut short"),
        }
    }

    /// The number of members.
    pub(super) fn len(&self) -> usize {
        self.zip.len()
    }

    /// What the directory and the local header say of member `index`.
    pub(super) fn member(&mut self, index: usize) -> std::result::Result<Member, Malformed> {
        let total = self.len;
        let file = self.zip.by_index_raw(index).map_err(|e| Malformed(format!("zip member {index}: {e}")))?;
        let name = String::from_utf8_lossy(file.name_raw()).into_owned();
        let stored = file.compression() == CompressionMethod::Stored;
        if file.encrypted() || !(stored || file.compression() == CompressionMethod::Deflated) {
            return malformed!("zip member {name} is neither stored nor deflated");
        }
        let (packed, len) = (file.compressed_size(), file.size());
        let Some(start) = file.data_start() else { return malformed!("zip member {name} has no content") };
        let fits = start.checked_add(packed).is_some_and(|end| end <= total);
        let plausible = if stored { packed == len } else { len / MOST_DEFLATED <= packed };
        match usize::try_from(len) {
            Ok(len) if fits && plausible => Ok(Member { name, start, len, stored, packed }),
            _ => malformed!("zip member {name} of {packed} bytes ({len} unpacked) does not fit the file of {total} bytes"),
        }
    }

    /// The content of member `index` as a stream; its checksum is verified where the stream ends.
    pub(super) fn stream(&mut self, index: usize) -> std::result::Result<impl Read + '_, Malformed> {
        self.zip.by_index(index).map_err(|e| Malformed(format!("zip member {index}: {e}")))
    }

    /// The content of member `index`, its checksum verified.
    pub(super) fn read(&mut self, index: usize) -> std::result::Result<Vec<u8>, Malformed> {
        let Member { name, len, packed, .. } = self.member(index)?;
        match self.unread.checked_sub(packed) {
            Some(unread) => self.unread = unread,
            None => return malformed!("zip member {name} overlaps another, or was read before"),
        }
        let mut content = Vec::new();
        let read = match self.zip.by_index(index) {
            Ok(mut file) => content
                .try_reserve_exact(len)
                .map_err(std::io::Error::other)
                .and_then(|()| file.by_ref().take(len as u64 + 1).read_to_end(&mut content)),
            Err(e) => Err(e.into()),
        };
        match read {
            Ok(n) if n == len => Ok(content),
            Ok(n) => malformed!("zip member {name} holds {n} bytes where its header says {len}"),
            Err(e) => malformed!("zip member {name}: {e}"),
        }
    }
}
