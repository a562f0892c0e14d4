//! The step `parse`: text to records; one file a format.
//!
//! Knows texts and cells, not where the texts come from. Pitfall: a parser must append exactly one row or
//! nothing; what a failed one has begun is taken back.

mod apache;
pub(super) mod csv;
pub(super) mod json;
mod logfmt;
mod regex;
pub(super) mod rows;

use super::words::{a, field_names, no_item};
use super::{CompileCx, Compiled, Group, Infer, Op, Opt, Reader, Step, StepDef};
use crate::diagnostic::{At, Diagnostic, nearest};
use crate::expr::{Env, Use, Uses};
use crate::spec::Node;
use crate::value::Type;

pub(super) static PARSE: StepDef = StepDef {
    name: "parse",
    group: Group::Shape,
    summary: "Reads the text of each item: JSON, an access log, a regular expression's groups.",
    main: Some("format"),
    options: &[
        Opt {
            name: "format",
            form: "json|csv|logfmt|combined|common|regex",
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
            name: "csv",
            form: "any",
            help: "A row of separated values. Options: `columns` (their names, required), `delimiter`, `strict`.",
            required: false,
        },
        Opt {
            name: "logfmt",
            form: "any",
            help: "`key=value key=\"a value\"`; the values are texts unless `as` says more. Options: `strict`.",
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

/// The formats, for "did you mean", and the options that each has.
const FORMATS: &[(&str, &[&str])] = &[
    ("json", &["strict"]),
    ("csv", &["columns", "delimiter", "strict"]),
    ("logfmt", &["strict"]),
    ("combined", &["strict"]),
    ("common", &["strict"]),
    ("regex", &["pattern", "strict"]),
];

/// What a format makes of a text.
trait Format: std::fmt::Debug + Send + Sync {
    /// The type of what it makes, all fields. `target` is what `as` asks for.
    fn makes(&self, target: Option<&Type>) -> Type;

    /// Does it make the type that `as` asks for by itself?
    fn converts(&self) -> bool {
        false
    }

    /// Can it make that type?
    ///
    /// # Errors
    /// Why not, in a sentence.
    fn check(&self, full: &Type) -> Result<(), String> {
        let _ = full;
        Ok(())
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
    let Some(map) = node.as_map() else {
        return named_format(node, false, reader);
    };
    let known: Vec<&str> = ["format", "strict"]
        .into_iter()
        .chain(FORMATS.iter().map(|f| f.0))
        .collect();
    reader.options(node, &known);
    let (strict, formats): (Vec<_>, Vec<_>) = map.iter().partition(|(k, _)| k.text == "strict");
    let strict = match strict.first() {
        Some((_, node)) => reader.flag(node, "`strict`")?,
        None => false,
    };
    let [(key, value)] = formats.as_slice() else {
        let (at, message) = match formats.get(1) {
            None => (node.at, "`parse` does not say what to read".to_owned()),
            Some((second, _)) => (
                second.at,
                format!(
                    "`parse` reads one format, and `{}` is a second one",
                    second.text
                ),
            ),
        };
        reader
            .diagnostics
            .push(Diagnostic::new("E0106", at, message).help(format_names()));
        return None;
    };
    if key.text == "format" {
        return named_format(value, strict, reader);
    }
    let (name, options) = FORMATS.iter().find(|(name, _)| *name == key.text)?;
    let args = if value.as_map().is_some() {
        let strict = match value.get("strict") {
            Some(node) => reader.flag(node, "`strict`")?,
            None => strict,
        };
        reader.options(value, options);
        Args {
            at: key.at,
            main: None,
            options: Some(value),
            strict,
        }
    } else {
        Args {
            at: key.at,
            main: Some(value),
            options: None,
            strict,
        }
    };
    build(name, args, reader)
}

fn named_format(node: &Node, strict: bool, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let text = reader.text(node, "`parse`")?;
    let Some((name, _)) = FORMATS.iter().find(|(name, _)| *name == text) else {
        let d = Diagnostic::new(
            "E0105",
            node.at,
            format!("`parse` knows no format `{text}`"),
        );
        reader
            .diagnostics
            .push(match nearest(text, FORMATS.iter().map(|f| f.0)) {
                Some(near) => d.help(format!("did you mean `{near}`?")),
                None => d.help(format_names()),
            });
        return None;
    };
    build(
        name,
        Args {
            at: node.at,
            main: None,
            options: None,
            strict,
        },
        reader,
    )
}

fn format_names() -> String {
    let names: Vec<&str> = FORMATS.iter().map(|f| f.0).collect();
    format!("the formats are {}", names.join(", "))
}

/// What was written behind a format's name.
struct Args<'n> {
    at: At,
    /// `{regex: '...'}`
    main: Option<&'n Node>,
    /// `{csv: {columns: [a, b]}}`
    options: Option<&'n Node>,
    strict: bool,
}

fn build(name: &'static str, args: Args<'_>, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    if let (Some(node), true) = (args.main, name != "regex") {
        let message = format!(
            "the options of `{name}` must be a mapping, not {}",
            node.describe()
        );
        reader.error("E0105", node.at, message);
        return None;
    }
    let option = |name: &str| args.options.and_then(|o| o.get(name));
    let format: Box<dyn Format> = match name {
        "json" => Box::new(json::Json),
        "combined" => Box::new(apache::Apache { combined: true }),
        "common" => Box::new(apache::Apache { combined: false }),
        "logfmt" => Box::new(logfmt::Logfmt),
        "csv" => Box::new(read_csv(
            args.at,
            option("columns"),
            option("delimiter"),
            reader,
        )?),
        _ => Box::new(regex::Pattern::read(
            args.at,
            args.main.or_else(|| option("pattern")),
            reader,
        )?),
    };
    Some(Box::new(Parse {
        name,
        format,
        strict: args.strict,
        target: None,
    }))
}

fn read_csv(
    at: At,
    columns: Option<&Node>,
    delimiter: Option<&Node>,
    reader: &mut Reader<'_>,
) -> Option<csv::Csv> {
    let Some(columns) = columns else {
        let d = Diagnostic::new(
            "E0106",
            at,
            "`csv` needs the names of the columns, since a text alone has no header",
        );
        reader.diagnostics.push(d.help("write `parse: {csv: {columns: [a, b]}}`; a file with a header is read by `read: {path: ..., format: csv}`"));
        return None;
    };
    let columns = field_names(columns, "`columns`", reader)?;
    let delimiter = delimiter.map_or(Some(b','), |n| read_delimiter(n, reader))?;
    Some(csv::Csv {
        delimiter,
        columns: columns.into_iter().map(|k| k.text).collect(),
    })
}

/// One character that may stand between fields.
pub(super) fn read_delimiter(node: &Node, reader: &mut Reader<'_>) -> Option<u8> {
    let text = reader.text(node, "`delimiter`")?;
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => Some(*byte),
        _ => {
            let d = Diagnostic::new(
                "E0105",
                node.at,
                format!(
                    "`delimiter` must be one ASCII character, not {}",
                    node.describe()
                ),
            );
            reader.diagnostics.push(d.help("such as `;` or \"\\t\""));
            None
        }
    }
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
        let full = self.full();
        if let Err(message) = self.format.check(&full) {
            cx.diagnostics
                .push(Diagnostic::new("E0304", cx.at, message));
        }
        full
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::testing::run_each;
    use crate::value::{Batch, Blocks, JsonRows, Shape};

    /// What a format makes of one text, written as JSON, or what it says is wrong.
    pub(super) fn parse_as(
        format: &dyn Format,
        after: &Uses,
        text: &str,
    ) -> Result<String, String> {
        parse_with(format, None, after, text)
    }

    /// The same for the type that `as` asks for.
    pub(super) fn parse_to(format: &dyn Format, ty: &Type, text: &str) -> Result<String, String> {
        format.check(ty)?;
        parse_with(format, Some(ty), &Uses::all(Use::Look), text)
    }

    fn parse_with(
        format: &dyn Format,
        target: Option<&Type>,
        after: &Uses,
        text: &str,
    ) -> Result<String, String> {
        let full = format.makes(target);
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
