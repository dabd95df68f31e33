//! The host's side of the kinds whose work is not on tensors.

use super::{
    array::{self, Edited, Named, Values, ValuesMut},
    guard::result,
    host::{CustomHandle, Host, Library, bridge},
    types::*,
};
use crate::{Error, ErrorKind, Result, tensor::DType};
use abi_stable::std_types::{RSlice, RSliceMut, RStr};

impl Library {
    /// A component of a kind that does not work on tensors, with its settings and what it is made for, both as JSON.
    ///
    /// # Errors
    /// The library has none of that kind and name, or does not take the settings.
    pub fn hook(&self, kind: &str, name: &str, settings: &str, context: &str) -> Result<HookHandle> {
        let [kind, name, settings, context] = [kind, name, settings, context].map(RStr::from_str);
        result(self.root().create_hook()(kind, name, settings, context)).map(HookHandle)
    }
}

/// A planner, preprocessor or the like behind the wall. Any thread may call it.
pub struct HookHandle(HookBox);

impl HookHandle {
    /// Asks a question (JSON). `None`: the component does not know the step, and the host's own way holds.
    ///
    /// # Errors
    /// The component's own failure.
    pub fn ask(&self, host: &dyn Host, step: &str, question: &str) -> Result<Option<String>> {
        let answer = result(bridge(host, |h| self.0.ask(h, RStr::from_str(step), RStr::from_str(question))))?;
        Ok(answer.into_option().map(Into::into))
    }

    /// Lets the component change `arrays` in place, or return others for them. `None`: it does not know the step.
    ///
    /// # Errors
    /// The component's own failure, or an array that is not whole.
    pub fn edit(
        &self,
        host: &dyn Host,
        step: &str,
        question: &str,
        inputs: &[Named<Values<'_>>],
        arrays: &mut [Named<ValuesMut<'_>>],
    ) -> Result<Option<Edited>> {
        let (read, changed) = (array::wide(inputs), array::wide(arrays));
        let inputs: Vec<AbiArray<'_>> = inputs.iter().zip(&read).map(|(a, shape)| array::to_read(a, shape)).collect();
        let mut arrays: Vec<AbiArrayMut<'_>> = arrays.iter_mut().zip(&changed).map(|(a, shape)| array::to_change(a, shape)).collect();
        let edited = result(bridge(host, |h| {
            let (inputs, arrays) = (RSlice::from_slice(&inputs), RSliceMut::from_mut_slice(&mut arrays));
            self.0.edit(h, RStr::from_str(step), RStr::from_str(question), inputs, arrays)
        }))?;
        let from_abi = |e: AbiEdited| -> Result<Edited> {
            let arrays = e.arrays.into_iter().map(array::new_from_abi).collect::<Result<_>>()?;
            Ok(Edited { answer: e.answer.into(), arrays })
        };
        edited.into_option().map(from_abi).transpose()
    }
}

/// A host for steps without tensors: it logs and answers facts.
pub struct NoTensors<'a> {
    /// A line for the log; 0 error to 4 trace.
    pub log: &'a dyn Fn(u32, &str),
    /// Facts by name.
    pub query: &'a dyn Fn(&str) -> Option<String>,
}

fn none<T>() -> Result<T> {
    Err(Error::with_place(ErrorKind::Unsupported, "this step has no tensors; it works on arrays in host memory".into(), String::new()))
}

impl Host for NoTensors<'_> {
    fn emit(&self, _: u32, _: &[u64], _: &[i64], _: &[f64]) -> Result<Vec<u64>> {
        none()
    }
    fn release(&self, _: u64) {}
    fn describe(&self, _: u64) -> Result<(Vec<usize>, DType)> {
        none()
    }
    fn read(&self, _: u64) -> Result<Vec<f32>> {
        none()
    }
    fn upload_f32(&self, _: &[usize], _: &[f32]) -> Result<u64> {
        none()
    }
    fn upload_i32(&self, _: &[usize], _: &[i32]) -> Result<u64> {
        none()
    }
    fn parameter(&self, _: &str, _: &[usize], _: &str, _: bool) -> Result<u64> {
        none()
    }
    fn custom(&self, _: CustomHandle, _: &[u64]) -> Result<u64> {
        none()
    }
    fn query(&self, key: &str) -> Option<String> {
        (self.query)(key)
    }
    fn log(&self, level: u32, message: &str) {
        (self.log)(level, message);
    }
}
