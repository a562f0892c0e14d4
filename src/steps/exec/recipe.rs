//! What runs for a row: the command, and what becomes of what it writes.

use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::super::{Cx, ItemError, ItemErrorKind, Processes};
use crate::expr::{CodePart, TemplateCode, render};
use crate::value::{Batch, Blocks, Cell, JsonReader, Row, Shape, Type, Want, Wanted};
use crate::worker::{Command, Exit};

/// What becomes of the standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Text,
    Lines,
    Json,
    Bytes,
    Ignore,
}

impl Takes {
    pub fn of(word: &str) -> Takes {
        match word {
            "lines" => Takes::Lines,
            "json" => Takes::Json,
            "bytes" => Takes::Bytes,
            "ignore" => Takes::Ignore,
            _ => Takes::Text,
        }
    }

    pub fn ty(self) -> Type {
        match self {
            Takes::Text | Takes::Lines => Type::String,
            Takes::Json => Type::Any,
            Takes::Bytes => Type::Bytes,
            Takes::Ignore => Type::Null,
        }
    }
}

/// One argument.
pub(super) struct Arg {
    /// It is nothing but one template.
    pub alone: bool,
    pub code: TemplateCode,
}

pub(super) struct Recipe {
    pub script: Option<String>,
    pub args: Vec<Arg>,
    pub result: Takes,
    pub stdin: Option<TemplateCode>,
    pub ok: Vec<i32>,
    pub cwd: Option<TemplateCode>,
    pub env: Vec<(String, TemplateCode)>,
    pub dash: bool,
    pub processes: Arc<Processes>,
    pub folder: PathBuf,
    pub shape: Arc<Shape>,
}

impl Recipe {
    /// The command for a row, and its standard input.
    pub fn command(
        &self,
        row: Row<'_>,
        cx: &Cx<'_>,
    ) -> Result<(Command, Option<Vec<u8>>), ItemError> {
        let mut argv: Vec<Vec<u8>> = Vec::new();
        if let Some(script) = &self.script {
            argv.extend([&b"sh"[..], b"-c", script.as_bytes(), b"sh"].map(<[u8]>::to_vec));
        }
        let mut blocks = Blocks::new();
        for arg in &self.args {
            let from = argv.len();
            match arg.code.parts() {
                [CodePart::Expr(code)] if arg.alone => {
                    let cell = code.cell(row, cx.scope, &mut blocks)?;
                    match cell.as_list() {
                        Some(list) if self.script.is_none() => {
                            argv.extend(list.iter().map(|c| shown(c, &blocks)));
                        }
                        _ => argv.push(shown(&cell, &blocks)),
                    }
                    if !self.dash && self.script.is_none() {
                        no_dash(&argv[from..])?;
                    }
                }
                _ => argv.push(self.render(&arg.code, row, cx)?),
            }
        }
        if let Some(with_nul) = argv.iter().find(|a| a.contains(&0)) {
            let message = format!(
                "an argument cannot have a NUL byte in it: {:?}",
                String::from_utf8_lossy(with_nul)
            );
            return Err(ItemError::new(ItemErrorKind::Io, message));
        }
        if argv.is_empty() {
            let message = "there is no program: the list of arguments is empty";
            return Err(ItemError::new(ItemErrorKind::Io, message));
        }
        let cwd = match &self.cwd {
            Some(cwd) => {
                let text = std::ffi::OsString::from_vec(self.render(cwd, row, cx)?);
                self.folder.join(text)
            }
            None => self.processes.cwd.clone(),
        };
        let stage = self.processes.env.iter();
        let mut env: Vec<(Vec<u8>, Vec<u8>)> = stage
            .map(|(k, v)| (k.clone().into_bytes(), v.clone().into_bytes()))
            .collect();
        for (name, value) in &self.env {
            env.push((name.clone().into_bytes(), self.render(value, row, cx)?));
        }
        let stdin = self.stdin.as_ref().map(|t| self.render(t, row, cx));
        let command = Command {
            argv,
            cwd: Some(cwd),
            env,
            extra: Vec::new(),
        };
        Ok((command, stdin.transpose()?))
    }

    fn render(&self, code: &TemplateCode, row: Row<'_>, cx: &Cx<'_>) -> Result<Vec<u8>, ItemError> {
        let mut text = Vec::new();
        code.render(row, cx.scope, &mut text)?;
        Ok(text)
    }

    /// What is wrong with how the program ended; `Ok`: nothing.
    pub fn judge(
        &self,
        program: &str,
        how: &Result<Exit, std::io::Error>,
        tail: &str,
    ) -> Result<(), ItemError> {
        let last = tail
            .lines()
            .last()
            .map_or(String::new(), |l| format!(": {l}"));
        let (kind, code, message) = match how {
            Ok(Exit::Code(code)) if self.ok.contains(code) => return Ok(()),
            Ok(Exit::Code(code)) => (
                ItemErrorKind::Exit,
                Cell::Int(i64::from(*code)),
                format!("`{program}` ended with exit code {code}{last}"),
            ),
            Ok(Exit::Signal(signal)) => {
                let name = crate::worker::signal_name(*signal);
                (
                    ItemErrorKind::Signal,
                    Cell::str(&name),
                    format!("`{program}` was killed by {name}{last}"),
                )
            }
            Ok(Exit::Memory(held)) => (
                ItemErrorKind::Memory,
                Cell::Null,
                over_memory(program, *held, self.processes.memory),
            ),
            Err(e) => (
                ItemErrorKind::Io,
                Cell::Null,
                format!("`{program}` cannot be started: {e}"),
            ),
        };
        Err(ItemError {
            code,
            output: (!tail.is_empty()).then(|| tail.to_owned()),
            ..ItemError::new(kind, message)
        })
    }

    /// The rows that the program's output is.
    pub fn rows(&self, mut bytes: Vec<u8>, out: &mut Batch) -> Result<usize, ItemError> {
        let parse = |message: &str| ItemError::parse(message.to_owned());
        let not_text = "what the program wrote is not UTF-8 (`stdout: bytes` takes it as it is)";
        match self.result {
            Takes::Ignore => {}
            Takes::Bytes => out.push([Cell::bytes(&bytes)]),
            Takes::Text => {
                if bytes.last() == Some(&b'\n') {
                    bytes.pop();
                }
                let text = String::from_utf8(bytes).map_err(|_| parse(not_text))?;
                out.push([Cell::str(&text)]);
            }
            Takes::Lines => {
                let text = String::from_utf8(bytes).map_err(|_| parse(not_text))?;
                for line in text.lines() {
                    let cell = out.blocks_mut().text(line);
                    out.push([cell]);
                }
            }
            Takes::Json => {
                let text = String::from_utf8(bytes).map_err(|_| parse(not_text))?;
                let mut reader = JsonReader::new(&Type::Any, &Type::Any, Wanted::all(Want::Look));
                let (cells, blocks) = out.parts_mut();
                reader
                    .read(text.trim(), None, cells, blocks)
                    .map_err(|why| {
                        parse(&format!("what the program wrote is no JSON value: {why}"))
                    })?;
                out.grew(1);
            }
        }
        Ok(out.len())
    }
}

/// That a program held more memory than it may.
pub(crate) fn over_memory(program: &str, held: u64, most: Option<u64>) -> String {
    let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
    format!(
        "`{program}` held {} of memory, and `memory` allows {}: it was ended",
        mib(held),
        mib(most.unwrap_or_default())
    )
}

fn shown(cell: &Cell, blocks: &Blocks) -> Vec<u8> {
    let mut text = Vec::new();
    render(cell, blocks, &mut text);
    text
}

fn no_dash(args: &[Vec<u8>]) -> Result<(), ItemError> {
    match args.iter().find(|a| a.first() == Some(&b'-')) {
        Some(arg) => Err(ItemError::new(
            ItemErrorKind::Io,
            format!(
                "the value {:?} begins with `-`, and the program could take it for an option (`dash: allow` lets it pass)",
                String::from_utf8_lossy(arg)
            ),
        )),
        None => Ok(()),
    }
}
