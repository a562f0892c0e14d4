//! `graph --format dot`: for Graphviz.

use super::words;
use crate::plan::{Conn, ConnKind, Plan, Stage};

/// What everything looks like unless it says otherwise.
const LOOK: &str = r##"  graph [rankdir=TB, fontname="sans-serif", fontsize=11, labelloc=t, labeljust=l, nodesep=0.4, ranksep=0.5];
  node [shape=box, style="rounded,filled", fillcolor="#f4f6f8", color="#5b6770", fontname="sans-serif", fontsize=11, margin="0.16,0.08"];
  edge [color="#5b6770", fontname="sans-serif", fontsize=9, fontcolor="#5b6770", arrowsize=0.7];"##;

/// The plan as a directed graph: a box a stage; a named queue is a node of its own, any other connection an arrow.
pub(super) fn draw(plan: &Plan) -> String {
    let mut lines = vec![format!("digraph {} {{", quoted(&plan.name)), LOOK.into()];
    if let Some(description) = &plan.description {
        lines.push(format!("  label={};", quoted(description.trim_end())));
    }
    lines.extend(plan.stages.iter().map(node));
    lines.extend(plan.conns.iter().flat_map(arrows));
    lines.push("}\n".into());
    lines.join("\n")
}

fn node(stage: &Stage) -> String {
    let mut lines = vec![
        stage.name.to_string(),
        words::executor(stage),
        String::new(),
    ];
    lines.extend(words::steps(stage));
    // `\l` ends each line at the left.
    let label: Vec<String> = lines.iter().map(|l| escaped(l) + "\\l").collect();
    let tooltip = quoted(stage.description.as_deref().unwrap_or(&stage.name));
    format!(
        "  s{} [label=\"{}\", tooltip={tooltip}];",
        stage.id.0,
        label.concat()
    )
}

fn arrows(conn: &Conn) -> Vec<String> {
    let (id, label) = (conn.id.0, quoted(&words::conn(conn)));
    let (writers, readers) = (conn.writers.iter(), conn.readers.iter());
    if conn.kind == ConnKind::Queue {
        let node =
            format!("  c{id} [shape=cds, fillcolor=\"#fff8e5\", fontsize=9, label={label}];");
        let into = writers.map(|w| format!("  s{} -> c{id};", w.0));
        let out_of = readers.map(|r| format!("  c{id} -> s{};", r.0));
        std::iter::once(node).chain(into).chain(out_of).collect()
    } else {
        let to = |w: u32| readers.clone().map(move |r| (w, r.0));
        writers
            .flat_map(|w| to(w.0))
            .map(|(w, r)| format!("  s{w} -> s{r} [label={label}];"))
            .collect()
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// Inside double quotes a quote ends the text and a backslash begins an escape; nothing else means anything.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
