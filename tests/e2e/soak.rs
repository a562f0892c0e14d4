//! Hundreds of random small pipelines, each with random bounds, workers, failures and signals: every one must end,
//! with an exit code that fits, and where nothing went wrong with exactly the items that a plain loop gives.
//!
//! `MILLSTREAM_SOAK=5000 cargo test --test e2e soak -- --nocapture` runs more of them, `MILLSTREAM_SOAK_SEED=123` begins there; each is made from its seed
//! alone, so a seed is a way to see a failure again.

#![allow(clippy::print_stdout, reason = "the seeds are to be seen")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::signal::Signal;

use crate::case::{Case, Done};
use crate::shipped::log::Random;

/// What a stage does to its items, which are whole numbers.
#[derive(Clone, Debug)]
enum Act {
    /// Lets those pass that leave this rest.
    Filter {
        of: i64,
        rest: i64,
    },
    Add(i64),
    /// Fails at this number.
    Fail(i64),
}

impl Act {
    fn random(random: &mut Random, may_fail: bool) -> Act {
        match random.below(if may_fail { 6 } else { 5 }) {
            0..=2 => {
                let of = 2 + random.below(5) as i64;
                Act::Filter {
                    of,
                    rest: random.below(of as u64) as i64,
                }
            }
            3..=4 => Act::Add(random.below(100) as i64),
            _ => Act::Fail(random.below(2000) as i64),
        }
    }

    fn text(&self) -> String {
        match self {
            Act::Filter { of, rest } => format!("{{filter: item % {of} == {rest}}}"),
            Act::Add(n) => format!("{{map: item + {n}}}"),
            Act::Fail(at) => format!("{{map: item + 0 / (item - {at})}}"),
        }
    }

    /// The item that it becomes; `Err` where it fails.
    fn apply(&self, item: i64) -> Result<Option<i64>, ()> {
        match self {
            Act::Filter { of, rest } => Ok((item % of == *rest).then_some(item)),
            Act::Add(n) => Ok(Some(item + n)),
            Act::Fail(at) if *at == item => Err(()),
            Act::Fail(_) => Ok(Some(item)),
        }
    }
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is drawn on its own")]
struct Stage {
    name: String,
    /// Stages before it, by number; none: a source of these numbers.
    from: Vec<usize>,
    range: (i64, i64),
    to_queue: bool,
    from_queue: bool,
    threads: u64,
    ordered: bool,
    drops: bool,
    acts: Vec<Act>,
    take: Option<usize>,
    /// Nobody reads it: it writes a file.
    leaf: bool,
}

/// What is done to the run from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    None,
    /// A signal after so many lines of output, and perhaps another.
    Signal {
        lines: u64,
        twice: bool,
    },
    /// Standard output closed after so many lines.
    Closed {
        lines: u64,
    },
}

#[derive(Debug)]
struct Soak {
    stages: Vec<Stage>,
    queue_max: u64,
    queue_order: &'static str,
    trouble: Trouble,
    endless: bool,
}

/// What a plain loop says about a stage.
#[derive(Default)]
struct Model {
    /// What leaves each stage.
    out: Vec<Vec<i64>>,
    /// An item error reached a stage that fails on it.
    fails: bool,
}

impl Soak {
    fn random(random: &mut Random) -> Soak {
        let trouble = match random.below(10) {
            0..=4 => Trouble::None,
            5..=7 => Trouble::Signal {
                lines: random.skewed(400),
                twice: random.below(3) == 0,
            },
            _ => Trouble::Closed {
                lines: random.skewed(100),
            },
        };
        let endless = trouble != Trouble::None && random.below(2) == 0;
        let may_fail = random.below(4) == 0;
        let mut stages: Vec<Stage> = Vec::new();
        let sources = 1 + random.below(2) as usize;
        let middles = random.below(6) as usize;
        for n in 0..sources + middles {
            let from = if n < sources {
                Vec::new()
            } else {
                let mut from = vec![random.below(n as u64) as usize];
                if random.below(4) == 0 {
                    from.push(random.below(n as u64) as usize);
                }
                from.sort_unstable();
                from.dedup();
                from
            };
            let start = random.below(1000) as i64;
            let end = if endless {
                1 << 60
            } else {
                start + random.skewed(3000) as i64
            };
            stages.push(Stage::random(
                random,
                format!("s{n}"),
                from,
                (start, end),
                may_fail,
            ));
            // The first is watched from outside: something must leave it.
            if n == 0 {
                stages[0]
                    .acts
                    .retain(|act| !matches!(act, Act::Filter { .. }));
                stages[0].take = None;
            }
        }
        let queue_max = 1 + random.skewed(300);
        let queue_order = random.of(&["fifo", "fifo", "lifo", "priority, by: item % 10"]);
        if random.below(2) == 0 {
            // Some write into a queue, and one or several that are all alike share what it holds.
            for n in 0..=random.below(3) {
                let from = vec![random.below(stages.len().min(sources + middles) as u64) as usize];
                let mut writer = Stage::random(random, format!("w{n}"), from, (0, 0), may_fail);
                writer.to_queue = true;
                writer.take = None;
                writer.leaf = false;
                stages.push(writer);
            }
            let acts = (0..random.below(3))
                .map(|_| Act::random(random, false))
                .collect::<Vec<_>>();
            for n in 0..=random.below(3) {
                let mut reader = Stage::random(random, format!("r{n}"), Vec::new(), (0, 0), false);
                reader.from_queue = true;
                reader.acts.clone_from(&acts);
                reader.take = None;
                stages.push(reader);
            }
        }
        for n in 0..stages.len() {
            if stages.iter().any(|s| s.from.contains(&n)) {
                stages[n].leaf = false;
                stages[n].take = None;
            }
        }
        Soak {
            stages,
            queue_max,
            queue_order,
            trouble,
            endless,
        }
    }

    fn pipeline(&self) -> String {
        let mut text = String::new();
        if self.stages.iter().any(|s| s.to_queue) {
            let _ = writeln!(
                text,
                "queues: {{q: {{of: int, max: {}, order: {}}}}}",
                self.queue_max, self.queue_order
            );
        }
        text.push_str("stages:\n");
        for stage in &self.stages {
            let _ = writeln!(text, "  {}:", stage.name);
            if stage.from_queue {
                text.push_str("    from: q\n");
            } else if !stage.from.is_empty() {
                let names: Vec<_> = stage
                    .from
                    .iter()
                    .map(|n| self.stages[*n].name.as_str())
                    .collect();
                let _ = writeln!(text, "    from: [{}]", names.join(", "));
            }
            if stage.to_queue {
                text.push_str("    to: q\n");
            }
            let _ = writeln!(text, "    threads: {}", stage.threads);
            if !stage.ordered {
                text.push_str("    ordered: false\n");
            }
            if stage.drops {
                text.push_str("    on_error: drop\n");
            }
            let mut steps = Vec::new();
            if stage.from.is_empty() && !stage.from_queue {
                steps.push(format!(
                    "{{range: {{from: {}, to: {}}}}}",
                    stage.range.0, stage.range.1
                ));
            }
            steps.extend(stage.acts.iter().map(Act::text));
            if let Some(n) = stage.take {
                steps.push(format!("{{take: {n}}}"));
            }
            if stage.leaf {
                steps.push(format!("{{write: {}.txt}}", stage.name));
            }
            if steps.is_empty() {
                steps.push("{filter: true}".into());
            }
            let _ = writeln!(text, "    do: [{}]", steps.join(", "));
        }
        // What the outside world watches.
        text.push_str("  watched: {from: s0, do: [{write: stdout}]}\n");
        text
    }

    fn model(&self) -> Model {
        let mut model = Model::default();
        let mut queue: Vec<i64> = Vec::new();
        let mut readers_done = false;
        for stage in &self.stages {
            let items: Vec<i64> = if stage.from_queue {
                // All readers are alike: the first stands for all of them.
                if std::mem::replace(&mut readers_done, true) {
                    Vec::new()
                } else {
                    std::mem::take(&mut queue)
                }
            } else if stage.from.is_empty() {
                (stage.range.0..stage.range.1).collect()
            } else {
                stage
                    .from
                    .iter()
                    .flat_map(|n| model.out[*n].clone())
                    .collect()
            };
            let mut out = Vec::new();
            'items: for mut item in items {
                for act in &stage.acts {
                    match act.apply(item) {
                        Ok(Some(next)) => item = next,
                        Ok(None) => continue 'items,
                        Err(()) => {
                            model.fails |= !stage.drops;
                            continue 'items;
                        }
                    }
                }
                out.push(item);
            }
            if stage.to_queue {
                queue.append(&mut out);
            }
            model.out.push(out);
        }
        model
    }

    fn run(&self) -> Done {
        let mut live = Case::new(&self.pipeline()).start();
        match self.trouble {
            Trouble::None => {}
            Trouble::Signal { lines, twice } => {
                for _ in 0..lines {
                    live.line();
                }
                live.signal_if_alive(Signal::SIGINT);
                if twice {
                    live.signal_if_alive(Signal::SIGINT);
                }
            }
            Trouble::Closed { lines } => {
                for _ in 0..lines {
                    live.line();
                }
                drop(live.stdout.take());
            }
        }
        live.end()
    }

    /// Runs it, and says how it ended; panics where that was wrong.
    fn check(&self) -> i32 {
        let done = self.run();
        assert!(
            !done.stderr.contains("BUG") && !done.stderr.contains("panicked"),
            "a bug:\n{}",
            done.stderr
        );
        let takes = self.stages.iter().any(|s| s.take.is_some());
        let model = if self.endless {
            Model::default()
        } else {
            self.model()
        };
        let may: &[i32] = match self.trouble {
            Trouble::None if !model.fails => &[0],
            Trouble::None if takes => &[0, 1],
            Trouble::None => &[1],
            Trouble::Signal { .. } => &[0, 1, 130],
            Trouble::Closed { .. } => &[0, 1, 141],
        };
        assert!(
            may.contains(&done.code),
            "exit {}, not one of {may:?}:\n{}",
            done.code,
            done.stderr
        );
        let stopped = matches!(self.trouble, Trouble::Signal { twice: true, .. });
        if done.code == 0 || (done.code == 130 && !stopped && !done.killed) {
            for stage in self.stages.iter().filter(|s| s.leaf) {
                let name = format!("{}.txt", stage.name);
                assert!(
                    done.path(&name).exists(),
                    "{name} is not complete:\n{}",
                    done.stderr
                );
            }
        }
        if done.code == 0 && !self.endless {
            self.compare(&done, &model);
        }
        done.code
    }

    /// Every leaf wrote just what the model says; readers of the queue together.
    fn compare(&self, done: &Done, model: &Model) {
        let mut shared: (Vec<i64>, Vec<i64>) = (Vec::new(), Vec::new());
        for (stage, expected) in self.stages.iter().zip(&model.out).filter(|(s, _)| s.leaf) {
            let text =
                fs::read_to_string(done.path(&format!("{}.txt", stage.name))).expect("a file");
            let found = text.lines().map(|line| line.parse().expect("a number"));
            if stage.from_queue {
                shared.0.extend(found);
                shared.1.extend(expected);
                continue;
            }
            let (found, expected) = (counts(found), counts(expected.iter().copied()));
            match stage.take {
                None => assert_eq!(found, expected, "{}", stage.name),
                Some(n) => {
                    let total: usize = expected.values().sum();
                    assert_eq!(
                        found.values().sum::<usize>(),
                        n.min(total),
                        "{}",
                        stage.name
                    );
                    let known = found.iter().all(|(item, n)| expected.get(item) >= Some(n));
                    assert!(known, "{} took what did not come", stage.name);
                }
            }
        }
        assert_eq!(
            counts(shared.0),
            counts(shared.1),
            "the readers of the queue"
        );
    }
}

fn counts(items: impl IntoIterator<Item = i64>) -> BTreeMap<i64, usize> {
    let mut counts = BTreeMap::new();
    for item in items {
        *counts.entry(item).or_default() += 1;
    }
    counts
}

impl Stage {
    fn random(
        random: &mut Random,
        name: String,
        from: Vec<usize>,
        range: (i64, i64),
        may_fail: bool,
    ) -> Stage {
        Stage {
            name,
            from,
            range,
            to_queue: false,
            from_queue: false,
            threads: 1 + random.skewed(6),
            ordered: random.below(4) > 0,
            drops: random.below(2) == 0,
            acts: (0..random.below(3))
                .map(|_| Act::random(random, may_fail))
                .collect(),
            take: (random.below(6) == 0).then(|| 1 + random.skewed(50) as usize),
            leaf: true,
        }
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(default)
}

#[test]
fn random_pipelines_all_end_and_lose_nothing() {
    let (count, first) = (
        number("MILLSTREAM_SOAK", 500),
        number("MILLSTREAM_SOAK_SEED", 1),
    );
    println!(
        "soak: {count} random pipelines, seeds {first} to {}",
        first + count - 1
    );
    let next = AtomicU64::new(first);
    let failed = Mutex::new(Vec::new());
    let exits = Mutex::new(BTreeMap::<i32, u64>::new());
    let soak = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                break;
            }
            let soak = Soak::random(&mut Random::new(seed));
            if let Ok(code) = catch_unwind(AssertUnwindSafe(|| soak.check())) {
                *exits.lock().expect("no panic").entry(code).or_default() += 1;
            } else {
                println!("seed {seed}, {:?}:\n{}", soak.trouble, soak.pipeline());
                failed.lock().expect("no panic").push(seed);
            }
        }
    };
    std::thread::scope(|threads| {
        threads.spawn(soak);
        soak();
    });
    let exits = exits.into_inner().expect("no panic");
    println!("soak: all ended; how many with which exit code: {exits:?}");
    let failed = failed.into_inner().expect("no panic");
    assert!(
        failed.is_empty(),
        "of {count} pipelines these failed: seeds {failed:?}"
    );
}
