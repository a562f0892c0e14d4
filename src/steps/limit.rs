//! What a file declares of a limit: for the blocks that take it, and for the run that counts.

use std::fmt::Write as _;

use super::ExprText;
use crate::sync::Pace;

/// A limit.
#[derive(Clone, Debug, Default)]
pub struct Limit {
    /// Over all.
    pub all: Pace,
    /// For each key.
    pub keys: Vec<(Per, Pace)>,
    /// Items that may wait for it aside, in each stage, where the file says so.
    pub max_waiting: Option<usize>,
}

/// What is counted together.
#[derive(Clone, Debug)]
pub struct Per {
    /// The key; beside `address`, a URL or a host.
    pub text: ExprText,
    /// `ip(...)`: each address that the host leads to is a key.
    pub address: bool,
}

impl Limit {
    /// The whole, then the entries, as [`crate::sync::Limits`] numbers them.
    pub fn paces(&self) -> Vec<Pace> {
        let keys = self.keys.iter().map(|(_, pace)| pace.clone());
        std::iter::once(self.all.clone()).chain(keys).collect()
    }

    /// `at most 32 at once, 8 at once and 250ms apart for each host(url)`.
    pub fn describe(&self) -> String {
        let mut parts = Vec::new();
        let all = describe(&self.all);
        if !all.is_empty() {
            parts.push(all);
        }
        for (per, pace) in &self.keys {
            let key = if per.address {
                format!("ip({})", per.text.text())
            } else {
                per.text.text().to_owned()
            };
            parts.push(format!("{} for each {key}", describe(pace)));
        }
        parts.join("; ")
    }
}

fn describe(pace: &Pace) -> String {
    let mut parts = Vec::new();
    if let Some(n) = pace.concurrent {
        parts.push(format!("{n} at once"));
    }
    if let Some(rate) = pace.rate {
        let mut text = format!("one every {:?}", rate.every);
        if rate.burst > 1 {
            let _ = write!(text, ", {} in a burst", rate.burst);
        }
        parts.push(text);
    }
    if !pace.delay.is_zero() {
        let mut text = format!("{:?} apart", pace.delay);
        if pace.jitter > 0.0 {
            let _ = write!(text, " ± {} %", (pace.jitter * 100.0).round());
        }
        parts.push(text);
    }
    if let Some(adaptive) = pace.adaptive {
        parts.push(format!("as fast as {} at once take", adaptive.target));
    }
    parts.join(", ")
}
