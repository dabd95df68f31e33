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
        let what = format!("{} {}, {} patches of {:?}", set.part(), network.network, network.batch, network.spec.patch_size);
        match said(times(&network, bed)) {
            Ok(times) => {
                done(ours(&what, &times));
                // by itself, since it may take long, and ours is known
                if let Some(python) = &bed.python {
                    done(beside(&what, &times, torch::times(python, &network, bed.device)));
                }
            }
            Err(error) => done(Check::new(what, false, error, Value::Null)),
        }
    }
    Ok(())
}

fn ours(what: &str, times: &Times) -> Check {
    let epoch = TRAINING * times.iteration + VALIDATION * times.inference;
    let found = format!(
        "{:.3} s an iteration, {:.3} s an inference, {epoch:.0} s an epoch of 250 + 50, {:.1} TFLOP/s, {:.1} GiB",
        times.iteration,
        times.inference,
        times.tflops,
        memory::gib(times.bytes)
    );
    let figures =
        json!({"iteration_s": times.iteration, "inference_s": times.inference, "epoch_s": epoch, "tflops": times.tflops, "bytes": times.bytes});
    Check::new(what, true, found, figures)
}

/// The same network in PyTorch. That there is none fails nothing.
fn beside(what: &str, times: &Times, theirs: std::result::Result<Vec<torch::Time>, String>) -> Check {
    let what = format!("{what}, beside PyTorch");
    let theirs = match theirs {
        Ok(theirs) => theirs,
        Err(error) => return Check::new(what, true, error, Value::Null),
    };
    let ratio = |torch::Time { how, seconds, bytes }: &torch::Time| {
        format!("{:.2} times as fast as {how} ({seconds:.3} s, {:.1} GiB)", seconds / times.iteration, memory::gib(*bytes))
    };
    let found = theirs.iter().map(ratio).collect::<Vec<_>>().join(", ");
    let each = |of: fn(&torch::Time) -> Value| theirs.iter().map(|time| (time.how.clone(), of(time))).collect::<serde_json::Map<_, _>>();
    let figures = json!({"pytorch_s": each(|time| time.seconds.into()), "pytorch_bytes": each(|time| time.bytes.into())});
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
