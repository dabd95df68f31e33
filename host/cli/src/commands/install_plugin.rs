//! `install-plugin`

use super::Run;
use crate::{failure::Failure, options, show};
use pipeline::progress::Progress;
use registry::{Install, Level, Options, Signed, install};
use std::path::PathBuf;

/// Install a plugin from a package: this platform's library, with its signature, its hash pinned
#[derive(clap::Parser)]
#[command(name = "install-plugin")]
pub(crate) struct InstallPlugin {
    /// A package's file or address, or a plugin of the index: NAME or NAME@VERSION
    what: String,
    /// File or address of an index of plugins [default: NNUNET_PLUGIN_INDEX]
    #[arg(long, value_name = "FILE|URL")]
    index: Option<String>,
    /// Replace a version that is not older
    #[arg(long)]
    force: bool,
    /// What is asked of the plugin: first-use, pinned or signed [default: NNUNET_PLUGIN_TRUST, else as `trust --level` set it]
    #[arg(long = "plugin-trust", value_name = "LEVEL")]
    level: Option<Level>,
    #[command(flatten)]
    folder: FolderOption,
}

#[derive(clap::Args)]
pub(crate) struct FolderOption {
    /// The plugins folder [default: plugins in the user's data folder]
    #[arg(long = "plugins-dir", value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl FolderOption {
    pub(crate) fn get(&self, options: &Options) -> PathBuf {
        self.folder.clone().unwrap_or_else(|| options.plugins_folder())
    }
}

impl Run for InstallPlugin {
    fn run(self) -> Result<(), Failure> {
        let mut options = Options::of_user(&[])?;
        options.trust.level = self.level.unwrap_or(options.trust.level);
        let index = self.index.or_else(|| options::named("NNUNET_PLUGIN_INDEX"));
        let cases = show::Cases::default();
        let mut told = |got: u64, announced: Option<u64>| {
            let total = announced.unwrap_or(got).div_ceil(1 << 20) as usize;
            cases.report(Progress { step: "download (MiB)", done: (got >> 20) as usize, total, case: "" });
        };
        let request = Install { what: &self.what, index: index.as_deref(), force: self.force };
        let done = install(&request, &self.folder.get(&options), &options, &mut told)?;
        let instead = done.replaced.map_or(String::new(), |old| format!(" instead of {old}"));
        let signed = match &done.signed {
            Signed::No => "not signed".to_owned(),
            Signed::Trusted { name, .. } => format!("signed by {name}"),
            Signed::Unknown { key, .. } => format!("signed by key {key}, which is not trusted (`host trust --key PUBKEY` trusts it)"),
        };
        show::line(&format!("{}: {} {}{instead}, {signed}", done.file.display(), done.plugin.id, done.plugin.version));
        Ok(())
    }
}
