//! Folders that are whole or not there.

use std::fs;
use std::path::{Path, PathBuf};

use volume::files::atomic::{remove_stale, temp_path};

use crate::error::{Error, Result};

/// A hidden folder beside a place; it is removed when it is dropped, and a later run sweeps that of a run that was killed.
pub(crate) struct Staging {
    folder: PathBuf,
}

impl Staging {
    /// An empty folder beside `target`, whose own folder is made if need be.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn beside(target: &Path) -> Result<Self> {
        let parent = target.parent().unwrap_or(target);
        fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        remove_stale(parent)?;
        let folder = temp_path(target)?;
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(Error::io("remove", &folder))?;
        }
        fs::create_dir(&folder).map_err(Error::io("create", &folder))?;
        Ok(Self { folder })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// Puts it in place as `target`, where nothing may be.
    ///
    /// # Errors
    /// Something is there, or the system refuses.
    pub(crate) fn finish(self, target: &Path) -> Result<()> {
        if target.exists() {
            return Err(Error::content(target, "is there already; remove it, or choose another name"));
        }
        fs::rename(&self.folder, target).map_err(Error::io("rename to", target))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // what was put in place is not there any more
        let _ = fs::remove_dir_all(&self.folder);
    }
}
