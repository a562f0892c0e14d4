//! The step `read`: files and standard input to items.
//!
//! Knows bytes, not what is in the lines: that is `parse`. Pitfall: blocks are read into again, so whatever
//! stands behind `len` in a block is of an earlier read.

mod input;
mod lines;
mod pump;

use std::sync::Arc;

use self::input::Place;
use self::lines::{Encoding, Limits, Lines};
use super::template_text::TemplateText;
use super::{CompileCx, Compiled, Group, Infer, Op, Opt, Reader, Source, Step, StepDef};
use crate::diagnostic::Diagnostic;
use crate::expr::{Env, Uses};
use crate::spec::Node;
use crate::value::{Blocks, Row, Shape, Type};

pub(super) static READ: StepDef = StepDef {
    name: "read",
    group: Group::Source,
    summary: "Reads files, or standard input, line by line.",
    main: Some("path"),
    options: &[
        Opt {
            name: "path",
            form: "list of template",
            help: "A file, or several, one after the other; `-` is standard input. What ends in .gz is decompressed.",
            required: true,
        },
        Opt {
            name: "format",
            form: "lines",
            help: "What an item is: a line of text.",
            required: false,
        },
        Opt {
            name: "encoding",
            form: "utf-8|latin-1|lossy",
            help: "What is not valid UTF-8 is an item error (`utf-8`), every byte is a character (`latin-1`), or it \
                   becomes U+FFFD (`lossy`).",
            required: false,
        },
    ],
    names: false,
    example: "- read: access.log\n",
    read,
};

/// Options and formats of the language that are still to be built.
const LATER: &[&str] = &["follow", "header", "columns", "max_line"];
const LATER_FORMATS: &[&str] = &["json", "csv", "tsv", "text", "bytes"];

#[derive(Debug)]
struct Read {
    paths: Vec<TemplateText>,
    limits: Limits,
}

fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let mut limits = Limits {
        encoding: Encoding::Utf8,
        max_line: 1 << 20,
    };
    let mut paths = node;
    if node.as_map().is_some() {
        if let Some((key, _)) = node
            .as_map()?
            .iter()
            .find(|(k, _)| LATER.contains(&k.text.as_str()))
        {
            let message = format!(
                "`{}` of `read` is part of the language, but not built yet",
                key.text
            );
            reader.error("E0104", key.at, message);
            return None;
        }
        let options = reader.options(node, &["path", "format", "encoding"]);
        for (key, value) in options {
            match key.text.as_str() {
                "format" => match reader.text(value, "`format`")? {
                    "lines" => {}
                    later if LATER_FORMATS.contains(&later) => {
                        let message = format!(
                            "`format: {later}` of `read` is part of the language, but not built yet"
                        );
                        reader.error("E0104", value.at, message);
                        return None;
                    }
                    other => {
                        let d = Diagnostic::new(
                            "E0105",
                            value.at,
                            format!("`read` knows no format `{other}`"),
                        );
                        reader
                            .diagnostics
                            .push(d.help("the formats are lines, json, csv, tsv, text, bytes"));
                        return None;
                    }
                },
                "encoding" => {
                    limits.encoding = match reader.text(value, "`encoding`")? {
                        "utf-8" => Encoding::Utf8,
                        "latin-1" => Encoding::Latin1,
                        "lossy" => Encoding::Lossy,
                        other => {
                            let d = Diagnostic::new(
                                "E0105",
                                value.at,
                                format!("`read` knows no encoding `{other}`"),
                            );
                            reader
                                .diagnostics
                                .push(d.help("the encodings are utf-8, latin-1, lossy"));
                            return None;
                        }
                    }
                }
                _ => {}
            }
        }
        let Some(path) = node.get("path") else {
            let d = Diagnostic::new("E0106", node.at, "`read` does not say what to read");
            reader.diagnostics.push(d.help("give it a `path`"));
            return None;
        };
        paths = path;
    }
    let texts: Option<Vec<TemplateText>> = paths
        .one_or_more()
        .iter()
        .map(|n| TemplateText::read(n, "`path`", reader))
        .collect();
    let texts = texts?;
    if texts.is_empty() {
        reader.error("E0105", paths.at, "`read` has an empty list of files");
        return None;
    }
    Some(Box::new(Read {
        paths: texts,
        limits,
    }))
}

impl Step for Read {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        for path in &self.paths {
            path.check(None, cx);
        }
        if input.is_some() {
            let message = "`read` after other steps is part of the language, but not built yet";
            cx.diagnostics
                .push(Diagnostic::new("E0104", cx.at, message));
        }
        Type::String
    }

    fn uses(&self, _: &Type, _: &Uses, _: &Env) -> Uses {
        Uses::nothing()
    }

    fn compile(&self, _: Option<&Type>, _: &Uses, cx: &CompileCx<'_>) -> Compiled {
        let (blocks, shape) = (Blocks::new(), Shape::of(&Type::record([])));
        let row = Row {
            cells: &[],
            blocks: &blocks,
            shape: &shape,
        };
        let places: Result<Vec<Place>, String> = self
            .paths
            .iter()
            .map(|path| {
                let mut text = Vec::new();
                let code = path.compile(None, cx);
                code.render(row, cx.scope, &mut text)
                    .map_err(|e| format!("`{}`: {e}", path.text()))?;
                Ok(Place::of(&String::from_utf8_lossy(&text), cx.folder))
            })
            .collect();
        let limits = self.limits;
        let make = move || Box::new(Lines::new(places.clone(), limits)) as Box<dyn Source>;
        Compiled {
            out: Type::String,
            op: Op::Source(Arc::new(make)),
        }
    }

    fn is_source(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        let paths: Vec<&str> = self.paths.iter().map(TemplateText::text).collect();
        format!("read {}", paths.join(", "))
    }
}
