//! The step `read`: files and standard input to items.
//!
//! A source cuts the bytes into records; where a record is more than a text (JSON, rows), the workers read it.
//! Pitfall: blocks are read into again, so whatever stands behind `len` in a block is of an earlier read.

mod decode;
mod input;
mod pump;
mod records;
mod whole;
mod within;

use std::sync::Arc;

use self::decode::Encoding;
use self::input::{Ending, Inputs, Place};
use self::records::{Cut, Records};
use self::whole::Whole;
use super::parse::{csv, json, read_delimiter, rows};
use super::template_text::TemplateText;
use super::words::{Args, field_names};
use super::{CompileCx, Compiled, Group, Infer, Op, Opt, Reader, Source, Step, StepDef};
use crate::diagnostic::{Diagnostic, nearest};
use crate::expr::{Env, Uses};
use crate::spec::{Key, Node};
use crate::value::{BlockPool, Blocks, JsonReader, Row, Shape, Type};

pub(super) static READ: StepDef = StepDef {
    name: "read",
    group: Group::Source,
    summary: "Reads files, or standard input: a line, a JSON value, a row or a whole file is an item.",
    main: Some("path"),
    options: &[
        Opt {
            name: "path",
            form: "list of template",
            help: "A file, a pattern (`logs/*.gz`), or several, one after the other; `-` is standard input. What ends in \
                   .gz or .zst is decompressed.",
            required: true,
        },
        Opt {
            name: "format",
            form: "lines|json|csv|tsv|text|bytes",
            help: "What an item is: a line (if it is not given), one JSON value a line, a row, the file as text or bytes.",
            required: false,
        },
        Opt {
            name: "encoding",
            form: "utf-8|latin-1|lossy",
            help: "What is not valid UTF-8 is an item error (`utf-8`), every byte is a character (`latin-1`), or it \
                   becomes U+FFFD (`lossy`).",
            required: false,
        },
        Opt {
            name: "max_line",
            form: "size",
            help: "A longer line or row is an item error; 1MiB if it is not given.",
            required: false,
        },
        Opt {
            name: "header",
            form: "bool",
            help: "Whether csv and tsv begin with the names of the columns; true if it is not given.",
            required: false,
        },
        Opt {
            name: "columns",
            form: "list of string",
            help: "The names of the columns where there is no header; with a header, which of them to read.",
            required: false,
        },
        Opt {
            name: "delimiter",
            form: "string",
            help: "What stands between the fields of csv, such as `;`.",
            required: false,
        },
        Opt {
            name: "follow",
            form: "bool",
            help: "Wait for more at the end of the file, as `tail -F` does, until the run is stopped.",
            required: false,
        },
    ],
    names: false,
    example: "- read: {path: people.csv, format: csv}\n  as: {name: string, age: int}\n- print: '{name} is {age}'\n",
    read,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Lines,
    Json,
    /// csv and tsv.
    Rows,
    Text,
    Bytes,
}

const FORMATS: &[(&str, Format)] = &[
    ("lines", Format::Lines),
    ("json", Format::Json),
    ("csv", Format::Rows),
    ("tsv", Format::Rows),
    ("text", Format::Text),
    ("bytes", Format::Bytes),
];

#[derive(Debug)]
struct Read {
    paths: Vec<TemplateText>,
    recipe: Recipe,
    columns: Option<Vec<Key>>,
    /// The format was written, and not left to be `lines`.
    said_format: bool,
    target: Option<Type>,
}

/// Blocks that are kept to be read into again.
const IDLE_BLOCKS: usize = 16;

/// How files are read, but for what is made of the records.
#[derive(Clone, Copy, Debug)]
struct Recipe {
    format: Format,
    delimiter: u8,
    header: bool,
    encoding: Encoding,
    max_line: usize,
    follow: bool,
}

impl Recipe {
    /// A source of these files, which reads into the blocks of a pool.
    fn source(&self, places: Result<Vec<Place>, String>, pool: &Arc<BlockPool>) -> Box<dyn Source> {
        let encoding = if self.format == Format::Bytes {
            Encoding::Utf8
        } else {
            self.encoding
        };
        let inputs = Inputs::new(places, encoding, self.follow);
        let cut = match self.format {
            Format::Text => return Box::new(Whole::new(inputs, &Type::String)),
            Format::Bytes => return Box::new(Whole::new(inputs, &Type::Bytes)),
            Format::Lines => Cut::Lines,
            Format::Json => Cut::Values,
            Format::Rows => Cut::Rows {
                delimiter: self.delimiter,
                header: self.header,
            },
        };
        Box::new(Records::new(inputs, cut, self.max_line, pool.clone()))
    }
}

fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let args = Args::of(node, &READ, reader);
    let path = args.need("path", reader)?;
    let paths: Option<Vec<TemplateText>> = path
        .one_or_more()
        .iter()
        .map(|n| TemplateText::read(n, "`path`", reader))
        .collect();
    let paths = paths?;
    if paths.is_empty() {
        reader.error("E0105", path.at, "`read` has an empty list of files");
        return None;
    }
    let mut delimiter = b',';
    let mut format = Format::Lines;
    if let Some(node) = args.get("format") {
        let (name, found) = choice(node, "`format`", FORMATS, reader)?;
        format = found;
        if name == "tsv" {
            delimiter = b'\t';
        }
    }
    let encodings = [
        ("utf-8", Encoding::Utf8),
        ("latin-1", Encoding::Latin1),
        ("lossy", Encoding::Lossy),
    ];
    let encoding = match args.get("encoding") {
        Some(node) => choice(node, "`encoding`", &encodings, reader)?.1,
        None => Encoding::Utf8,
    };
    let max_line = match args.get("max_line") {
        Some(node) => usize::try_from(reader.size(node, "`max_line`")?).unwrap_or(usize::MAX),
        None => 1 << 20,
    };
    // Places in a block have 32 bits.
    let max_line = max_line.min(1 << 30);
    let header = args
        .get("header")
        .map_or(Some(true), |n| reader.flag(n, "`header`"))?;
    if let Some(node) = args.get("delimiter") {
        delimiter = read_delimiter(node, reader)?;
    }
    let columns = match args.get("columns") {
        Some(node) => Some(field_names(node, "`columns`", reader)?),
        None => None,
    };
    let follow = args
        .get("follow")
        .map_or(Some(false), |n| reader.flag(n, "`follow`"))?;
    for option in ["header", "columns", "delimiter"] {
        if let (Some(node), true) = (args.get(option), format != Format::Rows) {
            let message = format!("`{option}` has a meaning only with `format: csv` or `tsv`");
            reader.error("E0105", node.at, message);
        }
    }
    if let (Some(node), Format::Text | Format::Bytes, true) = (args.get("follow"), format, follow) {
        reader.error(
            "E0105",
            node.at,
            "a file that is followed has no end, so it cannot be one item",
        );
    }
    if let (Some(node), true) = (
        args.get("follow"),
        follow && (paths.len() > 1 || !can_follow(&paths[0])),
    ) {
        let d = Diagnostic::new(
            "E0105",
            node.at,
            "`follow` goes on in one file that is neither compressed nor a pattern",
        );
        reader
            .diagnostics
            .push(d.help("give each file a stage of its own"));
    }
    if format == Format::Rows && !header && columns.is_none() {
        let d = Diagnostic::new("E0106", node.at, "without a header, the columns need names");
        reader.diagnostics.push(d.help("add `columns: [a, b]`"));
        return None;
    }
    let recipe = Recipe {
        format,
        delimiter,
        header,
        encoding,
        max_line,
        follow,
    };
    Some(Box::new(Read {
        paths,
        recipe,
        columns,
        said_format: args.get("format").is_some(),
        target: None,
    }))
}

fn can_follow(path: &TemplateText) -> bool {
    let text = path.text();
    !text.contains(['*', '?', '[']) && input::ending(text.as_ref()) == Ending::Plain
}

/// One of several words.
fn choice<'n, T: Copy>(
    node: &'n Node,
    what: &str,
    known: &[(&str, T)],
    reader: &mut Reader<'_>,
) -> Option<(&'n str, T)> {
    let text = reader.text(node, what)?;
    if let Some((_, value)) = known.iter().find(|(name, _)| *name == text) {
        return Some((text, *value));
    }
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    let d = Diagnostic::new(
        "E0105",
        node.at,
        format!("{what} of `{}` cannot be `{text}`", reader.step),
    );
    reader
        .diagnostics
        .push(match nearest(text, names.iter().copied()) {
            Some(near) => d.help(format!("did you mean `{near}`?")),
            None => d.help(format!("it is one of {}", names.join(", "))),
        });
    None
}

impl Read {
    fn column_names(&self) -> Option<Vec<String>> {
        self.columns
            .as_ref()
            .map(|c| c.iter().map(|k| k.text.clone()).collect())
    }

    fn full(&self) -> Type {
        match self.recipe.format {
            Format::Lines | Format::Text => Type::String,
            Format::Bytes => Type::Bytes,
            Format::Json => self.target.clone().unwrap_or(Type::Any),
            Format::Rows => csv::makes(self.column_names().as_deref(), self.target.as_ref()),
        }
    }

    /// What reads the records that the source has cut out.
    fn reading(&self, after: &Uses) -> Option<Compiled> {
        let full = self.full();
        let out = after.narrow(&full);
        let op = match self.recipe.format {
            Format::Lines | Format::Text | Format::Bytes => return None,
            Format::Json => rows::op(
                json::JsonParser(JsonReader::new(&full, &out, json::wanted(after))),
                &out,
            ),
            Format::Rows => {
                let delimiter = self.recipe.delimiter;
                match self.column_names() {
                    Some(columns) if !self.recipe.header => {
                        csv::rows_op(delimiter, columns, &full, &out, after, false)
                    }
                    chosen => csv::file_op(delimiter, &full, &out, after, chosen.is_some()),
                }
            }
        };
        Some(Compiled { out, op })
    }

    /// Rows that are read as lines are seldom meant.
    fn doubt_lines(&self, cx: &mut Infer<'_>) {
        for path in &self.paths {
            let name = path.text();
            let name = [".gz", ".zst"]
                .iter()
                .find_map(|c| name.strip_suffix(c))
                .unwrap_or(name);
            let Some(format) = ["csv", "tsv"]
                .into_iter()
                .find(|f| name.ends_with(&format!(".{f}")))
            else {
                continue;
            };
            let message = format!(
                "`{}` is read as lines, though its name says {format}",
                path.text()
            );
            cx.diagnostics.push(
                Diagnostic::new("W0701", path.at(), message)
                    .help(format!("write `read: {{path: {}, format: {format}}}`; `format: lines` says that lines are meant", path.text())),
            );
        }
    }

    /// What the source itself gives.
    fn cut(&self) -> Type {
        if self.recipe.format == Format::Bytes {
            Type::Bytes
        } else {
            Type::String
        }
    }
}

impl Step for Read {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        for path in &self.paths {
            path.check(input, cx);
        }
        let full = self.full();
        if !self.said_format {
            self.doubt_lines(cx);
        }
        if self.recipe.format == Format::Rows {
            let known = self.column_names();
            if let Err(message) = csv::check(known.as_deref(), &full) {
                cx.diagnostics
                    .push(Diagnostic::new("E0304", cx.at, message));
            }
        }
        if input.is_some() && self.recipe.follow {
            let message = "a file that is followed has no end, so only a source can do that";
            cx.diagnostics
                .push(Diagnostic::new("E0407", cx.at, message));
        }
        full
    }

    fn uses(&self, input: &Type, _: &Uses, env: &Env) -> Uses {
        let mut uses = Uses::nothing();
        for path in &self.paths {
            uses.merge(&path.uses(input, env));
        }
        uses
    }

    fn compile(&self, input: Option<&Type>, after: &Uses, cx: &CompileCx<'_>) -> Compiled {
        if input.is_some() {
            let second = self.reading(after);
            let out = second
                .as_ref()
                .map_or_else(|| self.cut(), |s| s.out.clone());
            let plan = within::Plan {
                paths: self.paths.iter().map(|p| p.compile(input, cx)).collect(),
                folder: cx.folder.to_owned(),
                recipe: self.recipe,
                second: second.map(|s| s.op),
            };
            return Compiled { out, op: plan.op() };
        }
        let places = self.places(cx);
        let recipe = self.recipe;
        let op = Op::Source(Arc::new(move || {
            recipe.source(places.clone(), &BlockPool::new(IDLE_BLOCKS))
        }));
        Compiled {
            out: self.cut(),
            op,
        }
    }

    fn second(&self, after: &Uses) -> Option<Compiled> {
        self.reading(after)
    }

    fn target(&mut self, ty: &Type) -> bool {
        let takes = matches!(self.recipe.format, Format::Json | Format::Rows);
        if takes {
            self.target = Some(ty.clone());
        }
        takes
    }

    fn is_source(&self) -> bool {
        true
    }

    fn is_endless(&self) -> bool {
        self.recipe.follow
    }

    fn describe(&self) -> String {
        let paths: Vec<&str> = self.paths.iter().map(TemplateText::text).collect();
        format!("read {}", paths.join(", "))
    }
}

impl Read {
    /// Where a source reads.
    fn places(&self, cx: &CompileCx<'_>) -> Result<Vec<Place>, String> {
        let (blocks, shape) = (Blocks::new(), Shape::of(&Type::record([])));
        let row = Row {
            cells: &[],
            blocks: &blocks,
            shape: &shape,
        };
        let place = |path: &TemplateText| {
            let mut text = Vec::new();
            let code = path.compile(None, cx);
            code.render(row, cx.scope, &mut text)
                .map_err(|e| format!("`{}`: {e}", path.text()))?;
            Ok(Place::of(&String::from_utf8_lossy(&text), cx.folder))
        };
        self.paths.iter().map(place).collect()
    }
}

#[cfg(test)]
mod tests;
