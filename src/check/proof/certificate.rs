//! Files that are free of deadlocks by construction.
//!
//! Whoever waits in such a file waits for a guard of a set, or for room, or for items. Guards are taken in one order
//! everywhere, and who holds one waits for nothing else but further ones: so along "waits for a guard that he holds"
//! one comes to somebody at work. Who waits for room waits for a reader; readers hold nothing while they read, and
//! follow each other to a sink, or to a queue that never lets its writers wait, since every loop passes one. Who
//! waits for items waits for a writer, the other way. What is left is that every step returns.

use super::points::{Act, First};
use super::{World, order};
use crate::steps::GuardKind;

/// Is the file free of deadlocks by construction, so long as there are no errors and no warnings of guards?
pub(super) fn holds(world: &World<'_, '_>) -> bool {
    let guards = &world.room.guards;
    let declares = !world.room.file.guards.is_empty();
    let fine = world.points.all.iter().all(|point| match &point.act {
        Act::WaitEvent(event) => {
            // Green from the start to the end.
            guards.kind(*event) == GuardKind::Event { set: true }
                && !world.points.any(|a| *a == Act::Clear(*event))
        }
        Act::Until { first, watches, .. } => *first == First::True && watches.is_empty(),
        Act::Meet(_) => false,
        Act::Put(conn) => point.held.is_empty() || !world.ways.blocks(*conn),
        Act::Ask(_) => point.held.is_empty(),
        // It may take whatever is declared, in any order.
        Act::UserCode => !declares,
        // Other runs have orders of their own.
        Act::Take(taken) => {
            let alone = |guard: usize| !guards.is_shared_by_runs(guard);
            point.held.is_empty()
                || (alone(taken.guard) && point.held.iter().all(|h| alone(h.guard)))
        }
        _ => true,
    });
    fine && !world.points.gaps && order::is_one_order(world)
}
