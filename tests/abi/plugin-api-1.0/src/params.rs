//! Parameters: named by where they are made, so that the state dict reads like the code.

use crate::{Result, Tensor, abi::scope};
use serde::{Deserialize, Serialize};
use std::fmt::Display;

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Init {
    /// One value everywhere.
    Constant {
        /// the value
        value: f64,
    },
    /// Normal with deviation `sqrt(2 / ((1 + slope^2) fan_in))` (He et al. 2015); fan_in is `shape[1] * kernel`, as PyTorch counts it.
    KaimingNormal {
        /// negative slope of the activation that follows
        slope: f64,
    },
    /// Uniform in `±bound`.
    Uniform {
        /// largest magnitude
        bound: f64,
    },
    /// Normal with mean 0.
    Normal {
        /// standard deviation
        deviation: f64,
    },
    /// Normal with mean 0, cut at two deviations.
    TruncatedNormal {
        /// standard deviation
        deviation: f64,
    },
}

impl Init {
    /// All zeros.
    pub const ZEROS: Init = Init::Constant { value: 0.0 };
    /// All ones.
    pub const ONES: Init = Init::Constant { value: 1.0 };
    /// What nnU-Net gives every convolution.
    pub const HE: Init = Init::KaimingNormal { slope: 1e-2 };
}

/// A place in the tree of parameter names, canonical name first.
#[derive(Clone, Debug)]
pub struct Params {
    names: Vec<String>,
}

fn below(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_string() } else { format!("{prefix}.{name}") }
}

impl Params {
    pub(crate) fn root() -> Self {
        Params { names: vec![String::new()] }
    }

    /// The place `name` below this one: `p.at("encoder.stages").at(0)` names `encoder.stages.0`.
    pub fn at(&self, name: impl Display) -> Params {
        self.at_each(&[&name.to_string()])
    }

    /// One place with several names, as PyTorch's state dict has it where a module is held twice;
    /// the first is the canonical one.
    pub fn at_each(&self, names: &[&str]) -> Params {
        Params { names: names.iter().flat_map(|n| self.names.iter().map(move |p| below(p, n))).collect() }
    }

    /// A trainable tensor. The host owns it, initialises it and keeps it in checkpoints under its full name.
    #[track_caller]
    pub fn param(&self, name: &str, shape: &[usize], init: Init) -> Result<Param> {
        self.make(name, shape, init, true)
    }

    /// A tensor that is kept but not trained (running statistics).
    #[track_caller]
    pub fn buffer(&self, name: &str, shape: &[usize], init: Init) -> Result<Param> {
        self.make(name, shape, init, false)
    }

    #[track_caller]
    fn make(&self, name: &str, shape: &[usize], init: Init, trainable: bool) -> Result<Param> {
        let all: Vec<String> = self.names.iter().map(|p| below(p, name)).collect();
        let request = ParamRequest { init, aliases: all[1..].to_vec() };
        scope::parameter(&all[0], shape, &serde_json::to_string(&request)?, trainable).map(Param)
    }
}

/// What goes with a parameter's name and shape over the wall.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParamRequest {
    /// How it starts.
    pub init: Init,
    /// Further names under which a state dict lists it.
    #[serde(default)]
    pub aliases: Vec<String>,
}

/// A parameter as a layer keeps it: it lives as long as its network and may be used from any call.
#[derive(Clone, Copy, Debug)]
pub struct Param(u64);

impl Param {
    /// The tensor for use in this call.
    pub fn tensor(&self) -> Tensor {
        Tensor::borrowed(self.0)
    }
}
