//! The pipeline file that a command is about: read, checked, its diagnostics shown.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::check;
use crate::diagnostic::{Diagnostic, Diagnostics, Source, nearest};
use crate::notice::{Exit, Level};
use crate::plan::Plan;
use crate::report::diagnostics::Report;
use crate::report::output::Screen;
use crate::report::terminal;
use crate::spec::{Given, Params};
use crate::value::Secrets;

/// What every command that reads a pipeline takes.
#[derive(Debug, clap::Args)]
pub(super) struct Settings {
    /// Sets a parameter of the file
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Relative paths in the file are relative to this folder, not to the file's
    #[arg(short = 'C', value_name = "DIR")]
    folder: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err("write NAME=VALUE".into()),
    }
}

/// A file and what there is to say about it.
#[derive(Debug)]
pub(super) struct Checked {
    pub source: Source,
    /// What it means, where it has no errors.
    pub plan: Option<Plan>,
    /// Its parameters and their values.
    pub params: Params,
    /// Its tests.
    pub cases: Vec<check::Case>,
    /// What was said of it when it was read for a run, for its report.
    pub warnings: Vec<serde_json::Value>,
    found: Diagnostics,
}

impl Checked {
    /// What there is to say; `strict`: warnings are errors. To be asked for once.
    pub(super) fn report(&mut self, strict: bool) -> Report<'_> {
        let found = std::mem::take(&mut self.found);
        Report::new(&self.source, found, strict).hiding(self.params.secrets())
    }

    /// The same, one by one.
    pub(super) fn found(&self) -> impl Iterator<Item = &Diagnostic> {
        self.found.iter()
    }

    /// What nobody is to see.
    pub(super) fn secrets(&self) -> Secrets {
        Secrets::new(self.params.secrets())
    }
}

/// Reads and checks a file (`-` is standard input); `complete`: every parameter must have a value.
///
/// # Errors
/// Why it cannot be read, in a sentence.
pub(super) fn check(file: &Path, settings: &Settings, complete: bool) -> Result<Checked, String> {
    let given = given(file, settings, complete)?;
    Ok(meant(read(file)?, &given, &check::Cx::default()))
}

/// A file as its tests run it, with some parameters set for one of them; the time is always the same.
///
/// # Errors
/// As [`check()`].
pub(super) fn rehearsal(
    source: &Source,
    file: &Path,
    settings: &Settings,
    set: &[(String, String)],
) -> Result<Checked, String> {
    let mut given = given(file, settings, true)?;
    given.set.extend(set.iter().cloned());
    let cx = check::Cx {
        rehearse: true,
        // 2000-01-01, where the virtual clock begins.
        start: (946_684_800, 0),
        ..check::Cx::default()
    };
    Ok(meant(source.clone(), &given, &cx))
}

fn given(file: &Path, settings: &Settings, complete: bool) -> Result<Given, String> {
    let mut given = Given::here(file, complete)
        .map_err(|e| format!("the current folder cannot be named: {e}"))?;
    given.set.clone_from(&settings.set);
    if let Some(folder) = &settings.folder {
        if !folder.is_dir() {
            return Err(format!("-C {}: no such folder", folder.display()));
        }
        given.folder = given.here.join(folder);
    }
    Ok(given)
}

fn meant(source: Source, given: &Given, cx: &check::Cx) -> Checked {
    let check::Whole { file, plan, found } = check::whole(&source, given, cx);
    let cases = file
        .as_ref()
        .map(|file| check::cases(file, &mut Diagnostics::default()));
    let cases = cases.unwrap_or_default();
    let params = file.map(|file| file.params).unwrap_or_default();
    Checked {
        source,
        plan,
        params,
        cases,
        warnings: Vec::new(),
        found,
    }
}

/// The file's text.
///
/// # Errors
/// As [`check()`].
pub(super) fn read(file: &Path) -> Result<Source, String> {
    let (name, bytes) = if file == Path::new("-") {
        let mut bytes = Vec::new();
        let read = std::io::stdin().read_to_end(&mut bytes);
        (
            "<stdin>".to_string(),
            read.map(|_| bytes)
                .map_err(|e| format!("cannot read standard input: {e}"))?,
        )
    } else {
        let name = file.display().to_string();
        let bytes = std::fs::read(file).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => format!("{name}: no such file{}", others(file)),
            std::io::ErrorKind::IsADirectory => format!("{name} is a folder, not a pipeline file"),
            _ => format!("cannot read {name}: {e}"),
        })?;
        (name, bytes)
    };
    let text = String::from_utf8(bytes).map_err(|e| {
        format!(
            "{name} is not UTF-8: byte {} is not part of any character",
            e.utf8_error().valid_up_to() + 1
        )
    })?;
    Ok(Source { name, text })
}

/// A file beside it that may have been meant: one whose name without the ending is near.
fn others(file: &Path) -> String {
    let stem = |path: &Path| path.file_stem().and_then(|s| s.to_str()).map(str::to_owned);
    let folder = file
        .parent()
        .filter(|f| !f.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let (Some(wrong), Ok(entries)) = (stem(file), std::fs::read_dir(folder)) else {
        return String::new();
    };
    let mut there: Vec<(String, PathBuf)> = entries
        .flatten()
        .map(|e| PathBuf::from(e.file_name()))
        .filter(|p| p.extension() == file.extension())
        .filter_map(|p| Some((stem(&p)?, p)))
        .collect();
    there.sort();
    let near = nearest(&wrong, there.iter().map(|(stem, _)| stem.as_str()));
    match there.iter().find(|(stem, _)| Some(stem.as_str()) == near) {
        Some((_, name)) => format!("; did you mean {}?", file.with_file_name(name).display()),
        None => String::new(),
    }
}

/// A file without errors, and its plan; shows what else there is to say about it.
///
/// # Errors
/// The exit code, once what is wrong was said.
pub(super) fn plan(
    file: &Path,
    settings: &Settings,
    complete: bool,
    screen: &Screen,
) -> Result<(Plan, Checked), Exit> {
    let mut checked = check(file, settings, complete).map_err(|why| {
        screen.say(Level::Error, &why);
        Exit::Invalid
    })?;
    let report = checked.report(false);
    show(&report, screen);
    checked.warnings = report.json_entries();
    screen.keep_secret(checked.secrets());
    let plan = checked.plan.take().ok_or(Exit::Invalid)?;
    Ok((plan, checked))
}

/// Shows the diagnostics of a file.
pub(super) fn show(report: &Report<'_>, screen: &Screen) {
    let text = report.text(screen.paint.on, terminal::size().0.min(160));
    if !text.is_empty() {
        screen.raw(text.trim_end_matches('\n'));
        screen.raw("");
    }
}
