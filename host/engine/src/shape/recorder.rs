//! A host without values: it checks and records what a component asks for.

use super::{
    Info,
    check::{check_shape, text},
    infer,
    trace::{Constant, Node, NodeKind, ParamInfo, Value, ValueKind},
};
use plugin_api::{
    DType, Error, ErrorKind, Op, ParamRequest, Result,
    abi::host::{CustomHandle, Host},
};
use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    sync::atomic::{AtomicU64, Ordering},
};

/// What has been recorded. A handle is the recorder's number and a value's place, so that one from elsewhere is noticed.
#[derive(Default)]
pub(super) struct Record {
    pub(super) parameters: Vec<ParamInfo>,
    pub(super) values: Vec<Value>,
    pub(super) nodes: Vec<Node>,
    pub(super) constants: HashMap<usize, Constant>,
    pub(super) reads_values: bool,
    names: HashSet<String>,
    building: bool,
}

/// The recording host.
pub(super) struct Recorder {
    number: u64,
    training: bool,
    record: RefCell<Record>,
}

fn invalid(sentence: String) -> Error {
    Error::of(ErrorKind::Invalid, sentence)
}

impl Recorder {
    /// An empty record of a training; parameters may be created.
    pub(super) fn new() -> Self {
        Self::of(true)
    }

    /// The same of a prediction.
    pub(super) fn predicting() -> Self {
        Self::of(false)
    }

    fn of(training: bool) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let record = Record { building: true, ..Record::default() };
        Recorder { number: NUMBER.fetch_add(1, Ordering::Relaxed) << 32, training, record: RefCell::new(record) }
    }

    /// From here on no parameter is created; what ran before leaves no node and holds no memory.
    pub(super) fn start_forward(&self) {
        let r = &mut *self.record.borrow_mut();
        r.building = false;
        r.nodes.clear();
        for value in r.values.iter_mut().filter(|v| v.is_released_by_calls()) {
            (value.born, value.freed) = (0, Some(0));
        }
    }

    /// A tensor that the host hands to a call.
    pub(super) fn argument(&self, info: Info, gradient: bool) -> Result<u64> {
        check_shape(&info.shape).map_err(|e| invalid(format!("an argument: {e}")))?;
        Ok(self.record.borrow_mut().add(info, ValueKind::Input { gradient })).map(|i| self.handle(i))
    }

    /// The values that a call returned.
    pub(super) fn returned(&self, ids: &[u64]) -> Result<Vec<usize>> {
        let r = self.record.borrow();
        ids.iter().map(|&id| self.live(&r, id)).collect()
    }

    /// Releases what a call left behind beside the values it returned, and counts it.
    pub(super) fn end_call(&self, returned: &[usize]) -> usize {
        let r = &mut *self.record.borrow_mut();
        let now = r.nodes.len();
        let left = r.values.iter_mut().enumerate().filter(|(i, v)| v.is_released_by_calls() && v.freed.is_none() && !returned.contains(i));
        left.map(|(_, v)| v.freed = Some(now)).count()
    }

    /// Whether values were asked for.
    pub(super) fn reads_values(&self) -> bool {
        self.record.borrow().reads_values
    }

    /// The record.
    pub(super) fn finish(self) -> Record {
        self.record.into_inner()
    }

    fn handle(&self, index: usize) -> u64 {
        self.number + index as u64 + 1
    }

    /// The place of a value whose handle is live.
    fn live(&self, r: &Record, id: u64) -> Result<usize> {
        let index = id.checked_sub(self.number + 1).and_then(|i| usize::try_from(i).ok());
        match index.and_then(|i| r.values.get(i).map(|v| (i, v))) {
            Some((i, value)) if value.freed.is_none() => Ok(i),
            Some((_, value)) => Err(Error::of(ErrorKind::Stale, format!("a tensor of shape {} was used after its release", text(&value.info.shape)))),
            None => Err(Error::of(ErrorKind::Stale, format!("tensor {id} is not of this call"))),
        }
    }

    fn lives(&self, ids: &[u64]) -> Result<(Vec<usize>, Vec<Info>)> {
        let r = self.record.borrow();
        let places = ids.iter().map(|&id| self.live(&r, id)).collect::<Result<Vec<_>>>()?;
        let infos = places.iter().map(|&i| r.values[i].info.clone()).collect();
        Ok((places, infos))
    }

    fn push(&self, kind: NodeKind, inputs: Vec<usize>, outputs: Vec<Info>, ints: &[i64], floats: &[f64]) -> Vec<u64> {
        let r = &mut *self.record.borrow_mut();
        let scope = inputs.iter().find_map(|&i| match r.values[i].kind {
            ValueKind::Parameter(p) => Some(r.parameters[p].name.rsplit_once('.').map_or("", |(scope, _)| scope).to_string()),
            _ => None,
        });
        let outputs: Vec<usize> = outputs.into_iter().map(|info| r.add(info, ValueKind::Result)).collect();
        let handles = outputs.iter().map(|&i| self.handle(i)).collect();
        let scope = scope.unwrap_or_default();
        r.nodes.push(Node { kind, inputs, outputs, ints: ints.to_vec(), floats: floats.to_vec(), scope });
        handles
    }

    fn upload(&self, shape: &[usize], len: usize, dtype: DType, values: Constant) -> Result<u64> {
        check_shape(shape).map_err(|e| invalid(format!("a tensor from values: {e}")))?;
        let wanted: usize = shape.iter().product();
        if wanted != len {
            return Err(invalid(format!("a tensor from values: {} holds {wanted} values, {len} were given", text(shape))));
        }
        let r = &mut *self.record.borrow_mut();
        let place = r.add(Info::new(shape, dtype), ValueKind::Constant);
        r.constants.insert(place, values);
        Ok(self.handle(place))
    }
}

impl Record {
    fn add(&mut self, info: Info, kind: ValueKind) -> usize {
        self.values.push(Value { info, kind, born: self.nodes.len(), freed: None });
        self.values.len() - 1
    }
}

impl Host for Recorder {
    fn emit(&self, op: u32, inputs: &[u64], ints: &[i64], floats: &[f64]) -> Result<Vec<u64>> {
        let Some(op) = Op::from_number(op) else {
            return Err(Error::of(ErrorKind::Unsupported, format!("this host does not know operation {op}; a newer one may")));
        };
        let (places, infos) = self.lives(inputs)?;
        let outputs = infer(op, &infos, ints, floats)?;
        Ok(self.push(NodeKind::Op(op), places, outputs, ints, floats))
    }

    fn release(&self, id: u64) {
        let r = &mut *self.record.borrow_mut();
        let now = r.nodes.len();
        let Ok(index) = self.live(r, id) else { return };
        let value = &mut r.values[index];
        if value.is_released_by_calls() {
            value.freed = Some(now);
        }
    }

    fn describe(&self, id: u64) -> Result<(Vec<usize>, DType)> {
        let r = self.record.borrow();
        let info = &r.values[self.live(&r, id)?].info;
        Ok((info.shape.clone(), info.dtype))
    }

    fn read(&self, id: u64) -> Result<Vec<f32>> {
        let r = &mut *self.record.borrow_mut();
        let index = self.live(r, id)?;
        r.reads_values = true;
        let shape = text(&r.values[index].info.shape);
        Err(Error::of(ErrorKind::Unsupported, format!("the values of {shape} are read here, which cannot be traced on shapes alone")))
    }

    fn upload_f32(&self, shape: &[usize], data: &[f32]) -> Result<u64> {
        self.upload(shape, data.len(), DType::Float, Constant::Float(data.to_vec()))
    }

    fn upload_i32(&self, shape: &[usize], data: &[i32]) -> Result<u64> {
        self.upload(shape, data.len(), DType::Int, Constant::Int(data.to_vec()))
    }

    fn parameter(&self, name: &str, shape: &[usize], init: &str, trainable: bool) -> Result<u64> {
        let r = &mut *self.record.borrow_mut();
        if !r.building {
            return Err(invalid(format!("parameter {name} is asked for in forward; parameters are created in build")));
        }
        check_shape(shape).map_err(|e| invalid(format!("parameter {name}: {e}")))?;
        let request: ParamRequest =
            serde_json::from_str(init).map_err(|e| invalid(format!("parameter {name}: its initialisation cannot be read: {e}")))?;
        for name in std::iter::once(name).chain(request.aliases.iter().map(String::as_str)) {
            if name.is_empty() {
                return Err(invalid(format!("a parameter of shape {} has no name", text(shape))));
            }
            if !r.names.insert(name.to_string()) {
                return Err(invalid(format!("parameter {name} exists already")));
            }
        }
        r.parameters.push(ParamInfo { name: name.to_string(), aliases: request.aliases, shape: shape.to_vec(), trainable });
        let kind = ValueKind::Parameter(r.parameters.len() - 1);
        Ok(self.handle(r.add(Info::new(shape, DType::Float), kind)))
    }

    fn custom(&self, op: CustomHandle, inputs: &[u64]) -> Result<u64> {
        let (places, infos) = self.lives(inputs)?;
        let name = op.name();
        if let Some(info) = infos.iter().find(|i| i.dtype != DType::Float) {
            return Err(invalid(format!("{name}: input {} is {:?}, wanted Float", text(&info.shape), info.dtype)));
        }
        let shapes: Vec<Vec<usize>> = infos.into_iter().map(|i| i.shape).collect();
        let shape = op.out_shape(&shapes)?;
        check_shape(&shape).map_err(|e| invalid(format!("{name}: {e}")))?;
        let ids = self.push(NodeKind::Custom(name), places, vec![Info { shape, dtype: DType::Float }], &[], &[]);
        Ok(ids[0])
    }

    fn query(&self, key: &str) -> Option<String> {
        match key {
            "training" => Some(self.training.to_string()),
            "tracing" => Some("true".into()),
            _ => None,
        }
    }

    fn log(&self, _level: u32, _message: &str) {}
}
