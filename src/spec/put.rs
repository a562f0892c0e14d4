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
                            filler.steps(value);
                        } else {
                            filler.node(value);
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::{File, load};
    use super::*;
    use crate::diagnostic::Source;
    use crate::spec::{ExecutorKind, StepNode, Workers};

    const PARAMS: &str = "params: {log: a.log, n: 4, r: 2.0, on: true, t: {type: duration, default: 5s}, later: {type: int}, p: {type: path, default: d}}\n";

    fn given() -> Given {
        let environment = [("HOME", "/home/ann"), ("EMPTY", "")];
        Given {
            environment: environment
                .iter()
                .map(|(k, v)| ((*k).to_string(), (*v).to_string()))
                .collect(),
            here: PathBuf::from("/here"),
            ..Given::default()
        }
    }

    fn file(text: &str, given: &Given) -> (File, Vec<Diagnostic>, String) {
        let source = Source {
            name: "x.yaml".into(),
            text: text.into(),
        };
        let mut found = Diagnostics::default();
        let file = load(&source, given, &mut found).expect("a file");
        (file, found.sorted(), source.text)
    }

    /// The first step of a stage with this step, and the whole text.
    fn step(step: &str, given: &Given) -> (StepNode, Vec<Diagnostic>, String) {
        let (mut file, said, text) = file(
            &format!("{PARAMS}stages:\n  a:\n    do:\n      - {step}\n"),
            given,
        );
        (file.stages.remove(0).steps.remove(0), said, text)
    }

    #[test]
    fn what_is_put_into_a_template_is_literal_and_elsewhere_as_it_is() {
        let mut given = given();
        given.set.push(("log".into(), "{x}.log".into()));
        let (step, said, _) = step("read: 'in/${log} {item} $${log}'", &given);
        assert_eq!(said, []);
        let text = |t: Option<Text>| t.map(|t| t.text);
        assert_eq!(
            text(step.node.template()).as_deref(),
            Some("in/{{x}}.log {item} ${{log}}")
        );
        assert_eq!(step.node.as_str(), Some("in/{x}.log {item} ${log}"));
        assert_eq!(
            text(step.node.raw()).as_deref(),
            Some("in/${log} {item} $${log}")
        );
    }

    #[test]
    fn a_scalar_that_is_only_a_parameter_keeps_its_type() {
        for (written, scalar) in [
            ("${n}", Scalar::Int(4)),
            ("'${n}'", Scalar::Int(4)),
            ("${r}", Scalar::Double(2.0)),
            ("${on}", Scalar::Bool(true)),
            (
                "${t}",
                Scalar::String {
                    text: "5s".into(),
                    plain: false,
                },
            ),
            ("${n} ", Scalar::Int(4)),
            (
                "x${n}",
                Scalar::String {
                    text: "x4".into(),
                    plain: false,
                },
            ),
            (
                "${r}0",
                Scalar::String {
                    text: "2.00".into(),
                    plain: false,
                },
            ),
            (
                "${env.HOME}",
                Scalar::String {
                    text: "/home/ann".into(),
                    plain: false,
                },
            ),
            (
                "${env.NOT:-n}",
                Scalar::String {
                    text: "n".into(),
                    plain: false,
                },
            ),
            (
                "${env.EMPTY:-n}",
                Scalar::String {
                    text: "n".into(),
                    plain: false,
                },
            ),
            (
                "'${env.EMPTY}'",
                Scalar::String {
                    text: String::new(),
                    plain: false,
                },
            ),
        ] {
            let (step, said, _) = step(&format!("read: {written}"), &given());
            assert_eq!(said, [], "{written}");
            assert_eq!(step.node.value, Value::Scalar(scalar), "{written}");
        }
    }

    #[test]
    fn bytes_behind_what_was_put_in_keep_their_places() {
        let (step, _, text) = step("print: \"\\t${log} {item} ${n}\"", &given());
        let template = step.node.template().expect("a template");
        assert_eq!(template.text, "\ta.log {item} 4");
        let at = |range| {
            let at = template.place(range);
            &text[at.start as usize..at.end as usize]
        };
        assert_eq!(at(7..13), "{item}");
        assert_eq!(at(1..3), "${log}");
        assert_eq!(at(14..15), "${n}");
        assert_eq!(at(8..15), "item} ${n}");
    }

    #[test]
    fn a_shells_text_keys_and_x_keys_are_left_alone() {
        let text = "x-note: ${nobody}\nstages:\n  '${nobody}':\n    do:\n      - shell: echo ${HOME}\n      - shell: {run: 'echo ${HOME}', cwd: '${nobody}'}\n";
        let (file, said, text) = file(text, &given());
        let unknown: Vec<&str> = said
            .iter()
            .filter(|d| d.code == "E0201")
            .map(|d| &text[d.at.start as usize..d.at.end as usize])
            .collect();
        assert_eq!(unknown, ["${nobody}"]);
        assert_eq!(file.stages[0].name.text, "${nobody}");
        assert_eq!(file.stages[0].steps[0].node.as_str(), Some("echo ${HOME}"));
    }

    #[test]
    fn a_parameter_without_a_value_is_any_of_its_type_until_it_must_have_one() {
        let text = format!("{PARAMS}stages:\n  a:\n    threads: ${{later}}\n    do: [read: x]\n");
        let (open, said, _) = file(&text, &given());
        assert_eq!(said, []);
        let executor = open.stages[0].executor.as_ref().expect("an executor");
        assert_eq!(executor.kind, ExecutorKind::Threads);
        assert!(matches!(
            executor.workers.map(|w| w.value),
            Some(Workers::Count(1))
        ));
        let (_, said, _) = file(
            &text,
            &Given {
                complete: true,
                ..given()
            },
        );
        assert_eq!(said.iter().map(|d| d.code).collect::<Vec<_>>(), ["E0204"]);
    }

    #[test]
    fn set_goes_before_the_environment_and_the_environment_before_the_default() {
        let mut given = given();
        let n = |given: &Given| {
            let (file, said, _) = file(&format!("{PARAMS}stages: {{a: {{do: [read: x]}}}}"), given);
            assert_eq!(said, []);
            file.params.get("n").map(|p| p.text.clone())
        };
        assert_eq!(n(&given).as_deref(), Some("4"));
        given
            .environment
            .insert("MILLSTREAM_PARAM_N".into(), "5".into());
        assert_eq!(n(&given).as_deref(), Some("5"));
        given
            .set
            .extend([("n".into(), "6".into()), ("n".into(), "7".into())]);
        assert_eq!(n(&given).as_deref(), Some("7"));
    }

    #[test]
    fn a_path_from_outside_is_relative_to_where_the_command_was_typed() {
        let path = |value: Option<&str>| {
            let mut given = given();
            given
                .set
                .extend(value.map(|v| ("p".to_string(), v.to_string())));
            let (file, _, _) = file(&format!("{PARAMS}stages: {{a: {{do: [read: x]}}}}"), &given);
            file.params.get("p").expect("the parameter").text.clone()
        };
        assert_eq!(path(None), "d");
        assert_eq!(path(Some("x/y")), "/here/x/y");
        assert_eq!(path(Some("/x")), "/x");
        assert_eq!(path(Some("-")), "-");
    }
}
