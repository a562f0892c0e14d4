//! The end of a run on a page: what became of the items of each stage, how long it took, what limited it.

use std::time::Duration;

use super::advice;
use super::cells::{cut, left, right, width};
use super::look::{Doing, Look, StageLook};
use super::numbers::{bytes, exact, percent, plural, rate, short, time};
use super::paint::Paint;
use super::prose;
use super::usage::Usage;
use crate::notice::{Ended, Exit, Final};
use crate::plan::{ConnKind, Full};
use crate::steps::Outcome;

/// The summary's lines.
pub fn lines(
    look: &Look,
    ended: &Ended,
    usage: &Usage,
    values: &[Final],
    paint: Paint,
    columns: usize,
) -> Vec<String> {
    let mut lines = vec![headline(look, ended, usage, paint)];
    if look.stages.iter().all(|s| s.taken == 0) {
        return lines;
    }
    lines.push(String::new());
    let mut rows = table(look, ended.took, exact, paint);
    if rows.iter().any(|row| width(row.trim_end()) > columns) {
        rows = table(look, ended.took, short, paint);
    }
    lines.extend(rows.iter().map(|row| cut(row.trim_end(), columns)));
    if let Some(slowest) = slowest(look, ended.took) {
        lines.push(String::new());
        lines.push(format!("  {slowest}"));
    }
    lines.extend(lost(look, paint));
    lines.extend(finals(values, paint, columns));
    for stage in look.stages.iter().filter(|s| s.open() != 0) {
        lines.push(paint.bad(&format!(
            "  BUG: {} of the items of `{}` have no outcome; please report this",
            stage.open(),
            stage.name
        )));
    }
    if ended.exit != Exit::Deadlock
        && let Some(sentence) = advice::limit(look, ended.took, usage)
    {
        lines.push(String::new());
        lines.extend(
            prose::lines(&format!("{sentence}."), columns.saturating_sub(2).min(100))
                .iter()
                .map(|l| format!("  {l}")),
        );
    }
    lines
}

fn headline(look: &Look, ended: &Ended, usage: &Usage, paint: Paint) -> String {
    let word = match ended.exit {
        Exit::Done => paint.good("✓ done"),
        Exit::Interrupted => paint.careful("■ interrupted"),
        Exit::Terminated => paint.careful("■ terminated"),
        Exit::Deadline => paint.careful("■ out of time"),
        Exit::BrokenPipe => paint.careful("■ stopped"),
        _ => paint.bad("✗ failed"),
    };
    let after = if ended.exit == Exit::Done {
        "in"
    } else {
        "after"
    };
    let mut parts = vec![format!("{word} {after} {}", time(ended.took))];
    let items: u64 = look
        .stages
        .iter()
        .filter(|s| s.source)
        .map(|s| s.taken)
        .sum();
    parts.push(plural_exact(items, "item"));
    if ended.took >= Duration::from_millis(100) && items > 0 {
        parts.push(rate(items as f64 / ended.took.as_secs_f64()));
    }
    let errors: u64 = look.stages.iter().map(StageLook::errors).sum();
    if errors > 0 {
        parts.push(paint.bad(&plural(errors, "error")));
    }
    parts.push(format!("peak {}", bytes(usage.peak_memory)));
    parts.join(&paint.quiet(" · "))
}

fn plural_exact(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", exact(n), if n == 1 { "" } else { "s" })
}

const BUSY: usize = 5;

/// A column of the table: its head and a number for each stage.
type Column = (&'static str, Vec<u64>);

fn table(look: &Look, took: Duration, number: fn(u64) -> String, paint: Paint) -> Vec<String> {
    let of = |f: &dyn Fn(&StageLook) -> u64| look.stages.iter().map(f).collect::<Vec<u64>>();
    let mut columns: Vec<Column> = vec![("taken", of(&|s| s.taken)), ("made", of(&|s| s.made))];
    for outcome in Outcome::ALL {
        columns.push((outcome.name(), of(&|s| s.outcome(outcome))));
    }
    columns.retain(|(head, numbers)| *head == "taken" || numbers.iter().any(|n| *n > 0));
    let name = look
        .stages
        .iter()
        .map(|s| width(&s.name))
        .max()
        .unwrap_or(0)
        .clamp(5, 32);
    let wide: Vec<usize> = columns
        .iter()
        .map(|(head, numbers)| {
            numbers
                .iter()
                .map(|n| number(*n).len())
                .max()
                .unwrap_or(0)
                .max(head.len())
        })
        .collect();
    let mut head = vec![left("stage", name)];
    head.extend(
        columns
            .iter()
            .zip(&wide)
            .map(|((title, _), wide)| right(title, *wide)),
    );
    head.push(right("busy", BUSY));
    let mut lines = vec![paint.quiet(&format!("  {}", head.join("  ")))];
    for (i, stage) in look.stages.iter().enumerate() {
        let mut parts = vec![left(&stage.name, name)];
        for ((title, numbers), wide) in columns.iter().zip(&wide) {
            let n = numbers[i];
            let text = if n == 0 && *title != "taken" {
                String::new()
            } else {
                number(n)
            };
            let text = right(&text, *wide);
            parts.push(match *title {
                "dropped" | "dead" if n > 0 => paint.bad(&text),
                "unfinished" if n > 0 => paint.careful(&text),
                _ => text,
            });
        }
        let busy = if stage.doing == Doing::Pending {
            String::new()
        } else {
            percent(stage.busy_share(took))
        };
        parts.push(right(&busy, BUSY));
        lines.push(format!("{} {}", mark(stage.doing, paint), parts.join("  ")));
    }
    lines
}

/// What connections did not pass on.
fn lost(look: &Look, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    for conn in &look.conns {
        let name = match conn.kind {
            ConnKind::Queue => format!("queue `{}`", conn.name),
            ConnKind::Pipe => format!("pipe `{}`", conn.name),
            ConnKind::Unnamed => format!("pipe from `{}`", conn.name),
        };
        if conn.dropped > 0 {
            let how = if conn.full == Full::DropOldest {
                "drop_oldest"
            } else {
                "drop_newest"
            };
            let (dropped, all) = (exact(conn.dropped), plural_exact(conn.put, "item"));
            lines.push(paint.careful(&format!(
                "  {name} was full and dropped {dropped} of {all} ({how})"
            )));
        }
        if conn.unread && conn.cut > 0 {
            let cut = plural_exact(conn.cut, "item");
            lines.push(format!("  {name} has no reader in this run: {cut} let go"));
        }
        if conn.unfinished > 0 {
            let left = plural_exact(conn.unfinished, "item");
            lines.push(paint.careful(&format!(
                "  {name} keeps {left} unfinished: the run was stopped"
            )));
        }
    }
    if !lines.is_empty() {
        lines.insert(0, String::new());
    }
    lines
}

/// The shared values and arrays.
fn finals(values: &[Final], paint: Paint, columns: usize) -> Vec<String> {
    let name = values.iter().map(|v| width(&v.name)).max().unwrap_or(0);
    let line = |v: &Final| {
        let text = match &v.value {
            serde_json::Value::String(text) => super::cells::tame(text),
            other => other.to_string(),
        };
        cut(
            &format!("  {}  {text}", left(&v.name, name.min(32))),
            columns,
        )
    };
    let mut lines: Vec<String> = values.iter().map(line).collect();
    if !lines.is_empty() {
        lines.insert(0, String::new());
        lines.insert(1, paint.quiet("  values"));
    }
    lines
}

fn mark(doing: Doing, paint: Paint) -> String {
    match doing {
        Doing::Done => paint.good("✓"),
        Doing::Failed => paint.bad("✗"),
        Doing::Pending => paint.quiet("·"),
        _ => paint.careful("■"),
    }
}

/// At most three stages whose workers worked most of their time, with that share.
pub fn busiest(look: &Look, took: Duration) -> Vec<(f64, &StageLook)> {
    let stages = look.stages.iter();
    let mut all: Vec<(f64, &StageLook)> = stages.map(|s| (s.busy_share(took), s)).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    // Where nobody worked much, the order of the shares says nothing.
    all.retain(|(share, _)| *share >= 0.05);
    all.truncate(3);
    all
}

/// The three stages whose workers worked most of their time, where there are more than one sees at a glance.
fn slowest(look: &Look, took: Duration) -> Option<String> {
    const AT_A_GLANCE: usize = 3;
    if look.stages.len() <= AT_A_GLANCE {
        return None;
    }
    let all = busiest(look, took);
    if all.is_empty() {
        return None;
    }
    let three: Vec<String> = all
        .iter()
        .map(|(share, s)| format!("{} {}", s.name, percent(*share)))
        .collect();
    Some(format!("busiest: {}", three.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;
    use crate::notice::{Meters, StageState};
    use crate::report::fake::chain;
    use crate::report::look::Watch;

    fn said(meters: &std::sync::Arc<Meters>, exit: Exit) -> String {
        let took = Duration::from_secs(4);
        let look = Watch::new(&chain(&["read", "count"]), meters.clone()).look(took);
        let usage = Usage {
            peak_memory: 38 << 20,
            cpu: Duration::from_secs(6),
            cpus: 4,
        };
        let ended = Ended {
            exit,
            took,
            why: None,
        };
        lines(&look, &ended, &usage, &[], Paint { on: false }, 80).join("\n")
    }

    fn finished() -> std::sync::Arc<Meters> {
        let meters = Meters::new(2, 1);
        meters.stages[0].taken.store(2_000_000, Relaxed);
        meters.stages[0].ended[0].store(2_000_000, Relaxed);
        meters.stages[0].busy_nanos.store(2_000_000_000, Relaxed);
        meters.stages[1].taken.store(2_000_000, Relaxed);
        meters.stages[1].made.store(20, Relaxed);
        for (ended, n) in meters.stages[1]
            .ended
            .iter()
            .zip([20, 1_950_000, 49_997, 3])
        {
            ended.store(n, Relaxed);
        }
        meters.stages[1].busy_nanos.store(7_600_000_000, Relaxed);
        meters
            .stages
            .iter()
            .for_each(|s| s.set_state(StageState::Done));
        meters
    }

    #[test]
    fn every_item_is_accounted_for_on_one_page() {
        let expected = "\
✓ done in 4.00 s · 2,000,000 items · 500 k/s · 3 errors · peak 38 MiB

  stage      taken  made     passed   filtered  absorbed  dropped   busy
✓ read   2,000,000        2,000,000                                 25 %
✓ count  2,000,000    20         20  1,950,000    49,997        3   95 %

  `count` limited the run: its 2 workers worked 95 % of the time; more of them
  may help.";
        assert_eq!(said(&finished(), Exit::Done), expected);
    }

    #[test]
    fn an_item_without_an_outcome_is_called_a_bug() {
        let meters = finished();
        meters.stages[1].ended[3].store(1, Relaxed);
        let page = said(&meters, Exit::Done);
        assert!(
            page.contains("BUG: 2 of the items of `count` have no outcome"),
            "{page}"
        );
    }

    #[test]
    fn a_stopped_run_says_what_was_left() {
        let meters = finished();
        meters.stages[1].ended[3].store(0, Relaxed);
        meters.stages[1].ended[6].store(3, Relaxed);
        meters.stages[1].set_state(StageState::Stopped);
        meters.conns[0].unfinished.store(1234, Relaxed);
        let page = said(&meters, Exit::Interrupted);
        assert!(
            page.contains(
                "\n  pipe from `read` keeps 1,234 items unfinished: the run was stopped\n"
            ),
            "{page}"
        );
        assert!(page.starts_with("■ interrupted after 4.00 s"), "{page}");
        assert!(
            page.contains("unfinished") && page.contains("■ count"),
            "{page}"
        );
    }
}
