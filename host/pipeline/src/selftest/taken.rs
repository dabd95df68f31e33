//! Memory: what iterations keep, and what the process holds.

use super::{Bed, Check, components::small, rig::Rig};
use crate::{error::Result, memory};
use engine::Device;
use serde_json::json;

const WARM: usize = 10;
const ITERATIONS: usize = 40;
/// What the process may grow by in [`ITERATIONS`], bytes: allocators round.
const GROWTH: u64 = 64 << 20;

pub(super) fn run(bed: &Bed<'_>, done: &mut dyn FnMut(Check)) -> Result<()> {
    let mut rig = Rig::new(bed.registry, None, "dice_ce", &small(), 2, bed.device)?;
    let mut left = 0;
    for _ in 0..WARM {
        left += rig.iteration()?.1;
    }
    let before = held(bed.device);
    for _ in 0..ITERATIONS {
        left += rig.iteration()?.1;
    }
    let after = held(bed.device);
    let grown = after.saturating_sub(before);
    let found = format!(
        "{left} tensors were left behind in {} iterations; {:.2} GiB are held, {:.0} MiB more than after {WARM} iterations (wanted {:.0} at most)",
        WARM + ITERATIONS,
        memory::gib(after),
        grown as f64 / f64::from(1 << 20),
        GROWTH as f64 / f64::from(1 << 20)
    );
    done(Check::new("memory", left == 0 && grown <= GROWTH, found, json!({"left_behind": left, "before": before, "after": after})));
    Ok(())
}

/// Bytes that this process holds on the device.
pub(super) fn held(device: &Device) -> u64 {
    device.held().unwrap_or_else(memory::taken)
}
