//! Folds side by side: each is a process of this program with a log of its own, so many at a time.

mod child;

use crate::{
    failure::Failure,
    monitor::{self, Seen},
    show,
};
use child::Child;
use indicatif::ProgressBar;
use pipeline::{memory, paths::quoted, status};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use std::{
    collections::VecDeque,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How often signals and ends of processes are looked for.
const PAUSE: Duration = Duration::from_millis(100);
/// How often the files of a fold are read.
const LOOK: Duration = Duration::from_secs(1);

/// A fold to train.
pub(crate) struct Job {
    /// A number, or `all`.
    pub(crate) fold: String,
    /// Its folder in the results.
    pub(crate) folder: PathBuf,
    /// `train DATASET CONFIG FOLD ...`
    pub(crate) arguments: Vec<String>,
}

impl Job {
    /// What a user types to do this fold again, or to go on with it.
    fn again(&self) -> String {
        let begun = self.folder.join("debug.json").is_file();
        let known = begun.then(|| status::of_folder(&self.folder).ok()?.folds.pop()?.command).flatten();
        known.unwrap_or_else(|| format!("host {}", self.arguments.iter().map(|word| quoted(Path::new(word))).collect::<Vec<_>>().join(" ")))
    }
}

/// All of them.
pub(crate) struct SideBySide {
    pub(crate) jobs: Vec<Job>,
    pub(crate) at_a_time: usize,
    /// The CUDA devices, in turn; none: as the arguments say.
    pub(crate) devices: Vec<usize>,
}

/// Refuses so many trainings on the processor at a time that their steps do not fit into memory together.
pub(crate) fn check_memory(at_a_time: usize, step: u64) -> Result<(), Failure> {
    let free = memory::available();
    let fit = usize::try_from(free / step.max(1)).unwrap_or(usize::MAX);
    if at_a_time <= fit {
        return Ok(());
    }
    let way = if fit == 0 { "not even one fits".to_owned() } else { format!("say --jobs {fit}") };
    Err(Failure::Plain(format!(
        "{at_a_time} folds at a time take {at_a_time} x {:.2} GiB, free are {:.2} GiB; {way}, or say with -gpu_memory_target what each may take",
        memory::gib(step),
        memory::gib(free)
    )))
}

/// Trains them. The failure of one does not end the others.
pub(crate) fn run(all: SideBySide) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(|error| Failure::Plain(format!("cannot watch for signals: {error}")))?;
    let at_a_time = all.at_a_time.max(1);
    let (threads, memory) = ((threads() / at_a_time).max(1), memory::budget().map(|bytes| bytes / at_a_time as u64));
    let total = all.jobs.len();
    let mut waiting: VecDeque<Job> = all.jobs.into();
    let mut places: Vec<Option<Running>> = (0..all.at_a_time).map(|_| None).collect();
    let (mut failed, mut stopped, mut asked): (Vec<String>, Vec<String>, bool) = (vec![], vec![], false);
    loop {
        for (place, slot) in places.iter_mut().enumerate().filter(|(_, slot)| slot.is_none()) {
            let Some(job) = (if asked { None } else { waiting.pop_front() }) else { break };
            let device = if all.devices.is_empty() { None } else { all.devices.get(place % all.devices.len()) };
            show::note(&format!(
                "fold {} begins{}; {}",
                job.fold,
                device.map_or(String::new(), |d| format!(" on cuda:{d}")),
                Child::log(&job).display()
            ));
            match Running::start(job, device, threads, memory) {
                Ok(running) => *slot = Some(running),
                Err(why) => failed.push(why.to_string()),
            }
        }
        if places.iter().all(Option::is_none) && (asked || waiting.is_empty()) {
            break;
        }
        for signal in signals.pending() {
            if !asked {
                show::note("each fold ends its iteration and saves; a second signal ends them at once");
            }
            asked = true;
            places.iter_mut().flatten().for_each(|running| running.child.signal(signal));
        }
        for slot in &mut places {
            if let Some(end) = slot.as_mut().and_then(|running| running.look(asked)) {
                match end {
                    End::Finished => {}
                    End::Stopped(how) => stopped.push(how),
                    End::Failed(why) => failed.push(why),
                }
                *slot = None;
            }
        }
        std::thread::sleep(PAUSE);
    }
    stopped.extend(waiting.iter().map(|job| format!("fold {} did not begin: {}", job.fold, job.again())));
    if !failed.is_empty() {
        let text = failed.iter().chain(&stopped).cloned().collect::<Vec<_>>().join("\n");
        return Err(Failure::Plain(format!("{} of {total} folds failed\n{text}", failed.len())));
    }
    if !stopped.is_empty() {
        return Err(Failure::Stopped(stopped.join("\n")));
    }
    Ok(())
}

/// Threads that all of them share.
fn threads() -> usize {
    let said = std::env::var("RAYON_NUM_THREADS").ok().and_then(|text| text.trim().parse().ok()).filter(|&n| n > 0);
    said.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// How a process ended.
enum End {
    Finished,
    /// With what goes on.
    Stopped(String),
    /// With the whole error and what to type then.
    Failed(String),
}

/// A fold under way.
struct Running {
    job: Job,
    child: Child,
    bar: Option<ProgressBar>,
    looked: Instant,
    /// Epochs that were told.
    told: usize,
}

impl Running {
    fn start(job: Job, device: Option<&usize>, threads: usize, memory: Option<u64>) -> Result<Self, Failure> {
        let child = Child::start(&job, device, threads, memory)?;
        let bar = io::stderr().is_terminal().then(|| show::bar("{msg}").with_message(format!("fold {}", job.fold)));
        // a fold that goes on has told its first epochs in an earlier run
        let told = status::epochs(&job.folder).map_or(0, |epochs| epochs.len());
        Ok(Running { job, child, bar, looked: Instant::now(), told })
    }

    /// Tells what is new; how it ended, if it did. `asked`: it was told to.
    fn look(&mut self, asked: bool) -> Option<End> {
        let ended = self.child.ended();
        if ended.is_some() || self.looked.elapsed() > LOOK {
            self.looked = Instant::now();
            // a file that is being made is read the next time
            let _ = self.tell();
        }
        let code = ended?;
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let fold = &self.job.fold;
        Some(match code {
            Some(0) => {
                let dice = status::of_folder(&self.job.folder).ok().and_then(|mut model| model.folds.pop()?.validation_dice);
                show::line(&format!("fold {fold}: {}", dice.map_or("trained".to_owned(), |dice| format!("mean Dice {dice:.4}"))));
                End::Finished
            }
            code if code == Some(130) || asked && matches!(code, None | Some(143)) => {
                End::Stopped(format!("fold {fold} stopped; it goes on with: {}", self.job.again()))
            }
            code => {
                show::note(&format!("fold {fold} failed; the others go on"));
                let how = code.map_or("ended by a signal".to_owned(), |code| format!("exit code {code}"));
                let log = Child::log(&self.job);
                let said = child::error_in(&log).lines().map(|line| format!("  {line}\n")).collect::<String>();
                End::Failed(format!("fold {fold}, {how}:\n{said}  log: {}\n  again: {}", log.display(), self.job.again()))
            }
        })
    }

    fn tell(&mut self) -> Result<(), Failure> {
        let model = status::of_folder(&self.job.folder)?;
        let Some(fold) = model.folds.first() else { return Ok(()) };
        let seen = Seen::of(&model, fold)?;
        let count = seen.epochs.len();
        self.told = self.told.min(count); // it began anew
        match &self.bar {
            Some(bar) if count > 0 => bar.set_message(monitor::line(&seen, count - 1)),
            Some(_) => {}
            None => (self.told..count).for_each(|epoch| show::line(&monitor::line(&seen, epoch))),
        }
        self.told = count;
        Ok(())
    }
}
