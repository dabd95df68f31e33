//! An augmentation of a plugin.

use super::sample::contiguous;
use super::{Sample, Stream};
use crate::error::Result;
use plugin_api::abi::host::{Named, ValuesMut};
use plugin_api::{ApplyQuestion, Place};
use registry::Hook;

/// A plugin's step beside the standard ones.
#[derive(Debug)]
pub struct Plugged {
    hook: Hook,
    place: Place,
}

impl Plugged {
    /// Asks the plugin where it belongs.
    ///
    /// # Errors
    /// The plugin fails, or answers no place.
    pub fn new(hook: Hook) -> Result<Self> {
        let place = hook.ask("place", &serde_json::json!({}))?.unwrap_or(Place::After);
        Ok(Self { hook, place })
    }

    /// The component.
    pub fn hook(&self) -> &Hook {
        &self.hook
    }

    /// Changes `sample`, if this is the plugin's place.
    ///
    /// # Errors
    /// The plugin fails.
    pub(super) fn apply(&self, place: Place, sample: &mut Sample, rng: &mut Stream) -> Result<()> {
        if place != self.place {
            return Ok(());
        }
        let (image, labels) = (sample.data.shape().to_vec(), sample.seg.shape().to_vec());
        let mut arrays = [
            Named::new("image", &image, ValuesMut::F32(contiguous(&mut sample.data))),
            Named::new("labels", &labels, ValuesMut::I16(contiguous(&mut sample.seg))),
        ];
        match self.hook.edit("apply", &ApplyQuestion { seed: rng.bits64() }, &[], &mut arrays)? {
            Some(_) => Ok(()),
            None => Err(self.hook.fault("apply", "does not know the step, which an augmentation is there for").into()),
        }
    }
}
