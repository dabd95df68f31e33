//! What a plugin exports: its components, each behind a guard.

use super::{
    guard::guard,
    hook::{self, Hook},
    scope::Scope,
    types::*,
};
use crate::{
    Error, ErrorKind, Result, Tensor,
    architecture::{Architecture, Network},
    augmentation::{Augmentation, AugmentationHook},
    loss::{Head, Labels, Loss, Prepared, Target, Task},
    normalization::{Normalization, NormalizationHook},
    params::Params,
    planner::{Planner, PlannerHook},
    preprocessor::{Preprocessor, PreprocessorHook},
    schedule::{Schedule, ScheduleHook},
    spec::NetworkSpec,
};
use abi_stable::{
    prefix_type::PrefixTypeTrait,
    sabi_trait::TD_Opaque,
    std_types::{ROption, RResult, RSlice, RStr, RString, RVec},
};
use std::sync::Arc;

#[doc(hidden)]
pub enum Make {
    Architecture(fn(&str) -> Result<Box<dyn Architecture>>),
    Loss(fn(&str) -> Result<Box<dyn Loss>>),
    Hook(MakeHook),
    Data(fn() -> String),
    /// the host's own code answers to the name; nothing of it crosses
    Host,
}

/// Settings and what the component is made for, both JSON.
#[doc(hidden)]
pub type MakeHook = fn(&str, &str) -> Result<Box<dyn Hook>>;

#[doc(hidden)]
pub struct Registration {
    pub kind: &'static str,
    pub name: &'static str,
    pub description: &'static str,
    pub make: Make,
    pub record: &'static [u8],
}
inventory::collect!(Registration);

fn settings<T: serde::de::DeserializeOwned>(json: &str, what: &str) -> Result<T> {
    serde_json::from_str(if json.is_empty() { "{}" } else { json })
        .map_err(|e| Error::with_place(ErrorKind::Component, format!("settings of {what} cannot be read: {e}"), String::new()))
}

#[doc(hidden)]
pub fn make_architecture<T: Architecture + serde::de::DeserializeOwned>(json: &str) -> Result<Box<dyn Architecture>> {
    Ok(Box::new(settings::<T>(json, std::any::type_name::<T>())?))
}

#[doc(hidden)]
pub fn make_loss<T: Loss + serde::de::DeserializeOwned>(json: &str) -> Result<Box<dyn Loss>> {
    Ok(Box::new(settings::<T>(json, std::any::type_name::<T>())?))
}

#[doc(hidden)]
pub fn make_planner<T: Planner + serde::de::DeserializeOwned>(json: &str, context: &str) -> Result<Box<dyn Hook>> {
    let planner = settings::<T>(json, std::any::type_name::<T>())?;
    Ok(Box::new(PlannerHook::new(planner, settings(context, "the dataset to plan for")?)))
}

#[doc(hidden)]
pub fn make_preprocessor<T: Preprocessor + serde::de::DeserializeOwned>(json: &str, context: &str) -> Result<Box<dyn Hook>> {
    let preprocessor = settings::<T>(json, std::any::type_name::<T>())?;
    Ok(Box::new(PreprocessorHook::new(preprocessor, settings(context, "the plan to preprocess by")?)))
}

#[doc(hidden)]
pub fn make_normalization<T: Normalization + serde::de::DeserializeOwned>(json: &str, _: &str) -> Result<Box<dyn Hook>> {
    Ok(Box::new(NormalizationHook(settings::<T>(json, std::any::type_name::<T>())?)))
}

#[doc(hidden)]
pub fn make_augmentation<T: Augmentation + serde::de::DeserializeOwned>(json: &str, _: &str) -> Result<Box<dyn Hook>> {
    Ok(Box::new(AugmentationHook(settings::<T>(json, std::any::type_name::<T>())?)))
}

#[doc(hidden)]
pub fn make_lr_schedule<T: Schedule + serde::de::DeserializeOwned>(json: &str, _: &str) -> Result<Box<dyn Hook>> {
    Ok(Box::new(ScheduleHook(settings::<T>(json, std::any::type_name::<T>())?)))
}

fn find(kind: &str, name: &str) -> Result<&'static Registration> {
    inventory::iter::<Registration>
        .into_iter()
        .find(|r| r.kind == kind && r.name == name)
        .ok_or_else(|| Error::with_place(ErrorKind::Component, format!("no {kind} is called {name} here"), String::new()))
}

struct ArchitectureShim(Box<dyn Architecture>);

impl AbiArchitecture for ArchitectureShim {
    fn build(&self, host: HostRef, spec: RStr<'_>) -> AbiResult<NetworkBox> {
        guard(|| {
            let _scope = Scope::enter(host);
            let spec: NetworkSpec = NetworkSpec::from_json(spec.as_str())?;
            let network = self.0.build(&spec, &Params::root())?;
            Ok(AbiNetwork_TO::from_value(NetworkShim(network), TD_Opaque))
        })
    }

    fn planning_size(&self, spec: RStr<'_>) -> AbiResult<ROption<u64>> {
        guard(|| Ok(self.0.planning_size(&NetworkSpec::from_json(spec.as_str())?)?.into()))
    }

    fn planning_choices(&self, spec: RStr<'_>) -> AbiResult<RString> {
        guard(|| Ok(serde_json::to_string(&self.0.planning_choices(&NetworkSpec::from_json(spec.as_str())?)?)?.into()))
    }
}

struct NetworkShim(Box<dyn Network>);

impl AbiNetwork for NetworkShim {
    fn forward(&self, host: HostRef, x: u64) -> AbiResult<RVec<u64>> {
        guard(|| {
            let _scope = Scope::enter(host);
            let x = Tensor::borrowed(x);
            Ok(self.0.forward(&x)?.into_iter().map(Tensor::into_id).collect())
        })
    }
}

struct LossShim {
    loss: Box<dyn Loss>,
    task: Arc<Task>,
}

impl AbiLoss for LossShim {
    fn prepare(&self, labels: AbiLabels<'_>) -> AbiResult<RVec<AbiPrepared>> {
        guard(|| {
            let shape: Vec<usize> = labels.shape.iter().map(|&n| n as usize).collect();
            let labels = Labels::new(shape, labels.data.as_slice(), &self.task);
            Ok(self.loss.prepare(&labels)?.into_iter().map(prepared_to_abi).collect())
        })
    }

    fn heads(&self, host: HostRef, heads: RSlice<'_, AbiHead<'_>>) -> AbiResult<u64> {
        guard(|| {
            let _scope = Scope::enter(host);
            let heads: Vec<Head> = heads
                .iter()
                .map(|h| Head {
                    logits: Tensor::borrowed(h.logits),
                    weight: h.weight,
                    target: Target::new(h.labels, h.regions, h.valid, h.prepared.iter().map(batch_array).collect(), self.task.clone()),
                })
                .collect();
            Ok(self.loss.heads(&heads)?.into_id())
        })
    }
}

fn prepared_to_abi(p: Prepared) -> AbiPrepared {
    let (name, shape, floats, ints) = p.into_parts();
    AbiPrepared { name: name.into(), shape: shape.into_iter().map(|n| n as u64).collect(), floats: floats.into(), ints: ints.into() }
}

fn batch_array(a: &AbiBatchArray<'_>) -> Prepared {
    let shape = a.shape.iter().map(|&n| n as usize).collect();
    Prepared::from_parts(a.name.as_str().to_string(), shape, a.floats.to_vec(), a.ints.to_vec())
}

extern "C" fn components() -> RVec<AbiComponent> {
    let list = guard(|| {
        let mut all: Vec<AbiComponent> = inventory::iter::<Registration>
            .into_iter()
            .map(|r| {
                std::hint::black_box(r.record); // keeps the record in the file
                let data = match r.make {
                    Make::Data(f) => f(),
                    _ => String::new(),
                };
                AbiComponent { kind: RString::from(r.kind), name: r.name.into(), description: r.description.into(), data: data.into() }
            })
            .collect();
        all.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
        Ok(RVec::from(all))
    });
    match list {
        RResult::ROk(list) => list,
        RResult::RErr(_) => RVec::new(),
    }
}

extern "C" fn create_architecture(name: RStr<'_>, json: RStr<'_>) -> AbiResult<ArchitectureBox> {
    guard(|| match find("architecture", name.as_str())?.make {
        Make::Architecture(make) => Ok(AbiArchitecture_TO::from_value(ArchitectureShim(make(json.as_str())?), TD_Opaque)),
        _ => Err(Error::new("registered with a maker of another kind")),
    })
}

extern "C" fn create_loss(name: RStr<'_>, json: RStr<'_>, task: RStr<'_>) -> AbiResult<LossBox> {
    guard(|| match find("loss", name.as_str())?.make {
        Make::Loss(make) => {
            let task = Arc::new(settings::<Task>(task.as_str(), "the task")?);
            Ok(AbiLoss_TO::from_value(LossShim { loss: make(json.as_str())?, task }, TD_Opaque))
        }
        _ => Err(Error::new("registered with a maker of another kind")),
    })
}

extern "C" fn create_hook(kind: RStr<'_>, name: RStr<'_>, json: RStr<'_>, context: RStr<'_>) -> AbiResult<HookBox> {
    guard(|| match find(kind.as_str(), name.as_str())?.make {
        Make::Hook(make) => Ok(hook::boxed(make(json.as_str(), context.as_str())?)),
        Make::Host => Err(Error::with_place(ErrorKind::Unsupported, "is the host's own and not called over the wall".into(), String::new())),
        _ => Err(Error::new("registered with a maker of another kind")),
    })
}

#[doc(hidden)]
pub fn root() -> PluginRootRef {
    PluginRoot { components, create_architecture, create_loss, create_hook }.leak_into_prefix()
}

/// The header that [`crate::plugin!`] exports; written by hand because abi_stable's attribute would make every plugin depend on abi_stable.
#[doc(hidden)]
pub const fn header(start: extern "C" fn() -> abi_stable::library::RootModuleResult) -> abi_stable::library::LibHeader {
    // SAFETY: `start` builds a `PluginRootRef`, the type whose layout is recorded.
    unsafe { abi_stable::library::LibHeader::from_constructor::<PluginRootRef>(start, abi_stable::library::CheckTypeLayout::Yes) }
}
