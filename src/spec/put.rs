//! `${name}` and `${env.NAME}` in the file's scalars: found after YAML has been read, so that a value cannot
//! change the file's structure; never in keys.
//!
//! Each scalar keeps its raw text beside the one with the values put in, because what reads it decides: in a
//! template the value is literal, in an expression `${}` is a mistake, in a shell's text it is the shell's own.
//! The text of `shell` steps is left alone here, so that `${HOME}` in it is no unknown parameter.

use std::sync::Arc;

use super::node::{Node, Scalar, Value};
use super::params::{Given, Params};
use super::text::{Origin, Put, Text};
use crate::diagnostic::{Diagnostic, Diagnostics, nearest};

/// Puts the environment's values into the declarations of parameters; other parameters may not stand there.
pub(super) fn environment(node: &mut Node, given: &Given, diagnostics: &mut Diagnostics) {
    Filler {
        params: None,
        given,
        diagnostics,
    }
    .node(node);
}

/// Puts values into a whole file, except `params:`, which is done.
pub(super) fn file(root: &mut Node, params: &Params, given: &Given, diagnostics: &mut Diagnostics) {
    let mut filler = Filler {
        params: Some(params),
        given,
        diagnostics,
    };
    let Value::Map(entries) = &mut root.value else {
        return;
    };
    for (key, value) in entries {
        match key.text.as_str() {
            "params" => {}
            "stages" => {
                for stage in values(value) {
                    let Value::Map(entries) = &mut stage.value else {
                        continue;
                    };
                    for (key, value) in entries {
                        if key.text == "do" {
                            filler.steps(value)
                        } else {
                            filler.node(value)
                        }
                    }
                }
            }
            name if name.starts_with("x-") => {}
            _ => filler.node(value),
        }
    }
}

fn values(node: &mut Node) -> impl Iterator<Item = &mut Node> {
    match &mut node.value {
        Value::Map(entries) => entries.as_mut_slice(),
        _ => &mut [],
    }
    .iter_mut()
    .map(|(_, value)| value)
}

struct Filler<'a> {
    /// `None`: where parameters may not stand.
    params: Option<&'a Params>,
    given: &'a Given,
    diagnostics: &'a mut Diagnostics,
}

impl Filler<'_> {
    fn steps(&mut self, node: &mut Node) {
        let Value::List(steps) = &mut node.value else {
            return self.node(node);
        };
        for step in steps {
            let Value::Map(entries) = &mut step.value else {
                self.node(step);
                continue;
            };
            for (key, value) in entries {
                match key.text.as_str() {
                    "do" => self.steps(value),
                    "shell" => self.shell(value),
                    _ => self.node(value),
                }
            }
        }
    }

    fn shell(&mut self, node: &mut Node) {
        let Value::Map(entries) = &mut node.value else {
            return;
        };
        for (key, value) in entries {
            if key.text != "run" {
                self.node(value);
            }
        }
    }

    fn node(&mut self, node: &mut Node) {
        match &mut node.value {
            Value::Scalar(Scalar::String { text, .. }) if text.contains("${") => self.scalar(node),
            Value::Scalar(_) => {}
            Value::List(list) => list.iter_mut().for_each(|n| self.node(n)),
            Value::Map(map) => map.iter_mut().for_each(|(_, n)| self.node(n)),
        }
    }

    fn scalar(&mut self, node: &mut Node) {
        // A scalar that an alias repeats may have been filled already; its raw text says so again.
        let Some(text) = node.raw() else { return };
        let mut origin = match &node.origin {
            Some(origin) => Origin {
                puts: Vec::new(),
                stand_in: false,
                broken: false,
                ..Origin::clone(origin)
            },
            None => Origin {
                raw: text.text.clone(),
                runs: text.runs(),
                ..Origin::default()
            },
        };
        let mut only = None;
        for found in find(&text.text) {
            let whole = found.range == (0..text.text.len());
            let Some((put, scalar, stand_in)) = self.value(&found, &text) else {
                origin.broken = true;
                continue;
            };
            if whole {
                only = scalar;
            }
            origin.puts.push(Put {
                range: found.range.clone(),
                name: put.0,
                text: put.1,
            });
            origin.stand_in |= stand_in;
        }
        node.value = Value::Scalar(only.unwrap_or_else(|| Scalar::String {
            text: origin.text(node.at, |put| Some(put.to_string())).text,
            plain: false,
        }));
        node.origin = Some(Arc::new(origin));
    }

    /// The name and the text of what is to be put in, the scalar it is if it stands alone, and whether it only
    /// stands in for a value that is not known yet.
    fn value(
        &mut self,
        found: &Found<'_>,
        text: &Text,
    ) -> Option<((String, String), Option<Scalar>, bool)> {
        let at = text.place(found.range.clone());
        let mut say = |code, message: String, help: String| {
            let d = Diagnostic::new(code, at, message);
            self.diagnostics
                .push(if help.is_empty() { d } else { d.help(help) });
        };
        let name = match &found.what {
            What::Literal(literal) => {
                return Some(((String::new(), (*literal).to_string()), None, false));
            }
            What::Unclosed => {
                let help = "for a literal `${` write `$${`";
                say("E0105", "this `${` has no `}`".into(), help.into());
                return None;
            }
            What::Name(name) => name.trim(),
        };
        if let Some(rest) = name.strip_prefix("env.") {
            let (variable, fallback) = match rest.split_once(":-") {
                Some((variable, fallback)) => (variable, Some(fallback)),
                None => (rest, None),
            };
            // As in the shell, `:-` also speaks where the variable is empty.
            let set = self
                .given
                .environment
                .get(variable)
                .filter(|v| fallback.is_none() || !v.is_empty());
            let (text, stand_in) = match (set, fallback) {
                (Some(value), _) => (value.clone(), false),
                (None, Some(fallback)) => (fallback.to_string(), false),
                (None, None) if !self.given.complete => ("any".into(), true),
                (None, None) => {
                    let help = format!(
                        "set it, or write `${{env.{variable}:-text}}` with what to take instead"
                    );
                    say(
                        "E0204",
                        format!("the environment has no `{variable}`"),
                        help,
                    );
                    return None;
                }
            };
            return Some(((format!("env.{variable}"), text), None, stand_in));
        }
        let Some(params) = self.params else {
            let help = "only `${env.NAME}` can stand there";
            say(
                "E0201",
                format!("a parameter cannot use another one (`{name}`)"),
                help.into(),
            );
            return None;
        };
        let Some(param) = params.get(name) else {
            let names = params.list.iter().map(|p| p.name.text.as_str());
            let bare = name
                .strip_prefix("params.")
                .unwrap_or(name)
                .split(":-")
                .next()
                .unwrap_or(name);
            let help = if name.starts_with('{') {
                "`${{ ... }}` is of another language; here it is `${name}`, and `{expression}` in a template".into()
            } else if params.get(bare).is_some() && name.contains(":-") {
                format!("write `${{{bare}}}`: what to take instead is the parameter's default")
            } else if params.get(bare).is_some() {
                format!("write `${{{bare}}}`")
            } else if let Some(near) = nearest(bare, names) {
                format!("did you mean `${{{near}}}`?")
            } else if self.given.environment.contains_key(name) {
                format!("the environment's is `${{env.{name}}}`")
            } else {
                "declare it in `params`; for a literal `${` write `$${`".into()
            };
            say("E0201", format!("there is no parameter `{name}`"), help);
            return None;
        };
        let scalar = param.scalar();
        let text = if param.value.is_some() {
            param.text.clone()
        } else {
            scalar.to_string()
        };
        Some((
            (name.to_string(), text),
            Some(scalar),
            param.value.is_none(),
        ))
    }
}

struct Found<'t> {
    range: std::ops::Range<usize>,
    what: What<'t>,
}

enum What<'t> {
    Name(&'t str),
    /// `$${...}`: this, as it is.
    Literal(&'t str),
    Unclosed,
}

/// Every `${...}` and `$${...}` of a text.
fn find(text: &str) -> Vec<Found<'_>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(i) = text[from..].find("${") {
        let dollar = from + i;
        let inner = dollar + 2;
        let close = text[inner..].find('}').map(|i| inner + i);
        let escaped = text[from..dollar].ends_with('$');
        let (range, what) = match (escaped, close) {
            // The braces of a literal belong together, lest a template takes the second one for its own.
            (true, close) => {
                let end = close.map_or(inner, |c| c + 1);
                (dollar - 1..end, What::Literal(&text[dollar..end]))
            }
            (false, Some(close)) if text[inner..].starts_with('{') => {
                let end = if text[close + 1..].starts_with('}') {
                    close + 2
                } else {
                    close + 1
                };
                (dollar..end, What::Name(&text[inner..end - 1]))
            }
            (false, Some(close)) => (dollar..close + 1, What::Name(&text[inner..close])),
            (false, None) => (dollar..inner, What::Unclosed),
        };
        from = range.end;
        found.push(Found { range, what });
    }
    found
}
