//! Which type flows where: types forwards through steps and connections, needs backwards.

use super::Room;
use super::stages::Stages;
use super::types::difference;
use super::wiring::{What, Wiring};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::expr::{Env, Use, Uses};
use crate::steps::{ExprText, Infer, dead_letter_type, read_type};
use crate::value::Type;

/// The types before anything is narrowed.
#[derive(Debug)]
pub(super) struct Flow {
    pub stages: Vec<StageFlow>,
    /// What each connection carries: as declared, or the join of what its writers give.
    pub conns: Vec<Type>,
    /// The expression of `by`, for priority queues.
    pub by: Vec<Option<ExprText>>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct StageFlow {
    /// What goes into each step (`None`: it is the source), and what leaves the last.
    pub before: Vec<Option<Type>>,
    /// The conditions of a routing `to`, in the order of [`super::wiring::Ends::routes`].
    pub routes: Vec<Option<ExprText>>,
    /// What its steps put, one after the other.
    pub puts: Vec<Type>,
    /// What leaves it is unknown because of a mistake that was said.
    pub broken: bool,
}

impl StageFlow {
    /// What leaves through an end.
    pub fn gives_as(&self, what: What) -> Type {
        match what {
            What::Items => self.gives(),
            What::Dead => dead_letter_type(&self.takes()),
            What::Put(i) => self.puts.get(i).cloned().unwrap_or(Type::Any),
            What::User => Type::Any,
        }
    }

    /// What it takes; a source takes what its first step makes.
    pub fn takes(&self) -> Type {
        let mut types = self.before.iter().flatten();
        types.next().cloned().unwrap_or(Type::Any)
    }

    pub fn gives(&self) -> Type {
        self.before.last().cloned().flatten().unwrap_or(Type::Any)
    }
}

/// The environment of an expression that looks at items of this type.
pub(super) fn env_for(room: &Room<'_>, item: Option<&Type>) -> Env {
    Env {
        item: item.cloned(),
        ..room.env.clone()
    }
}

/// Finds all types, and says where they do not fit.
pub(super) fn infer(
    room: &Room<'_>,
    wiring: &Wiring<'_>,
    stages: &Stages<'_>,
    out: &mut Diagnostics,
) -> Flow {
    let declared: Vec<Option<Type>> = wiring
        .conns
        .iter()
        .map(|c| {
            c.declared
                .and_then(|d| d.of.as_ref())
                .map(|of| read_type(of, &room.types, out))
        })
        .collect();
    let mut flow = Flow {
        stages: vec![StageFlow::default(); stages.list.len()],
        conns: declared
            .iter()
            .map(|d| d.clone().unwrap_or(Type::Any))
            .collect(),
        by: Vec::new(),
    };
    let mut known: Vec<bool> = declared.iter().map(Option::is_some).collect();
    for &number in &wiring.order {
        let inputs = &wiring.stages[number].inputs;
        for &conn in inputs {
            if !std::mem::replace(&mut known[conn], true) {
                flow.conns[conn] = joined(wiring, &flow, conn);
            }
        }
        let takes = inputs
            .iter()
            .map(|c| flow.conns[*c].clone())
            .reduce(|a, b| a.join(&b));
        let has_from = !room.file.stages[number].from.is_empty();
        // A stage that lacks its source was told so; its steps need not say it again.
        let first = stages.list[number]
            .steps
            .first()
            .and_then(|s| s.known.as_ref());
        let wants_item = has_from || first.is_some_and(|k| !k.step.is_source());
        let writers = inputs.iter().flat_map(|c| &wiring.conns[*c].writers);
        let broken = writers.clone().any(|w| flow.stages[w.stage].broken);
        flow.stages[number] = stage_flow(
            room,
            wiring,
            stages,
            number,
            takes.or(wants_item.then_some(Type::Any)),
            broken,
            out,
        );
    }
    for (conn, known) in known.iter().enumerate() {
        if !known {
            flow.conns[conn] = joined(wiring, &flow, conn);
        }
    }
    for (number, declared) in declared.iter().enumerate() {
        if declared.is_some() || wiring.conns[number].is_feedback() {
            fits(room, wiring, &flow, number, out);
        }
    }
    flow.by = (0..wiring.conns.len())
        .map(|i| by(room, wiring, &flow.conns[i], i, out))
        .collect();
    flow
}

/// The expression of a priority queue, checked: it must be a number.
fn by(
    room: &Room<'_>,
    wiring: &Wiring<'_>,
    of: &Type,
    number: usize,
    out: &mut Diagnostics,
) -> Option<ExprText> {
    let declared = wiring.conns[number].declared?;
    let by = ExprText::of(declared.by.as_ref()?);
    let env = env_for(room, Some(of));
    let mut cx = Infer {
        env: &env,
        types: room,
        diagnostics: out,
        at: by.at(),
        folder: &room.file.folder,
    };
    let ty = by.check(Some(of), &mut cx)?.ty().clone();
    if !matches!(ty.required(), Type::Int | Type::Double | Type::Any) {
        let message = format!("`by` needs an int or a double, but `{}` is {ty}", by.text());
        out.push(
            Diagnostic::new("E0303", by.at(), message)
                .help("the item with the lowest number goes first"),
        );
        return None;
    }
    Some(by)
}

/// The narrowest type for what the writers give (those that are known yet).
fn joined(wiring: &Wiring<'_>, flow: &Flow, conn: usize) -> Type {
    let writers = wiring.conns[conn]
        .writers
        .iter()
        .map(|w| (&flow.stages[w.stage], w.what));
    let given = writers
        .filter(|(f, _)| !f.before.is_empty())
        .map(|(f, what)| f.gives_as(what));
    given.reduce(|a, b| a.join(&b)).unwrap_or(Type::Any)
}

/// Types forwards through one stage.
fn stage_flow(
    room: &Room<'_>,
    wiring: &Wiring<'_>,
    stages: &Stages<'_>,
    number: usize,
    takes: Option<Type>,
    mut broken: bool,
    out: &mut Diagnostics,
) -> StageFlow {
    let mut before = vec![takes];
    for read in &stages.list[number].steps {
        let input = before.last().cloned().flatten();
        // Of what is unknown because of a mistake, that it has no such field need not be said.
        let lost = broken && input == Some(Type::Any);
        let gives = match &read.known {
            Some(known) => {
                let env = env_for(room, input.as_ref());
                let mut said = Diagnostics::default();
                let mut cx = Infer {
                    env: &env,
                    types: room,
                    diagnostics: if lost { &mut said } else { &mut *out },
                    at: read.node.at,
                    folder: &room.file.folder,
                };
                let gives = known.step.infer(input.as_ref(), &mut cx);
                for diagnostic in said.sorted() {
                    // A name that is like one that there is may well be a slip.
                    let is_slip = diagnostic.help.iter().any(|h| h.contains("did you mean"));
                    if diagnostic.code != "E0302" || is_slip {
                        out.push(diagnostic);
                    }
                }
                gives
            }
            None => {
                broken = true;
                Type::Any
            }
        };
        broken &= gives == Type::Any;
        before.push(Some(gives));
    }
    let gives = before.last().cloned().flatten().unwrap_or(Type::Any);
    let conditions = wiring.stages[number]
        .routes
        .iter()
        .map(|r| r.condition.map(ExprText::of));
    let routes = conditions.collect::<Vec<_>>();
    let env = env_for(room, Some(&gives));
    for condition in routes.iter().flatten() {
        let mut cx = Infer {
            env: &env,
            types: room,
            diagnostics: out,
            at: condition.at(),
            folder: &room.file.folder,
        };
        condition.check_condition(Some(&gives), "a condition of `to`", &mut cx);
    }
    let puts = stages.list[number]
        .puts()
        .map(|p| p.gives.unwrap_or(Type::Any))
        .collect();
    StageFlow {
        before,
        routes,
        puts,
        broken,
    }
}

/// Does the connection's type take what each of its writers gives?
fn fits(room: &Room<'_>, wiring: &Wiring<'_>, flow: &Flow, number: usize, out: &mut Diagnostics) {
    let conn = &wiring.conns[number];
    let want = &flow.conns[number];
    for end in &conn.writers {
        let got = flow.stages[end.stage].gives_as(end.what);
        // What user code puts is checked when it does.
        if want.accepts(&got) || end.what == What::User {
            continue;
        }
        let name = &room.file.stages[end.stage].name.text;
        let gives = match end.what {
            What::Items => "gives",
            What::Dead => "sends dead letters",
            What::Put(_) | What::User => "puts",
        };
        let message = format!(
            "stage `{name}` {gives} {got}, and {} takes {want}",
            conn.describe()
        );
        let mut d = Diagnostic::new("E0304", end.at, message).label(difference(want, &got));
        if let Some(of) = conn.declared.and_then(|d| d.of.as_ref()) {
            d = d.also(of.at, "declared here");
        } else {
            d = d.help("declare the queue's type with `of`, since a loop goes through it");
        }
        out.push(d.help(if got == Type::Any {
            "check the items where they become known: `as:` beside a step says what it gives"
        } else {
            "change `of`, or what the stage's last steps make"
        }));
    }
}

/// What of the items each stage uses and each connection must carry.
#[derive(Debug)]
pub(super) struct Needs {
    /// For each stage: what is used after each step; as long as [`StageFlow::before`].
    pub stages: Vec<Vec<Uses>>,
    pub conns: Vec<Uses>,
}

/// Needs backwards: readers before writers. Only for a file without mistakes.
pub(super) fn needs(
    room: &Room<'_>,
    wiring: &Wiring<'_>,
    stages: &Stages<'_>,
    flow: &Flow,
) -> Needs {
    let mut needs = Needs {
        stages: vec![Vec::new(); stages.list.len()],
        // What comes back through a feedback queue was read before it is written.
        conns: wiring
            .conns
            .iter()
            .enumerate()
            .map(|(i, c)| match &flow.by[i] {
                _ if c.is_feedback() => Uses::all(Use::Look),
                Some(by) => by.uses(&flow.conns[i], &env_for(room, Some(&flow.conns[i]))),
                None => Uses::nothing(),
            })
            .collect(),
    };
    for &number in wiring.order.iter().rev() {
        let mut after = if room.cx.rehearse {
            Uses::all(Use::Look)
        } else {
            Uses::nothing()
        };
        for &conn in &wiring.stages[number].outputs {
            after.merge(&needs.conns[conn]);
        }
        let gives = flow.stages[number].gives();
        for condition in flow.stages[number].routes.iter().flatten() {
            after.merge(&condition.uses(&gives, &env_for(room, Some(&gives))));
        }
        let before = &flow.stages[number].before;
        let mut uses = vec![after];
        for (i, read) in stages.list[number].steps.iter().enumerate().rev() {
            let after = &uses[uses.len() - 1];
            let used = match (&read.known, &before[i]) {
                (Some(known), Some(input)) => {
                    known.step.uses(input, after, &env_for(room, Some(input)))
                }
                _ => Uses::nothing(),
            };
            uses.push(used);
        }
        uses.reverse();
        if !wiring.stages[number].dead.is_empty() {
            // A dead letter holds the whole item that the stage took.
            uses[0].merge(&Uses::all(Use::Pass));
            if before[0].is_none()
                && let Some(made) = uses.get_mut(1)
            {
                made.merge(&Uses::all(Use::Pass));
            }
        }
        for &conn in &wiring.stages[number].inputs {
            needs.conns[conn].merge(&uses[0]);
        }
        needs.stages[number] = uses;
    }
    needs
}
