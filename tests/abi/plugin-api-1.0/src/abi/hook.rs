//! The plugin's side of the kinds whose work is not on tensors.

use super::{
    array::{self, Edited, Named, Values, ValuesMut},
    guard::guard,
    scope::Scope,
    types::*,
};
use crate::{Error, ErrorKind, Result};
use abi_stable::{
    sabi_trait::TD_Opaque,
    std_types::{ROption, RSlice, RSliceMut, RStr, RString},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// What every kind comes down to. A step that is not known is answered with `None`.
#[doc(hidden)]
pub trait Hook: Send + Sync + 'static {
    fn ask(&self, step: &str, question: &str) -> Result<Option<String>> {
        let _ = (step, question);
        Ok(None)
    }

    fn edit(&self, step: &str, question: &str, inputs: &[Named<Values<'_>>], arrays: Vec<Named<ValuesMut<'_>>>) -> Result<Option<Edited>> {
        let _ = (step, question, inputs, arrays);
        Ok(None)
    }
}

/// A question and what the host would answer.
#[derive(Serialize, Deserialize)]
#[doc(hidden)]
pub struct Asked<Q, A> {
    pub question: Q,
    pub host: A,
}

/// Reads what the host asks.
pub(crate) fn understand<T: DeserializeOwned>(step: &str, question: &str) -> Result<T> {
    let said = |e| Error::with_place(ErrorKind::Unsupported, format!("the host's question in step {step} cannot be read: {e}"), String::new());
    serde_json::from_str(question).map_err(said)
}

/// Answers a question with the host's answer at hand.
pub(crate) fn answer<Q: DeserializeOwned, A: DeserializeOwned + Serialize>(
    step: &str,
    question: &str,
    f: impl FnOnce(Q, A) -> Result<A>,
) -> Result<Option<String>> {
    let asked: Asked<Q, A> = understand(step, question)?;
    Ok(Some(serde_json::to_string(&f(asked.question, asked.host)?)?))
}

pub(crate) fn boxed(hook: Box<dyn Hook>) -> HookBox {
    AbiHook_TO::from_value(HookShim(hook), TD_Opaque)
}

struct HookShim(Box<dyn Hook>);

impl AbiHook for HookShim {
    fn ask(&self, host: HostRef, step: RStr<'_>, question: RStr<'_>) -> AbiResult<ROption<RString>> {
        guard(|| {
            let _scope = Scope::enter(host);
            Ok(self.0.ask(step.as_str(), question.as_str())?.map(RString::from).into())
        })
    }

    fn edit(
        &self,
        host: HostRef,
        step: RStr<'_>,
        question: RStr<'_>,
        inputs: RSlice<'_, AbiArray<'_>>,
        mut arrays: RSliceMut<'_, AbiArrayMut<'_>>,
    ) -> AbiResult<ROption<AbiEdited>> {
        guard(|| {
            let _scope = Scope::enter(host);
            let inputs = inputs.iter().map(array::read).collect::<Result<Vec<_>>>()?;
            let arrays = arrays.as_mut_slice().iter_mut().map(array::change).collect::<Result<Vec<_>>>()?;
            let edited = self.0.edit(step.as_str(), question.as_str(), &inputs, arrays)?;
            let to_abi = |e: Edited| AbiEdited { answer: e.answer.into(), arrays: e.arrays.into_iter().map(array::new_to_abi).collect() };
            Ok(edited.map(to_abi).into())
        })
    }
}
