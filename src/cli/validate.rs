//! `validate`: finds every mistake of the files, in one pass.

use std::path::PathBuf;

use super::input;
use super::{print, screen};
use crate::notice::{Exit, Level};
use crate::report::paint::Color;
use crate::report::{diagnostics, graph};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The pipeline files; `-` is standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// `json` prints a list of all diagnostics to standard output
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Warnings are errors
    #[arg(long)]
    strict: bool,
    /// Says nothing about files without mistakes
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    settings: input::Settings,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
}

pub(super) fn run(args: &Args, color: Color) -> Exit {
    let screen = match screen(color) {
        Ok(screen) => screen,
        Err(exit) => return exit,
    };
    let (mut exit, mut all) = (Exit::Done, Vec::new());
    for file in &args.files {
        match input::check(file, &args.settings, false) {
            Ok(checked) => all.push(checked),
            Err(why) => {
                screen.say(Level::Error, &why);
                exit = Exit::Invalid;
            }
        }
    }
    let sizes: Vec<Option<String>> = all
        .iter()
        .map(|c| c.plan.as_ref().map(graph::size))
        .collect();
    let safe: Vec<Option<&str>> = all
        .iter()
        .map(|c| c.plan.as_ref().and_then(graph::safety))
        .collect();
    let names: Vec<String> = all.iter().map(|c| c.source.name.clone()).collect();
    let reports: Vec<_> = all.iter_mut().map(|c| c.report(args.strict)).collect();
    if reports.iter().any(|r| r.errors() > 0) {
        exit = Exit::Invalid;
    }
    if args.format == Format::Json {
        let printed = print(&screen, &diagnostics::json(&reports));
        return if exit == Exit::Done { printed } else { exit };
    }
    for (((report, name), size), safe) in reports.iter().zip(&names).zip(&sizes).zip(&safe) {
        input::show(report, &screen);
        let found = diagnostics::summary(std::slice::from_ref(report));
        if report.errors() > 0 || !args.quiet {
            let mark = if report.errors() > 0 {
                screen.paint.bad("✗")
            } else {
                screen.paint.good("✓")
            };
            let words: Vec<&str> = size
                .as_deref()
                .into_iter()
                .chain(found.as_deref())
                .collect();
            screen.raw(&format!("{mark} {name}: {}", words.join("; ")));
            if let Some(safe) = safe.filter(|_| report.errors() == 0) {
                screen.raw(&format!("  {safe}"));
            }
        }
    }
    exit
}
