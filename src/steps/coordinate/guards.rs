//! `wait_event`, `set_event`, `clear_event`, `notify`, `notify_all`, `wait_barrier`: one guard each, by its name.

use std::sync::Arc;

use super::super::words::{Args, no_item};
use super::super::{
    BatchStep, CompileCx, Compiled, Cx, Flow, Group, GuardKind, Infer, ItemError, ItemErrorKind,
    Op, Opt, Reader, Step, StepDef, Touches,
};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::expr::{Env, Uses};
use crate::spec::{Key, Node};
use crate::sync::Broken;
use crate::value::{Batch, Type};

const EVENT: &[Opt] = &[Opt {
    name: "event",
    form: "string",
    help: "The name of an event.",
    required: true,
}];

const CONDITION: &[Opt] = &[Opt {
    name: "condition",
    form: "string",
    help: "The name of a condition.",
    required: true,
}];

const BARRIER: &[Opt] = &[Opt {
    name: "barrier",
    form: "string",
    help: "The name of a barrier.",
    required: true,
}];

pub(in super::super) static WAIT_EVENT: StepDef = StepDef {
    name: "wait_event",
    group: Group::Coordinate,
    summary: "Waits until an event is set; while it is, every item passes at once.",
    main: Some("event"),
    options: EVENT,
    names: false,
    example: "- range: 3\n- set_event: go\n- wait_event: go\n",
    read: |node, reader| read(&WAIT_EVENT, Does::WaitEvent, node, reader),
};

pub(in super::super) static SET_EVENT: StepDef = StepDef {
    name: "set_event",
    group: Group::Coordinate,
    summary: "Sets an event: all who wait for it go on, and nobody waits until it is cleared.",
    main: Some("event"),
    options: EVENT,
    names: false,
    example: "- range: 3\n- set_event: go\n",
    read: |node, reader| read(&SET_EVENT, Does::SetEvent, node, reader),
};

pub(in super::super) static CLEAR_EVENT: StepDef = StepDef {
    name: "clear_event",
    group: Group::Coordinate,
    summary: "Clears an event: who comes to it waits until it is set again.",
    main: Some("event"),
    options: EVENT,
    names: false,
    example: "- range: 3\n- clear_event: go\n",
    read: |node, reader| read(&CLEAR_EVENT, Does::ClearEvent, node, reader),
};

pub(in super::super) static NOTIFY: StepDef = StepDef {
    name: "notify",
    group: Group::Coordinate,
    summary: "Lets the one that has waited longest under a condition look again whether what it waits for holds.",
    main: Some("condition"),
    options: CONDITION,
    names: false,
    example: "- range: 3\n- notify: changed\n",
    read: |node, reader| read(&NOTIFY, Does::Notify, node, reader),
};

pub(in super::super) static NOTIFY_ALL: StepDef = StepDef {
    name: "notify_all",
    group: Group::Coordinate,
    summary: "Lets all that wait under a condition look again whether what they wait for holds.",
    main: Some("condition"),
    options: CONDITION,
    names: false,
    example: "- range: 3\n- notify_all: changed\n",
    read: |node, reader| read(&NOTIFY_ALL, Does::NotifyAll, node, reader),
};

pub(in super::super) static WAIT_BARRIER: StepDef = StepDef {
    name: "wait_barrier",
    group: Group::Coordinate,
    summary: "Waits at a barrier until as many workers have come as it takes; then they all go on.",
    main: Some("barrier"),
    options: BARRIER,
    names: false,
    example: "- range: 3\n- wait_barrier: start\n",
    read: |node, reader| read(&WAIT_BARRIER, Does::WaitBarrier, node, reader),
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    WaitEvent,
    SetEvent,
    ClearEvent,
    Notify,
    NotifyAll,
    WaitBarrier,
}

#[derive(Debug)]
struct Coordinate {
    does: Does,
    name: &'static str,
    /// `event`, `condition` or `barrier`.
    what: &'static str,
    guard: Key,
}

fn read(
    def: &'static StepDef,
    does: Does,
    node: &Node,
    reader: &mut Reader<'_>,
) -> Option<Box<dyn Step>> {
    let what = def.options[0].name;
    let args = Args::of(node, def, reader);
    let node = args.need(what, reader)?;
    let text = reader.text(node, &format!("`{}`", def.name))?.to_owned();
    let guard = Key { text, at: node.at };
    Some(Box::new(Coordinate {
        does,
        name: def.name,
        what,
        guard,
    }))
}

impl Coordinate {
    /// The number of the guard, where it is of the kind that the step needs.
    fn guard(&self, cx: &CompileCx<'_>) -> u32 {
        match cx.types.guard(&self.guard, &mut Diagnostics::default()) {
            Some((number, _)) => number,
            None => unreachable!("BUG: a step with an unknown guard is compiled"),
        }
    }
}

impl Step for Coordinate {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        if let Some((_, kind)) = cx.types.guard(&self.guard, cx.diagnostics) {
            let fits = match self.what {
                "event" => matches!(kind, GuardKind::Event { .. }),
                "barrier" => matches!(kind, GuardKind::Barrier { .. }),
                _ => kind == GuardKind::Condition,
            };
            if !fits {
                let message = format!(
                    "`{}` needs {} {}, and `{}` is a {}",
                    self.name,
                    if self.what == "event" { "an" } else { "a" },
                    self.what,
                    self.guard.text,
                    kind.name()
                );
                let d = Diagnostic::new("E0502", self.guard.at, message);
                cx.diagnostics.push(if kind.is_held() {
                    d.help(format!(
                        "to hold it, write `with: {}` beside a step",
                        self.guard.text
                    ))
                } else {
                    d.help(format!("declare one under `{}s:`", self.what))
                });
            }
        }
        match input {
            Some(ty) => ty.clone(),
            None => {
                cx.diagnostics.push(no_item(self.name, cx.at));
                Type::Any
            }
        }
    }

    fn uses(&self, _: &Type, after: &Uses, _: &Env) -> Uses {
        after.clone()
    }

    fn compile(&self, input: Option<&Type>, _: &Uses, cx: &CompileCx<'_>) -> Compiled {
        let run = Run {
            does: self.does,
            guard: self.guard(cx),
        };
        Compiled {
            out: input.cloned().unwrap_or(Type::Any),
            op: Op::Each(Arc::new(move || Box::new(run))),
        }
    }

    fn waits(&self) -> bool {
        matches!(self.does, Does::WaitEvent | Does::WaitBarrier)
    }

    fn meets(&self) -> bool {
        self.waits()
    }

    fn lets_pass(&self) -> bool {
        true
    }

    fn touches(&self, cx: &CompileCx<'_>) -> Touches {
        let mut touches = Touches::default();
        let guard = self.guard(cx);
        match self.does {
            Does::SetEvent => touches.sets.push(guard),
            Does::Notify | Does::NotifyAll => touches.notifies.push(guard),
            Does::WaitBarrier => touches.meets.push(guard),
            Does::WaitEvent => touches.waits.push(guard),
            Does::ClearEvent => touches.clears.push(guard),
        }
        touches
    }

    fn describe(&self) -> String {
        format!("{} {}", self.name, self.guard.text)
    }
}

/// User code has broken the barrier: nobody meets there.
fn broken(mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
    for i in 0..batch.len() {
        let error = ItemError::new(ItemErrorKind::Expression, "the barrier is broken");
        cx.fail(batch.origin(i), batch.row(i), error);
    }
    batch.clear();
    Flow::Next(batch)
}

#[derive(Clone, Copy, Debug)]
struct Run {
    does: Does,
    guard: u32,
}

impl BatchStep for Run {
    fn run(&mut self, batch: Batch, cx: &mut Cx<'_>) -> Flow {
        if batch.is_empty() {
            return Flow::Next(batch);
        }
        let (guard, commons) = (self.guard, cx.commons);
        let waited = match self.does {
            Does::WaitEvent => commons.event(guard).wait(cx.agent),
            Does::WaitBarrier => match commons.barrier(guard).wait(cx.agent) {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(Broken)) => return broken(batch, cx),
                Err(wait) => Err(wait),
            },
            Does::SetEvent => {
                commons.event(guard).set();
                Ok(())
            }
            Does::ClearEvent => {
                commons.event(guard).clear();
                Ok(())
            }
            Does::Notify => {
                (0..batch.len()).for_each(|_| commons.condition(guard).notify());
                Ok(())
            }
            Does::NotifyAll => {
                commons.condition(guard).notify_all();
                Ok(())
            }
        };
        match waited {
            Ok(()) => Flow::Next(batch),
            Err(wait) => Flow::Wait(batch, wait),
        }
    }

    fn cancel(&mut self, cx: &mut Cx<'_>) {
        match self.does {
            Does::WaitEvent => cx.commons.event(self.guard).forget(cx.agent.id),
            Does::WaitBarrier => cx.commons.barrier(self.guard).forget(cx.agent.id),
            _ => {}
        }
    }
}
