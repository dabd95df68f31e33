//! `link`

use super::{Run, nnunet_names};
use crate::{failure::Failure, show};
use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// Make links with nnU-Net's names of the commands (nnUNetv2_train ...) to this executable
#[derive(clap::Parser)]
#[command(name = "link")]
pub(crate) struct Link {
    /// Folder for the links; put it in PATH
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Run for Link {
    fn run(self) -> Result<(), Failure> {
        let program = env::current_exe().map_err(failed("find", Path::new("the executable")))?;
        fs::create_dir_all(&self.folder).map_err(failed("create", &self.folder))?;
        let links: Vec<PathBuf> = nnunet_names().iter().map(|name| self.folder.join(name)).collect();
        if let Some(link) = links.iter().find(|link| !replaceable(link, &program)) {
            return Err(Failure::Plain(format!("{} is there and is no link to this program; remove it, or name another folder", link.display())));
        }
        for link in &links {
            replace(link, &program).map_err(failed("link", link))?;
        }
        show::line(&format!("{} links in {}", links.len(), self.folder.display()));
        Ok(())
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Failure {
    let path = path.to_path_buf();
    move |source| Failure::Io { action, path, source }
}

/// Nothing is there, or a link to this program, to one of its name, or to nowhere.
fn replaceable(link: &Path, program: &Path) -> bool {
    match (fs::symlink_metadata(link), fs::read_link(link)) {
        (Err(_), _) => true,
        (Ok(_), Ok(target)) => target.file_name() == program.file_name() || !link.exists(),
        (Ok(_), Err(_)) => false,
    }
}

/// Beside it and renamed, so that there is no moment without the link.
#[cfg(unix)]
fn replace(link: &Path, program: &Path) -> io::Result<()> {
    let new = link.with_extension(format!("new-{}", std::process::id()));
    std::os::unix::fs::symlink(program, &new)?;
    fs::rename(&new, link).inspect_err(|_| drop(fs::remove_file(&new)))
}

#[cfg(not(unix))]
fn replace(link: &Path, program: &Path) -> io::Result<()> {
    fs::copy(program, link.with_extension("exe")).map(drop)
}
