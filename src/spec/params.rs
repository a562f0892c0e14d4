//! Parameters: what a file declares, what is given, and what is put in for `${}`.

use super::Key;
use crate::value::{Cell, Name, Type};

/// The declared parameters, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Params {
    pub list: Vec<Param>,
}

/// One parameter and its value.
#[derive(Clone, Debug)]
pub struct Param {
    pub name: Key,
    pub kind: ParamType,
    /// Detached. `None`: it has no default and none was given (`validate`, `graph`).
    pub value: Option<Cell>,
    pub secret: bool,
    pub help: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamType {
    String,
    Int,
    Double,
    Bool,
    Duration,
    Path,
}

impl ParamType {
    /// The type of `params.NAME` in expressions.
    pub fn ty(self) -> Type {
        match self {
            ParamType::String | ParamType::Path => Type::String,
            ParamType::Int => Type::Int,
            ParamType::Double => Type::Double,
            ParamType::Bool => Type::Bool,
            ParamType::Duration => Type::Duration,
        }
    }
}

impl Params {
    /// For `expr::Env::params`.
    pub fn types(&self) -> Vec<(Name, Type)> {
        self.list
            .iter()
            .map(|p| (Name::from(p.name.text.as_str()), p.kind.ty()))
            .collect()
    }

    /// For `expr::Scope::params`; null where there is no value.
    pub fn values(&self) -> Vec<Cell> {
        self.list
            .iter()
            .map(|p| p.value.clone().unwrap_or_default())
            .collect()
    }
}
