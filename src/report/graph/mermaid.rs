//! `graph --format mermaid`: for pages that draw Mermaid, as GitHub's do.

use super::guards;
use super::words::{self, How};
use crate::plan::{Conn, ConnKind, Plan, Stage};

/// The plan as a flowchart: a box a stage; a named queue is a node of its own, any other connection an arrow.
pub(super) fn draw(plan: &Plan) -> String {
    let mut lines = vec!["flowchart TB".to_string()];
    if let Some(description) = &plan.description {
        lines.push(format!("  accDescr: {}", one_line(description)));
    }
    lines.insert(1, format!("  accTitle: {}", one_line(&plan.name)));
    for stage in &plan.stages {
        let mut words = vec![
            format!("<b>{}</b>", escaped(&stage.name)),
            escaped(&words::executor(stage)),
        ];
        words.extend(words::manner(plan, stage).iter().map(|w| escaped(w)));
        words.extend(words::steps(stage).iter().map(|w| escaped(w)));
        lines.push(format!("  s{}[\"{}\"]", stage.id.0, words.join("<br/>")));
    }
    for conn in plan.conns.iter().filter(|c| c.kind == ConnKind::Queue) {
        lines.push(format!(
            "  c{}[/\"{}\"/]",
            conn.id.0,
            words::label(conn)
                .iter()
                .map(|w| escaped(w))
                .collect::<Vec<_>>()
                .join("<br/>")
        ));
        lines.extend(
            conn.readers
                .iter()
                .map(|r| format!("  c{} --> s{}", conn.id.0, r.0)),
        );
    }
    for (guard, id) in plan.guards.iter().zip(0_u32..).filter(|(g, _)| !g.hidden) {
        let (name, kind) = (escaped(&guard.name), escaped(&guard.describe()));
        lines.push(format!("  g{id}{{{{\"{name}<br/>{kind}\"}}}}"));
    }
    for stage in &plan.stages {
        for (guard, does) in guards::uses(stage) {
            lines.push(format!("  s{} -.-|{}| g{guard}", stage.id.0, does.verb()));
        }
        lines.extend(
            words::ways(plan, stage)
                .into_iter()
                .flat_map(|(conn, how)| arrows(stage, conn, how)),
        );
        lines.extend(
            stage
                .after
                .iter()
                .map(|a| format!("  s{} -.->|then| s{}", a.0, stage.id.0)),
        );
    }
    lines.push(String::new());
    lines.join("\n")
}

fn arrows(stage: &Stage, conn: &Conn, how: How<'_>) -> Vec<String> {
    let to_queue = conn.kind == ConnKind::Queue;
    let mut words: Vec<String> = how.condition().into_iter().collect();
    if !to_queue {
        words.extend(words::label(conn));
    }
    let words: Vec<String> = words.iter().map(|w| escaped(w)).collect();
    let label = if words.is_empty() {
        String::new()
    } else {
        format!("|\"{}\"|", words.join("<br/>"))
    };
    let line = if how == How::Dead { "-.->" } else { "-->" };
    let ends: Vec<String> = if to_queue {
        vec![format!("c{}", conn.id.0)]
    } else {
        conn.readers.iter().map(|r| format!("s{}", r.0)).collect()
    };
    ends.iter()
        .map(|end| format!("  s{} {line}{label} {end}", stage.id.0))
        .collect()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Inside quotes Mermaid knows HTML and its own `#entity;`, and reads Markdown between backticks.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => safe.push_str("#quot;"),
            '<' => safe.push_str("#lt;"),
            '>' => safe.push_str("#gt;"),
            '&' => safe.push_str("#amp;"),
            '#' => safe.push_str("#35;"),
            '`' => safe.push_str("#96;"),
            '\\' => safe.push_str("#92;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
