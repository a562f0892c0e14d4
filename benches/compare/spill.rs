//! A queue that keeps most of its items on disk: all are put before any is taken.

use std::fs;
use std::io;
use std::path::Path;

use super::{Runner, Wish, data, first_lines, millstream};

pub(super) const ITEMS: u64 = 5_000_000;
/// Items a second, in and out together.
const RATE: f64 = 500_000.0;
/// MiB that the run may have resident.
const PEAK: u64 = 100;

const ORDERS: [(&str, &str); 3] = [
    ("fifo", "order: fifo"),
    ("lifo", "order: lifo"),
    ("priority", "order: priority, by: rank"),
];

pub(super) fn spill(wish: &Wish) -> io::Result<bool> {
    let items = ITEMS / wish.part;
    println!(
        "\nspill: {items} records through a queue of 1024 that spills, all in before the first is out"
    );
    let mut runners = Vec::new();
    for (name, order) in ORDERS {
        let path = data::folder().join(format!("spill-{name}.yaml"));
        fs::write(&path, pipeline(order, items))?;
        runners.push(Runner::new(name, millstream(&path, Path::new("/dev/null"))));
    }
    let mut well = true;
    for _ in 0..wish.rounds.min(5) {
        for runner in &mut runners {
            let taken = runner.once()?;
            if taken.code != 0 {
                println!(
                    "  {} failed: {}",
                    runner.name,
                    first_lines(&runner.errors())
                );
                return Ok(false);
            }
            runner.taken.push(taken);
        }
    }
    for runner in &runners {
        let seconds = runner.median().as_secs_f64();
        let rate = items as f64 / seconds;
        let reached = rate >= RATE && runner.peak_mib() <= PEAK;
        well &= reached;
        println!(
            "  {:<13}{seconds:>9.3} s {:>8.2} M/s in and out  peak {:>4} MiB; target {:.1} M/s and {PEAK} MiB: {}",
            runner.name,
            rate / 1e6,
            runner.peak_mib(),
            RATE / 1e6,
            if reached { "reached" } else { "MISSED" }
        );
    }
    Ok(well)
}

fn pipeline(order: &str, items: u64) -> String {
    format!(
        "queues: {{deep: {{of: {{n: int, rank: int, name: string}}, {order}, full: spill}}}}
stages:
  make: {{do: [{{range: {items}}}], to: items}}
  put: {{from: items, to: deep, do: [{{map: '{{\"n\": item, \"rank\": item * 7919 % 1000003, \"name\": \"item \" + string(item)}}'}}]}}
  take: {{from: deep, after: put, do: [{{group: {{n: count(), sum: sum(n), last: last(name)}}}}, {{write: {{to: stdout, format: json}}}}]}}
pipes: [items]
"
    )
}
