//! `graph --format svg`: a picture that stands alone, light or dark as the page it is on.
//!
//! The layout is that of the text: stages from top to bottom, connections as lines beside them, so that three
//! stages and forty are drawn alike and no line ever runs through a box.

use super::guards;
use super::lanes::{Lane, Layout};
use super::words::{self, How};
use crate::plan::{Plan, Stage};
use crate::report::cells::{cut, width};
use crate::report::prose;

/// Pixels.
const COLUMN: usize = 22;
const LINE: usize = 18;
const LETTER: f64 = 7.3;
const PAD: usize = 10;
const GAP: usize = 16;
const MARGIN: usize = 20;
/// Letters of the longest line in a box.
const LONGEST: usize = 96;

/// The colours of lines, in turn, on a light and on a dark page; the last is for what could not be done.
const COLOURS: [(&str, &str); 7] = [
    ("#0b7285", "#3bc9db"),
    ("#9c36b5", "#da77f2"),
    ("#2b8a3e", "#69db7c"),
    ("#d9480f", "#ffa94d"),
    ("#1864ab", "#74c0fc"),
    ("#846000", "#ffd43b"),
    ("#c92a2a", "#ff6b6b"),
];
const DEAD: usize = COLOURS.len() - 1;

/// Classes, not attributes: only they can follow the page. No variables: not every program that shows SVG knows them.
fn style() -> String {
    let colours = |of: fn(&(&'static str, &'static str)) -> &'static str| -> String {
        let one = |(i, c): (usize, &(&'static str, &'static str))| {
            format!(" .l{i} {{ stroke: {0} }} .t{i} {{ fill: {0} }}", of(c))
        };
        COLOURS.iter().enumerate().map(one).collect()
    };
    format!(
        "
    text {{ font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #1f2933; white-space: pre }}
    .title {{ font-size: 18px; font-weight: 700 }} .name {{ font-weight: 700 }}
    .lane {{ fill: none; stroke-width: 2.5; stroke-linecap: round }} .l{DEAD} {{ stroke-dasharray: 5 5 }}
    .page {{ fill: #ffffff }} .box {{ fill: #f5f7f9; stroke: #d3dae0 }} .quiet {{ fill: #66727f }} .dead {{ fill: #b3261e }}
    .node {{ fill: #1f2933; stroke: #ffffff; stroke-width: 2 }}
   {}
    @media (prefers-color-scheme: dark) {{
      text {{ fill: #e4e9ee }}
      .page {{ fill: #12171c }} .box {{ fill: #1c242c; stroke: #33404c }} .quiet {{ fill: #9aa7b4 }} .dead {{ fill: #ff8a80 }}
      .node {{ fill: #e4e9ee; stroke: #12171c }}
     {}
    }}
",
        colours(|c| c.0),
        colours(|c| c.1)
    )
}

/// A stage's box: where it is, and its lines with their classes.
struct Card {
    top: usize,
    height: usize,
    lines: Vec<(&'static str, String)>,
}

impl Card {
    /// The box and its lines.
    fn drawn(&self, left: usize, wide: usize) -> Vec<String> {
        let (top, high) = (self.top, self.height);
        let mut out = vec![format!(
            "    <rect class=\"box\" x=\"{left}\" y=\"{top}\" width=\"{wide}\" height=\"{high}\" rx=\"8\"/>"
        )];
        for (i, (class, line)) in self.lines.iter().enumerate() {
            out.push(text(class, left + PAD, top + PAD + 10 + i * LINE, line));
        }
        out
    }
}

/// The named guards: a line each, under a heading.
fn guard_lines(plan: &Plan) -> Vec<(&'static str, String)> {
    let mut lines: Vec<(&'static str, String)> = Vec::new();
    for [name, kind, uses] in guards::lines(plan) {
        if lines.is_empty() {
            lines.push(("quiet", "guards".into()));
        }
        let uses = if uses.is_empty() {
            String::new()
        } else {
            format!(" · {uses}")
        };
        lines.push(("name", cut(&format!("{name}  {kind}{uses}"), LONGEST)));
    }
    lines
}

/// The picture.
pub(super) fn draw(plan: &Plan) -> String {
    let layout = Layout::of(plan);
    let described = heading(plan);
    let mut top = MARGIN + 2 * LINE + described.len() * LINE;
    let mut cards = Vec::new();
    for (stage, _) in &layout.rows {
        let lines = lines(plan, &plan.stages[stage.index()]);
        let height = lines.len() * LINE + 2 * PAD - 4;
        cards.push(Card { top, height, lines });
        top += height + GAP;
    }
    let left = MARGIN + layout.columns * COLUMN + 6;
    let guarded = guard_lines(plan);
    let under = Card {
        top,
        height: (guarded.len() * LINE + 2 * PAD).saturating_sub(4),
        lines: guarded,
    };
    if !under.lines.is_empty() {
        top += under.height + GAP;
    }
    let letters = cards
        .iter()
        .chain(std::iter::once(&under))
        .flat_map(|c| &c.lines)
        .map(|(_, l)| width(l))
        .max()
        .unwrap_or(0)
        .max(width(&plan.name) + 20)
        .max(
            described
                .iter()
                .map(|l| width(l))
                .max()
                .unwrap_or(0)
                .saturating_sub((left - MARGIN) / 8),
        );
    let box_width = (letters as f64 * LETTER * 1.08) as usize + 2 * PAD;
    let (wide, high) = (left + box_width + MARGIN, top + MARGIN - GAP);
    let mut out = vec![
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{wide}\" height=\"{high}\" viewBox=\"0 0 {wide} {high}\" \
             role=\"img\" aria-labelledby=\"title desc\">"
        ),
        format!("  <title id=\"title\">{}</title>", escaped(&plan.name)),
        format!("  <desc id=\"desc\">{}</desc>", escaped(&in_words(plan))),
        format!("  <style>{}  </style>", style()),
        format!("  <rect class=\"page\" width=\"{wide}\" height=\"{high}\"/>"),
    ];
    let heading = std::iter::once(("title", plan.name.to_string()))
        .chain(described.into_iter().map(|l| ("quiet", l)));
    for (i, (class, line)) in heading.enumerate() {
        out.push(text(class, MARGIN, MARGIN + 14 + i * (LINE + 2), &line));
    }
    let place = Place {
        layout: &layout,
        cards: &cards,
    };
    for (number, lane) in layout
        .lanes
        .iter()
        .enumerate()
        .filter(|(_, l)| l.last() > l.first())
    {
        out.push(place.lane(plan, number, lane));
    }
    for (row, card) in cards.iter().enumerate() {
        let stage = &plan.stages[layout.rows[row].0.index()];
        out.push(format!(
            "  <g><title>{}</title>",
            escaped(&full(plan, stage))
        ));
        out.push(format!(
            "    <circle class=\"node\" cx=\"{}\" cy=\"{}\" r=\"6\"/>",
            x(layout.rows[row].1),
            place.y(row)
        ));
        out.extend(card.drawn(left, box_width));
        out.push("  </g>".into());
    }
    if !under.lines.is_empty() {
        out.push("  <g><title>guards</title>".into());
        out.extend(under.drawn(left, box_width));
        out.push("  </g>".into());
    }
    out.push("</svg>\n".into());
    out.join("\n")
}

/// The lines of a stage's box.
fn lines(plan: &Plan, stage: &Stage) -> Vec<(&'static str, String)> {
    let mut head = vec![words::executor(stage)];
    head.extend(words::manner(plan, stage));
    let mut lines = vec![("name", format!("{}  {}", stage.name, head.join(" · ")))];
    lines.extend(
        stage
            .description
            .iter()
            .flat_map(|d| d.lines())
            .map(|l| ("quiet", l.to_string())),
    );
    lines.extend(words::steps(stage).into_iter().map(|s| ("step", s)));
    lines.extend(
        words::outputs(plan, stage, LONGEST - 2)
            .into_iter()
            .map(|o| {
                let class = if o.starts_with('✗') {
                    "dead"
                } else {
                    "quiet"
                };
                (class, o)
            }),
    );
    lines
        .into_iter()
        .flat_map(|(class, line)| match class {
            // Its two parts are drawn beside each other.
            "name" => vec![(class, cut(&line, LONGEST))],
            _ => broken(&line).into_iter().map(|l| (class, l)).collect(),
        })
        .collect()
}

/// A line as several that are not too long; those that go on are indented.
fn broken(line: &str) -> Vec<String> {
    let mut parts = prose::lines(line, LONGEST - 2);
    parts.iter_mut().skip(1).for_each(|l| l.insert_str(0, "  "));
    parts
}

/// The description, in lines.
fn heading(plan: &Plan) -> Vec<String> {
    let lines = plan.description.iter().flat_map(|d| d.lines());
    lines.flat_map(|l| prose::lines(l, LONGEST)).collect()
}

/// A stage in words, uncut.
fn full(plan: &Plan, stage: &Stage) -> String {
    let mut words = vec![format!("{}: {}", stage.name, words::executor(stage))];
    words.extend(words::steps(stage));
    words.extend(words::outputs(plan, stage, usize::MAX));
    words.join("\n")
}

/// The whole in words, for who cannot see it.
fn in_words(plan: &Plan) -> String {
    let stages: Vec<String> = plan
        .stages
        .iter()
        .map(|s| {
            let from: Vec<&str> = s
                .inputs
                .iter()
                .map(|c| &*plan.conns[c.index()].name)
                .collect();
            if from.is_empty() {
                s.name.to_string()
            } else {
                format!("{} from {}", s.name, from.join(" and "))
            }
        })
        .collect();
    format!(
        "A pipeline of {}: {}.",
        words::size(plan),
        stages.join("; ")
    )
}

/// The middle of a column.
fn x(column: usize) -> usize {
    MARGIN + column * COLUMN + 6
}

struct Place<'a> {
    layout: &'a Layout,
    cards: &'a [Card],
}

impl Place<'_> {
    /// The middle of a stage's node.
    fn y(&self, row: usize) -> usize {
        self.cards[row].top + PAD + 6
    }

    /// A line from each stage that writes into it to the trunk, the trunk, and a line to each that reads.
    fn lane(&self, plan: &Plan, number: usize, lane: &Lane) -> String {
        let trunk = x(lane.column);
        let (mut from, mut to) = (usize::MAX, 0);
        let (mut paths, mut tips) = (Vec::new(), Vec::new());
        for &row in &lane.writers {
            let (own, y) = (x(self.layout.rows[row].1), self.y(row));
            // Out of the node downwards, then across into the trunk.
            let bend = y + 30;
            let upwards = row == lane.last() && !lane.readers.contains(&row);
            if own == trunk {
                paths.push(format!("M{trunk} {y}V{bend}"));
            } else if upwards {
                paths.push(format!(
                    "M{own} {y}C{own} {bend} {trunk} {bend} {trunk} {}",
                    y.saturating_sub(4)
                ));
            } else {
                paths.push(format!(
                    "M{own} {y}C{own} {} {trunk} {} {trunk} {bend}",
                    y + 18,
                    y + 12
                ));
            }
            let meets = if upwards { y.saturating_sub(4) } else { bend };
            (from, to) = (from.min(meets), to.max(meets));
        }
        for &row in &lane.readers {
            let (own, y) = (x(self.layout.rows[row].1), self.y(row));
            let upwards = row == lane.first();
            if own == trunk {
                tips.push(format!("M{trunk} {}l-4.5 -8h9z", y - 5));
                (from, to) = (from.min(y - 8), to.max(y - 8));
                continue;
            }
            // Across from the trunk to the side of the node.
            let side = if trunk > own { own + 8 } else { own - 8 };
            let bend = if upwards { y + 16 } else { y - 16 };
            paths.push(format!(
                "M{trunk} {bend}Q{trunk} {y} {} {y}H{side}",
                if trunk > own { trunk - 12 } else { trunk + 12 }
            ));
            tips.push(if trunk > own {
                format!("M{} {y}l8 -4.5v9z", own + 6)
            } else {
                format!("M{} {y}l-8 -4.5v9z", own - 6)
            });
            (from, to) = (from.min(bend), to.max(bend));
        }
        paths.push(format!("M{trunk} {from}V{to}"));
        let colour = if self.is_dead(plan, lane) {
            DEAD
        } else {
            number % DEAD
        };
        format!(
            "  <path class=\"lane l{colour}\" d=\"{}\"/><path class=\"t{colour}\" d=\"{}\"/>",
            paths.concat(),
            tips.concat()
        )
    }

    /// Does it carry nothing but what could not be done?
    fn is_dead(&self, plan: &Plan, lane: &Lane) -> bool {
        let stages = lane
            .writers
            .iter()
            .map(|row| &plan.stages[self.layout.rows[*row].0.index()]);
        stages
            .flat_map(|s| words::ways(plan, s))
            .filter(|(conn, _)| lane.conns.contains(&conn.id))
            .all(|(_, how)| how == How::Dead)
    }
}

fn text(class: &str, x: usize, y: usize, line: &str) -> String {
    let (name, rest) = match class {
        // A stage's name stands out of its line.
        "name" => line.split_once("  ").unwrap_or((line, "")),
        _ => ("", line),
    };
    if name.is_empty() {
        return format!(
            "    <text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>",
            escaped(rest)
        );
    }
    format!(
        "    <text x=\"{x}\" y=\"{y}\"><tspan class=\"name\">{}</tspan><tspan class=\"quiet\" dx=\"12\">{}</tspan></text>",
        escaped(name),
        escaped(rest)
    )
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' => safe.push('\n'),
            c if c.is_control() => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}
