//! Training iterations without the loader.

use super::{Bed, BenchSet, Check, plans::Network, rig::Rig, said, taken, torch};
use crate::{error::Result, memory};
use serde_json::{Value, json};
use std::time::Instant;

/// Iterations that only warm up: kernels are tuned and memory is taken.
const WARM: usize = 2;
/// Iterations that are timed at least, and seconds that are enough of them.
const LEAST: usize = 3;
const ENOUGH: f64 = 4.0;
/// An epoch of nnU-Net.
const TRAINING: f64 = 250.0;
const VALIDATION: f64 = 50.0;

pub(super) fn run(set: BenchSet, bed: &Bed<'_>, done: &mut dyn FnMut(Check)) -> Result<()> {
    for network in set.plans(bed.registry)? {
        done(timed(set, &network, bed));
    }
    Ok(())
}

fn timed(set: BenchSet, network: &Network, bed: &Bed<'_>) -> Check {
    let (patch, batch) = (&network.spec.patch_size, network.batch);
    let what = format!("{} {}, {batch} patches of {patch:?}", set.part(), network.network);
    let times = match said(times(network, bed)) {
        Ok(times) => times,
        Err(error) => return Check::new(what, false, error, Value::Null),
    };
    let epoch = TRAINING * times.iteration + VALIDATION * times.inference;
    let mut found = format!(
        "{:.3} s an iteration, {:.3} s an inference, {epoch:.0} s an epoch of 250 + 50, {:.1} TFLOP/s, {:.1} GiB",
        times.iteration,
        times.inference,
        times.tflops,
        memory::gib(times.bytes)
    );
    let mut figures =
        json!({"iteration_s": times.iteration, "inference_s": times.inference, "epoch_s": epoch, "tflops": times.tflops, "bytes": times.bytes});
    if let Some(python) = &bed.python {
        match torch::times(python, network, bed.device) {
            Ok(theirs) => {
                let ratios: Vec<String> = theirs
                    .iter()
                    .map(|torch::Time { how, seconds, bytes }| {
                        let held = memory::gib(*bytes);
                        format!("{:.2} times as fast as PyTorch, {how} ({seconds:.3} s, {held:.1} GiB)", seconds / times.iteration)
                    })
                    .collect();
                found = format!("{found}; {}", ratios.join(", "));
                figures["pytorch_s"] =
                    theirs.iter().map(|time| (time.how.clone(), Value::from(time.seconds))).collect::<serde_json::Map<_, _>>().into();
                figures["pytorch_bytes"] =
                    theirs.into_iter().map(|time| (time.how, Value::from(time.bytes))).collect::<serde_json::Map<_, _>>().into();
            }
            Err(error) => found = format!("{found}; PyTorch: {error}"),
        }
    }
    Check::new(what, true, found, figures)
}

struct Times {
    iteration: f64,
    inference: f64,
    tflops: f64,
    bytes: u64,
}

fn times(network: &Network, bed: &Bed<'_>) -> Result<Times> {
    let mut rig = Rig::new(bed.registry, None, "dice_ce", &network.spec, network.batch, bed.device)?;
    let iteration = average(|| rig.iteration().map(drop))?;
    let bytes = taken::held(bed.device);
    let inference = average(|| rig.predict().map(drop))?;
    // the way back takes two convolutions for each of the forward pass
    let flops = 3.0 * rig.trace.flops as f64 * network.batch as f64;
    Ok(Times { iteration, inference, tflops: flops / iteration / 1e12, bytes })
}

/// Seconds a call, after some that warm up.
fn average(mut call: impl FnMut() -> Result<()>) -> Result<f64> {
    for _ in 0..WARM {
        call()?;
    }
    let (start, mut calls) = (Instant::now(), 0);
    while calls < LEAST || start.elapsed().as_secs_f64() < ENOUGH {
        call()?;
        calls += 1;
    }
    Ok(start.elapsed().as_secs_f64() / calls as f64)
}
