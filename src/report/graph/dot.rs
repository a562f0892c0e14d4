//! `graph --format dot`: for Graphviz.

use super::words;
use crate::plan::{Conn, ConnKind, Plan};

/// The plan as a directed graph: a box a stage; a named queue is a node of its own, any other connection an arrow.
pub fn draw(plan: &Plan) -> String {
    let mut text = format!("digraph {} {{\n", quoted(&plan.name));
    text += "  graph [rankdir=TB, fontname=\"sans-serif\", labelloc=t, labeljust=l, nodesep=0.4, ranksep=0.5];\n";
    text += "  node [shape=box, style=\"rounded,filled\", fillcolor=\"#f4f6f8\", color=\"#5b6770\", fontname=\"sans-serif\", fontsize=11, margin=\"0.16,0.08\"];\n";
    text += "  edge [color=\"#5b6770\", fontname=\"sans-serif\", fontsize=9, fontcolor=\"#5b6770\", arrowsize=0.7];\n";
    if let Some(description) = &plan.description {
        text += &format!("  label={};\n", quoted(description));
    }
    for stage in &plan.stages {
        let mut lines = vec![
            stage.name.to_string(),
            words::executor(stage),
            String::new(),
        ];
        lines.extend(words::steps(stage));
        // Ends each line at the left.
        let label: String = lines.iter().map(|l| escaped(l) + "\\l").collect();
        let tooltip = stage.description.as_deref().unwrap_or(&stage.name);
        text += &format!(
            "  s{} [label=\"{label}\", tooltip={}];\n",
            stage.id.0,
            quoted(tooltip)
        );
    }
    for conn in &plan.conns {
        text += &arrows(conn);
    }
    text + "}\n"
}

fn arrows(conn: &Conn) -> String {
    let label = quoted(&words::conn(conn));
    let mut text = String::new();
    if conn.kind == ConnKind::Queue {
        text += &format!(
            "  c{} [shape=cds, fillcolor=\"#fff8e5\", fontsize=9, label={label}];\n",
            conn.id.0
        );
        for w in &conn.writers {
            text += &format!("  s{} -> c{};\n", w.0, conn.id.0);
        }
        for r in &conn.readers {
            text += &format!("  c{} -> s{};\n", conn.id.0, r.0);
        }
    } else {
        for w in &conn.writers {
            for r in &conn.readers {
                text += &format!("  s{} -> s{} [label={label}];\n", w.0, r.0);
            }
        }
    }
    text
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
