//! Architectures and losses, the host's own and plugins': one training step on the device and on the processor.

use super::{Bed, Check, rig::Rig, said};
use crate::{error::Result, phantom::ModelSpec};
use engine::{Device, selftest::apart};
use plugin_api::NetworkSpec;
use registry::Kind;
use serde_json::{Value, json};

/// How far logits, losses and gradients may be apart, as a share of the largest: rounding that went through a whole network.
const TOLERANCE: f64 = 2e-2;

pub(super) fn run(bed: &Bed<'_>, done: &mut dyn FnMut(Check)) -> Result<()> {
    for name in bed.registry.names(Kind::Architecture) {
        done(compared(bed, &format!("architecture {name}"), Some(&name), "dice_ce"));
    }
    for name in bed.registry.names(Kind::Loss) {
        done(compared(bed, &format!("loss {name}"), None, &name));
    }
    Ok(())
}

/// A plan of three stages.
pub(super) fn small() -> NetworkSpec {
    let spec = ModelSpec { patch: vec![32; 3], features: vec![8, 16, 32], ..ModelSpec::default() };
    let architecture = spec.architecture();
    NetworkSpec {
        input_channels: 1,
        num_classes: 3,
        patch_size: spec.patch,
        deep_supervision: true,
        network_class_name: architecture["network_class_name"].as_str().unwrap_or_default().to_owned(),
        arch_kwargs: architecture["arch_kwargs"].clone(),
    }
}

/// The host's own network that does not take the small plan: it has no size without settings.
const NEEDS_SETTINGS: &str = "Primus";

/// Logits, loss and gradients.
struct Outcome {
    logits: Vec<f32>,
    loss: f32,
    gradients: Vec<f32>,
}

fn outcome(rig: &Rig) -> Result<Outcome> {
    let logits = rig.predict()?;
    let step = rig.step()?;
    let gradients = step.gradients.map(|g| g.to_vecs()).transpose()?.unwrap_or_default();
    Ok(Outcome { logits, loss: step.loss, gradients: gradients.into_iter().flatten().flatten().collect() })
}

/// Whether a component may refuse the small plan: a plugin may be for other data.
fn may_refuse(bed: &Bed<'_>, architecture: Option<&str>, loss: &str) -> bool {
    let whose = match architecture {
        Some(name) => bed.registry.whose(Kind::Architecture, name),
        None => bed.registry.whose(Kind::Loss, loss),
    };
    architecture == Some(NEEDS_SETTINGS) || whose.is_ok_and(|from| !from.is_builtin())
}

fn compared(bed: &Bed<'_>, what: &str, architecture: Option<&str>, loss: &str) -> Check {
    let built = |device: &Device| said(Rig::new(bed.registry, architecture, loss, &small(), 2, device));
    let here = match built(&Device::cpu()) {
        Ok(rig) => said(outcome(&rig)),
        Err(error) if may_refuse(bed, architecture, loss) => {
            return Check::new(what, true, format!("left out, it refuses the small plan: {error}"), Value::Null);
        }
        Err(error) => Err(error),
    };
    let here = match here {
        Ok(here) => here,
        Err(error) => return Check::new(what, false, format!("on the processor: {error}"), Value::Null),
    };
    match built(bed.device).and_then(|rig| said(outcome(&rig))) {
        Ok(there) => judged(what, &here, &there),
        Err(error) => Check::new(what, false, error, Value::Null),
    }
}

fn judged(what: &str, here: &Outcome, there: &Outcome) -> Check {
    if here.gradients.is_empty() || there.gradients.is_empty() {
        return Check::new(what, false, "no parameter has a gradient", Value::Null);
    }
    let (logits, gradients) = (apart(&here.logits, &there.logits), apart(&here.gradients, &there.gradients));
    let loss = apart(&[here.loss], &[there.loss]);
    let found =
        format!("logits are off by {logits:.1e}, the loss by {loss:.1e}, gradients by {gradients:.1e} of the largest (wanted {TOLERANCE:.0e})");
    let passed = [logits, loss, gradients].into_iter().all(|off| off <= TOLERANCE);
    Check::new(what, passed, found, json!({"logits": logits, "loss": loss, "gradients": gradients, "tolerance": TOLERANCE}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_and_a_loss_are_compared() {
        standard::link();
        let (_folder, registry) = crate::test_data::registry_of_tests();
        let device = Device::parse("flex").unwrap();
        let bed = Bed { device: &device, registry: &registry, python: None };
        for (architecture, loss) in [(Some("ResidualEncoderUNet"), "dice_ce"), (None, "dice_topk")] {
            let check = compared(&bed, "it", architecture, loss);
            assert!(check.passed && check.figures["gradients"].as_f64().unwrap() > 0.0, "{check:?}");
        }
        let left_out = compared(&bed, "it", Some("Primus"), "dice_ce");
        assert!(left_out.passed && left_out.found.contains("embed_dim is missing"), "{left_out:?}");
        for (architecture, loss) in [(Some("Nothing"), "dice_ce"), (None, "nothing")] {
            let failed = compared(&bed, "it", architecture, loss);
            assert!(!failed.passed && failed.found.starts_with("on the processor: "), "{failed:?}");
        }
    }

    #[test]
    fn without_gradients_nothing_was_compared() {
        let of = |gradients: &[f32]| Outcome { logits: vec![1.0], loss: 1.0, gradients: gradients.to_vec() };
        assert!(judged("it", &of(&[1.0]), &of(&[1.0])).passed);
        assert!(!judged("it", &of(&[]), &of(&[])).passed);
    }
}
