//! What can be proven of guards before a run: places that wait for ever, places that might, and that there are
//! none.
//!
//! Works on the file as it was written ([`points`]), so that it speaks also where types are wrong; knows nothing
//! of what expressions say, but whether a condition is true when the run begins.
//!
//! Errors are proofs: reached without a `timeout`, such a place waits for ever. Warnings are possibilities, and say
//! when they come true. A file without either may still stand still by its amounts (more consumers than goods);
//! only [`certificate`] promises that it does not.

mod certificate;
mod counts;
mod facts;
mod held;
mod order;
mod points;
mod waits;
mod ways;

use super::Room;
use super::places::Places;
use super::settings::Settings;
use super::wiring::Wiring;
use crate::diagnostic::{At, Diagnostic, Diagnostics, Source};
use crate::steps::GuardKind;
use points::{Act, Held, Point, Points, WRITING};
use ways::Ways;

/// Everything that the proofs look at.
struct World<'a, 'f> {
    room: &'a Room<'f>,
    wiring: &'a Wiring<'f>,
    settings: &'a Settings,
    points: Points,
    ways: Ways,
    places: Places<'a>,
}

/// Says what is wrong, and what may be. Is the file free of deadlocks by construction? (Only where it has no
/// errors, and none of the warnings of this family.)
pub(super) fn check(
    room: &Room<'_>,
    wiring: &Wiring<'_>,
    settings: &Settings,
    source: &Source,
    out: &mut Diagnostics,
) -> bool {
    let points = Points::read(room);
    let counts = counts::of(room, wiring);
    let world = World {
        room,
        wiring,
        settings,
        ways: Ways::of(room, wiring, settings, &counts),
        points,
        places: Places::of(source),
    };
    held::check(&world, out);
    order::check(&world, out);
    waits::check(&world, &counts, out);
    ways::late_readers(&world, out);
    certificate::holds(&world)
}

impl World<'_, '_> {
    fn workers(&self, stage: usize) -> usize {
        self.settings.stages[stage].executor.workers()
    }

    fn stage(&self, stage: usize) -> &str {
        &self.room.file.stages[stage].name.text
    }

    fn guard(&self, guard: usize) -> String {
        self.room.guards.describe(guard)
    }

    /// Does who holds this, with so many workers that do, keep others from taking that?
    fn conflicts(&self, held: Held, wanted: Held, workers: usize) -> bool {
        match self.room.guards.kind(held.guard) {
            GuardKind::RwLock => held.n == WRITING || wanted.n == WRITING,
            GuardKind::Semaphore { permits } => {
                let each = u64::from(held.n).max(1);
                let all = (each * workers as u64).min(u64::from(permits) / each * each);
                u64::from(permits) - all < u64::from(wanted.n)
            }
            _ => true,
        }
    }
}

impl Points {
    fn any(&self, does: impl Fn(&Act) -> bool) -> bool {
        self.all.iter().any(|p| does(&p.act))
    }

    /// The points at which somebody does this.
    fn doing<'p>(&'p self, does: impl Fn(&Act) -> bool + 'p) -> impl Iterator<Item = &'p Point> {
        self.all.iter().filter(move |p| does(&p.act))
    }

    /// The point of a stage that puts into a queue, by its place.
    fn put_at(&self, stage: usize, at: At) -> Option<usize> {
        self.of_stage(stage)
            .find(|p| self.all[*p].at == at && matches!(self.all[*p].act, Act::Put(_)))
    }
}

/// An error of waiting; where a `timeout` ends the wait, a warning.
fn waiting(error: Diagnostic, timeout: Option<At>) -> Diagnostic {
    match timeout {
        None => error,
        Some(at) => Diagnostic {
            code: "W0503",
            ..error
        }
        .also(at, "only this ends the wait"),
    }
}
