//! The host that a component under test calls.

use crate::{
    ops,
    values::{Values, normal, uniform},
};
use plugin_api::{
    Array, ArrayMut, DType, Error, ErrorKind, Init, Op, ParamRequest, Result,
    abi::host::{CustomHandle, Host},
};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
};

/// A parameter (or, not trainable, a buffer) as a network asked for it.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Canonical name.
    pub name: String,
    /// Further names in a state dict.
    pub aliases: Vec<String>,
    /// Shape.
    pub shape: Vec<usize>,
    /// How it starts.
    pub init: Init,
    /// Whether it is trained.
    pub trainable: bool,
    /// The tensor.
    pub id: u64,
}

/// A tensor: its shape, and its values unless shapes alone are wanted.
struct Slot {
    shape: Vec<usize>,
    dtype: DType,
    values: Option<Values>,
}

/// A host in plain Rust: values in f64, or shapes alone.
pub struct Bench {
    on_values: bool,
    training: bool,
    // ids are places in the list, counted from 1; what is released stays
    slots: RefCell<Vec<Slot>>,
    parameters: RefCell<Vec<Parameter>>,
    used: RefCell<BTreeSet<u64>>,
    convolved: Cell<u64>,
    random: Cell<u64>,
}

impl Bench {
    fn new(on_values: bool, training: bool) -> Self {
        Bench {
            on_values,
            training,
            slots: RefCell::default(),
            parameters: RefCell::default(),
            used: RefCell::default(),
            convolved: Cell::new(0),
            random: Cell::new(0x1234_5678_9abc_def1),
        }
    }

    /// One that computes. With `training`, dropout is on and batch statistics are used; buffers stay as they are.
    pub fn on_values(training: bool) -> Self {
        Self::new(true, training)
    }

    /// One that knows shapes alone.
    pub fn on_shapes() -> Self {
        Self::new(false, true)
    }

    /// A tensor of these values.
    pub fn put(&self, values: Values) -> u64 {
        let (shape, dtype) = (values.shape.clone(), values.dtype);
        self.push(Slot { shape, dtype, values: self.on_values.then_some(values) })
    }

    fn push(&self, slot: Slot) -> u64 {
        self.slots.borrow_mut().push(slot);
        self.slots.borrow().len() as u64
    }

    fn slot<T>(&self, id: u64, f: impl FnOnce(&Slot) -> T) -> Result<T> {
        let slots = self.slots.borrow();
        let slot = usize::try_from(id).ok().and_then(|i| slots.get(i.checked_sub(1)?));
        slot.map(f).ok_or_else(|| Error::of(ErrorKind::Stale, format!("there is no tensor {id}")))
    }

    /// The values of a tensor.
    ///
    /// # Errors
    /// There is no such tensor, or shapes alone are known.
    pub fn get(&self, id: u64) -> Result<Values> {
        self.slot(id, |s| s.values.clone())?.ok_or_else(|| Error::new("there are no values on shapes alone"))
    }

    /// The shape of a tensor.
    ///
    /// # Errors
    /// There is no such tensor.
    pub fn shape(&self, id: u64) -> Result<Vec<usize>> {
        self.slot(id, |s| s.shape.clone())
    }

    /// All parameters and buffers, in the order in which they were asked for.
    pub fn parameters(&self) -> Vec<Parameter> {
        self.parameters.borrow().clone()
    }

    /// Gives a parameter or buffer other values than it started with.
    ///
    /// # Errors
    /// There is none of that name, or it has another shape.
    pub fn set(&self, name: &str, values: Values) -> Result<()> {
        let found = self.parameters.borrow().iter().find(|p| p.name == name).map(|p| (p.id, p.shape.clone()));
        let (id, shape) = found.ok_or_else(|| Error::new(format!("no parameter is called {name}")))?;
        if shape != values.shape {
            return Err(Error::new(format!("{name} has the shape {shape:?}, not {:?}", values.shape)));
        }
        if let Some(slot) = self.slots.borrow_mut().get_mut(id as usize - 1) {
            slot.values = self.on_values.then_some(values);
        }
        Ok(())
    }

    /// Numbers in all trainable parameters.
    pub fn parameter_count(&self) -> usize {
        self.parameters.borrow().iter().filter(|p| p.trainable).map(|p| p.shape.iter().product::<usize>()).sum()
    }

    /// Names of the parameters that no operation has taken so far.
    pub fn unused(&self) -> Vec<String> {
        let used = self.used.borrow();
        self.parameters.borrow().iter().filter(|p| !used.contains(&p.id)).map(|p| p.name.clone()).collect()
    }

    /// Elements of all outputs of convolutions so far, without the batch: the planner's measure of memory.
    pub fn convolved(&self) -> u64 {
        self.convolved.get()
    }

    /// Elements of the largest tensor so far, the batch included.
    pub fn largest(&self) -> usize {
        self.slots.borrow().iter().map(|s| s.shape.iter().product()).max().unwrap_or(0)
    }
}

fn initial(init: Init, shape: &[usize], state: &mut u64) -> Values {
    let fan_in = shape.iter().skip(1).product::<usize>().max(1) as f64;
    Values::from_fn(shape, DType::Float, |_| match init {
        Init::Constant { value } => value,
        Init::KaimingNormal { slope } => (2.0 / ((1.0 + slope * slope) * fan_in)).sqrt() * normal(state),
        Init::Uniform { bound } => bound * (2.0 * uniform(state) - 1.0),
        Init::Normal { deviation } => deviation * normal(state),
        Init::TruncatedNormal { deviation } => deviation * normal(state).clamp(-2.0, 2.0),
        _ => f64::NAN,
    })
}

impl Host for Bench {
    fn emit(&self, number: u32, inputs: &[u64], ints: &[i64], floats: &[f64]) -> Result<Vec<u64>> {
        let op = Op::from_number(number).ok_or_else(|| Error::of(ErrorKind::Unsupported, format!("there is no operation number {number}")))?;
        ops::check(op, floats)?;
        self.used.borrow_mut().extend(inputs);
        let results: Vec<u64> = if self.on_values {
            let values: Vec<Values> = inputs.iter().map(|&id| self.get(id)).collect::<Result<_>>()?;
            let mut state = self.random.get();
            let out = ops::run(op, &values, ints, floats, self.training, &mut state)?;
            self.random.set(state);
            out.into_iter().map(|v| self.put(v)).collect()
        } else {
            let shapes: Vec<Vec<usize>> = inputs.iter().map(|&id| self.shape(id)).collect::<Result<_>>()?;
            let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
            let out = ops::shape::of(op, &shapes, ints)?;
            out.into_iter().map(|shape| self.push(Slot { shape, dtype: DType::Float, values: None })).collect()
        };
        if matches!(op, Op::Conv | Op::ConvTranspose) {
            let elements = self.shape(results[0])?[1..].iter().product::<usize>() as u64;
            self.convolved.set(self.convolved.get() + elements);
        }
        Ok(results)
    }

    fn describe(&self, id: u64) -> Result<(Vec<usize>, DType)> {
        self.slot(id, |s| (s.shape.clone(), s.dtype))
    }

    fn upload_f32(&self, shape: &[usize], data: &[f32]) -> Result<u64> {
        Ok(self.put(Values::new(shape, data.iter().map(|&v| f64::from(v)).collect())))
    }

    fn upload_i32(&self, shape: &[usize], data: &[i32]) -> Result<u64> {
        Ok(self.put(Values { dtype: DType::Int, ..Values::new(shape, data.iter().map(|&v| f64::from(v)).collect()) }))
    }

    fn parameter(&self, name: &str, shape: &[usize], init: &str, trainable: bool) -> Result<u64> {
        let ParamRequest { init, aliases } = serde_json::from_str(init)?;
        if self.parameters.borrow().iter().any(|p| p.name == name) {
            return Err(Error::new(format!("a second parameter is called {name}")));
        }
        let id = if self.on_values {
            let mut state = self.random.get();
            let values = initial(init, shape, &mut state);
            self.random.set(state);
            self.put(values)
        } else {
            self.push(Slot { shape: shape.to_vec(), dtype: DType::Float, values: None })
        };
        self.parameters.borrow_mut().push(Parameter { name: name.into(), aliases, shape: shape.to_vec(), init, trainable, id });
        Ok(id)
    }

    fn custom(&self, op: CustomHandle, inputs: &[u64]) -> Result<u64> {
        self.used.borrow_mut().extend(inputs);
        let shapes: Vec<Vec<usize>> = inputs.iter().map(|&id| self.shape(id)).collect::<Result<_>>()?;
        let shape = op.out_shape(&shapes)?;
        if !self.on_values {
            return Ok(self.push(Slot { shape, dtype: DType::Float, values: None }));
        }
        let data: Vec<Vec<f32>> = inputs.iter().map(|&id| self.read(id)).collect::<Result<_>>()?;
        let arrays: Vec<Array<'_>> = shapes.iter().zip(&data).map(|(shape, data)| Array { shape: shape.clone(), data }).collect();
        let mut out = vec![0.0; shape.iter().product()];
        op.forward(&arrays, ArrayMut { shape: shape.clone(), data: &mut out })?;
        self.upload_f32(&shape, &out)
    }

    fn release(&self, _: u64) {}

    fn read(&self, id: u64) -> Result<Vec<f32>> {
        Ok(self.get(id)?.data.iter().map(|&v| v as f32).collect())
    }

    fn query(&self, key: &str) -> Option<String> {
        (key == "training").then(|| self.training.to_string())
    }

    fn log(&self, _: u32, _: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_below_zero_is_refused() {
        for bench in [Bench::on_values(false), Bench::on_shapes()] {
            let x = bench.put(Values::new(&[2], vec![-1.0, 1.0]));
            let error = bench.emit(Op::LeakyRelu as u32, &[x], &[], &[-0.1]).unwrap_err();
            assert!(error.message().contains("slope is -0.1"), "{error}");
            assert!(bench.emit(Op::LeakyRelu as u32, &[x], &[], &[0.0]).is_ok());
        }
    }
}
