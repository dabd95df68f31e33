//! Which cases train and which validate.

use crate::error::{Error, Result};
use std::{fmt, str::FromStr};

/// A fold of the cross-validation, or all cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// One of the splits.
    Number(usize),
    /// Every case trains and validates: nnU-Net's `fold_all`.
    All,
}

impl Fold {
    /// The name in the results: a number or `all`.
    pub fn name(&self) -> String {
        match self {
            Fold::Number(n) => n.to_string(),
            Fold::All => "all".into(),
        }
    }

    /// What `train` takes for it: `all` alone would mean five folds.
    pub fn argument(&self) -> String {
        match self {
            Fold::Number(n) => n.to_string(),
            Fold::All => self.folder(),
        }
    }

    /// The folder in the results.
    pub fn folder(&self) -> String {
        format!("fold_{}", self.name())
    }
}

impl fmt::Display for Fold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl FromStr for Fold {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "all" | "fold_all" => Ok(Fold::All),
            number => number.parse().map(Fold::Number).map_err(|_| Error::invalid(format!("fold {text} is neither a number nor `all`"))),
        }
    }
}
