//! The picture of a running pipeline on a terminal: a line a stage, and one of the whole.
//!
//! Pure: from a [`Look`] and the size of the terminal to lines; [`super::output::Screen`] shows them.

use super::cells::{left, right, width};
use super::look::{Doing, Look, StageLook};
use super::numbers::{clock, plural, rate, short};
use super::paint::Paint;

/// What the picture is drawn for.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    pub width: usize,
    pub height: usize,
    pub paint: Paint,
    /// The number of this picture: what moves, moves by it.
    pub number: usize,
    /// What the last line says beside time and stages.
    pub note: &'a str,
    /// What can be done, said when there is no note.
    pub hint: &'a str,
}

const ITEMS: usize = 7;
const RATE: usize = 8;
const GAUGE: usize = 6;
const ERRORS: usize = 13;
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// How wide the columns are; those for which there is no room are gone.
struct Columns {
    name: usize,
    state: usize,
    rate: bool,
    workers: Option<usize>,
    gauge: bool,
    errors: bool,
}

impl Columns {
    fn of(look: &Look, room: usize) -> Columns {
        let names = look
            .stages
            .iter()
            .map(|s| width(&s.name))
            .max()
            .unwrap_or(0);
        let name = names.clamp(5, (room / 5).clamp(8, 40));
        let workers = look
            .stages
            .iter()
            .map(|s| 2 * s.workers.to_string().len() + 1)
            .max()
            .unwrap_or(3)
            .max(4);
        // The mark, the name, the items, the gaps between them; the state gets what is left.
        let mut left = room.saturating_sub(3 + name + 2 + 2 + ITEMS);
        let mut take = |columns: usize, keep: usize| {
            let fits = left >= columns + 2 + keep;
            left -= if fits { columns + 2 } else { 0 };
            fits
        };
        let errors = look.stages.iter().any(|s| s.errors() > 0) && take(ERRORS, 11);
        let rate = take(RATE, 12);
        let workers = take(workers, 12).then_some(workers);
        let gauge = take(GAUGE, 12);
        Columns {
            name,
            state: left.min(60),
            rate,
            workers,
            gauge,
            errors,
        }
    }
}

/// The lines of the picture, each at most `frame.width` columns, at most `frame.height` of them.
pub fn lines(look: &Look, frame: &Frame<'_>) -> Vec<String> {
    // A line that is as wide as the terminal is broken by some of them.
    let room = frame.width.saturating_sub(1).max(20);
    let columns = Columns::of(look, room);
    let mut budget = frame.height.saturating_sub(2).max(1);
    let mut lines = Vec::new();
    if budget > look.stages.len() {
        lines.push(frame.paint.quiet(head(&columns).trim_end()));
        budget -= 1;
    }
    let shown = shown(look, budget);
    lines.extend(
        shown
            .iter()
            .map(|i| line(&look.stages[*i], &columns, frame)),
    );
    lines.push(foot(look, &shown, frame));
    lines.iter().map(|l| super::cells::cut(l, room)).collect()
}

/// Which stages get a line where there is not one for each: those at work before those that wait to start,
/// those before what is done; failed ones always; in the order of the file.
fn shown(look: &Look, budget: usize) -> Vec<usize> {
    let rank = |s: &StageLook| match s.doing {
        Doing::Failed => 0,
        Doing::Working | Doing::Finishing => 1,
        Doing::NeedsRoom
        | Doing::NeedsInput
        | Doing::NeedsTurn
        | Doing::NeedsGuard
        | Doing::NeedsTime
        | Doing::NeedsWorld => 2,
        Doing::Pending => 3,
        Doing::Stopped | Doing::Drained | Doing::Done => 4,
    };
    let mut all: Vec<usize> = (0..look.stages.len()).collect();
    all.sort_by_key(|i| rank(&look.stages[*i]));
    all.truncate(budget);
    all.sort_unstable();
    all
}

fn head(columns: &Columns) -> String {
    let mut parts = vec![
        left("stage", columns.name),
        left("", columns.state),
        right("items", ITEMS),
    ];
    parts.extend(columns.rate.then(|| right("rate", RATE)));
    parts.extend(columns.workers.map(|workers| right("busy", workers)));
    parts.extend(columns.gauge.then(|| left("input", GAUGE)));
    format!("   {}", parts.join("  "))
}

fn line(stage: &StageLook, columns: &Columns, frame: &Frame<'_>) -> String {
    let paint = frame.paint;
    let over = stage.doing.is_over() || stage.doing == Doing::Pending;
    let mark = match stage.doing {
        Doing::Pending => paint.quiet("·"),
        Doing::Working | Doing::Finishing => paint.busy(SPINNER[frame.number % SPINNER.len()]),
        Doing::NeedsInput
        | Doing::NeedsRoom
        | Doing::NeedsTurn
        | Doing::NeedsGuard
        | Doing::NeedsTime
        | Doing::NeedsWorld => paint.quiet("◦"),
        Doing::Done => paint.good("✓"),
        Doing::Failed => paint.bad("✗"),
        Doing::Stopped | Doing::Drained => paint.careful("■"),
    };
    let name = left(&stage.name, columns.name);
    // What is over is not moving any more.
    let moving = |text: String| if over { String::new() } else { text };
    let mut parts = vec![
        if over { name } else { paint.strong(&name) },
        state(stage, columns.state, paint),
        right(&short(stage.taken), ITEMS),
    ];
    if columns.rate {
        parts.push(right(&moving(rate(stage.rate)), RATE));
    }
    if let Some(workers) = columns.workers {
        let busy = format!("{}/{}", stage.busy, stage.workers);
        parts.push(right(&moving(busy), workers));
    }
    if columns.gauge {
        parts.push(match stage.waiting {
            Some((waiting, max)) if !over => {
                let part = waiting as f64 / max as f64;
                let full = filled(part, GAUGE);
                let rest = "░".repeat(GAUGE - width(&full));
                paint.busy(&full) + &paint.quiet(&rest)
            }
            _ => " ".repeat(GAUGE),
        });
    }
    if columns.errors && stage.errors() > 0 {
        parts.push(paint.bad(&plural(stage.errors(), "error")));
    }
    format!(" {mark} {}", parts.join("  "))
}

/// A bar where the stage knows how much there is to do, else what it is doing.
fn state(stage: &StageLook, columns: usize, paint: Paint) -> String {
    match (stage.doing, stage.part) {
        (doing, Some((done, total))) if !doing.is_over() && doing != Doing::Pending => {
            let part = done as f64 / total as f64;
            let percent = format!("{:3.0}%", (part * 100.0).floor());
            let eta = stage
                .left
                .map(|d| format!(" {}", clock(d)))
                .unwrap_or_default();
            let beside = format!(" {percent}{}", right(&eta, 6));
            let bar = columns.saturating_sub(width(&beside));
            if bar < 4 {
                return left(beside.trim_start(), columns);
            }
            let halves = (part * 2.0 * bar as f64) as usize;
            let full = "━".repeat(halves / 2) + if halves % 2 == 1 { "╸" } else { "" };
            let rest = "─".repeat(bar - width(&full));
            format!("{}{}{beside}", paint.busy(&full), paint.quiet(&rest))
        }
        (doing, _) => {
            let text = left(doing.text(), columns);
            match doing {
                Doing::Failed => paint.bad(&text),
                Doing::Stopped | Doing::Drained => paint.careful(&text),
                Doing::Working | Doing::Finishing => text,
                _ => paint.quiet(&text),
            }
        }
    }
}

/// The full part of a gauge, in eighths of a column; not nothing is seen, and not all is not full.
fn filled(part: f64, columns: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let all = columns * 8;
    let eighths = match (part * all as f64) as usize {
        0 if part > 0.0 => 1,
        n if part < 1.0 => n.min(all - 1),
        _ => all,
    };
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

fn foot(look: &Look, shown: &[usize], frame: &Frame<'_>) -> String {
    let over = look.stages.iter().filter(|s| s.doing.is_over()).count();
    let mut parts = vec![clock(look.at)];
    let hidden: Vec<&StageLook> = (0..look.stages.len())
        .filter(|i| !shown.contains(i))
        .map(|i| &look.stages[i])
        .collect();
    if hidden.is_empty() {
        parts.push(format!("{over} of {} stages done", look.stages.len()));
    } else {
        let done = hidden.iter().filter(|s| s.doing.is_over()).count();
        let pending = hidden.iter().filter(|s| s.doing == Doing::Pending).count();
        let mut rest = vec![];
        for (n, text) in [
            (hidden.len() - done - pending, "running"),
            (pending, "not started"),
            (done, "done"),
        ] {
            if n > 0 {
                rest.push(format!("{n} {text}"));
            }
        }
        parts.push(format!("{} more stages: {}", hidden.len(), rest.join(", ")));
    }
    let errors: u64 = look.stages.iter().map(StageLook::errors).sum();
    let mut text = frame.paint.quiet(&format!("   {}", parts.join(" · ")));
    if errors > 0 {
        text += &frame.paint.quiet(" · ");
        text += &frame.paint.bad(&plural(errors, "error"));
    }
    if frame.note.is_empty() && !frame.hint.is_empty() {
        text += &frame.paint.quiet(&format!(" · {}", frame.hint));
    }
    if !frame.note.is_empty() {
        text += &frame.paint.quiet(" · ");
        text += &frame.paint.careful(frame.note);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn stage(name: &str, doing: Doing) -> StageLook {
        StageLook {
            name: name.into(),
            doing,
            source: false,
            taken: 1_240_000,
            made: 0,
            ended: [0; 7],
            rate: 402_000.0,
            busy: 2,
            workers: 4,
            waiting: Some((600, 1024)),
            part: None,
            left: None,
            busy_time: Duration::ZERO,
            waited: [Duration::ZERO; 6],
            held: 0,
        }
    }

    fn look(stages: Vec<StageLook>) -> Look {
        Look {
            at: Duration::from_secs(12),
            stages,
            conns: Vec::new(),
        }
    }

    fn three() -> Look {
        let mut read = stage("read", Doing::Working);
        (read.waiting, read.part, read.left) =
            (None, Some((52, 100)), Some(Duration::from_secs(7)));
        (read.busy, read.workers) = (1, 1);
        let mut count = stage("count", Doing::NeedsInput);
        count.ended[3] = 3;
        (count.waiting, count.busy) = (Some((0, 1024)), 0);
        look(vec![
            read,
            stage("parse", Doing::Working),
            count,
            stage("write", Doing::Pending),
        ])
    }

    fn plain(look: &Look, width: usize, height: usize) -> Vec<String> {
        lines(
            look,
            &Frame {
                width,
                height,
                paint: Paint { on: false },
                number: 0,
                note: "",
                hint: "",
            },
        )
    }

    #[test]
    fn a_picture_of_80_columns() {
        let expected = [
            "   stage                           items      rate  busy  input",
            " ⠋ read   ━━━━━─────  52%  0:07   1.24 M   402 k/s   1/1",
            " ⠋ parse  running                 1.24 M   402 k/s   2/4  ███▌░░",
            " ◦ count  needs input             1.24 M   402 k/s   0/4  ░░░░░░  3 errors",
            " · write  not started             1.24 M",
            "   0:12 · 0 of 4 stages done · 3 errors",
        ];
        let picture = plain(&three(), 80, 24);
        assert_eq!(
            picture.iter().map(|l| l.trim_end()).collect::<Vec<_>>(),
            expected,
            "{}",
            picture.join("\n")
        );
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_no_picture_higher() {
        let mut many = three();
        for i in 0..60 {
            many.stages.push(stage(
                &format!("a-stage-with-a-long-name-{i}"),
                Doing::Working,
            ));
        }
        for columns in [10, 20, 40, 60, 80, 120, 200, 400] {
            for height in [1, 2, 3, 10, 24, 60] {
                let picture = plain(&many, columns, height);
                assert!(
                    picture.len() <= height.max(2),
                    "{columns}x{height}: {} lines",
                    picture.len()
                );
                for line in &picture {
                    assert!(
                        width(line) < columns.max(21),
                        "{columns}x{height}: {line:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn where_there_are_too_many_stages_those_at_work_are_shown() {
        let mut stages: Vec<StageLook> = (0..30)
            .map(|i| stage(&format!("s{i}"), Doing::Done))
            .collect();
        stages[7].doing = Doing::Working;
        stages[20].doing = Doing::Failed;
        let picture = plain(&look(stages), 80, 4).join("\n");
        assert!(
            picture.contains("s7 ") && picture.contains("s20 "),
            "{picture}"
        );
        assert!(picture.contains("28 more stages: 28 done"), "{picture}");
    }

    #[test]
    fn a_gauge_tells_empty_from_little_and_full_from_nearly_full() {
        let bars: Vec<String> = [0.0, 0.001, 0.5, 0.999, 1.0]
            .iter()
            .map(|p| filled(*p, 6))
            .collect();
        assert_eq!(bars, ["", "▏", "███", "█████▉", "██████"]);
    }

    #[test]
    fn colours_do_not_change_the_columns() {
        let bare = plain(&three(), 80, 24);
        let colourful = lines(
            &three(),
            &Frame {
                width: 80,
                height: 24,
                paint: Paint { on: true },
                number: 0,
                note: "",
                hint: "",
            },
        );
        let stripped: Vec<String> = colourful
            .iter()
            .map(|l| console::strip_ansi_codes(l).trim_end().to_string())
            .collect();
        assert_eq!(
            stripped,
            bare.iter()
                .map(|l| l.trim_end().to_string())
                .collect::<Vec<_>>()
        );
    }
}
