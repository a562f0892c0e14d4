//! Progress for programs: a JSON object a line on standard error. `docs/progress-events.md` describes them.

use serde_json::{Map, Value, json};

use super::advice;
use super::look::{ConnLook, Doing, Look, StageLook};
use super::summary;
use super::usage::Usage;
use crate::notice::{Deadlock, Ended, Final};
use crate::plan::Plan;
use crate::steps::Outcome;

/// The run begins.
pub fn start(plan: &Plan) -> Value {
    let names = |conns: &[crate::plan::ConnId]| -> Vec<&str> {
        conns.iter().map(|c| &*plan.conns[c.index()].name).collect()
    };
    let stages: Vec<Value> = plan
        .stages
        .iter()
        .map(|s| {
            json!({
                "name": &*s.name,
                "workers": s.executor.workers(),
                "inputs": names(&s.inputs),
                "outputs": names(&s.outputs.iter().map(|o| o.conn).collect::<Vec<_>>()),
            })
        })
        .collect();
    let conns: Vec<Value> = plan
        .conns
        .iter()
        .map(|c| json!({"name": &*c.name, "of": c.of.to_string(), "max": c.max.get()}))
        .collect();
    json!({"event": "start", "name": &*plan.name, "stages": stages, "connections": conns})
}

/// How far it is.
pub fn progress(look: &Look) -> Value {
    let stages: Vec<Value> = look.stages.iter().map(stage).collect();
    json!({"event": "progress", "elapsed": look.at.as_secs_f64(), "stages": stages})
}

/// An item could not be done.
pub fn fault(stage: &str, step: &str, item: &str, kind: &str, message: &str, fatal: bool) -> Value {
    json!({
        "event": "error", "stage": stage, "step": step, "item": item, "kind": kind, "message": message, "fatal": fatal,
    })
}

/// Workers wait for each other for ever.
pub fn deadlock(deadlock: &Deadlock) -> Value {
    let workers: Vec<Value> = deadlock
        .workers
        .iter()
        .map(|w| {
            let holds: Vec<Value> = w
                .holds
                .iter()
                .map(|h| json!({"what": h.what, "for": h.held.as_secs_f64(), "line": h.line}))
                .collect();
            json!({
                "stage": w.stage,
                "worker": w.worker,
                "step": w.step,
                "line": w.line,
                "item": w.item,
                "holds": holds,
                "waits_for": w.waits_for,
                "for": w.waits.as_secs_f64(),
            })
        })
        .collect();
    json!({"event": "deadlock", "workers": workers, "circle": deadlock.circle, "hints": deadlock.hints})
}

/// It is over.
pub fn end(look: &Look, ended: &Ended, usage: &Usage, values: &[Final]) -> Value {
    let stages: Vec<Value> = look
        .stages
        .iter()
        .map(|s| {
            let mut object = stage(s);
            object["busy_share"] = json!(s.busy_share(ended.took));
            object
        })
        .collect();
    json!({
        "event": "end",
        "exit": ended.exit.code(),
        "why": ended.why,
        "took": ended.took.as_secs_f64(),
        "cpu": usage.cpu.as_secs_f64(),
        "peak_memory": usage.peak_memory,
        "busiest": summary::busiest(look, ended.took).iter().map(|(_, s)| &*s.name).collect::<Vec<_>>(),
        "limited_by": advice::limit(look, ended.took, usage),
        "stages": stages,
        "connections": look.conns.iter().map(conn).collect::<Vec<_>>(),
        "values": values.iter().map(|v| (v.name.clone(), v.value.clone())).collect::<Map<_, _>>(),
    })
}

fn conn(conn: &ConnLook) -> Value {
    json!({
        "name": &*conn.name,
        "put": conn.put,
        "waiting": conn.waiting,
        "peak": conn.peak,
        "max": conn.max,
        "dropped": conn.dropped,
        "cut": conn.cut,
        "unfinished": conn.unfinished,
    })
}

fn stage(stage: &StageLook) -> Value {
    let ended: Map<String, Value> = Outcome::ALL
        .iter()
        .map(|o| (o.name().to_string(), json!(stage.outcome(*o))))
        .collect();
    let doing = match stage.doing {
        Doing::Pending => "not_started",
        Doing::Working => "running",
        Doing::NeedsInput => "needs_input",
        Doing::NeedsRoom => "needs_room",
        Doing::NeedsTurn => "needs_turn",
        Doing::NeedsGuard => "needs_guard",
        Doing::NeedsTime => "sleeping",
        Doing::NeedsWorld => "waits_outside",
        Doing::Finishing => "finishing",
        Doing::Done => "done",
        Doing::Failed => "failed",
        Doing::Stopped => "stopped",
        Doing::Drained => "drained",
    };
    json!({
        "name": &*stage.name,
        "state": doing,
        "taken": stage.taken,
        "made": stage.made,
        "ended": ended,
        "rate": stage.rate,
        "busy": stage.busy,
        "workers": stage.workers,
        "waiting": stage.waiting.map(|(n, _)| n),
        "room": stage.waiting.map(|(_, max)| max),
        "done": stage.part.map(|(done, _)| done),
        "total": stage.part.map(|(_, total)| total),
        "left": stage.left.map(|d| d.as_secs_f64()),
        "busy_seconds": stage.busy_time.as_secs_f64(),
        "waited_seconds": {
            "input": stage.waited[0].as_secs_f64(),
            "output": stage.waited[1].as_secs_f64(),
            "turn": stage.waited[2].as_secs_f64(),
            "guard": stage.waited[3].as_secs_f64(),
            "time": stage.waited[4].as_secs_f64(),
            "outside": stage.waited[5].as_secs_f64(),
        },
    })
}
