//! What a file may come to, aliases expanded, so that nothing small grows large before it is refused.

use super::node::{Node, Scalar, Value};

/// The file itself.
pub(super) const MAX_BYTES: usize = 1 << 20;
const MAX_DEPTH: usize = 64;
/// Nodes after aliases and `<<` are expanded; what has an anchor counts once more.
const MAX_NODES: usize = 100_000;
const MAX_ALIASES: usize = 10_000;
/// Text after aliases are expanded.
const MAX_TEXT: usize = 16 << 20;

/// What a part of the tree, or a copy of it, costs.
#[derive(Clone, Copy, Default)]
pub(super) struct Cost {
    pub nodes: usize,
    /// Bytes of text.
    pub text: usize,
    /// Levels of lists and mappings.
    pub depth: usize,
}

impl Cost {
    pub fn of(node: &Node) -> Cost {
        match &node.value {
            Value::Scalar(Scalar::String { text, .. }) => Cost {
                nodes: 1,
                text: text.len(),
                depth: 0,
            },
            Value::Scalar(_) => Cost {
                nodes: 1,
                text: 0,
                depth: 0,
            },
            Value::List(list) => Cost::around(list.iter()),
            Value::Map(map) => Cost::around(map.iter().map(|(_, v)| v)),
        }
    }

    fn around<'n>(children: impl Iterator<Item = &'n Node>) -> Cost {
        let mut sum = Cost {
            nodes: 1,
            text: 0,
            depth: 0,
        };
        for child in children.map(Cost::of) {
            sum.nodes += child.nodes;
            sum.text += child.text;
            sum.depth = sum.depth.max(child.depth);
        }
        Cost {
            depth: sum.depth + 1,
            ..sum
        }
    }
}

/// What has been spent.
#[derive(Default)]
pub(super) struct Budget {
    nodes: usize,
    text: usize,
    aliases: usize,
}

impl Budget {
    /// Something of this cost comes into the tree, so many levels deep. `Err`: what there is too much of.
    pub fn charge(&mut self, cost: Cost, level: usize) -> Result<(), &'static str> {
        self.nodes += cost.nodes;
        self.text += cost.text;
        if self.nodes > MAX_NODES {
            Err("100,000 values")
        } else if self.text > MAX_TEXT {
            Err("16 MiB of text")
        } else if level + cost.depth > MAX_DEPTH {
            Err("64 levels of nesting")
        } else {
            Ok(())
        }
    }

    pub fn alias(&mut self) -> Result<(), &'static str> {
        self.aliases += 1;
        if self.aliases > MAX_ALIASES {
            Err("10,000 aliases")
        } else {
            Ok(())
        }
    }
}
