//! `run --report FILE.html`: what became of a run on a page that stands alone, light or dark as its reader likes.
//!
//! Everything but the drawing comes from the record that FILE.json would be.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use super::graph;
use super::numbers::{bytes, exact, percent, rate, time};
use crate::plan::Plan;
use crate::steps::Outcome;

const STYLE: &str = "
  :root { color-scheme: light dark; --ink: #1f2933; --page: #ffffff; --quiet: #66727f; --line: #d3dae0; --bad: #b3261e; --good: #2b8a3e; --box: #f5f7f9 }
  @media (prefers-color-scheme: dark) {
    :root { --ink: #e4e9ee; --page: #12171c; --quiet: #9aa7b4; --line: #33404c; --bad: #ff8a80; --good: #69db7c; --box: #1c242c }
  }
  body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 1240px; margin: 2rem auto; padding: 0 1rem }
  h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
  table { border-collapse: collapse; font-variant-numeric: tabular-nums }
  th, td { text-align: left; padding: .25rem .75rem; border-bottom: 1px solid var(--line) } th { color: var(--quiet); font-weight: 500 }
  td.n { text-align: right; white-space: nowrap } th.n { text-align: right } td:first-child { white-space: nowrap } .quiet { color: var(--quiet) } .bad { color: var(--bad) } .good { color: var(--good) }
  pre, code { font: 13px ui-monospace, Menlo, Consolas, monospace } pre { background: var(--box); padding: .75rem; overflow-x: auto; white-space: pre-wrap }
  .wide { overflow-x: auto } svg { max-width: 100%; height: auto }
";

/// The page of a record.
pub fn html(plan: &Plan, record: &Value) -> String {
    let name = safe(&text(&record["name"]));
    let mut body = String::new();
    let exit = record["exit"].as_u64().unwrap_or(0);
    let (class, word) = if exit == 0 {
        ("good", "done".to_string())
    } else {
        ("bad", format!("exit {exit}"))
    };
    let _ = write!(
        body,
        "<h1>{name}</h1>\n<p><strong class=\"{class}\">{word}</strong> after {} · began {} · peak {} · <code>{}</code></p>\n",
        time(seconds(&record["took"])),
        safe(&text(&record["started"])),
        bytes(record["peak_memory"].as_u64().unwrap_or(0)),
        safe(&text(&record["file"])),
    );
    for (key, class) in [("why", "bad"), ("limited_by", "quiet")] {
        if let Some(said) = record[key].as_str() {
            let _ = writeln!(body, "<pre class=\"{class}\">{}</pre>", safe(said));
        }
    }
    body.push_str(&stages(list(record, "stages"), seconds(&record["took"])));
    body.push_str(&connections(list(record, "connections")));
    body.push_str(&values(record));
    body.push_str(&said(record));
    let _ = write!(
        body,
        "<h2>Graph</h2>\n<div class=\"wide\">{}</div>\n",
        graph::svg(plan)
    );
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{name}: report</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
}

fn stages(stages: &[Value], took: Duration) -> String {
    let shown: Vec<&str> = Outcome::ALL
        .iter()
        .map(|o| o.name())
        .filter(|name| stages.iter().any(|s| s["ended"][*name] != 0))
        .collect();
    let mut rows = Vec::new();
    for stage in stages {
        let per_second =
            stage["taken"].as_f64().unwrap_or(0.0) / took.as_secs_f64().max(f64::MIN_POSITIVE);
        let mut row = vec![
            (false, text(&stage["name"])),
            (false, text(&stage["state"]).replace('_', " ")),
            (true, number(&stage["taken"])),
            (true, number(&stage["made"])),
        ];
        row.extend(shown.iter().map(|o| (true, number(&stage["ended"][*o]))));
        row.push((true, rate(per_second)));
        let busy = percent(stage["busy_share"].as_f64().unwrap_or(0.0));
        row.push((true, format!("{busy} of {}", text(&stage["workers"]))));
        for kind in ["input", "output", "turn", "guard", "time", "outside"] {
            let waited = seconds(&stage["waited_seconds"][kind]);
            let shown = if waited.is_zero() {
                String::new()
            } else {
                time(waited)
            };
            row.push((true, shown));
        }
        rows.push(row);
    }
    let mut head = vec![
        (false, "stage"),
        (false, "state"),
        (true, "taken"),
        (true, "made"),
    ];
    head.extend(shown.iter().map(|o| (true, *o)));
    head.extend([
        (true, "rate"),
        (true, "busy"),
        (true, "waited for input"),
        (true, "output"),
        (true, "its turn"),
        (true, "guards"),
        (true, "time"),
        (true, "outside"),
    ]);
    table("Stages", &head, &rows)
}

fn connections(conns: &[Value]) -> String {
    let rows: Vec<_> = conns
        .iter()
        .map(|c| {
            let numbers = ["put", "peak", "max", "dropped", "cut"];
            let mut row = vec![(false, text(&c["name"]))];
            row.extend(numbers.map(|key| (true, number(&c[key]))));
            row
        })
        .collect();
    let head = [
        (false, "connection"),
        (true, "items"),
        (true, "most waiting"),
        (true, "bound"),
        (true, "dropped"),
        (true, "unread"),
    ];
    table("Connections", &head, &rows)
}

fn values(record: &Value) -> String {
    let values = record["values"].as_object().into_iter().flatten();
    let rows: Vec<_> = values
        .map(|(name, value)| vec![(false, name.clone()), (false, text(value))])
        .collect();
    table("Values", &[(false, "name"), (false, "at the end")], &rows)
}

/// Item errors and warnings.
fn said(record: &Value) -> String {
    let errors: Vec<_> = list(record, "errors")
        .iter()
        .map(|e| {
            ["stage", "step", "kind", "message", "item"]
                .map(|key| (false, text(&e[key])))
                .to_vec()
        })
        .collect();
    let warnings: Vec<_> = list(record, "warnings")
        .iter()
        .map(|w| {
            ["code", "line", "message", "help"]
                .map(|key| (false, text(&w[key])))
                .to_vec()
        })
        .collect();
    let heads = |names: &[&'static str]| names.iter().map(|n| (false, *n)).collect::<Vec<_>>();
    table(
        "Errors of items (the first of each step)",
        &heads(&["stage", "step", "kind", "message", "item"]),
        &errors,
    ) + &table(
        "Warnings about the file",
        &heads(&["code", "line", "message", "help"]),
        &warnings,
    )
}

/// Cells, each with whether it is a number; no rows: nothing.
fn table(title: &str, head: &[(bool, &str)], rows: &[Vec<(bool, String)>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let cell = |kind: &str, number: bool, text: &str| {
        let class = if number { " class=\"n\"" } else { "" };
        format!("<{kind}{class}>{}</{kind}>", safe(text))
    };
    let mut out = format!("<h2>{title}</h2>\n<div class=\"wide\"><table>\n<tr>");
    for (number, text) in head {
        out += &cell("th", *number, text);
    }
    out += "</tr>\n";
    for row in rows {
        out += "<tr>";
        for (number, text) in row {
            out += &cell("td", *number, text);
        }
        out += "</tr>\n";
    }
    out + "</table></div>\n"
}

fn list<'v>(record: &'v Value, key: &str) -> &'v [Value] {
    record[key].as_array().map_or(&[], Vec::as_slice)
}

fn seconds(value: &Value) -> Duration {
    Duration::try_from_secs_f64(value.as_f64().unwrap_or(0.0)).unwrap_or_default()
}

fn number(value: &Value) -> String {
    match value.as_u64() {
        Some(0) | None => String::new(),
        Some(n) => exact(n),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Text between tags.
fn safe(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(super::cells::tame).collect();
    lines
        .join("\n")
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
