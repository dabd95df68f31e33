//! `benchmark_result.json`: the fastest epoch, one entry a machine and host version, as nnU-Net's benchmark trainers keep it.

use crate::{checkpoint::Logging, error::Result, json};
use engine::Devices;
use serde_json::{Map, Value as Json, json};
use std::path::Path;
use volume::files::atomic::machine;

/// Adds this machine's entry to the file, or replaces it.
pub(super) fn write(path: &Path, logging: &Logging, devices: &Devices) -> Result<()> {
    let seconds = logging.epoch_end_timestamps.iter().zip(&logging.epoch_start_timestamps).map(|(end, start)| end - start);
    let fastest = seconds.fold(f64::INFINITY, f64::min);
    let mut results: Map<String, Json> = if path.exists() { json::read(path)? } else { Map::new() };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (host, version, device) = (machine(), env!("CARGO_PKG_VERSION"), devices.names().join("+"));
    results.insert(
        format!("{host}__host_{version}__{device}__{threads}_threads"),
        json!({"hostname": host, "host_version": version, "device": device, "threads": threads, "fastest_epoch": fastest}),
    );
    json::write(path, &results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_replaces_its_own_entry_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("benchmark_result.json");
        std::fs::write(&path, r#"{"theirs": {"fastest_epoch": 3.0}}"#).unwrap();
        for (ends, fastest) in [(vec![4.0, 7.5], 2.5), (vec![1.5, 6.0], 1.0)] {
            let logging = Logging { epoch_start_timestamps: vec![0.5, 5.0], epoch_end_timestamps: ends, ..Logging::default() };
            write(&path, &logging, &engine::Device::cpu().into()).unwrap();
            let results: Map<String, Json> = json::read(&path).unwrap();
            let ours = results.values().find(|entry| entry["device"] == "cpu").unwrap();
            assert_eq!((results.len(), ours["fastest_epoch"].as_f64()), (2, Some(fastest)));
        }
    }
}
