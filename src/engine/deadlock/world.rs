//! A run at one moment, as far as waits go: plain data, and what follows from it.

use std::collections::HashMap as Map;

use foldhash::fast::RandomState;

use super::graph::{Graph, Node, Rule};
use crate::steps::Touches;
use crate::wait::{AgentId, What};

/// There are ten thousand agents to be found by their numbers, which nobody outside chooses.
type HashMap<K, V> = Map<K, V, RandomState>;

/// Everything that matters for who waits for whom.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub agents: Vec<Agent>,
    pub stages: Vec<Stage>,
    pub conns: Vec<Conn>,
    pub guards: Vec<Guard>,
}

/// A worker.
#[derive(Clone, Debug)]
pub struct Agent {
    pub id: AgentId,
    /// `None`: something that works for the whole run.
    pub stage: Option<usize>,
    /// `None`: it moves without anybody's help.
    pub waits: Option<What>,
}

#[derive(Clone, Debug, Default)]
pub struct Stage {
    pub state: State,
    pub workers: usize,
    /// Workers that have started and are not among the agents yet.
    pub coming: usize,
    /// Tasks that come as soon as somebody in it has found something to do.
    pub spare: usize,
    pub touches: Touches,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It starts when these have ended.
    Waits(Vec<usize>),
    #[default]
    Runs,
    Over,
}

#[derive(Clone, Debug, Default)]
pub struct Conn {
    pub items: usize,
    pub max: usize,
    pub writers: Vec<usize>,
    pub readers: Vec<usize>,
}

/// A guard. What it is not, it has not.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Permits that nobody holds.
    pub free: u32,
    pub holders: Vec<(AgentId, u32)>,
    /// Who waits for how many, the next first.
    pub queue: Vec<(AgentId, u32)>,
    pub set: bool,
    pub parties: usize,
    pub here: Vec<AgentId>,
}

/// The nodes of a world's graph that are somebody: first the agents, then the stages.
pub struct Nodes<'w> {
    world: &'w World,
    graph: Graph,
    numbers: HashMap<AgentId, Node>,
    /// For each stage: that one of its workers can move, or it can start.
    some: Vec<Node>,
    /// For each guard and each number of permits: that so many become free.
    permits: HashMap<(u32, u32), Node>,
    /// For each barrier: that enough come.
    barriers: HashMap<u32, Node>,
    /// Who waits for permits in front of whom.
    ahead: HashMap<AgentId, AgentId>,
}

impl World {
    /// The agents, and behind them the stages that wait to start (by their numbers), that can never move again.
    pub fn stuck(&self) -> (Vec<usize>, Vec<usize>) {
        let moves = Nodes::of(self).graph.can_move();
        let agents = (0..self.agents.len()).filter(|i| !moves[*i]).collect();
        let waits = |s: &usize| matches!(self.stages[*s].state, State::Waits(_));
        let stages = (0..self.stages.len())
            .filter(waits)
            .filter(|s| !moves[self.agents.len() + s])
            .collect();
        (agents, stages)
    }

    /// Those whose moving could help an agent: the circle is looked for among them.
    pub fn helpers(&self, what: &What, own: Option<usize>) -> Vec<usize> {
        let of_stage = |stages: &[usize]| -> Vec<usize> {
            let all = self.agents.iter().enumerate();
            let of = all.filter(|(_, a)| a.stage.is_some_and(|s| stages.contains(&s)));
            of.map(|(i, _)| i).collect()
        };
        let of_ids = |ids: &mut dyn Iterator<Item = AgentId>| -> Vec<usize> {
            let ids: Vec<AgentId> = ids.collect();
            let all = self.agents.iter().enumerate();
            all.filter(|(_, a)| ids.contains(&a.id))
                .map(|(i, _)| i)
                .collect()
        };
        match what {
            What::Permits { guard, .. } => {
                let guard = &self.guards[*guard as usize];
                of_ids(&mut guard.holders.iter().map(|(id, _)| *id))
            }
            What::Put(conn) => of_stage(&self.conns[*conn as usize].readers),
            What::Get(conns) => {
                let conns = conns.iter().filter_map(|c| self.conns.get(*c as usize));
                let writers: Vec<usize> = conns.flat_map(|c| &c.writers).copied().collect();
                of_stage(&writers)
            }
            What::Turn { .. } | What::Others { .. } => {
                of_stage(&own.into_iter().collect::<Vec<_>>())
            }
            What::Event(guard) => of_stage(&self.touching(|t| t.sets.contains(guard))),
            What::Barrier(guard) => {
                // Who stands there already is not missing.
                let here = &self.guards[*guard as usize].here;
                let mut others = of_stage(&self.touching(|t| t.meets.contains(guard)));
                others.retain(|i| !here.contains(&self.agents[*i].id));
                others
            }
            What::Until { guard, watches } => {
                of_stage(&self.touching(|t| changes(t, *guard, watches)))
            }
            What::Limits { limits, .. } => {
                let of = limits
                    .iter()
                    .flat_map(|l| &self.guards[*l as usize].holders);
                of_ids(&mut of.map(|(id, _)| *id))
            }
            What::Due(_) | What::Outside(_) | What::Program | What::Machine(_) => Vec::new(),
        }
    }

    /// The stages that do this.
    pub fn touching(&self, does: impl Fn(&Touches) -> bool) -> Vec<usize> {
        let all = self.stages.iter().enumerate();
        all.filter(|(_, s)| does(&s.touches))
            .map(|(i, _)| i)
            .collect()
    }
}

/// Does a stage let those look again who wait under this condition for something of these values?
pub(super) fn changes(touches: &Touches, guard: u32, watches: &[(bool, u32)]) -> bool {
    touches.notifies.contains(&guard)
        || watches.iter().any(|(array, at)| {
            let changed = if *array {
                &touches.arrays
            } else {
                &touches.values
            };
            changed.contains(at)
        })
}

impl<'w> Nodes<'w> {
    fn of(world: &'w World) -> Nodes<'w> {
        let (agents, stages) = (world.agents.len(), world.stages.len());
        let number = |i: usize| u32::try_from(i).expect("BUG: more than 2^32 workers");
        let mut nodes = Nodes {
            world,
            graph: Graph::default(),
            numbers: (0..agents)
                .map(|i| (world.agents[i].id, number(i)))
                .collect(),
            some: (0..stages).map(|s| number(agents + stages + s)).collect(),
            permits: HashMap::default(),
            barriers: HashMap::default(),
            ahead: HashMap::default(),
        };
        for guard in &world.guards {
            let queue = guard.queue.iter().map(|(id, _)| *id);
            nodes.ahead.extend(queue.clone().skip(1).zip(queue));
        }
        // Places for the agents, for the start of each stage, and for somebody in it; filled below.
        nodes.graph.rules = vec![Rule::Free; agents + 2 * stages];
        let mut members: Vec<Vec<Node>> = vec![Vec::new(); stages];
        for (i, agent) in world.agents.iter().enumerate() {
            if let Some(stage) = agent.stage {
                members[stage].push(number(i));
            }
        }
        for (s, stage) in world.stages.iter().enumerate() {
            let rule = match &stage.state {
                State::Waits(after) => {
                    let ends = after
                        .iter()
                        .filter(|a| world.stages[**a].state != State::Over);
                    let need = ends.flat_map(|a| match &world.stages[*a].state {
                        // It ends only when all its workers have done their work.
                        State::Runs => members[*a].clone(),
                        _ => vec![number(agents + a)],
                    });
                    Rule::All(need.collect())
                }
                // Whoever asks, asks for somebody in it.
                State::Runs | State::Over => Rule::Any(Vec::new()),
            };
            nodes.graph.rules[agents + s] = rule;
            let mut some = members[s].clone();
            if stage.coming > 0 {
                some.push(nodes.graph.add(Rule::Free));
            }
            some.push(number(agents + s));
            nodes.graph.rules[agents + stages + s] = Rule::Any(some);
        }
        for (i, agent) in world.agents.iter().enumerate() {
            if let Some(what) = &agent.waits {
                let rule = nodes.rule(agent, what);
                nodes.graph.rules[i] = rule;
            }
        }
        nodes
    }

    fn some(&self, stages: &[usize]) -> Vec<Node> {
        stages.iter().map(|s| self.some[*s]).collect()
    }

    fn touching(&self, does: impl Fn(&Touches) -> bool) -> Rule {
        Rule::Any(self.some(&self.world.touching(does)))
    }

    /// When a wait can be over.
    fn rule(&mut self, agent: &Agent, what: &What) -> Rule {
        let own = agent.stage.map(|s| self.some[s]);
        match what {
            What::Due(_) | What::Outside(_) | What::Program | What::Machine(_) => Rule::Free,
            // A colleague who works may hand back what he has not begun, or finish what is in front.
            What::Turn { .. } | What::Others { .. } => Rule::Any(own.into_iter().collect()),
            What::Get(conns) | What::Limits { conns, .. } => {
                let mut of: Vec<Node> = own.into_iter().collect();
                if let What::Limits { limits, .. } = what {
                    match self.begun(limits) {
                        holders if holders.is_empty() => return Rule::Free,
                        holders => of.extend(holders),
                    }
                }
                for conn in conns {
                    if let Some(conn) = self.world.conns.get(*conn as usize) {
                        of.extend(self.some(&conn.writers));
                        if conn.items > 0 {
                            // Somebody was woken for it, and passes on what he leaves.
                            of.extend(self.some(&conn.readers));
                        }
                    }
                }
                Rule::Any(of)
            }
            What::Put(conn) => {
                let Some(conn) = self.world.conns.get(*conn as usize) else {
                    return Rule::Free;
                };
                let mut of = self.some(&conn.readers);
                if conn.items < conn.max {
                    of.extend(self.some(&conn.writers));
                }
                Rule::Any(of)
            }
            What::Permits { guard, n } => self.permits(agent.id, *guard, *n),
            What::Event(guard) if self.world.guards[*guard as usize].set => Rule::Free,
            What::Event(guard) => self.touching(|t| t.sets.contains(guard)),
            What::Until { guard, watches } => self.touching(|t| changes(t, *guard, watches)),
            What::Barrier(guard) => self.barrier(*guard),
        }
    }

    /// Those whose items have begun under these limits; somebody whom we do not know may go on.
    fn begun(&mut self, limits: &[u32]) -> Vec<Node> {
        let mut all = Vec::new();
        for limit in limits {
            for (agent, _) in &self.world.guards[*limit as usize].holders {
                match self.numbers.get(agent) {
                    Some(node) => all.push(*node),
                    None => all.push(self.graph.add(Rule::Free)),
                }
            }
        }
        all
    }

    /// Who waits in front must get his first; and so many permits must be free, or come back.
    fn permits(&mut self, agent: AgentId, guard: u32, n: u32) -> Rule {
        let state = &self.world.guards[guard as usize];
        let enough = match self.permits.get(&(guard, n)) {
            Some(node) => *node,
            None => {
                let nobody = self.graph.add(Rule::Free);
                let of = state.holders.iter().map(|(id, n)| {
                    // A holder whom we do not know may give back.
                    (
                        self.numbers.get(id).copied().unwrap_or(nobody),
                        u64::from(*n),
                    )
                });
                let need = u64::from(n).saturating_sub(u64::from(state.free));
                let mut of: Vec<(Node, u64)> = of.collect();
                // User code may release it for who holds it.
                let others = self.world.touching(|t| t.releases.contains(&guard));
                of.extend(self.some(&others).into_iter().map(|node| (node, need)));
                let rule = Rule::Weight { need, of };
                let node = self.graph.add(rule);
                self.permits.insert((guard, n), node);
                node
            }
        };
        let ahead = self.ahead.get(&agent);
        let ahead = ahead.and_then(|id| self.numbers.get(id));
        Rule::All(ahead.copied().into_iter().chain([enough]).collect())
    }

    /// As many others must come as are missing.
    fn barrier(&mut self, guard: u32) -> Rule {
        if let Some(node) = self.barriers.get(&guard) {
            return Rule::All(vec![*node]);
        }
        let state = &self.world.guards[guard as usize];
        let missing = state.parties.saturating_sub(state.here.len()) as u64;
        let mut of = Vec::new();
        for (s, stage) in self.world.stages.iter().enumerate() {
            if !stage.touches.meets.contains(&guard) {
                continue;
            }
            let come = self.world.agents.iter().filter(|a| a.stage == Some(s));
            let come = come.filter(|a| !state.here.contains(&a.id));
            of.extend(come.filter_map(|a| Some((*self.numbers.get(&a.id)?, 1))));
            if stage.coming > 0 {
                of.push((self.graph.add(Rule::Free), stage.coming as u64));
            }
            if stage.spare > 0 {
                of.push((self.some[s], stage.spare as u64));
            }
            if let State::Waits(_) = stage.state {
                let start = u32::try_from(self.world.agents.len() + s).unwrap_or(u32::MAX);
                of.push((start, stage.workers as u64));
            }
        }
        let node = self.graph.add(Rule::Weight { need: missing, of });
        self.barriers.insert(guard, node);
        Rule::All(vec![node])
    }
}
