//! Label maps as the loader hands them over, turned into what a loss sees.

use crate::{
    device::Device,
    error::Result,
    session::{Session, check_length},
    value::Value,
};
use plugin_api::{Error, ErrorKind, Prepared, Task};

/// What one head is compared with, in host memory.
#[derive(Clone, Debug)]
pub struct HeadTarget<'a> {
    /// (B, 1, spatial...) for labels; (B, R [+ 1 ignore channel], spatial...) for regions.
    pub shape: &'a [usize],
    /// Labels; the ignore label is the number of outputs. Regions are 0 and 1.
    pub values: &'a [i16],
    /// Deep-supervision weight.
    pub weight: f64,
}

/// Targets of all heads, finest first.
pub struct Supervision<'a> {
    /// One entry a head.
    pub heads: Vec<HeadTarget<'a>>,
    /// What the loss prepared, stacked over the batch.
    pub prepared: &'a [Prepared],
    /// The task.
    pub task: &'a Task,
}

/// Refuses a target that does not fit the task.
fn check(t: &HeadTarget<'_>, task: &Task) -> plugin_api::Result<()> {
    let wrong = |text: String| Err(Error::of(ErrorKind::Invalid, text));
    check_length("target", t.shape, t.values.len())?;
    let channels = if task.regions { task.outputs + usize::from(task.ignore) } else { 1 };
    if t.shape.len() < 3 || t.shape[1] != channels {
        return wrong(format!("target: shape {:?} was given, (batch, {channels}, spatial...) is wanted", t.shape));
    }
    let labels = task.outputs + usize::from(task.ignore);
    match t.values.iter().find(|&&v| !task.regions && v >= 0 && v as usize >= labels) {
        Some(v) => wrong(format!("target: label {v} is outside 0..{labels}")),
        None => Ok(()),
    }
}

/// Handles of one head's tensors.
pub(crate) struct Tensors {
    pub(crate) labels: Option<u64>,
    pub(crate) regions: Option<u64>,
    pub(crate) valid: Option<u64>,
}

impl Tensors {
    pub(crate) fn put(t: &HeadTarget<'_>, task: &Task, session: &Session<'_>, device: &Device) -> Result<Self> {
        check(t, task)?;
        let (batch, channels) = (t.shape[0], t.shape[1]);
        let voxels: usize = t.shape[2..].iter().product();
        let with_channels = |c: usize| -> Vec<usize> { [batch, c].into_iter().chain(t.shape[2..].iter().copied()).collect() };
        if !task.regions {
            let ignored = |v: i16| v < 0 || v as usize >= task.outputs;
            let labels: Vec<i32> = t.values.iter().map(|&v| if ignored(v) { 0 } else { i32::from(v) }).collect();
            let valid = task.ignore.then(|| t.values.iter().map(|&v| if ignored(v) { 0.0 } else { 1.0 }).collect());
            return Ok(Tensors {
                labels: Some(session.put(Value::from_i32(labels, t.shape, device))),
                regions: None,
                valid: valid.map(|v: Vec<f32>| session.put(Value::from_f32(v, t.shape, device))),
            });
        }
        let regions = channels - usize::from(task.ignore);
        let pick = |from: usize, to: usize, f: &dyn Fn(i16) -> f32| -> Vec<f32> {
            (0..batch).flat_map(|b| t.values[(b * channels + from) * voxels..(b * channels + to) * voxels].iter().map(|&v| f(v))).collect()
        };
        let maps = pick(0, regions, &|v| f32::from(u8::from(v > 0)));
        let valid = task.ignore.then(|| pick(regions, channels, &|v| f32::from(u8::from(v == 0))));
        Ok(Tensors {
            labels: None,
            regions: Some(session.put(Value::from_f32(maps, &with_channels(regions), device))),
            valid: valid.map(|v| session.put(Value::from_f32(v, &with_channels(1), device))),
        })
    }

    pub(crate) fn count(&self) -> usize {
        [self.labels, self.regions, self.valid].iter().flatten().count()
    }
}
