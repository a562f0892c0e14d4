//! Channels, waits and the order window under a scheduler that explores interleavings (shuttle):
//! `cargo test --features model --test model`. A lost wake-up shows as a deadlock that shuttle reports.
#![cfg(feature = "model")]

use std::num::NonZeroUsize;
use std::sync::Arc;

use millstream::channel::{
    Bounds, Claim, Conn, Cycle, Fifo, Full, Lifo, Offer, Order, Priority, Spill, SpillFifo,
    SpillLifo,
};
use millstream::pool::{Deposit, Range, Sequencer};
use millstream::value::{Batch, Blocks, Cell, Shape, Type};
use millstream::wait::{Agent, RealClock, Registry, Wait};
use shuttle::sync::Mutex;
use shuttle::thread;

const SCHEDULES: usize = 3000;

fn ints(values: impl IntoIterator<Item = i64>) -> Batch {
    let mut batch = Batch::new(Shape::of(&Type::Int), Blocks::new());
    for v in values {
        batch.push([Cell::Int(v)]);
    }
    batch.span = batch.len() as u64;
    batch
}

fn values(mut batch: Batch) -> Vec<i64> {
    let out = batch
        .rows()
        .map(|r| {
            if let Cell::Int(i) = r.cells[0] {
                i
            } else {
                panic!("no int")
            }
        })
        .collect();
    batch.clear();
    out
}

fn conn(max: usize, order: Box<dyn Order>, writers: usize, readers: usize) -> Arc<Conn> {
    let bounds = Bounds {
        max: NonZeroUsize::new(max).expect("not zero"),
        max_bytes: NonZeroUsize::new(1 << 20).expect("not zero"),
        full: Full::Block,
    };
    Arc::new(Conn::new(0, bounds, order, writers, readers))
}

fn park(agent: &Arc<Agent>, wait: Wait) {
    let _ = agent.park(wait, &RealClock::default());
}

/// Puts everything, as a worker does.
fn write(conn: &Conn, agent: &Arc<Agent>, batches: Vec<Batch>) {
    for mut batch in batches {
        loop {
            agent.clear();
            match conn.offer(&mut batch, agent) {
                Offer::Taken => break,
                Offer::Full(wait) => park(agent, wait),
                Offer::Failed(broken) => panic!("{broken:?}"),
                Offer::Unread => {
                    batch.clear();
                    return conn.close_writer(None);
                }
            }
        }
    }
    conn.close_writer(None);
}

/// Takes everything, as a worker does.
fn read(conn: &Conn, agent: &Arc<Agent>, want: usize) -> Vec<i64> {
    let mut got = Vec::new();
    loop {
        agent.clear();
        match conn.claim(want, agent) {
            Claim::Batch(batch) => got.extend(values(batch)),
            Claim::Empty => park(
                agent,
                Wait::for_(millstream::wait::What::Get(vec![conn.id()])),
            ),
            Claim::Closed => return got,
            Claim::Failed(broken) => panic!("{broken:?}"),
        }
    }
}

fn nothing_is_lost_or_doubled(max: usize, order: fn() -> Box<dyn Order>) {
    shuttle::check_random(
        move || {
            let registry = Registry::default();
            let conn = conn(max, order(), 2, 2);
            let got = Arc::new(Mutex::new(Vec::new()));
            let mut threads = Vec::new();
            for w in 0..2 {
                let (conn, agent) = (conn.clone(), registry.enter());
                threads.push(thread::spawn(move || {
                    write(
                        &conn,
                        &agent,
                        vec![ints(w * 10..w * 10 + 3), ints([w * 10 + 3])],
                    );
                }));
            }
            for want in [1, 2] {
                let (conn, agent, got) = (conn.clone(), registry.enter(), got.clone());
                threads.push(thread::spawn(move || {
                    let mine = read(&conn, &agent, want);
                    got.lock().expect("sound").extend(mine);
                }));
            }
            for t in threads {
                t.join().expect("it ends");
            }
            let mut got = got.lock().expect("sound").clone();
            got.sort_unstable();
            assert_eq!(got, [0, 1, 2, 3, 10, 11, 12, 13]);
            assert!(conn.counts().peak <= max as u64);
        },
        SCHEDULES,
    );
}

#[test]
fn no_item_is_lost_or_doubled_between_two_writers_and_two_readers() {
    for max in [1, 2, 100] {
        nothing_is_lost_or_doubled(max, || Box::<Fifo>::default());
    }
    nothing_is_lost_or_doubled(2, || Box::<Lifo>::default());
    nothing_is_lost_or_doubled(2, || {
        Box::new(Priority::new(Arc::new(|r| {
            if let Cell::Int(i) = r.cells[0] {
                i as f64
            } else {
                0.0
            }
        })))
    });
}

#[test]
fn writers_end_when_their_last_reader_does() {
    shuttle::check_random(
        || {
            let registry = Registry::default();
            let conn = conn(1, Box::<Fifo>::default(), 2, 1);
            let mut threads = Vec::new();
            for _ in 0..2 {
                let (conn, agent) = (conn.clone(), registry.enter());
                threads.push(thread::spawn(move || {
                    write(&conn, &agent, vec![ints(0..3)])
                }));
            }
            let agent = registry.enter();
            let reader = conn.clone();
            threads.push(thread::spawn(move || {
                loop {
                    agent.clear();
                    match reader.claim(1, &agent) {
                        Claim::Batch(b) => {
                            drop(values(b));
                            return reader.close_reader();
                        }
                        Claim::Empty => {
                            park(&agent, Wait::for_(millstream::wait::What::Get(vec![0])))
                        }
                        Claim::Closed => return,
                        Claim::Failed(broken) => panic!("{broken:?}"),
                    }
                }
            }));
            for t in threads {
                t.join().expect("it ends");
            }
        },
        SCHEDULES,
    );
}

#[test]
fn a_reader_of_two_connections_leaves_no_item_to_sleeping_others() {
    shuttle::check_random(
        || {
            let registry = Registry::default();
            let a = conn(1, Box::<Fifo>::default(), 1, 1);
            let b = conn(1, Box::<Fifo>::default(), 1, 2);
            let mut threads = Vec::new();
            for c in [&a, &b] {
                let (c, agent) = (c.clone(), registry.enter());
                threads.push(thread::spawn(move || write(&c, &agent, vec![ints(0..2)])));
            }
            // One reads both until it has all of `a`; what is left of `b` then is the other's.
            let of_b = Arc::new(Mutex::new(0));
            let (both, agent, count) = ((a, b.clone()), registry.enter(), of_b.clone());
            threads.push(thread::spawn(move || {
                let mut got = 0;
                while got < 2 {
                    agent.clear();
                    match both.0.claim(1, &agent) {
                        Claim::Batch(batch) => {
                            got += values(batch).len();
                            both.1.forget(&agent);
                            continue;
                        }
                        Claim::Empty | Claim::Closed | Claim::Failed(_) => {}
                    }
                    match both.1.claim(1, &agent) {
                        Claim::Batch(batch) => {
                            *count.lock().expect("sound") += values(batch).len();
                            both.0.forget(&agent);
                        }
                        Claim::Empty | Claim::Closed | Claim::Failed(_) => {
                            park(&agent, Wait::for_(millstream::wait::What::Get(vec![0, 0])));
                        }
                    }
                }
                both.1.forget(&agent);
            }));
            let (agent, count) = (registry.enter(), of_b.clone());
            threads.push(thread::spawn(move || {
                let mine = read(&b, &agent, 1).len();
                *count.lock().expect("sound") += mine;
            }));
            for t in threads {
                t.join().expect("it ends");
            }
            assert_eq!(*of_b.lock().expect("sound"), 2);
        },
        SCHEDULES,
    );
}

/// A worker of a loop: each number above 0 goes round again as two that are less by one.
fn go_round(conn: &Conn, cycle: &Arc<Cycle>, agent: &Arc<Agent>) -> usize {
    let mut seen = 0;
    loop {
        agent.clear();
        match conn.claim(2, agent) {
            Claim::Batch(batch) => {
                for value in values(batch) {
                    seen += 1;
                    for _ in 0..2 * i64::from(value > 0) {
                        let Offer::Taken = conn.offer(&mut ints([value - 1]), agent) else {
                            panic!("a queue that spills takes everything")
                        };
                    }
                    cycle.settle(0, 0, 1);
                }
            }
            Claim::Empty => park(agent, Wait::for_(millstream::wait::What::Get(vec![0]))),
            Claim::Closed => return seen,
            Claim::Failed(broken) => panic!("{broken:?}"),
        }
    }
}

#[test]
fn a_loop_ends_when_nothing_is_unfinished_and_not_before() {
    // With a segment of one byte every batch but the first goes to disk.
    let spill = || Spill {
        segment: 1,
        ..Spill::new(1, 1, "the loop".into())
    };
    let orders: [fn(Spill) -> Box<dyn Order>; 2] = [
        |s| Box::new(SpillFifo::new(s)),
        |s| Box::new(SpillLifo::new(s)),
    ];
    for order in orders {
        shuttle::check_random(
            move || {
                let registry = Registry::default();
                let cycle = Cycle::new(1);
                let bounds = Bounds {
                    max: NonZeroUsize::MIN,
                    max_bytes: NonZeroUsize::MIN,
                    full: Full::Spill,
                };
                let conn = Conn::new(0, bounds, order(spill()), 2, 1).in_cycle(&cycle);
                let conn = Arc::new(conn);
                cycle.bind(std::slice::from_ref(&conn));
                let seen = Arc::new(Mutex::new(0));
                let mut threads = Vec::new();
                for _ in 0..2 {
                    let (conn, cycle) = (conn.clone(), cycle.clone());
                    let (agent, seen) = (registry.enter(), seen.clone());
                    threads.push(thread::spawn(move || {
                        let mine = go_round(&conn, &cycle, &agent);
                        *seen.lock().expect("sound") += mine;
                    }));
                }
                let (outside, agent) = (conn.clone(), registry.enter());
                threads.push(thread::spawn(move || {
                    write(&outside, &agent, vec![ints([2]), ints([1, 0])]);
                }));
                for t in threads {
                    t.join().expect("it ends");
                }
                // 2 is seven items in all, 1 is three, 0 is one.
                assert_eq!(*seen.lock().expect("sound"), 11);
                assert_eq!(cycle.unfinished(), 0);
            },
            SCHEDULES / 3,
        );
    }
}

#[test]
fn ranges_leave_in_order_and_nobody_waits_for_ever() {
    for window in [1, 3, 100] {
        shuttle::check_random(
            move || {
                let registry = Registry::default();
                let next = Arc::new(Mutex::new(0u64));
                let turn = Arc::new(Sequencer::new(0, true, window, Vec::<i64>::new()));
                let threads: Vec<_> = (0..3)
                    .map(|_| {
                        let (next, turn, agent) = (next.clone(), turn.clone(), registry.enter());
                        thread::spawn(move || {
                            loop {
                                let ord = {
                                    let mut next = next.lock().expect("sound");
                                    *next += 2;
                                    *next - 2
                                };
                                if ord >= 12 {
                                    return;
                                }
                                // Every third range is a tombstone.
                                let parts = if ord % 3 == 0 {
                                    vec![]
                                } else {
                                    vec![ints([ord as i64, ord as i64 + 1])]
                                };
                                let mut mine = Some(Range {
                                    ord,
                                    span: 2,
                                    parts,
                                });
                                while let Some(range) = mine.take() {
                                    agent.clear();
                                    match turn.deposit(range, &agent) {
                                        Deposit::Left => {}
                                        Deposit::Full(range, wait) => {
                                            mine = Some(range);
                                            park(&agent, wait);
                                        }
                                        Deposit::Turn(mut out, range) => {
                                            out.extend(range.parts.into_iter().flat_map(values));
                                            while let Some((o, range)) = turn.next(out) {
                                                out = o;
                                                out.extend(
                                                    range.parts.into_iter().flat_map(values),
                                                );
                                            }
                                        }
                                    }
                                    if mine.is_none() {
                                        break;
                                    }
                                }
                            }
                        })
                    })
                    .collect();
                for t in threads {
                    t.join().expect("it ends");
                }
                assert_eq!(turn.finish(), [2, 3, 4, 5, 8, 9, 10, 11]);
            },
            SCHEDULES,
        );
    }
}
