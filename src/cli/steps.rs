//! `steps [NAME]`: what steps there are, and what one of them can.

use super::{print, screen};
use crate::diagnostic::nearest;
use crate::notice::{Exit, Level};
use crate::report::output::stdout_is_terminal;
use crate::report::paint::{Color, Paint};
use crate::report::{prose, terminal};
use crate::spec::keys;
use crate::steps::{Group, STEPS, StepDef, find};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A step; without it, all of them are listed
    name: Option<String>,
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
    let Some(name) = &args.name else {
        return print(&screen, &list(columns, paint));
    };
    if let Some(step) = find(name) {
        return print(&screen, &page(step, columns, paint));
    }
    let why = if keys::STEPS.contains(&name.as_str()) {
        format!("the step `{name}` is part of the language, but not built yet")
    } else {
        match nearest(name, STEPS.iter().map(|s| s.name)) {
            Some(near) => format!("there is no step `{name}`; did you mean `{near}`?"),
            None => format!("there is no step `{name}`; `millstream steps` lists them"),
        }
    };
    screen.say(Level::Error, &why);
    Exit::Invalid
}

const GROUPS: [(Group, &str); 5] = [
    (Group::Source, "Sources make items"),
    (Group::Shape, "Shape items"),
    (Group::Act, "Act on the world"),
    (Group::Coordinate, "Coordinate stages"),
    (Group::Sink, "Sinks write items"),
];

fn list(columns: usize, paint: Paint) -> String {
    let mut parts = Vec::new();
    for (group, title) in GROUPS {
        let of = STEPS.iter().filter(|s| s.group == group);
        let rows: Vec<_> = of
            .map(|s| (s.name.to_string(), s.summary.to_string()))
            .collect();
        if !rows.is_empty() {
            parts.push(format!(
                "{}\n{}\n",
                paint.quiet(title),
                prose::table(&rows, columns, paint).join("\n")
            ));
        }
    }
    parts.push(format!(
        "{}\n",
        paint.quiet("`millstream steps NAME` tells more of one.")
    ));
    parts.join("\n")
}

fn page(step: &StepDef, columns: usize, paint: Paint) -> String {
    let mut parts = vec![format!(
        "{}  {}",
        paint.strong(step.name),
        prose::lines(step.summary, columns).join("\n")
    )];
    if let Some(main) = step.main {
        parts.push(format!("Short form: `{}: ...` gives `{main}`.", step.name));
    }
    if step.names {
        parts.push("It takes a mapping of names that you choose.".into());
    }
    let rows: Vec<_> = step
        .options
        .iter()
        .map(|o| {
            let must = if o.required { "; required" } else { "" };
            (o.name.to_string(), format!("{} ({}{must})", o.help, o.form))
        })
        .collect();
    if !rows.is_empty() {
        parts.push(format!(
            "{}\n{}",
            paint.quiet("Options"),
            prose::table(&rows, columns, paint).join("\n")
        ));
    }
    let rows: Vec<_> = keys::MODIFIERS
        .iter()
        .filter(|k| k.built)
        .map(|k| (k.name.to_string(), k.help.to_string()))
        .collect();
    parts.push(format!(
        "{}\n{}",
        paint.quiet("Beside it, as for every step"),
        prose::table(&rows, columns, paint).join("\n")
    ));
    let example: Vec<String> = step
        .example
        .lines()
        .map(|l| format!("  {l}").trim_end().to_string())
        .collect();
    parts.push(format!(
        "{}\n{}",
        paint.quiet("Example"),
        paint.busy(&example.join("\n"))
    ));
    parts.join("\n\n") + "\n"
}
