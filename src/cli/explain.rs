//! `explain CODE`: what a rule is for, and how a file is mended.

use super::{print, screen};
use crate::diagnostic::nearest;
use crate::notice::{Exit, Level};
use crate::report::output::stdout_is_terminal;
use crate::report::paint::{Color, Paint};
use crate::report::{prose, terminal};
use crate::rules::{RULES, rule};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The code of a diagnostic, as E0201; without it, all of them are listed
    code: Option<String>,
}

pub(super) fn run(args: &Args, color: Color) -> Exit {
    let screen = match screen(color) {
        Ok(screen) => screen,
        Err(exit) => return exit,
    };
    let (columns, paint) = (
        terminal::size().0,
        Paint {
            on: color.on(stdout_is_terminal()),
        },
    );
    let Some(code) = &args.code else {
        let rows: Vec<_> = RULES
            .iter()
            .map(|r| (r.code.to_string(), r.title.to_string()))
            .collect();
        return print(
            &screen,
            &(prose::table(&rows, columns, paint).join("\n") + "\n"),
        );
    };
    let Some(rule) = rule(code) else {
        let near = nearest(&code.to_uppercase(), RULES.iter().map(|r| r.code));
        let help = near.map_or("`millstream explain` lists them".into(), |n| {
            format!("did you mean {n}?")
        });
        screen.say(Level::Error, &format!("there is no rule `{code}`; {help}"));
        return Exit::Invalid;
    };
    let head = format!("{}: {}", paint.strong(rule.code), rule.title);
    print(
        &screen,
        &format!(
            "{head}\n\n{}\n",
            prose::wrapped(rule.explain, columns, paint)
        ),
    )
}
