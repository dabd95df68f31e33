//! Trainer configs by name, with what they extend.

use crate::{
    Error, Kind, Provenance, Registry, Result,
    registry::{Holder, Plugin},
};
use plugin_api::TrainerConfig;
use serde_json::{Map, Value};

/// nnU-Net's default training: the empty config. The folder of its results is called so.
pub const DEFAULT_TRAINER: &str = "nnUNetTrainer";

/// The empty config has two names. The host always has them.
pub(crate) const DEFAULT_NAMES: [(&str, &str); 2] =
    [(DEFAULT_TRAINER, "nnU-Net's default training"), ("base", "nnU-Net's default training, by another name of nnUNetTrainer")];

/// One config on the way from the one that was asked for to the one that extends nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The config.
    pub name: String,
    /// Whose it is.
    pub from: Provenance,
}

/// A config with everything that it extends.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedConfig {
    /// TRAINER in the name of the results folder.
    pub name: String,
    /// What differs from nnU-Net's default; its `extends` is `None`.
    pub config: TrainerConfig,
    /// The configs that it came from, itself first.
    pub steps: Vec<Step>,
}

impl Registry {
    /// The config of this name, over the one that it extends, over the one that that extends.
    ///
    /// # Errors
    /// No config or several have the name, its fields are not a trainer config's, or `extends` names none or leads in a circle.
    pub fn config(&self, name: &str) -> Result<ResolvedConfig> {
        let (mut config, mut steps) = (TrainerConfig::default(), Vec::<Step>::new());
        let mut next = Some(name.to_string());
        while let Some(wanted) = next {
            if let Some(start) = steps.iter().position(|s| s.name == wanted) {
                let chain = steps[start..].iter().map(|s| s.name.clone()).chain([wanted]).collect();
                return Err(Error::Circle { chain });
            }
            let (found, from) = self.one_config(&wanted).map_err(|e| match steps.last() {
                Some(child) => Error::Parent { name: child.name.clone(), parent: wanted.clone(), source: Box::new(e) },
                None => e,
            })?;
            next = found.extends.clone();
            config = config.over(found);
            steps.push(Step { name: wanted, from });
        }
        (config.name, config.extends) = (None, None);
        let name = if name == "base" { DEFAULT_TRAINER } else { name };
        Ok(ResolvedConfig { name: name.to_string(), config, steps })
    }

    fn one_config(&self, name: &str) -> Result<(TrainerConfig, Provenance)> {
        let holder = self.find(Kind::Config, name)?;
        let from = holder.provenance();
        let data = match holder {
            Holder::Plugin(Plugin { config: Some(config), .. }) => return Ok((config.clone(), from)),
            Holder::Host(component) => component.data.clone(),
            Holder::Plugin(plugin) => {
                let components = self.load(plugin)?.components();
                let found = components.into_iter().find(|c| c.kind == Kind::Config.name() && c.name == name);
                found.map(|c| c.data).ok_or_else(|| plugin.cannot_load(format!("its records name the config `{name}`, and it has none")))?
            }
        };
        let config = read(&data).map_err(|source| Error::Config { name: name.to_string(), who: from.who(), source })?;
        Ok((config, from))
    }
}

/// A number that is not finite is written as null, which would be read as a field that is not there.
fn read(data: &str) -> serde_json::Result<TrainerConfig> {
    let fields: Map<String, Value> = serde_json::from_str(data)?;
    match fields.iter().find(|(_, value)| value.is_null()) {
        Some((key, _)) => Err(serde::de::Error::custom(format!(
            "`{key}` is null, as a number that is not finite is written; give it a finite one, or leave it out for the default"
        ))),
        None => serde_json::from_value(fields.into()),
    }
}
