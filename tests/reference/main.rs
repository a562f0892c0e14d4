//! Random pipelines, run by the real engine and by a small single-threaded model of the language that was written
//! apart from it: the same items leave every stage, in the same order where the language promises one, and nothing
//! is lost or doubled.
//!
//! `MILLSTREAM_REFERENCE=5000 cargo test --test reference -- --nocapture` tries more of them;
//! `MILLSTREAM_REFERENCE_SEED=123` begins there. Each is made from its seed alone.

#![allow(clippy::print_stdout, reason = "it says how much it has tried")]

mod pipeline;
mod random;
mod steps;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use millstream::steps::Output;
use millstream::{Error, notice::Exit};
use pipeline::Pipeline;
use random::Random;
use steps::Item;

/// What was printed.
#[derive(Default)]
struct Printed(Mutex<Vec<u8>>);

impl Output for Printed {
    fn stdout(&self, bytes: &[u8]) -> std::io::Result<()> {
        self.0
            .lock()
            .expect("nobody panics here")
            .extend_from_slice(bytes);
        Ok(())
    }

    fn stderr(&self, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }

    fn log(&self, _: &str) {}
}

/// Runs one; `Err` says what is different from what the model gives.
fn compare(seed: u64) -> Result<usize, String> {
    let pipeline = Pipeline::draw(&mut Random::new(seed));
    let (text, expected) = (pipeline.text(), pipeline.expected());
    let wrong = |what: String| format!("seed {seed}: {what}\n{text}");
    let printed = Arc::new(Printed::default());
    let run = millstream::Pipeline::from_text(text.as_str()).output(printed.clone());
    let report = match run.run() {
        Ok(report) => report,
        Err(Error::Ended(report)) if expected.kept_going && report.ended.exit == Exit::Failed => {
            *report
        }
        Err(error) => return Err(wrong(error.to_string())),
    };
    if expected.kept_going && report.ended.exit != Exit::Failed {
        return Err(wrong(
            "an item failed under keep_going, and the run did not".into(),
        ));
    }
    for stage in &report.stages {
        if !stage.account.adds_up() {
            return Err(wrong(format!("{}: {:?}", stage.name, stage.account)));
        }
    }
    let bytes = printed.0.lock().expect("nobody panics here").clone();
    let said = String::from_utf8(bytes).expect("text");
    let mut lines: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in said.lines() {
        let (name, rest) = line.split_once(' ').expect("a name and an item");
        lines.entry(name).or_default().push(rest);
    }
    let mut items = 0;
    for (name, at) in pipeline.names() {
        let leaves = &expected.leaves[at];
        let mut wanted: Vec<String> = leaves.items.iter().map(Item::to_string).collect();
        let mut got: Vec<String> = lines
            .remove(name.as_str())
            .unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect();
        items += got.len();
        if !leaves.ordered {
            wanted.sort();
            got.sort();
        }
        if wanted != got {
            let order = if leaves.ordered {
                "in this order"
            } else {
                "in any order"
            };
            return Err(wrong(format!(
                "{name} {order}:{}",
                difference(&wanted, &got)
            )));
        }
    }
    let mut wanted: Vec<String> = expected
        .dead
        .iter()
        .map(|(i, n)| format!("{i} {n}"))
        .collect();
    let mut got: Vec<String> = lines
        .remove("dead")
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect();
    wanted.sort();
    got.sort();
    if wanted != got {
        return Err(wrong(format!("dead letters:{}", difference(&wanted, &got))));
    }
    Ok(items)
}

/// The first places where two lists differ.
fn difference(wanted: &[String], got: &[String]) -> String {
    let mut out = format!(" {} wanted, {} came", wanted.len(), got.len());
    let pairs = (0..wanted.len().max(got.len())).map(|i| (i, wanted.get(i), got.get(i)));
    for (i, wanted, got) in pairs.filter(|(_, w, g)| w != g).take(5) {
        let _ = write!(out, "\n  {i}: wanted {wanted:?}, came {got:?}");
    }
    out
}

#[test]
fn random_pipelines_give_what_a_plain_loop_gives() {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let runs = number("MILLSTREAM_REFERENCE").unwrap_or(600);
    let from = number("MILLSTREAM_REFERENCE_SEED").unwrap_or(0);
    let (mut items, mut failed) = (0, Vec::new());
    for seed in from..from + runs {
        match compare(seed) {
            Ok(n) => items += n,
            Err(why) => failed.push(why),
        }
        if failed.len() >= 5 {
            break;
        }
    }
    println!("{runs} pipelines tried from seed {from}, {items} items left their stages");
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
