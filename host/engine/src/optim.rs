//! Optimizers, as PyTorch defines them.

use crate::{
    device::Device,
    error::{Error, Result},
    kernels::{self, Sgd},
    model::Model,
    step::Gradients,
    value::Value,
};
use serde::{Deserialize, Serialize};

/// Which optimizer, with its settings; nnU-Net's SGD by default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase")]
pub enum OptimizerSpec {
    /// Stochastic gradient descent.
    Sgd {
        /// 0.99
        momentum: f64,
        /// Nesterov's form.
        nesterov: bool,
        /// L2.
        weight_decay: f64,
    },
    /// Adam (Kingma and Ba 2015) or, with `decoupled`, AdamW (Loshchilov and Hutter 2019).
    Adam {
        /// Decay of the two averages.
        betas: (f64, f64),
        /// Added to the root.
        eps: f64,
        /// L2, or decoupled.
        weight_decay: f64,
        /// AdamW.
        decoupled: bool,
        /// Keeps the largest second moment (Reddi et al. 2018).
        amsgrad: bool,
    },
    /// Adan (Xie et al. 2022, algorithm 1, without restarts; averages corrected for their start at 0, as in Adam).
    Adan {
        /// Shares of the new value in the averages of the gradient, of its difference to the last one, and of the square.
        betas: (f64, f64, f64),
        /// Added to the root.
        eps: f64,
        /// Decoupled, by division.
        weight_decay: f64,
    },
}

impl Default for OptimizerSpec {
    fn default() -> Self {
        OptimizerSpec::Sgd { momentum: 0.99, nesterov: true, weight_decay: 3e-5 }
    }
}

impl OptimizerSpec {
    /// A step of SGD, if that is the optimizer, with gradients times `factor`.
    fn sgd(&self, factor: f64, lr: f64) -> Option<Sgd> {
        let &OptimizerSpec::Sgd { momentum, nesterov, weight_decay } = self else { return None };
        Some(Sgd { factor: factor as f32, lr: lr as f32, momentum: momentum as f32, nesterov, weight_decay: weight_decay as f32 })
    }

    /// The parameter after step `steps` with the gradient `g`.
    fn update(&self, steps: u64, state: &mut Vec<Value>, w: Value, g: Value, lr: f64) -> Value {
        match *self {
            OptimizerSpec::Sgd { momentum, nesterov, weight_decay } => {
                let g = if weight_decay == 0.0 { g } else { g.add(&w.scale(weight_decay)) };
                let buffer = match state.first() {
                    Some(b) => b.scale(momentum).add(&g),
                    None => g.clone(),
                };
                let direction = if nesterov { g.add(&buffer.scale(momentum)) } else { buffer.clone() };
                *state = vec![buffer];
                w.sub(&direction.scale(lr))
            }
            OptimizerSpec::Adam { betas: (b1, b2), eps, weight_decay, decoupled, amsgrad } => {
                let (w, g) = match (weight_decay, decoupled) {
                    (0.0, _) => (w, g),
                    (wd, true) => (w.scale(1.0 - lr * wd), g),
                    (wd, false) => {
                        let g = g.add(&w.scale(wd));
                        (w, g)
                    }
                };
                let blend = |old: Option<&Value>, new: Value, b: f64| match old {
                    Some(old) => old.scale(b).add(&new.scale(1.0 - b)),
                    None => new.scale(1.0 - b),
                };
                let first = blend(state.first(), g.clone(), b1);
                let second = blend(state.get(1), g.mul(&g), b2);
                let t = steps as i32;
                let (c1, c2) = (1.0 - b1.powi(t), 1.0 - b2.powi(t));
                let largest = match (amsgrad, state.get(2)) {
                    // the larger of two: half of (sum plus distance)
                    (true, Some(old)) => old.add(&second).add(&old.sub(&second).abs()).scale(0.5),
                    _ => second.clone(),
                };
                let root = largest.sqrt().scale(1.0 / c2.sqrt()).shift(eps);
                *state = if amsgrad { vec![first.clone(), second, largest] } else { vec![first.clone(), second] };
                w.sub(&first.div(&root).scale(lr / c1))
            }
            OptimizerSpec::Adan { betas: (b1, b2, b3), eps, weight_decay } => {
                let blend = |old: Option<&Value>, new: &Value, b: f64| match old {
                    Some(old) => old.scale(1.0 - b).add(&new.scale(b)),
                    None => new.scale(b),
                };
                // there is no difference yet at the first step
                let change = state.get(3).map_or_else(|| g.scale(0.0), |last| g.sub(last));
                let ahead = g.add(&change.scale(1.0 - b2));
                let average = blend(state.first(), &g, b1);
                let trend = blend(state.get(1), &change, b2);
                let square = blend(state.get(2), &ahead.mul(&ahead), b3);
                let corrected = |b: f64| 1.0 - (1.0 - b).powi(steps as i32);
                let root = square.scale(1.0 / corrected(b3)).sqrt().shift(eps);
                let direction = average.scale(1.0 / corrected(b1)).add(&trend.scale((1.0 - b2) / corrected(b2)));
                *state = vec![average, trend, square, g];
                w.sub(&direction.div(&root).scale(lr)).scale(1.0 / (1.0 + lr * weight_decay))
            }
        }
    }
}

/// State of one parameter, in host memory: momentum, Adam's moments, or Adan's with the last gradient.
pub type ParameterState = Vec<Vec<f32>>;

/// An optimizer with its state.
pub struct Optimizer {
    spec: OptimizerSpec,
    steps: u64,
    state: Vec<Vec<Value>>,
}

impl Optimizer {
    /// A fresh optimizer.
    pub fn new(spec: OptimizerSpec) -> Self {
        Optimizer { spec, steps: 0, state: vec![] }
    }

    /// Its settings.
    pub fn spec(&self) -> &OptimizerSpec {
        &self.spec
    }

    /// Scales the gradients to a norm of at most `clip`, changes the parameters, and returns the norm before.
    ///
    /// # Errors
    /// The gradient is not finite.
    pub fn step(&mut self, model: &mut Model, gradients: Gradients, lr: f64, clip: Option<f64>) -> Result<f64> {
        self.begin(model, gradients, lr, clip)?.read()
    }

    /// [`Optimizer::step`], without waiting for a GPU that is still at it. A gradient that is not finite changes nothing, and the norm's
    /// reader hears of it.
    ///
    /// # Errors
    /// The device cannot be read.
    pub fn begin(&mut self, model: &mut Model, gradients: Gradients, lr: f64, clip: Option<f64>) -> Result<Norm> {
        let device = model.device().clone();
        let there = || gradients.0.iter().flatten();
        let squares = if device.is_cpu() {
            Squares::Known(there().map(|g| Ok(kernels::sum_of_squares(&g.host()?))).sum::<plugin_api::Result<f64>>()?)
        } else {
            squares_of(there(), &device)
        };
        #[cfg(feature = "gpu")]
        if let (true, Squares::Coming(squares), Some(sgd)) = (device.is_gpu(), &squares, self.spec.sgd(1.0, lr)) {
            let clip = clip.map_or(f32::INFINITY, |clip| clip as f32);
            self.change(model, gradients, |w, g, state| {
                let old = state.pop().unwrap_or_else(|| Value::full(w.shape(), 0.0, &device));
                let (w, momentum) = w.sgd(&g, &old, squares, sgd, clip);
                state.push(momentum);
                Ok(w)
            })?;
            return Ok(Norm { squares: Squares::Coming(squares.clone()), lr });
        }
        let norm = Norm { squares: Squares::Known(squares.read()?), lr };
        let Ok(length) = norm.read() else { return Ok(norm) };
        let factor = clip.map_or(1.0, |c| (c / (length + 1e-6)).min(1.0));
        let (spec, steps) = (self.spec.clone(), self.steps + 1);
        let sgd = spec.sgd(factor, lr).filter(|_| device.is_cpu());
        self.change(model, gradients, |w, g, state| match &sgd {
            Some(step) => {
                let old = state.first().map(Value::host).transpose()?;
                let (new, momentum) = step.step(&w.host()?, &g.host()?, old.as_deref());
                *state = vec![Value::from_buffer(momentum, w.shape())];
                Ok(Value::from_buffer(new, w.shape()))
            }
            None => Ok(spec.update(steps, state, w, if factor < 1.0 { g.scale(factor) } else { g }, lr)),
        })?;
        Ok(norm)
    }

    /// Changes each parameter that has a gradient, and its state.
    fn change(&mut self, model: &Model, gradients: Gradients, mut change: impl FnMut(Value, Value, &mut Vec<Value>) -> Result<Value>) -> Result<()> {
        self.steps += 1;
        let mut store = model.store().borrow_mut();
        self.state.resize_with(store.entries.len(), Vec::new);
        for ((entry, state), g) in store.entries.iter_mut().zip(&mut self.state).zip(gradients.0) {
            if let Some(g) = g {
                entry.value = change(entry.value.clone(), g, state)?;
            }
        }
        Ok(())
    }

    /// Steps taken, and the state of each parameter (empty where it was never touched).
    ///
    /// # Errors
    /// The device cannot be read.
    pub fn state(&self) -> Result<(u64, Vec<ParameterState>)> {
        let one = |s: &Vec<Value>| s.iter().map(|v| v.to_vec().map_err(Error::from)).collect::<Result<ParameterState>>();
        Ok((self.steps, self.state.iter().map(one).collect::<Result<_>>()?))
    }

    /// Takes up a state that [`Optimizer::state`] gave.
    ///
    /// # Errors
    /// The state does not fit the model's parameters.
    pub fn restore(&mut self, model: &Model, steps: u64, state: Vec<ParameterState>) -> Result<()> {
        let store = model.store().borrow();
        let mut restored = Vec::new();
        for (i, slots) in state.into_iter().enumerate() {
            let entry = store
                .entries
                .get(i)
                .ok_or_else(|| Error::Weights(format!("the optimizer's state has more than the network's {} parameters", store.entries.len())))?;
            let mut values = Vec::new();
            for slot in slots {
                if slot.len() != entry.value.len() {
                    return Err(Error::Weights(format!(
                        "the optimizer's state of {} has {} values, the parameter {}",
                        entry.name,
                        slot.len(),
                        entry.value.len()
                    )));
                }
                values.push(Value::from_f32(slot, entry.value.shape(), model.device()));
            }
            restored.push(values);
        }
        (self.steps, self.state) = (steps, restored);
        Ok(())
    }
}

/// The norm of all gradients of a step, which a device may still be computing.
pub struct Norm {
    squares: Squares,
    lr: f64,
}

/// A sum of squares.
enum Squares {
    Known(f64),
    Coming(Box<Value>),
}

impl Norm {
    /// The norm before clipping.
    ///
    /// # Errors
    /// It is not finite: nothing was changed. The device cannot be read.
    pub fn read(&self) -> Result<f64> {
        let norm = self.squares.read()?.sqrt();
        if !norm.is_finite() {
            let lr = self.lr;
            return Err(Error::Numbers(format!("the gradient is not finite (norm {norm}); lower the learning rate ({lr}) or look at the data")));
        }
        Ok(norm)
    }
}

impl Squares {
    fn read(&self) -> Result<f64> {
        match self {
            Squares::Known(sum) => Ok(*sum),
            Squares::Coming(sum) => Ok(sum.to_vec()?.first().copied().map_or(0.0, f64::from)),
        }
    }
}

/// The sum of squares of gradients on a device, one number.
fn squares_of<'a>(gradients: impl Iterator<Item = &'a Value>, device: &Device) -> Squares {
    let rows = |g: &Value| {
        let rows = g.shape().first().copied().unwrap_or(1);
        g.mul(g).reshape(&[rows, g.len() / rows.max(1)]).sum_axes_on_device(&[1]).reshape(&[rows])
    };
    let sums: Vec<Value> = gradients.filter(|g| !g.is_empty()).map(rows).collect();
    match sums.is_empty() {
        true => Squares::Coming(Box::new(Value::full(&[1], 0.0, device))),
        false => Squares::Coming(Box::new(Value::concat(&sums, 0).sum_axes_on_device(&[0]))),
    }
}
