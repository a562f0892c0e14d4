//! Desks in front of real guards: what processes ask, and what they are answered.

use std::sync::Arc;

use crossbeam_channel::{Receiver, unbounded};
use serde_json::{Value, json};

use super::{Broker, Desk, May, Names, Ports};
use crate::sync::{Barrier, Commons, Condition, Declared, Event, Guard, Permits, Values};
use crate::value::{Cell, Type};
use crate::wait::{RealClock, Registry, Who};
use crate::worker::Calls;

/// A broker whose thread works, until it is dropped.
struct Bench {
    broker: Arc<Broker>,
    registry: Arc<Registry>,
    warned: Receiver<String>,
    server: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.broker.end();
        if let Some(server) = self.server.take() {
            server.join().unwrap();
        }
    }
}

/// One process.
struct Process {
    desk: Desk,
    answers: Receiver<Value>,
}

impl Bench {
    fn new() -> Bench {
        let guards = [
            ("lock", "lock", Guard::Permits(Permits::lock(0))),
            ("sem", "semaphore", Guard::Permits(Permits::semaphore(1, 2))),
            ("cond", "condition", Guard::Condition(Condition::new(2))),
            ("go", "event", Guard::Event(Event::new(3, false))),
            ("meet", "barrier", Guard::Barrier(Barrier::new(4, 2))),
            ("rw", "rwlock", Guard::Permits(Permits::rwlock(5))),
        ];
        let mut names = Names::default();
        let mut list = Vec::new();
        for ((name, kind, guard), number) in guards.into_iter().zip(0..) {
            names.guards.insert(name.into(), (number, kind));
            list.push(guard);
        }
        names.values.insert("total".into(), 0);
        let total = Declared {
            of: Type::Int,
            initial: Cell::Int(5),
            length: None,
        };
        let registry: Arc<Registry> = Arc::default();
        let may = May {
            sets: vec![0, 2, 3, 4],
            puts: Vec::new(),
        };
        let (warn, warned) = unbounded();
        let broker = Broker::new(Ports {
            commons: Arc::new(Commons {
                guards: list.into(),
                values: Values::new(&[total], &[]),
                ..Commons::default()
            }),
            conns: Arc::from([]),
            clock: Arc::new(RealClock::default()),
            registry: registry.clone(),
            names,
            warn: Arc::new(move |text| warn.send(text).unwrap()),
            types: Box::new([]),
            stages: Box::new([("work".into(), may)]),
        });
        let serving = broker.clone();
        let server = Some(std::thread::spawn(move || serving.serve()));
        Bench {
            broker,
            registry,
            warned,
            server,
        }
    }

    fn process(&self, worker: u32) -> Process {
        let (tell, answers) = unbounded();
        let reply = move |line: Vec<u8>| {
            // Nobody listens to a process that has ended.
            let _ended = tell.send(serde_json::from_slice(&line).unwrap());
        };
        let who = Who { stage: 0, worker };
        let desk = Desk::new(self.broker.clone(), who, 1, Arc::new(reply));
        Process { desk, answers }
    }
}

impl Process {
    /// Asks, without waiting for the answer.
    fn ask(&mut self, call: u64, message: Value) {
        let mut message = message;
        message["call"] = call.into();
        self.desk.call(call, &message.to_string());
    }

    fn answer(&self) -> Value {
        self.answers.recv().unwrap()
    }

    fn says(&mut self, message: Value) -> Value {
        self.ask(1, message);
        let answer = self.answer();
        answer
            .get("result")
            .or(answer.get("error"))
            .unwrap()
            .clone()
    }
}

fn acquire(guard: &str) -> Value {
    json!({"op": "acquire", "guard": guard, "by": 1})
}

fn release(guard: &str) -> Value {
    json!({"op": "release", "guard": guard, "by": 1})
}

#[test]
fn a_lock_goes_from_one_process_to_the_one_that_waits() {
    let bench = Bench::new();
    let [mut a, mut b] = [bench.process(0), bench.process(1)];
    assert_eq!(a.says(acquire("lock")), true);
    assert_eq!(b.says(json!({"op": "locked", "guard": "lock"})), true);
    let no = json!({"op": "acquire", "guard": "lock", "by": 1, "timeout": 0});
    assert_eq!(b.says(no), false);
    b.ask(7, acquire("lock"));
    assert_eq!(bench.registry.seen().len(), 1, "who waits is seen");
    assert_eq!(a.says(release("lock")), Value::Null);
    assert_eq!(b.answer(), json!({"call": 7, "result": true}));
    assert_eq!(bench.registry.seen().len(), 0);
}

#[test]
fn a_wait_is_over_when_its_time_is() {
    let bench = Bench::new();
    let [mut a, mut b] = [bench.process(0), bench.process(1)];
    assert_eq!(a.says(acquire("lock")), true);
    let short = json!({"op": "acquire", "guard": "lock", "by": 1, "timeout": 0.01});
    assert_eq!(b.says(short), false);
    let event = json!({"op": "wait_event", "guard": "go", "timeout": 0.01});
    assert_eq!(b.says(event), false);
    assert_eq!(a.says(release("lock")), Value::Null);
    assert_eq!(
        b.says(acquire("lock")),
        true,
        "it does not stand in the queue any more"
    );
}

#[test]
fn what_nobody_holds_cannot_be_released() {
    let bench = Bench::new();
    let mut a = bench.process(0);
    assert_eq!(a.says(release("lock"))["type"], "RuntimeError");
    assert_eq!(a.says(release("sem"))["type"], "ValueError");
    assert_eq!(a.says(acquire("nothing"))["type"], "LookupError");
    assert_eq!(
        a.says(json!({"op": "set", "guard": "lock"}))["type"],
        "TypeError"
    );
}

#[test]
fn what_another_holds_is_released_where_the_stage_says_so() {
    let bench = Bench::new();
    let [mut a, mut b] = [bench.process(0), bench.process(1)];
    assert_eq!(a.says(acquire("lock")), true);
    assert_eq!(b.says(release("lock")), Value::Null);
    assert_eq!(a.says(acquire("sem")), true);
    assert_eq!(b.says(release("sem"))["type"], "PermissionError");
    // The first does not hold it any more, and that harms nobody.
    a.desk.done(1);
    assert_eq!(b.says(acquire("lock")), true);
}

#[test]
fn a_condition_gives_its_lock_back_while_it_waits_and_says_whether_it_was_notified() {
    let bench = Bench::new();
    let [mut a, mut b] = [bench.process(0), bench.process(1)];
    assert_eq!(
        a.says(json!({"op": "wait", "guard": "cond", "by": 1}))["type"],
        "RuntimeError"
    );
    assert_eq!(a.says(acquire("cond")), true);
    a.ask(3, json!({"op": "wait", "guard": "cond", "by": 1}));
    assert_eq!(b.says(acquire("cond")), true, "it is free meanwhile");
    assert_eq!(
        b.says(json!({"op": "notify", "guard": "cond", "by": 1})),
        Value::Null
    );
    assert!(a.answers.is_empty(), "it takes the lock again first");
    assert_eq!(b.says(release("cond")), Value::Null);
    assert_eq!(a.answer(), json!({"call": 3, "result": true}));
    assert_eq!(
        a.says(json!({"op": "wait", "guard": "cond", "by": 1, "timeout": 0.01})),
        false
    );
    assert_eq!(a.says(release("cond")), Value::Null, "it holds it again");
}

#[test]
fn events_and_barriers_let_go_those_who_wait() {
    let bench = Bench::new();
    let [mut a, mut b] = [bench.process(0), bench.process(1)];
    a.ask(3, json!({"op": "wait_event", "guard": "go", "by": 1}));
    assert_eq!(
        b.says(json!({"op": "set", "guard": "go", "by": 1})),
        Value::Null
    );
    assert_eq!(a.answer()["result"], true);
    a.ask(4, json!({"op": "wait_barrier", "guard": "meet", "by": 1}));
    assert_eq!(
        b.says(json!({"op": "wait_barrier", "guard": "meet", "by": 1})),
        1
    );
    assert_eq!(a.answer()["result"], 0);
    a.ask(5, json!({"op": "wait_barrier", "guard": "meet", "by": 1}));
    assert_eq!(
        b.says(json!({"op": "abort", "guard": "meet", "by": 1})),
        Value::Null
    );
    assert_eq!(a.answer()["error"]["type"], "BrokenBarrierError");
}

#[test]
fn a_writer_waits_for_the_readers() {
    let bench = Bench::new();
    let [mut a, mut b] = [bench.process(0), bench.process(1)];
    let read = json!({"op": "acquire", "guard": "rw", "mode": "read", "by": 1});
    let write = json!({"op": "acquire", "guard": "rw", "mode": "write", "by": 1});
    assert_eq!(a.says(read.clone()), true);
    b.ask(2, write);
    assert!(b.answers.is_empty());
    assert_eq!(
        a.says(json!({"op": "release", "guard": "rw", "mode": "read", "by": 1})),
        Value::Null
    );
    assert_eq!(b.answer()["result"], true);
}

#[test]
fn what_an_item_still_holds_when_it_is_done_is_given_back_and_said() {
    let bench = Bench::new();
    let [mut a, mut b] = [bench.process(0), bench.process(1)];
    assert_eq!(
        a.says(json!({"op": "acquire", "guard": "lock", "by": 1, "for": 9})),
        true
    );
    b.ask(2, acquire("lock"));
    a.desk.done(8);
    assert!(b.answers.is_empty());
    a.desk.done(9);
    assert_eq!(b.answer()["result"], true);
    assert_eq!(
        bench.warned.recv().unwrap(),
        "user code of stage `work` was done with an item and still held the lock `lock`, which is given back"
    );
}

#[test]
fn what_a_dead_process_held_is_given_back_and_said_and_it_waits_for_nothing() {
    let bench = Bench::new();
    let [mut a, mut b, mut c] = [0, 1, 2].map(|i| bench.process(i));
    assert_eq!(a.says(acquire("lock")), true);
    b.ask(2, acquire("lock"));
    c.ask(2, acquire("lock"));
    b.desk.gone();
    a.desk.gone();
    assert_eq!(c.answer()["result"], true);
    assert_eq!(
        bench.warned.recv().unwrap(),
        "worker 0 of stage `work` died while it held the lock `lock`, which is given back"
    );
    assert!(b.answers.is_empty() && bench.registry.seen().is_empty());
}

#[test]
fn who_gives_up_a_wait_is_answered_at_once() {
    let bench = Bench::new();
    let [mut a, mut b] = [bench.process(0), bench.process(1)];
    assert_eq!(a.says(acquire("lock")), true);
    b.ask(2, acquire("lock"));
    b.ask(0, json!({"op": "cancel", "of": 2}));
    assert_eq!(b.answer(), json!({"call": 2, "result": false}));
}

#[test]
fn values_are_read_and_changed_by_asking_too() {
    let bench = Bench::new();
    let mut a = bench.process(0);
    assert_eq!(
        a.says(json!({"op": "add", "value": "total", "by": 3})),
        Value::Null
    );
    assert_eq!(a.says(json!({"op": "get", "value": "total"})), 8);
    let much = json!({"op": "add", "value": "total", "by": i64::MAX});
    assert_eq!(a.says(much)["type"], "ValueError");
    assert_eq!(
        a.says(json!({"op": "store", "value": "total", "to": 1})),
        Value::Null
    );
    assert_eq!(a.says(json!({"op": "get", "value": "total"})), 1);
}

#[test]
fn threads_of_one_process_exclude_each_other() {
    let bench = Bench::new();
    let mut a = bench.process(0);
    assert_eq!(a.says(acquire("lock")), true);
    a.ask(5, json!({"op": "acquire", "guard": "lock", "by": 2}));
    assert!(a.answers.is_empty());
    a.ask(0, release("lock"));
    assert_eq!(a.answer(), json!({"call": 5, "result": true}));
}
