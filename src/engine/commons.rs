//! The guards and values of a run, made as the plan declares them, and how expressions see them.

use std::fmt;
use std::sync::Arc;

use crossbeam_channel::Sender;

use crate::channel::Conn;
use crate::expr;
use crate::notice::{Level, Notice};
use crate::plan::{ConnKind, Plan};
use crate::steps::GuardKind;
use crate::sync::{
    self, Barrier, Commons, Condition, Declared, Event, Guard, Limits, Machine, Permits, Values,
};
use crate::value::Cell;
use crate::wait::{Clock, Registry};
use crate::worker::broker::{Broker, Names, Ports};

/// The guards and values, and what is in the way of those that other runs share (`machine`: they are asked).
pub(super) fn of(plan: &Plan, machine: bool) -> (Commons, Option<String>) {
    let mut trouble = None;
    let mut shared = |guard: &crate::plan::Guard, permits: Permits| {
        if !(machine && guard.machine) {
            return Guard::Permits(permits);
        }
        let opened = sync::folder()
            .and_then(|at| Machine::open(&at, guard.kind.name(), &guard.name, permits.total()));
        match opened {
            Ok(machine) => Guard::Permits(permits.on(machine)),
            Err(error) => {
                let what = format!("the {} `{}`", guard.kind.name(), guard.name);
                trouble = Some(format!("{what} cannot be shared with other runs: {error}"));
                Guard::Permits(permits)
            }
        }
    };
    let guards = plan.guards.iter().zip(0..);
    let guards = guards.map(|(guard, id)| match guard.kind {
        GuardKind::Lock => shared(guard, Permits::lock(id)),
        GuardKind::RLock => shared(guard, Permits::rlock(id)),
        GuardKind::RwLock => shared(guard, Permits::rwlock(id)),
        GuardKind::Semaphore { permits } => shared(guard, Permits::semaphore(id, permits)),
        GuardKind::Condition => Guard::Condition(Condition::new(id)),
        GuardKind::Event { set } => Guard::Event(Event::new(id, set)),
        GuardKind::Barrier { parties } => Guard::Barrier(Barrier::new(id, parties)),
        GuardKind::Limit { .. } => Guard::Limit,
    });
    let limits = plan.guards.iter().zip(0..);
    let limits = limits.filter_map(|(guard, id)| Some((id, guard.limit.as_ref()?.paces())));
    let declared = |list: &[crate::plan::Value]| -> Vec<Declared> {
        let all = list.iter().map(|v| Declared {
            of: v.of.clone(),
            initial: v.initial.clone(),
            length: v.length,
        });
        all.collect()
    };
    let (values, arrays) = (declared(&plan.values), declared(&plan.arrays));
    let mapped = if values.is_empty() && arrays.is_empty() {
        None
    } else {
        Values::shared(&values, &arrays).ok()
    };
    let guards = guards.collect();
    let secret = plan.values.iter().zip(0..).filter(|(v, _)| v.secret);
    let secret = secret.map(|(_, id)| id);
    let commons = Commons {
        guards,
        // Without memory that others can map, user code asks us.
        values: mapped
            .unwrap_or_else(|| Values::new(&values, &arrays))
            .hiding(secret.collect(), plan.scope.secrets.clone()),
        limits: Limits::new(limits.collect()),
    };
    (commons, trouble)
}

/// Who answers user code of a run.
pub(super) fn broker(
    plan: &Plan,
    commons: &Arc<Commons>,
    conns: &Arc<[Arc<Conn>]>,
    clock: &Arc<dyn Clock>,
    registry: &Arc<Registry>,
    notices: &Sender<Notice>,
) -> Arc<Broker> {
    let numbered = |values: &[crate::plan::Value]| {
        let names = values.iter().map(|v| v.name.to_string());
        names.zip(0..).collect()
    };
    let guards = plan.guards.iter().zip(0..);
    let queues = plan.conns.iter().filter(|c| c.kind == ConnKind::Queue);
    let notices = notices.clone();
    Broker::new(Ports {
        commons: commons.clone(),
        conns: conns.clone(),
        clock: clock.clone(),
        registry: registry.clone(),
        names: Names {
            guards: guards
                .map(|(guard, n)| (guard.name.to_string(), (n, guard.kind.name())))
                .collect(),
            values: numbered(&plan.values),
            arrays: numbered(&plan.arrays),
            queues: queues.map(|c| (c.name.to_string(), c.id.0)).collect(),
        },
        warn: Arc::new(move |text| {
            let level = Level::Warning;
            let _unheard = notices.send(Notice::Log { level, text });
        }),
        types: plan.conns.iter().map(|c| c.of.clone()).collect(),
        stages: plan
            .stages
            .iter()
            .map(|s| (s.name.to_string(), s.may.clone()))
            .collect(),
    })
}

/// What expressions see of a run: values, arrays, and how full the queues are.
pub(super) fn live(
    plan: &Plan,
    commons: &Arc<Commons>,
    conns: &[Arc<Conn>],
) -> Arc<dyn expr::Shared> {
    let queues = plan.conns.iter().zip(conns);
    let queues = queues.filter(|(plan, _)| plan.kind == ConnKind::Queue);
    Arc::new(Live {
        commons: commons.clone(),
        queues: queues.map(|(_, conn)| conn.clone()).collect(),
    })
}

struct Live {
    commons: Arc<Commons>,
    queues: Vec<Arc<Conn>>,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Live")
    }
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

impl expr::Shared for Live {
    fn value(&self, value: usize) -> Cell {
        self.commons.values.get(number(value))
    }

    fn element(&self, array: usize, i: usize) -> Option<Cell> {
        self.commons.values.element(number(array), i)
    }

    fn length(&self, array: usize) -> usize {
        self.commons.values.length(number(array))
    }

    fn queue_size(&self, queue: usize) -> usize {
        self.queues.get(queue).map_or(0, |conn| conn.waiting())
    }
}
