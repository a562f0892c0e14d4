//! The plan as a graph. The only file that names petgraph.

use petgraph::graph::DiGraph;

use super::{ConnId, Plan, StageId};

/// Stages as nodes, and an edge from each writer to each reader of a connection.
#[derive(Debug)]
pub struct Graph {
    graph: DiGraph<StageId, ConnId>,
}

impl Graph {
    pub fn of(plan: &Plan) -> Graph {
        let mut graph = DiGraph::new();
        let nodes: Vec<_> = plan.stages.iter().map(|s| graph.add_node(s.id)).collect();
        for conn in &plan.conns {
            for w in &conn.writers {
                for r in &conn.readers {
                    graph.add_edge(nodes[w.index()], nodes[r.index()], conn.id);
                }
            }
        }
        Graph { graph }
    }

    /// The strongly connected components, writers before readers; a plain stage is a component of one.
    pub fn components(&self) -> Vec<Vec<StageId>> {
        let mut all: Vec<Vec<StageId>> = petgraph::algo::tarjan_scc(&self.graph)
            .into_iter()
            .map(|c| c.into_iter().map(|n| self.graph[n]).collect())
            .collect();
        all.reverse();
        all
    }
}
