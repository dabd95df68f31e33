//! `completions`

use super::{Run, host};
use crate::failure::Failure;
use clap_complete::Shell;
use std::io::{self, Write};

/// Print what makes a shell complete the commands and their options
#[derive(clap::Parser)]
#[command(name = "completions", after_help = "For bash: host completions bash > ~/.local/share/bash-completion/completions/host")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Run for Completions {
    fn run(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut host().no_binary_name(false), "host", &mut script);
        // a reader that has seen enough is no failure
        let _ = io::stdout().write_all(&script);
        Ok(())
    }
}
