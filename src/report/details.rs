//! What `-v` adds to the end of a run: what the workers waited for, and how full the connections were.

use std::time::Duration;

use super::cells::{cut, left, right, width};
use super::look::Look;
use super::numbers::{exact, percent};
use super::paint::Paint;

/// The lines, each at most so many columns wide.
pub fn lines(look: &Look, took: Duration, paint: Paint, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let waits = look.stages.iter().map(|s| {
        let had = took.as_secs_f64() * s.workers as f64;
        let share = |d: &Duration| match d.as_secs_f64() {
            0.0 => String::new(),
            seconds => percent((seconds / had.max(f64::MIN_POSITIVE)).min(1.0)),
        };
        let mut row = vec![s.name.to_string(), percent(s.busy_share(took))];
        row.extend(s.waited.iter().map(share));
        row
    });
    let head = [
        "time of workers",
        "busy",
        "input",
        "output",
        "turn",
        "guards",
        "sleep",
        "outside",
    ];
    lines.extend(table(&head, &waits.collect::<Vec<_>>(), paint));
    let conns = look.conns.iter().map(|c| {
        [c.put, c.peak, c.max]
            .iter()
            .fold(vec![c.name.to_string()], |mut row, n| {
                row.push(exact(*n));
                row
            })
    });
    let head = ["connection", "items", "most waiting", "bound"];
    lines.extend(table(&head, &conns.collect::<Vec<_>>(), paint));
    lines.iter().map(|l| cut(l.trim_end(), columns)).collect()
}

/// Names at the left, numbers at the right; no rows: nothing.
fn table(head: &[&str], rows: &[Vec<String>], paint: Paint) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let wide = |i: usize| {
        let cells = rows.iter().map(|r| width(&r[i]));
        cells.max().unwrap_or(0).max(width(head[i])).min(32)
    };
    let wide: Vec<usize> = (0..head.len()).map(wide).collect();
    let line = |cells: &[&str]| {
        let parts = cells.iter().zip(&wide).enumerate();
        let parts = parts.map(|(i, (cell, wide))| match i {
            0 => left(cell, *wide),
            _ => right(cell, *wide),
        });
        format!("  {}", parts.collect::<Vec<_>>().join("  "))
    };
    let mut lines = vec![String::new(), paint.quiet(&line(head))];
    for row in rows {
        let cells: Vec<&str> = row.iter().map(String::as_str).collect();
        lines.push(line(&cells));
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;
    use crate::notice::Meters;
    use crate::report::fake::chain;
    use crate::report::look::{INPUT, Watch};

    #[test]
    fn waits_are_shares_of_the_workers_time() {
        let meters = Meters::new(2, 1);
        meters.stages[1].busy_nanos.store(4_000_000_000, Relaxed);
        meters.stages[1].waited_nanos[INPUT].store(12_000_000_000, Relaxed);
        meters.conns[0].put.store(5000, Relaxed);
        meters.conns[0].peak.store(1024, Relaxed);
        let took = Duration::from_secs(8);
        let look = Watch::new(&chain(&["read", "count"]), meters).look(took);
        let expected = "
  time of workers  busy  input  output  turn  guards  sleep  outside
  read              0 %
  count            25 %   75 %

  connection  items  most waiting  bound
  read        5,000         1,024  1,024";
        let said = lines(&look, took, Paint { on: false }, 80).join("\n");
        assert_eq!(said, expected);
    }
}
