//! What every worker does or waits for, for SIGUSR1 and SIGQUIT.

use std::time::Duration;

use crate::plan::Plan;
use crate::report::numbers::time;
use crate::wait::{Seen, What};

/// A line for each worker.
pub(super) fn lines(plan: &Plan, seen: &[Seen], now: Duration) -> Vec<String> {
    let mut all: Vec<(u32, u32, String)> = seen
        .iter()
        .filter_map(|agent| {
            let who = agent.who?;
            let does = match &agent.wait {
                None => "works".into(),
                Some((wait, since)) => {
                    format!(
                        "waits {} for {}",
                        time(now.saturating_sub(*since)),
                        what(plan, &wait.what)
                    )
                }
            };
            let name = &plan.stages.get(who.stage as usize)?.name;
            Some((
                who.stage,
                who.worker,
                format!("  {name}, worker {}: {does}", who.worker),
            ))
        })
        .collect();
    all.sort_unstable();
    let mut lines = vec![format!("after {}:", time(now))];
    lines.extend(all.into_iter().map(|(.., line)| line));
    lines
}

pub(super) fn what(plan: &Plan, what: &What) -> String {
    let conn = |id: &u32| {
        plan.conns
            .get(*id as usize)
            .map_or("?", |c| &*c.name)
            .to_string()
    };
    match what {
        What::Get(conns) => format!(
            "an item from {}",
            conns.iter().map(conn).collect::<Vec<_>>().join(" or ")
        ),
        What::Put(id) => format!("room in {}", conn(id)),
        What::Turn { ord, .. } => format!("the turn of its batch ({ord})"),
        What::Others { .. } => "the other workers of its stage".into(),
        What::Permits { guard: id, .. }
        | What::Event(id)
        | What::Until { guard: id, .. }
        | What::Barrier(id) => guard(plan, *id),
        What::Machine(id) => format!("{} of another run", guard(plan, *id)),
        What::Limits { limits, .. } => limits
            .iter()
            .map(|l| guard(plan, *l))
            .collect::<Vec<_>>()
            .join(" or "),
        What::Due(at) => format!("the time ({} after the start)", time(*at)),
        What::Outside(what) => (*what).into(),
        What::Program => "a program".into(),
    }
}

fn guard(plan: &Plan, id: u32) -> String {
    match plan.guards.get(id as usize) {
        Some(guard) => format!("the {} `{}`", guard.kind.name(), guard.name),
        None => "a guard".into(),
    }
}
