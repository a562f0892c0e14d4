//! Workers that wait for each other for ever: who holds what, and who waits for whom.

use std::fmt;
use std::time::Duration;

/// A set of workers none of which can ever move again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadlock {
    pub workers: Vec<Stuck>,
    /// The smallest circle among them, as a sentence.
    pub circle: Option<String>,
    /// How to mend it.
    pub hints: Vec<String>,
}

/// One of them: a worker, or a stage that cannot start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    pub stage: String,
    /// `None`: the stage has not started.
    pub worker: Option<u32>,
    /// Where: the step's name and its line, or the stage's line.
    pub step: Option<String>,
    pub line: u32,
    pub item: Option<String>,
    pub holds: Vec<Holding>,
    /// What for, in words.
    pub waits_for: String,
    /// How long already.
    pub waits: Duration,
}

/// What one of them holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// In words: "the lock `a`".
    pub what: String,
    /// How long already.
    pub held: Duration,
    /// The line of the step that took it.
    pub line: u32,
}

/// How many of the workers are shown in text.
const SHOWN: usize = 12;

impl fmt::Display for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.workers.len();
        let who = if n == 1 {
            "one worker waits for what can never come"
        } else {
            "workers wait for what can never come"
        };
        let since = self
            .workers
            .iter()
            .map(|w| w.waits)
            .max()
            .unwrap_or_default();
        if n == 1 {
            write!(f, "deadlock: {who}")?;
        } else {
            write!(f, "deadlock: {n} {who}")?;
        }
        write!(f, " (for {})", time(since))?;
        for stuck in self.workers.iter().take(SHOWN) {
            write!(f, "\n  {stuck}")?;
        }
        if n > SHOWN {
            write!(f, "\n  and {} more", n - SHOWN)?;
        }
        if let Some(circle) = &self.circle {
            write!(f, "\n  the circle: {circle}")?;
        }
        for hint in &self.hints {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stage `{}`", self.stage)?;
        match self.worker {
            Some(worker) => write!(f, ", worker {worker}")?,
            None => f.write_str(", not started")?,
        }
        if let Some(step) = &self.step {
            write!(f, ", step `{step}`")?;
        }
        write!(f, " (line {})", self.line)?;
        if let Some(item) = &self.item {
            write!(f, ", item {item}")?;
        }
        for held in &self.holds {
            write!(
                f,
                "\n    has held {} for {} (line {})",
                held.what,
                time(held.held),
                held.line
            )?;
        }
        write!(f, "\n    waits for {}", self.waits_for)
    }
}

fn time(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
