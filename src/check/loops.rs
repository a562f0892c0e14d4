//! Loops of stages and connections, and streams without an end: what may stand there, and what must not.

use std::collections::{HashMap, HashSet};

use super::Room;
use super::stages::Stages;
use super::wiring::{Conn, Wiring};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::plan::{components, reached};
use crate::spec::StepNode;

/// The stages and connections as a graph, writers before readers; connections come after the stages.
fn circles(wiring: &Wiring<'_>, with: impl Fn(&Conn<'_>) -> bool) -> Vec<Vec<usize>> {
    let count = wiring.stages.len();
    let conns = wiring.conns.iter().enumerate().filter(|(_, c)| with(c));
    let edges: Vec<(usize, usize)> = conns
        .flat_map(|(i, c)| {
            let written = c.writers.iter().map(move |w| (w.stage, count + i));
            written.chain(c.readers.iter().map(move |r| (count + i, r.stage)))
        })
        .collect();
    components(count + wiring.conns.len(), edges)
}

/// Puts the stages in order; a circle must pass a feedback queue.
pub(super) fn order(wiring: &mut Wiring<'_>, room: &Room<'_>, out: &mut Diagnostics) {
    let count = wiring.stages.len();
    let mut order = Vec::with_capacity(count);
    for component in circles(wiring, |c| !c.is_feedback()) {
        let stages: Vec<usize> = component.iter().copied().filter(|n| *n < count).collect();
        if component.len() > 1 {
            refuse(wiring, room, &stages, out);
        }
        order.extend(stages);
    }
    wiring.order = order;
}

fn refuse(wiring: &Wiring<'_>, room: &Room<'_>, stages: &[usize], out: &mut Diagnostics) {
    let inside: HashSet<usize> = stages.iter().copied().collect();
    let first = stages.iter().copied().min().unwrap_or_default();
    // One way round, for the message: from each stage to a reader inside, until a stage comes twice.
    let mut way = vec![first];
    let mut seen: HashMap<usize, usize> = HashMap::from([(first, 0)]);
    let mut place = None;
    let mut ends = vec![];
    loop {
        let last = way[way.len() - 1];
        let readers = wiring.stages[last]
            .ways_out()
            .flat_map(|c| &wiring.conns[c].readers);
        let next = readers
            .filter(|r| inside.contains(&r.stage))
            .min_by_key(|r| !seen.contains_key(&r.stage));
        let Some(next) = next else { break };
        place = Some(next.at);
        ends.push((next.at, next.stage));
        let again = seen.insert(next.stage, way.len());
        way.push(next.stage);
        if let Some(again) = again {
            way.drain(..again);
            break;
        }
    }
    let names: Vec<String> = way
        .iter()
        .map(|s| format!("`{}`", room.file.stages[*s].name.text))
        .collect();
    let at = place.unwrap_or(room.file.stages[first].name.at);
    let text = match names.as_slice() {
        [one, _] if way[0] == way[1] => format!("the stage {one} reads from itself"),
        _ => format!("the stages {} form a loop", names.join(" → ")),
    };
    let d = Diagnostic::new("E0405", at, text);
    let others = ends
        .into_iter()
        .filter(|(end, stage)| *end != at && way.contains(stage));
    let d = others.fold(d, |d, (end, stage)| {
        let name = &room.file.stages[stage].name.text;
        d.also(end, format!("`{name}` reads on from here"))
    });
    out.push(
        d.help("where a loop is meant, close it with a queue: `queues: {again: {of: T, feedback: true}}`")
            .help("such a loop ends when nothing in it is unfinished"),
    );
}

/// Does a step give its results when its input has ended?
fn gives_at_the_end(step: &StepNode) -> bool {
    match &*step.key.text {
        "group" | "sort" | "top" => true,
        "sample" => step.node.get("count").is_some(),
        _ => false,
    }
}

/// What gives its results when its input has ended can never give them inside a loop, whose input ends when
/// nothing in it is unfinished. (`batch` gives out what it has then.)
pub(super) fn memories(
    wiring: &Wiring<'_>,
    room: &Room<'_>,
    stages: &Stages<'_>,
    out: &mut Diagnostics,
) {
    if !wiring.conns.iter().any(Conn::is_feedback) {
        return;
    }
    let count = wiring.stages.len();
    for component in circles(wiring, |_| true)
        .into_iter()
        .filter(|c| c.len() > 1)
    {
        for number in component.into_iter().filter(|n| *n < count) {
            for step in stages.list[number]
                .steps
                .iter()
                .filter_map(|s| s.find(&gives_at_the_end))
            {
                let (name, stage) = (&step.key.text, &room.file.stages[number].name.text);
                let message = format!(
                    "`{name}` gives its results when its input has ended, and stage `{stage}` is in a loop"
                );
                out.push(
                    Diagnostic::new("E0407", step.key.at, message)
                        .help("put it into a stage behind the loop, which reads what leaves it"),
                );
            }
        }
    }
}

/// Do timers without an end of their own end with something else of this file?
fn timers_end(wiring: &Wiring<'_>, room: &Room<'_>, stages: &Stages<'_>) -> bool {
    let count = wiring.stages.len();
    let endless = |number: &usize| {
        let first = stages.list[*number].steps.first();
        let known = first.and_then(|s| s.known.as_ref());
        room.file.stages[*number].ticks.is_some() && known.is_some_and(|k| k.step.is_endless())
    };
    let timers: Vec<usize> = (0..count).filter(endless).collect();
    let items = wiring.conns.iter().enumerate().flat_map(|(i, c)| {
        let written = c.writers.iter().map(move |w| (w.stage, count + i));
        written.chain(c.readers.iter().map(move |r| (count + i, r.stage)))
    });
    let after = wiring.stages.iter().enumerate().flat_map(|(i, s)| {
        let before = s.after.iter();
        before.map(move |b| (*b, i))
    });
    let edges: Vec<(usize, usize)> = items.chain(after).collect();
    let fed = reached(count + wiring.conns.len(), &edges, timers);
    fed[..count].contains(&false)
}

/// Warns of orders in which an item may wait for ever, since others always come before it.
pub(super) fn endless(
    wiring: &Wiring<'_>,
    room: &Room<'_>,
    stages: &Stages<'_>,
    out: &mut Diagnostics,
) {
    let mut endless = vec![None; wiring.stages.len()];
    let timers_end = timers_end(wiring, room, stages);
    for &number in &wiring.order {
        let source = stages.list[number]
            .steps
            .first()
            .and_then(|s| s.known.as_ref());
        let own = wiring.stages[number].inputs.is_empty()
            && source.is_some_and(|k| k.step.is_endless())
            && !(timers_end && room.file.stages[number].ticks.is_some());
        let mut writers = wiring.stages[number]
            .inputs
            .iter()
            .flat_map(|c| &wiring.conns[*c].writers);
        let before = writers.find_map(|w| endless[w.stage]);
        endless[number] = if own { Some(number) } else { before };
    }
    for conn in &wiring.conns {
        let Some(order) = conn
            .declared
            .and_then(|d| d.order)
            .filter(|_| !conn.is_fifo())
        else {
            continue;
        };
        if let Some(source) = conn.writers.iter().find_map(|w| endless[w.stage]) {
            let stage = &room.file.stages[source].name.text;
            let message = format!(
                "{} may keep an item for ever: stage `{stage}` never ends",
                conn.describe()
            );
            out.push(
                Diagnostic::new("W0405", order.at, message)
                    .also(room.file.stages[source].name.at, "it has no end by itself")
                    .help(
                        "others may always come before it; `order: fifo` lets each have its turn",
                    ),
            );
        }
    }
}
