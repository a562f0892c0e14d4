//! `--trace`: what every worker did and waited for, as trace events for the viewers of browsers.
//!
//! The format is Chrome's "Trace Event Format": a process for each stage, a thread for each worker, a complete
//! event (`"ph": "X"`) for each wait and each stretch of work between two; times in microseconds.

use std::time::Duration;

use serde_json::{Value, json};

use super::who;
use crate::plan::Plan;
use crate::wait::{Kind, Lane, Trace};

/// The whole file.
pub(super) fn events(plan: &Plan, trace: &Trace) -> String {
    let lanes = trace.lanes();
    let mut events: Vec<Value> = Vec::new();
    for stage in &plan.stages {
        let pid = stage.id.0 + 1;
        events.push(
            json!({"ph": "M", "name": "process_name", "pid": pid, "args": {"name": &*stage.name}}),
        );
        events.push(json!({"ph": "M", "name": "process_sort_index", "pid": pid, "args": {"sort_index": pid}}));
    }
    for lane in &lanes {
        let name = format!("worker {}", lane.who.worker);
        let (pid, tid) = (lane.who.stage + 1, lane.who.worker);
        events.push(json!({"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": name}}));
        events.extend(stretches(plan, lane));
    }
    let left_out: u64 = lanes.iter().map(|l| l.left_out).sum();
    let shortest = lanes.iter().map(|l| l.shortest).max().unwrap_or_default();
    // One event a line: such files are searched with other tools, too.
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    let other = json!({
        "pipeline": &*plan.name,
        "waits_left_out": left_out,
        "waits_left_out_below_us": micros(shortest),
    });
    format!(
        "{{\"displayTimeUnit\": \"ms\", \"otherData\": {other}, \"traceEvents\": [\n{}\n]}}\n",
        lines.join(",\n")
    )
}

/// What one worker did, work and waits in turn.
fn stretches(plan: &Plan, lane: &Lane) -> Vec<Value> {
    let (pid, tid) = (lane.who.stage + 1, lane.who.worker);
    let event = |name: &str, kind: &str, began: Duration, ended: Duration| {
        let long = ended.saturating_sub(began);
        json!({
            "ph": "X", "name": name, "cat": kind, "pid": pid, "tid": tid, "ts": micros(began), "dur": micros(long),
        })
    };
    let mut events = Vec::new();
    let mut at = lane.began;
    for wait in &lane.waits {
        if wait.began > at {
            events.push(event("works", "work", at, wait.began));
        }
        let kind = match wait.what.kind() {
            Kind::Input => "input",
            Kind::Output => "output",
            Kind::Turn => "turn",
            Kind::Guard => "guard",
            Kind::Time => "time",
            Kind::Outside => "outside",
        };
        let name = match wait.what.kind() {
            // Each has another number or time, which would give each a colour of its own.
            Kind::Turn => "waits for its turn".to_string(),
            Kind::Time => "waits for the time".to_string(),
            _ => format!("waits for {}", who::what(plan, &wait.what)),
        };
        events.push(event(&name, kind, wait.began, wait.ended));
        at = wait.ended;
    }
    if lane.ended > at {
        events.push(event("works", "work", at, lane.ended));
    }
    events
}

fn micros(time: Duration) -> f64 {
    (time.as_nanos() / 10) as f64 / 100.0
}
