//! What guards, shared values and the search for deadlocks cost.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use millstream::engine::deadlock::{Agent, Guard, Stage, State, World};
use millstream::sync::{Declared, Target, Values};
use millstream::value::{Cell, Type};
use millstream::wait::{RealClock, Registry, Wait, What, Who};

use super::{Runner, Wish, data, first_lines, millstream};

/// Nanoseconds that a lock nobody else wants may add to an item.
const LOCK: f64 = 100.0;
/// Four workers at one lock may take so many times what one takes.
const CONTENDED: f64 = 1.3;
/// Atomic additions a second.
const ADDS: f64 = 10e6;
const BLOCKED: u32 = 10_000;
/// The longest that the search may look at so many blocked workers.
const SEARCH: Duration = Duration::from_millis(10);

/// One stage of so many workers that numbers come to, with these steps.
fn stage(items: u64, threads: u32, steps: &str) -> String {
    format!(
        "locks: [own]
values: {{total: int}}
stages:
  numbers: {{do: [{{range: {items}}}]}}
  work: {{from: numbers, threads: {threads}, ordered: false, do: [{steps}]}}
  count: {{from: work, do: [{{group: {{n: count(), sum: sum(item)}}}}, {{write: {{to: stdout, format: json}}}}]}}
"
    )
}

const FREE: &str = "{map: item + 1}";
const LOCKED: &str = "{map: item + 1, with: own}";

pub(super) fn guards(wish: &Wish) -> io::Result<bool> {
    let items = 4_000_000 / wish.part;
    println!("\nguards: {items} items through a step, with and without a lock around it");
    let mut runners = Vec::new();
    for (name, threads, steps) in [
        ("free", 1, FREE),
        ("locked", 1, LOCKED),
        ("locked by 4", 4, LOCKED),
        ("add", 8, "{add: {total: 1}}"),
    ] {
        let path = data::folder().join(format!("guards-{}.yaml", name.replace(' ', "-")));
        fs::write(&path, stage(items, threads, steps))?;
        runners.push(Runner::new(name, millstream(&path, Path::new("/dev/null"))));
    }
    for _ in 0..wish.rounds {
        for runner in &mut runners {
            let taken = runner.once()?;
            if taken.code != 0 {
                println!(
                    "  {} failed: {}",
                    runner.name,
                    first_lines(&runner.errors())
                );
                return Ok(false);
            }
            runner.taken.push(taken);
        }
    }
    let wall: Vec<f64> = runners.iter().map(|r| r.median().as_secs_f64()).collect();
    let cpu: Vec<f64> = runners.iter().map(|r| r.cpu().as_secs_f64()).collect();
    let [_, one, four, _] = wall[..] else {
        return Ok(false);
    };
    // By the processor's time: what a lock costs is no more than some per cent of the whole.
    let cost = (cpu[1] - cpu[0]) / items as f64 * 1e9;
    let times = four / one;
    let rate = adds();
    let verdict = |reached| if reached { "reached" } else { "MISSED" };
    println!(
        "  a lock that nobody else wants: {:.3} and {:.3} s of processor time, {cost:.1} ns an item; target {LOCK} ns: {}",
        cpu[0],
        cpu[1],
        verdict(cost < LOCK)
    );
    println!(
        "  four workers at one lock: {four:.3} s, {times:.2} times one worker; target {CONTENDED}: {}",
        verdict(times <= CONTENDED)
    );
    println!(
        "  8 workers add to one value: {:.1} M/s; target {:.0} M/s: {}; in a pipeline, {:.1} ns of processor time an item in all",
        rate / 1e6,
        ADDS / 1e6,
        verdict(rate >= ADDS),
        cpu[3] / items as f64 * 1e9
    );
    let searched = search(wish);
    Ok(cost < LOCK && times <= CONTENDED && rate >= ADDS && searched)
}

/// The search, at workers that wait for each other's locks in one great circle, and at those of whom one works.
fn search(wish: &Wish) -> bool {
    let registry = Registry::default();
    let clock = RealClock::default();
    let agents: Vec<_> = (0..BLOCKED)
        .map(|worker| registry.enter_as(Who { stage: 0, worker }))
        .collect();
    let pauses: Vec<_> = (0..BLOCKED)
        .zip(&agents)
        .map(|(guard, agent)| agent.begin(Wait::for_(What::Permits { guard, n: 1 }), &clock))
        .collect();
    let world = |stuck: bool| {
        let seen = registry.seen();
        let guard = |i: u32| Guard {
            holders: vec![(agents[((i + 1) % BLOCKED) as usize].id, 1)],
            queue: vec![(agents[i as usize].id, 1)],
            ..Guard::default()
        };
        World {
            agents: seen
                .iter()
                .enumerate()
                .map(|(i, seen)| Agent {
                    id: seen.id,
                    stage: Some(0),
                    waits: seen
                        .wait
                        .as_ref()
                        .filter(|_| stuck || i > 0)
                        .map(|(wait, _)| wait.what.clone()),
                })
                .collect(),
            stages: vec![Stage {
                state: State::Runs,
                workers: BLOCKED as usize,
                ..Stage::default()
            }],
            conns: Vec::new(),
            guards: (0..BLOCKED).map(guard).collect(),
        }
    };
    let median = |look: &dyn Fn() -> usize| {
        let mut took: Vec<(Duration, usize)> = (0..wish.rounds.max(7))
            .map(|_| {
                let began = Instant::now();
                let found = look();
                (began.elapsed(), found)
            })
            .collect();
        took.sort();
        took[took.len() / 2]
    };
    let (circle, found) = median(&|| world(true).stuck().0.len());
    let (chain, none) = median(&|| world(false).stuck().0.len());
    let (glance, _) = median(&|| usize::from(registry.has_waited_since(Duration::ZERO)));
    for (agent, pause) in agents.iter().zip(&pauses) {
        agent.end(pause, &clock);
    }
    let reached = circle < SEARCH && chain < SEARCH && found == BLOCKED as usize && none == 0;
    println!(
        "  {BLOCKED} blocked workers: all stuck in a circle, seen in {circle:.1?}; none stuck, since one works, seen in {chain:.1?}; \
         target {SEARCH:?}: {}",
        if reached { "reached" } else { "MISSED" }
    );
    println!("  is there anybody to look at: {glance:.1?} (then nothing is looked at)");
    reached
}

/// Additions a second, of 8 threads to one value.
fn adds() -> f64 {
    const THREADS: u32 = 8;
    const EACH: u32 = 2_000_000;
    let total = Declared {
        of: Type::Int,
        initial: Cell::Int(0),
        length: None,
    };
    let values = Values::new(&[total], &[]);
    let began = Instant::now();
    std::thread::scope(|threads| {
        for _ in 0..THREADS {
            threads.spawn(|| {
                for _ in 0..EACH {
                    values
                        .add(Target::Value(0), &Cell::Int(1))
                        .expect("it fits 64 bits");
                }
            });
        }
    });
    let took = began.elapsed().as_secs_f64();
    let all = f64::from(THREADS) * f64::from(EACH);
    assert_eq!(values.get(0), Cell::Int(all as i64), "no addition is lost");
    all / took
}
