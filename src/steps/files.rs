//! `files`: the files that a pattern stands for, as items.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::template_text::TemplateText;
use super::wildcards::Wildcards;
use super::words::Args;
use super::{
    BatchStep, CompileCx, Compiled, Cx, Flow, Group, Infer, ItemError, ItemErrorKind, Op, Opt,
    Outcome, Pull, Reader, RunError, Source, Step, StepDef,
};
use crate::expr::{Env, TemplateCode, Uses};
use crate::spec::Node;
use crate::value::{Batch, Blocks, Cell, Row, Shape, Type};

pub(super) static FILES: StepDef = StepDef {
    name: "files",
    group: Group::Source,
    summary: "Gives the files that a pattern stands for: path, dir, name, stem, ext, size and time of the last change.",
    main: Some("glob"),
    options: &[Opt {
        name: "glob",
        form: "list of template",
        help: "A pattern, or several: `*` and `?` within a name, `[a-z]`, `**` for any number of folders.",
        required: true,
    }],
    names: false,
    example: "- files: logs/*.gz\n- filter: size > 0\n- print: '{path}: {size} bytes'\n",
    read,
};

/// What is known of a file, in this order; `dir`, `stem` and `ext` as Python's pathlib has them.
const FIELDS: [(&str, Type); 7] = [
    ("path", Type::String),
    ("dir", Type::String),
    ("name", Type::String),
    ("stem", Type::String),
    ("ext", Type::String),
    ("size", Type::Int),
    ("modified", Type::Timestamp),
];

#[derive(Debug)]
struct Files {
    globs: Vec<TemplateText>,
}

fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Box<dyn Step>> {
    let args = Args::of(node, &FILES, reader);
    let glob = args.need("glob", reader)?;
    let globs: Option<Vec<TemplateText>> = glob
        .one_or_more()
        .iter()
        .map(|n| TemplateText::read(n, "`glob`", reader))
        .collect();
    let globs = globs?;
    if globs.is_empty() {
        reader.error("E0105", glob.at, "`files` has an empty list of patterns");
        return None;
    }
    Some(Box::new(Files { globs }))
}

fn ty() -> Type {
    Type::record(FIELDS.map(|(name, ty)| (name.into(), ty)))
}

impl Step for Files {
    fn infer(&self, input: Option<&Type>, cx: &mut Infer<'_>) -> Type {
        for glob in &self.globs {
            glob.check(input, cx);
        }
        ty()
    }

    fn uses(&self, input: &Type, _: &Uses, env: &Env) -> Uses {
        let mut uses = Uses::nothing();
        for glob in &self.globs {
            uses.merge(&glob.uses(input, env));
        }
        uses
    }

    fn compile(&self, input: Option<&Type>, after: &Uses, cx: &CompileCx<'_>) -> Compiled {
        let out = after.narrow(&ty());
        let plan = Arc::new(Plan {
            globs: self.globs.iter().map(|g| g.compile(input, cx)).collect(),
            folder: cx.folder.to_owned(),
            shape: Shape::of(&out),
        });
        let op = if input.is_some() {
            Op::Each(Arc::new(move || Box::new(Within(plan.clone()))))
        } else {
            Op::Source(Arc::new(move || {
                Box::new(All {
                    plan: plan.clone(),
                    found: None,
                })
            }))
        };
        Compiled { out, op }
    }

    fn is_source(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        let globs: Vec<&str> = self.globs.iter().map(TemplateText::text).collect();
        format!("files {}", globs.join(", "))
    }
}

struct Plan {
    globs: Vec<TemplateCode>,
    folder: PathBuf,
    shape: Arc<Shape>,
}

/// Files, one after the other; a file that cannot be looked at any more has gone in the meantime.
type Found = Box<dyn Iterator<Item = Result<(String, PathBuf), String>> + Send>;

impl Plan {
    /// The files of one pattern.
    fn find(&self, glob: &TemplateCode, row: Row<'_>, cx: &Cx<'_>) -> Result<Found, ItemError> {
        let mut text = Vec::new();
        glob.render(row, cx.scope, &mut text)?;
        let name = String::from_utf8_lossy(&text).into_owned();
        let path = self.folder.join(&name);
        let failed = |message| ItemError::new(ItemErrorKind::Io, message);
        match Wildcards::of(&name, &path).map_err(failed)? {
            Some(found) => Ok(Box::new(found)),
            None => Ok(Box::new(
                path.is_file().then_some(Ok((name, path))).into_iter(),
            )),
        }
    }

    fn push(&self, name: &str, path: &Path, out: &mut Batch) {
        let Ok(meta) = path.metadata() else { return };
        let shown = Path::new(name);
        let text = |part: Option<&std::ffi::OsStr>| {
            part.map(|p| p.to_string_lossy().into_owned())
                .unwrap_or_default()
        };
        let dir = match shown.parent().map(|p| p.to_string_lossy().into_owned()) {
            Some(dir) if !dir.is_empty() => dir,
            _ => ".".into(),
        };
        let texts = [
            name.to_owned(),
            dir,
            text(shown.file_name()),
            text(shown.file_stem()),
            text(shown.extension()),
        ];
        let record = self.shape.record().expect("BUG: a file is no record");
        let (cells, blocks) = out.parts_mut();
        for field in &record.fields {
            cells.push(
                match FIELDS.iter().position(|(name, _)| **name == *field.name) {
                    Some(5) => Cell::Int(i64::try_from(meta.len()).unwrap_or(i64::MAX)),
                    Some(6) => modified(&meta),
                    Some(i) => blocks.text(&texts[i]),
                    None => unreachable!("BUG: a file has no {}", field.name),
                },
            );
        }
        out.grew(1);
    }
}

fn modified(meta: &std::fs::Metadata) -> Cell {
    let Ok(at) = meta.modified() else {
        return Cell::Null;
    };
    match at.duration_since(UNIX_EPOCH) {
        Ok(after) => Cell::Time {
            secs: i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            nanos: after.subsec_nanos(),
        },
        Err(before) => {
            let before = before.duration();
            let part = before.subsec_nanos();
            let secs = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            Cell::Time {
                secs: -secs - i64::from(part > 0),
                nanos: if part > 0 { 1_000_000_000 - part } else { 0 },
            }
        }
    }
}

/// `files` as a source.
struct All {
    plan: Arc<Plan>,
    /// The patterns that are still to come, and the files of this one.
    found: Option<(std::vec::IntoIter<TemplateCode>, Found, bool)>,
}

impl All {
    fn next(&mut self, cx: &Cx<'_>) -> Result<Option<(String, PathBuf)>, RunError> {
        let failed = |message| RunError::Failed { message };
        let (globs, found, any) = self.found.get_or_insert_with(|| {
            let none: Found = Box::new(std::iter::empty());
            (self.plan.globs.clone().into_iter(), none, true)
        });
        loop {
            if let Some(file) = found.next() {
                *any = true;
                return file.map(Some).map_err(failed);
            }
            if !*any {
                cx.output
                    .log("warning: no file matches a pattern of `files`");
            }
            let Some(glob) = globs.next() else {
                return Ok(None);
            };
            let (blocks, shape) = (Blocks::new(), Shape::of(&Type::record([])));
            let row = Row {
                cells: &[],
                blocks: &blocks,
                shape: &shape,
            };
            *found = self
                .plan
                .find(&glob, row, cx)
                .map_err(|e| failed(e.message))?;
            *any = false;
        }
    }
}

impl Source for All {
    fn pull(&mut self, want: usize, cx: &mut Cx<'_>) -> Pull {
        let mut out = Batch::with_capacity(self.plan.shape.clone(), Blocks::new(), want);
        while out.len() < want {
            match self.next(cx) {
                Ok(Some((name, path))) => self.plan.push(&name, &path, &mut out),
                Ok(None) => break,
                Err(error) => return Pull::Stop(error),
            }
        }
        if out.is_empty() {
            Pull::End
        } else {
            Pull::Rows(out)
        }
    }
}

/// `files` behind other steps: each item says the patterns.
struct Within(Arc<Plan>);

impl Within {
    fn find(&self, row: Row<'_>, cx: &Cx<'_>, out: &mut Batch) -> Result<(), ItemError> {
        for glob in &self.0.globs {
            for file in self.0.find(glob, row, cx)? {
                let (name, path) = file.map_err(|m| ItemError::new(ItemErrorKind::Io, m))?;
                self.0.push(&name, &path, out);
            }
        }
        Ok(())
    }
}

impl BatchStep for Within {
    fn run(&mut self, mut batch: Batch, cx: &mut Cx<'_>) -> Flow {
        let mut all = Vec::new();
        for i in 0..batch.len() {
            let origin = batch.origin(i);
            let mut made = Batch::new(self.0.shape.clone(), Blocks::new());
            if let Err(error) = self.find(batch.row(i), cx, &mut made) {
                cx.fail(origin, batch.row(i), error);
                continue;
            }
            match made.len() {
                0 => cx.settle(Outcome::Filtered, 1),
                n => cx.made(n - 1),
            }
            made.map_origins(|_| origin);
            (made.ord, made.span) = (batch.ord, batch.span);
            all.push(made);
        }
        batch.clear();
        Flow::Many(all)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::harness::{How, infer_source, only, record, run, run_source};
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("sub/deep.d")).unwrap();
        for name in ["b.tar.gz", "a", "sub/.rc", "sub/deep.d/c.log"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        folder
    }

    #[test]
    fn a_file_has_the_parts_that_pathlib_knows() {
        let dir = folder();
        let after = only(&["path", "dir", "name", "stem", "ext", "size"]);
        let ran = run_source(
            "files: ['*', '**/.rc', 'sub/**/*.log']",
            None,
            dir.path(),
            &after,
        );
        assert_eq!(
            ran.json(),
            json!([
                {"path": "a", "dir": ".", "name": "a", "stem": "a", "ext": "", "size": 1},
                {"path": "b.tar.gz", "dir": ".", "name": "b.tar.gz", "stem": "b.tar", "ext": "gz", "size": 8},
                {"path": "sub/.rc", "dir": "sub", "name": ".rc", "stem": ".rc", "ext": "", "size": 7},
                {"path": "sub/deep.d/c.log", "dir": "sub/deep.d", "name": "c.log", "stem": "c", "ext": "log", "size": 16},
            ])
            .to_string()
        );
    }

    #[test]
    fn the_time_of_the_last_change_is_a_timestamp() {
        let dir = folder();
        let file = std::fs::File::options()
            .write(true)
            .open(dir.path().join("a"))
            .unwrap();
        for (nanos, want) in [
            (1_500_000_000_i64, "1970-01-01T00:00:01.5Z"),
            (-500_000_000, "1969-12-31T23:59:59.5Z"),
        ] {
            let by = std::time::Duration::from_nanos(nanos.unsigned_abs());
            file.set_modified(if nanos < 0 {
                UNIX_EPOCH - by
            } else {
                UNIX_EPOCH + by
            })
            .unwrap();
            let ran = run_source("files: a", None, dir.path(), &only(&["modified"]));
            assert_eq!(ran.out, [json!({"modified": want})]);
        }
    }

    #[test]
    fn a_pattern_without_a_match_gives_nothing() {
        let ran = run_source(
            "files: [none, 'no*']",
            None,
            folder().path(),
            &only(&["path"]),
        );
        assert!(ran.out.is_empty() && ran.stopped.is_none());
        assert!(infer_source("files: []", None).is_err());
    }

    #[test]
    fn behind_other_steps_each_item_says_the_pattern() {
        let dir = folder();
        let ty = record(&[("at", Type::String)]);
        let at = |sub: &str| json!({"at": dir.path().join(sub)});
        let how = How {
            after: only(&["name"]),
            ..How::default()
        };
        let ran = run(
            "files: '{at}/*'",
            &ty,
            &[at("."), at("none"), at("sub")],
            &how,
        );
        assert_eq!(
            ran.json(),
            r#"[{"name":"a"},{"name":"b.tar.gz"},{"name":".rc"}]"#
        );
    }
}
