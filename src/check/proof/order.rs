//! The order in which guards are taken: where two workers take the same ones in different orders, each may come to
//! hold what the other waits for.
//!
//! An edge from one guard to another: somebody may wait for the second while he holds the first. A circle is a
//! warning, unless it cannot close: a common outer lock lets only one in at a time (a gate), the edges belong to
//! fewer workers than there are edges, or to stages of which one starts when the other has ended (the refinements of
//! Bensalem and Havelund, "Dynamic Deadlock Analysis of Multi-threaded Programs").

use std::collections::HashSet;

use super::World;
use super::points::{Act, Held, Point, WRITING};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::plan::components;
use crate::steps::GuardKind;

/// Longer circles are not looked for: nobody nests so deep.
const LONGEST: usize = 6;
/// The search for circles in one knot of guards ends after so many steps.
const STEPS: usize = 200_000;

struct Edge<'p> {
    from: Held,
    to: Held,
    point: &'p Point,
    /// What is held before `from`.
    outer: &'p [Held],
}

pub(super) fn check(world: &World<'_, '_>, out: &mut Diagnostics) {
    let edges = edges(world);
    for edge in edges.iter().filter(|e| e.from.guard == e.to.guard) {
        again(world, edge, out);
    }
    for knot in knots(world, &edges) {
        let inside: Vec<&Edge<'_>> = edges
            .iter()
            .filter(|e| {
                e.from.guard != e.to.guard
                    && knot.contains(&e.from.guard)
                    && knot.contains(&e.to.guard)
            })
            .collect();
        if let Some(circle) = shortest(world, &inside) {
            out.push(warning(world, &circle));
        }
    }
}

/// Are guards taken in one order everywhere, whoever takes them?
pub(super) fn is_one_order(world: &World<'_, '_>) -> bool {
    let edges = edges(world);
    edges.iter().all(|e| e.from.guard != e.to.guard) && knots(world, &edges).is_empty()
}

fn edges<'p>(world: &'p World<'_, '_>) -> Vec<Edge<'p>> {
    let mut edges = Vec::new();
    for point in &world.points.all {
        let Act::Take(to) = point.act else { continue };
        let kind = world.room.guards.kind(to.guard);
        let own = |h: &Held| h.guard == to.guard;
        // An rlock is had at once by who holds it; what is held otherwise cannot be taken again, which is said.
        let at_once = match kind {
            GuardKind::RLock => point.held.iter().any(own),
            GuardKind::RwLock => point
                .held
                .iter()
                .any(|h| own(h) && (h.n == WRITING || to.n == WRITING)),
            GuardKind::Semaphore { .. } => false,
            _ => point.held.iter().any(own),
        };
        if at_once {
            continue;
        }
        for (i, from) in point.held.iter().enumerate() {
            edges.push(Edge {
                from: *from,
                to,
                point,
                outer: &point.held[..i],
            });
        }
    }
    edges
}

/// Sets of guards of which each may be taken after each other one.
fn knots(world: &World<'_, '_>, edges: &[Edge<'_>]) -> Vec<HashSet<usize>> {
    let count = world.room.file.guards.len();
    let all = components(count, edges.iter().map(|e| (e.from.guard, e.to.guard)));
    let many = all.into_iter().filter(|c| c.len() > 1);
    many.map(|c| c.into_iter().collect()).collect()
}

/// The shortest circle that can close.
fn shortest<'e, 'p>(world: &World<'_, '_>, edges: &[&'e Edge<'p>]) -> Option<Vec<&'e Edge<'p>>> {
    let mut steps = STEPS;
    (2..=LONGEST).find_map(|length| {
        edges.iter().find_map(|first| {
            let mut way = vec![*first];
            extend(world, edges, &mut way, length, &mut steps).then_some(way)
        })
    })
}

fn extend<'e, 'p>(
    world: &World<'_, '_>,
    edges: &[&'e Edge<'p>],
    way: &mut Vec<&'e Edge<'p>>,
    length: usize,
    steps: &mut usize,
) -> bool {
    let last = way[way.len() - 1];
    if way.len() == length {
        return last.to.guard == way[0].from.guard
            && keeps_from(world, way[0].from, last.to)
            && can_close(world, way);
    }
    for edge in edges {
        if *steps == 0 {
            return false;
        }
        *steps -= 1;
        let new = way.iter().all(|e| e.from.guard != edge.from.guard);
        if new && edge.from.guard == last.to.guard && keeps_from(world, edge.from, last.to) {
            way.push(edge);
            if extend(world, edges, way, length, steps) {
                return true;
            }
            way.pop();
        }
    }
    false
}

/// May who wants this have to wait for somebody who holds that?
fn keeps_from(world: &World<'_, '_>, held: Held, wanted: Held) -> bool {
    match world.room.guards.kind(held.guard) {
        // Readers wait for readers only where a writer waits between them.
        GuardKind::RwLock => {
            held.n == WRITING
                || wanted.n == WRITING
                || world
                    .points
                    .any(|a| matches!(a, Act::Take(h) if h.guard == held.guard && h.n == WRITING))
        }
        GuardKind::Semaphore { permits } => demand(world, held.guard) > u64::from(permits),
        _ => true,
    }
}

/// How many permits of a semaphore all workers together may hold or want at once.
fn demand(world: &World<'_, '_>, guard: usize) -> u64 {
    let takes = |p: &&Point| matches!(p.act, Act::Take(h) if h.guard == guard);
    let all = world.points.all.iter().filter(takes);
    let each = all.map(|p| match p.act {
        Act::Take(h) => u64::from(h.n).saturating_mul(world.workers(p.stage) as u64),
        _ => 0,
    });
    each.fold(0, u64::saturating_add)
}

/// Can each edge belong to another worker, at the same time?
fn can_close(world: &World<'_, '_>, way: &[&Edge<'_>]) -> bool {
    for edge in way {
        let stage = edge.point.stage;
        let own = way.iter().filter(|e| e.point.stage == stage).count();
        if own > world.workers(stage) {
            return false;
        }
        let before = world.ways.ended_before(stage, world.wiring);
        if way.iter().any(|e| before[e.point.stage]) {
            return false;
        }
    }
    let gate = |g: &&Held| {
        world.conflicts(**g, **g, 1)
            && way.iter().all(|e| {
                e.outer
                    .iter()
                    .any(|h| h.guard == g.guard && world.conflicts(*h, **g, 1))
            })
    };
    !way[0].outer.iter().any(|g| gate(&g))
}

fn warning(world: &World<'_, '_>, way: &[&Edge<'_>]) -> Diagnostic {
    let name = |guard: usize| &world.room.guards.name(guard).text;
    let mut path = format!("`{}`", name(way[0].from.guard));
    for edge in way {
        path += &format!(
            " → `{}` (line {}, stage `{}`)",
            name(edge.to.guard),
            world.places.place(edge.to.at).line,
            world.stage(edge.point.stage)
        );
    }
    let mut names: Vec<&str> = way.iter().map(|e| &**name(e.from.guard)).collect();
    let message = format!(
        "guards are taken in different orders: {path}; if {} comes to hold one of them and waits for the next, all wait for ever",
        if way.len() == 2 {
            "each of two workers"
        } else {
            "each of so many workers"
        }
    );
    let first = way[0];
    let mut d = Diagnostic::new("W0504", first.to.at, message).label(format!(
        "`{}` waits for it here while it holds `{}`",
        world.stage(first.point.stage),
        name(first.from.guard)
    ));
    for edge in &way[1..] {
        d = d.also(
            edge.to.at,
            format!(
                "`{}` waits for this while it holds `{}`",
                world.stage(edge.point.stage),
                name(edge.from.guard)
            ),
        );
    }
    names.sort_by_key(|n| world.room.guards.find(n).map(|(at, _)| at));
    d.help(format!(
        "take them as one set, `with: [{}]`, which is always taken in the order of their declaration; or nest them in one order everywhere",
        names.join(", ")
    ))
}

/// A guard of which one holds some, and wants more: permits, or an rwlock for reading once more.
fn again(world: &World<'_, '_>, edge: &Edge<'_>, out: &mut Diagnostics) {
    let stage = edge.point.stage;
    let what = world.guard(edge.to.guard);
    let (message, help) = match world.room.guards.kind(edge.to.guard) {
        GuardKind::Semaphore { permits } => {
            let wanted = edge.from.n.saturating_add(edge.to.n);
            let takers = world
                .points
                .doing(|a| matches!(a, Act::Take(h) if h.guard == edge.to.guard));
            let mut stages: Vec<usize> = takers.map(|p| p.stage).collect();
            stages.dedup();
            let workers: usize = stages.iter().map(|s| world.workers(*s)).sum();
            if wanted > permits || !world.conflicts(edge.from, edge.to, workers) {
                return;
            }
            (
                format!(
                    "who holds permits of `{}` wants more; if several come so far at once, none gets them",
                    world.room.guards.name(edge.to.guard).text
                ),
                format!("take all {wanted} at once, on the outer block"),
            )
        }
        GuardKind::RwLock => {
            let writes = |p: &&Point| {
                matches!(p.act, Act::Take(h) if h.guard == edge.to.guard && h.n == WRITING)
                    && (p.stage != stage || world.workers(stage) > 1)
            };
            if !world.points.all.iter().any(|p| writes(&p)) {
                return;
            }
            (
                format!(
                    "{what} is taken for reading by who reads already; if a writer waits in between, both wait for ever"
                ),
                "take the inner one out: who reads may go on reading".to_owned(),
            )
        }
        _ => return,
    };
    out.push(
        Diagnostic::new("W0504", edge.to.at, message)
            .also(edge.from.at, "held from here on")
            .help(help),
    );
}
