//! A loss under test.

use crate::{Bench, Values};
use plugin_api::{
    Error, Prepared, Result, Task,
    abi::host::{HeadArgs, Library, LossHandle},
};

/// A task of `outputs` labels, the background included; every voxel is annotated.
pub fn labels(outputs: usize) -> Task {
    Task { outputs, ..Task::default() }
}

/// A task of `outputs` regions that may overlap.
pub fn regions(outputs: usize) -> Task {
    Task { regions: true, ..labels(outputs) }
}

/// One head: its logits, what it is compared with, its weight.
pub struct TestHead<'a> {
    /// (B, outputs, spatial...)
    pub logits: &'a Values,
    /// A map a sample, last axis fastest: labels (spatial...), the ignore label being the number of outputs; for regions (R, spatial...) of 0
    /// and 1, with one more channel that says what is ignored where the task ignores voxels.
    pub samples: &'a [Vec<i16>],
    /// Deep-supervision weight.
    pub weight: f64,
}

/// A loss, by the name that it is registered under.
pub struct TestLoss {
    loss: LossHandle,
    task: Task,
}

impl TestLoss {
    /// With these settings (`json!({})` for the defaults).
    ///
    /// # Errors
    /// There is no such loss, or it does not take settings or task.
    pub fn new(name: &str, settings: serde_json::Value, task: &Task) -> Result<Self> {
        let loss = Library::builtin().loss(name, &settings.to_string(), &serde_json::to_string(task)?)?;
        Ok(TestLoss { loss, task: task.clone() })
    }

    /// What the loss prepares for one sample; `spatial` are its axes.
    ///
    /// # Errors
    /// The loss refuses the labels.
    pub fn prepare(&self, spatial: &[usize], sample: &[i16]) -> Result<Vec<Prepared>> {
        let voxels: usize = spatial.iter().product();
        self.loss.prepare(&[&[sample.len() / voxels.max(1)], spatial].concat(), sample)
    }

    /// The loss of one head; see [`TestHead`].
    ///
    /// # Errors
    /// The loss fails.
    pub fn value(&self, logits: &Values, samples: &[Vec<i16>]) -> Result<f64> {
        self.heads(&[TestHead { logits, samples, weight: 1.0 }])
    }

    /// The loss of all heads, finest first. What is prepared from the finest labels goes with the first, as in a training.
    ///
    /// # Errors
    /// The loss fails, or what it returns is not one number.
    pub fn heads(&self, heads: &[TestHead<'_>]) -> Result<f64> {
        let bench = Bench::on_values(true);
        let prepared = match heads.first() {
            Some(finest) => self.prepared(&finest.logits.shape[2..], finest.samples)?,
            None => vec![],
        };
        let args: Vec<HeadArgs<'_>> =
            heads.iter().enumerate().map(|(i, head)| self.args(&bench, head, if i == 0 { &prepared } else { &[] })).collect();
        let result = bench.get(self.loss.heads(&bench, &args)?)?;
        match result.data[..] {
            [value] => Ok(value),
            _ => Err(Error::new(format!("a loss is one number; forward returned {:?}", result.shape))),
        }
    }

    /// The gradient of [`TestLoss::value`] for every logit, by central differences; the values' own shape.
    ///
    /// # Errors
    /// The loss fails.
    pub fn gradient(&self, logits: &Values, samples: &[Vec<i16>]) -> Result<Values> {
        const STEP: f64 = 1e-5;
        let mut gradient = Vec::with_capacity(logits.data.len());
        for i in 0..logits.data.len() {
            let mut moved = logits.clone();
            let mut at = |sign: f64| {
                moved.data[i] = logits.data[i] + sign * STEP;
                self.value(&moved, samples)
            };
            gradient.push((at(1.0)? - at(-1.0)?) / (2.0 * STEP));
        }
        Ok(Values::new(&logits.shape, gradient))
    }

    /// What the loss prepares for each sample, stacked over the batch as `forward` sees it.
    ///
    /// # Errors
    /// The loss refuses the labels.
    pub fn prepared(&self, spatial: &[usize], samples: &[Vec<i16>]) -> Result<Vec<Prepared>> {
        let all: Vec<Vec<Prepared>> = samples.iter().map(|s| self.prepare(spatial, s)).collect::<Result<_>>()?;
        let stack = |i: usize, first: &Prepared| {
            let parts = || all.iter().map(move |sample| &sample[i]);
            let shape = [&[all.len()], first.shape()].concat();
            match first.int_values() {
                [] => Prepared::floats(first.name(), &shape, parts().flat_map(|p| p.float_values().to_vec()).collect()),
                _ => Prepared::ints(first.name(), &shape, parts().flat_map(|p| p.int_values().to_vec()).collect()),
            }
        };
        Ok(all.first().into_iter().flatten().enumerate().map(|(i, first)| stack(i, first)).collect())
    }

    fn args<'a>(&self, bench: &Bench, head: &TestHead<'_>, prepared: &'a [Prepared]) -> HeadArgs<'a> {
        let (batch, spatial) = (head.samples.len(), &head.logits.shape[2..]);
        let at = |channels: usize| [&[batch, channels], spatial].concat();
        let (voxels, outputs) = (spatial.iter().product::<usize>(), self.task.outputs);
        let ignored = |s: &[i16], v: usize| match self.task.regions {
            true => s.get(outputs * voxels + v).is_some_and(|&i| i > 0),
            false => s[v] as usize >= outputs,
        };
        let floats =
            |channels: usize, f: &dyn Fn(&[i16]) -> Vec<f64>| bench.put(Values::new(&at(channels), head.samples.iter().flat_map(|s| f(s)).collect()));
        let valid = |s: &[i16]| (0..voxels).map(|v| f64::from(u8::from(!ignored(s, v)))).collect();
        let read = |s: &[i16]| s.iter().map(|&v| if v as usize >= outputs { 0 } else { i64::from(v) }).collect::<Vec<_>>();
        let numbers: Vec<i64> = head.samples.iter().flat_map(|s| read(s)).collect();
        HeadArgs {
            logits: bench.put(head.logits.clone()),
            weight: head.weight,
            labels: (!self.task.regions).then(|| bench.put(Values::ints(&at(1), &numbers))),
            regions: self.task.regions.then(|| floats(outputs, &|s| s[..outputs * voxels].iter().map(|&v| f64::from(v)).collect())),
            valid: self.task.ignore.then(|| floats(1, &valid)),
            prepared,
        }
    }
}
