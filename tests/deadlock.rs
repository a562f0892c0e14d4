//! The search for deadlocks against every future: random programs of locks, semaphores, bounded queues, events
//! and barriers are run in random order, and at each moment whoever is said to be stuck must never move again,
//! whatever happens; and where nobody can move, all must be said to be stuck.

#![allow(clippy::print_stdout, reason = "a test says how much it tried")]

use std::collections::{HashSet, VecDeque};

use millstream::engine::deadlock::{Agent, Conn, Guard, Stage, State, World};
use millstream::steps::Touches;
use millstream::wait::{AgentId, What};

/// `SplitMix64` (Steele, Lea, Flood).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Take(u32, u32),
    Give(u32, u32),
    Put(u32),
    Get(u32),
    Set(u32),
    Clear(u32),
    WaitEvent(u32),
    Meet(u32),
}

// Guards: 0 and 1 are locks, 2 is a semaphore of 3, 3 and 4 are events, 5 a barrier.
const PERMITS: [u32; 3] = [1, 1, 3];
const EVENTS: [u32; 2] = [3, 4];
const BARRIER: u32 = 5;
const QUEUES: usize = 2;
const MAX: usize = 1;

struct Program {
    parties: usize,
    agents: Vec<Vec<Op>>,
}

impl Program {
    fn random(random: &mut Random) -> Program {
        let count = 2 + random.below(4);
        let agents = (0..count).map(|_| {
            let (mut ops, mut held) = (Vec::new(), Vec::new());
            for _ in 0..=random.below(6) {
                ops.push(match random.below(10) {
                    0..=3 => {
                        let guard = random.below(PERMITS.len()) as u32;
                        let n = 1 + random.below(PERMITS[guard as usize] as usize) as u32;
                        held.push((guard, n));
                        Op::Take(guard, n)
                    }
                    4 => Op::Put(random.below(QUEUES) as u32),
                    5 => Op::Get(random.below(QUEUES) as u32),
                    6 => Op::Set(EVENTS[random.below(2)]),
                    7 => Op::WaitEvent(EVENTS[random.below(2)]),
                    8 if random.below(2) == 0 => Op::Clear(EVENTS[random.below(2)]),
                    8 => Op::Meet(BARRIER),
                    _ => match held.pop() {
                        Some((guard, n)) => Op::Give(guard, n),
                        None => Op::Put(random.below(QUEUES) as u32),
                    },
                });
            }
            while let Some((guard, n)) = held.pop() {
                ops.push(Op::Give(guard, n));
            }
            ops
        });
        Program {
            agents: agents.collect(),
            parties: 2,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Now {
    pc: Vec<usize>,
    /// Has come to its operation, and could not do it.
    blocked: Vec<bool>,
    /// Was handed what it waited for.
    granted: Vec<bool>,
    holders: Vec<Vec<(usize, u32)>>,
    queues: Vec<VecDeque<(usize, u32)>>,
    items: [usize; QUEUES],
    set: [bool; 2],
    here: Vec<usize>,
}

impl Now {
    fn new(program: &Program) -> Now {
        let n = program.agents.len();
        Now {
            pc: vec![0; n],
            blocked: vec![false; n],
            granted: vec![false; n],
            holders: vec![Vec::new(); PERMITS.len()],
            queues: vec![VecDeque::new(); PERMITS.len()],
            items: [0; QUEUES],
            set: [false; 2],
            here: Vec::new(),
        }
    }

    fn op(&self, program: &Program, agent: usize) -> Option<Op> {
        program.agents[agent].get(self.pc[agent]).copied()
    }

    fn ends_of(program: &Program, is: impl Fn(&Op) -> bool) -> Vec<usize> {
        let all = program.agents.iter().enumerate();
        all.filter(|(_, ops)| ops.iter().any(&is))
            .map(|(i, _)| i)
            .collect()
    }

    /// Have all of these ended?
    fn over(&self, program: &Program, agents: &[usize]) -> bool {
        agents.iter().all(|a| self.op(program, *a).is_none())
    }

    /// Can this agent do something now: try an operation, or finish one?
    fn can_act(&self, program: &Program, agent: usize) -> bool {
        let Some(op) = self.op(program, agent) else {
            return false;
        };
        if !self.blocked[agent] || self.granted[agent] {
            return true;
        }
        match op {
            Op::Put(q) => {
                self.items[q as usize] < MAX
                    || self.over(program, &Now::ends_of(program, |o| *o == Op::Get(q)))
            }
            Op::Get(q) => {
                self.items[q as usize] > 0
                    || self.over(program, &Now::ends_of(program, |o| *o == Op::Put(q)))
            }
            Op::WaitEvent(e) => self.set[e as usize - 3],
            _ => false,
        }
    }

    fn free(&self, guard: usize) -> u32 {
        PERMITS[guard] - self.holders[guard].iter().map(|(_, n)| n).sum::<u32>()
    }

    fn hand_over(&mut self, guard: usize) {
        while let Some((agent, n)) = self.queues[guard].front().copied()
            && n <= self.free(guard)
        {
            self.queues[guard].pop_front();
            self.holders[guard].push((agent, n));
            self.granted[agent] = true;
        }
    }

    /// The agent does what it can.
    fn act(&mut self, program: &Program, agent: usize) {
        let Some(op) = self.op(program, agent) else {
            return;
        };
        let done = match op {
            _ if self.granted[agent] => true,
            Op::Take(guard, n) => {
                let guard = guard as usize;
                if self.queues[guard].is_empty() && n <= self.free(guard) {
                    self.holders[guard].push((agent, n));
                    true
                } else {
                    self.queues[guard].push_back((agent, n));
                    false
                }
            }
            Op::Give(guard, n) => {
                let guard = guard as usize;
                let held = &mut self.holders[guard];
                let at = held
                    .iter()
                    .rposition(|h| *h == (agent, n))
                    .expect("it holds it");
                held.remove(at);
                self.hand_over(guard);
                true
            }
            Op::Put(q) => {
                let room = self.items[q as usize] < MAX;
                let unread = self.over(program, &Now::ends_of(program, |o| *o == Op::Get(q)));
                self.items[q as usize] += usize::from(room && !unread);
                room || unread
            }
            Op::Get(q) => {
                let some = self.items[q as usize] > 0;
                let closed = self.over(program, &Now::ends_of(program, |o| *o == Op::Put(q)));
                self.items[q as usize] -= usize::from(some);
                some || closed
            }
            Op::Set(e) => {
                self.set[e as usize - 3] = true;
                true
            }
            Op::Clear(e) => {
                self.set[e as usize - 3] = false;
                true
            }
            Op::WaitEvent(e) => self.set[e as usize - 3],
            Op::Meet(_) => {
                if self.here.len() + 1 >= program.parties {
                    for other in std::mem::take(&mut self.here) {
                        self.granted[other] = true;
                    }
                    true
                } else {
                    self.here.push(agent);
                    self.here.sort_unstable();
                    false
                }
            }
        };
        self.blocked[agent] = !done;
        if done {
            self.granted[agent] = false;
            self.pc[agent] += 1;
        }
    }

    /// As the program sees it.
    fn world(&self, program: &Program) -> World {
        let id = |agent: usize| AgentId(agent as u32);
        let agents = (0..program.agents.len()).filter_map(|agent| {
            let op = self.op(program, agent)?;
            let waits = (!self.can_act(program, agent)).then(|| match op {
                Op::Take(guard, n) => What::Permits { guard, n },
                Op::Put(q) => What::Put(q),
                Op::Get(q) => What::Get(vec![q]),
                Op::WaitEvent(e) => What::Event(e),
                Op::Meet(b) => What::Barrier(b),
                Op::Give(..) | Op::Set(_) | Op::Clear(_) => unreachable!("never blocked"),
            });
            Some(Agent {
                id: id(agent),
                stage: Some(agent),
                waits,
            })
        });
        let stages = program.agents.iter().map(|ops| {
            let of = |f: &dyn Fn(&Op) -> Option<u32>| ops.iter().filter_map(f).collect();
            Stage {
                state: State::Runs,
                workers: 1,
                coming: 0,
                spare: 0,
                touches: Touches {
                    sets: of(&|o| if let Op::Set(e) = o { Some(*e) } else { None }),
                    meets: of(&|o| if let Op::Meet(b) = o { Some(*b) } else { None }),
                    ..Touches::default()
                },
            }
        });
        let conns = (0..QUEUES).map(|q| Conn {
            items: self.items[q],
            max: MAX,
            writers: Now::ends_of(program, |o| *o == Op::Put(q as u32)),
            readers: Now::ends_of(program, |o| *o == Op::Get(q as u32)),
        });
        let permits = (0..PERMITS.len()).map(|g| Guard {
            free: self.free(g),
            holders: self.holders[g].iter().map(|(a, n)| (id(*a), *n)).collect(),
            queue: self.queues[g].iter().map(|(a, n)| (id(*a), *n)).collect(),
            ..Guard::default()
        });
        let events = self.set.iter().map(|set| Guard {
            set: *set,
            ..Guard::default()
        });
        let barrier = Guard {
            parties: program.parties,
            here: self.here.iter().map(|a| id(*a)).collect(),
            ..Guard::default()
        };
        World {
            agents: agents.collect(),
            stages: stages.collect(),
            conns: conns.collect(),
            guards: permits.chain(events).chain([barrier]).collect(),
        }
    }

    /// The agents that the search calls stuck.
    fn stuck(&self, program: &Program) -> Vec<usize> {
        let world = self.world(program);
        let (stuck, _) = world.stuck();
        stuck
            .into_iter()
            .map(|i| world.agents[i].id.0 as usize)
            .collect()
    }
}

/// Can one of these agents ever act, in any future?
fn ever_acts(program: &Program, from: &Now, agents: &[usize]) -> bool {
    let (mut seen, mut next) = (HashSet::new(), vec![from.clone()]);
    while let Some(now) = next.pop() {
        for agent in 0..program.agents.len() {
            if now.can_act(program, agent) {
                if agents.contains(&agent) {
                    return true;
                }
                let mut then = now.clone();
                then.act(program, agent);
                if seen.insert(then.clone()) {
                    next.push(then);
                }
            }
        }
    }
    false
}

#[test]
fn whoever_is_called_stuck_never_moves_again_and_no_stall_is_missed() {
    let programs: u64 = std::env::var("PROGRAMS").map_or(20_000, |n| n.parse().expect("a number"));
    let (mut searches, mut stalls, mut local) = (0u64, 0u64, 0u64);
    for seed in 0..programs {
        let mut random = Random(seed);
        let program = Program::random(&mut random);
        let mut now = Now::new(&program);
        let mut called: HashSet<usize> = HashSet::new();
        loop {
            let able: Vec<usize> = (0..program.agents.len())
                .filter(|a| now.can_act(&program, *a))
                .collect();
            let stuck = now.stuck(&program);
            searches += 1;
            if !stuck.is_empty() && stuck.iter().any(|a| called.insert(*a)) {
                local += u64::from(!able.is_empty());
                assert!(
                    !ever_acts(&program, &now, &stuck),
                    "a false alarm, seed {seed}: {stuck:?} in {now:?} of {:?}",
                    program.agents
                );
            }
            if able.is_empty() {
                let blocked: Vec<usize> = (0..program.agents.len())
                    .filter(|a| now.op(&program, *a).is_some())
                    .collect();
                stalls += u64::from(!blocked.is_empty());
                assert_eq!(stuck, blocked, "a stall is missed, seed {seed}: {now:?}");
                break;
            }
            now.act(&program, able[random.below(able.len())]);
        }
    }
    println!("{programs} programs, {searches} searches, {stalls} stalls, {local} local deadlocks");
    assert!(stalls > programs / 10 && local > programs / 20);
}
