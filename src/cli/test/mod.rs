//! `test`: runs the `tests:` of files.

mod compare;
mod junit;
mod rehearse;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::input::{self, Checked};
use super::{print, screen};
use crate::check::Case;
use crate::diagnostic::Severity;
use crate::notice::{Exit, Level};
use crate::report::numbers::{plural, time};
use crate::report::output::{Screen, stdout_is_terminal};
use crate::report::paint::{Color, Paint};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The pipeline files; `-` is standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// `junit` prints XML for build servers to standard output
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    settings: input::Settings,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    #[default]
    Text,
    Junit,
}

/// A test that was run.
#[derive(Debug)]
struct Done {
    name: String,
    stage: Option<String>,
    line: u32,
    took: Duration,
    /// None: it has passed.
    problems: Vec<String>,
}

pub(super) fn run(args: &Args, color: Color) -> Exit {
    let screen = match screen(color) {
        Ok(screen) => screen,
        Err(exit) => return exit,
    };
    let (mut exit, mut files) = (Exit::Done, Vec::new());
    for file in &args.files {
        match all(file, args, &screen) {
            Ok(tests) => files.push((file.display().to_string(), tests)),
            Err(why) => exit = why,
        }
    }
    let failed = files
        .iter()
        .any(|(_, tests)| tests.iter().any(|t| !t.problems.is_empty()));
    if failed && exit == Exit::Done {
        exit = Exit::Failed;
    }
    let text = match args.format {
        Format::Junit => junit::xml(&files),
        Format::Text => text(
            &files,
            Paint {
                on: color.on(stdout_is_terminal()),
            },
        ),
    };
    let printed = print(&screen, &text);
    if exit == Exit::Done { printed } else { exit }
}

/// All tests of a file.
fn all(file: &Path, args: &Args, screen: &Screen) -> Result<Vec<Done>, Exit> {
    let refuse = |why: String| {
        screen.say(Level::Error, &why);
        Exit::Invalid
    };
    let source = input::read(file).map_err(refuse)?;
    let read = |set: &[(String, String)]| {
        input::rehearsal(&source, file, &args.settings, set).map_err(refuse)
    };
    let mut checked = read(&[])?;
    let cases = std::mem::take(&mut checked.cases);
    // A file that is to be invalid may be so from the start.
    if checked.plan.is_none() && cases.iter().all(|c| c.invalid.is_empty()) {
        input::show(&checked.report(false), screen);
        return Err(Exit::Invalid);
    }
    screen.keep_secret(checked.secrets());
    let mut done = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let began = Instant::now();
        let problems = one(case, number, read(&case.set)?);
        done.push(Done {
            name: if case.name.is_empty() {
                format!("test {}", number + 1)
            } else {
                case.name.clone()
            },
            stage: case.stage.clone(),
            line: source.place(case.at).line,
            took: began.elapsed(),
            problems,
        });
    }
    Ok(done)
}

/// What is not as one test expects.
fn one(case: &Case, number: usize, mut checked: Checked) -> Vec<String> {
    let mut errors: Vec<String> = checked
        .found()
        .filter(|d| d.severity() == Severity::Error)
        .map(|d| d.code.to_string())
        .collect();
    errors.sort();
    errors.dedup();
    if !case.invalid.is_empty() {
        let mut expected = case.invalid.clone();
        expected.sort();
        let wrong = errors != expected;
        let said = if errors.is_empty() {
            "nothing".into()
        } else {
            errors.join(", ")
        };
        return wrong
            .then(|| {
                format!(
                    "expected {}, but validation finds {said}",
                    expected.join(", ")
                )
            })
            .into_iter()
            .collect();
    }
    // With other parameters the test itself may read otherwise.
    let case = checked
        .cases
        .get(number)
        .cloned()
        .unwrap_or_else(|| case.clone());
    if let Some(plan) = checked.plan.take() {
        return rehearse::rehearse(plan, &case);
    }
    let text = checked.report(false).text(false, 100);
    let lines = text.trim_end().lines().map(str::to_owned);
    std::iter::once("the file is not valid".into())
        .chain(lines)
        .collect()
}

fn text(files: &[(String, Vec<Done>)], paint: Paint) -> String {
    let mut lines = Vec::new();
    for (file, tests) in files {
        if tests.is_empty() {
            lines.push(paint.careful(&format!("{file} has no tests")));
        }
        for test in tests {
            if test.problems.is_empty() {
                lines.push(format!("{} {}", paint.good("✓"), test.name));
            } else {
                let place = paint.quiet(&format!("({file}:{})", test.line));
                lines.push(format!(
                    "{} {}  {place}",
                    paint.bad("✗"),
                    paint.strong(&test.name)
                ));
                lines.extend(test.problems.iter().map(|p| format!("    {p}")));
            }
        }
    }
    let all = || files.iter().flat_map(|(_, tests)| tests);
    let failed = all().filter(|t| !t.problems.is_empty()).count();
    let passed = all().count() - failed;
    let took = all().map(|t| t.took).sum();
    let mut end = vec![format!("{} passed", plural(passed as u64, "test"))];
    if failed > 0 {
        end.push(paint.bad(&format!("{failed} failed")));
    }
    lines.push(format!("{} in {}\n", end.join(", "), time(took)));
    lines.join("\n")
}
