//! The plan as a graph. The only file that names petgraph.

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::{ConnId, Plan, StageId};

/// The strongly connected components of a graph of `nodes` nodes, predecessors before successors.
///
/// Kosaraju's algorithm, because petgraph's is iterative: a chain of a hundred thousand stages must not
/// end in a stack overflow. Time and memory are linear in nodes and edges.
pub fn components(
    nodes: usize,
    edges: impl IntoIterator<Item = (usize, usize)>,
) -> Vec<Vec<usize>> {
    let mut graph: DiGraph<(), ()> = DiGraph::with_capacity(nodes, 0);
    for _ in 0..nodes {
        graph.add_node(());
    }
    for (from, to) in edges {
        graph.add_edge(NodeIndex::new(from), NodeIndex::new(to), ());
    }
    let mut all: Vec<Vec<usize>> = kosaraju_scc(&graph)
        .into_iter()
        .map(|c| c.into_iter().map(NodeIndex::index).collect())
        .collect();
    all.reverse();
    all
}

/// Stages and connections as nodes, with an edge from each writer to its connection and from that to each
/// reader (so that a queue with 500 writers and 500 readers has 1,000 edges and not 250,000).
#[derive(Debug)]
pub struct Graph {
    stages: usize,
    nodes: usize,
    edges: Vec<(usize, usize)>,
}

impl Graph {
    pub fn of(plan: &Plan) -> Graph {
        let stages = plan.stages.len();
        let edges = plan
            .conns
            .iter()
            .flat_map(|conn| {
                let node = stages + conn.id.index();
                let written = conn.writers.iter().map(move |w| (w.index(), node));
                written.chain(conn.readers.iter().map(move |r| (node, r.index())))
            })
            .collect();
        Graph {
            stages,
            nodes: stages + plan.conns.len(),
            edges,
        }
    }

    /// How many nodes there are: the stages, and behind them the connections.
    pub fn nodes(&self) -> usize {
        self.nodes
    }

    pub fn edges(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.edges.iter().copied()
    }

    /// The strongly connected components of stages, writers before readers; a plain stage is a component
    /// of one.
    pub fn components(&self) -> Vec<Vec<StageId>> {
        components(self.nodes, self.edges.iter().copied())
            .into_iter()
            .map(|c| {
                c.into_iter()
                    .filter(|n| *n < self.stages)
                    .map(|n| StageId(u32::try_from(n).unwrap_or(u32::MAX)))
                    .collect()
            })
            .filter(|c: &Vec<StageId>| !c.is_empty())
            .collect()
    }

    /// The loops: the stages of each, and the connections that they read.
    pub fn loops(&self, plan: &Plan) -> Vec<Loop> {
        let all = components(self.nodes, self.edges.iter().copied());
        all.into_iter()
            .filter(|c| c.len() > 1)
            .map(|c| {
                let stages: Vec<StageId> = c
                    .into_iter()
                    .filter(|n| *n < self.stages)
                    .map(|n| StageId(u32::try_from(n).unwrap_or(u32::MAX)))
                    .collect();
                let conns = plan
                    .conns
                    .iter()
                    .filter(|conn| conn.readers.iter().any(|r| stages.contains(r)))
                    .map(|conn| conn.id)
                    .collect();
                Loop { stages, conns }
            })
            .collect()
    }
}

/// A loop of stages through at least one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loop {
    pub stages: Vec<StageId>,
    /// Every connection that one of them reads.
    pub conns: Vec<ConnId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predecessors_come_before_successors_and_a_circle_is_one_component() {
        let mut all = components(5, [(3, 1), (1, 0), (0, 1), (0, 4), (2, 4)]);
        for c in &mut all {
            c.sort_unstable();
        }
        let at = |n: usize| all.iter().position(|c| c.contains(&n)).unwrap();
        assert!(all.contains(&vec![0, 1]));
        assert!(at(3) < at(1) && at(1) < at(4) && at(2) < at(4));
    }

    #[test]
    fn a_very_long_chain_does_not_overflow_the_stack() {
        let n = 200_000;
        let all = components(n, (1..n).map(|i| (i - 1, i)));
        assert_eq!(all.first(), Some(&vec![0]));
        assert_eq!(all.len(), n);
    }
}
