//! Parameters: what a file declares, what is given from outside, and the value of each.
//!
//! A value comes from `--set`, else from `MILLSTREAM_PARAM_NAME`, else from the default. All three are texts
//! read by the parameter's type, so that `--set n=4` and `default: 4` mean the same.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::forms;
use super::keys;
use super::node::{Key, Node, Scalar, Value};
use super::put;
use super::scalar;
use crate::diagnostic::{At, Diagnostic, Diagnostics, nearest};
use crate::value::{Cell, Name, Type, time};

/// What the command line and the surroundings give to a file.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// `--set NAME=VALUE`, in order; the last of a name counts.
    pub set: Vec<(String, String)>,
    /// The environment (what is not UTF-8 left out).
    pub environment: BTreeMap<String, String>,
    /// `-C DIR`, or the folder of the file: what relative paths in the file are relative to.
    pub folder: PathBuf,
    /// Where the command was typed: what a `path` given from outside is relative to.
    pub here: PathBuf,
    /// Must every parameter have a value (`run`, `test`), or may it be any of its type (`validate`, `graph`)?
    pub complete: bool,
}

impl Given {
    /// The surroundings of this process, for a file at this path (`-`: standard input).
    ///
    /// # Errors
    /// Where the current folder is gone.
    pub fn here(file: &Path, complete: bool) -> std::io::Result<Given> {
        let here = std::env::current_dir()?;
        let folder = match file.parent() {
            Some(parent) if file != Path::new("-") => here.join(parent),
            _ => here.clone(),
        };
        let text = |s: std::ffi::OsString| s.into_string().ok();
        let environment = std::env::vars_os()
            .filter_map(|(k, v)| Some((text(k)?, text(v)?)))
            .collect();
        Ok(Given {
            set: Vec::new(),
            environment,
            folder,
            here,
            complete,
        })
    }
}

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
    /// The value as `${}` puts it in.
    pub text: String,
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
    fn named(name: &str) -> Option<ParamType> {
        Some(match name {
            "string" => ParamType::String,
            "int" => ParamType::Int,
            "double" => ParamType::Double,
            "bool" => ParamType::Bool,
            "duration" => ParamType::Duration,
            "path" => ParamType::Path,
            _ => return None,
        })
    }

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

    /// The value that a text stands for; `Err`: what is wanted.
    fn parse(self, text: &str) -> Result<Cell, &'static str> {
        match self {
            ParamType::String | ParamType::Path => Ok(Cell::str(text)),
            ParamType::Int => match scalar::resolve(text) {
                Ok(Scalar::Int(n)) => Ok(Cell::Int(n)),
                _ => Err("a whole number of 64 bits"),
            },
            ParamType::Double => match scalar::resolve(text) {
                Ok(Scalar::Int(n)) => Ok(Cell::Double(n as f64)),
                Ok(Scalar::Double(d)) => Ok(Cell::Double(d)),
                _ => Err("a number"),
            },
            ParamType::Bool => match text {
                "true" => Ok(Cell::Bool(true)),
                "false" => Ok(Cell::Bool(false)),
                _ => Err("true or false"),
            },
            ParamType::Duration => match time::duration(text) {
                Some(d) if text.ends_with(|c: char| c.is_ascii_alphabetic()) => Ok(d),
                _ => Err("a duration, such as `250ms`, `10s`, `1h30m`"),
            },
        }
    }

    /// Some value of the type, for a parameter that has none yet.
    fn any(self) -> &'static str {
        match self {
            ParamType::String | ParamType::Path => "any",
            ParamType::Int | ParamType::Double => "1",
            ParamType::Bool => "true",
            ParamType::Duration => "1s",
        }
    }
}

impl Param {
    /// What a scalar that is only `${name}` becomes.
    pub(super) fn scalar(&self) -> Scalar {
        let text = if self.value.is_some() {
            self.text.as_str()
        } else {
            self.kind.any()
        };
        let string = || Scalar::String {
            text: text.to_string(),
            plain: false,
        };
        match self.kind {
            ParamType::Int | ParamType::Double | ParamType::Bool => {
                scalar::resolve(text).unwrap_or_else(|()| string())
            }
            ParamType::String | ParamType::Duration | ParamType::Path => string(),
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

    pub fn get(&self, name: &str) -> Option<&Param> {
        self.list.iter().find(|p| p.name.text == name)
    }

    /// The values that must not be shown.
    pub fn secrets(&self) -> Vec<String> {
        let secret = self
            .list
            .iter()
            .filter(|p| p.secret && p.value.is_some() && !p.text.is_empty());
        secret.map(|p| p.text.clone()).collect()
    }

    /// Reads `params:` and finds each one's value.
    pub(super) fn read(
        node: Option<&mut Node>,
        given: &Given,
        diagnostics: &mut Diagnostics,
    ) -> Params {
        let mut params = Params::default();
        let node = node.map(|node| {
            put::environment(node, given, diagnostics);
            &*node
        });
        for (name, node) in node
            .map(|n| forms::named(n, "params", diagnostics))
            .unwrap_or_default()
        {
            if let Some(param) = declared(name, node, given, diagnostics) {
                params.list.push(param);
            }
        }
        for (name, _) in &given.set {
            if params.get(name).is_none() {
                let names: Vec<&str> = params.list.iter().map(|p| p.name.text.as_str()).collect();
                let d = Diagnostic::new(
                    "E0201",
                    At::default(),
                    format!("--set names the parameter `{name}`, which the file does not have"),
                );
                diagnostics.push(
                    match (nearest(name, names.iter().copied()), names.is_empty()) {
                        (Some(near), _) => d.help(format!("did you mean `{near}`?")),
                        (None, false) => d.help(format!("its parameters are {}", names.join(", "))),
                        (None, true) => d.help("it has no parameters"),
                    },
                );
            }
        }
        params
    }
}

/// One entry of `params:`.
fn declared(
    name: Key,
    node: Option<&Node>,
    given: &Given,
    diagnostics: &mut Diagnostics,
) -> Option<Param> {
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    let identifier =
        name.text.starts_with(begins) && name.text.chars().all(|c| begins(c) || c.is_ascii_digit());
    if !identifier || name.text == "env" {
        let message = format!("`{}` cannot be a parameter's name", name.text);
        let help = "a name is made of letters, digits and `_`, does not begin with a digit, and is not `env`";
        diagnostics.push(Diagnostic::new("E0105", name.at, message).help(help));
        return None;
    }
    let mut default = node;
    let (mut kind, mut secret, mut help) = (None, false, None);
    if let Some(node) = node
        && node.as_map().is_some()
    {
        default = None;
        for (key, value) in forms::keys(node, "a parameter", keys::PARAM, diagnostics) {
            match key.text.as_str() {
                "type" => {
                    let words: Vec<&str> = keys::PARAM_TYPES.iter().map(|w| w.name).collect();
                    let word = forms::choice(value, "a parameter's `type`", &words, diagnostics);
                    kind = word.and_then(ParamType::named);
                }
                "default" => default = Some(value),
                "secret" => secret = forms::flag(value, "`secret`", diagnostics).unwrap_or(true),
                "help" => help = forms::text(value, "`help`", diagnostics).map(String::from),
                _ => {}
            }
        }
    }
    let default = default.filter(|d| !d.is_null());
    if kind.is_none() {
        diagnostics.extend(default.and_then(|d| meant_as_a_type(&name, d)));
    }
    let kind = kind.unwrap_or_else(|| match default.map(|d| &d.value) {
        Some(Value::Scalar(Scalar::Int(_))) => ParamType::Int,
        Some(Value::Scalar(Scalar::Double(_))) => ParamType::Double,
        Some(Value::Scalar(Scalar::Bool(_))) => ParamType::Bool,
        _ => ParamType::String,
    });
    let mut param = Param {
        name,
        kind,
        value: None,
        text: String::new(),
        secret,
        help,
    };
    // The default is read even where another value is given: the file must be right by itself.
    if let Some(node) = default {
        param.take_default(node, diagnostics);
    }
    let found = param.take_outside(given, diagnostics);
    if !found && default.is_none() && given.complete {
        let name = &param.name.text;
        let d = Diagnostic::new(
            "E0204",
            param.name.at,
            format!("the parameter `{name}` has no value"),
        );
        let variable = param.variable();
        diagnostics.push(
            d.help(format!(
                "give one: `--set {name}=...`, or {variable} in the environment"
            ))
            .help("or write a default into the file"),
        );
    }
    Some(param)
}

/// W0201 for `workers: int`.
fn meant_as_a_type(name: &Key, default: &Node) -> Option<Diagnostic> {
    let text = default.as_str()?;
    ParamType::named(text)?;
    let name = &name.text;
    let message =
        format!("the default of `{name}` is the text {text:?}, which is also the name of a type");
    let help = format!("if it is meant as the type, write `{name}: {{type: {text}}}`");
    Some(Diagnostic::new("W0201", default.at, message).help(help))
}

impl Param {
    /// The name of the variable that sets it.
    fn variable(&self) -> String {
        format!("MILLSTREAM_PARAM_{}", self.name.text.to_uppercase())
    }

    fn take_default(&mut self, node: &Node, diagnostics: &mut Diagnostics) {
        let wanted = match node.plain() {
            None => "a text, a number or a bool",
            Some(text) => match self.kind.parse(&text.text) {
                Ok(cell) => {
                    (self.value, self.text) = (Some(cell), text.text);
                    return;
                }
                Err(wanted) => wanted,
            },
        };
        diagnostics.push(forms::wrong(
            node,
            &format!("the default of `{}`", self.name.text),
            wanted,
        ));
    }

    /// The value of `--set`, else of the environment. Was there one, right or wrong?
    fn take_outside(&mut self, given: &Given, diagnostics: &mut Diagnostics) -> bool {
        let set = given.set.iter().rev().find(|(n, _)| *n == self.name.text);
        let variable = self.variable();
        let (from, text) = match (set, given.environment.get(&variable)) {
            (Some((name, text)), _) => (format!("--set {name}"), text),
            (None, Some(text)) => (variable, text),
            (None, None) => return false,
        };
        match self.kind.parse(text) {
            Ok(cell) => {
                let path = self.kind == ParamType::Path && !text.is_empty() && text != "-";
                let absolute = path
                    .then(|| given.here.join(text).to_str().map(String::from))
                    .flatten();
                self.value = Some(absolute.as_deref().map_or(cell, Cell::str));
                self.text = absolute.unwrap_or_else(|| text.clone());
            }
            Err(wanted) => {
                let shown = if self.secret {
                    "***".to_string()
                } else {
                    format!("{text:?}")
                };
                let message = format!(
                    "{from} gives {shown}, but `{}` must be {wanted}",
                    self.name.text
                );
                diagnostics.push(Diagnostic::new("E0105", self.name.at, message));
                self.value = None;
            }
        }
        true
    }
}
