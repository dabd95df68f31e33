//! The parts of a step: the forward pass, the loss on its logits, the way back. One device takes them in one session; of several, each goes
//! forward and back with its part of the batch, and one of them takes the loss of all.

use crate::{
    error::{Error, Result},
    session::Session,
    step::Loss,
    target::{Supervision, Tensors},
    value::Value,
};
use plugin_api::{
    Prepared,
    abi::host::{HeadArgs, LossHandle},
};

/// A forward pass, before its way back.
pub(crate) struct Pass<'a> {
    pub(crate) session: Session<'a>,
    /// The logits of each head, finest first.
    pub(crate) heads: Vec<u64>,
}

/// What the loss says of logits.
pub(crate) struct Judged {
    scalar: u64,
    pub(crate) loss: Loss,
    /// Handles that components left behind in the session.
    pub(crate) leaked: usize,
}

impl Pass<'_> {
    /// Of the first `heads` heads, or of all if they are fewer.
    pub(crate) fn logits(&self, heads: usize) -> Result<Vec<Value>> {
        Ok(self.heads.iter().take(heads).map(|&id| self.session.value(id)).collect::<plugin_api::Result<_>>()?)
    }

    /// Handles that the network left behind.
    pub(crate) fn leaked(&self) -> usize {
        self.session.live().saturating_sub(self.heads.len())
    }

    /// Gradients of the parameters from those of the first heads' logits; none for a head that the loss does not use.
    pub(crate) fn backward(self, gradients: Vec<Option<Value>>) -> Result<Vec<Option<Value>>> {
        let roots = self.heads.iter().zip(gradients).filter_map(|(&id, gradient)| Some((id, gradient?))).collect();
        Ok(self.session.backward(roots)?)
    }
}

impl Judged {
    /// The loss of the logits behind `heads`, which are all that `session` holds besides what components left there.
    pub(crate) fn of(session: &Session<'_>, heads: &[u64], targets: &Supervision<'_>, loss: &LossHandle) -> Result<Self> {
        let used = heads.len().min(targets.heads.len());
        if used == 0 {
            return Err(Error::Component(plugin_api::Error::new("no head has a target")));
        }
        let mut prepared_args: Vec<&[Prepared]> = vec![&[]; used];
        prepared_args[0] = targets.prepared;
        let tensors: Vec<Tensors> =
            targets.heads[..used].iter().map(|t| Tensors::put(t, targets.task, session, session.device())).collect::<Result<_>>()?;
        let args: Vec<HeadArgs<'_>> = tensors
            .iter()
            .enumerate()
            .map(|(i, t)| HeadArgs {
                logits: heads[i],
                weight: targets.heads[i].weight,
                labels: t.labels,
                regions: t.regions,
                valid: t.valid,
                prepared: prepared_args[i],
            })
            .collect();
        let scalar = loss.heads(session, &args)?;
        let leaked = session.live().saturating_sub(heads.len() + 1 + tensors.iter().map(Tensors::count).sum::<usize>());
        let loss = session.value(scalar)?;
        if loss.len() != 1 {
            return Err(Error::Component(plugin_api::Error::new(format!("a loss is one number; forward returned {} of them", loss.len()))));
        }
        Ok(Judged { scalar, loss: Loss(loss), leaked })
    }

    /// Where the way back begins: the loss, and its gradient by itself.
    pub(crate) fn root(&self, session: &Session<'_>) -> Result<(u64, Value)> {
        Ok((self.scalar, Value::full(session.value(self.scalar)?.shape(), 1.0, session.device())))
    }
}
