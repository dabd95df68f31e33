//! One call into components: handles, the tape, and the host's side of the wall.

use crate::{
    device::Device,
    ops::{self, Context},
    random::Random,
    shape::infer,
    store::Store,
    tape::Tape,
    value::Value,
};
use plugin_api::{
    Array, ArrayMut, DType, Error, ErrorKind, Op, Result,
    abi::host::{CustomHandle, Host, catch_panic},
};
use std::{
    cell::{Cell, RefCell},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

/// Handles of parameters have this bit: they outlive sessions and are never released.
const PARAMETER: u64 = 1 << 63;

#[derive(Clone)]
struct Var {
    value: Value,
    node: Option<usize>,
}

/// Everything between the first tensor of a step and the last.
pub(crate) struct Session<'a> {
    device: &'a Device,
    store: &'a RefCell<Store>,
    random: RefCell<Random>,
    training: bool,
    building: Option<u64>,
    number: u64,
    slots: RefCell<Vec<Option<Var>>>,
    tape: RefCell<Option<Tape>>,
    leaves: RefCell<Vec<Option<usize>>>,
    live: Cell<usize>,
}

impl<'a> Session<'a> {
    /// `building` is the seed for new parameters, where they may be made; `grad` records the tape.
    pub(crate) fn new(device: &'a Device, store: &'a RefCell<Store>, random: Random, training: bool, building: Option<u64>, grad: bool) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = u64::from(NEXT.fetch_add(1, Ordering::Relaxed) & 0x7fff_ffff).max(1);
        Session {
            device,
            store,
            random: RefCell::new(random),
            training,
            building,
            number,
            slots: RefCell::default(),
            tape: RefCell::new(grad.then(Tape::default)),
            leaves: RefCell::default(),
            live: Cell::new(0),
        }
    }

    pub(crate) fn device(&self) -> &'a Device {
        self.device
    }

    fn insert(&self, var: Var) -> u64 {
        let mut slots = self.slots.borrow_mut();
        slots.push(Some(var));
        self.live.set(self.live.get() + 1);
        (self.number << 32) | (slots.len() as u64 - 1)
    }

    /// A value from outside the gradient.
    pub(crate) fn put(&self, value: Value) -> u64 {
        self.insert(Var { value, node: None })
    }

    /// A value from outside whose gradient is wanted.
    pub(crate) fn put_leaf(&self, value: Value) -> u64 {
        let node = self.tape.borrow_mut().as_mut().map(Tape::leaf);
        self.insert(Var { value, node })
    }

    fn var(&self, id: u64) -> Result<Var> {
        let stale =
            || Error::of(ErrorKind::Stale, format!("tensor handle {id:#x} is not one of this call: it was released, or kept from an earlier call"));
        if id & PARAMETER != 0 {
            let index = (id & !PARAMETER) as usize;
            let store = self.store.borrow();
            let entry = store.entries.get(index).ok_or_else(stale)?;
            let mut node = None;
            if let (Some(tape), true) = (self.tape.borrow_mut().as_mut(), entry.trainable) {
                let mut leaves = self.leaves.borrow_mut();
                if leaves.len() <= index {
                    leaves.resize(index + 1, None);
                }
                node = Some(*leaves[index].get_or_insert_with(|| tape.leaf()));
            }
            return Ok(Var { value: entry.value.clone(), node });
        }
        if id >> 32 != self.number {
            return Err(stale());
        }
        self.slots.borrow().get((id & 0xffff_ffff) as usize).cloned().flatten().ok_or_else(stale)
    }

    /// The value behind a handle.
    pub(crate) fn value(&self, id: u64) -> Result<Value> {
        self.var(id).map(|v| v.value)
    }

    /// Handles that are still held.
    pub(crate) fn live(&self) -> usize {
        self.live.get()
    }

    /// Gradients of the parameters, by number, from those of `roots`. Ends the tape.
    pub(crate) fn backward(&self, roots: Vec<(u64, Value)>) -> Result<Vec<Option<Value>>> {
        let leaves = self.leaves.borrow().clone();
        self.back_to(&leaves, roots)
    }

    /// Gradients of values that [`Session::put_leaf`] put, from those of `roots`. Ends the tape.
    pub(crate) fn backward_to(&self, put: &[u64], roots: Vec<(u64, Value)>) -> Result<Vec<Option<Value>>> {
        let leaves: Vec<Option<usize>> = put.iter().map(|&id| Ok(self.var(id)?.node)).collect::<Result<_>>()?;
        self.back_to(&leaves, roots)
    }

    fn back_to(&self, leaves: &[Option<usize>], roots: Vec<(u64, Value)>) -> Result<Vec<Option<Value>>> {
        let mut seeds = Vec::new();
        for (id, grad) in roots {
            seeds.extend(self.var(id)?.node.map(|node| (node, grad)));
        }
        let tape = self.tape.borrow_mut().take().ok_or_else(|| Error::new("nothing was recorded for a gradient"))?;
        // what only handles keep alive is not needed on the way back
        self.slots.borrow_mut().clear();
        let mut grads = tape.backward(seeds)?;
        Ok(leaves.iter().map(|leaf| leaf.and_then(|l| grads[l].take())).collect())
    }

    fn track(&self, inputs: &[Var], out: ops::Out, targets: &[u64]) -> Vec<u64> {
        for (input, value) in out.updates {
            if let Some(index) = targets.get(input).filter(|id| **id & PARAMETER != 0) {
                self.store.borrow_mut().entries[(index & !PARAMETER) as usize].value = value;
            }
        }
        let nodes: Vec<Option<usize>> = inputs.iter().map(|v| v.node).collect();
        let mut back = out.back.filter(|_| nodes.iter().any(Option::is_some));
        out.values
            .into_iter()
            .map(|value| {
                let node = match (self.tape.borrow_mut().as_mut(), back.take()) {
                    (Some(tape), Some(back)) => Some(tape.record(nodes.clone(), back)),
                    _ => None,
                };
                self.insert(Var { value, node })
            })
            .collect()
    }
}

impl Host for Session<'_> {
    fn emit(&self, op: u32, inputs: &[u64], ints: &[i64], floats: &[f64]) -> Result<Vec<u64>> {
        let op = Op::from_number(op)
            .ok_or_else(|| Error::of(ErrorKind::Unsupported, format!("this host has no operation number {op}; a newer host does")))?;
        let vars: Vec<Var> = inputs.iter().map(|&id| self.var(id)).collect::<Result<_>>()?;
        let infos: Vec<_> = vars.iter().map(|v| v.value.info()).collect();
        let promised = infer(op, &infos, ints, floats)?;
        let values: Vec<Value> = vars.iter().map(|v| v.value.clone()).collect();
        let cx = Context { device: self.device, training: self.training, random: &self.random };
        let out = catch_panic(|| ops::run(op, &values, ints, floats, &cx))?;
        let given: Vec<_> = out.values.iter().map(Value::info).collect();
        if given != promised {
            return Err(Error::new(format!("{} gave {given:?} where a trace promises {promised:?}: a fault of this host", op.name())));
        }
        Ok(self.track(&vars, out, inputs))
    }

    fn release(&self, id: u64) {
        if id & PARAMETER == 0
            && id >> 32 == self.number
            && let Some(slot) = self.slots.borrow_mut().get_mut((id & 0xffff_ffff) as usize)
            && slot.take().is_some()
        {
            self.live.set(self.live.get() - 1);
        }
    }

    fn describe(&self, id: u64) -> Result<(Vec<usize>, DType)> {
        self.var(id).map(|v| (v.value.shape().to_vec(), v.value.dtype()))
    }

    fn read(&self, id: u64) -> Result<Vec<f32>> {
        self.var(id)?.value.to_vec()
    }

    fn upload_f32(&self, shape: &[usize], data: &[f32]) -> Result<u64> {
        check_length("upload", shape, data.len())?;
        Ok(self.put(Value::from_f32(data.to_vec(), shape, self.device)))
    }

    fn upload_i32(&self, shape: &[usize], data: &[i32]) -> Result<u64> {
        check_length("upload", shape, data.len())?;
        Ok(self.put(Value::from_i32(data.to_vec(), shape, self.device)))
    }

    fn parameter(&self, name: &str, shape: &[usize], init: &str, trainable: bool) -> Result<u64> {
        let Some(seed) = self.building else {
            return Err(Error::of(ErrorKind::Invalid, format!("parameter {name} was asked for outside build(); make all parameters there")));
        };
        self.store.borrow_mut().add(name, shape, init, trainable, seed, self.device).map(|i| PARAMETER | i as u64)
    }

    fn custom(&self, op: CustomHandle, inputs: &[u64]) -> Result<u64> {
        let vars: Vec<Var> = inputs.iter().map(|&id| self.var(id)).collect::<Result<_>>()?;
        let values: Vec<Value> = vars.iter().map(|v| v.value.clone()).collect();
        let out = run_custom(op, values, self.device)?;
        Ok(self.track(&vars, out, inputs)[0])
    }

    fn query(&self, key: &str) -> Option<String> {
        match key {
            "training" => Some(self.training.to_string()),
            "device" => Some(if self.device.is_cpu() { "cpu" } else { self.device.name() }.to_string()),
            "tracing" => Some("false".into()),
            _ => None,
        }
    }

    fn log(&self, level: u32, message: &str) {
        crate::log::forward(level, message);
    }
}

/// Whether `len` values fill a tensor of this shape.
pub(crate) fn check_length(what: &str, shape: &[usize], len: usize) -> Result<()> {
    crate::shape::check_shape(shape).map_err(|e| Error::of(ErrorKind::Invalid, format!("{what}: {e}")))?;
    let wanted: usize = shape.iter().product();
    if wanted == len {
        return Ok(());
    }
    Err(Error::of(ErrorKind::Invalid, format!("{what}: shape {shape:?} wants {wanted} values, {len} were given")))
}

fn arrays<'a>(data: &'a [Vec<f32>], shapes: &[Vec<usize>]) -> Vec<Array<'a>> {
    data.iter().zip(shapes).map(|(d, s)| Array { shape: s.clone(), data: d }).collect()
}

fn run_custom(op: CustomHandle, inputs: Vec<Value>, device: &Device) -> Result<ops::Out> {
    let shapes: Vec<Vec<usize>> = inputs.iter().map(|v| v.shape().to_vec()).collect();
    let shape = op.out_shape(&shapes)?;
    crate::shape::check_shape(&shape).map_err(|e| Error::of(ErrorKind::Invalid, format!("custom op {}: {e}", op.name())))?;
    let data: Vec<Vec<f32>> = inputs.iter().map(Value::to_vec).collect::<Result<_>>()?;
    let mut out = vec![0f32; shape.iter().product()];
    op.forward(&arrays(&data, &shapes), ArrayMut { shape: shape.clone(), data: &mut out })?;
    let value = Value::from_f32(out.clone(), &shape, device);
    let (op, device, shapes) = (Arc::new(op), device.clone(), shapes.clone());
    let back: crate::tape::Back = Box::new(move |g, needs| {
        let g = g.to_vec()?;
        let inputs = arrays(&data, &shapes);
        let mut grads: Vec<Vec<f32>> = data.iter().map(|d| vec![0f32; d.len()]).collect();
        let mut slots: Vec<ArrayMut<'_>> = grads.iter_mut().zip(&shapes).map(|(d, s)| ArrayMut { shape: s.clone(), data: d }).collect();
        op.backward(&inputs, Array { shape: shape.clone(), data: &out }, Array { shape: shape.clone(), data: &g }, &mut slots)?;
        Ok(grads.into_iter().zip(&shapes).zip(needs).map(|((d, s), &need)| need.then(|| Value::from_f32(d, s, &device))).collect())
    });
    Ok(ops::Out { values: vec![value], back: Some(back), updates: vec![] })
}
