//! What a step does to guards and values that others may wait for: for proofs before a run, and for the
//! search for deadlocks during it.

/// What a guard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardKind {
    Lock,
    RLock,
    RwLock,
    Semaphore {
        permits: u32,
    },
    Condition,
    Event {
        set: bool,
    },
    Barrier {
        parties: u32,
    },
    /// `keyed`: it counts for each key of something.
    Limit {
        keyed: bool,
    },
}

impl GuardKind {
    pub fn name(self) -> &'static str {
        match self {
            GuardKind::Lock => "lock",
            GuardKind::RLock => "rlock",
            GuardKind::RwLock => "rwlock",
            GuardKind::Semaphore { .. } => "semaphore",
            GuardKind::Condition => "condition",
            GuardKind::Event { .. } => "event",
            GuardKind::Barrier { .. } => "barrier",
            GuardKind::Limit { .. } => "limit",
        }
    }

    /// Can it be held (`with`)?
    pub fn is_held(self) -> bool {
        !matches!(self, GuardKind::Event { .. } | GuardKind::Barrier { .. })
    }
}

/// Guards, values and arrays by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touches {
    /// Events that are set.
    pub sets: Vec<u32>,
    /// Events that are cleared, and waited for.
    pub clears: Vec<u32>,
    pub waits: Vec<u32>,
    /// Conditions that are notified.
    pub notifies: Vec<u32>,
    /// Barriers that are waited at.
    pub meets: Vec<u32>,
    /// Locks and permits that are released for others.
    pub releases: Vec<u32>,
    /// Values that are changed.
    pub values: Vec<u32>,
    /// Arrays that are changed.
    pub arrays: Vec<u32>,
}

impl Touches {
    pub fn merge(&mut self, other: Touches) {
        self.sets.extend(other.sets);
        self.clears.extend(other.clears);
        self.waits.extend(other.waits);
        self.notifies.extend(other.notifies);
        self.meets.extend(other.meets);
        self.releases.extend(other.releases);
        self.values.extend(other.values);
        self.arrays.extend(other.arrays);
    }
}
