//! The plan of a file that has no mistakes: steps compiled for the types that are really carried.

use std::collections::HashSet;

use super::Room;
use super::flow::{Flow, Needs, env_for};
use super::guards;
use super::names::Named;
use super::places::Places;
use super::settings::Settings;
use super::stages::{Inner, Stages, label};
use super::user;
use super::wiring::{self, What, Wiring};
use crate::diagnostic::Source;
use crate::expr::Env;
use crate::plan::{
    Branch, Conn, ConnId, DRAIN, Order, Outlet, Plan, Policy, Program, Stage, StageId, Step,
};
use crate::spec::{self, File, StepNode};
use crate::steps::{self, CompileCx, Conns, Convert, May, Op, Touches, dead_letter_type};
use crate::value::{Name, Type};

fn number(n: usize) -> u32 {
    u32::try_from(n).expect("BUG: more than 2^32 stages passed the reader's limits")
}

fn ids(conns: &[usize]) -> Vec<ConnId> {
    conns.iter().map(|c| ConnId(number(*c))).collect()
}

/// Everything that the rules have found.
pub(super) struct Found<'a, 'f> {
    pub room: &'a Room<'f>,
    pub wiring: &'a Wiring<'f>,
    pub stages: &'a Stages<'f>,
    pub settings: &'a Settings,
    pub flow: &'a Flow,
    pub needs: &'a Needs,
    /// It is free of deadlocks by construction.
    pub safe: bool,
}

/// A stage whose steps have been compiled.
struct Compiled {
    program: Program,
    touches: Touches,
    takes: Type,
    gives: Type,
}

impl Compiled {
    fn gives_as(&self, what: What) -> Type {
        match what {
            What::Items => self.gives.clone(),
            What::Dead => dead_letter_type(&self.takes),
            What::Put(_) | What::User => panic!("BUG: what is put is converted by who puts it"),
        }
    }
}

/// What connections carry into which steps put.
#[derive(Debug)]
struct Targets<'a, 'f> {
    room: &'a Room<'f>,
    carried: &'a [Option<Type>],
}

impl Conns for Targets<'_, '_> {
    fn target(&self, name: &str) -> Option<(u32, Type)> {
        let Some(Named::Conn(conn)) = self.room.names.get(name) else {
            return None;
        };
        Some((number(conn), self.carried[conn].clone()?))
    }
}

/// For expressions, which put nothing anywhere.
#[derive(Debug)]
pub(super) struct Nowhere;

impl Conns for Nowhere {
    fn target(&self, _: &str) -> Option<(u32, Type)> {
        None
    }
}

pub(super) fn compile(found: &Found<'_, '_>, source: &Source) -> Plan {
    let Found {
        room, wiring, flow, ..
    } = *found;
    let places = Places::of(source);
    let mut compiled: Vec<Option<Compiled>> = wiring.stages.iter().map(|_| None).collect();
    // What comes back through a feedback queue is read before it is known what its writers really make, and
    // who puts converts by itself: there the type is what is used of the connection's.
    let early = |(i, c): (usize, &wiring::Conn<'_>)| {
        (c.is_feedback() || c.is_put_into()).then(|| found.needs.conns[i].narrow(&flow.conns[i]))
    };
    let mut carried: Vec<Option<Type>> = wiring.conns.iter().enumerate().map(early).collect();
    for &i in &wiring.order {
        for &conn in &wiring.stages[i].inputs {
            if carried[conn].is_none() {
                carried[conn] = Some(found.carry(&compiled, conn));
            }
        }
        compiled[i] = Some(found.stage(&places, i, &carried));
    }
    let carried: Vec<Type> = carried
        .into_iter()
        .enumerate()
        .map(|(i, ty)| ty.unwrap_or_else(|| found.carry(&compiled, i)))
        .collect();
    let conns = (0..wiring.conns.len())
        .map(|i| found.conn(i, &carried[i]))
        .collect();
    let mut stages: Vec<Stage> = compiled
        .into_iter()
        .enumerate()
        .map(|(i, c)| {
            found.plan_stage(
                &places,
                i,
                c.expect("BUG: a stage outside of the order"),
                &carried,
            )
        })
        .collect();
    guards::who_waits(&mut stages, &room.guards);
    let (values, arrays) = (room.values.plan(&places), room.arrays.plan(&places));
    let mut guards = room.guards.plan(&places);
    if user::runs(room) {
        guards.extend(user::locks(&values, &arrays));
    }
    Plan {
        name: name(room.file, source),
        description: room.file.description.clone(),
        folder: room.file.folder.clone(),
        stages,
        conns,
        guards,
        values,
        arrays,
        env: room.env.clone(),
        scope: room.scope.clone(),
        deadline: room.file.deadline.map(|d| d.value),
        safe: found.safe,
        drain: room.file.drain.map_or(DRAIN, |d| d.value),
    }
}

impl Found<'_, '_> {
    fn compile_cx<'c>(&'c self, env: &'c Env, conns: &'c dyn Conns) -> CompileCx<'c> {
        let room = self.room;
        CompileCx {
            env,
            conns,
            types: room,
            folder: &room.file.folder,
            scope: &room.scope,
            processes: None,
        }
    }

    /// What a connection really carries. Where all its writers make the same of the same type, it carries
    /// that; otherwise each converts to what is used of the connection's type.
    fn carry(&self, compiled: &[Option<Compiled>], conn: usize) -> Type {
        let full = &self.flow.conns[conn];
        let ends = &self.wiring.conns[conn].writers;
        if ends.iter().any(|w| w.what == What::User) {
            // User code makes whole items.
            return full.clone();
        }
        let mut given = self.wiring.conns[conn].writers.iter().map(|w| {
            let made = compiled[w.stage].as_ref().map(|c| c.gives_as(w.what));
            (self.flow.stages[w.stage].gives_as(w.what), made)
        });
        match given.next() {
            Some((first, Some(made)))
                if first == *full
                    && given.all(|(ty, other)| ty == *full && other.as_ref() == Some(&made)) =>
            {
                made
            }
            _ => self.needs.conns[conn].narrow(full),
        }
    }

    /// Compiles the steps of a stage for what its inputs carry.
    fn stage(&self, places: &Places<'_>, i: usize, carried: &[Option<Type>]) -> Compiled {
        let needs = &self.needs.stages[i];
        let types: Vec<&Type> = self.wiring.stages[i]
            .inputs
            .iter()
            .filter_map(|c| carried[*c].as_ref())
            .collect();
        let takes = match types.as_slice() {
            [] => None,
            [first, rest @ ..] if rest.iter().all(|t| t == first) => Some((*first).clone()),
            _ => self.flow.stages[i].before[0]
                .as_ref()
                .map(|t| needs[0].narrow(t)),
        };
        let targets = Targets {
            room: self.room,
            carried,
        };
        let mut program = Program::default();
        if let Some(takes) = takes.as_ref().filter(|t| types.iter().any(|x| x != t)) {
            program.steps.push(Step {
                label: "from".into(),
                // Nobody wrote it: drawings leave it out.
                text: String::new(),
                place: places.place(self.room.file.stages[i].name.at),
                op: Convert::to(takes).op(),
                waits: false,
                meets: false,
                policy: self.settings.stages[i].policy,
            });
        }
        let mut entering = takes.clone();
        let mut input = takes;
        let mut touches = user::touches(self.room, &self.room.file.stages[i]);
        for (read, after) in self.stages.list[i].steps.iter().zip(&needs[1..]) {
            let known = read
                .known
                .as_ref()
                .expect("BUG: a step with a mistake is compiled");
            let env = env_for(self.room, input.as_ref());
            let cx = CompileCx {
                processes: self.settings.stages[i].processes.as_ref(),
                ..self.compile_cx(&env, &targets)
            };
            let compiled = known.step.compile(input.as_ref(), after, &cx);
            let source = input.is_none();
            entering.get_or_insert_with(|| compiled.out.clone());
            input = Some(compiled.out.clone());
            touches.merge(known.step.touches(&self.compile_cx(&env, &targets)));
            let mut flat = Flat {
                places,
                steps: &mut program.steps,
            };
            let text = known.step.describe();
            flat.push(
                (read.node, read.policy),
                &read.inner,
                &*known.step,
                compiled,
                text,
            );
            if source && let Some(second) = known.step.second(after) {
                program.steps.push(Step {
                    label: label(read.node).to_owned(),
                    text: String::new(),
                    place: places.place(read.node.at),
                    op: second.op,
                    waits: known.step.waits(),
                    meets: false,
                    policy: read.policy,
                });
                input = Some(second.out);
            }
        }
        let gives = input.unwrap_or(Type::Any);
        Compiled {
            program,
            touches,
            takes: entering.unwrap_or(Type::Any),
            gives,
        }
    }

    fn conn(&self, i: usize, of: &Type) -> Conn {
        let conn = &self.wiring.conns[i];
        let bounds = self.settings.conns[i];
        let order = match (
            conn.declared.and_then(|d| d.order).map(|o| o.value),
            &self.flow.by[i],
        ) {
            (Some(spec::Order::Lifo), _) => Order::Lifo,
            (Some(spec::Order::Priority), Some(by)) => {
                let env = env_for(self.room, Some(of));
                Order::Priority {
                    by: by.compile(Some(of), &self.compile_cx(&env, &Nowhere)),
                    text: by.text().to_owned(),
                }
            }
            _ => Order::Fifo,
        };
        Conn {
            id: ConnId(number(i)),
            name: Name::from(conn.name),
            kind: conn.kind,
            of: of.clone(),
            max: bounds.max,
            max_bytes: bounds.max_bytes,
            order,
            full: bounds.full,
            feedback: conn.is_feedback(),
            writers: writers(conn),
            readers: conn
                .readers
                .iter()
                .map(|r| StageId(number(r.stage)))
                .collect(),
        }
    }

    fn plan_stage(
        &self,
        places: &Places<'_>,
        i: usize,
        compiled: Compiled,
        carried: &[Type],
    ) -> Stage {
        let written = &self.room.file.stages[i];
        let ends = &self.wiring.stages[i];
        let settings = &self.settings.stages[i];
        let outlet = |conn: usize, made: &Type| Outlet {
            conn: ConnId(number(conn)),
            convert: (carried[conn] != *made).then(|| Convert::to(&carried[conn])),
        };
        let Compiled {
            program,
            touches,
            takes,
            gives,
        } = compiled;
        let letter = dead_letter_type(&takes);
        Stage {
            id: StageId(number(i)),
            name: Name::from(written.name.text.as_str()),
            description: written.description.clone(),
            place: places.place(written.name.at),
            inputs: ids(&ends.inputs),
            outputs: ends.outputs.iter().map(|c| outlet(*c, &gives)).collect(),
            branches: self.branches(i, &gives),
            dead: ends.dead.iter().map(|c| outlet(*c, &letter)).collect(),
            puts: ids(&ends.puts),
            executor: settings.executor.clone(),
            program,
            ordered: settings.ordered,
            on_error: settings.policy.on_error,
            max_errors: settings.max_errors,
            max_waiting: settings.max_waiting,
            after: ends.after.iter().map(|s| StageId(number(*s))).collect(),
            always: written.always.is_some_and(|a| a.value),
            touches,
            may: May {
                sets: user::sets(self.room, written),
                puts: ends.user_puts.iter().map(|c| number(*c)).collect(),
            },
            takes,
            gives,
        }
    }

    fn branches(&self, i: usize, gives: &Type) -> Option<Vec<Branch>> {
        let routes = &self.wiring.stages[i].routes;
        if routes.is_empty() {
            return None;
        }
        let env = env_for(self.room, Some(gives));
        let branches = routes
            .iter()
            .zip(&self.flow.stages[i].routes)
            .map(|(route, condition)| Branch {
                when: condition
                    .as_ref()
                    .map(|c| c.compile(Some(gives), &self.compile_cx(&env, &Nowhere))),
                outlet: route.outlet,
                text: condition.as_ref().map_or("else", |c| c.text()).to_owned(),
            });
        Some(branches.collect())
    }
}

/// A stage once for each of its ways into the connection: its items, its dead letters, what it puts.
fn writers(conn: &wiring::Conn<'_>) -> Vec<StageId> {
    let mut put = HashSet::new();
    let ends = conn
        .writers
        .iter()
        .filter(|w| !matches!(w.what, What::Put(_) | What::User) || put.insert(w.stage));
    ends.map(|w| StageId(number(w.stage))).collect()
}

/// Steps as they stand in a plan: all in one row, with the beginnings and ends of blocks.
struct Flat<'a, 'p> {
    places: &'a Places<'p>,
    steps: &'a mut Vec<Step>,
}

impl Flat<'_, '_> {
    /// `text` is empty for what is part of another's line.
    fn push(
        &mut self,
        (node, policy): (&StepNode, Policy),
        inner: &[Inner<'_>],
        step: &dyn steps::Step,
        compiled: steps::Compiled,
        text: String,
    ) {
        let mut add = |op: Op, text: String| {
            self.steps.push(Step {
                label: label(node).to_owned(),
                text,
                place: self.places.place(node.at),
                waits: step.waits(),
                meets: step.meets(),
                op,
                policy,
            });
        };
        let Op::Block(block) = compiled.op else {
            add(compiled.op, text);
            return;
        };
        add(Op::Enter(block.enter), text);
        let within = step.steps().into_iter().zip(inner).zip(block.steps);
        for ((step, inner), compiled) in within {
            let of = (inner.node, inner.policy);
            self.push(of, &inner.inner, step, compiled, String::new());
        }
        self.steps.push(Step {
            label: label(node).to_owned(),
            text: String::new(),
            place: self.places.place(node.at),
            waits: false,
            meets: false,
            op: Op::Leave,
            policy,
        });
    }
}

/// The pipeline's name: as written, or the file's without its folder and its ending.
fn name(file: &File, source: &Source) -> Name {
    let stem = || {
        let path = std::path::Path::new(&source.name);
        path.file_stem().map(|s| s.to_string_lossy().into_owned())
    };
    let name = file
        .name
        .as_ref()
        .map(|n| n.text.clone())
        .or_else(stem)
        .filter(|n| n != "-");
    Name::from(name.unwrap_or_else(|| "pipeline".into()))
}
