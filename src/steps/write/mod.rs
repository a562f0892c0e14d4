//! The step `write`: items to files and to the program's own streams, in a format.
//!
//! Each worker makes bytes of its rows, one after the other puts them where they go. Pitfall: the rows go on after
//! the sink, so nothing here may change them.

mod compress;
mod file;
mod format;
mod frames;
mod path;
mod put;
mod sink;
mod table;

use self::compress::Compression;
use self::format::{FORMATS, Format};
use self::path::PathCode;
use self::put::Write;
use self::sink::{Place, Plan, Render};
use super::parse::read_delimiter;
use super::template_text::TemplateText;
use super::words::{Args, a, field_names, no_item, unknown_field};
use super::{CompileCx, Compiled, Group, Infer, Opt, Reader, Step, StepDef};
use crate::diagnostic::{Diagnostic, nearest};
use crate::expr::{Env, Use, Uses};
use crate::spec::{Key, Node};
use crate::value::{BlockPool, Blocks, Row, Shape, Type};

pub(super) use self::put::stdout;

pub(super) static WRITE: StepDef = StepDef {
    name: "write",
    group: Group::Sink,
    summary: "Writes each item to a file or to standard output, and lets it pass on.",
    main: Some("to"),
    options: &[
        Opt {
            name: "to",
            form: "template",
            help: "A file, `stdout` or `stderr`; with `{expression}`, a file for each value. A new file is called \
                   NAME.partial until it is complete.",
            required: true,
        },
        Opt {
            name: "format",
            form: "lines|json|csv|tsv|table|bytes",
            help: "If it is not given, the file's name says it (.json, .jsonl, .csv, .tsv), else `lines`: texts as they \
                   are, everything else as JSON.",
            required: false,
        },
        Opt {
            name: "append",
            form: "bool",
            help: "Write to the end of the file that is there, instead of a new one.",
            required: false,
        },
        Opt {
            name: "replace",
            form: "bool",
            help: "Each item takes the place of the file.",
            required: false,
        },
        Opt {
            name: "compress",
            form: "gzip|zstd",
            help: "If it is not given, the file's name says it (.gz, .zst).",
            required: false,
        },
        Opt {
            name: "columns",
            form: "list of string",
            help: "Which fields csv, tsv and table show, in this order.",
            required: false,
        },
        Opt {
            name: "delimiter",
            form: "string",
            help: "What stands between the fields of csv, such as `;`.",
            required: false,
        },
        Opt {
            name: "header",
            form: "bool",
            help: "Whether csv and tsv begin with the names of the columns.",
            required: false,
        },
    ],
    names: false,
    example: "- range: 3\n- map: {n: item, square: item * item}\n- write: {to: stdout, format: json}\n",
    read,
};

#[derive(Debug)]
struct WriteStep {
    to: TemplateText,
    format: Format,
    append: bool,
    replace: bool,
    compression: Option<Compression>,
    header: bool,
    delimiter: u8,
    columns: Option<Vec<Key>>,
}

fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let args = Args::of(node, &WRITE, reader);
    let to = TemplateText::read(args.need("to", reader)?, "`to`", reader)?;
    if to.text().is_empty() {
        reader.error("E0105", to.at(), "`to` is empty: it names no file");
        return None;
    }
    let format = match args.get("format") {
        Some(node) => read_format(node, reader)?,
        None => Format::of_name(to.text()),
    };
    let mut flag = |name: &str, else_: bool| {
        args.get(name)
            .map_or(Some(else_), |n| reader.flag(n, &format!("`{name}`")))
    };
    let (append, replace, header) = (
        flag("append", false)?,
        flag("replace", false)?,
        flag("header", true)?,
    );
    let compression = match args.get("compress") {
        Some(node) => Some(read_compression(node, reader)?),
        None => None,
    };
    let columns = match args.get("columns") {
        Some(node) => Some(field_names(node, "`columns`", reader)?),
        None => None,
    };
    let mut delimiter = if format == Format::Tsv { b'\t' } else { b',' };
    if let Some(node) = args.get("delimiter") {
        delimiter = read_delimiter(node, reader)?;
        if !matches!(format, Format::Csv | Format::Tsv) {
            let message = "`delimiter` has a meaning only in the formats `csv` and `tsv`";
            reader.error("E0105", node.at, message);
        }
    }
    for option in ["columns", "header"] {
        if let (Some(node), false) = (args.get(option), format.has_columns()) {
            let message = format!(
                "`{option}` has no meaning in the format `{}`",
                format.name()
            );
            let d = Diagnostic::new("E0105", node.at, message);
            reader
                .diagnostics
                .push(d.help("it is for csv, tsv and table"));
        }
    }
    let step = WriteStep {
        to,
        format,
        append,
        replace,
        compression,
        header,
        delimiter,
        columns,
    };
    if let (Some(node), true) = (args.get("replace"), replace && append) {
        reader.error(
            "E0105",
            node.at,
            "a file cannot be replaced and appended to",
        );
    }
    if let (Some(node), true) = (
        args.get("replace").or(args.get("append")),
        (replace || append) && step.is_stream(),
    ) {
        reader.error("E0105", node.at, "`append` and `replace` are for files");
    }
    Some(Box::new(step))
}

fn read_compression(node: &Node, reader: &mut Reader<'_>) -> Option<Compression> {
    match reader.text(node, "`compress`")? {
        "gzip" => Some(Compression::Gzip),
        "zstd" => Some(Compression::Zstd),
        other => {
            let d = Diagnostic::new("E0105", node.at, format!("`compress` cannot be `{other}`"));
            reader.diagnostics.push(d.help("it is one of gzip, zstd"));
            None
        }
    }
}

fn read_format(node: &Node, reader: &mut Reader<'_>) -> Option<Format> {
    let text = reader.text(node, "`format`")?;
    if let Some((_, format)) = FORMATS.iter().find(|(name, _)| *name == text) {
        return Some(*format);
    }
    let names: Vec<&str> = FORMATS.iter().map(|(name, _)| *name).collect();
    let d = Diagnostic::new(
        "E0105",
        node.at,
        format!("`write` knows no format `{text}`"),
    );
    reader
        .diagnostics
        .push(match nearest(text, names.iter().copied()) {
            Some(near) => d.help(format!("did you mean `{near}`?")),
            None => d.help(format!("the formats are {}", names.join(", "))),
        });
    None
}

impl WriteStep {
    fn is_stream(&self) -> bool {
        matches!(self.to.text(), "stdout" | "stderr" | "-")
    }

    /// How the fields are used: JSON may be written as it was read.
    fn used(&self, input: &Type) -> Uses {
        let how = match self.format {
            Format::Json => Use::Pass,
            Format::Lines if matches!(input, Type::Record(_) | Type::Any) => Use::Pass,
            _ => Use::Look,
        };
        match &self.columns {
            Some(columns) => {
                let mut uses = Uses::nothing();
                for key in columns {
                    uses.field(&key.text.as_str().into(), how);
                }
                uses
            }
            None => Uses::all(how),
        }
    }
}

impl Step for WriteStep {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        let Some(input) = input else {
            cx.diagnostics.push(no_item("write", cx.at));
            return Type::Any;
        };
        self.to.check(Some(input), cx);
        if self.format == Format::Bytes
            && !matches!(input.required(), Type::String | Type::Bytes | Type::Any)
        {
            let message = format!(
                "`format: bytes` writes strings and bytes, but the item is {}",
                a(input)
            );
            cx.diagnostics.push(
                Diagnostic::new("E0304", cx.at, message).help("`format: lines` writes it as JSON"),
            );
        }
        if let Type::Record(record) = input {
            for key in self.columns.iter().flatten() {
                if record.field(&key.text).is_none() {
                    cx.diagnostics
                        .push(unknown_field(&key.text, key.at, record));
                }
            }
        }
        input.clone()
    }

    fn uses(&self, input: &Type, after: &Uses, env: &Env) -> Uses {
        let mut uses = after.clone();
        uses.merge(&self.used(input));
        uses.merge(&self.to.uses(input, env));
        uses
    }

    fn compile(&self, input: Option<&Type>, _: &Uses, cx: &CompileCx<'_>) -> Compiled {
        let input = input.cloned().unwrap_or(Type::Any);
        let plan = Plan {
            place: self.place(&input, cx),
            format: self.format,
            append: self.append,
            replace: self.replace,
            compression: self.compression,
            header: self.header,
            delimiter: self.delimiter,
            columns: self
                .columns
                .as_ref()
                .map(|c| c.iter().map(|k| k.text.clone()).collect()),
            shape: Shape::of(&input),
            buffers: BlockPool::new(BUFFERS),
        };
        let second = plan.clone();
        Compiled {
            out: input,
            op: super::rehearsal::sink(move || Render::new(&plan), move || Write::new(&second), cx),
        }
    }

    fn is_sink(&self) -> bool {
        true
    }

    fn writes(&self) -> Option<String> {
        if self.is_stream() {
            None
        } else {
            self.to.constant()
        }
    }

    fn describe(&self) -> String {
        let format = if self.format == Format::of_name(self.to.text()) {
            String::new()
        } else {
            format!(" as {}", self.format.name())
        };
        format!("write {}{format}", self.to.text())
    }
}

/// Idle buffers that a sink keeps.
const BUFFERS: usize = 8;

/// Names in an expression that may have another value at each item, though it does not look at the item.
const CHANGING: &[&str] = &["now", "worker", "values", "arrays", "queues", "run"];

impl WriteStep {
    /// Is it one file, whatever the items?
    fn is_one(&self, input: &Type, env: &Env) -> bool {
        let text = self.to.text();
        self.to.uses(input, env) == Uses::nothing()
            && !CHANGING.iter().any(|word| text.contains(word))
    }

    fn place(&self, input: &Type, cx: &CompileCx<'_>) -> Result<Place, String> {
        match self.to.text() {
            "stdout" | "-" => return Ok(Place::Stdout),
            "stderr" => return Ok(Place::Stderr),
            _ => {}
        }
        let code = self.to.compile(Some(input), cx);
        if self.to.constant().is_none() && !self.is_one(input, cx.env) {
            let path = PathCode::new(code, self.to.independent(Some(input), cx));
            return Ok(Place::Each(path, cx.folder.to_owned()));
        }
        let (blocks, shape) = (Blocks::new(), Shape::of(&Type::record([])));
        let row = Row {
            cells: &[],
            blocks: &blocks,
            shape: &shape,
        };
        let mut text = Vec::new();
        code.render(row, cx.scope, &mut text)
            .map_err(|e| format!("`{}`: {e}", self.to.text()))?;
        let name = String::from_utf8_lossy(&text).into_owned();
        let path = cx.folder.join(&name);
        Ok(Place::File(name, path))
    }
}

#[cfg(test)]
mod tests;
