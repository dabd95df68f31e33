//! A training in a process of its own.

use super::Job;
use crate::failure::Failure;
use pipeline::{memory::gib, paths::Paths};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
};

/// What it says goes to its log.
pub(super) struct Child {
    process: process::Child,
}

impl Child {
    /// The log: what the process says on stdout and stderr.
    pub(super) fn log(job: &Job) -> PathBuf {
        job.folder.join("output.log")
    }

    /// Starts it with its share of the threads, and of the memory (bytes) where that is limited.
    pub(super) fn start(job: &Job, device: Option<&usize>, threads: usize, memory: Option<u64>) -> Result<Self, Failure> {
        let path = Self::log(job);
        fs::create_dir_all(&job.folder).map_err(|source| Failure::Io { action: "create", path: job.folder.clone(), source })?;
        let failed = |source| Failure::Io { action: "write", path: path.clone(), source };
        let log = File::create(&path).map_err(failed)?;
        let program = std::env::current_exe().map_err(|source| Failure::Io { action: "find", path: "host".into(), source })?;
        let mut command = Command::new(&program);
        command.args(&job.arguments).env("RAYON_NUM_THREADS", threads.to_string()).envs(Paths::from_env().variables());
        if let Some(bytes) = memory {
            command.args(["--max-ram", &gib(bytes).to_string()]);
        }
        if std::env::var_os("nnUNet_n_proc_DA").is_none() {
            command.env("nnUNet_n_proc_DA", threads.min(12).to_string());
        }
        if let Some(device) = device {
            command.args(["-device", &format!("cuda:{device}")]);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone().map_err(failed)?).stderr(log);
        // Ctrl-C reaches this process alone, which tells the others: they would take the same signal twice for an order to end at once
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let process = command.spawn().map_err(|source| Failure::Io { action: "run", path: program, source })?;
        Ok(Child { process })
    }

    /// Hands a signal on.
    pub(super) fn signal(&mut self, signal: i32) {
        #[cfg(unix)]
        if let Some(signal) = rustix::process::Signal::from_named_raw(signal) {
            // a process that has just ended cannot be told, and needs not be
            let _ = rustix::process::kill_process(rustix::process::Pid::from_child(&self.process), signal);
        }
        #[cfg(not(unix))]
        let _ = (signal, self.process.kill());
    }

    /// The exit code of a process that has ended; none in it where a signal ended it.
    pub(super) fn ended(&mut self) -> Option<Option<i32>> {
        // the system fails here for processes that are not this one's children, and this one is
        self.process.try_wait().ok().flatten().map(|status| status.code())
    }
}

/// The error at the end of a log, all its lines; the last lines where there is none.
pub(super) fn error_in(log: &Path) -> String {
    const LAST: usize = 20;
    let text = fs::read(log).map_or_else(|error| format!("{}: {error}", log.display()), |bytes| String::from_utf8_lossy(&bytes).into_owned());
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.iter().rposition(|line| line.starts_with("error: ")).unwrap_or(lines.len().saturating_sub(LAST));
    lines.get(from..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_error_and_nothing_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("output.log");
        fs::write(&log, "Epoch 0\nerror: an old one\nEpoch 1\nerror: two things:\n  a\n  b\n").unwrap();
        assert_eq!(error_in(&log), "error: two things:\n  a\n  b");
        fs::write(&log, (0..30).map(|n| format!("line {n}\n")).collect::<String>()).unwrap();
        assert!(error_in(&log).starts_with("line 10\n") && error_in(&log).ends_with("line 29"));
        assert!(error_in(&dir.path().join("none")).contains("none"));
    }
}
