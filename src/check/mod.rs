//! WRITTEN → MEANT: a file becomes a [`Plan`], or every diagnostic at once.
//!
//! One file per family of rules; [`check`] calls them in the order in which each can rely on the one before:
//! names, wiring, reading steps, types forwards, needs backwards, compiling forwards. Knows nothing of
//! threads, channels or terminals.
//!
//! Pitfalls: what one mistake makes unknown is `Type::Any` for the rules that follow, so that they stay
//! silent about it; nothing may be quadratic in the number of stages.

mod after;
mod cases;
mod compile;
mod external;
mod flow;
mod guards;
mod limits;
mod loops;
mod names;
mod places;
mod proof;
mod settings;
mod stages;
mod timer;
mod types;
mod user;
mod values;
mod whole;
mod wiring;

#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Source};
use crate::expr::{Env, Scope};
use crate::plan::Plan;
use crate::spec::{File, Key};
use crate::steps::{Functions, GuardKind, Limit, Types};
use crate::value::{Name, Type};

pub use cases::{Case, Errors, Items, cases};
pub use whole::{Whole, whole};

use guards::GuardTable;
use names::Names;
use types::TypeTable;
use values::ValueTable;
use wiring::Wiring;

/// What the checker knows of the world.
#[derive(Clone, Debug)]
pub struct Cx {
    /// What `threads: auto` means.
    pub cpus: NonZeroUsize,
    /// The wall clock when the run began: seconds and nanoseconds since 1970.
    pub start: (i64, u32),
    /// What the embedding program has registered for `call`.
    pub functions: Functions,
    /// A rehearsal, for `test`: sinks write nothing, and every field of what leaves a stage is looked at.
    pub rehearse: bool,
}

impl Default for Cx {
    fn default() -> Cx {
        let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        Cx {
            cpus: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            start: (
                i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
                since.subsec_nanos(),
            ),
            functions: Functions::default(),
            rehearse: false,
        }
    }
}

/// What every rule sees.
#[derive(Debug)]
struct Room<'f> {
    file: &'f File,
    cx: &'f Cx,
    names: Names<'f>,
    types: TypeTable<'f>,
    guards: GuardTable<'f>,
    values: ValueTable,
    arrays: ValueTable,
    /// The names for expressions; `item` is set where there is one.
    env: Env,
    scope: Scope,
}

impl Room<'_> {
    /// The values and arrays as they are when the run begins.
    fn at_first(&self) -> Arc<values::Initial> {
        Arc::new(values::Initial {
            values: self.values.initial(),
            arrays: self.arrays.initial(),
        })
    }
}

impl Types for Room<'_> {
    fn rehearses(&self) -> bool {
        self.cx.rehearse
    }

    fn named(&self, name: &str) -> Option<Type> {
        self.types.named(name)
    }

    fn names(&self) -> Vec<&str> {
        self.types.names()
    }

    fn functions(&self) -> &Functions {
        self.types.functions()
    }

    fn guard(&self, name: &Key, diagnostics: &mut Diagnostics) -> Option<(u32, GuardKind)> {
        self.guards.get(name, diagnostics)
    }

    fn limit(&self, guard: u32) -> Option<&Limit> {
        self.guards.limit(guard as usize)
    }
}

/// The plan that the file means, where it has no mistakes (of this room: whoever calls knows what reading it
/// has said), and everything there is to say about it, in the order of the file.
pub fn check(file: &File, source: &Source, cx: &Cx) -> (Option<Plan>, Vec<Diagnostic>) {
    let mut out = Diagnostics::default();
    let plan = plan(file, source, cx, true, &mut out);
    let list = out.sorted();
    debug_assert!(plan.is_none() || list.iter().all(|d| d.severity() == Severity::Warning));
    (plan, list)
}

/// The plan of a file of which nothing is proven: it may hold places that wait for ever. For whoever tries
/// whether they do.
pub fn unproven(file: &File, source: &Source, cx: &Cx) -> Option<Plan> {
    plan(file, source, cx, false, &mut Diagnostics::default())
}

fn plan(file: &File, source: &Source, cx: &Cx, prove: bool, out: &mut Diagnostics) -> Option<Plan> {
    let names = Names::gather(file, out);
    let types = TypeTable::read(&file.types, &cx.functions, cx.rehearse, out);
    let guards = GuardTable::read(&file.guards, out);
    let values = ValueTable::values(&file.values, out);
    let arrays = ValueTable::arrays(&file.arrays, out);
    let env = Env {
        values: values.types(),
        arrays: arrays.types(),
        ..environment(file)
    };
    let scope = Scope {
        params: file.params.values(),
        secrets: file.params.secrets(),
        start: cx.start,
        ..Scope::default()
    };
    let room = Room {
        file,
        cx,
        names,
        types,
        guards,
        values,
        arrays,
        env,
        scope,
    };
    let mut wiring = Wiring::of(&room, out);
    let settings = settings::read(&room, &wiring, out);
    let stages = stages::read(&room, &wiring, &settings, out);
    wiring.finish(&room, &stages, out);
    after::check(&room, &wiring, out);
    let proven = prove && proof::check(&room, &wiring, &settings, source, out);
    let flow = flow::infer(&room, &wiring, &stages, out);
    wiring::unread(&room, &wiring, &stages, out);
    room.types.unused(out);
    // Which tests there are, the command `test` asks again.
    let _for_test = cases(file, out);
    // What is wrong with a `${}` was said when the file was read; its step cannot be made all the same.
    let known = |s: &stages::ReadStep<'_>| s.known.is_some();
    let mut steps = stages.list.iter().flat_map(|s| &s.steps);
    if out.has_errors() || !steps.all(known) {
        return None;
    }
    if !user::runs(&room) {
        // User code may take any guard.
        room.guards.unused(out);
    }
    // What is wrong with a step may have been said where the file was read.
    let mut steps = stages.list.iter().flat_map(|s| &s.steps);
    if steps.any(|step| step.known.is_none()) {
        return None;
    }
    let needs = flow::needs(&room, &wiring, &stages, &flow);
    let found = compile::Found {
        room: &room,
        wiring: &wiring,
        stages: &stages,
        settings: &settings,
        flow: &flow,
        needs: &needs,
        // A guard that nobody uses hurts nobody.
        safe: proven && !out.has(|code| code.starts_with("W05") && code != "W0502"),
    };
    Some(compile::compile(&found, source))
}

fn environment(file: &File) -> Env {
    Env {
        params: file.params.types(),
        queues: file
            .queues
            .iter()
            .map(|q| Name::from(q.name.text.as_str()))
            .collect(),
        ..Env::default()
    }
}
