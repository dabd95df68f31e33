//! Is this machine fit for the work, and what would make it fitter?

use crate::{memory, paths::Paths, switch};
use engine::{Device, kernels};
use registry::{Registry, RowState};
use serde::Serialize;
use std::{
    env,
    io::Write,
    path::{Path, PathBuf},
    time::Instant,
};
use sysinfo::{CpuRefreshKind, Disks, MemoryRefreshKind, RefreshKind, System};

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Good,
    /// It works, but could be better, or is only worth knowing.
    Note,
    /// Something will fail.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// How it is.
    pub state: State,
    /// What was found, and where something can be done, what.
    pub found: String,
}

impl Finding {
    fn new(what: &str, state: State, found: impl Into<String>) -> Self {
        Finding { what: what.to_owned(), state, found: found.into() }
    }
}

/// Memory below which 3D trainings with nnU-Net's default plans do not fit, bytes.
const LITTLE_MEMORY: u64 = 8 << 30;
/// Room below which a results folder soon is full, bytes.
const LITTLE_ROOM: u64 = 20 << 30;
/// Writing slower than this holds preprocessing up, MiB/s.
const SLOW_DISK: f64 = 100.0;
/// What is written to see how fast the disk is, MiB.
const PROBE: usize = 64;

/// Looks at processor, memory, devices, folders, variables and plugins. The disk is tried with a file of 64 MiB that is taken away again.
pub fn examine(paths: &Paths, registry: &Registry) -> Vec<Finding> {
    let mut findings = vec![processor(), memory_found(), device()];
    findings.extend(folders(paths));
    findings.extend(variables());
    findings.extend(plugins(registry));
    findings
}

fn processor() -> Finding {
    let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()));
    let brand = system.cpus().first().map_or("a processor", |cpu| cpu.brand()).trim().to_owned();
    let (all, usable) = (system.cpus().len(), std::thread::available_parallelism().map_or(1, usize::from));
    let instructions = kernels::instructions();
    let found = format!("{brand}, {usable} of {all} threads usable, kernels use {instructions}");
    if usable < all {
        return Finding::new("processor", State::Note, format!("{found}; a control group or affinity holds the others back"));
    }
    let state = if instructions == "portable code" { State::Note } else { State::Good };
    Finding::new("processor", state, found)
}

fn memory_found() -> Finding {
    let system = System::new_with_specifics(RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram()));
    let free = memory::available();
    let found = format!("{} free of {}", size(free), size(system.total_memory()));
    if free < LITTLE_MEMORY {
        let way_out = "3D trainings may not fit: plan with a smaller -gpu_memory_target, and give preprocessing fewer processes (-np)";
        return Finding::new("memory", State::Note, format!("{found}; {way_out}"));
    }
    Finding::new("memory", State::Good, found)
}

fn device() -> Finding {
    match Device::parse("cuda") {
        Ok(device) => Finding::new("gpu", State::Good, format!("{} is there; -device auto takes it", device.name())),
        Err(error) => Finding::new("gpu", State::Note, format!("{error}; -device auto takes the processor")),
    }
}

fn folders(paths: &Paths) -> Vec<Finding> {
    let named = [("nnUNet_raw", paths.raw()), ("nnUNet_preprocessed", paths.preprocessed()), ("nnUNet_results", paths.results())];
    named
        .into_iter()
        .map(|(name, folder)| folder.map_or_else(|error| Finding::new(name, State::Bad, error.to_string()), |f| one_folder(name, f)))
        .collect()
}

fn one_folder(name: &str, folder: &Path) -> Finding {
    let place = folder.display();
    if !folder.is_dir() {
        return Finding::new(name, State::Bad, format!("{place} is no folder; make it: mkdir -p {place}"));
    }
    let speed = match write_speed(folder) {
        Ok(speed) => speed,
        // raw data are only read
        Err(error) if name == "nnUNet_raw" => return Finding::new(name, State::Good, format!("{place}, read only ({error})")),
        Err(error) => return Finding::new(name, State::Bad, format!("{place} cannot be written: {error}")),
    };
    let room = room(folder);
    let found = format!("{place}, {} free, written at {speed:.0} MiB/s", room.map_or("unknown room".to_owned(), size));
    if room.is_some_and(|room| room < LITTLE_ROOM) {
        return Finding::new(
            name,
            State::Note,
            format!("{found}; a checkpoint takes up to 1 GiB and a preprocessed dataset as much as its images unpacked"),
        );
    }
    if speed < SLOW_DISK {
        return Finding::new(name, State::Note, format!("{found}; a local disk makes preprocessing and loading faster"));
    }
    Finding::new(name, State::Good, found)
}

/// MiB a second, synced to the disk.
fn write_speed(folder: &Path) -> std::io::Result<f64> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    let block: Vec<u8> = (0..1 << 20).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let start = Instant::now();
    (0..PROBE).try_for_each(|_| file.write_all(&block))?;
    file.as_file().sync_all()?;
    Ok(PROBE as f64 / start.elapsed().as_secs_f64().max(1e-9))
}

/// Free bytes of the disk that holds `folder`.
pub(crate) fn room(folder: &Path) -> Option<u64> {
    let folder: PathBuf = folder.canonicalize().ok()?;
    let disks = Disks::new_with_refreshed_list();
    let holding = disks.iter().filter(|disk| folder.starts_with(disk.mount_point()));
    holding.max_by_key(|disk| disk.mount_point().components().count()).map(sysinfo::Disk::available_space)
}

/// The variables that say how many processes, and those that switch something.
fn variables() -> Vec<Finding> {
    let switches = ["nnUNet_compile", "nnUNet_use_amp", "nnUNet_verbose"];
    let set = |name: &&str| env::var(name).ok().map(|value| ((*name).to_owned(), value));
    let numbers = ["nnUNet_n_proc_DA", "nnUNet_def_n_proc", "RAYON_NUM_THREADS"].iter().filter_map(set).map(|(name, value)| {
        let good = value.trim().parse::<usize>().is_ok();
        let found = if good { value } else { format!("{value:?} is no number of processes") };
        Finding::new(&name, if good { State::Good } else { State::Bad }, found)
    });
    let switches = switches.iter().filter_map(set).map(|(name, value)| match switch::read(&name) {
        Ok(_) => Finding::new(&name, State::Good, value),
        Err(error) => Finding::new(&name, State::Bad, error.to_string()),
    });
    numbers.chain(switches).collect()
}

fn plugins(registry: &Registry) -> Vec<Finding> {
    let rows = registry.list();
    let ready = rows.iter().filter(|row| row.state == RowState::Ready).count();
    let mut findings = vec![Finding::new("plugins", State::Good, format!("{ready} components of plugins are ready"))];
    let refused = rows.into_iter().filter(|row| row.state == RowState::Refused);
    findings.extend(refused.map(|row| Finding::new("plugin", State::Note, format!("{} {}", row.name, row.reason.unwrap_or_default()))));
    findings
}

fn size(bytes: u64) -> String {
    if bytes == u64::MAX { "an unknown size".to_owned() } else { format!("{:.1} GiB", memory::gib(bytes)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_tried() {
        let dir = tempfile::tempdir().unwrap();
        let there = one_folder("nnUNet_results", dir.path());
        assert!(there.state != State::Bad && there.found.contains("MiB/s"), "{there:?}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the probe was left behind");
        let missing = one_folder("nnUNet_results", &dir.path().join("no"));
        assert!(missing.state == State::Bad && missing.found.contains("mkdir -p"), "{missing:?}");
        let unset = folders(&Paths::default());
        assert!(unset.iter().all(|finding| finding.state == State::Bad && finding.found.contains("is not set")), "{unset:?}");
    }
}
