//! `graph --format dot`: for Graphviz.

use super::guards;
use super::words::{self, How};
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
    lines.extend(plan.stages.iter().map(|s| node(plan, s)));
    let queues = plan.conns.iter().filter(|c| c.kind == ConnKind::Queue);
    lines.extend(queues.flat_map(queue));
    for (guard, id) in plan.guards.iter().zip(0_u32..).filter(|(g, _)| !g.hidden) {
        let label = quoted(&format!("{}\n{}", guard.name, guard.describe()));
        lines.push(format!(
            "  g{id} [shape=hexagon, style=filled, fillcolor=\"#eef4ff\", fontsize=9, label={label}];"
        ));
    }
    for stage in &plan.stages {
        for (guard, does) in guards::uses(stage) {
            lines.push(format!(
                "  s{} -> g{guard} [style=dashed, arrowhead=none, color=\"#8793a1\", label=\"{}\"];",
                stage.id.0,
                does.verb()
            ));
        }
        lines.extend(
            words::ways(plan, stage)
                .into_iter()
                .flat_map(|(conn, how)| arrows(stage, conn, how)),
        );
        lines.extend(stage.after.iter().map(|a| {
            format!(
                "  s{} -> s{} [style=dotted, arrowhead=empty, label=\"then\"];",
                a.0, stage.id.0
            )
        }));
    }
    lines.push("}\n".into());
    lines.join("\n")
}

fn node(plan: &Plan, stage: &Stage) -> String {
    let mut lines = vec![stage.name.to_string(), words::executor(stage)];
    lines.extend(words::manner(plan, stage));
    lines.push(String::new());
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

/// A queue, and the arrows to its readers.
fn queue(conn: &Conn) -> Vec<String> {
    let (id, label) = (conn.id.0, quoted(&words::label(conn).join("\n")));
    let node = format!("  c{id} [shape=cds, fillcolor=\"#fff8e5\", fontsize=9, label={label}];");
    let out_of = conn.readers.iter().map(|r| format!("  c{id} -> s{};", r.0));
    std::iter::once(node).chain(out_of).collect()
}

/// The arrows by which items leave a stage for a connection.
fn arrows(stage: &Stage, conn: &Conn, how: How<'_>) -> Vec<String> {
    let to_queue = conn.kind == ConnKind::Queue;
    let mut words: Vec<String> = how.condition().into_iter().collect();
    if !to_queue {
        words.extend(words::label(conn));
    }
    let mut look = vec![format!("label={}", quoted(&words.join("\n")))];
    if how == How::Dead {
        look.push("color=\"#c4314b\", fontcolor=\"#c4314b\", style=dashed".into());
    }
    let ends: Vec<String> = if to_queue {
        vec![format!("c{}", conn.id.0)]
    } else {
        conn.readers.iter().map(|r| format!("s{}", r.0)).collect()
    };
    ends.iter()
        .map(|end| format!("  s{} -> {end} [{}];", stage.id.0, look.join(", ")))
        .collect()
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
