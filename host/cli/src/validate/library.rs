//! Checks of the file as a whole, and of its configs.

use super::{Found, Target, fail, pass};
use plugin_api::Task;
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

/// A component of another plugin cannot be known here: it is named, and no fault.
pub(super) fn resolves(on: &Target) -> Found {
    let registry = on.registry()?;
    let resolved = registry.config(on.name())?;
    let chain: Vec<&str> = resolved.steps.iter().map(|s| s.name.as_str()).collect();
    let mut parts = vec![chain.join(" -> ")];
    if let Some(c) = resolved.config.architecture.as_ref().filter(|c| !c.name.is_empty()) {
        match registry.architecture(&c.name) {
            Ok(source) => drop(source.create(&c.settings)?),
            Err(Error::Unknown { kind: Kind::Architecture, .. }) => parts.push(format!("needs the architecture {} of another plugin", c.name)),
            Err(e) => return Err(e.into()),
        }
    }
    if let Some(c) = resolved.config.loss.as_ref().filter(|c| !c.name.is_empty()) {
        match registry.loss(&c.name) {
            Ok(source) => drop(source.create(&c.settings, &Task::default())?),
            Err(Error::Unknown { kind: Kind::Loss, .. }) => parts.push(format!("needs the loss {} of another plugin", c.name)),
            Err(e) => return Err(e.into()),
        }
    }
    pass(parts.join("; "))
}
