//! `graph --format text`: the stages from top to bottom, one under the other, the connections as lines beside them.
//!
//! Not boxes: those of forty stages fit no terminal, and where their edges meet one cannot see who reads what.

use super::lanes::{Lane, Layout};
use super::{guards, words};
use crate::plan::Plan;
use crate::report::cells::{cut, left, width};
use crate::report::paint::Paint;
use crate::report::prose::lines;

/// The drawing, its lines at most `columns` wide.
pub(super) fn draw(plan: &Plan, columns: usize, paint: Paint) -> String {
    let layout = Layout::of(plan);
    let mut page = Page {
        text: String::new(),
        columns: columns.max(40),
        paint,
        indent: 2 * layout.columns + 1,
    };
    page.line(&format!(
        "{}  {}",
        paint.strong(&plan.name),
        paint.quiet(&words::size(plan))
    ));
    for line in plan.description.iter().flat_map(|d| d.lines()) {
        for line in lines(line, page.columns) {
            page.line(&paint.quiet(&line));
        }
    }
    page.line("");
    let names = plan
        .stages
        .iter()
        .map(|s| width(&s.name))
        .max()
        .unwrap_or(0)
        .min(24);
    let executors = plan
        .stages
        .iter()
        .map(|s| width(&words::executor(s)))
        .max()
        .unwrap_or(0)
        .min(24);
    for row in 0..layout.rows.len() {
        stage(plan, &layout, row, [names, executors], &mut page);
    }
    guarded(plan, &mut page);
    page.text
}

/// The named guards, under the stages.
fn guarded(plan: &Plan, page: &mut Page) {
    let all = guards::lines(plan);
    if all.is_empty() {
        return;
    }
    let wide = |i: usize| all.iter().map(|l| width(&l[i])).max().unwrap_or(0).min(32);
    let (name, kind) = (wide(0), wide(1));
    page.line("");
    page.line(&page.paint.quiet("guards"));
    for [guard, is, uses] in &all {
        let head = format!(
            " {}  {}",
            page.paint.strong(&left(guard, name)),
            page.paint.busy(&left(is, kind))
        );
        let indent = name + kind + 5;
        let room = page.columns.saturating_sub(indent).max(20);
        let mut rest = lines(uses, room).into_iter();
        let first = rest.next().unwrap_or_default();
        page.line(format!("{head}  {first}").trim_end());
        for line in rest {
            page.line(&format!("{}{line}", " ".repeat(indent)));
        }
    }
}

/// One stage: its node and what it reads, its steps, the fork of what it writes.
fn stage(
    plan: &Plan,
    layout: &Layout,
    row: usize,
    [names, executors]: [usize; 2],
    page: &mut Page,
) {
    let stage = &plan.stages[layout.rows[row].0.index()];
    let writes = layout
        .lanes
        .iter()
        .any(|l| l.writers.contains(&row) && l.last() > l.first());
    let head = format!(
        "{}  {}",
        page.paint.strong(&left(&stage.name, names)),
        page.paint.busy(&left(&words::executor(stage), executors))
    );
    let steps = words::steps(stage).join(" › ");
    let room = page.columns.saturating_sub(page.indent + width(&head) + 2);
    let fits = width(&steps) <= room;
    let shown = if fits {
        format!("{head}  {steps}")
    } else {
        head
    };
    page.row(&node(layout, row), shown.trim_end());
    let beside = Strip::passing(layout, row, writes);
    for line in stage.description.iter().flat_map(|d| d.lines()) {
        for line in lines(line, page.columns.saturating_sub(page.indent + 3)) {
            page.row(&beside, &page.paint.quiet(&format!("  {line}")));
        }
    }
    if !fits {
        for line in lines(&steps, page.columns.saturating_sub(page.indent + 3)) {
            page.row(&beside, &format!("  {line}"));
        }
    }
    let manner = words::manner(plan, stage);
    if !manner.is_empty() {
        page.row(
            &beside,
            &page.paint.quiet(&format!("  {}", manner.join(" · "))),
        );
    }
    let room = page.columns.saturating_sub(page.indent + 3);
    let labels = words::outputs(plan, stage, room);
    if writes || !labels.is_empty() {
        let mut strip = fork(layout, row);
        let after = Strip::below(layout, row);
        for label in if labels.is_empty() {
            vec![String::new()]
        } else {
            labels
        } {
            let text = format!("  {label}");
            let text = if label.starts_with('✗') {
                page.paint.bad(&text)
            } else {
                page.paint.quiet(&text)
            };
            page.row(&strip, text.trim_end());
            strip = after.clone();
        }
    } else if row + 1 < layout.rows.len() {
        page.row(&Strip::below(layout, row), "");
    }
}

struct Page {
    text: String,
    columns: usize,
    paint: Paint,
    /// Where the words begin.
    indent: usize,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.text.push_str(cut(text, self.columns).trim_end());
        self.text.push('\n');
    }

    fn row(&mut self, strip: &Strip, words: &str) {
        let drawn = left(&strip.draw(), self.indent);
        self.line(&format!(
            " {}{}",
            self.paint.quiet(&drawn).replace('●', &self.paint.good("●")),
            words
        ));
    }
}

const UP: u8 = 1;
const DOWN: u8 = 2;
const LEFT: u8 = 4;
const RIGHT: u8 = 8;

/// One line of the drawing: for each half column in which directions something leaves it.
#[derive(Clone)]
struct Strip {
    cells: Vec<u8>,
    /// Lines that pass and are not met by what goes across.
    passing: Vec<usize>,
    node: Option<usize>,
    /// Where an arrow points at the node, from the right or the left.
    arrows: Vec<(usize, char)>,
}

impl Strip {
    fn empty(layout: &Layout) -> Strip {
        Strip {
            cells: vec![0; 2 * layout.columns.max(1)],
            passing: Vec::new(),
            node: None,
            arrows: Vec::new(),
        }
    }

    fn add(&mut self, column: usize, bits: u8) {
        self.cells[2 * column] |= bits;
    }

    fn pass(&mut self, lane: &Lane) {
        self.add(lane.column, UP | DOWN);
        self.passing.push(lane.column);
    }

    /// A line across from one column to another, both ends joined.
    fn across(&mut self, from: usize, to: usize) {
        let (a, b) = (2 * from.min(to), 2 * from.max(to));
        self.cells[a] |= RIGHT;
        self.cells[b] |= LEFT;
        self.cells[a + 1..b]
            .iter_mut()
            .for_each(|c| *c |= LEFT | RIGHT);
        // Whoever is joined does not only pass.
        self.passing.retain(|c| *c != from && *c != to);
    }

    /// Beside the words of a stage: all that passes it, and the stem to what it writes.
    fn passing(layout: &Layout, row: usize, stem: bool) -> Strip {
        let mut strip = Strip::empty(layout);
        for lane in &layout.lanes {
            let begins = lane.first() == row && lane.readers.contains(&row) && lane.last() > row;
            let closes = lane.last() == row && !lane.readers.contains(&row) && lane.first() < row;
            if lane.first() < row && lane.last() > row || begins || closes {
                strip.pass(lane);
            }
        }
        if stem {
            strip.add(layout.rows[row].1, UP | DOWN);
        }
        strip
    }

    /// Under a stage and its fork.
    fn below(layout: &Layout, row: usize) -> Strip {
        let mut strip = Strip::empty(layout);
        layout
            .lanes
            .iter()
            .filter(|l| l.first() <= row && l.last() > row)
            .for_each(|l| strip.pass(l));
        strip
    }

    fn draw(&self) -> String {
        let mut text = String::new();
        for (i, bits) in self.cells.iter().enumerate() {
            let column = i / 2;
            let c = match *bits {
                _ if self.node == Some(column) && i % 2 == 0 => '●',
                _ if i % 2 == 1 && self.arrows.iter().any(|(at, _)| *at == i) => self
                    .arrows
                    .iter()
                    .find(|(at, _)| *at == i)
                    .map_or(' ', |(_, c)| *c),
                // What crosses without meeting goes under.
                b if b & (LEFT | RIGHT) != 0 && self.passing.contains(&column) && i % 2 == 0 => '│',
                0 => ' ',
                b => BOX[b as usize],
            };
            text.push(c);
        }
        text
    }
}

/// By the directions: up 1, down 2, left 4, right 8.
const BOX: [char; 16] = [
    ' ', '╵', '╷', '│', '╴', '╯', '╮', '┤', '╶', '╰', '╭', '├', '─', '┴', '┬', '┼',
];

/// The line of the stage's node, with what it reads.
fn node(layout: &Layout, row: usize) -> Strip {
    let own = layout.rows[row].1;
    let mut strip = Strip::passing(layout, row, false);
    strip.node = Some(own);
    for lane in layout
        .lanes
        .iter()
        .filter(|l| l.readers.contains(&row) && l.last() > l.first())
    {
        if lane.column == own && lane.last() == row {
            continue;
        }
        let up = if lane.first() < row { UP } else { 0 };
        let down = if lane.last() > row { DOWN } else { 0 };
        let cell = &mut strip.cells[2 * lane.column];
        *cell = *cell & (LEFT | RIGHT) | up | down;
        strip.across(own, lane.column);
        strip.arrows.push(if lane.column > own {
            (2 * own + 1, '◂')
        } else {
            (2 * own - 1, '▸')
        });
    }
    strip
}

/// The line under the stage, where what it writes leaves it.
fn fork(layout: &Layout, row: usize) -> Strip {
    let own = layout.rows[row].1;
    let mut strip = Strip::empty(layout);
    let mut stem = 0;
    for lane in layout.lanes.iter().filter(|l| l.last() > l.first()) {
        let written = lane.writers.contains(&row);
        let up = if lane.first() < row || lane.first() == row && lane.readers.contains(&row) {
            UP
        } else {
            0
        };
        let down = if lane.last() > row { DOWN } else { 0 };
        if written && (lane.last() > row || !lane.readers.contains(&row)) {
            stem |= UP;
            strip.add(lane.column, up | down);
            if lane.column != own {
                strip.across(own, lane.column);
            }
        } else if lane.first() <= row && lane.last() > row {
            strip.pass(lane);
        }
    }
    strip.add(own, stem);
    strip
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fake::{Sketch, plan};

    fn drawn(sketches: &[Sketch<'_>], columns: usize) -> String {
        draw(&plan(sketches), columns, Paint { on: false })
    }

    #[test]
    fn a_chain_is_a_column() {
        let expected = "\
fake  2 stages, 1 connection

 ●  read   1 thread                 read access.log
 │    → count · string, at most 1,024
 ●  count  2 threads, as completed
      parse combined › filter status >= 500 › group by path, hits: count() › top
      20 by hits › write stdout as json
";
        let steps = [
            "parse combined",
            "filter status >= 500",
            "group by path, hits: count()",
            "top 20 by hits",
            "write stdout as json",
        ];
        let chain = [
            ("read", &[][..], 1, &["read access.log"][..]),
            ("count", &["read"], 2, &steps),
        ];
        assert_eq!(drawn(&chain, 80), expected);
    }

    #[test]
    fn forks_and_joins_can_be_followed() {
        let expected = "\
fake  8 stages, 10 connections

 ●            read     1 thread                 read access.log
 ├─┬─╮          → parse, by-hour, archive · string, at most 1,024
 ● │ │        parse    4 threads, as completed  parse combined
 ├─│─│─┬─╮      → slow, errors, by-hour · string, at most 1,024
 ● │ │ │ │    slow     1 thread                 filter ms > 500
 │ │ │ │ │      → report · string, at most 1,024
 │ │ │ ● │    errors   1 thread                 filter status >= 500
 │ │ │ ├─│─╮    → report, bell · string, at most 1,024
 │ │ │ ● │ │  bell     1 thread                 print {path}
 │ │ │   │ │
 │ ●◂│───╯ │  by-hour  1 thread                 group by hour
 │ │ │     │    → report · string, at most 1,024
 ●◂┴─│─────╯  report   1 thread                 write report.csv
     │
     ●        archive  1 thread                 write archive.gz
";
        let sketches: [Sketch<'_>; 8] = [
            ("read", &[], 1, &["read access.log"]),
            ("parse", &["read"], 4, &["parse combined"]),
            ("slow", &["parse"], 1, &["filter ms > 500"]),
            ("errors", &["parse"], 1, &["filter status >= 500"]),
            ("by-hour", &["parse", "read"], 1, &["group by hour"]),
            (
                "report",
                &["slow", "errors", "by-hour"],
                1,
                &["write report.csv"],
            ),
            ("archive", &["read"], 1, &["write archive.gz"]),
            ("bell", &["errors"], 1, &["print {path}"]),
        ];
        assert_eq!(drawn(&sketches, 80), expected);
    }

    #[test]
    fn a_loop_goes_back_up_beside_the_stages() {
        let expected = "\
fake  4 stages, 4 connections

 ●      seeds  1 thread                 items
 │        → fetch · string, at most 1,024
 ●◂╮    fetch  8 threads, as completed  fetch {url}
 ├─│─╮    → links, store · string, at most 1,024
 ● │ │  links  1 thread                 css a::attr(href)
 ╰─╯ │    → fetch · string, at most 1,024
     ●  store  1 thread                 write pages/
";
        let sketches: [Sketch<'_>; 4] = [
            ("seeds", &[], 1, &["items"]),
            ("fetch", &["seeds", "links"], 8, &["fetch {url}"]),
            ("links", &["fetch"], 1, &["css a::attr(href)"]),
            ("store", &["fetch"], 1, &["write pages/"]),
        ];
        assert_eq!(drawn(&sketches, 80), expected);
    }

    #[test]
    fn no_line_is_wider_than_asked() {
        let names: Vec<String> = (0..40)
            .map(|i| format!("a-stage-with-a-long-name-{i}"))
            .collect();
        let mut sketches: Vec<Sketch<'_>> = vec![("source", &[], 1, &["read a"])];
        sketches.extend(
            names
                .iter()
                .map(|n| (&**n, &["source"][..], 3, &["filter a > b", "map a"][..])),
        );
        for columns in [40, 80, 200] {
            for line in drawn(&sketches, columns).lines() {
                assert!(width(line) <= columns, "{line}");
            }
        }
    }
}
