//! What one worker does to itself: a lock taken twice, more permits than there are, a limit under guards.

use super::points::{Act, Held, Point, WRITING};
use super::{World, waiting};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::steps::GuardKind;

pub(super) fn check(world: &World<'_, '_>, out: &mut Diagnostics) {
    for point in &world.points.all {
        let Act::Take(taken) = point.act else {
            continue;
        };
        if world.room.guards.is_shared_by_runs(taken.guard) {
            shared(world, point, taken, out);
        }
        match world.room.guards.kind(taken.guard) {
            GuardKind::Semaphore { permits } => many(world, point, taken, permits, out),
            GuardKind::RLock => {}
            GuardKind::Limit { .. } => under_guards(world, point, taken, out),
            kind => again(world, point, taken, kind, out),
        }
    }
}

/// Other runs take such guards too, in orders of their own: one at a time, and one permit of it.
fn shared(world: &World<'_, '_>, point: &Point, taken: Held, out: &mut Diagnostics) {
    let guards = &world.room.guards;
    let what = world.guard(taken.guard);
    if taken.n > 1 && taken.n != WRITING {
        let message = format!("{} permits of {what}, which other runs share", taken.n);
        out.push(
            Diagnostic::new("E0508", taken.at, message)
                .help("two runs could have one each, and wait for each other for ever: take one"),
        );
    }
    let others = |h: &&Held| h.guard != taken.guard && guards.is_shared_by_runs(h.guard);
    if let Some(held) = point.held.iter().find(others) {
        let message = format!(
            "{what} is taken by who holds {}, and other runs share both",
            world.guard(held.guard)
        );
        out.push(
            Diagnostic::new("E0508", taken.at, message)
                .also(held.at, "held from here on")
                .help("there is no order among runs, so two of them could wait for each other for ever: take one after the other has been given back"),
        );
    }
}

/// A limit that somebody takes who holds a guard: he would keep it while his item waits aside.
fn under_guards(world: &World<'_, '_>, point: &Point, taken: Held, out: &mut Diagnostics) {
    let Some(held) = point.held.first() else {
        return;
    };
    let (limit, guard) = (world.guard(taken.guard), world.guard(held.guard));
    out.push(
        Diagnostic::new(
            "E0509",
            taken.at,
            format!("{limit} is taken inside a block that holds {guard}"),
        )
        .also(held.at, "held from here on")
        .help("an item that waits for a limit waits aside, and holds nothing: name both in one `with`, or take the limit outside"),
    );
}

/// A lock or condition that is held already, or an rwlock where one of the two writes.
fn again(
    world: &World<'_, '_>,
    point: &Point,
    taken: Held,
    kind: GuardKind,
    out: &mut Diagnostics,
) {
    let held = point.held.iter().find(|h| {
        h.guard == taken.guard
            && (kind != GuardKind::RwLock || h.n == WRITING || taken.n == WRITING)
    });
    let Some(held) = held else { return };
    let what = world.guard(taken.guard);
    let name = &world.room.guards.name(taken.guard).text;
    let (message, help) = match kind {
        GuardKind::RwLock if held.n == WRITING => (
            format!("{what} is taken again by who holds it for writing"),
            "who holds it for writing may read: take the inner one out".to_owned(),
        ),
        GuardKind::RwLock => (
            format!("{what} is wanted for writing by who holds it for reading"),
            "who writes waits for all readers to go, also for itself: take it for writing at first"
                .to_owned(),
        ),
        GuardKind::Condition => (
            format!("{what} is taken again by who holds it"),
            "take the inner one out: it is held already".to_owned(),
        ),
        _ => (
            format!("{what} is taken again by who holds it"),
            format!(
                "take the inner one out, or let its holder take it again: `locks: {{{name}: rlock}}`"
            ),
        ),
    };
    let error = Diagnostic::new("E0504", taken.at, message)
        .label("this waits for ever")
        .also(held.at, "held from here on")
        .help(help);
    out.push(waiting(error, point.timeout));
}

fn many(world: &World<'_, '_>, point: &Point, taken: Held, permits: u32, out: &mut Diagnostics) {
    let name = &world.room.guards.name(taken.guard).text;
    let declared = world.room.guards.name(taken.guard).at;
    let before: Vec<&Held> = point
        .held
        .iter()
        .filter(|h| h.guard == taken.guard)
        .collect();
    let held: u64 = before.iter().map(|h| u64::from(h.n)).sum();
    if held >= u64::from(permits) && before.iter().any(|h| h.n > permits) {
        // The outer one was said.
        return;
    }
    if held + u64::from(taken.n) <= u64::from(permits) {
        return;
    }
    let error = if held == 0 {
        Diagnostic::new(
            "E0503",
            taken.at,
            format!(
                "{} permits of `{name}` are wanted, and it has {permits}",
                taken.n
            ),
        )
        .help("nobody could ever get them; want fewer, or declare more")
    } else {
        let message = format!(
            "{} of `{name}` here and {held} around it are {} permits, and it has {permits}",
            taken.n,
            held + u64::from(taken.n)
        );
        let d = Diagnostic::new("E0503", taken.at, message);
        before
            .iter()
            .fold(d, |d, h| d.also(h.at, format!("{} held from here on", h.n)))
            .help("whoever holds the first waits for itself; take what is needed at once, on the outer block")
    };
    out.push(waiting(
        error.also(declared, format!("it has {permits}")),
        point.timeout,
    ));
}
