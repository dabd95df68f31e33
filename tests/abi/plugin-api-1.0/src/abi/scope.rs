//! The host that the current call came from, and safe calls to it.

use super::{
    guard::{guard, result, throw},
    types::{AbiCustom, AbiCustom_TO, AbiInfo, AbiResult, CustomBox, HostRef, View, ViewMut},
};
use crate::{
    Error, ErrorKind, Result,
    custom::{Array, ArrayMut, CustomOp},
    tensor::DType,
};
use abi_stable::{
    sabi_trait::TD_Opaque,
    std_types::{ROption, RSlice, RSliceMut, RStr, RString, RVec},
};
use std::cell::Cell;

thread_local!(static HOST: Cell<Option<HostRef>> = const { Cell::new(None) });

/// Installs the host for one boundary call; calls may nest.
pub(crate) struct Scope(Option<HostRef>);

impl Scope {
    pub(crate) fn enter(host: HostRef) -> Self {
        Scope(HOST.replace(Some(host)))
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        HOST.set(self.0);
    }
}

#[track_caller]
fn host() -> HostRef {
    match HOST.get() {
        Some(host) => host,
        None => throw(Error::of(ErrorKind::Stale, "a tensor was used outside a call of the host")),
    }
}

#[track_caller]
fn ok<T>(r: AbiResult<T>) -> T {
    match result(r) {
        Ok(value) => value,
        Err(e) => throw(e),
    }
}

fn dims(shape: &[usize]) -> Vec<u64> {
    shape.iter().map(|&n| n as u64).collect()
}

#[track_caller]
pub(crate) fn emit(op: u32, inputs: &[u64], ints: &[i64], floats: &[f64]) -> Vec<u64> {
    let h = host();
    ok(h.table.emit()(h.ctx, op, RSlice::from_slice(inputs), RSlice::from_slice(ints), RSlice::from_slice(floats))).into()
}

pub(crate) fn release(id: u64) {
    // without a host the call is over and the host has freed the handle itself
    if let Some(h) = HOST.get() {
        h.table.release()(h.ctx, id);
    }
}

#[track_caller]
pub(crate) fn describe(id: u64) -> (Vec<usize>, DType) {
    let h = host();
    let AbiInfo { shape, dtype } = ok(h.table.describe()(h.ctx, id));
    (shape.iter().map(|&n| n as usize).collect(), DType::from_number(dtype))
}

#[track_caller]
pub(crate) fn read(id: u64) -> Vec<f32> {
    let h = host();
    ok(h.table.read()(h.ctx, id)).into()
}

#[track_caller]
pub(crate) fn upload_f32(shape: &[usize], data: &[f32]) -> u64 {
    let h = host();
    ok(h.table.upload_f32()(h.ctx, RSlice::from_slice(&dims(shape)), RSlice::from_slice(data)))
}

#[track_caller]
pub(crate) fn upload_i32(shape: &[usize], data: &[i32]) -> u64 {
    let h = host();
    ok(h.table.upload_i32()(h.ctx, RSlice::from_slice(&dims(shape)), RSlice::from_slice(data)))
}

#[track_caller]
pub(crate) fn parameter(name: &str, shape: &[usize], init: &str, trainable: bool) -> Result<u64> {
    let h = host();
    let made = h.table.parameter()(h.ctx, RStr::from_str(name), RSlice::from_slice(&dims(shape)), RStr::from_str(init), trainable);
    match result(made) {
        Ok(id) => Ok(id),
        // not map_err: the caller's place would be lost on the way
        Err(e) => Err(e.here()),
    }
}

#[track_caller]
pub(crate) fn custom(op: impl CustomOp, inputs: &[u64]) -> u64 {
    let h = host();
    ok(h.table.custom()(h.ctx, boxed(op), RSlice::from_slice(inputs)))
}

pub(crate) fn boxed(op: impl CustomOp) -> CustomBox {
    AbiCustom_TO::from_value(Shim(op), TD_Opaque)
}

pub(crate) fn query(key: &str) -> Option<String> {
    let h = HOST.get()?;
    match h.table.query()(h.ctx, RStr::from_str(key)) {
        ROption::RSome(text) => Some(text.into()),
        ROption::RNone => None,
    }
}

pub(crate) fn log(level: u32, message: &str) {
    if let Some(h) = HOST.get() {
        h.table.log()(h.ctx, level, RStr::from_str(message));
    }
}

/// A plugin's custom op behind the wall.
struct Shim<T>(T);

fn array<'a>(v: &'a View<'_>) -> Array<'a> {
    Array { shape: v.shape.iter().map(|&n| n as usize).collect(), data: v.data.as_slice() }
}

fn array_mut<'a>(v: &'a mut ViewMut<'_>) -> ArrayMut<'a> {
    ArrayMut { shape: v.shape.iter().map(|&n| n as usize).collect(), data: v.data.as_mut_slice() }
}

impl<T: CustomOp> AbiCustom for Shim<T> {
    fn name(&self) -> RString {
        match guard(|| Ok(self.0.name().to_string())) {
            abi_stable::std_types::RResult::ROk(name) => name.into(),
            abi_stable::std_types::RResult::RErr(_) => "unnamed".into(),
        }
    }

    fn out_shape(&self, inputs: RSlice<'_, RVec<u64>>) -> AbiResult<RVec<u64>> {
        guard(|| {
            let shapes: Vec<Vec<usize>> = inputs.iter().map(|s| s.iter().map(|&n| n as usize).collect()).collect();
            let refs: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
            Ok(dims(&self.0.out_shape(&refs)?).into())
        })
    }

    fn forward(&self, inputs: RSlice<'_, View<'_>>, mut out: ViewMut<'_>) -> AbiResult<()> {
        guard(|| {
            let inputs: Vec<Array<'_>> = inputs.iter().map(array).collect();
            self.0.forward(&inputs, array_mut(&mut out))
        })
    }

    fn backward(&self, inputs: RSlice<'_, View<'_>>, out: View<'_>, out_grad: View<'_>, mut grads: RSliceMut<'_, ViewMut<'_>>) -> AbiResult<()> {
        guard(|| {
            let inputs: Vec<Array<'_>> = inputs.iter().map(array).collect();
            let mut grads: Vec<ArrayMut<'_>> = grads.as_mut_slice().iter_mut().map(array_mut).collect();
            self.0.backward(&inputs, array(&out), array(&out_grad), &mut grads)
        })
    }
}
