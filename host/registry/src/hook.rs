//! Components that do not work on tensors: planners, preprocessors, normalizations, augmentations, schedules.

use crate::{Error, Kind, Provenance, Result, source::settings_json};
use plugin_api::abi::host::{Asked, Edited, HookHandle, Library, Named, NoTensors, Values, ValuesMut};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// A component of such a kind that can be made.
#[derive(Clone, Debug)]
pub struct HookSource {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub from: Provenance,
    pub(crate) library: Library,
}

impl HookSource {
    /// Makes one with these settings (an empty map for the defaults), for a `context` that its kind defines, such as the dataset to plan for.
    ///
    /// # Errors
    /// The plugin does not take the settings or the context.
    pub fn create(&self, settings: &Map<String, Value>, context: &impl Serialize) -> Result<Hook> {
        let failed = |e| self.from.failed(&format!("create of {} `{}`", self.kind, self.name), e);
        let context = serde_json::to_string(context).map_err(|e| failed(e.into()))?;
        let handle = self.library.hook(self.kind.name(), &self.name, &settings_json(settings), &context).map_err(failed)?;
        Ok(Hook { kind: self.kind, name: self.name.clone(), from: self.from.clone(), handle })
    }
}

/// A component that can be asked. Any thread may do so.
pub struct Hook {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    handle: HookHandle,
    /// Whose it is.
    pub from: Provenance,
}

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hook of {}", self.from.who())
    }
}

impl Hook {
    /// The component's answer to `question`, where the host would say `host`. A step that it does not know keeps the host's answer.
    ///
    /// # Errors
    /// The component's failure, with the plugin and the step named; an answer that is not what the step wants.
    pub fn answer<A: Serialize + DeserializeOwned>(&self, step: &str, question: &impl Serialize, host: A) -> Result<A> {
        let asked = Asked { question, host };
        let answer = self.ask(step, &asked)?;
        Ok(answer.unwrap_or(asked.host))
    }

    /// The component's answer, if it knows the step.
    ///
    /// # Errors
    /// As [`Hook::answer`].
    pub fn ask<A: DeserializeOwned>(&self, step: &str, question: &impl Serialize) -> Result<Option<A>> {
        let question = self.text(step, question)?;
        match self.handle.ask(&no_tensors(), step, &question).map_err(|e| self.from.failed(step, e))? {
            Some(answer) => self.read(step, &answer).map(Some),
            None => Ok(None),
        }
    }

    /// Lets the component change `arrays`, or return others for them. `None`: it does not know the step.
    ///
    /// # Errors
    /// The component's failure, with the plugin and the step named.
    pub fn edit(
        &self,
        step: &str,
        question: &impl Serialize,
        inputs: &[Named<Values<'_>>],
        arrays: &mut [Named<ValuesMut<'_>>],
    ) -> Result<Option<Edited>> {
        let question = self.text(step, question)?;
        self.handle.edit(&no_tensors(), step, &question, inputs, arrays).map_err(|e| self.from.failed(step, e))
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// It is not what the step wants.
    pub fn read<A: DeserializeOwned>(&self, step: &str, answer: &str) -> Result<A> {
        serde_json::from_str(answer).map_err(|e| self.fault(step, &format!("answered {answer}, which is not what the step wants: {e}")))
    }

    /// The component's fault in a step, e.g. an answer that cannot be.
    pub fn fault(&self, step: &str, what: &str) -> Error {
        Error::Answer { who: self.from.who(), step: step.to_string(), what: what.to_string() }
    }

    fn text(&self, step: &str, question: &impl Serialize) -> Result<String> {
        serde_json::to_string(question).map_err(|e| self.from.failed(step, e.into()))
    }
}

fn no_tensors() -> NoTensors<'static> {
    NoTensors { log: &log, query: &|_| None }
}

/// Lines of a plugin, on its thread.
fn log(level: u32, message: &str) {
    match level {
        0 => tracing::error!("{message}"),
        1 => tracing::warn!("{message}"),
        2 => tracing::info!("{message}"),
        3 => tracing::debug!("{message}"),
        _ => tracing::trace!("{message}"),
    }
}
