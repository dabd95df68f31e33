//! `package-plugin`

use super::{Run, sign_plugin::KeyOption};
use crate::{failure::Failure, show};
use registry::{Index, pack};
use std::path::PathBuf;

/// Pack a plugin's libraries, one a platform, into a file that others install
#[derive(clap::Parser)]
#[command(name = "package-plugin")]
pub(crate) struct PackagePlugin {
    /// The libraries; the platform is read from the file where it is not given (as x86_64-unknown-linux-musl=FILE)
    #[arg(required = true, value_name = "[PLATFORM=]FILE")]
    files: Vec<String>,
    #[command(flatten)]
    key: KeyOption,
    /// The package, or the folder for NAME-VERSION.zip
    #[arg(short = 'o', value_name = "PATH", default_value = ".")]
    output: PathBuf,
    /// Add the package to this index, a JSON file in the package's folder or above
    #[arg(long, value_name = "FILE")]
    index: Option<PathBuf>,
}

impl Run for PackagePlugin {
    fn run(self) -> Result<(), Failure> {
        let named = |text: &String| match text.split_once('=') {
            Some((platform, file)) if !platform.contains(['/', '.']) => (Some(platform.to_owned()), PathBuf::from(file)),
            _ => (None, PathBuf::from(text)),
        };
        let files: Vec<_> = self.files.iter().map(named).collect();
        let packed = pack(&files, self.key.read()?.as_ref(), &self.output)?;
        let plugin = &packed.manifest.plugin;
        show::line(&format!("{}: {} {}", packed.file.display(), plugin.id, plugin.version));
        for (platform, build) in &packed.manifest.platforms {
            let signed = build.key.as_ref().map_or("not signed".to_owned(), |key| format!("signed with key {key}"));
            show::line(&format!("  {platform}  {} bytes  sha256 {:.12}...  {signed}", build.bytes, build.sha256));
        }
        if let Some(index) = &self.index {
            Index::add(index, &packed)?;
            show::line(&format!("{}: has it", index.display()));
        }
        Ok(())
    }
}
