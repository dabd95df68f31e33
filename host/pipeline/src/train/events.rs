//! The curves as a TensorBoard event file.
//!
//! A file is a row of records: the length (u64), a masked CRC-32C of it, the bytes of an `Event`, a masked CRC-32C of them, all little endian. An
//! `Event` is a protocol buffer of `wall_time` (1, double), `step` (2, varint), and `file_version` (3, string) or `summary` (5) with values
//! of `tag` (1, string) and `simple_value` (2, float). Both layouts are those of TensorFlow's `record_writer` and `event.proto`.

use crate::error::{Error, Result};
use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

/// An event file that grows by an epoch at a time. A run that goes on opens another one, which TensorBoard joins by the steps.
pub(super) struct Events {
    path: PathBuf,
    file: File,
}

impl Events {
    /// A new file in `folder`, named after the second in which it begins (`now`, since 1970).
    pub(super) fn create(folder: &Path, now: f64) -> Result<Self> {
        let path = folder.join(format!("events.out.tfevents.{}.{}", now as u64, std::process::id()));
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(Error::io("open", &path))?;
        let mut events = Events { path, file };
        events.append(&event(now, 0, |out| text(out, 3, b"brain.Event:2")))?;
        Ok(events)
    }

    /// The curves of an epoch, those that are numbers.
    pub(super) fn epoch(&mut self, now: f64, epoch: usize, scalars: &[(String, f64)]) -> Result<()> {
        let mut summary = Vec::new();
        for (tag, value) in scalars.iter().filter(|(_, value)| value.is_finite()) {
            let mut one = Vec::new();
            text(&mut one, 1, tag.as_bytes());
            one.push(2 << 3 | 5);
            one.extend((*value as f32).to_le_bytes());
            text(&mut summary, 1, &one);
        }
        self.append(&event(now, epoch as u64, |out| text(out, 5, &summary)))
    }

    fn append(&mut self, event: &[u8]) -> Result<()> {
        self.file.write_all(&record(event)).map_err(Error::io("write", &self.path))
    }
}

fn event(wall_time: f64, step: u64, what: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = vec![1 << 3 | 1];
    out.extend(wall_time.to_le_bytes());
    out.push(2 << 3);
    varint(&mut out, step);
    what(&mut out);
    out
}

/// A field of bytes.
fn text(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn record(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), bytes, &masked(bytes)].concat()
}

/// TensorFlow turns and shifts a checksum, so that it may be summed up itself.
fn masked(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_record_is_the_one_that_tensorflow_writes() {
        // `file_version` with a wall time of 0 and no step, as TensorFlow 2 writes the record
        let event = [&[0x09][..], &[0; 8], &[0x1a, 13], b"brain.Event:2"].concat();
        let bytes = record(&event);
        assert_eq!(&bytes[..12], [24, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22]);
        assert_eq!(bytes.len(), 8 + 4 + 24 + 4);
    }

    #[test]
    fn a_file_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut events = Events::create(dir.path(), 1000.0).unwrap();
        events.epoch(1001.0, 300, &[("train_loss".into(), -0.5), ("val_loss".into(), f64::NAN)]).unwrap();
        let bytes = std::fs::read(&events.path).unwrap();
        let mut rest = &bytes[..];
        let mut found = Vec::new();
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            assert_eq!(rest[8..12], masked(&rest[..8]));
            let event = &rest[12..12 + length];
            assert_eq!(rest[12 + length..16 + length], masked(event));
            found.push(event.to_vec());
            rest = &rest[16 + length..];
        }
        assert_eq!(found.len(), 2);
        let value = [&[0x0a, 10][..], b"train_loss", &[0x15], &(-0.5f32).to_le_bytes()].concat();
        let wanted = [&[0x09][..], &1001f64.to_le_bytes(), &[0x10, 0xac, 0x02, 0x2a, 19, 0x0a, 17], &value].concat();
        assert_eq!(found[1], wanted);
    }
}
