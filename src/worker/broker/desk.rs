//! One process that calls: its threads and tasks as agents, what each holds, what each waits for.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::request::{Op, Refusal, Request};
use super::{Bell, Broker};
use crate::channel::Offer;
use crate::sync::Broken;
use crate::value::convert::fit_row;
use crate::value::{Batch, Blocks, Cell, Shape, Type};
use crate::wait::{About, Agent, Pause, Wait, What, Who};
use crate::worker::{Calls, Reply, protocol};

/// What user code of a stage may do to others.
#[derive(Clone, Debug, Default)]
pub struct May {
    /// Guards that it sets, notifies, meets at or releases for others.
    pub sets: Vec<u32>,
    /// Queues that it puts into.
    pub puts: Vec<u32>,
}

/// The desk at which one process is served.
pub struct Desk {
    broker: Arc<Broker>,
    state: Arc<Mutex<State>>,
}

pub(super) struct State {
    me: Weak<Mutex<State>>,
    who: Who,
    /// The stage's name, the number of the step that runs the process, and what user code may do there.
    stage: String,
    step: u32,
    may: May,
    reply: Reply,
    callers: HashMap<i64, Caller>,
}

/// A thread or a task of the process.
struct Caller {
    agent: Arc<Agent>,
    held: Vec<Held>,
    waits: Option<Waiting>,
}

/// Something that a caller holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    guard: u32,
    n: u32,
    item: Option<u64>,
}

/// A call that has no answer yet.
struct Waiting {
    call: u64,
    request: Request,
    until: Option<Duration>,
    /// Given up by the caller: the next look is the last.
    cancelled: bool,
    phase: Phase,
    pause: Option<Pause>,
}

/// How far a call is that has more than one step.
enum Phase {
    /// It asks as it came.
    Asks,
    /// Under a condition: it has given back the lock.
    Enlisted,
    /// It takes the lock again; was it notified?
    Retakes(bool),
    /// What did not fit into a queue.
    Puts(Batch),
}

/// What came of asking.
enum Answer {
    Is(Value),
    Refused(Refusal),
    Wait(Wait),
}

/// Rings when an agent is woken.
struct Ring {
    bells: crossbeam_channel::Sender<Bell>,
    caller: super::Caller,
}

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        // A broker that has ended answers nobody.
        let _over = self.bells.send(Bell::Woken(self.caller.clone()));
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

impl Desk {
    /// For the process of a worker of a stage.
    pub fn new(broker: Arc<Broker>, who: Who, step: u32, reply: Reply) -> Desk {
        let (stage, may) = broker.ports.stages[who.stage as usize].clone();
        let state = Arc::new_cyclic(|me: &Weak<Mutex<State>>| {
            Mutex::new(State {
                me: me.clone(),
                who,
                stage,
                step,
                may,
                reply,
                callers: HashMap::new(),
            })
        });
        Desk { broker, state }
    }
}

impl Calls for Desk {
    fn call(&mut self, call: u64, message: &str) {
        let message: Value = match serde_json::from_str(message) {
            Ok(message) => message,
            Err(_) => return,
        };
        let mut state = self.state.lock();
        match Request::read(&message, &self.broker.ports.names) {
            Err(refusal) => state.answer(call, Answer::Refused(refusal)),
            Ok(Request {
                op: Op::Cancel { of },
                ..
            }) => state.cancel(&self.broker, of),
            Ok(request) => state.ask(&self.broker, call, request),
        }
    }

    fn done(&mut self, id: u64) {
        let mut state = self.state.lock();
        let broker = &*self.broker;
        let mut forgotten = Vec::new();
        for caller in state.callers.values_mut() {
            let of_it = |h: &&Held| h.item == Some(id);
            forgotten.extend(
                caller
                    .held
                    .iter()
                    .filter(of_it)
                    .map(|h| (h.guard, h.n, caller.agent.id)),
            );
            caller.held.retain(|h| h.item != Some(id));
        }
        if forgotten.is_empty() {
            return;
        }
        for (guard, n, agent) in forgotten {
            if broker
                .ports
                .commons
                .permits(guard)
                .give_back(agent, n, &*broker.ports.clock)
            {
                let text = format!(
                    "user code of stage `{}` was done with an item and still held {}, which is given back",
                    state.stage,
                    broker.guard(guard)
                );
                (broker.ports.warn)(text);
            }
        }
        state.forget_idle();
    }

    fn gone(&mut self) {
        let mut state = self.state.lock();
        let ports = &self.broker.ports;
        let callers: Vec<Caller> = state.callers.drain().map(|(_, caller)| caller).collect();
        for mut caller in callers {
            if let Some(mut waiting) = caller.waits.take() {
                waiting.over(&self.broker, &caller.agent);
            }
            for (guard, _) in ports.commons.orphan(caller.agent.id, &*ports.clock) {
                let text = format!(
                    "worker {} of stage `{}` died while it held {}, which is given back",
                    state.who.worker,
                    state.stage,
                    self.broker.guard(guard)
                );
                (ports.warn)(text);
            }
        }
    }
}

/// Somebody who waits was woken, or its time is over.
pub(super) fn again(broker: &Broker, desk: &Mutex<State>, by: i64) {
    desk.lock().again(broker, by);
}

impl Broker {
    /// ``the lock `printer` ``.
    fn guard(&self, number: u32) -> String {
        let found = self.ports.names.guards.iter().find(|(_, g)| g.0 == number);
        found.map_or_else(
            || "a guard".into(),
            |(name, (_, kind))| format!("the {kind} `{name}`"),
        )
    }
}

impl State {
    fn answer(&self, call: u64, answer: Answer) {
        // Call 0 wants none.
        if call == 0 {
            return;
        }
        let line = match answer {
            Answer::Is(value) => protocol::call_result(call, &value),
            Answer::Refused(Refusal(kind, why)) => protocol::call_error(call, kind, &why),
            Answer::Wait(_) => return,
        };
        (self.reply)(line);
    }

    fn ask(&mut self, broker: &Broker, call: u64, request: Request) {
        let by = request.by;
        let who = self.who;
        let caller = self.callers.entry(by).or_insert_with(|| Caller {
            agent: broker.ports.registry.outside(who),
            held: Vec::new(),
            waits: None,
        });
        if caller.waits.is_some() {
            let why = "this thread (or task) waits for another call already";
            return self.answer(call, Answer::Refused(Refusal("RuntimeError", why.into())));
        }
        let now = broker.ports.clock.now();
        caller.waits = Some(Waiting {
            call,
            until: request.timeout.map(|t| now.saturating_add(t)),
            request,
            cancelled: false,
            phase: Phase::Asks,
            pause: None,
        });
        self.again(broker, by);
    }

    fn cancel(&mut self, broker: &Broker, of: u64) {
        let found = self.callers.iter_mut().find_map(|(by, caller)| {
            let waiting = caller.waits.as_mut().filter(|w| w.call == of)?;
            waiting.cancelled = true;
            Some(*by)
        });
        if let Some(by) = found {
            self.again(broker, by);
        }
    }

    /// Asks (again) for what a caller waits for, until there is an answer or it really has to wait.
    fn again(&mut self, broker: &Broker, by: i64) {
        let ports = &broker.ports;
        let Some(caller) = self.callers.get_mut(&by) else {
            return;
        };
        let Some(mut waiting) = caller.waits.take() else {
            return;
        };
        let agent = caller.agent.clone();
        waiting.rise(broker, &agent);
        loop {
            agent.clear();
            let late = waiting.cancelled || waiting.until.is_some_and(|at| ports.clock.now() >= at);
            let answer = self.attempt(broker, by, &mut waiting, late);
            let Answer::Wait(mut wait) = answer else {
                let call = waiting.call;
                self.answer(call, answer);
                self.forget_idle();
                return;
            };
            if let (Some(at), false) = (waiting.until, matches!(waiting.phase, Phase::Retakes(_))) {
                wait = wait.until(at);
            }
            if let Some(item) = waiting.request.item {
                wait.about = Some(Arc::new(About {
                    step: self.step,
                    item: format!("number {item} of this worker"),
                }));
            }
            let until = wait.until;
            waiting.pause = Some(agent.begin(wait, &*ports.clock));
            ports.registry.show(&agent);
            let caller = super::Caller {
                desk: self.me.clone(),
                by,
            };
            let ring = Waker::from(Arc::new(Ring {
                bells: broker.bells.clone(),
                caller: caller.clone(),
            }));
            if agent.poll(&Context::from_waker(&ring)) {
                waiting.rise(broker, &agent);
                continue;
            }
            if let Some(at) = until {
                let _over = broker.bells.send(Bell::Due(at, caller));
            }
            if let Some(caller) = self.callers.get_mut(&by) {
                caller.waits = Some(waiting);
            }
            return;
        }
    }

    /// Callers that neither hold nor wait need not be known.
    fn forget_idle(&mut self) {
        if self.callers.len() > 64 {
            self.callers
                .retain(|_, c| c.waits.is_some() || !c.held.is_empty());
        }
    }

    fn may(
        &self,
        list: impl Fn(&May) -> &Vec<u32>,
        number: u32,
        key: &str,
        name: &str,
    ) -> Result<(), Refusal> {
        if list(&self.may).contains(&number) {
            return Ok(());
        }
        let why = format!(
            "stage `{}` does not say `{key}: [{name}]`: what user code does to others must be declared there",
            self.stage
        );
        Err(Refusal("PermissionError", why))
    }

    fn may_set(&self, broker: &Broker, guard: u32) -> Result<(), Refusal> {
        let names = &broker.ports.names.guards;
        let name = names.iter().find(|(_, g)| g.0 == guard);
        self.may(|m| &m.sets, guard, "sets", name.map_or("", |(n, _)| n))
    }

    fn hold(&mut self, by: i64, held: Held) {
        if let Some(caller) = self.callers.get_mut(&by) {
            caller.held.push(held);
        }
    }

    /// Asks once. `late`: its time is over, so it does not wait any more.
    fn attempt(&mut self, broker: &Broker, by: i64, waiting: &mut Waiting, late: bool) -> Answer {
        match self.try_to(broker, by, waiting, late) {
            Ok(answer) => answer,
            Err(refusal) => Answer::Refused(refusal),
        }
    }

    fn try_to(
        &mut self,
        broker: &Broker,
        by: i64,
        waiting: &mut Waiting,
        late: bool,
    ) -> Result<Answer, Refusal> {
        let ports = &broker.ports;
        let (commons, clock) = (&*ports.commons, &*ports.clock);
        let Some(agent) = self.callers.get(&by).map(|c| c.agent.clone()) else {
            return Ok(Answer::Is(Value::Null));
        };
        let yes = |is: bool| Ok(Answer::Is(Value::Bool(is)));
        let none = Ok(Answer::Is(Value::Null));
        let item = waiting.request.item;
        match &waiting.request.op {
            Op::Acquire { guard, n } => {
                let (guard, n) = (*guard, *n);
                match commons.permits(guard).take(&agent, n, self.step, clock) {
                    Ok(()) => {
                        self.hold(by, Held { guard, n, item });
                        yes(true)
                    }
                    Err(_) if late => {
                        commons.permits(guard).forget(agent.id, clock);
                        yes(false)
                    }
                    Err(wait) => Ok(Answer::Wait(wait)),
                }
            }
            Op::Release { guard, n } => {
                self.release(broker, by, *guard, *n)?;
                none
            }
            Op::Locked { guard } => {
                let permits = commons.permits(*guard);
                yes(permits.free() < permits.total())
            }
            Op::Wait { guard } => self.wait(broker, by, *guard, waiting, late, &agent),
            Op::Notify { guard, n } => {
                self.may_set(broker, *guard)?;
                (0..*n).for_each(|_| commons.condition(*guard).notify());
                none
            }
            Op::NotifyAll { guard } => {
                self.may_set(broker, *guard)?;
                commons.condition(*guard).notify_all();
                none
            }
            Op::IsSet { guard } => yes(commons.event(*guard).is_set()),
            Op::Set { guard } => {
                self.may_set(broker, *guard)?;
                commons.event(*guard).set();
                none
            }
            Op::Clear { guard } => {
                commons.event(*guard).clear();
                none
            }
            Op::WaitEvent { guard } => match commons.event(*guard).wait(&agent) {
                Ok(()) => yes(true),
                Err(_) if late => {
                    commons.event(*guard).forget(agent.id);
                    yes(false)
                }
                Err(wait) => Ok(Answer::Wait(wait)),
            },
            Op::WaitBarrier { guard } => {
                self.may_set(broker, *guard)?;
                let barrier = commons.barrier(*guard);
                match barrier.wait(&agent) {
                    Ok(Ok(number)) => Ok(Answer::Is(json!(number))),
                    Ok(Err(Broken)) => Err(Refusal("BrokenBarrierError", String::new())),
                    Err(_) if late => {
                        // As Python's: who gives up breaks it for all.
                        barrier.forget(agent.id);
                        barrier.break_up(true);
                        Err(Refusal("BrokenBarrierError", String::new()))
                    }
                    Err(wait) => Ok(Answer::Wait(wait)),
                }
            }
            Op::Barrier { guard } => {
                let barrier = commons.barrier(*guard);
                let (parties, broken) = (barrier.parties(), barrier.is_broken());
                let here = barrier.here().len();
                Ok(Answer::Is(
                    json!({"parties": parties, "waiting": here, "broken": broken}),
                ))
            }
            Op::Reset { guard } | Op::Abort { guard } => {
                self.may_set(broker, *guard)?;
                let stays = matches!(waiting.request.op, Op::Abort { .. });
                commons.barrier(*guard).break_up(stays);
                none
            }
            Op::Get(target) => {
                let cell = match *target {
                    crate::sync::Target::Value(value) => Some(commons.values.get(value)),
                    crate::sync::Target::Element(array, i) => commons.values.element(array, i),
                };
                let why = || Refusal("IndexError", "array index out of range".into());
                Ok(Answer::Is(to_json(&cell.ok_or_else(why)?)))
            }
            Op::Add(target, by) => {
                let done = commons.values.add(*target, &number(by));
                done.map_err(|why| Refusal("ValueError", why))?;
                none
            }
            Op::Store(target, to) => {
                let done = commons.values.store(*target, &number(to));
                done.map_err(|why| Refusal("ValueError", why))?;
                none
            }
            Op::Changed(array, at) => {
                commons.values.changed(*array, *at);
                none
            }
            Op::Put { queue, item } => {
                let queue = *queue;
                let conn = &ports.conns[queue as usize];
                let mut batch = match std::mem::replace(&mut waiting.phase, Phase::Asks) {
                    Phase::Puts(batch) => batch,
                    _ => {
                        let names = ports.names.queues.iter();
                        let name = names.clone().find(|(_, n)| **n == queue);
                        self.may(|m| &m.puts, queue, "puts", name.map_or("", |(n, _)| n))?;
                        fit(item, &ports.types[queue as usize])
                            .map_err(|why| Refusal("TypeError", why))?
                    }
                };
                match conn.offer(&mut batch, &agent) {
                    Offer::Taken => yes(true),
                    Offer::Unread => {
                        batch.clear();
                        yes(true)
                    }
                    Offer::Failed(broken) => Err(Refusal(
                        "RuntimeError",
                        format!("{}: {}", broken.what, broken.message),
                    )),
                    Offer::Full(_) if late => {
                        batch.clear();
                        conn.forget(&agent);
                        yes(false)
                    }
                    Offer::Full(wait) => {
                        waiting.phase = Phase::Puts(batch);
                        Ok(Answer::Wait(wait))
                    }
                }
            }
            Op::Queue { queue } => {
                let conn = &ports.conns[*queue as usize];
                Ok(Answer::Is(
                    json!({"size": conn.waiting(), "max": conn.max()}),
                ))
            }
            Op::Cancel { .. } => none,
        }
    }

    fn release(&mut self, broker: &Broker, by: i64, guard: u32, n: u32) -> Result<(), Refusal> {
        let ports = &broker.ports;
        let permits = ports.commons.permits(guard);
        if let Some(caller) = self.callers.get_mut(&by)
            && let Some(at) = caller
                .held
                .iter()
                .rposition(|h| h.guard == guard && h.n == n)
        {
            caller.held.remove(at);
            if permits.give_back(caller.agent.id, n, &*ports.clock) {
                return Ok(());
            }
        }
        // What another has taken, another thread of this process or another worker.
        if permits.free() == permits.total() {
            let mut kinds = ports.names.guards.values();
            let semaphore = kinds.any(|(number, kind)| *number == guard && *kind == "semaphore");
            return Err(if semaphore {
                Refusal("ValueError", "Semaphore released too many times".into())
            } else {
                Refusal("RuntimeError", "release unlocked lock".into())
            });
        }
        self.may_set(broker, guard)?;
        if permits.give_for_another(n, &*ports.clock) {
            Ok(())
        } else {
            Err(Refusal("RuntimeError", "release unlocked lock".into()))
        }
    }

    /// `Condition.wait`: gives the lock back, waits to be notified, takes it again.
    fn wait(
        &mut self,
        broker: &Broker,
        by: i64,
        guard: u32,
        waiting: &mut Waiting,
        late: bool,
        agent: &Arc<Agent>,
    ) -> Result<Answer, Refusal> {
        let clock = &*broker.ports.clock;
        let condition = broker.ports.commons.condition(guard);
        let item = waiting.request.item;
        if let Phase::Asks = waiting.phase {
            let caller = self.callers.get_mut(&by);
            let held = caller.and_then(|caller| {
                let at = caller.held.iter().rposition(|h| h.guard == guard)?;
                Some(caller.held.remove(at))
            });
            if held.is_none() {
                let why = "cannot wait on un-acquired lock".into();
                return Err(Refusal("RuntimeError", why));
            }
            // Before the lock is given back, so that no notification comes in between.
            condition.enlist(agent);
            condition.lock.give_back(agent.id, 1, clock);
            waiting.phase = Phase::Enlisted;
        }
        if let Phase::Enlisted = waiting.phase {
            let notified = !condition.is_enlisted(agent.id);
            if !notified && !late {
                return Ok(Answer::Wait(Wait::for_(What::Until {
                    guard,
                    watches: Arc::from([]),
                })));
            }
            condition.orphan(agent.id);
            waiting.phase = Phase::Retakes(notified);
        }
        let Phase::Retakes(notified) = waiting.phase else {
            return Ok(Answer::Is(Value::Bool(false)));
        };
        match condition.lock.take(agent, 1, self.step, clock) {
            Ok(()) => {
                self.hold(by, Held { guard, n: 1, item });
                Ok(Answer::Is(Value::Bool(notified)))
            }
            Err(wait) => Ok(Answer::Wait(wait)),
        }
    }
}

impl Waiting {
    /// The agent does not wait now.
    fn rise(&mut self, broker: &Broker, agent: &Arc<Agent>) {
        if let Some(pause) = self.pause.take() {
            agent.end(&pause, &*broker.ports.clock);
            broker.ports.registry.hide(agent);
        }
    }

    /// The caller is no more.
    fn over(&mut self, broker: &Broker, agent: &Arc<Agent>) {
        self.rise(broker, agent);
        match (&self.request.op, &mut self.phase) {
            (Op::Put { queue, .. }, Phase::Puts(batch)) => {
                batch.clear();
                broker.ports.conns[*queue as usize].forget(agent);
            }
            (Op::WaitBarrier { guard }, _) => {
                let barrier = broker.ports.commons.barrier(*guard);
                barrier.forget(agent.id);
                // Who waits there waits for somebody who is dead.
                barrier.break_up(true);
            }
            _ => {}
        }
    }
}

/// An item for a connection that carries this type.
fn fit(item: &Value, ty: &Type) -> Result<Batch, String> {
    let mut any = Batch::new(Shape::of(&Type::Any), Blocks::new());
    any.push([Cell::from_tagged(&item.to_string())?]);
    let mut batch = Batch::new(Shape::of(ty), Blocks::new());
    let (cells, blocks) = batch.parts_mut();
    fit_row(any.row(0), ty, cells, blocks).map_err(|misfit| misfit.to_string())?;
    batch.grew(1);
    batch.span = 1;
    Ok(batch)
}

/// What a value can be; anything else is refused where it is stored.
fn number(value: &Value) -> Cell {
    Cell::from_tagged(&value.to_string()).unwrap_or_default()
}

fn to_json(cell: &Cell) -> Value {
    let mut text = Vec::new();
    cell.write_tagged(&Blocks::new(), &mut text);
    serde_json::from_slice(&text).unwrap_or_default()
}
