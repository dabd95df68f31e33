//! A loss run on shapes alone.

use super::{
    Info,
    check::text,
    recorder::Recorder,
    trace::{Trace, TraceError, recorded},
};
use plugin_api::{
    DType, Error, ErrorKind, Prepared, Result, Task,
    abi::host::{HeadArgs, LossHandle},
};

/// One head that a loss is traced with.
#[derive(Clone, Debug)]
pub struct LossHead<'a> {
    /// Logits (B, C, spatial...).
    pub shape: Vec<usize>,
    /// Deep-supervision weight.
    pub weight: f64,
    /// What the loss prepared, stacked over the batch.
    pub prepared: &'a [Prepared],
}

/// Runs a loss on heads, finest first. It gets labels (B, 1, spatial...) Int or regions (B, R, spatial...) Float, and, where
/// the task ignores voxels, a mask (B, 1, spatial...) Float.
///
/// # Errors
/// The loss fails, an operation got what it does not take, values were read, or the result is not one Float.
pub fn trace_loss(loss: &LossHandle, heads: &[LossHead<'_>], task: &Task) -> Result<Trace, TraceError> {
    let run = |host: &Recorder| {
        host.start_forward();
        let mut args = Vec::new();
        for (i, head) in heads.iter().enumerate() {
            let [batch, channels, spatial @ ..] = &head.shape[..] else {
                return Err(Error::of(ErrorKind::Invalid, format!("head {i} is {}, wanted (B, C, spatial...)", text(&head.shape))));
            };
            if *channels != task.outputs {
                return Err(Error::of(ErrorKind::Invalid, format!("head {i} has {channels} channels, the task has {} outputs", task.outputs)));
            }
            let argument = |wanted: bool, channels: usize, dtype: DType| -> Result<Option<u64>> {
                let shape: Vec<usize> = [*batch, channels].iter().chain(spatial).copied().collect();
                wanted.then(|| host.argument(Info::new(&shape, dtype), false)).transpose()
            };
            args.push(HeadArgs {
                logits: host.argument(Info::new(&head.shape, DType::Float), true)?,
                weight: head.weight,
                labels: argument(!task.regions, 1, DType::Int)?,
                regions: argument(task.regions, task.outputs, DType::Float)?,
                valid: argument(task.ignore, 1, DType::Float)?,
                prepared: head.prepared,
            });
        }
        let out = host.returned(&[loss.heads(host, &args)?])?;
        let left = host.end_call(&out);
        Ok((out, left))
    };
    let trace = recorded(Recorder::new(), run, heads.first().map_or(1, |h| h.shape.first().copied().unwrap_or(1)))?;
    for &o in &trace.output_values {
        let info = &trace.values[o].info;
        if info.elements() != 1 || info.dtype != DType::Float {
            let error = Error::of(ErrorKind::Component, format!("the loss is {} {:?}, wanted one Float", text(&info.shape), info.dtype));
            return Err(TraceError { error, reads_values: false });
        }
    }
    Ok(trace)
}
