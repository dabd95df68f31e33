//! `man`

use super::{Run, host};
use crate::{failure::Failure, show};
use clap_mangen::Man as Page;
use std::{fs, io, path::PathBuf};

/// Write the manual pages: host.1, and one a command
#[derive(clap::Parser)]
#[command(name = "man", after_help = "host man ~/.local/share/man/man1 && man host-train")]
pub(crate) struct Man {
    /// Folder for the pages; made if it is not there
    folder: PathBuf,
}

impl Run for Man {
    fn run(self) -> Result<(), Failure> {
        let failed = |action, path: &PathBuf| {
            let path = path.clone();
            move |source: io::Error| Failure::Io { action, path, source }
        };
        fs::create_dir_all(&self.folder).map_err(failed("create", &self.folder))?;
        let whole = host();
        let mut pages = vec![("host".to_owned(), whole.clone())];
        pages.extend(whole.get_subcommands().map(|command| {
            let name = format!("host-{}", command.get_name());
            (name.clone(), command.clone().name(name))
        }));
        for (name, command) in &pages {
            let (mut page, path) = (Vec::new(), self.folder.join(format!("{name}.1")));
            Page::new(command.clone()).render(&mut page).map_err(failed("render", &path))?;
            volume::files::atomic::write_bytes(&path, &page).map_err(pipeline::error::Error::from)?;
        }
        show::line(&format!("{} pages in {}", pages.len(), self.folder.display()));
        Ok(())
    }
}
