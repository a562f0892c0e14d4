//! Every point at which a stage does something with a guard, in the order in which its items come there.

use super::super::Room;
use super::super::names::Named;
use crate::diagnostic::At;
use crate::expr::{Scope, check};
use crate::spec::{Key, Node, Scalar, StepNode, Value};
use crate::steps::{self, Deed, GuardKind, deeds, watched};
use crate::value::{Blocks, Cell, Row, Shape, Type};

/// All permits of an rwlock: what its writer takes.
pub(super) const WRITING: u32 = u32::MAX;

/// A guard that is held, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub guard: usize,
    /// Permits; [`WRITING`] of an rwlock: for writing.
    pub n: u32,
    pub at: At,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Act {
    /// Takes a guard; those of one set one after the other.
    Take(Held),
    /// Waits under conditions until something holds.
    Until {
        conditions: Vec<usize>,
        /// The values and arrays (`true`) that it names.
        watches: Vec<(bool, u32)>,
        first: First,
    },
    WaitEvent(usize),
    Meet(usize),
    /// Puts into a connection.
    Put(usize),
    /// Puts into a pipe, and waits for the answer.
    Ask(usize),
    /// Gives out what it has gathered at the end of the input.
    Gather,
    Set(usize),
    Clear(usize),
    Notify(usize),
    /// Changes a value, or an array (`true`).
    Change(bool, u32),
    /// The user's code may set, notify, meet or release this one.
    Declared(usize),
    /// The user's code may change every value.
    UserCode,
}

/// What a condition is when the run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    True,
    False,
    /// It hangs on the item, the time, or how full queues are.
    Depends,
}

/// One point of a stage.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub stage: usize,
    pub at: At,
    pub act: Act,
    /// What is held there, the outermost first.
    pub held: Vec<Held>,
    /// The `if`s around it, the outermost first: items may pass by.
    pub ifs: Vec<usize>,
    /// What ends the wait.
    pub timeout: Option<At>,
}

impl Point {
    /// Can a worker stand still here?
    pub fn waits(&self) -> bool {
        use Act::{Ask, Gather, Meet, Put, Take, Until, WaitEvent};
        matches!(
            self.act,
            Take(_) | Until { .. } | WaitEvent(_) | Meet(_) | Put(_) | Ask(_) | Gather
        )
    }

    /// Does every item that comes to a later point come by here?
    pub fn is_before(&self, later: &Point) -> bool {
        later.ifs.starts_with(&self.ifs)
    }
}

/// The points of all stages.
#[derive(Debug)]
pub(super) struct Points {
    /// Stage after stage, in the order of the file.
    pub all: Vec<Point>,
    /// For each stage, its first point; and one more.
    pub first: Vec<usize>,
    /// Something has no meaning yet (a name that does not exist): what seems to be missing may not be.
    pub gaps: bool,
}

impl Points {
    pub fn of_stage(&self, stage: usize) -> std::ops::Range<usize> {
        self.first[stage]..self.first[stage + 1]
    }

    pub fn read(room: &Room<'_>) -> Points {
        let mut walk = Walk {
            room,
            stage: 0,
            all: Vec::new(),
            ifs: 0,
            gaps: false,
        };
        let mut first = vec![0];
        for (number, stage) in room.file.stages.iter().enumerate() {
            walk.stage = number;
            walk.gaps |= stage.incomplete;
            let around = Around {
                timeout: stage.timeout.map(|t| t.at),
                ..Around::default()
            };
            for key in &stage.sets {
                match room.guards.find(&key.text) {
                    Some((guard, _)) => walk.push(Act::Declared(guard), key.at, &around, None),
                    None => walk.gaps = true,
                }
            }
            for step in &stage.steps {
                walk.step(step, &around);
            }
            first.push(walk.all.len());
        }
        Points {
            all: walk.all,
            first,
            gaps: walk.gaps,
        }
    }
}

/// What is around a step.
#[derive(Clone, Debug, Default)]
struct Around {
    held: Vec<Held>,
    ifs: Vec<usize>,
    timeout: Option<At>,
}

struct Walk<'a, 'f> {
    room: &'a Room<'f>,
    stage: usize,
    all: Vec<Point>,
    /// How many `if`s there were.
    ifs: usize,
    gaps: bool,
}

impl Walk<'_, '_> {
    fn push(&mut self, act: Act, at: At, around: &Around, timeout: Option<At>) {
        self.all.push(Point {
            stage: self.stage,
            at,
            act,
            held: around.held.clone(),
            ifs: around.ifs.clone(),
            timeout,
        });
    }

    fn step(&mut self, node: &StepNode, around: &Around) {
        let m = &node.modifiers;
        let mut within = around.clone();
        if m.condition.is_some() {
            self.ifs += 1;
            within.ifs.push(self.ifs);
        }
        let own = m.timeout.map(|t| t.at);
        within.timeout = own.or(within.timeout);
        let outside = within.clone();
        let set = self.set(&m.with);
        for held in &set {
            // The limits of a set are taken at once, before everything else of it.
            let limit = self.room.guards.is_limit(held.guard);
            let before = if limit { &outside } else { &within };
            self.push(Act::Take(*held), held.at, before, own);
            within.held.push(*held);
        }
        if let Some(until) = m.until.as_ref().filter(|_| !set.is_empty()) {
            let kinds = |h: &&Held| self.room.guards.kind(h.guard) == GuardKind::Condition;
            let act = Act::Until {
                conditions: set.iter().filter(kinds).map(|h| h.guard).collect(),
                watches: watched(&until.text, &self.room.env),
                first: at_first(self.room, &until.text),
            };
            // While it waits, the set is given back.
            self.push(act, until.at, &outside, own);
        }
        if node.key.text == "do" {
            for step in &node.steps {
                self.step(step, &within);
            }
            return;
        }
        self.gaps |= steps::find(&node.key.text).is_none();
        if GATHERING.contains(&&*node.key.text) {
            self.push(Act::Gather, node.key.at, &within, None);
        }
        for deed in deeds(&node.key.text, &node.node) {
            self.deed(deed, node.key.at, &within);
        }
    }

    /// The guards of a set, in the order in which they are taken: limits first, then as they are declared.
    fn set(&mut self, with: &[(Key, Option<Node>)]) -> Vec<Held> {
        let guards = &self.room.guards;
        let mut set: Vec<Held> = Vec::new();
        for (key, amount) in with {
            match guards.find(&key.text) {
                Some((guard, kind)) if kind.is_held() => {
                    let n = amount.as_ref().map_or(1, |node| wanted(node, kind));
                    if !set.iter().any(|h| h.guard == guard) {
                        let at = key.at;
                        set.push(Held { guard, n, at });
                    }
                }
                _ => self.gaps = true,
            }
        }
        set.sort_by_key(|h| (!guards.is_limit(h.guard), h.guard));
        set
    }

    fn deed(&mut self, deed: Deed, step: At, around: &Around) {
        let guards = &self.room.guards;
        let (key, act): (Key, Option<Act>) = match deed {
            Deed::UserCode => return self.push(Act::UserCode, step, around, None),
            Deed::WaitEvent(key) | Deed::SetEvent(key) | Deed::ClearEvent(key)
                if !matches!(guards.find(&key.text), Some((_, GuardKind::Event { .. }))) =>
            {
                (key, None)
            }
            Deed::WaitBarrier(key)
                if !matches!(guards.find(&key.text), Some((_, GuardKind::Barrier { .. }))) =>
            {
                (key, None)
            }
            Deed::WaitEvent(ref key) => self.named(key, Act::WaitEvent),
            Deed::SetEvent(ref key) => self.named(key, Act::Set),
            Deed::ClearEvent(ref key) => self.named(key, Act::Clear),
            Deed::Notify(ref key) => self.named(key, Act::Notify),
            Deed::WaitBarrier(ref key) => self.named(key, Act::Meet),
            Deed::Change(key, array) => {
                let env = &self.room.env;
                let list = if array { &env.arrays } else { &env.values };
                let at = list.iter().position(|(name, _)| **name == *key.text);
                let act = at.map(|at| Act::Change(array, u32::try_from(at).unwrap_or(u32::MAX)));
                (key, act)
            }
            Deed::Put(ref key) => self.conn(key, Act::Put),
            Deed::Ask(ref key) => self.conn(key, Act::Ask),
        };
        match act {
            Some(act) => self.push(act, key.at, around, around.timeout),
            None => self.gaps = true,
        }
    }

    fn named(&self, key: &Key, act: fn(usize) -> Act) -> (Key, Option<Act>) {
        let found = self.room.guards.find(&key.text);
        (key.clone(), found.map(|(guard, _)| act(guard)))
    }

    fn conn(&self, key: &Key, act: fn(usize) -> Act) -> (Key, Option<Act>) {
        let found = match self.room.names.get(&key.text) {
            Some(Named::Conn(conn)) => Some(act(conn)),
            _ => None,
        };
        (key.clone(), found)
    }
}

/// Steps that give out at the end of their input, or when enough has come.
const GATHERING: &[&str] = &["group", "sort", "top", "batch"];

/// How much of a guard is wanted; one where that is wrong, which is said elsewhere.
fn wanted(node: &Node, kind: GuardKind) -> u32 {
    match (&node.value, kind) {
        (Value::Scalar(Scalar::Int(n)), _) => u32::try_from(*n).unwrap_or(u32::MAX),
        (_, GuardKind::RwLock) if node.as_str() == Some("write") => WRITING,
        _ => 1,
    }
}

/// What other than values a condition may hang on, though no item is named.
const CHANGING: &[&str] = &["now", "queues", "worker", "run", "env"];

/// Is a condition true before anything has happened?
fn at_first(room: &Room<'_>, text: &str) -> First {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    if text.split(|c| !is_name(c)).any(|w| CHANGING.contains(&w)) {
        return First::Depends;
    }
    // Where it names the item, it cannot be read without one.
    let Ok(expr) = check(text, &room.env) else {
        return First::Depends;
    };
    let scope = Scope {
        shared: Some(room.at_first()),
        ..room.scope.clone()
    };
    let (blocks, shape) = (Blocks::new(), Shape::of(&Type::record([])));
    let row = Row {
        cells: &[] as &[Cell],
        blocks: &blocks,
        shape: &shape,
    };
    match expr.compile(None).bool(row, &scope) {
        Ok(true) => First::True,
        Ok(false) => First::False,
        Err(_) => First::Depends,
    }
}
