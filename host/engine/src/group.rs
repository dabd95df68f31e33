//! One training on several devices. Each goes forward and back with its part of the batch; in between the logits of all parts come together on the
//! first one, where the loss sees the whole batch. So no loss knows of devices, and every loss is that of one device.

use crate::{
    device::Device,
    error::{Error, Result},
    model::Model,
    optim::{Norm, Optimizer},
    pass::Judged,
    replica::{Asked, Back, Replica, on},
    session::check_length,
    step::{Begun, Gradients, Images, Loss, Mode, Step},
    target::Supervision,
    value::Value,
};
use plugin_api::{
    NetworkSpec,
    abi::host::{ArchitectureHandle, LossHandle},
};
use std::ops::Range;

/// A model and its replicas on further devices, which always have its weights.
pub struct Group {
    lead: Model,
    others: Vec<Replica>,
}

/// The samples of each device, the larger parts first.
///
/// # Errors
/// There are fewer samples than devices.
pub fn shares(samples: usize, devices: usize) -> Result<Vec<Range<usize>>> {
    if samples < devices {
        return Err(Error::Device(format!("a batch of {samples} cannot be shared by {devices} devices, each of which takes one sample at least")));
    }
    let (each, more) = (samples / devices, samples % devices);
    let start = |device: usize| device * each + device.min(more);
    Ok((0..devices).map(|device| start(device)..start(device + 1)).collect())
}

/// Some images (B, C, spatial...) of a batch, and their shape.
fn part(x: &[f32], shape: &[usize], share: &Range<usize>) -> (Vec<f32>, Vec<usize>) {
    let sample = x.len() / shape[0];
    (x[share.start * sample..share.end * sample].to_vec(), [&[share.len()], &shape[1..]].concat())
}

/// The part of each gradient that belongs to some samples.
fn cut(gradients: &[Option<Value>], share: &Range<usize>) -> Vec<Option<Value>> {
    gradients.iter().map(|g| g.as_ref().map(|g| g.slice(0, share.start, share.end, 1))).collect()
}

impl Group {
    /// `lead` with a replica on each of `others`; `architecture` and `spec` are what it was built of.
    ///
    /// # Errors
    /// A device cannot hold it.
    pub fn new(lead: Model, others: &[Device], architecture: &ArchitectureHandle, spec: &NetworkSpec) -> Result<Self> {
        let replica = |device: &Device| on(device, || Replica::start(Model::build(device, architecture, spec, lead.seed())?));
        let others = others.iter().map(replica).collect::<Result<_>>()?;
        let mut group = Group { lead, others };
        group.change(|_| Ok(()))?;
        Ok(group)
    }

    /// How many devices they are.
    pub fn count(&self) -> usize {
        1 + self.others.len()
    }

    /// The model of the first device.
    pub fn lead(&self) -> &Model {
        &self.lead
    }

    /// Changes the model; the replicas follow.
    ///
    /// # Errors
    /// Those of `change`; a device cannot be read or written.
    pub fn change<T>(&mut self, change: impl FnOnce(&mut Model) -> Result<T>) -> Result<T> {
        let made = change(&mut self.lead)?;
        if !self.others.is_empty() {
            let values = self.lead.handed_over()?;
            let asked: Vec<Asked<()>> = self.others.iter().map(|replica| replica.take_over(values.clone())).collect();
            asked.into_iter().try_for_each(Asked::wait)?;
        }
        Ok(made)
    }

    /// [`Optimizer::begin`], taken once and for all.
    ///
    /// # Errors
    /// A device cannot be read or written.
    pub fn update(&mut self, optimizer: &mut Optimizer, gradients: Gradients, lr: f64, clip: Option<f64>) -> Result<Norm> {
        self.change(|lead| optimizer.begin(lead, gradients, lr, clip))
    }

    /// [`Model::place`]; several devices get their parts when the step begins.
    ///
    /// # Errors
    /// As [`Model::place`].
    pub fn place(&self, x: Vec<f32>, shape: &[usize]) -> Result<Images> {
        if self.others.is_empty() { self.lead.place(x, shape) } else { Images::on(&Device::cpu(), x, shape) }
    }

    /// [`Model::begin`] on all devices; several of them are waited for.
    ///
    /// # Errors
    /// As [`Group::step`].
    pub fn begin(&self, images: Images, targets: &Supervision<'_>, loss: &LossHandle, place: &[u64]) -> Result<Begun> {
        if self.others.is_empty() {
            return self.lead.begin(images, targets, loss, place);
        }
        let (x, shape) = (images.0.host()?, images.0.shape());
        let Step { loss, gradients, leaked, .. } = self.step(Mode::Train, &x, shape, targets, loss, place)?;
        let loss = Loss(Value::from_f32(vec![loss], &[1], &Device::cpu()));
        Ok(Begun { loss, gradients: gradients.unwrap_or(Gradients(vec![])), leaked })
    }

    /// [`Model::step`] on all devices. Where the network draws random numbers (dropout), each further device has its own; batch norm takes the
    /// statistics of a device's part, and its running ones become the mean of all.
    ///
    /// # Errors
    /// Those of [`Model::step`], with the device where there are several; fewer samples than devices.
    pub fn step(&self, mode: Mode, x: &[f32], shape: &[usize], targets: &Supervision<'_>, loss: &LossHandle, place: &[u64]) -> Result<Step> {
        if self.others.is_empty() {
            return self.lead.step(mode, x, shape, targets, loss, place);
        }
        check_length("image", shape, x.len())?;
        let shares = shares(shape[0], self.count())?;
        let (device, heads) = (self.lead.device(), targets.heads.len());
        let asked = self.forward(mode, x, shape, &shares, place, heads);
        let (pass, own) = on(device, || {
            let (x, shape) = part(x, shape, &shares[0]);
            let pass = self.lead.pass(mode, self.lead.place(x, &shape)?, place)?;
            let logits = pass.logits(heads)?;
            Ok((pass, logits))
        })?;
        let further = asked.into_iter().map(Asked::wait).collect::<Result<Vec<_>>>()?;

        let logits = on(device, || gathered(own, &further, &shares, device))?;
        drop(further);
        let session = self.lead.session(mode, place);
        let heads: Vec<u64> = logits.iter().map(|logits| session.put_leaf(logits.clone())).collect();
        let judged = Judged::of(&session, &heads, targets, loss)?;
        let step = Step { loss: judged.loss.read()?, logits: None, gradients: None, leaked: pass.leaked() + judged.leaked };
        if mode == Mode::Validate {
            return Ok(Step { logits: Some((logits[0].to_vec()?, logits[0].shape().to_vec())), ..step });
        }
        drop(logits);
        let gradients = session.backward_to(&heads, vec![judged.root(&session)?])?;

        let mut asked = Vec::new();
        for (replica, share) in self.others.iter().zip(&shares[1..]) {
            let handed = cut(&gradients, share).into_iter().map(|g| g.map(|g| g.to(&Device::cpu())).transpose());
            asked.push(replica.backward(handed.collect::<plugin_api::Result<_>>()?));
        }
        let own = on(device, || pass.backward(cut(&gradients, &shares[0])))?;
        drop(gradients);
        let others = asked.into_iter().map(Asked::wait).collect::<Result<Vec<Back>>>()?;
        self.average_buffers(&others, &shares)?;
        Ok(Step { gradients: Some(Gradients(summed(own, others, device)?)), ..step })
    }

    /// Lets the further devices begin with their parts of the batch.
    fn forward(&self, mode: Mode, x: &[f32], shape: &[usize], shares: &[Range<usize>], place: &[u64], heads: usize) -> Vec<Asked<Vec<Value>>> {
        let one = |(number, (replica, share)): (u64, (&Replica, &Range<usize>))| {
            let (x, shape) = part(x, shape, share);
            replica.forward(mode, x, shape, [place, &[number]].concat(), heads)
        };
        (1..).zip(self.others.iter().zip(&shares[1..])).map(one).collect()
    }

    /// [`Model::predict`], the images shared by the devices.
    ///
    /// # Errors
    /// As [`Model::predict`], with the device where there are several.
    pub fn predict(&self, x: &[f32], shape: &[usize]) -> Result<(Vec<f32>, Vec<usize>)> {
        check_length("image", shape, x.len())?;
        if self.others.is_empty() {
            return self.lead.predict(x, shape);
        }
        let shares = shares(shape[0], self.count().min(shape[0]))?;
        let asked = self.forward(Mode::Validate, x, shape, &shares, &[], 1);
        let (mut logits, mut found) = on(self.lead.device(), || {
            let (x, shape) = part(x, shape, &shares[0]);
            self.lead.predict(&x, &shape)
        })?;
        for asked in asked {
            asked.wait()?.iter().try_for_each(|part| part.to_vec().map(|part| logits.extend(part)))?;
        }
        found[0] = shape[0];
        Ok((logits, found))
    }

    /// Buffers that differ after the pass, which are running statistics, become the mean over samples.
    fn average_buffers(&self, others: &[Back], shares: &[Range<usize>]) -> Result<()> {
        let own = self.lead.buffers()?;
        let samples = shares.iter().map(Range::len).sum::<usize>() as f64;
        for (place, (index, values)) in own.iter().enumerate() {
            let all: Vec<&[f32]> = std::iter::once(values).chain(others.iter().map(|back| &back.buffers[place].1)).map(Vec::as_slice).collect();
            if all.iter().all(|one| one == values) {
                continue;
            }
            let mean = |i: usize| (all.iter().zip(shares).map(|(one, share)| f64::from(one[i]) * share.len() as f64).sum::<f64>() / samples) as f32;
            self.lead.set_buffer(*index, (0..values.len()).map(mean).collect());
        }
        Ok(())
    }
}

/// The logits of each head for the whole batch, on `device`, which has its `own`.
fn gathered(own: Vec<Value>, further: &[Vec<Value>], shares: &[Range<usize>], device: &Device) -> Result<Vec<Value>> {
    let whole = |(head, own): (usize, Value)| {
        let mut parts = vec![own];
        for heads in further {
            parts.push(heads[head].to(device)?);
        }
        match parts.iter().zip(shares).find(|(part, share)| part.shape().first() != Some(&share.len())) {
            Some((part, share)) => {
                let text = format!("head {head} gave logits of shape {:?} for {} samples; axis 0 is the batch", part.shape(), share.len());
                Err(Error::Component(plugin_api::Error::new(text)))
            }
            None => Ok(Value::stacked(&parts)),
        }
    };
    own.into_iter().enumerate().map(whole).collect()
}

/// The sum of all devices' gradients, on that of `own`. The order of adding is that of the devices.
fn summed(own: Vec<Option<Value>>, others: Vec<Back>, device: &Device) -> Result<Vec<Option<Value>>> {
    let add = |sum: Option<Value>, part: Option<Value>| match (sum, part) {
        (Some(sum), Some(part)) => Some(sum.add(&part)),
        (sum, part) => sum.or(part),
    };
    let further = others.into_iter().map(|back| back.gradients).reduce(|sum, part| sum.into_iter().zip(part).map(|(s, p)| add(s, p)).collect());
    let further = further.unwrap_or_default().into_iter().map(|g| g.map(|g| g.to(device)).transpose());
    own.into_iter().zip(further).map(|(own, further)| Ok(add(own, further?))).collect()
}
