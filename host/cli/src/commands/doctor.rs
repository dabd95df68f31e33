//! `doctor`

use super::Run;
use crate::{failure::Failure, options::PluginOptions, show};
use pipeline::{
    doctor::{self, State},
    paths::Paths,
};

/// Look at the machine (processor, memory, GPU, folders, disk speed, variables, plugins) and say what to do about it
#[derive(clap::Parser)]
#[command(name = "doctor")]
pub(crate) struct Doctor {
    /// The findings as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    plugins: PluginOptions,
}

impl Run for Doctor {
    fn run(self) -> Result<(), Failure> {
        let findings = doctor::examine(&Paths::from_env(), &self.plugins.open()?);
        if self.json {
            show::line(&serde_json::to_string_pretty(&findings).map_err(|error| Failure::Plain(error.to_string()))?);
        } else {
            let width = findings.iter().map(|finding| finding.what.len()).max().unwrap_or(0);
            for finding in &findings {
                let state = match finding.state {
                    State::Good => "good",
                    State::Note => "note",
                    State::Bad => "BAD ",
                };
                show::line(&format!("{state}  {:width$}  {}", finding.what, finding.found));
            }
        }
        match findings.iter().filter(|finding| finding.state == State::Bad).count() {
            0 => Ok(()),
            bad => Err(Failure::Plain(format!("{bad} of what was looked at will make something fail"))),
        }
    }
}
