//! The proofs about guards against every order of events: random files with guards, queues and `after` are run by
//! the real worker loop, its turns taken in random order and in virtual time, so that each schedule can be told
//! again by its seed.
//!
//! - A place that is refused (an error of waiting) never lets anybody pass, and a run that comes to it hangs.
//! - A file that is called free of deadlocks never hangs.
//! - A file that hangs has had an error or a warning. (But for what hangs on amounts: an event that is cleared
//!   again, a shared queue whose items may all go to one of its readers, a condition on the second item.)
//! - Whatever hangs, the search for deadlocks finds.
//!
//! `FILES=100000 cargo test --test proofs` tries more of them.

#![allow(clippy::print_stdout, reason = "a test says how much it tried")]

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use millstream::check::{self, Cx};
use millstream::diagnostic::{Diagnostics, Severity, Source};
use millstream::engine::deadlock::{Search, State};
use millstream::engine::{Options, Works};
use millstream::plan::Plan;
use millstream::pool::{Turn, Worker};
use millstream::spec;
use millstream::steps::Output;
use millstream::value::Cell;
use millstream::wait::{Agent, Clock, Pause, VirtualClock};

/// `SplitMix64` (Steele, Lea, Flood).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

// ---- random files ------------------------------------------------------------------------------------------

#[derive(Default)]
struct Draft {
    text: String,
    line: u32,
    /// The place that a line is, where it is one.
    places: HashMap<u32, usize>,
    count: usize,
    /// Whether it hangs is also a matter of how much comes where.
    amounts: bool,
}

impl Draft {
    fn line(&mut self, indent: usize, text: &str) {
        let _ = writeln!(self.text, "{:indent$}{text}", "");
        self.line += 1;
    }

    /// A step that may wait, with what counts who comes to it and who comes past it.
    fn place(&mut self, indent: usize, lines: &[String]) {
        let number = self.come(indent, lines);
        self.line(indent, &format!("- add: {{p{number}: 1}}"));
    }

    fn come(&mut self, indent: usize, lines: &[String]) -> usize {
        let number = self.count;
        self.count += 1;
        self.line(indent, &format!("- add: {{r{number}: 1}}"));
        for (i, line) in lines.iter().enumerate() {
            self.line(indent + if i == 0 { 0 } else { 2 }, line);
            self.places.insert(self.line, number);
        }
        number
    }
}

/// How a stage is written.
#[derive(Clone, Default)]
struct Sketch {
    /// `None`: a source.
    from: Option<String>,
    to: Vec<String>,
    puts: Vec<String>,
}

fn file(random: &mut Random) -> Draft {
    let stages = 2 + random.below(4);
    let mut sketches = vec![Sketch::default(); stages];
    let mut queues = Vec::new();
    let mut draft = Draft::default();
    for stage in 1..stages {
        let writer = random.below(stage);
        match random.below(10) {
            0..=3 => {}
            4..=5 => sketches[stage].from = Some(format!("s{writer}")),
            6 if !queues.is_empty() => {
                // Shared among readers.
                let queue: &(String, usize) = &queues[random.below(queues.len())];
                sketches[stage].from = Some(queue.0.clone());
                draft.amounts = true;
            }
            n => {
                let name = format!("q{}", queues.len());
                queues.push((name.clone(), 1 + random.below(2)));
                sketches[stage].from = Some(name.clone());
                let mut write = |writer: usize, put: bool| {
                    let sketch = &mut sketches[writer];
                    if put {
                        sketch.puts.push(name.clone());
                    } else {
                        sketch.to.push(name.clone());
                    }
                };
                write(writer, n > 7);
                if random.one_in(4) {
                    let other = random.below(stage);
                    if other != writer {
                        write(other, random.one_in(2));
                    }
                }
            }
        }
    }
    draft.line(0, "locks: {l0: lock, l1: lock, l2: rlock, l3: rwlock}");
    draft.line(0, "semaphores: {m0: 2}");
    draft.line(0, "conditions: [c0]");
    let first = if random.one_in(4) { "set" } else { "clear" };
    draft.line(
        0,
        &format!("events: {{e0: {{}}, e1: {{initial: {first}}}}}"),
    );
    draft.line(0, &format!("barriers: {{b0: {}}}", 2 + random.below(2)));
    if !queues.is_empty() {
        draft.line(0, "queues:");
        for (name, max) in &queues {
            draft.line(2, &format!("{name}: {{of: int, max: {max}}}"));
        }
    }
    draft.line(0, "stages:");
    for (number, sketch) in sketches.iter().enumerate() {
        stage(random, &mut draft, number, stages, sketch);
    }
    if random.one_in(2) {
        // Then more waits end, and what else may hang comes to light.
        draft.line(2, "helper:");
        draft.line(4, "do:");
        draft.line(6, "- range: 1");
        draft.line(6, "- set_event: e0");
        draft.line(6, "- set_event: e1");
        draft.line(6, "- add: {v0: 1}");
    }
    let counters = (0..draft.count).map(|i| format!(", r{i}: int, p{i}: int"));
    let counters: String = counters.collect();
    draft.line(0, &format!("values: {{v0: int, v1: int{counters}}}"));
    draft
}

fn stage(random: &mut Random, draft: &mut Draft, number: usize, stages: usize, sketch: &Sketch) {
    draft.line(2, &format!("s{number}:"));
    if let Some(from) = &sketch.from {
        draft.line(4, &format!("from: {from}"));
    }
    if !sketch.to.is_empty() {
        draft.line(4, &format!("to: [{}]", sketch.to.join(", ")));
    }
    draft.line(4, &format!("threads: {}", 1 + random.below(3)));
    if random.one_in(5) {
        let other = random.below(stages);
        if other != number {
            draft.line(4, &format!("after: s{other}"));
        }
    }
    draft.line(4, "do:");
    if sketch.from.is_none() {
        draft.line(6, &format!("- range: {}", 1 + random.below(4)));
    }
    let mut puts = sketch.puts.clone();
    let steps = random.below(4);
    for _ in 0..steps {
        step(random, draft, 6, 0, &mut puts);
    }
    if random.one_in(8) {
        draft.line(6, "- sort: item");
        step(random, draft, 6, 0, &mut puts);
    }
    for put in puts {
        draft.place(6, &[format!("- put: {{{put}: item}}")]);
    }
    draft.line(6, "- map: item");
}

fn step(
    random: &mut Random,
    draft: &mut Draft,
    indent: usize,
    depth: usize,
    puts: &mut Vec<String>,
) {
    let event = format!("e{}", random.below(2));
    let condition = match random.below(12) {
        0 => Some("item == 0"),
        1 => Some("item == 1"),
        _ => None,
    };
    let one = |draft: &mut Draft, text: String, helps: bool| {
        if let Some(condition) = condition {
            draft.amounts |= helps && condition == "item == 1";
            draft.line(indent, &format!("- if: {condition}"));
            draft.line(indent + 2, "do:");
            draft.place(indent + 4, &[text]);
        } else {
            draft.place(indent, &[text]);
        }
    };
    match random.below(14) {
        0..=1 => one(draft, format!("- wait_event: {event}"), false),
        2..=4 => one(draft, format!("- set_event: {event}"), true),
        5 if random.one_in(3) => {
            draft.amounts = true;
            one(draft, format!("- clear_event: {event}"), false);
        }
        5 | 6 if random.one_in(2) => {
            // How many come to it then, nobody counts.
            draft.amounts |= condition.is_some();
            one(draft, "- wait_barrier: b0".into(), false);
        }
        7 => one(draft, "- add: {v0: 1}".into(), true),
        8 => one(draft, "- notify: c0".into(), false),
        9 if !puts.is_empty() => {
            let put = puts.swap_remove(random.below(puts.len()));
            draft.place(indent, &[format!("- put: {{{put}: item}}")]);
        }
        _ => block(random, draft, indent, depth, puts),
    }
}

fn block(
    random: &mut Random,
    draft: &mut Draft,
    indent: usize,
    depth: usize,
    puts: &mut Vec<String>,
) {
    let mut set: BTreeMap<usize, &str> = BTreeMap::new();
    let mut lines = Vec::new();
    if random.one_in(4) {
        set.insert(5, "");
        let until = match random.below(8) {
            0 => "values.v0 >= 0",
            1 => "values.v1 > 0",
            2 => "item >= 0 && values.v1 == 0",
            _ => "values.v0 > 0",
        };
        lines.push(format!("until: {until}"));
    }
    for _ in 0..=random.below(2) {
        let guard = random.below(5);
        let amount = match guard {
            3 if random.one_in(2) => "write",
            4 if random.one_in(3) => "2",
            4 if random.one_in(20) => "3",
            _ => "",
        };
        set.insert(guard, amount);
    }
    let names = ["l0", "l1", "l2", "l3", "m0", "c0"];
    let set = set
        .iter()
        .map(|(guard, n)| format!("{}: {n}", names[*guard]));
    let set: Vec<String> = set.collect();
    lines.insert(0, format!("- with: {{{}}}", set.join(", ")));
    let number = draft.come(indent, &lines);
    draft.line(indent + 2, "do:");
    draft.line(indent + 4, &format!("- add: {{p{number}: 1}}"));
    if depth < 2 {
        for _ in 0..random.below(3) {
            step(random, draft, indent + 4, depth + 1, puts);
        }
    }
}

// ---- one schedule ------------------------------------------------------------------------------------------

struct Nothing;

impl Output for Nothing {
    fn stdout(&self, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }
    fn stderr(&self, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }
    fn log(&self, _: &str) {}
}

/// A worker whose turns are taken here.
struct Slot {
    worker: Worker,
    agent: Arc<Agent>,
    /// While it waits.
    pause: Option<(Pause, Option<Duration>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Waiting,
    Running,
    Over,
}

/// What came of a schedule.
struct End {
    hung: bool,
    /// Who hung, and on what.
    who: String,
    /// Did the search for deadlocks find it?
    found: bool,
    reached: Vec<i64>,
    passed: Vec<i64>,
}

fn schedule(plan: &Plan, places_of_file: usize, random: &mut Random) -> End {
    let (notices, heard) = crossbeam_channel::unbounded();
    let mut options = Options::new(plan, Arc::new(Nothing), notices);
    let clock = Arc::new(VirtualClock::default());
    options.clock = clock.clone();
    let works = Works::build(plan, options);
    let mut places = vec![Place::Waiting; plan.stages.len()];
    let mut slots: Vec<Slot> = Vec::new();
    let shared = Arc::new(works.shared.clone());
    let hung;
    loop {
        while let Ok(stage) = works.told.try_recv() {
            places[stage as usize] = Place::Over;
        }
        for (i, stage) in plan.stages.iter().enumerate() {
            let over = stage.after.iter().all(|a| places[a.index()] == Place::Over);
            if places[i] == Place::Waiting && over {
                places[i] = Place::Running;
                for index in 0..works.stages[i].workers() {
                    let worker =
                        Worker::new(works.stages[i].clone(), shared.clone(), &works.scope, index);
                    let agent = worker.agent().clone();
                    slots.push(Slot {
                        worker,
                        agent,
                        pause: None,
                    });
                }
            }
        }
        let able: Vec<usize> = (0..slots.len())
            .filter(|i| slots[*i].pause.is_none() || slots[*i].agent.is_woken())
            .collect();
        if able.is_empty() {
            let until = slots.iter().filter_map(|s| s.pause.as_ref()?.1).min();
            match until {
                Some(until) => {
                    clock.advance_to(until);
                    works.shared.registry.wake_all();
                    continue;
                }
                None => {
                    hung = !slots.is_empty() || places.iter().any(|p| *p != Place::Over);
                    break;
                }
            }
        }
        let at = able[random.below(able.len())];
        let slot = &mut slots[at];
        if let Some((pause, _)) = slot.pause.take() {
            slot.agent.end(&pause, &*clock);
        }
        match slot.worker.turn() {
            Turn::More => {}
            Turn::Wait(wait) => {
                let until = wait.until;
                slot.pause = Some((slot.agent.begin(wait, &*clock), until));
            }
            Turn::Done => {
                let slot = slots.swap_remove(at);
                shared.commons.orphan(slot.agent.id, &*clock);
                shared.registry.leave(&slot.agent);
            }
        }
    }
    assert!(
        shared.failure().is_none(),
        "a run failed: {:?}",
        heard.try_iter().collect::<Vec<_>>()
    );
    let who: Vec<String> = slots
        .iter()
        .map(|s| format!("{:?}", s.agent.seen()))
        .collect();
    let found = hung
        && Search {
            plan,
            shared: &shared,
            stages: &works.stages,
        }
        .find(|stage| match places[stage] {
            Place::Waiting => {
                State::Waits(plan.stages[stage].after.iter().map(|a| a.index()).collect())
            }
            Place::Running => State::Runs,
            Place::Over => State::Over,
        })
        .is_some();
    let number = |name: String| {
        let at = plan.values.iter().position(|v| *v.name == *name);
        let at = u32::try_from(at.expect("a declared value")).expect("few");
        match shared.commons.values.get(at) {
            Cell::Int(n) => n,
            other => panic!("no number: {other:?}"),
        }
    };
    End {
        hung,
        who: who.join("\n"),
        found,
        reached: (0..places_of_file)
            .map(|i| number(format!("r{i}")))
            .collect(),
        passed: (0..places_of_file)
            .map(|i| number(format!("p{i}")))
            .collect(),
    }
}

// ---- the property ------------------------------------------------------------------------------------------

#[derive(Default)]
struct Count {
    files: u64,
    refused: u64,
    schedules: u64,
    hung: u64,
    safe: u64,
    sure: u64,
    warned: u64,
    amounts: u64,
}

fn env(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |n| n.parse().expect("a number"))
}

#[test]
fn what_is_proven_of_a_file_is_true_in_every_schedule() {
    let (files, schedules) = (env("FILES", 1000), env("SCHEDULES", 8));
    let only = std::env::var("SEED")
        .ok()
        .map(|s| s.parse().expect("a number"));
    let mut count = Count::default();
    let mut wrong: Vec<String> = Vec::new();
    for seed in only.map_or(0..files, |s| s..s + 1) {
        let mut random = Random(seed);
        let draft = file(&mut random);
        one(seed, &draft, &mut random, schedules, &mut count, &mut wrong);
        if wrong.len() > 4 {
            break;
        }
    }
    let Count {
        files,
        refused,
        schedules,
        hung,
        safe,
        sure,
        warned,
        amounts,
    } = count;
    println!(
        "{files} files ({refused} more were refused for their wiring), {schedules} schedules: {hung} hung; \
         {sure} files had an error of waiting, {warned} only warnings, {safe} were called free of deadlocks, \
         {amounts} hung by their amounts only"
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(only.is_some() || (hung > 0 && safe > 0 && sure > 0 && warned > 0));
}

fn one(
    seed: u64,
    draft: &Draft,
    random: &mut Random,
    schedules: u64,
    count: &mut Count,
    wrong: &mut Vec<String>,
) {
    let source = Source {
        name: format!("seed-{seed}.yaml"),
        text: draft.text.clone(),
    };
    let mut said = Diagnostics::default();
    let file = spec::load(&source, &spec::Given::default(), &mut said).expect("a readable file");
    let cx = Cx::default();
    let (proven, list) = check::check(&file, &source, &cx);
    let Some(plan) = check::unproven(&file, &source, &cx) else {
        let waiting = |code: &str| ("E0503".."E0508").contains(&code);
        let wiring = list
            .iter()
            .any(|d| d.severity() == Severity::Error && !waiting(d.code));
        assert!(
            wiring,
            "seed {seed} is refused without a reason: {list:?}\n{}",
            draft.text
        );
        count.refused += 1;
        return;
    };
    count.files += 1;
    let errors: Vec<usize> = list
        .iter()
        .filter(|d| d.severity() == Severity::Error)
        .map(|d| {
            let line = source.place(d.at).line;
            *draft.places.get(&line).unwrap_or_else(|| {
                panic!(
                    "seed {seed}: an error at no place, line {line}: {}\n{}",
                    d.message, draft.text
                )
            })
        })
        .collect();
    let warned = list
        .iter()
        .any(|d| d.code.starts_with("W05") && d.code != "W0502");
    let safe = proven.is_some_and(|plan| plan.safe);
    count.sure += u64::from(!errors.is_empty());
    count.warned += u64::from(errors.is_empty() && warned);
    count.safe += u64::from(safe);
    let mut by_amounts = false;
    for _ in 0..schedules {
        let end = schedule(&plan, draft.count, random);
        count.schedules += 1;
        count.hung += u64::from(end.hung);
        let mut say = |what: &str| {
            let said: Vec<String> = list
                .iter()
                .map(|d| format!("{} line {}: {}", d.code, source.place(d.at).line, d.message))
                .collect();
            wrong.push(format!(
                "seed {seed}: {what}\n{}\nsaid:\n{}\nstuck:\n{}",
                draft.text,
                said.join("\n"),
                end.who
            ));
        };
        for place in &errors {
            if end.passed[*place] > 0 {
                say(&format!(
                    "somebody came past place {place}, which was called an error"
                ));
                return;
            }
            if end.reached[*place] > 0 && !end.hung {
                say(&format!(
                    "it came to place {place}, an error, and did not hang"
                ));
                return;
            }
        }
        if end.hung && safe {
            say("it hung, and was called free of deadlocks");
            return;
        }
        if end.hung && errors.is_empty() && !warned {
            if !draft.amounts {
                say("it hung without a word of warning");
                return;
            }
            by_amounts = true;
        }
        if end.hung && !end.found {
            say("the search for deadlocks did not find it");
            return;
        }
    }
    count.amounts += u64::from(by_amounts);
}
