//! A check in a process of its own: a crash or a hang of the plugin is a verdict.

use super::{Check, Verdict, calls, run_here};
use crate::show;
use pipeline::memory::gib;
use std::{
    io::{self, Read},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

/// What the child's line with the verdict starts with; a plugin may print whatever it likes before it.
const MARK: &str = "nnunet-host-verdict ";
const POLL: Duration = Duration::from_millis(5);

/// What a child is asked.
pub(crate) struct Question<'a> {
    /// The check.
    pub(crate) check: Check,
    /// The plugin's file.
    pub(crate) file: &'a Path,
    /// `KIND:NAME`, for a check of components.
    pub(crate) component: Option<&'a str>,
    /// What random numbers come from.
    pub(crate) seed: u64,
    /// The longest that it may take.
    pub(crate) limit: Duration,
    /// The most memory that it may hold, in bytes.
    pub(crate) memory: u64,
}

/// The child's side: runs the check and prints its verdict.
pub(crate) fn answer(check: &str, file: &Path, component: Option<&str>, seed: u64) {
    let verdict = match Check::named(check) {
        Some(check) => run_here(check, file, component, seed),
        None => Verdict::Fail(format!("there is no check {check}")),
    };
    // a line of its own, whatever the plugin printed before
    show::line(&format!("\n{MARK}{}", serde_json::to_string(&verdict).unwrap_or_default()));
}

/// Runs the check in a child process of this executable.
pub(crate) fn ask(question: &Question<'_>) -> Verdict {
    match run(question) {
        Ok(verdict) => verdict,
        Err(error) => Verdict::Skip(format!("the check could not be started: {error}")),
    }
}

fn run(q: &Question<'_>) -> io::Result<Verdict> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("__check").arg(q.check.name()).arg(q.file).arg("--seed").arg(q.seed.to_string());
    if let Some(component) = q.component {
        command.arg("--component").arg(component);
    }
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let status = match wait(&mut child, q)? {
        End::Itself(status) => status,
        End::Time => return Ok(Verdict::Fail(format!("it took more than {} s and was ended (--timeout gives it longer)", q.limit.as_secs()))),
        End::Memory(bytes) => {
            let (held, most) = (gib(bytes), gib(q.memory));
            return Ok(Verdict::Fail(format!("it held {held:.2} GiB of memory and was ended; {most:.2} are allowed (--memory gives it more)")));
        }
    };
    let said = text(&stdout).lines().rev().find_map(|line| line.strip_prefix(MARK).and_then(|json| serde_json::from_str(json).ok()));
    Ok(match said {
        Some(verdict) if status.success() => verdict,
        _ => Verdict::Fail(ended(status, &text(&stderr))),
    })
}

/// How a child came to its end.
enum End {
    Itself(ExitStatus),
    /// Its time ran out.
    Time,
    /// It held this many bytes.
    Memory(u64),
}

/// Waits, and ends the child where it goes beyond what it may take.
fn wait(child: &mut Child, q: &Question<'_>) -> io::Result<End> {
    let (start, id) = (Instant::now(), child.id().to_string());
    let end = loop {
        if let Some(status) = child.try_wait()? {
            return Ok(End::Itself(status));
        }
        if start.elapsed() > q.limit {
            break End::Time;
        }
        if let Some(bytes) = calls::status(&id, "VmRSS").filter(|bytes| *bytes > q.memory) {
            break End::Memory(bytes);
        }
        thread::sleep(POLL);
    };
    child.kill()?;
    child.wait()?;
    Ok(end)
}

/// Reads in a thread, so that a full pipe does not stop the child.
fn collect(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (send, receive) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        let _ = send.send(bytes);
    });
    receive
}

/// What was read; not waited for long, since a grandchild may hold the pipe open.
fn text(receive: &Receiver<Vec<u8>>) -> String {
    String::from_utf8_lossy(&receive.recv_timeout(Duration::from_secs(2)).unwrap_or_default()).into_owned()
}

/// How a process ended that gave no verdict, with the last that it said.
fn ended(status: ExitStatus, stderr: &str) -> String {
    let how = match signal(status) {
        Some(number) => format!("crashed with signal {number} ({})", signal_name(number)),
        None => format!("ended its process with code {} instead of returning", status.code().unwrap_or(-1)),
    };
    match stderr.lines().rev().find(|line| !line.trim().is_empty()) {
        Some(last) => format!("{how}: {last}"),
        None => how,
    }
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}

fn signal_name(number: i32) -> &'static str {
    match number {
        4 => "SIGILL, an instruction that this machine does not have",
        6 => "SIGABRT, it aborted",
        7 => "SIGBUS, a misaligned or missing address",
        8 => "SIGFPE, a division by zero",
        9 => "SIGKILL, ended from outside, perhaps for its memory",
        11 => "SIGSEGV, an address that is not its own",
        _ => "see `man 7 signal`",
    }
}
