//! A network on a device: predict, and take steps.

use crate::{
    device::Device,
    error::{Error, Result},
    pass::{Judged, Pass},
    random::Random,
    session::Session,
    step::{Begun, Gradients, Images, Mode, Step},
    store::{Store, Weight},
    sums::{LogitSums, Part},
    target::Supervision,
    value::Value,
};
use plugin_api::{
    NetworkSpec,
    abi::host::{ArchitectureHandle, LossHandle, NetworkHandle},
};
use std::cell::RefCell;

/// A network with its parameters.
pub struct Model {
    device: Device,
    store: RefCell<Store>,
    network: NetworkHandle,
    seed: u64,
}

impl Model {
    /// Creates the parameters: the same ones for the same seed.
    ///
    /// # Errors
    /// The architecture refuses the plan.
    pub fn build(device: &Device, architecture: &ArchitectureHandle, spec: &NetworkSpec, seed: u64) -> Result<Self> {
        let store = RefCell::new(Store::default());
        let spec = serde_json::to_string(spec).map_err(plugin_api::Error::from)?;
        let network = {
            let session = Session::new(device, &store, Random::new(seed, &[]), false, Some(seed), false);
            architecture.build(&session, &spec)?
        };
        Ok(Model { device: device.clone(), store, network, seed })
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Brings images (B, C, spatial...) to the device. A GPU takes them while it is at something else.
    ///
    /// # Errors
    /// They are not so many values as the shape says.
    pub fn place(&self, x: Vec<f32>, shape: &[usize]) -> Result<Images> {
        Images::on(&self.device, x, shape)
    }

    fn forward(&self, session: &Session<'_>, images: Images) -> Result<Vec<u64>> {
        let x = session.put(images.0);
        let heads = self.network.forward(session, x)?;
        plugin_api::abi::host::Host::release(session, x);
        if heads.is_empty() {
            return Err(Error::Component(plugin_api::Error::new("forward returned no logits")));
        }
        Ok(heads)
    }

    /// The finest head's logits (B, C, spatial...) and their shape.
    ///
    /// # Errors
    /// The network fails, or the shape does not suit it.
    pub fn predict(&self, x: &[f32], shape: &[usize]) -> Result<(Vec<f32>, Vec<usize>)> {
        let session = Session::new(&self.device, &self.store, Random::new(self.seed, &[]), false, None, false);
        let heads = self.forward(&session, self.place(x.to_vec(), shape)?)?;
        let logits = session.value(heads[0])?;
        Ok((logits.to_vec()?, logits.shape().to_vec()))
    }

    /// The shape of the finest head's logits of the images. Where it is `wanted`, (B, K, spatial...), they are added to `sums`, where `parts` say, times
    /// `share`; else nothing is added.
    ///
    /// # Errors
    /// As [`Model::predict`], or the sums are on another device.
    pub fn predict_into(&self, x: &[f32], shape: &[usize], wanted: &[usize], sums: &mut LogitSums, parts: &[Part], share: f32) -> Result<Vec<usize>> {
        let (own, other) = (self.device.name(), sums.device().name());
        if own != other {
            return Err(Error::Device(format!("the network is on {own} and the sums of its logits on {other}; both must be on one device")));
        }
        let session = Session::new(&self.device, &self.store, Random::new(self.seed, &[]), false, None, false);
        let heads = self.forward(&session, self.place(x.to_vec(), shape)?)?;
        let logits = session.value(heads[0])?;
        if logits.shape() == wanted {
            sums.add(&logits, parts, share)?;
        }
        Ok(logits.shape().to_vec())
    }

    /// The logits of every head, finest first.
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub fn heads(&self, x: &[f32], shape: &[usize]) -> Result<Vec<(Vec<f32>, Vec<usize>)>> {
        let session = Session::new(&self.device, &self.store, Random::new(self.seed, &[]), false, None, false);
        self.forward(&session, self.place(x.to_vec(), shape)?)?
            .into_iter()
            .map(|id| {
                let v = session.value(id)?;
                Ok((v.to_vec()?, v.shape().to_vec()))
            })
            .collect()
    }

    /// The forward pass of a step.
    pub(crate) fn pass(&self, mode: Mode, images: Images, place: &[u64]) -> Result<Pass<'_>> {
        let session = self.session(mode, place);
        let heads = self.forward(&session, images)?;
        Ok(Pass { session, heads })
    }

    pub(crate) fn session(&self, mode: Mode, place: &[u64]) -> Session<'_> {
        let training = mode == Mode::Train;
        Session::new(&self.device, &self.store, Random::new(self.seed, place), training, None, training)
    }

    /// Forward, loss, and in training the way back. `x` is (B, C, spatial...); `place` keys the random numbers (epoch, iteration).
    ///
    /// # Errors
    /// A component fails, or heads and targets do not match.
    pub fn step(&self, mode: Mode, x: &[f32], shape: &[usize], targets: &Supervision<'_>, loss: &LossHandle, place: &[u64]) -> Result<Step> {
        let images = self.place(x.to_vec(), shape)?;
        if mode == Mode::Train {
            let Begun { loss, gradients, leaked } = self.begin(images, targets, loss, place)?;
            return Ok(Step { loss: loss.read()?, logits: None, gradients: Some(gradients), leaked });
        }
        let Pass { session, heads } = self.pass(mode, images, place)?;
        let judged = Judged::of(&session, &heads, targets, loss)?;
        let finest = session.value(heads[0])?;
        let logits = Some((finest.to_vec()?, finest.shape().to_vec()));
        Ok(Step { loss: judged.loss.read()?, logits, gradients: None, leaked: judged.leaked })
    }

    /// Forward, loss and the way back in training, without waiting for a GPU that is still at it.
    ///
    /// # Errors
    /// As [`Model::step`].
    pub fn begin(&self, images: Images, targets: &Supervision<'_>, loss: &LossHandle, place: &[u64]) -> Result<Begun> {
        let Pass { session, heads } = self.pass(Mode::Train, images, place)?;
        let judged = Judged::of(&session, &heads, targets, loss)?;
        let gradients = Gradients(session.backward(vec![judged.root(&session)?])?);
        Ok(Begun { loss: judged.loss, gradients, leaked: judged.leaked })
    }

    /// All parameters and buffers.
    ///
    /// # Errors
    /// The device cannot be read.
    pub fn weights(&self) -> Result<Vec<Weight>> {
        self.store.borrow().weights()
    }

    /// Replaces all parameters and buffers by name (aliases count).
    ///
    /// # Errors
    /// Something is missing, extra or of another shape; the error lists it.
    pub fn load(&mut self, weights: &[(String, Vec<usize>, Vec<f32>)]) -> Result<()> {
        self.store.borrow_mut().load(weights, &|_| false, &self.device).map(|_| ())
    }

    /// Replaces all parameters but those that `skip` names, and says which ones.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn load_except(&mut self, weights: &[(String, Vec<usize>, Vec<f32>)], skip: &dyn Fn(&str) -> bool) -> Result<Vec<String>> {
        self.store.borrow_mut().load(weights, skip, &self.device)
    }

    /// All parameters and buffers for another device to take over.
    pub(crate) fn handed_over(&self) -> Result<Vec<Value>> {
        Ok(self.store.borrow().entries.iter().map(|e| e.value.to(&Device::cpu())).collect::<plugin_api::Result<_>>()?)
    }

    /// Takes over what the same network on another device handed over.
    pub(crate) fn take_over(&self, values: &[Value]) -> Result<()> {
        for (entry, value) in self.store.borrow_mut().entries.iter_mut().zip(values) {
            entry.value = value.to(&self.device)?;
        }
        Ok(())
    }

    /// The values of each buffer, with its number among parameters and buffers.
    pub(crate) fn buffers(&self) -> Result<Vec<(usize, Vec<f32>)>> {
        let store = self.store.borrow();
        let buffers = store.entries.iter().enumerate().filter(|(_, entry)| !entry.trainable);
        buffers.map(|(number, entry)| Ok((number, entry.value.to_vec()?))).collect()
    }

    pub(crate) fn set_buffer(&self, number: usize, values: Vec<f32>) {
        let entry = &mut self.store.borrow_mut().entries[number];
        entry.value = Value::from_f32(values, entry.value.shape(), &self.device);
    }

    pub(crate) fn store(&self) -> &RefCell<Store> {
        &self.store
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }
}
