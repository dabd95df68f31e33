//! The training log: the same lines in `training_log.txt`, in a copy named after the start, and to the observer.

use super::Observer;
use crate::error::{Error, Result};
use jiff::ZonedDateTime;
use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

pub(crate) struct Journal<'a> {
    files: Vec<(PathBuf, File)>,
    observer: &'a dyn Observer,
}

impl<'a> Journal<'a> {
    /// Opens `training_log.txt` (from the start, or at its end when a run goes on) and the stamped copy in `folder`.
    pub(crate) fn open(folder: &Path, resume: bool, observer: &'a dyn Observer) -> Result<Self> {
        let now = ZonedDateTime::now();
        let stamp =
            format!("training_log_{}_{}_{}_{:02}_{:02}_{:02}.txt", now.year(), now.month(), now.day(), now.hour(), now.minute(), now.second());
        let open = |name: &str| {
            let path = folder.join(name);
            let file = OpenOptions::new().create(true).write(true).append(resume).truncate(!resume).open(&path);
            file.map_err(Error::io("open", &path)).map(|file| (path, file))
        };
        Ok(Journal { files: vec![open("training_log.txt")?, open(&stamp)?], observer })
    }

    /// A line with the time in front of it.
    pub(crate) fn line(&mut self, text: &str) -> Result<()> {
        self.observer.line(text);
        let stamp = ZonedDateTime::now().strftime("%Y-%m-%d %H:%M:%S%.6f").to_string();
        for (path, file) in &mut self.files {
            writeln!(file, "{stamp}: {text}").map_err(Error::io("write", path))?;
        }
        Ok(())
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}
