//! Runs one test: the plan of its stage, or the whole, with what is given in the place of sources, and what
//! leaves kept. Time is virtual, so that no test waits.

use std::num::NonZeroUsize;
use std::sync::Arc;

use crossbeam_channel::unbounded;
use serde_json::{Map, Value as Json};

use super::compare::{How, differences};
use crate::check::{Case, Errors, Items};
use crate::engine::{self, Options};
use crate::notice::{Ended, Exit, Notice};
use crate::plan::{Alive, ConnId, Executor, OnError, Plan, Policy, Program, Stage, StageId, Step};
use crate::steps::rehearsal::{Kept, given};
use crate::steps::{Op, Outcome, Output};
use crate::value::Type;
use crate::wait::VirtualClock;

/// What was not as expected, in lines; none: the test has passed.
pub(super) fn rehearse(plan: Plan, case: &Case) -> Vec<String> {
    let staged = match &case.stage {
        Some(name) => one(plan, name, case),
        None => whole(plan, case),
    };
    match staged {
        Ok((plan, kept)) => judge(&run(&plan), &plan, &kept, case),
        Err(why) => vec![why],
    }
}

/// What is kept, under the name that the test uses.
type Keeps = Vec<(String, Kept)>;

/// The whole pipeline, each stage's end kept.
fn whole(mut plan: Plan, case: &Case) -> Result<(Plan, Keeps), String> {
    let Items::Each(each) = &case.given else {
        return Err("BUG: a test of the whole pipeline without names".into());
    };
    let timers = Alive::of(&plan);
    let given = |s: &&StageId| {
        each.iter()
            .any(|(n, _)| **n == *plan.stages[s.index()].name)
    };
    if let Some(timer) = timers
        .timers
        .iter()
        .find(|s| !given(s))
        .filter(|_| timers.is_endless())
    {
        return Err(format!(
            "the timer `{}` goes on until it is stopped: give it its ticks in `given`, or `times`",
            plan.stages[timer.index()].name
        ));
    }
    let mut keeps = Vec::new();
    for stage in &mut plan.stages {
        let items = each
            .iter()
            .find(|(name, _)| **name == *stage.name)
            .map(|(_, items)| items);
        match (stage.inputs.is_empty(), items) {
            (true, Some(items)) => begin(stage, items)?,
            // Its ticks come on the clock of the test.
            (true, None) if matches!(stage.executor, Executor::Timer(_)) => {}
            (true, None) => {
                return Err(format!(
                    "nothing is `given` to `{}`, which begins with a source",
                    stage.name
                ));
            }
            (false, Some(_)) => {
                return Err(format!(
                    "`{}` takes its items from other stages; they cannot be `given`",
                    stage.name
                ));
            }
            (false, None) => {}
        }
        let kept = Kept::default();
        stage.program.steps.push(hidden("kept", kept.op()));
        keeps.push((stage.name.to_string(), kept));
    }
    Ok((plan, keeps))
}

/// One stage alone: what it is given, and what leaves it by each of its ways.
fn one(mut plan: Plan, name: &str, case: &Case) -> Result<(Plan, Keeps), String> {
    let Items::One(items) = &case.given else {
        return Err("BUG: a test of one stage with names".into());
    };
    let names: Vec<String> = plan.stages.iter().map(|s| s.name.to_string()).collect();
    let at = names.iter().position(|n| n == name);
    let mut stage = plan
        .stages
        .swap_remove(at.ok_or("BUG: a test of a stage that is not there")?);
    begin(&mut stage, items)?;
    stage.inputs.clear();
    stage.after.clear();
    stage.always = false;
    stage.id = StageId(0);
    let left = Kept::default();
    stage.program.steps.push(hidden("kept", left.op()));
    let mut keeps = vec![(String::new(), left)];
    // Each connection that it writes is read by a stage of ours; the others nobody uses. Their numbers stay:
    // steps that put know them by those.
    let outlets = stage.outputs.iter().chain(&stage.dead).map(|o| o.conn);
    let mut written: Vec<ConnId> = outlets.chain(stage.puts.iter().copied()).collect();
    written.sort_unstable();
    written.dedup();
    let mut stages = vec![stage];
    for conn in &mut plan.conns {
        let readers = std::mem::take(&mut conn.readers);
        conn.writers.clear();
        conn.feedback = false;
        if !written.contains(&conn.id) {
            continue;
        }
        // It is known by its own name, or by those of its readers.
        let kept = Kept::default();
        keeps.push((conn.name.to_string(), kept.clone()));
        let names = readers.iter().filter_map(|r| names.get(r.index()));
        keeps.extend(names.map(|name| (name.clone(), kept.clone())));
        let reader = StageId(stages.len() as u32);
        conn.writers.push(StageId(0));
        conn.readers.push(reader);
        stages.push(reading(reader, conn.id, &conn.of, &kept));
    }
    Ok((Plan { stages, ..plan }, keeps))
}

/// Puts what is given in the place of the source, or before the first step.
fn begin(stage: &mut Stage, items: &[Json]) -> Result<(), String> {
    let op =
        given(items, &stage.takes).map_err(|(n, why)| format!("item {n} of `given`: {why}"))?;
    let step = hidden("given", op);
    // What is given comes at once, also in the place of ticks.
    if let Executor::Timer(_) = &stage.executor {
        stage.executor = Executor::Threads(NonZeroUsize::MIN);
    }
    match stage.program.steps.first_mut() {
        Some(first) if matches!(first.op, Op::Source(_)) => *first = step,
        _ => stage.program.steps.insert(0, step),
    }
    Ok(())
}

/// A step that nobody wrote.
fn hidden(label: &str, op: Op) -> Step {
    Step {
        label: label.into(),
        text: String::new(),
        place: crate::diagnostic::Place::default(),
        op,
        waits: false,
        meets: false,
        policy: Policy {
            retry: None,
            timeout: None,
            on_error: OnError::Fail,
        },
    }
}

/// A stage that only keeps what it reads.
fn reading(id: StageId, from: ConnId, of: &Type, kept: &Kept) -> Stage {
    let steps = vec![hidden("kept", kept.op())];
    let mut stage = Stage::bare(id, "kept", of.clone(), Program { steps });
    stage.inputs.push(from);
    stage
}

/// How a rehearsal ended.
struct Run {
    ended: Ended,
    faults: Vec<Notice>,
    /// Item errors, those that nobody told too.
    errors: u64,
}

fn run(plan: &Plan) -> Run {
    let (notices, heard) = unbounded();
    let mut options = Options::new(plan, Arc::new(Silence), notices);
    options.clock = Arc::new(VirtualClock::default());
    options.guarding = crate::cli::guarding();
    let (ended, books) = engine::run(plan, options);
    let errors = books
        .stages
        .iter()
        .map(|s| s.of(Outcome::Dropped) + s.of(Outcome::Dead))
        .sum();
    let faults = heard
        .try_iter()
        .filter(|n| matches!(n, Notice::Fault { .. }))
        .collect();
    Run {
        ended,
        faults,
        errors,
    }
}

/// What a pipeline says in a rehearsal is not looked at.
struct Silence;

impl Output for Silence {
    fn stdout(&self, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }

    fn stderr(&self, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }

    fn log(&self, _: &str) {}
}

fn judge(run: &Run, plan: &Plan, keeps: &Keeps, case: &Case) -> Vec<String> {
    let how = How {
        unordered: case.unordered,
        partial: case.partial,
    };
    let mut lines = Vec::new();
    let why = run.ended.why.as_deref().unwrap_or_default();
    match &case.fails {
        None if run.ended.exit != Exit::Done => {
            return vec![format!(
                "the run failed (exit {}): {why}",
                run.ended.exit.code()
            )];
        }
        Some(_) if run.ended.exit == Exit::Done => lines.push("the run did not fail".into()),
        Some(part) if !why.contains(part.as_str()) => {
            lines.push(format!("the run failed, but does not say {part:?}: {why}"));
        }
        _ => {}
    }
    let mut compare = |name: &str, expected: &[Json]| match keeps.iter().find(|(n, _)| n == name) {
        Some((_, kept)) => {
            let before = if name.is_empty() {
                String::new()
            } else {
                format!("{name}: ")
            };
            let found = differences(expected, &kept.items(), how);
            lines.extend(found.into_iter().map(|l| format!("{before}{l}")));
        }
        None => lines.push(format!("nothing leaves by `{name}`")),
    };
    match &case.expect {
        Items::One(items) => compare("", items),
        Items::Each(each) => each.iter().for_each(|(name, items)| compare(name, items)),
    }
    if let Some(expected) = &case.errors {
        lines.extend(errors(run, plan, expected));
    }
    lines
}

/// What is not as expected of the item errors, where the test says what is.
fn errors(run: &Run, plan: &Plan, expected: &Errors) -> Vec<String> {
    let told: Vec<(String, Map<String, Json>)> =
        run.faults.iter().filter_map(|n| fault(n, plan)).collect();
    let (count, mut lines): (u64, Vec<String>) = match expected {
        Errors::Count(n) => (*n, Vec::new()),
        Errors::Like(like) => {
            let missing = like
                .iter()
                .filter(|l| !told.iter().any(|(_, t)| is_like(l, t)));
            let lines = missing.map(|l| format!("  missing   {}", Json::Object(l.clone())));
            (like.len() as u64, lines.collect())
        }
    };
    if run.errors != count {
        lines.insert(
            0,
            format!("expected {count} item errors, got {}", run.errors),
        );
    }
    if !lines.is_empty() {
        lines.extend(told.iter().map(|(text, _)| format!("  got       {text}")));
    }
    lines
}

/// An item error as a test looks at it, and in words.
fn fault(notice: &Notice, plan: &Plan) -> Option<(String, Map<String, Json>)> {
    let Notice::Fault {
        stage,
        step,
        item,
        kind,
        message,
        ..
    } = notice
    else {
        return None;
    };
    let stage = &plan.stages[*stage as usize];
    let label = stage.program.steps.get(*step).map_or("", |s| &s.label);
    let fields = [
        ("stage", &*stage.name),
        ("step", label),
        ("kind", kind),
        ("message", message),
        ("item", item),
    ];
    let map = fields
        .iter()
        .map(|(k, v)| ((*k).to_string(), Json::from(*v)))
        .collect();
    Some((
        format!("{}, {label}, {kind}: {message}; item: {item}", stage.name),
        map,
    ))
}

fn is_like(like: &Map<String, Json>, told: &Map<String, Json>) -> bool {
    like.iter().all(|(key, want)| {
        let (want, is) = (
            want.as_str().unwrap_or_default(),
            told[key].as_str().unwrap_or_default(),
        );
        if key == "message" || key == "item" {
            is.contains(want)
        } else {
            is == want
        }
    })
}
