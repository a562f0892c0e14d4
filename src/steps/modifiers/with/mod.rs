//! `with` and `until`: guards that are held while an item is in a step or a block.
//!
//! This file is what the checker sees; `run` is what runs. The guards are taken as one set in the order of
//! their declaration, whatever the order in which they are written, and given back when all that the item
//! became in the block has left it.

mod limits;
mod run;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::super::coordinate::named_in;
use super::super::{
    Block, CompileCx, Compiled, Enter, ExprText, GuardKind, Infer, Limit, Op, Put, Step, Touches,
    Types,
};
use crate::diagnostic::{At, Diagnostic, Diagnostics};
use crate::expr::{Env, Uses};
use crate::spec::{Key, Node, forms};
use crate::sync::ALL;
use crate::value::Type;
use limits::Wanted;
use run::{Hold, Recipe, Until};

/// Steps around which `with` stands.
#[derive(Debug)]
pub struct With {
    /// The guards, and what is wanted of each: permits of a semaphore, `write` of an rwlock.
    pub set: Vec<(Key, Option<Node>)>,
    pub until: Option<ExprText>,
    /// How long the guards are waited for.
    pub timeout: Option<Duration>,
    /// In order, each with its place.
    pub steps: Vec<(At, Box<dyn Step>)>,
    /// The types that were found: what goes into each step, and what leaves the last.
    found: Mutex<Vec<Type>>,
    /// The guards, by their numbers, in the order of their declaration, with their permits.
    wants: Mutex<Vec<Want>>,
    /// The keys of its limits.
    pers: Mutex<Vec<ExprText>>,
}

/// One guard of a set.
#[derive(Clone, Copy, Debug)]
struct Want {
    guard: u32,
    n: u32,
    kind: GuardKind,
}

impl With {
    pub fn new(
        set: Vec<(Key, Option<Node>)>,
        until: Option<ExprText>,
        timeout: Option<Duration>,
        steps: Vec<(At, Box<dyn Step>)>,
    ) -> With {
        With {
            set,
            until,
            timeout,
            steps,
            found: Mutex::default(),
            wants: Mutex::default(),
            pers: Mutex::default(),
        }
    }

    fn wants(&self, cx: &mut Infer<'_>) -> Vec<Want> {
        let mut wants: Vec<Want> = Vec::new();
        for (key, amount) in &self.set {
            let Some((guard, kind)) = cx.types.guard(key, cx.diagnostics) else {
                continue;
            };
            if !kind.is_held() {
                cx.diagnostics.push(not_held(key, kind));
                continue;
            }
            let n = permits(key, kind, amount.as_ref(), cx.diagnostics);
            // A name that stands twice was said.
            if !wants.iter().any(|w: &Want| w.guard == guard) {
                wants.push(Want { guard, n, kind });
            }
        }
        wants.sort_by_key(|w| w.guard);
        *self.pers.lock() = limits_of(&wants, cx.types)
            .flat_map(|(limit, _)| limit.keys.iter().map(|(per, _)| per.text.clone()))
            .collect();
        wants
    }

    fn check_until(&self, input: &Type, wants: &[Want], cx: &mut Infer<'_>) {
        let Some(until) = &self.until else { return };
        until.check_condition(Some(input), "`until`", cx);
        // A guard whose name was wrong may have been meant for the condition.
        if wants.len() == self.set.len() && !wants.iter().any(|w| w.kind == GuardKind::Condition) {
            cx.diagnostics.push(
                Diagnostic::new("E0502", until.at(), "`until` needs a condition in `with`")
                    .help("declare one, `conditions: [changed]`, write `with: changed` beside the `until`, and `notify_all: changed` where what it waits for becomes true"),
            );
        }
    }

    /// For each step what is used of its input; one more for what leaves the last.
    fn chain(&self, after: &Uses, env: &Env) -> Vec<Uses> {
        let found = self.found.lock();
        let mut uses = vec![after.clone()];
        for ((_, step), input) in self.steps.iter().zip(&*found).rev() {
            let env = Env {
                item: Some(input.clone()),
                ..env.clone()
            };
            let used = step.uses(input, &uses[uses.len() - 1], &env);
            uses.push(used);
        }
        uses.reverse();
        uses
    }
}

/// The limits among the guards of a set, each with its number.
fn limits_of<'t>(
    wants: &'t [Want],
    types: &'t dyn Types,
) -> impl Iterator<Item = (&'t Limit, u32)> {
    wants
        .iter()
        .filter_map(|w| Some((types.limit(w.guard)?, w.guard)))
}

/// What is needed of each limit: the keys first, for they are closed more often.
fn wanted(wants: &[Want], input: Option<&Type>, cx: &CompileCx<'_>) -> Arc<[Wanted]> {
    let mut all = Vec::new();
    for (limit, guard) in limits_of(wants, cx.types) {
        for ((per, _), entry) in limit.keys.iter().zip(1..) {
            let key = limits::Key {
                code: per.text.compile(input, cx),
                address: per.address,
            };
            all.push(Wanted {
                guard,
                entry,
                key: Some(key),
            });
        }
    }
    for (_, guard) in limits_of(wants, cx.types) {
        all.push(Wanted {
            guard,
            entry: 0,
            key: None,
        });
    }
    all.into()
}

fn not_held(key: &Key, kind: GuardKind) -> Diagnostic {
    let (name, what) = (&key.text, kind.name());
    let d = Diagnostic::new(
        "E0502",
        key.at,
        format!("`{name}` is {} {what}, which nobody holds", article(what)),
    );
    match kind {
        GuardKind::Event { .. } => d.help(format!(
            "to wait until it is set, write the step `wait_event: {name}`"
        )),
        _ => d.help(format!(
            "to wait there, write the step `wait_barrier: {name}`"
        )),
    }
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o']) {
        "an"
    } else {
        "a"
    }
}

/// How many permits are wanted.
fn permits(key: &Key, kind: GuardKind, amount: Option<&Node>, out: &mut Diagnostics) -> u32 {
    let name = &key.text;
    // `printer:` without a value is as good as its name alone.
    let amount = amount.filter(|node| !node.is_null());
    match (kind, amount) {
        (GuardKind::Semaphore { .. }, Some(node)) => {
            // Whether there are so many, the proofs say, which also add up what is held around.
            let what = format!("the permits of `{name}`");
            let n = forms::count(node, &what, 1, out).unwrap_or(1);
            u32::try_from(n).unwrap_or(u32::MAX)
        }
        (GuardKind::RwLock, Some(node)) => {
            match forms::choice(node, &format!("`{name}`"), &["read", "write"], out) {
                Some("write") => ALL,
                _ => 1,
            }
        }
        (_, None) => 1,
        (_, Some(node)) => {
            out.push(
                Diagnostic::new(
                    "E0502",
                    node.at,
                    format!("a {} is held or not, there is no amount of it", kind.name()),
                )
                .help(format!(
                    "write `with: {name}`, or `{name}:` without a value"
                )),
            );
            1
        }
    }
}

impl Step for With {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        let wants = self.wants(cx);
        for (limit, _) in limits_of(&wants, cx.types) {
            for (per, _) in &limit.keys {
                per.text.check(input, cx);
            }
        }
        let Some(item) = input else {
            let at = self.set.first().map_or(cx.at, |(key, _)| key.at);
            cx.diagnostics.push(
                Diagnostic::new(
                    "E0407",
                    at,
                    "a source runs once, not for an item that could hold a guard",
                )
                .help("put `with` beside one of the steps behind the source"),
            );
            return Type::Any;
        };
        self.check_until(item, &wants, cx);
        let mut before = vec![item.clone()];
        for (at, step) in &self.steps {
            let input = before[before.len() - 1].clone();
            let env = Env {
                item: Some(input.clone()),
                ..cx.env.clone()
            };
            let mut cx = Infer {
                env: &env,
                types: cx.types,
                diagnostics: cx.diagnostics,
                at: *at,
                folder: cx.folder,
            };
            before.push(step.infer(Some(&input), &mut cx));
        }
        let out = before[before.len() - 1].clone();
        *self.found.lock() = before;
        *self.wants.lock() = wants;
        out
    }

    fn uses(&self, input: &Type, after: &Uses, env: &Env) -> Uses {
        let mut uses = self.chain(after, env).swap_remove(0);
        for per in &*self.pers.lock() {
            uses.merge(&per.uses(input, env));
        }
        if let Some(until) = &self.until {
            uses.merge(&until.uses(input, env));
        }
        uses
    }

    fn compile(&self, input: Option<&Type>, after: &Uses, cx: &CompileCx<'_>) -> Compiled {
        let needs = self.chain(after, cx.env);
        let mut ty = input.expect("BUG: a source with guards").clone();
        let mut steps = Vec::with_capacity(self.steps.len());
        for ((_, step), uses) in self.steps.iter().zip(&needs[1..]) {
            let env = Env {
                item: Some(ty.clone()),
                ..cx.env.clone()
            };
            let cx = CompileCx { env: &env, ..*cx };
            let compiled = step.compile(Some(&ty), uses, &cx);
            ty = compiled.out.clone();
            steps.push(compiled);
        }
        let wants = self.wants.lock();
        let conditions = wants.iter().filter(|w| w.kind == GuardKind::Condition);
        let is_limit = |want: &&Want| matches!(want.kind, GuardKind::Limit { .. });
        let recipe = Arc::new(Recipe {
            wants: wants
                .iter()
                .filter(|w| !is_limit(w))
                .map(|w| (w.guard, w.n))
                .collect(),
            limits: wanted(&wants, input, cx),
            until: self.until.as_ref().map(|until| Until {
                holds: until.compile(input, cx),
                conditions: conditions.map(|w| w.guard).collect(),
                watches: named_in(until.text(), cx.env).into(),
            }),
            timeout: self.timeout,
        });
        let enter = Enter {
            guards: wants.iter().map(|w| w.guard).collect(),
            limits: wants.iter().filter(is_limit).map(|w| w.guard).collect(),
            until: self.until.is_some(),
            timed: self.timeout.is_some(),
            make: Arc::new(move || Box::new(Hold::new(recipe.clone()))),
        };
        Compiled {
            out: ty,
            op: Op::Block(Block { enter, steps }),
        }
    }

    fn steps(&self) -> Vec<&dyn Step> {
        self.steps.iter().map(|(_, s)| &**s).collect()
    }

    fn is_source(&self) -> bool {
        self.steps.first().is_some_and(|(_, s)| s.is_source())
    }

    fn is_sink(&self) -> bool {
        self.steps.last().is_some_and(|(_, s)| s.is_sink())
    }

    fn lets_pass(&self) -> bool {
        self.steps.iter().all(|(_, s)| s.lets_pass())
    }

    fn touches(&self, cx: &CompileCx<'_>) -> Touches {
        let mut all = Touches::default();
        for (_, step) in &self.steps {
            all.merge(step.touches(cx));
        }
        all
    }

    fn puts(&self) -> Vec<Put<'_>> {
        self.steps.iter().flat_map(|(_, s)| s.puts()).collect()
    }

    fn writes(&self) -> Option<String> {
        self.steps.iter().find_map(|(_, s)| s.writes())
    }

    fn describe(&self) -> String {
        // `db 2`, `config write`, and where nothing more is wanted the name.
        let want = |(key, node): &(Key, Option<Node>)| {
            let more = node.as_ref().and_then(Node::plain);
            more.map_or_else(|| key.text.clone(), |t| format!("{} {}", key.text, t.text))
        };
        let names: Vec<String> = self.set.iter().map(want).collect();
        let until = match &self.until {
            Some(until) => format!(" until {}", until.text()),
            None => String::new(),
        };
        let steps: Vec<String> = self.steps.iter().map(|(_, s)| s.describe()).collect();
        format!("with {}{until}: {}", names.join(", "), steps.join(", "))
    }
}
