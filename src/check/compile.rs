//! The plan of a file that has no mistakes: steps compiled for the types that are really carried.

use super::Room;
use super::flow::{self, Flow, env_for};
use super::places::Places;
use super::settings::Settings;
use super::stages::Stages;
use super::wiring::Wiring;
use crate::diagnostic::Source;
use crate::plan::{Conn, ConnId, OnError, Outlet, Plan, Policy, Program, Stage, StageId, Step};
use crate::spec::File;
use crate::steps::{CompileCx, Convert};
use crate::value::{Name, Type};

fn number(n: usize) -> u32 {
    u32::try_from(n).expect("BUG: more than 2^32 stages passed the reader's limits")
}

pub(super) fn compile(
    room: &Room<'_>,
    source: &Source,
    wiring: &Wiring<'_>,
    stages: &Stages<'_>,
    flow: &Flow,
    settings: Settings,
) -> Plan {
    let needs = flow::needs(room, wiring, stages, flow);
    let places = Places::of(source);
    let mut programs: Vec<Option<(Program, Type, Type)>> =
        stages.list.iter().map(|_| None).collect();
    let mut carried: Vec<Option<Type>> = wiring
        .conns
        .iter()
        .enumerate()
        .map(|(i, c)| c.is_feedback().then(|| flow.conns[i].clone()))
        .collect();
    for &i in &wiring.order {
        let inputs = &wiring.stages[i].inputs;
        for &conn in inputs {
            if carried[conn].is_none() {
                carried[conn] = Some(carry(wiring, flow, &needs, &programs, conn));
            }
        }
        let types: Vec<&Type> = inputs.iter().filter_map(|c| carried[*c].as_ref()).collect();
        let takes = match types.as_slice() {
            [] => None,
            [first, rest @ ..] if rest.iter().all(|t| t == first) => Some((*first).clone()),
            _ => flow.stages[i].before[0]
                .as_ref()
                .map(|t| needs.stages[i][0].narrow(t)),
        };
        let mut program = Program::default();
        if let Some(takes) = takes.as_ref().filter(|t| types.iter().any(|x| x != t)) {
            program.steps.push(Step {
                label: "from".into(),
                text: format!("take {takes}"),
                place: places.place(room.file.stages[i].name.at),
                op: Convert::to(takes).op(),
                waits: false,
                policy: Policy {
                    retry: None,
                    timeout: None,
                    on_error: settings.stages[i].on_error,
                },
            });
        }
        programs[i] = Some(steps(
            room,
            stages,
            &needs.stages[i],
            &places,
            i,
            takes,
            program,
            settings.stages[i].on_error,
        ));
    }
    let carried: Vec<Type> = carried
        .into_iter()
        .enumerate()
        .map(|(i, ty)| ty.unwrap_or_else(|| carry(wiring, flow, &needs, &programs, i)))
        .collect();
    let conns = conns(wiring, &carried, &settings);
    let stages = room
        .file
        .stages
        .iter()
        .zip(programs)
        .zip(settings.stages)
        .enumerate()
        .map(|(i, ((stage, program), settings))| {
            let (program, takes, gives) = program.expect("BUG: a stage outside of the order");
            let outputs = wiring.stages[i].outputs.iter().map(|c| Outlet {
                conn: ConnId(number(*c)),
                convert: (carried[*c] != gives).then(|| Convert::to(&carried[*c])),
            });
            Stage {
                id: StageId(number(i)),
                name: Name::from(stage.name.text.as_str()),
                description: stage.description.clone(),
                place: places.place(stage.name.at),
                inputs: wiring.stages[i]
                    .inputs
                    .iter()
                    .map(|c| ConnId(number(*c)))
                    .collect(),
                outputs: outputs.collect(),
                branches: None,
                dead: Vec::new(),
                puts: Vec::new(),
                executor: settings.executor,
                program,
                ordered: settings.ordered,
                on_error: settings.on_error,
                max_errors: None,
                max_waiting: 10_000,
                after: Vec::new(),
                always: false,
                takes,
                gives,
            }
        })
        .collect();
    Plan {
        name: name(room.file, source),
        description: room.file.description.clone(),
        folder: room.file.folder.clone(),
        stages,
        conns,
        env: room.env.clone(),
        scope: room.scope.clone(),
        deadline: None,
        drain: crate::plan::DRAIN,
    }
}

/// What a connection really carries. Where all its writers make the same of the same type, it carries that;
/// otherwise each converts to what is used of the connection's type.
fn carry(
    wiring: &Wiring<'_>,
    flow: &Flow,
    needs: &flow::Needs,
    programs: &[Option<(Program, Type, Type)>],
    conn: usize,
) -> Type {
    let full = &flow.conns[conn];
    let narrow = needs.conns[conn].narrow(full);
    let mut given = wiring.conns[conn].writers.iter().map(|w| {
        (
            flow.stages[w.stage].gives(),
            programs[w.stage].as_ref().map(|(_, _, gives)| gives),
        )
    });
    match given.next() {
        Some((first, Some(gives)))
            if first == *full && given.all(|(ty, g)| ty == *full && g == Some(gives)) =>
        {
            gives.clone()
        }
        _ => narrow,
    }
}

/// Compiles the steps of a stage; the program, what it takes and what it gives.
fn steps(
    room: &Room<'_>,
    stages: &Stages<'_>,
    needs: &[crate::expr::Uses],
    places: &Places<'_>,
    stage: usize,
    takes: Option<Type>,
    mut program: Program,
    on_error: OnError,
) -> (Program, Type, Type) {
    let mut entering = takes.clone();
    let mut input = takes;
    for (i, read) in stages.list[stage].steps.iter().enumerate() {
        let (_, step) = read
            .known
            .as_ref()
            .expect("BUG: a step with a mistake is compiled");
        let env = env_for(room, input.as_ref());
        let cx = CompileCx {
            env: &env,
            types: &room.types,
            folder: &room.file.folder,
            scope: &room.scope,
        };
        let compiled = step.compile(input.as_ref(), &needs[i + 1], &cx);
        program.steps.push(Step {
            label: read.label().to_owned(),
            text: step.describe(),
            place: places.place(read.node.at),
            op: compiled.op,
            waits: step.waits(),
            policy: Policy {
                retry: None,
                timeout: None,
                on_error,
            },
        });
        input = Some(compiled.out);
        entering.get_or_insert_with(|| input.clone().unwrap_or(Type::Any));
    }
    let gives = input.unwrap_or(Type::Any);
    (program, entering.unwrap_or(Type::Any), gives)
}

fn conns(wiring: &Wiring<'_>, carried: &[Type], settings: &Settings) -> Vec<Conn> {
    let all = wiring
        .conns
        .iter()
        .zip(carried)
        .zip(&settings.conns)
        .enumerate();
    all.map(|(i, ((conn, of), bounds))| Conn {
        id: ConnId(number(i)),
        name: Name::from(conn.name),
        kind: conn.kind,
        of: of.clone(),
        max: bounds.max,
        max_bytes: bounds.max_bytes,
        order: crate::plan::Order::Fifo,
        full: crate::plan::Full::Block,
        feedback: false,
        writers: conn
            .writers
            .iter()
            .map(|w| StageId(number(w.stage)))
            .collect(),
        readers: conn
            .readers
            .iter()
            .map(|r| StageId(number(r.stage)))
            .collect(),
    })
    .collect()
}

/// The pipeline's name: as written, or the file's without its folder and its ending.
fn name(file: &File, source: &Source) -> Name {
    let stem = || {
        std::path::Path::new(&source.name)
            .file_stem()
            .map(|s| s.to_string_lossy().into_owned())
    };
    let name = file
        .name
        .as_ref()
        .map(|n| n.text.clone())
        .or_else(stem)
        .filter(|n| n != "-");
    Name::from(name.unwrap_or_else(|| "pipeline".into()))
}
