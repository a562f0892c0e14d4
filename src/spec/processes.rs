//! The long form of `processes`.

use super::file::{Placed, Processes, Workers};
use super::node::{Node, Scalar, Value};
use super::{forms, keys};
use crate::diagnostic::Diagnostics;

/// More processes in one stage than this are a slip of the finger.
const MOST: u64 = 1024;

/// Reads `processes: {count: 4, ...}`: how many, where that is written, and the rest.
pub(super) fn read(
    node: &Node,
    diagnostics: &mut Diagnostics,
) -> (Option<Placed<Workers>>, Processes) {
    let (mut workers, mut rest) = (None, Processes::default());
    for (key, value) in forms::keys(node, "`processes`", keys::PROCESSES, diagnostics) {
        let what = format!("`{}`", key.text);
        match key.text.as_str() {
            "count" => workers = count(value, &what, diagnostics),
            "start" => {
                let how = forms::choice(value, &what, &["fork", "spawn"], diagnostics);
                rest.spawn = how == Some("spawn");
            }
            "max_items" => rest.max_items = forms::count(value, &what, 1, diagnostics),
            "memory" => rest.memory = forms::size(value, &what, diagnostics),
            "env" => {
                for (name, value) in forms::named(value, "env", diagnostics) {
                    let text = value.and_then(Node::plain);
                    match text {
                        Some(text) => rest.env.push((name.text, text.text)),
                        None => {
                            let what = format!("`{}` in `env`", name.text);
                            let node = value.unwrap_or(node);
                            diagnostics.push(forms::wrong(node, &what, "a text"));
                        }
                    }
                }
            }
            "cwd" => rest.cwd = forms::text(value, &what, diagnostics).map(str::to_owned),
            "tasks" => rest.tasks = forms::count(value, &what, 1, diagnostics),
            _ => {}
        }
    }
    (workers, rest)
}

fn count(node: &Node, what: &str, diagnostics: &mut Diagnostics) -> Option<Placed<Workers>> {
    let value = match &node.value {
        Value::Scalar(Scalar::String { text, .. }) if text == "auto" => Workers::Auto,
        _ => {
            let n = forms::count(node, what, 1, diagnostics)?;
            if n > MOST {
                let wanted = format!("a whole number from 1 to {MOST}, or `auto`");
                diagnostics.push(forms::wrong(node, what, &wanted));
                return None;
            }
            Workers::Count(u32::try_from(n).unwrap_or(u32::MAX))
        }
    };
    Some(Placed { value, at: node.at })
}
