//! What is said of a deadlock: who holds what and waits for whom, the smallest circle, and how to mend it.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{Search, World};
use crate::notice::{Deadlock, Holding, Stuck};
use crate::sync::Held;
use crate::wait::{Seen, What};

/// From so many of the workers circles are looked for; a larger set has small ones in many places.
const STARTS: usize = 64;

pub(super) fn deadlock(
    search: &Search<'_>,
    world: &World,
    seen: &[Seen],
    agents: &[usize],
    stages: &[usize],
) -> Deadlock {
    // In the order of the file, whoever entered first: one deadlock is told in one way.
    let mut agents = agents.to_vec();
    agents.sort_by_key(|a| seen[*a].who.map(|who| (who.stage, who.worker)));
    let agents = &*agents;
    let teller = Teller {
        search,
        world,
        seen,
        stuck: agents.iter().copied().collect(),
    };
    let mut workers: Vec<Stuck> = agents.iter().filter_map(|i| teller.worker(*i)).collect();
    workers.sort_by_key(|a| (a.line, a.worker));
    workers.extend(stages.iter().map(|s| teller.stage(*s)));
    let circle = teller.circle(agents);
    let mut hints = Vec::new();
    teller.hints(circle.as_deref().unwrap_or(agents), &mut hints);
    let circle = circle.map(|circle| teller.sentence(&circle));
    Deadlock {
        workers,
        circle,
        hints,
    }
}

struct Teller<'a> {
    search: &'a Search<'a>,
    world: &'a World,
    seen: &'a [Seen],
    stuck: HashSet<usize>,
}

impl Teller<'_> {
    fn what(&self, agent: usize) -> &What {
        match &self.world.agents[agent].waits {
            Some(what) => what,
            None => unreachable!("BUG: who waits for nothing is stuck"),
        }
    }

    /// `left, worker 0`.
    fn name(&self, agent: usize) -> String {
        match self.seen[agent].who {
            Some(who) => {
                let stage = &self.search.plan.stages[who.stage as usize];
                if stage.executor.workers() == 1 {
                    format!("`{}`", stage.name)
                } else {
                    format!("`{}` worker {}", stage.name, who.worker)
                }
            }
            None => "the run".into(),
        }
    }

    fn guard(&self, guard: u32) -> String {
        let guard = &self.search.plan.guards[guard as usize];
        format!("the {} `{}`", guard.kind.name(), guard.name)
    }

    fn conn(&self, conn: u32) -> String {
        let plan = self.search.plan;
        match plan.conns.get(conn as usize) {
            Some(conn) => match conn.kind {
                crate::plan::ConnKind::Queue => format!("the queue `{}`", conn.name),
                crate::plan::ConnKind::Pipe => format!("the pipe `{}`", conn.name),
                crate::plan::ConnKind::Unnamed => format!("the pipe from `{}`", conn.name),
            },
            None => "an earlier step of its stage".into(),
        }
    }

    /// What an agent holds, and since when.
    fn holds(&self, agent: usize) -> Vec<(u32, Held)> {
        let id = self.seen[agent].id;
        let guards = self.search.shared.commons.guards.iter().zip(0..);
        let held = guards.filter_map(|(guard, number)| Some((number, guard.permits()?.held())));
        held.flat_map(|(number, all)| {
            let own = all.into_iter().filter(move |h| h.agent == id);
            own.map(move |h| (number, h))
        })
        .collect()
    }

    fn worker(&self, agent: usize) -> Option<Stuck> {
        let seen = &self.seen[agent];
        let who = seen.who?;
        let (wait, since) = seen.wait.as_ref()?;
        let stage = &self.search.plan.stages[who.stage as usize];
        let now = self.search.shared.clock.now();
        let line_of = |step: u32| {
            let step = stage.program.steps.get(step as usize);
            step.map_or(stage.place.line, |s| s.place.line)
        };
        let about = wait.about.as_ref();
        let step = about.and_then(|a| stage.program.steps.get(a.step as usize));
        let holds = self.holds(agent).into_iter().map(|(guard, held)| Holding {
            what: match held.n {
                1 => self.guard(guard),
                crate::sync::ALL => format!("{} for writing", self.guard(guard)),
                n => format!("{n} permits of {}", self.guard(guard)),
            },
            held: now.saturating_sub(held.since),
            line: line_of(held.step),
        });
        Some(Stuck {
            stage: stage.name.to_string(),
            worker: Some(who.worker),
            step: step.map(|s| s.label.clone()),
            line: about.map_or(stage.place.line, |a| line_of(a.step)),
            item: about.map(|a| a.item.clone()),
            holds: holds.collect(),
            waits_for: self.waits_for(agent),
            waits: now.saturating_sub(*since),
        })
    }

    fn stage(&self, stage: usize) -> Stuck {
        let plan = &self.search.plan.stages[stage];
        let after: Vec<String> = plan
            .after
            .iter()
            .map(|a| format!("`{}`", self.search.plan.stages[a.index()].name))
            .collect();
        Stuck {
            stage: plan.name.to_string(),
            worker: None,
            step: None,
            line: plan.place.line,
            item: None,
            holds: Vec::new(),
            waits_for: format!("the end of {}", after.join(" and ")),
            waits: self.search.shared.clock.now(),
        }
    }

    /// What an agent waits for, in words.
    fn waits_for(&self, agent: usize) -> String {
        let stages = |does: &dyn Fn(&crate::steps::Touches) -> bool| -> Vec<String> {
            let touching = self.world.touching(does);
            let names = touching
                .iter()
                .map(|s| format!("`{}`", self.search.plan.stages[*s].name));
            names.collect()
        };
        let what = self.what(agent);
        match what {
            What::Permits { guard, n } => {
                let many = match n {
                    1 | &crate::sync::ALL => self.guard(*guard),
                    n => format!("{n} permits of {}", self.guard(*guard)),
                };
                match self.holders(agent).as_slice() {
                    [] => many,
                    [one] if *one == agent => format!("{many}, which it holds itself"),
                    [one] => format!("{many}, which {} holds", self.name(*one)),
                    all => format!("{many}, which {} workers hold", all.len()),
                }
            }
            What::Event(guard) => {
                let who = stages(&|t| t.sets.contains(guard));
                let by = match who.as_slice() {
                    [] => "no stage sets it".to_owned(),
                    [one] => format!("only {one} sets it"),
                    all => format!("only {} set it", all.join(" and ")),
                };
                format!("{}; {by}", self.guard(*guard))
            }
            What::Until { guard, watches } => {
                let who = stages(&|t| super::world::changes(t, *guard, watches));
                let by = match who.as_slice() {
                    [] => "no stage notifies it or changes what it is about".to_owned(),
                    who => format!("it is left to {}", who.join(" and ")),
                };
                format!("{}; {by}", self.guard(*guard))
            }
            What::Barrier(guard) => {
                let state = &self.world.guards[*guard as usize];
                format!(
                    "{}, where {} of {} have come",
                    self.guard(*guard),
                    state.here.len(),
                    state.parties
                )
            }
            What::Put(conn) => {
                let state = self.world.conns.get(*conn as usize);
                let full = state.map_or(String::new(), |c| format!(" ({} of {})", c.items, c.max));
                format!("room in {}{full}", self.conn(*conn))
            }
            What::Get(conns) => {
                let from: Vec<String> = conns.iter().map(|c| self.conn(*c)).collect();
                format!("an item from {}", from.join(" or "))
            }
            What::Turn { ord, .. } => {
                format!("its turn behind earlier items (it has number {ord})")
            }
            What::Others { .. } => "the other workers of its stage".into(),
            What::Limits { limits, .. } => {
                let names: Vec<String> = limits.iter().map(|l| self.guard(*l)).collect();
                format!("{}, for an item that waits aside", names.join(" or "))
            }
            What::Due(_) | What::Outside(_) | What::Program | What::Machine(_) => {
                "the world outside".into()
            }
        }
    }

    fn holders(&self, agent: usize) -> Vec<usize> {
        let own = self.world.agents[agent].stage;
        self.world.helpers(self.what(agent), own)
    }

    /// Those of the set that an agent waits for.
    fn next(&self, agent: usize) -> Vec<usize> {
        let all = self.holders(agent);
        all.into_iter().filter(|a| self.stuck.contains(a)).collect()
    }

    /// The smallest circle: from each to the next, by whom it waits for.
    fn circle(&self, agents: &[usize]) -> Option<Vec<usize>> {
        let starts = agents.iter().take(STARTS);
        let all = starts.filter_map(|start| self.circle_from(*start));
        all.min_by_key(Vec::len)
    }

    fn circle_from(&self, start: usize) -> Option<Vec<usize>> {
        let mut from: HashMap<usize, usize> = HashMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(agent) = queue.pop_front() {
            for next in self.next(agent) {
                if next == start {
                    let mut way = vec![agent];
                    while let Some(before) = from.get(&way[way.len() - 1]) {
                        way.push(*before);
                    }
                    way.reverse();
                    return Some(way);
                }
                if let std::collections::hash_map::Entry::Vacant(entry) = from.entry(next) {
                    entry.insert(agent);
                    queue.push_back(next);
                }
            }
        }
        None
    }

    fn sentence(&self, circle: &[usize]) -> String {
        let mut text = String::new();
        for (i, agent) in circle.iter().enumerate() {
            let waits = match self.what(*agent) {
                What::Permits { guard, .. } => format!("for {}", self.guard(*guard)),
                What::Event(guard) | What::Barrier(guard) | What::Until { guard, .. } => {
                    format!("for {}", self.guard(*guard))
                }
                What::Put(conn) => format!("for room in {}", self.conn(*conn)),
                What::Get(conns) => format!(
                    "for an item from {}",
                    conns.first().map_or("nowhere".into(), |c| self.conn(*c))
                ),
                What::Turn { .. } => "for its turn".into(),
                _ => "for its colleagues".into(),
            };
            let next = circle[(i + 1) % circle.len()];
            let by = match self.what(*agent) {
                What::Permits { .. } => "which is held by",
                What::Put(_) => "which is read by",
                What::Get(_) => "which is written by",
                What::Event(_) => "which is set by",
                What::Until { .. } => "which is notified by",
                What::Barrier(_) => "where these are missing:",
                _ => "which needs",
            };
            let who = if i == 0 {
                format!("{} waits", self.name(*agent))
            } else {
                ", which waits".into()
            };
            text.push_str(&format!("{who} {waits}, {by} {}", self.name(next)));
        }
        text
    }

    fn hints(&self, agents: &[usize], hints: &mut Vec<String>) {
        let mut held: HashSet<u32> = HashSet::new();
        let mut wanted: HashSet<u32> = HashSet::new();
        let mut puts = None;
        for agent in agents {
            let own: Vec<u32> = self.holds(*agent).into_iter().map(|(g, _)| g).collect();
            match self.what(*agent) {
                What::Permits { guard, .. } if own.contains(guard) => hints.push(format!(
                    "who holds {} cannot take it once more; take it once, or declare it as an rlock",
                    self.guard(*guard)
                )),
                What::Permits { guard, .. } => {
                    wanted.insert(*guard);
                }
                What::Put(conn) if !own.is_empty() => puts = Some(*conn),
                What::Event(guard) if self.next(*agent).is_empty() => hints.push(format!(
                    "nobody who still runs sets {}; set it earlier, or let it be `initial: set`",
                    self.guard(*guard)
                )),
                What::Barrier(guard) if self.next(*agent).is_empty() => hints.push(format!(
                    "fewer workers come to {} than it takes; lower `parties`, or give the stage more threads",
                    self.guard(*guard)
                )),
                _ => {}
            }
            held.extend(own);
        }
        let mut both: Vec<u32> = held.intersection(&wanted).copied().collect();
        both.sort_unstable();
        if both.len() > 1 {
            let names: Vec<&str> = both
                .iter()
                .map(|g| &*self.search.plan.guards[*g as usize].name)
                .collect();
            hints.push(format!(
                "take them as one set, `with: [{}]`, which is always taken in the order of their declaration, or nest the blocks in the same order everywhere",
                names.join(", ")
            ));
        }
        if let Some(conn) = puts {
            hints.push(format!(
                "put into {} outside of the block that holds the guard, or let it hold more (`max`, `full: spill`)",
                self.conn(conn)
            ));
        }
        hints.dedup();
    }
}
