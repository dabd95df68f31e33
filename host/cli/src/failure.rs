//! What ends a command early, and what the shell is told.

use crate::show;
use std::{error::Error, path::PathBuf, process::ExitCode};

/// Why a command did not do all that it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line cannot be understood, or asked for help.
    #[error(transparent)]
    Arguments(#[from] clap::Error),
    /// A step of the pipeline.
    #[error(transparent)]
    Pipeline(#[from] pipeline::error::Error),
    /// Plugins.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// The device.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    /// A sentence of a command's own.
    #[error("{0}")]
    Plain(String),
    /// The user stopped it; the text says how to go on.
    #[error("{0}")]
    Stopped(String),
}

impl Failure {
    /// A command line that parses and makes no sense.
    pub(crate) fn usage(what: impl std::fmt::Display) -> Self {
        clap::Error::raw(clap::error::ErrorKind::ValueValidation, format!("{what}\n")).into()
    }

    /// The exit code: 1 for failures, 2 for the command line, 130 where the user stopped it.
    fn code(&self) -> u8 {
        match self {
            Failure::Arguments(_) => 2,
            Failure::Stopped(_) => 130,
            _ => 1,
        }
    }

    /// Says once what happened, on stderr.
    pub(crate) fn report(self) -> ExitCode {
        match &self {
            Failure::Arguments(error) => error.exit(),
            Failure::Stopped(how_to_go_on) => show::note(how_to_go_on),
            failure => show::note(&format!("error: {}", chain(failure))),
        }
        ExitCode::from(self.code())
    }
}

/// An error with its causes; a cause that the text before it already holds is not said again.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] Failure);

    #[test]
    fn a_chain_says_each_thing_once() {
        let inner = Failure::Io { action: "read", path: "/x".into(), source: std::io::Error::other("no luck") };
        assert_eq!(chain(&inner), "cannot read /x: no luck");
        assert_eq!(chain(&Outer(inner)), "outer: cannot read /x: no luck");
    }

    #[test]
    fn exit_codes() {
        assert_eq!(Failure::usage("odd").code(), 2);
        assert_eq!(Failure::Plain("odd".into()).code(), 1);
        assert_eq!(Failure::Stopped("later".into()).code(), 130);
    }
}
