//! `completions SHELL` and `man`: made of the same definitions as the command line itself.

use clap::builder::PossibleValuesParser;
use clap::{Command, CommandFactory};

use super::{Args as Line, print, screen};
use crate::notice::{Exit, Level};
use crate::report::paint::Color;
use crate::rules::RULES;
use crate::steps::STEPS;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Prints the completions for a shell.
pub(super) fn run(args: &Args, color: Color) -> Exit {
    let shell = match args.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut text = Vec::new();
    clap_complete::generate(
        shell,
        &mut with_names(Line::command()),
        "millstream",
        &mut text,
    );
    if let Shell::Fish = args.shell {
        // What clap leaves out there: the values of arguments without a name.
        for (command, values) in [
            ("steps", words(STEPS.iter().map(|s| s.name))),
            ("explain", words(RULES.iter().map(|r| r.code))),
        ] {
            let line = format!(
                "complete -c millstream -n \"__fish_seen_subcommand_from {command}\" -f -a \"{values}\"\n"
            );
            text.extend_from_slice(line.as_bytes());
        }
    }
    finish(&text, color)
}

fn words<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(" ")
}

/// Names that are completed, though on the command line more is taken than these (and answered better).
fn with_names(command: Command) -> Command {
    let codes = PossibleValuesParser::new(RULES.iter().map(|r| r.code));
    let steps = PossibleValuesParser::new(STEPS.iter().map(|s| s.name));
    command
        .mut_subcommand("explain", |c| c.mut_arg("code", |a| a.value_parser(codes)))
        .mut_subcommand("steps", |c| c.mut_arg("name", |a| a.value_parser(steps)))
}

#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// The page of a command; without it, that of the program
    command: Option<String>,
}

/// Prints a manual page.
pub(super) fn man(args: &ManArgs, color: Color) -> Exit {
    let mut command = Line::command();
    command.build();
    if let Some(name) = &args.command {
        let Some(found) = command.find_subcommand(name) else {
            return match screen(color) {
                Ok(screen) => {
                    screen.say(Level::Error, &format!("there is no command `{name}`"));
                    Exit::Invalid
                }
                Err(exit) => exit,
            };
        };
        command = found.clone();
    }
    let mut text = Vec::new();
    match clap_mangen::Man::new(command).render(&mut text) {
        Ok(()) => finish(&text, color),
        // A vector takes everything.
        Err(e) => panic!("BUG: the manual page cannot be rendered: {e}"),
    }
}

fn finish(text: &[u8], color: Color) -> Exit {
    match screen(color) {
        Ok(screen) => print(&screen, &String::from_utf8_lossy(text)),
        Err(exit) => exit,
    }
}
