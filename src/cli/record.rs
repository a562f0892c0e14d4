//! What stays of a run in files: `--report` and `--trace`.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::trace;
use crate::notice::{Exit, Level};
use crate::plan::Plan;
use crate::report::output::Screen;
use crate::report::page;
use crate::value::Secrets;
use crate::wait::Registry;

#[derive(Debug, clap::Args)]
pub(super) struct Files {
    /// Writes what became of the run when it has ended: a page where FILE ends in .html, else JSON
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    report: Option<PathBuf>,
    /// Writes what every worker did and waited for, as Chrome trace events (for Perfetto or about:tracing)
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    trace: Option<PathBuf>,
}

/// What is known before the run begins.
pub(super) struct Before {
    pub file: PathBuf,
    /// Seconds since 1970.
    pub started: (i64, u32),
    pub warnings: Vec<Value>,
    pub secrets: Secrets,
}

impl Files {
    /// Can they be written? Better said before a long run than after it.
    ///
    /// # Errors
    /// What cannot, in a sentence.
    pub(super) fn try_out(&self) -> Result<(), String> {
        for path in [&self.report, &self.trace].into_iter().flatten() {
            // What an earlier run has left there stays until this one has ended.
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .map_err(|e| cannot(path, &e))?;
        }
        Ok(())
    }

    pub(super) fn traces(&self) -> bool {
        self.trace.is_some()
    }

    /// Writes what was asked for. `ended`: as the last event of `--progress json`.
    pub(super) fn write(
        &self,
        plan: &Plan,
        before: &Before,
        ended: &Value,
        registry: &Registry,
        screen: &Screen,
    ) -> Exit {
        let mut exit = Exit::Done;
        let mut write = |path: &Path, text: &str| {
            let hidden = before.secrets.hide(text);
            if let Err(e) = std::fs::write(path, hidden.as_bytes()) {
                screen.say(Level::Error, &cannot(path, &e));
                exit = Exit::Io;
            }
        };
        if let Some(path) = &self.report {
            let record = before.record(plan, ended);
            let is_page = path.extension().is_some_and(|e| e == "html" || e == "htm");
            let text = if is_page {
                page::html(plan, &record)
            } else {
                let text = serde_json::to_string_pretty(&record).unwrap_or_default();
                format!("{text}\n")
            };
            write(path, &text);
        }
        if let (Some(path), Some(trace)) = (&self.trace, registry.trace()) {
            write(path, &trace::events(plan, trace));
        }
        exit
    }
}

impl Before {
    /// The report: what was known before, and how the run ended.
    fn record(&self, plan: &Plan, ended: &Value) -> Value {
        let mut started = Vec::new();
        crate::value::time::write_timestamp(self.started.0, self.started.1, &mut started);
        let mut record = Map::new();
        record.insert("millstream".into(), env!("CARGO_PKG_VERSION").into());
        record.insert("name".into(), json!(&*plan.name));
        record.insert("file".into(), json!(self.file.display().to_string()));
        record.insert(
            "started".into(),
            json!(String::from_utf8_lossy(&started).into_owned()),
        );
        for (key, value) in ended.as_object().into_iter().flatten() {
            if key != "event" {
                record.insert(key.clone(), value.clone());
            }
        }
        record.insert("warnings".into(), json!(self.warnings));
        Value::Object(record)
    }
}

fn cannot(path: &Path, e: &std::io::Error) -> String {
    format!("cannot write {}: {e}", path.display())
}
