//! FACE: the command line; one file a command.
//!
//! Knows every room, because it puts them together; decides nothing that a file or a room could.
//! Results go to standard output, everything else to standard error, both through `report`.
//!
//! Pitfalls: `run` blocks signals before any thread exists, so nothing here may start one earlier; an option of
//! the language that is not built yet is refused here ([`later`]), never ignored.

mod completions;
mod dry_run;
mod explain;
mod graph;
mod input;
mod keys;
mod later;
mod new;
mod record;
mod run;
mod schema;
mod signals;
mod steps;
mod test;
mod trace;
mod validate;
mod who;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::notice::{Exit, Level};
use crate::report::output::{Screen, Voice};
use crate::report::paint::Color;
use crate::steps::Output;
use crate::worker::{Guarding, guard};

/// Runs pipelines: stages, typed pipes, bounded queues and named guards, from one YAML file.
#[derive(Debug, Parser)]
#[command(
    name = "millstream",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
#[command(after_help = "Begin with `millstream run FILE`; `millstream COMMAND --help` tells more.")]
struct Args {
    /// When to use colours
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t)]
    color: Color,
    #[command(subcommand)]
    command: Command,
}

/// The programs of a run are guarded by this program once more.
fn guarding() -> Guarding {
    Guarding::Process("/proc/self/exe".into())
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a pipeline
    Run(run::Args),
    /// Finds every mistake of pipeline files, in one pass
    Validate(validate::Args),
    /// Draws a pipeline without running it
    Graph(graph::Args),
    /// Runs the tests of pipeline files
    Test(test::Args),
    /// Prints the JSON Schema of pipeline files, for editors
    Schema,
    /// Tells what steps there are, and what each can
    Steps(steps::Args),
    /// Tells what a rule is for, and how a file is mended
    Explain(explain::Args),
    /// Makes a folder with a commented pipeline that runs
    New(new::Args),
    /// Prints completions for a shell
    Completions(completions::Args),
    /// Prints the manual page
    #[command(hide = true)]
    Man(completions::ManArgs),
}

/// Does what the command line says.
///
/// Called with the hidden argument of the guard, it is the guard of another run's programs.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    if args.get(1).is_some_and(|a| a == guard::ARGUMENT) {
        guard::main();
        return ExitCode::SUCCESS;
    }
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => {
            // Help goes to standard output and is no mistake; whoever closed the stream does not want it.
            let _unread = error.print();
            return ExitCode::from(
                if error.use_stderr() {
                    Exit::Invalid
                } else {
                    Exit::Done
                }
                .code(),
            );
        }
    };
    let color = args.color;
    let exit = match args.command {
        Command::Run(args) => run::run(&args, color),
        Command::Validate(args) => validate::run(&args, color),
        Command::Graph(args) => graph::run(&args, color),
        Command::Test(args) => test::run(&args, color),
        Command::Schema => schema::run(color),
        Command::Steps(args) => steps::run(&args, color),
        Command::Explain(args) => explain::run(&args, color),
        Command::New(args) => new::run(&args, color),
        Command::Completions(args) => completions::run(&args, color),
        Command::Man(args) => completions::man(&args, color),
    };
    ExitCode::from(exit.code())
}

/// The streams of a command that shows no progress.
fn screen(color: Color) -> Result<Screen, Exit> {
    // Without a stream to say it on, the exit code must do.
    Screen::real(false, Voice::Text, color).map_err(|_| Exit::Io)
}

/// Prints a command's result.
fn print(screen: &Screen, text: &str) -> Exit {
    match screen.stdout(text.as_bytes()) {
        Ok(()) => Exit::Done,
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Exit::BrokenPipe,
        Err(e) => {
            screen.say(
                Level::Error,
                &format!("cannot write to standard output: {e}"),
            );
            Exit::Io
        }
    }
}
