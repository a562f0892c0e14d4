//! User code in other programs: what a stage says of it under `sets` and `puts`, and what follows from that.

use super::{Room, external};
use crate::diagnostic::Diagnostics;
use crate::plan;
use crate::spec;
use crate::steps::{GuardKind, Touches};

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Are the guards that it names there? Says where not.
pub(super) fn check(room: &Room<'_>, stage: &spec::Stage, out: &mut Diagnostics) {
    for key in &stage.sets {
        let _said = room.guards.get(key, out);
    }
}

/// Does user code run anywhere that could use any guard of the file?
pub(super) fn runs(room: &Room<'_>) -> bool {
    room.file.stages.iter().any(external::has_lasting)
}

/// The guards that a stage's user code sets, notifies, meets at, or releases for others.
pub(super) fn sets(room: &Room<'_>, stage: &spec::Stage) -> Vec<u32> {
    let found = stage.sets.iter();
    let found = found.filter_map(|key| Some(number(room.guards.find(&key.text)?.0)));
    found.collect()
}

/// The same, and every value, since values need no mention: what others may wait for.
pub(super) fn touches(room: &Room<'_>, stage: &spec::Stage) -> Touches {
    let mut touches = Touches::default();
    if !external::has_lasting(stage) {
        return touches;
    }
    for key in &stage.sets {
        let Some((guard, kind)) = room.guards.find(&key.text) else {
            continue;
        };
        let list = match kind {
            GuardKind::Event { .. } => &mut touches.sets,
            GuardKind::Condition => &mut touches.notifies,
            GuardKind::Barrier { .. } => &mut touches.meets,
            GuardKind::Lock
            | GuardKind::RLock
            | GuardKind::RwLock
            | GuardKind::Semaphore { .. } => &mut touches.releases,
            // User code has no hold of limits.
            GuardKind::Limit { .. } => continue,
        };
        list.push(number(guard));
    }
    touches.values = (0..number(room.file.values.len())).collect();
    touches.arrays = (0..number(room.file.arrays.len())).collect();
    touches
}

/// The locks of values and arrays (`v.get_lock()`), behind the guards of the file: nobody can name them there.
pub(super) fn locks<'p>(
    values: &'p [plan::Value],
    arrays: &'p [plan::Value],
) -> impl Iterator<Item = plan::Guard> + 'p {
    let named = |what: &'static str| {
        move |value: &plan::Value| plan::Guard {
            name: format!("{what}.{}", value.name).as_str().into(),
            kind: GuardKind::RLock,
            hidden: true,
            machine: false,
            place: value.place,
            limit: None,
        }
    };
    let values = values.iter().map(named("values"));
    values.chain(arrays.iter().map(named("arrays")))
}
