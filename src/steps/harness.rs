//! Runs one step over JSON items in batches of whatever sizes, as the worker loop would, and checks that every
//! row is accounted for. For tests.

use std::path::Path;

use serde_json::Value as Json;

use super::nested::{alone, in_turn};
use super::table::find;
use super::testing::{Bench, Streams};
use super::{
    BatchStep, CompileCx, Conns, Flow, Infer, Memory, Op, Reader, RunError, Step, Tally, Types,
};
use crate::diagnostic::{At, Diagnostic, Diagnostics};
use crate::expr::{Env, Scope, Use, Uses};
use crate::spec::{Key, Node, Scalar, Value};
use crate::value::{Batch, Blocks, Cell, Row, Shape, Type, convert};

/// How the items are cut and shared out.
#[derive(Clone, Debug)]
pub(super) struct How {
    /// The sizes of the batches, again and again.
    pub sizes: Vec<usize>,
    /// For each batch, which part of a memory takes it, again and again.
    pub parts: Vec<usize>,
    /// What is used of what comes out: only that is seen in [`Ran::out`].
    pub after: Uses,
}

impl Default for How {
    fn default() -> How {
        How {
            sizes: vec![1000],
            parts: vec![0],
            after: Uses::all(Use::Look),
        }
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Ran {
    pub out: Vec<Json>,
    pub ty: Option<Type>,
    /// The message of each item error, in the order in which they happened.
    pub errors: Vec<String>,
    pub tally: Tally,
    /// The step said that it has enough.
    pub ended: bool,
    pub stopped: Option<RunError>,
    /// The most that a memory said it holds.
    pub held: usize,
}

impl Ran {
    /// What came out, as JSON text; panics where something went wrong.
    pub(super) fn json(&self) -> String {
        assert!(self.errors.is_empty() && self.stopped.is_none(), "{self:?}");
        Json::from(self.out.clone()).to_string()
    }
}

#[derive(Debug)]
pub(super) struct NoTypes;

impl Types for NoTypes {
    fn rehearses(&self) -> bool {
        false
    }

    fn named(&self, _: &str) -> Option<Type> {
        None
    }

    fn functions(&self) -> &crate::steps::Functions {
        static NONE: std::sync::LazyLock<crate::steps::Functions> =
            std::sync::LazyLock::new(Default::default);
        &NONE
    }

    fn names(&self) -> Vec<&str> {
        Vec::new()
    }
}

impl Conns for NoTypes {
    fn target(&self, _: &str) -> Option<(u32, Type)> {
        None
    }
}

/// Nothing but these fields, handed on.
pub(super) fn only(fields: &[&str]) -> Uses {
    Uses {
        fields: fields.iter().map(|f| ((*f).into(), Use::Pass)).collect(),
        rest: None,
    }
}

/// A record type.
pub(super) fn record(fields: &[(&str, Type)]) -> Type {
    Type::record(fields.iter().map(|(n, t)| ((*n).into(), t.clone())))
}

/// A node as the file's reader would make it, all at one place.
pub(super) fn node(yaml: &str) -> Node {
    fn of(value: &serde_yaml::Value) -> Node {
        let at = At::new(0, 0);
        let scalar = |s| Node::new(Value::Scalar(s), at);
        match value {
            serde_yaml::Value::Null => scalar(Scalar::Null),
            serde_yaml::Value::Bool(b) => scalar(Scalar::Bool(*b)),
            serde_yaml::Value::Number(n) => scalar(
                n.as_i64()
                    .map_or_else(|| Scalar::Double(n.as_f64().unwrap()), Scalar::Int),
            ),
            serde_yaml::Value::String(text) => scalar(Scalar::String {
                text: text.clone(),
                plain: true,
            }),
            serde_yaml::Value::Sequence(list) => {
                Node::new(Value::List(list.iter().map(of).collect()), at)
            }
            serde_yaml::Value::Mapping(map) => {
                let key = |k: &serde_yaml::Value| Key {
                    text: k.as_str().unwrap().to_owned(),
                    at,
                };
                Node::new(
                    Value::Map(map.iter().map(|(k, v)| (key(k), of(v))).collect()),
                    at,
                )
            }
            serde_yaml::Value::Tagged(_) => panic!("a tag"),
        }
    }
    of(&serde_yaml::from_str(yaml).unwrap())
}

/// Reads a step: `filter: a > 1`.
pub(super) fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Box<dyn Step>> {
    let (key, options) = &node.as_map().unwrap()[0];
    let def = find(&key.text).unwrap_or_else(|| panic!("no step {}", key.text));
    (def.read)(
        options,
        &mut Reader {
            diagnostics,
            step: def.name,
            at: key.at,
        },
    )
}

/// Infers what a step makes of items of this type.
pub(super) fn infer_step(step: &dyn Step, ty: &Type, diagnostics: &mut Diagnostics) -> Type {
    let env = Env {
        item: Some(ty.clone()),
        ..Env::default()
    };
    let mut cx = Infer {
        env: &env,
        types: &NoTypes,
        diagnostics,
        at: At::default(),
        folder: Path::new("."),
    };
    step.infer(Some(ty), &mut cx)
}

/// Reads a step (`filter: a > 1`) and infers what it makes of items of this type.
pub(super) fn infer(yaml: &str, ty: &Type) -> Result<(Box<dyn Step>, Type), Vec<Diagnostic>> {
    let mut diagnostics = Diagnostics::default();
    let step = read(&node(yaml), &mut diagnostics);
    let found = step.map(|step| {
        let out = infer_step(&*step, ty, &mut diagnostics);
        (step, out)
    });
    if diagnostics.has_errors() {
        return Err(diagnostics.sorted());
    }
    Ok(found.expect("a step, or an error"))
}

/// The messages, with their help, of a step that is wrong.
pub(super) fn mistakes(yaml: &str, ty: &Type) -> Vec<String> {
    let said = infer(yaml, ty).expect_err("a mistake");
    said.iter()
        .map(|d| format!("{} {}; {}", d.code, d.message, d.help.join("; ")))
        .collect()
}

fn batches(items: &[Json], full: &Type, narrow: &Type, sizes: &[usize]) -> Vec<Batch> {
    let mut made = Vec::new();
    let mut rest = items;
    let mut sizes = sizes.iter().cycle();
    let mut ord = 0;
    while !rest.is_empty() {
        let size = (*sizes.next().unwrap()).clamp(1, rest.len());
        let mut blocks = Blocks::new();
        let mut rows: Vec<Vec<Cell>> = Vec::new();
        for item in &rest[..size] {
            let any = Shape::of(&Type::Any);
            let cell = [Cell::from_json_value(item)];
            let mut cells = Vec::new();
            let row = Row {
                cells: &cell,
                blocks: &Blocks::new(),
                shape: &any,
            };
            convert::fit_row(row, full, &mut cells, &mut blocks)
                .unwrap_or_else(|e| panic!("{item}: {e}"));
            if let (Some(full), Some(narrow)) = (full.as_record(), narrow.as_record())
                && narrow.rest.is_none()
            {
                cells = narrow
                    .fields
                    .iter()
                    .map(|f| cells[full.slot(&f.name).unwrap()].clone())
                    .collect();
            }
            rows.push(cells);
        }
        let mut batch = Batch::new(Shape::of(narrow), blocks);
        for row in rows {
            batch.push(row);
        }
        batch.keep_origins();
        batch.ord = ord;
        batch.span = size as u64;
        ord += size as u64;
        rest = &rest[size..];
        made.push(batch);
    }
    made
}

fn json(batch: &Batch) -> impl Iterator<Item = Json> {
    batch.rows().map(|row| {
        let mut text = Vec::new();
        row.detach().write_json(row.blocks, &mut text);
        serde_json::from_slice(&text).unwrap()
    })
}

/// What others see of an item: the fields that they use.
fn seen(item: Json, used: &Type) -> Json {
    match (item, used.as_record()) {
        (Json::Object(fields), Some(record)) if record.rest.is_none() => fields
            .into_iter()
            .filter(|(name, _)| record.slot(name).is_some())
            .collect(),
        (item, _) => item,
    }
}

/// Runs a step over items of this type.
pub(super) fn run(yaml: &str, ty: &Type, items: &[Json], how: &How) -> Ran {
    let (step, out) = infer(yaml, ty).unwrap_or_else(|said| panic!("{yaml}: {said:#?}"));
    run_step(&*step, &out, ty, items, how)
}

/// Runs a step, of which it is known what it makes, over items of this type.
pub(super) fn run_step(step: &dyn Step, out: &Type, ty: &Type, items: &[Json], how: &How) -> Ran {
    let yaml = step.describe();
    let env = Env {
        item: Some(ty.clone()),
        ..Env::default()
    };
    let narrow = step.uses(ty, &how.after, &env).narrow(ty);
    let scope = Scope::default();
    let cx = CompileCx {
        env: &env,
        conns: &NoTypes,
        types: &NoTypes,
        folder: Path::new("."),
        scope: &scope,
        processes: None,
    };
    let compiled = step.compile(Some(&narrow), &how.after, &cx);
    let used = how.after.narrow(out);
    assert_eq!(
        how.after.narrow(&compiled.out),
        used,
        "what is used of the inferred type comes out"
    );
    let mut bench = Bench::default();
    let mut ran = Ran {
        ty: Some(compiled.out.clone()),
        ..Ran::default()
    };
    let mut out = Vec::new();
    let input = batches(items, ty, &narrow, &how.sizes);
    match &compiled.op {
        op @ (Op::Each(_) | Op::Turn(_) | Op::Block(_)) => {
            let turn = in_turn(op);
            run_batches(&mut *alone(op), input, turn, &mut bench, &mut out, &mut ran);
        }
        Op::Memory(make) => run_memory(&**make, input, &how.parts, &mut bench, &mut out, &mut ran),
        op => panic!("{op:?}"),
    }
    for batch in &out {
        assert_eq!(batch.ty(), &compiled.out);
        ran.out.extend(json(batch).map(|item| seen(item, &used)));
    }
    ran.tally = bench.tally;
    ran.errors = bench.faults.0.into_iter().map(|(_, e)| e.message).collect();
    if ran.stopped.is_none() {
        let ended: u64 = ran.tally.ended.iter().sum();
        let gone = ended + ran.errors.len() as u64 + ran.out.len() as u64;
        assert_eq!(
            items.len() as u64 + ran.tally.made,
            gone,
            "{yaml}: every row is accounted for: {ran:?}"
        );
    }
    ran
}

/// Runs a sink over items of this type, and gives what was written to the program's own streams.
pub(super) fn run_sink(yaml: &str, ty: &Type, items: &[Json]) -> (Ran, Streams) {
    let (step, _) = infer(yaml, ty).unwrap_or_else(|said| panic!("{yaml}: {said:#?}"));
    let env = Env {
        item: Some(ty.clone()),
        ..Env::default()
    };
    let scope = Scope::default();
    let cx = CompileCx {
        env: &env,
        types: &NoTypes,
        folder: Path::new("."),
        scope: &scope,
        processes: None,
        conns: &NoTypes,
    };
    let compiled = step.compile(Some(ty), &Uses::all(Use::Look), &cx);
    let mut bench = Bench::default();
    let mut ran = Ran::default();
    match bench.sink(&compiled.op, batches(items, ty, ty, &[2, 1])) {
        Ok(passed) => ran.out.extend(passed.iter().flat_map(json)),
        Err(error) => ran.stopped = Some(error),
    }
    ran.errors = bench.faults.0.into_iter().map(|(_, e)| e.message).collect();
    (ran, bench.streams)
}

/// A step as the source of a stage, with `as`.
pub(super) fn infer_source(
    yaml: &str,
    target: Option<&Type>,
) -> Result<(Box<dyn Step>, Type), Vec<Diagnostic>> {
    let node = node(yaml);
    let (key, options) = &node.as_map().unwrap()[0];
    let def = find(&key.text).unwrap_or_else(|| panic!("no step {}", key.text));
    let mut diagnostics = Diagnostics::default();
    let mut reader = Reader {
        diagnostics: &mut diagnostics,
        step: def.name,
        at: key.at,
    };
    let mut step = (def.read)(options, &mut reader);
    let mut out = Type::Any;
    if let Some(step) = &mut step {
        if let Some(ty) = target {
            assert!(step.target(ty), "{yaml} takes no `as`");
        }
        let mut cx = Infer {
            env: &Env::default(),
            types: &NoTypes,
            diagnostics: &mut diagnostics,
            at: key.at,
            folder: Path::new("."),
        };
        out = step.infer(None, &mut cx);
    }
    if diagnostics.has_errors() {
        return Err(diagnostics.sorted());
    }
    Ok((step.expect("a step, or an error"), out))
}

/// Runs a source to its end.
pub(super) fn run_source(yaml: &str, target: Option<&Type>, folder: &Path, after: &Uses) -> Ran {
    let (step, out) = infer_source(yaml, target).unwrap_or_else(|said| panic!("{yaml}: {said:#?}"));
    let (env, scope) = (Env::default(), Scope::default());
    let cx = CompileCx {
        env: &env,
        conns: &NoTypes,
        types: &NoTypes,
        folder,
        scope: &scope,
        processes: None,
    };
    let compiled = step.compile(None, after, &cx);
    let Op::Source(make) = &compiled.op else {
        panic!("{:?}", compiled.op)
    };
    let mut bench = Bench::default();
    let mut ran = Ran::default();
    let mut rows = match bench.pull_all(&mut *make(), 3) {
        Ok(rows) => rows,
        Err(error) => {
            ran.stopped = Some(error);
            Vec::new()
        }
    };
    let second = step.second(after);
    let ty = second.as_ref().map_or(&compiled.out, |s| &s.out).clone();
    assert_eq!(after.narrow(&ty), after.narrow(&out));
    if let Some(second) = &second {
        let Op::Each(make) = &second.op else {
            panic!("{:?}", second.op)
        };
        let mut made = Vec::new();
        run_batches(&mut *make(), rows, false, &mut bench, &mut made, &mut ran);
        rows = made;
    }
    for batch in &rows {
        assert_eq!(batch.ty(), &ty);
        ran.out
            .extend(json(batch).map(|item| seen(item, &after.narrow(&out))));
    }
    ran.ty = Some(ty);
    ran.errors = bench.faults.0.into_iter().map(|(_, e)| e.message).collect();
    ran
}

fn run_batches(
    step: &mut dyn BatchStep,
    input: Vec<Batch>,
    turn: bool,
    bench: &mut Bench,
    out: &mut Vec<Batch>,
    ran: &mut Ran,
) {
    for batch in input {
        let range = (batch.ord, batch.span);
        let made = match bench.with(|cx| step.run(batch, cx)) {
            Flow::Next(batch) => vec![batch],
            Flow::Many(parts) => parts,
            Flow::End(batch) => {
                ran.ended = true;
                vec![batch]
            }
            Flow::Wait(..) => panic!("a step of shape waits"),
            Flow::Stop(error) => {
                ran.stopped = Some(error);
                return;
            }
        };
        if !turn {
            assert!(
                made.iter().all(|b| (b.ord, b.span) == range),
                "ordinals are kept"
            );
        }
        out.extend(made);
    }
    while turn && let Some(batch) = bench.with(|cx| step.finish(cx)).expect("it finishes") {
        out.push(batch);
    }
}

fn run_memory(
    make: &dyn Fn() -> Box<dyn Memory>,
    input: Vec<Batch>,
    parts: &[usize],
    bench: &mut Bench,
    out: &mut Vec<Batch>,
    ran: &mut Ran,
) {
    let count = parts.iter().max().unwrap() + 1;
    let mut memories: Vec<Box<dyn Memory>> = (0..count).map(|_| make()).collect();
    for (batch, part) in input.into_iter().zip(parts.iter().cycle()) {
        if let Err(error) = bench.with(|cx| memories[*part].absorb(batch, cx)) {
            ran.stopped = Some(error);
            return;
        }
        ran.held = ran.held.max(memories.iter().map(|m| m.held()).sum());
    }
    // As the worker loop does: all parts, in whatever order they come, go into one that saw nothing.
    let mut whole = make();
    for part in memories.into_iter().rev() {
        whole.merge(part);
    }
    loop {
        match bench.with(|cx| whole.drain(cx)) {
            Ok(Some(batch)) => out.push(batch),
            Ok(None) => return,
            Err(error) => {
                ran.stopped = Some(error);
                return;
            }
        }
    }
}
