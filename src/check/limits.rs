//! What a file says of a limit, understood.

use std::time::Duration;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::spec::{Guard, Key, Node, forms, keys as tables};
use crate::steps::{ExprText, Limit, Per};
use crate::sync::{Adaptive, Pace, Rate};

/// The shortest `adaptive.target` that means something.
const LEAST_TARGET: f64 = 0.01;

/// Reads a declaration; after a mistake, what was right of it.
pub(super) fn read(guard: &Guard, out: &mut Diagnostics) -> Limit {
    let name = format!("the limit `{}`", guard.name.text);
    let mut limit = Limit::default();
    let entries = forms::keys(&guard.node, &name, tables::LIMIT, out);
    for (key, node) in &entries {
        match &*key.text {
            "keys" => {
                for entry in node.one_or_more() {
                    limit.keys.extend(per_key(entry, out));
                }
            }
            "max_waiting" => {
                let n = forms::count(node, "`max_waiting`", 1, out);
                limit.max_waiting = n.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
            }
            "scope" => match forms::choice(node, "`scope`", &["run", "machine", "cluster"], out) {
                None | Some("run") => {}
                Some(other) => out.push(forms::not_built(node.at, &format!("scope: {other}"))),
            },
            _ => {}
        }
    }
    limit.all = pace(&entries, out);
    if guard.node.as_map().is_some()
        && limit.keys.is_empty()
        && limit.all == Pace::default()
        && !out.has_errors()
    {
        out.push(
            Diagnostic::new("E0106", guard.name.at, format!("{name} limits nothing"))
                .help("say how many at once, `concurrent: 8`, how often, `rate: 100/min`, or for what each, `keys: [{per: host(url), concurrent: 2}]`"),
        );
    }
    limit
}

fn per_key(node: &Node, out: &mut Diagnostics) -> Option<(Per, Pace)> {
    let entries = forms::keys(node, "an entry of `keys`", tables::LIMIT_KEY, out);
    let pace = pace(&entries, out);
    let Some((_, written)) = entries.iter().find(|(key, _)| key.text == "per") else {
        if node.as_map().is_some() {
            out.push(
                Diagnostic::new("E0106", node.at, "an entry of `keys` needs `per`")
                    .help("say what is counted together: `per: host(url)`"),
            );
        }
        return None;
    };
    let text = forms::expression(written, "`per`", out)?;
    let whole = text.text.trim_end();
    let begin = whole.len() - whole.trim_start().len();
    let inner = whole[begin..]
        .strip_prefix("ip(")
        .and_then(|rest| rest.strip_suffix(')'))
        .filter(|inner| closes_last(inner));
    let whole_text = ExprText::of(&text);
    let per = match inner {
        Some(inner) => Per {
            text: whole_text.part(begin + 3..begin + 3 + inner.len()),
            address: true,
        },
        None => Per {
            text: whole_text,
            address: false,
        },
    };
    if pace == Pace::default() && !out.has_errors() {
        out.push(
            Diagnostic::new("E0106", node.at, "this entry of `keys` limits nothing")
                .help("say how many at once for each key, `concurrent: 2`, how far apart, `delay: 250ms`, or how often, `rate: 10/s`"),
        );
    }
    Some((per, pace))
}

/// Do the brackets in here close each other, so that the one behind it closes the one before it?
fn closes_last(inner: &str) -> bool {
    let mut depth = 0i32;
    for c in inner.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return false;
        }
    }
    depth == 0
}

fn pace(entries: &[(&Key, &Node)], out: &mut Diagnostics) -> Pace {
    let get = |name: &str| {
        entries
            .iter()
            .find(|(key, _)| key.text == name)
            .map(|(_, node)| *node)
    };
    let mut pace = Pace::default();
    if let Some(node) = get("concurrent") {
        let n = forms::count(node, "`concurrent`", 1, out);
        pace.concurrent = n.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    }
    let burst = get("burst").and_then(|node| forms::count(node, "`burst`", 1, out));
    if let Some(node) = get("rate") {
        pace.rate = rate(node, out).map(|every| Rate {
            every,
            burst: burst.map_or(1, |n| u32::try_from(n).unwrap_or(u32::MAX)),
        });
    } else if let Some(node) = get("burst") {
        out.push(
            Diagnostic::new("E0106", node.at, "`burst` needs a `rate`")
                .help("such as `rate: 100/min`: so many of them may come together"),
        );
    }
    if let Some(node) = get("delay") {
        pace.delay = forms::duration(node, "`delay`", out).unwrap_or_default();
    }
    if let Some(node) = get("jitter") {
        let jitter = forms::number(node, "`jitter`", out).unwrap_or_default();
        if (0.0..=1.0).contains(&jitter) {
            pace.jitter = jitter;
        } else {
            out.push(forms::wrong(node, "`jitter`", "from 0 to 1"));
        }
        if get("delay").is_none() && get("adaptive").is_none() {
            out.push(
                Diagnostic::new("E0106", node.at, "`jitter` needs a `delay`")
                    .help("such as `delay: 250ms`: each is then so much longer or shorter"),
            );
        }
    }
    pace.adaptive = get("adaptive").and_then(|node| adaptive(node, out));
    pace
}

fn adaptive(node: &Node, out: &mut Diagnostics) -> Option<Adaptive> {
    let mut found = Adaptive {
        target: 1.0,
        start: Duration::from_secs(5),
        max: Duration::from_mins(1),
    };
    for (key, node) in forms::keys(node, "`adaptive`", tables::ADAPTIVE, out) {
        match &*key.text {
            "target" => {
                let target = forms::number(node, "`target`", out)?;
                if target < LEAST_TARGET {
                    out.push(forms::wrong(node, "`target`", "greater than 0"));
                    return None;
                }
                found.target = target;
            }
            "start" => found.start = forms::duration(node, "`start`", out)?,
            _ => found.max = forms::duration(node, "`max`", out)?,
        }
    }
    node.as_map().map(|_| found)
}

/// `100/min`: the time from one to the next.
fn rate(node: &Node, out: &mut Diagnostics) -> Option<Duration> {
    let text = node.as_str().unwrap_or_default();
    let parsed = text.split_once('/').and_then(|(n, unit)| {
        let n: f64 = n.trim().parse().ok()?;
        let seconds = match unit.trim() {
            "s" => 1.0,
            "min" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        Duration::try_from_secs_f64(seconds / n)
            .ok()
            .filter(|_| n > 0.0)
    });
    if parsed.is_none() && !node.is_broken() && !node.is_stand_in() {
        out.push(
            forms::wrong(node, "`rate`", "a number for each second, minute or hour")
                .help("such as `10/s`, `100/min`, `1000/h`"),
        );
    }
    parsed
}
