//! Who can still move: the least fixpoint over a graph of "and", "or" and "so many of".
//!
//! Waits for several permits, for a barrier, or for any worker of a stage are no edges of a graph in which a
//! circle would be a deadlock: another worker may still come. So the question is asked the other way round:
//! who moves by himself can move; who waits for those who can move can move; whoever is left never will.
//! (The wait graphs of Barbosa and Benevides, "A Graph-Theoretic Characterization of AND-OR Deadlocks".)

/// A node, by its number.
pub type Node = u32;

/// When a node can move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// By itself.
    Free,
    /// When one of these can.
    Any(Vec<Node>),
    /// When all of these can.
    All(Vec<Node>),
    /// When those of these that can weigh so much together.
    Weight { need: u64, of: Vec<(Node, u64)> },
}

/// Rules, one for each node.
#[derive(Debug, Default)]
pub struct Graph {
    pub rules: Vec<Rule>,
}

impl Graph {
    pub fn add(&mut self, rule: Rule) -> Node {
        self.rules.push(rule);
        u32::try_from(self.rules.len() - 1).expect("BUG: more than 2^32 waits")
    }

    /// Shows on which node each node depends, and with what weight.
    fn each(&self, mut show: impl FnMut(Node, Node, u64)) {
        for (node, rule) in (0u32..).zip(&self.rules) {
            match rule {
                Rule::Free => {}
                Rule::Any(of) | Rule::All(of) => of.iter().for_each(|on| show(*on, node, 1)),
                Rule::Weight { of, .. } => of.iter().for_each(|(on, w)| show(*on, node, *w)),
            }
        }
    }

    /// Which nodes can move. Time and memory are linear in the size of all rules.
    pub fn can_move(&self) -> Vec<bool> {
        let n = self.rules.len();
        // What each node still lacks, and who is to be told when it can move: the tellings of all nodes in one
        // list, those of node `i` from `first[i]` on. (A list for each node is ten thousand allocations.)
        let mut first = vec![0usize; n + 1];
        self.each(|on, _, _| first[on as usize + 1] += 1);
        for i in 0..n {
            first[i + 1] += first[i];
        }
        let mut tell: Vec<(Node, u64)> = vec![(0, 0); first[n]];
        let mut free = first.clone();
        self.each(|on, node, weight| {
            let at = &mut free[on as usize];
            tell[*at] = (node, weight);
            *at += 1;
        });
        let mut lacks: Vec<u64> = self
            .rules
            .iter()
            .map(|rule| match rule {
                Rule::Free => 0,
                Rule::Any(_) => 1,
                Rule::All(of) => of.len() as u64,
                Rule::Weight { need, .. } => *need,
            })
            .collect();
        let mut moves = vec![false; n];
        let mut next: Vec<usize> = (0..n).filter(|i| lacks[*i] == 0).collect();
        next.iter().for_each(|i| moves[*i] = true);
        while let Some(node) = next.pop() {
            for (other, weight) in &tell[first[node]..first[node + 1]] {
                let other = *other as usize;
                lacks[other] = lacks[other].saturating_sub(*weight);
                if lacks[other] == 0 && !moves[other] {
                    moves[other] = true;
                    next.push(other);
                }
            }
        }
        moves
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stuck(rules: Vec<Rule>) -> Vec<usize> {
        let moves = Graph { rules }.can_move();
        (0..moves.len()).filter(|i| !moves[*i]).collect()
    }

    #[test]
    fn a_circle_of_ands_is_stuck_and_who_waits_for_it_too() {
        let all = |n| Rule::All(vec![n]);
        assert_eq!(stuck(vec![all(1), all(0), all(0), Rule::Free]), [0, 1, 2]);
    }

    #[test]
    fn a_circle_with_another_way_out_is_not_stuck() {
        let rules = vec![Rule::Any(vec![1, 2]), Rule::Any(vec![0]), Rule::Free];
        assert!(stuck(rules).is_empty());
    }

    #[test]
    fn weights_add_up_or_do_not() {
        let weight = |need| Rule::Weight {
            need,
            of: vec![(2, 2), (3, 1)],
        };
        let rules = vec![weight(3), weight(4), Rule::Free, Rule::Free];
        assert_eq!(stuck(rules), [1]);
    }

    #[test]
    fn nobody_to_wait_for_is_stuck() {
        assert_eq!(stuck(vec![Rule::Any(vec![]), Rule::All(vec![])]), [0]);
    }

    #[test]
    fn ten_thousand_who_wait_for_each_other_are_looked_at_in_no_time() {
        // Linear: this would take minutes if it were quadratic.
        let n = 200_000;
        let mut rules: Vec<Rule> = (1..n).map(|i| Rule::All(vec![i])).collect();
        rules.push(Rule::Free);
        assert!(stuck(rules).is_empty());
    }
}
