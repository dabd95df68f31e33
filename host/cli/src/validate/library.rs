//! Checks of the file as a whole, and of its configs.

use super::{Found, Target, fail, pass, plans, skip, warn};
use pipeline::train::Settings;
use plugin_api::{ComponentRef, Task, TrainerConfig};
use registry::{Error, Kind, State, judge};
use serde_json::Map;

pub(super) fn scan(on: &Target) -> Found {
    let judgement = judge(&on.file);
    match judgement.state {
        State::Ready => pass(format!("{} components, built against ABI {}", on.metadata.components.len(), on.metadata.api)),
        State::Refused(reason) => fail(format!("it {reason}")),
    }
}

pub(super) fn metadata(on: &Target) -> Found {
    let m = &on.metadata;
    let mut missing = Vec::new();
    let mut wants = |ok: bool, what: &str| {
        if !ok {
            missing.push(what.to_owned());
        }
    };
    wants(m.id.split('.').filter(|part| !part.is_empty()).count() >= 2, "plugin!(..) wants a reverse domain name such as org.example.focal");
    let numbers = m.version.split(['-', '+']).next().unwrap_or_default();
    wants(numbers.split('.').filter(|n| n.parse::<u64>().is_ok()).count() == 3, "`version` of Cargo.toml wants the form 1.2.3");
    wants(!m.author.is_empty(), "`authors` of Cargo.toml is empty");
    wants(!m.license.is_empty(), "`license` of Cargo.toml is empty");
    wants(!m.description.is_empty(), "`description` of Cargo.toml is empty");
    wants(!m.components.is_empty(), "nothing is registered: register_architecture!, register_loss! or register_config! is missing");
    for c in m.components.iter().filter(|c| c.description.is_empty()) {
        wants(false, &format!("the {} {} has no description", c.kind, c.name));
    }
    if missing.is_empty() { pass(format!("{} {}, {}, {}", m.id, m.version, m.author, m.license)) } else { fail(missing.join("; ")) }
}

/// The kind of this name, whose work is not on tensors.
fn hook_kind(name: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|k| k.name() == name && !matches!(k, Kind::Architecture | Kind::Loss | Kind::Config))
}

/// Asks for a component, which opens the library; what that component itself is wrong with is another check's question.
pub(super) fn load(on: &Target) -> Found {
    let registry = on.registry()?;
    let mut closed: Option<Error> = None;
    for c in &on.metadata.components {
        let found = match c.kind.as_str() {
            "architecture" => registry.architecture(&c.name).map(drop),
            "loss" => registry.loss(&c.name).map(drop),
            "config" => registry.config(&c.name).map(drop),
            kind => match hook_kind(kind) {
                Some(kind) => registry.hook(kind, &c.name).map(drop),
                None => continue,
            },
        };
        match found {
            Err(e @ (Error::Load { .. } | Error::Refused { .. } | Error::Unknown { .. } | Error::Conflict { .. })) => closed = Some(e),
            _ => return pass(""),
        }
    }
    match closed {
        Some(e) => Err(e.into()),
        None => fail("it has no component of a kind that this host knows, so nothing of it would ever be used"),
    }
}

pub(super) fn components(on: &Target) -> Found {
    let registry = on.registry()?;
    let (mut faults, mut made, mut other) = (Vec::new(), 0, 0);
    for c in &on.metadata.components {
        let found = match c.kind.as_str() {
            "architecture" => registry.architecture(&c.name).and_then(|a| a.create(&Map::new()).map(drop)),
            "loss" => registry.loss(&c.name).and_then(|l| l.create(&Map::new(), &Task::default()).map(drop)),
            // whether it can be read and what it extends is asked later
            "config" => match registry.config(&c.name) {
                Err(e @ (Error::Load { .. } | Error::Conflict { .. })) => Err(e),
                _ => Ok(()),
            },
            kind => match hook_kind(kind) {
                Some(kind) => registry.hook(kind, &c.name).and_then(|h| h.create(&Map::new(), &serde_json::json!({})).map(drop)),
                None => {
                    other += 1;
                    continue;
                }
            },
        };
        match found {
            Ok(()) => made += 1,
            Err(e) => faults.push(e.to_string()),
        }
    }
    let others = if other > 0 { format!(", {other} of kinds that this host does not know") } else { String::new() };
    if faults.is_empty() { pass(format!("{made} made with their defaults{others}")) } else { fail(faults.join("; ")) }
}

/// A component of another plugin cannot be known here: it is named, and no fault, unless its name is nearly that of one which is here.
pub(super) fn resolves(on: &Target) -> Found {
    let registry = on.registry()?;
    let resolved = registry.config(on.name())?;
    let chain: Vec<&str> = resolved.steps.iter().map(|s| s.name.as_str()).collect();
    let (mut parts, mut doubts) = (vec![chain.join(" -> ")], Vec::new());
    for (kind, component) in components_of(&resolved.config) {
        let settings = &component.settings;
        let made = match kind {
            Kind::Architecture => registry.architecture(&component.name).and_then(|a| a.create(settings).map(drop)),
            Kind::Loss => registry.loss(&component.name).and_then(|l| l.create(settings, &Task::default()).map(drop)),
            // with its settings it is made by the next check
            _ => registry.hook(kind, &component.name).map(drop),
        };
        match made {
            Ok(()) => {}
            Err(Error::Unknown { kind, name, nearest: Some(nearest), .. }) => {
                doubts.push(format!("no {kind} is called `{name}` here; did you mean `{nearest}`?"));
            }
            Err(Error::Unknown { kind, name, .. }) => parts.push(format!("needs the {kind} {name} of another plugin")),
            Err(e) => return Err(e.into()),
        }
    }
    if doubts.is_empty() { pass(parts.join("; ")) } else { warn(doubts.join("; ")) }
}

/// The components that a config names.
fn components_of(config: &TrainerConfig) -> Vec<(Kind, &ComponentRef)> {
    let all = [
        (Kind::Architecture, &config.architecture),
        (Kind::Loss, &config.loss),
        (Kind::LrSchedule, &config.lr_schedule),
        (Kind::Augmentation, &config.augmentation),
    ];
    all.into_iter().filter_map(|(kind, c)| Some((kind, c.as_ref().filter(|c| !c.name.is_empty())?))).collect()
}

/// Whether a training could begin: the same questions that `train` asks.
pub(super) fn settings(on: &Target) -> Found {
    let registry = on.registry()?;
    let mut config = match registry.config(on.name()) {
        Ok(resolved) => resolved.config,
        Err(e @ Error::Config { .. }) => return Err(e.into()),
        Err(_) => return skip("it does not resolve"),
    };
    // what another plugin has is not asked here
    for (kind, component) in [(Kind::LrSchedule, &mut config.lr_schedule), (Kind::Augmentation, &mut config.augmentation)] {
        *component = component.take().filter(|c| c.name.is_empty() || !matches!(registry.hook(kind, &c.name), Err(Error::Unknown { .. })));
    }
    for dims in [3, 2] {
        Settings::of(&config, &plans::configuration(dims)?, Some(&registry))?;
    }
    pass("")
}
