//! The guards of a file: locks, semaphores, conditions, events, barriers.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use super::limits;
use super::places::Places;
use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::plan::{self, Stage};
use crate::spec::{self, Guard, Key, Node, forms};
use crate::steps::{GuardKind, Limit, Op};
use crate::value::Name;

/// The declared guards; a guard's number is its place in the file.
#[derive(Debug)]
pub(super) struct GuardTable<'f> {
    declared: &'f [Guard],
    kinds: Vec<GuardKind>,
    /// What each limits that is a limit.
    limits: Vec<Option<Limit>>,
    by_name: HashMap<&'f str, usize>,
    used: RefCell<HashSet<usize>>,
}

impl<'f> GuardTable<'f> {
    pub fn read(declared: &'f [Guard], out: &mut Diagnostics) -> GuardTable<'f> {
        let limit = |g: &Guard, out: &mut Diagnostics| {
            (g.kind == spec::GuardKind::Limit).then(|| limits::read(g, out))
        };
        let limits: Vec<_> = declared.iter().map(|g| limit(g, out)).collect();
        let kinds = declared.iter().zip(&limits);
        let kinds = kinds.map(|(g, limit)| match limit {
            Some(limit) => GuardKind::Limit {
                keyed: !limit.keys.is_empty(),
            },
            None => kind(g, out),
        });
        let kinds = kinds.collect();
        let by_name = declared.iter().enumerate().rev();
        GuardTable {
            declared,
            kinds,
            limits,
            by_name: by_name.map(|(i, g)| (&*g.name.text, i)).collect(),
            used: RefCell::default(),
        }
    }

    /// The number and the kind of a guard; says so where there is none of this name.
    pub fn get(&self, name: &Key, out: &mut Diagnostics) -> Option<(u32, GuardKind)> {
        if let Some(at) = self.by_name.get(&*name.text) {
            self.used.borrow_mut().insert(*at);
            return Some((u32::try_from(*at).unwrap_or(u32::MAX), self.kinds[*at]));
        }
        let text = &name.text;
        let d = Diagnostic::new("E0201", name.at, format!("there is no guard `{text}`"));
        let known = self.declared.iter().map(|g| &*g.name.text);
        out.push(match nearest(text, known) {
            Some(near) => d.help(format!("did you mean `{near}`?")),
            None => d.help("declare it, under `locks:`, `semaphores:`, `conditions:`, `events:`, `barriers:` or `limits:`"),
        });
        None
    }

    /// The number and the kind of a guard; silently nothing where there is none of this name.
    pub fn find(&self, name: &str) -> Option<(usize, GuardKind)> {
        let at = *self.by_name.get(name)?;
        Some((at, self.kinds[at]))
    }

    pub fn kind(&self, guard: usize) -> GuardKind {
        self.kinds[guard]
    }

    pub fn name(&self, guard: usize) -> &'f Key {
        &self.declared[guard].name
    }

    /// What a limit limits.
    pub fn limit(&self, guard: usize) -> Option<&Limit> {
        self.limits.get(guard)?.as_ref()
    }

    pub fn is_limit(&self, guard: usize) -> bool {
        self.declared[guard].kind == spec::GuardKind::Limit
    }

    /// Do other runs take it too?
    pub fn is_shared_by_runs(&self, guard: usize) -> bool {
        let scope = self.declared[guard].node.get("scope");
        scope.is_some_and(|s| s.as_str() != Some("run"))
    }

    /// Its kind and its name, for messages.
    pub fn describe(&self, guard: usize) -> String {
        let kind = self.kinds[guard].name();
        format!("the {kind} `{}`", self.name(guard).text)
    }

    pub fn unused(&self, out: &mut Diagnostics) {
        let used = self.used.borrow();
        for (at, guard) in self.declared.iter().enumerate() {
            if !used.contains(&at) {
                let what = format!(
                    "nothing uses the {} `{}`",
                    self.kinds[at].name(),
                    guard.name.text
                );
                out.push(
                    Diagnostic::new("W0502", guard.name.at, what).help("use it, or take it out"),
                );
            }
        }
    }

    pub fn plan(&self, places: &Places<'_>) -> Vec<plan::Guard> {
        let all = self.declared.iter().zip(&self.kinds).zip(&self.limits);
        all.map(|((guard, kind), limit)| plan::Guard {
            name: Name::from(&*guard.name.text),
            kind: *kind,
            hidden: false,
            machine: guard
                .node
                .get("scope")
                .is_some_and(|s| s.as_str() == Some("machine")),
            place: places.place(guard.name.at),
            limit: limit.clone(),
        })
        .collect()
    }
}

/// Reads one declaration; after a mistake, something that fits its kind.
fn kind(guard: &Guard, out: &mut Diagnostics) -> GuardKind {
    let options = Options::of(guard, out);
    match guard.kind {
        spec::GuardKind::Lock => {
            let what = format!("the kind of `{}`", guard.name.text);
            let word = options
                .get("kind")
                .and_then(|n| forms::choice(n, &what, &["lock", "rlock", "rwlock"], out));
            match word {
                Some("rlock") => GuardKind::RLock,
                Some("rwlock") => GuardKind::RwLock,
                _ => GuardKind::Lock,
            }
        }
        spec::GuardKind::Semaphore => GuardKind::Semaphore {
            permits: options.count("permits", out),
        },
        spec::GuardKind::Condition => GuardKind::Condition,
        spec::GuardKind::Event => {
            let set = options.get("initial").is_some_and(|node| {
                let what = "`initial`";
                forms::choice(node, what, &["set", "clear"], out) == Some("set")
            });
            GuardKind::Event { set }
        }
        spec::GuardKind::Barrier => GuardKind::Barrier {
            parties: options.count("parties", out),
        },
        spec::GuardKind::Limit => {
            unreachable!("BUG: a limit is read elsewhere")
        }
    }
}

/// The options of a guard, in short form or long.
struct Options<'f> {
    guard: &'f Guard,
    /// The option of the short form.
    main: Option<&'static str>,
}

impl<'f> Options<'f> {
    fn of(guard: &'f Guard, out: &mut Diagnostics) -> Options<'f> {
        let (main, known): (_, &[&str]) = match guard.kind {
            spec::GuardKind::Lock => (Some("kind"), &["kind", "scope"]),
            spec::GuardKind::Semaphore => (Some("permits"), &["permits", "scope"]),
            spec::GuardKind::Condition => (None, &[]),
            spec::GuardKind::Event => (None, &["initial"]),
            spec::GuardKind::Barrier => (Some("parties"), &["parties"]),
            spec::GuardKind::Limit => return Options { guard, main: None },
        };
        let name = &guard.name.text;
        match guard.node.as_map() {
            Some(map) => {
                for (key, _) in map {
                    if !known.contains(&&*key.text) {
                        let message = format!("`{name}` has no option `{}`", key.text);
                        let d = Diagnostic::new("E0103", key.at, message);
                        out.push(match (nearest(&key.text, known.iter().copied()), known) {
                            (Some(near), _) => d.help(format!("did you mean `{near}`?")),
                            (None, []) => d.help("a condition has no options"),
                            (None, known) => {
                                d.help(format!("its options are {}", known.join(", ")))
                            }
                        });
                    }
                }
            }
            None if main.is_none() && !guard.node.is_null() && !guard.node.is_broken() => {
                let what = format!("`{name}`");
                out.push(forms::wrong(
                    &guard.node,
                    &what,
                    "a mapping of its options, or nothing",
                ));
            }
            None => {}
        }
        let options = Options { guard, main };
        options.scope(out);
        options
    }

    fn get(&self, option: &str) -> Option<&'f Node> {
        let node = &self.guard.node;
        if node.as_map().is_some() {
            node.get(option)
        } else {
            Some(node).filter(|n| self.main == Some(option) && !n.is_null())
        }
    }

    /// A number from 1 on, which must be there.
    fn count(&self, option: &str, out: &mut Diagnostics) -> u32 {
        let name = &self.guard.name;
        let Some(node) = self.get(option) else {
            let d = Diagnostic::new(
                "E0106",
                name.at,
                format!("`{}` needs `{option}`", name.text),
            );
            out.push(d.help(format!(
                "write `{}: 4`, with the number that you mean",
                name.text
            )));
            return 1;
        };
        let what = format!("`{option}` of `{}`", name.text);
        let n = forms::count(node, &what, 1, out).unwrap_or(1);
        u32::try_from(n).unwrap_or(u32::MAX - 1)
    }

    fn scope(&self, out: &mut Diagnostics) {
        let Some(node) = self.get("scope") else {
            return;
        };
        match forms::choice(node, "`scope`", &["run", "machine", "cluster"], out) {
            None | Some("run" | "machine") => {}
            Some(other) => out.push(forms::not_built(node.at, &format!("scope: {other}"))),
        }
    }
}

/// Says of each block with guards whether it waits: whether something else may have to happen before it can be
/// entered and left. Where guards are held only while nothing waits, whoever holds them is at work, and gives
/// them back without anybody's help.
pub(super) fn who_waits(stages: &mut [Stage], guards: &GuardTable<'_>) {
    let mut long: HashSet<u32> = HashSet::new();
    for (number, kind) in guards.kinds.iter().enumerate() {
        // Who has it in another run may wait for whatever it likes.
        if matches!(kind, GuardKind::Condition | GuardKind::Limit { .. })
            || guards.is_shared_by_runs(number)
        {
            long.insert(u32::try_from(number).unwrap_or(u32::MAX));
        }
    }
    for stage in stages.iter() {
        each_block(stage, |_, guards, waits| {
            if waits {
                long.extend(guards);
            }
        });
    }
    for stage in stages {
        let mut waiting = Vec::new();
        each_block(stage, |at, guards, waits| {
            if waits || guards.iter().any(|g| long.contains(g)) {
                waiting.push(at);
            }
        });
        for at in waiting {
            stage.program.steps[at].waits = true;
        }
    }
}

/// For each block with guards: the number of its beginning, its guards, and whether something in it waits.
fn each_block(stage: &Stage, mut tell: impl FnMut(usize, &[u32], bool)) {
    let steps = &stage.program.steps;
    let mut open: Vec<(usize, bool)> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        match &step.op {
            Op::Enter(enter) => {
                if !enter.guards.is_empty() {
                    // To wait for a guard is to wait.
                    open.iter_mut().for_each(|(_, waits)| *waits = true);
                }
                open.push((at, enter.until));
            }
            Op::Leave => {
                if let Some((begin, waits)) = open.pop()
                    && let Op::Enter(enter) = &steps[begin].op
                    && !enter.guards.is_empty()
                {
                    tell(begin, &enter.guards, waits);
                }
            }
            _ if step.waits => open.iter_mut().for_each(|(_, waits)| *waits = true),
            _ => {}
        }
    }
}
