//! Which stages keep a run alive: a timer without an end does not, nor does what only comes from one.

use super::{Executor, Graph, Plan, StageId};

/// What a run with endless timers waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alive {
    /// Timers that have no end of their own, and no input that would end them.
    pub timers: Vec<StageId>,
    /// When all of these have ended, so do the timers; none: the timers run until they are stopped.
    pub others: Vec<StageId>,
}

impl Alive {
    pub fn of(plan: &Plan) -> Alive {
        let endless = plan.stages.iter().filter(|stage| {
            let timer = match &stage.executor {
                Executor::Timer(timer) => timer.is_endless(),
                _ => false,
            };
            timer && stage.inputs.is_empty()
        });
        let timers: Vec<StageId> = endless.map(|s| s.id).collect();
        if timers.is_empty() {
            return Alive::default();
        }
        let graph = Graph::of(plan);
        let after = plan.stages.iter().flat_map(|stage| {
            let before = stage.after.iter();
            before.map(|b| (b.index(), stage.id.index()))
        });
        let edges: Vec<_> = graph.edges().chain(after).collect();
        let fed = reached(
            graph.nodes(),
            &edges,
            timers.iter().map(|t| t.index()).collect(),
        );
        let others = plan.stages.iter().map(|s| s.id);
        Alive {
            others: others.filter(|s| !fed[s.index()]).collect(),
            timers,
        }
    }

    /// Will a run of this plan go on until somebody stops it?
    pub fn is_endless(&self) -> bool {
        !self.timers.is_empty() && self.others.is_empty()
    }
}

/// The nodes that can be reached from some, these among them.
pub fn reached(nodes: usize, edges: &[(usize, usize)], from: Vec<usize>) -> Vec<bool> {
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    for (a, b) in edges {
        next[*a].push(*b);
    }
    let mut there = vec![false; nodes];
    let mut todo = from;
    while let Some(node) = todo.pop() {
        if !std::mem::replace(&mut there[node], true) {
            todo.extend(&next[node]);
        }
    }
    there
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_reached_is_found_around_circles_too() {
        let edges = [(0, 1), (1, 2), (2, 1), (3, 0)];
        assert_eq!(
            reached(5, &edges, vec![1]),
            [false, true, true, false, false]
        );
        assert_eq!(reached(5, &edges, vec![3]), [true, true, true, true, false]);
    }
}
