//! The step `parse`: text to records; one file a format.
//!
//! Knows lines and cells, not where the lines come from. Pitfall: a parser must append exactly one row or
//! nothing; [`ParseStep`] takes back what a failed one has begun.

mod apache;
mod json;
mod regex;

use std::sync::Arc;

use super::words::{a, no_item};
use super::{
    BatchStep, CompileCx, Compiled, Cx, Flow, Group, Infer, ItemError, Op, Opt, Reader, Step,
    StepDef,
};
use crate::diagnostic::Diagnostic;
use crate::expr::{Env, Use, Uses};
use crate::spec::{Key, Node};
use crate::value::{Batch, Blocks, Cell, Shape, Span, Type};

pub(super) static PARSE: StepDef = StepDef {
    name: "parse",
    group: Group::Shape,
    summary: "Reads the text of each item: JSON, an access log, a regular expression's groups.",
    main: Some("format"),
    options: &[
        Opt {
            name: "format",
            form: "json|combined|common",
            help: "The format, where it needs no options of its own.",
            required: false,
        },
        Opt {
            name: "json",
            form: "any",
            help: "One JSON value; its type is `any` unless `as` says more. Options: `strict`.",
            required: false,
        },
        Opt {
            name: "combined",
            form: "any",
            help: "A line of an access log as Apache and nginx write it. Options: `strict`.",
            required: false,
        },
        Opt {
            name: "common",
            form: "any",
            help: "The same without referer and agent. Options: `strict`.",
            required: false,
        },
        Opt {
            name: "regex",
            form: "any",
            help: "A regular expression; its named groups, `(?P<name>...)`, become fields. Options: `pattern`, `strict`.",
            required: false,
        },
        Opt {
            name: "strict",
            form: "bool",
            help: "Convert every field, also those that nothing uses, so that no error in them passes unnoticed.",
            required: false,
        },
    ],
    names: false,
    example: "- items: ['10.0.0.1 - - [10/Oct/2000:13:55:36 +0000] \"GET /a?b=1 HTTP/1.1\" 200 12 \"-\" \"curl\"']\n\
              - parse: combined\n\
              - print: '{path} {status}'\n",
    read,
};

/// The formats, for "did you mean" and the options that each has.
const FORMATS: &[(&str, &[&str])] = &[
    ("json", &["strict"]),
    ("combined", &["strict"]),
    ("common", &["strict"]),
    ("regex", &["pattern", "strict"]),
];

/// Formats of the language that are still to be built.
const LATER: &[&str] = &["csv", "logfmt"];

/// What a format makes of a text.
trait Format: std::fmt::Debug + Send + Sync {
    /// The type of what it makes, all fields. `target` is what `as` asks for.
    fn makes(&self, target: Option<&Type>) -> Type;

    /// Does it make the type that `as` asks for by itself?
    fn converts(&self) -> bool {
        false
    }

    /// The code that makes rows of type `out`, which has those fields of `full` that `after` uses.
    fn op(&self, full: &Type, out: &Type, after: &Uses, strict: bool) -> Op;
}

#[derive(Debug)]
struct Parse {
    name: &'static str,
    format: Box<dyn Format>,
    strict: bool,
    target: Option<Type>,
}

fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    if let Some(map) = node.as_map() {
        let known: Vec<&str> = ["format", "strict"]
            .into_iter()
            .chain(FORMATS.iter().map(|f| f.0))
            .collect();
        if let Some((key, _)) = map.iter().find(|(k, _)| LATER.contains(&k.text.as_str())) {
            return not_yet(key, reader);
        }
        let options = reader.options(node, &known);
        let named: Vec<&(Key, Node)> = options.iter().filter(|(k, _)| k.text != "strict").collect();
        let strict = match options.iter().find(|(k, _)| k.text == "strict") {
            Some((_, node)) => reader.flag(node, "`strict`")?,
            None => false,
        };
        let [(key, value)] = named.as_slice() else {
            let message = match named.as_slice() {
                [] => "`parse` does not say what to read".to_owned(),
                [_, second, ..] => format!(
                    "`parse` reads one format, and `{}` is a second one",
                    second.0.text
                ),
                [_] => unreachable!("BUG: one format is handled above"),
            };
            let at = named.get(1).map_or(node.at, |(k, _)| k.at);
            reader
                .diagnostics
                .push(Diagnostic::new("E0106", at, message).help(formats()));
            return None;
        };
        if key.text == "format" {
            return named_format(value, strict, reader);
        }
        return with_options(key, value, strict, reader);
    }
    named_format(node, false, reader)
}

fn named_format(node: &Node, strict: bool, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let text = reader.text(node, "`parse`")?;
    let key = Key {
        text: text.to_owned(),
        at: node.at,
    };
    if LATER.contains(&text) {
        return not_yet(&key, reader);
    }
    if !FORMATS.iter().any(|(name, _)| *name == text) {
        let mut d = Diagnostic::new(
            "E0105",
            node.at,
            format!("`parse` knows no format `{text}`"),
        );
        d = match crate::diagnostic::nearest(text, FORMATS.iter().map(|f| f.0)) {
            Some(near) => d.help(format!("did you mean `{near}`?")),
            None => d.help(formats()),
        };
        reader.diagnostics.push(d);
        return None;
    }
    build(&key, None, None, strict, reader)
}

fn formats() -> String {
    let names: Vec<&str> = FORMATS.iter().map(|f| f.0).collect();
    format!("the formats are {}", names.join(", "))
}

fn not_yet(key: &Key, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let message = format!(
        "`parse: {}` is part of the language, but not built yet",
        key.text
    );
    reader.error("E0104", key.at, message);
    None
}

/// `{combined: {strict: true}}`, `{regex: '...'}`.
fn with_options(
    key: &Key,
    value: &Node,
    strict: bool,
    reader: &mut Reader<'_>,
) -> Option<Box<dyn Step>> {
    let Some((_, known)) = FORMATS.iter().find(|(name, _)| *name == key.text) else {
        return None;
    };
    if value.as_map().is_some() {
        let strict = match value.get("strict") {
            Some(node) => reader.flag(node, "`strict`")?,
            None => strict,
        };
        reader.options(value, known);
        return build(key, None, Some(value), strict, reader);
    }
    build(key, Some(value), None, strict, reader)
}

fn build(
    key: &Key,
    main: Option<&Node>,
    options: Option<&Node>,
    strict: bool,
    reader: &mut Reader<'_>,
) -> Option<Box<dyn Step>> {
    let name = FORMATS.iter().find(|(name, _)| *name == key.text)?.0;
    if let (Some(node), true) = (main, name != "regex") {
        let message = format!(
            "the options of `{name}` must be a mapping, not {}",
            node.describe()
        );
        reader.error("E0105", node.at, message);
        return None;
    }
    let format: Box<dyn Format> = match name {
        "json" => Box::new(json::Json),
        "combined" => Box::new(apache::Apache { combined: true }),
        "common" => Box::new(apache::Apache { combined: false }),
        _ => Box::new(regex::Pattern::read(
            key.at,
            main.or_else(|| options?.get("pattern")),
            reader,
        )?),
    };
    Some(Box::new(Parse {
        name,
        format,
        strict,
        target: None,
    }))
}

impl Parse {
    fn full(&self) -> Type {
        self.format.makes(self.target.as_ref())
    }
}

impl Step for Parse {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        match input {
            None => cx.diagnostics.push(no_item("parse", cx.at)),
            Some(ty) if matches!(ty.required(), Type::String | Type::Any) => {}
            Some(ty) => {
                let d = Diagnostic::new(
                    "E0304",
                    cx.at,
                    format!("`parse` reads text, but the item is {}", a(ty)),
                );
                let help = match ty.required() {
                    Type::Record(record) => match record
                        .fields
                        .iter()
                        .find(|f| *f.ty.required() == Type::String)
                    {
                        Some(field) => format!("say which field holds it: `in: {}`", field.name),
                        None => "make a text of it first, with `map`".into(),
                    },
                    Type::Bytes => "make a text of it first: `map: string(item)`".into(),
                    _ => "make a text of it first, with `map`".into(),
                };
                cx.diagnostics.push(d.help(help));
            }
        }
        self.full()
    }

    fn uses(&self, _: &Type, _: &Uses, _: &Env) -> Uses {
        Uses::all(Use::Look)
    }

    fn compile(&self, _: Option<&Type>, after: &Uses, _: &CompileCx<'_>) -> Compiled {
        let full = self.full();
        let out = after.narrow(&full);
        let op = self.format.op(&full, &out, after, self.strict);
        Compiled { out, op }
    }

    fn target(&mut self, ty: &Type) -> bool {
        let takes = self.format.converts();
        if takes {
            self.target = Some(ty.clone());
        }
        takes
    }

    fn describe(&self) -> String {
        format!("parse {}", self.name)
    }
}

/// Reads one text into one row.
trait Parser: Clone + Send + Sync + 'static {
    /// Appends the row.
    ///
    /// # Errors
    /// What is wrong with the text, in a sentence. What was appended by then is taken back.
    fn parse(&mut self, text: &str, out: &mut Slots<'_>) -> Result<(), String>;
}

/// Where a parser puts its cells.
struct Slots<'a> {
    cells: &'a mut Vec<Cell>,
    blocks: &'a mut Blocks,
    /// Where the text stands in `blocks`, if it does.
    span: Option<Span>,
}

impl Slots<'_> {
    /// Appends the part `from..to` of the text, on character boundaries.
    #[inline]
    fn text(&mut self, text: &str, from: usize, to: usize) {
        let cell = match self.span {
            Some(span) => self.blocks.sub(span, from, to),
            None => self.blocks.text(&text[from..to]),
        };
        self.cells.push(cell);
    }

    #[inline]
    fn push(&mut self, cell: Cell) {
        self.cells.push(cell);
    }
}

/// The op that runs a parser.
fn op(parser: impl Parser, out: &Type) -> Op {
    let shape = Shape::of(out);
    Op::Each(Arc::new(move || {
        Box::new(ParseStep {
            parser: parser.clone(),
            shape: shape.clone(),
        })
    }))
}

struct ParseStep<P> {
    parser: P,
    shape: Arc<Shape>,
}

impl<P: Parser> BatchStep for ParseStep<P> {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let mut out = batch.derive(self.shape.clone());
        for i in 0..batch.len() {
            let row = batch.row(i);
            let cell = &row.cells[0];
            let Some(text) = row.str(0) else {
                cx.fail(batch.origin(i), row, not_text(cell, batch.blocks()));
                continue;
            };
            let span = if let Cell::Text(span) = cell {
                Some(*span)
            } else {
                None
            };
            let (cells, blocks) = out.parts_mut();
            let before = cells.len();
            match self.parser.parse(
                text,
                &mut Slots {
                    cells,
                    blocks,
                    span,
                },
            ) {
                Ok(()) => out.grew_from(&batch, i),
                Err(message) => {
                    cells.truncate(before);
                    cx.fail(batch.origin(i), row, ItemError::parse(message));
                }
            }
        }
        Flow::Next(out)
    }
}

/// An item that has no text, where the type allowed that.
fn not_text(cell: &Cell, blocks: &Blocks) -> ItemError {
    let mut found = Vec::new();
    cell.write_text(blocks, &mut found);
    found.truncate(60);
    let found = String::from_utf8_lossy(&found).into_owned();
    ItemError::new(
        super::ItemErrorKind::Type,
        format!("`parse` reads text, but the item is {found}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::testing::run_each;
    use crate::value::JsonRows;

    /// What a format makes of one text, written as JSON, or what it says is wrong.
    pub(super) fn parse_as(
        format: &dyn Format,
        after: &Uses,
        text: &str,
    ) -> Result<String, String> {
        let full = format.makes(None);
        let out = after.narrow(&full);
        let mut blocks = Blocks::new();
        let cell = blocks.text(text);
        let mut batch = Batch::new(Shape::of(&Type::String), blocks);
        batch.push([cell]);
        let (batch, mut failed) = run_each(&format.op(&full, &out, after, false), batch);
        if let Some(error) = failed.pop() {
            assert!(batch.is_empty(), "BUG: a failed row was handed on");
            return Err(error.message);
        }
        let mut json = Vec::new();
        JsonRows::new(batch.shape()).write(batch.row(0), &mut json);
        Ok(String::from_utf8(json).unwrap())
    }
}
