//! `run`: runs a pipeline, and shows it while it runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, select};

use super::dry_run::Outline;
use super::input::Checked;
use super::keys::Keys;
use super::later::Later;
use super::record::{Before, Files};
use super::signals::{Asked, Signals};
use super::who;
use super::{input, print};
use crate::diagnostic::nearest;
use crate::engine::{self, Books, Options};
use crate::notice::{Ended, Exit, Level, Notice};
use crate::plan::Plan;
use crate::pool::threads;
use crate::report::output::{self, Screen, Voice};
use crate::report::paint::{Color, Paint};
use crate::report::progress::{Face, Progress, Volume};
use crate::report::terminal;
use crate::value::Cell;
use crate::wait::{Clock, Registry, Stop, Why};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The pipeline file; `-` is standard input
    file: PathBuf,
    #[command(flatten)]
    settings: input::Settings,
    /// Shows no progress and no summary, only errors, warnings and what the pipeline logs
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Says more: when stages start and end, what their workers waited for, how full connections were
    #[arg(short, long)]
    verbose: bool,
    /// How progress is shown; `auto` is bars where standard error is a terminal
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    progress: How,
    /// Stops the run after this long (`90s`, `1h30m`), as a first signal does
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    deadline: Option<Duration>,
    /// Prints what would run, instead of running it
    #[arg(long)]
    dry_run: bool,
    /// With --dry-run: in words, or as JSON for programs
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value_t,
        requires = "dry_run"
    )]
    format: Format,
    /// Runs only these stages, divided by commas: what no stage writes is closed, what none reads is let go
    #[arg(long, value_name = "STAGES", value_delimiter = ',')]
    only: Vec<String>,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    later: Later,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
}

fn duration(text: &str) -> Result<Duration, String> {
    match crate::value::time::duration(text) {
        Some(Cell::Duration { secs, nanos })
            if secs >= 0 && nanos >= 0 && (secs, nanos) != (0, 0) =>
        {
            Ok(Duration::new(secs as u64, nanos as u32))
        }
        _ => Err("write a length of time like 90s or 1h30m".into()),
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum How {
    #[default]
    Auto,
    Bars,
    Plain,
    Json,
    None,
}

impl Args {
    fn face(&self) -> Face {
        let can_move = output::stderr_is_terminal();
        match self.progress {
            How::Json => Face::Json,
            _ if self.quiet => Face::None,
            How::Bars | How::Auto if can_move => Face::Bars,
            // Bars need a terminal.
            How::Auto | How::Bars | How::Plain => Face::Plain,
            How::None => Face::None,
        }
    }

    fn volume(&self) -> Volume {
        match (self.quiet, self.verbose) {
            (true, _) => Volume::Quiet,
            (_, true) => Volume::Verbose,
            _ => Volume::Normal,
        }
    }
}

/// How often progress is looked at.
const TICK: Duration = Duration::from_millis(100);
/// How long the workers have to end once they are told to stop now.
const GRACE: Duration = Duration::from_secs(2);

pub(super) fn run(args: &Args, color: Color) -> Exit {
    let face = args.face();
    let voice = if face == Face::Json {
        Voice::Json
    } else {
        Voice::Text
    };
    let Ok(screen) = Screen::real(face == Face::Bars, voice, color).map(Arc::new) else {
        // Without a stream to say it on, the exit code must do.
        return Exit::Io;
    };
    if let Some(option) = args.later.given() {
        screen.say(Level::Error, &format!("{option} is not built yet"));
        return Exit::Invalid;
    }
    if args.dry_run {
        return dry_run(args, &screen, color).unwrap_or_else(|exit| exit);
    }
    let signals = match Signals::block() {
        Ok(signals) => signals,
        Err(e) => {
            screen.say(Level::Error, &format!("signals cannot be blocked: {e}"));
            return Exit::Failed;
        }
    };
    let (plan, checked) = match planned(args, &screen) {
        Ok(both) => both,
        Err(exit) => return exit,
    };
    if let Err(why) = args.files.try_out() {
        screen.say(Level::Error, &why);
        return Exit::Invalid;
    }
    let before = Before {
        file: args.file.clone(),
        started: plan.scope.start,
        secrets: checked.secrets(),
        warnings: checked.warnings,
    };
    start(args, face, &Arc::new(plan), &before, &screen, signals).unwrap_or_else(|e| {
        screen.say(
            Level::Error,
            &format!("the system gives no more threads: {e}"),
        );
        Exit::Failed
    })
}

/// What the command line wants of the file.
///
/// # Errors
/// The exit code, once what is wrong was said.
fn planned(args: &Args, screen: &Screen) -> Result<(Plan, Checked), Exit> {
    let (mut plan, checked) = input::plan(&args.file, &args.settings, true, screen)?;
    plan.deadline = args.deadline.or(plan.deadline);
    if !args.only.is_empty() {
        let names: Vec<&str> = plan.stages.iter().map(|s| &*s.name).collect();
        for name in &args.only {
            if !names.contains(&name.as_str()) {
                let near = nearest(name, names.iter().copied());
                let more = near.map_or_else(
                    || format!("its stages are {}", names.join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                screen.say(
                    Level::Error,
                    &format!("--only {name}: the file has no such stage; {more}"),
                );
                return Err(Exit::Invalid);
            }
        }
        plan.only(|stage| args.only.iter().any(|name| name == stage));
    }
    Ok((plan, checked))
}

fn dry_run(args: &Args, screen: &Screen, color: Color) -> Result<Exit, Exit> {
    let (plan, checked) = planned(args, screen)?;
    let outline = Outline::new(&plan, &checked);
    let text = match args.format {
        Format::Json => outline.json(),
        Format::Text => {
            let on = color.on(output::stdout_is_terminal());
            outline.text(terminal::size().0, Paint { on })
        }
    };
    Ok(print(screen, &text))
}

fn start(
    args: &Args,
    face: Face,
    plan: &Arc<Plan>,
    before: &Before,
    screen: &Arc<Screen>,
    signals: Signals,
) -> std::io::Result<Exit> {
    let (notices, heard) = bounded(256);
    let mut options = Options::new(plan, screen.clone(), notices.clone());
    options.guarding = super::guarding();
    let (clock, stop, registry) = (
        options.clock.clone(),
        options.stop.clone(),
        options.registry.clone(),
    );
    if args.files.traces() {
        registry.start_trace(clock.clone());
    }
    let mut progress = Progress::new(
        plan,
        options.meters.clone(),
        screen.clone(),
        face,
        args.volume(),
        terminal::size,
    );
    let (show, shown) = bounded(1);
    // Keys are read where somebody sees the picture, and no step reads what is typed.
    let keys = (face == Face::Bars && !reads_stdin(plan))
        .then(|| Keys::listen(ask(show.clone())))
        .flatten()
        .map(Arc::new);
    if keys.is_some() {
        progress.hint("s: what the workers do");
    }
    signals.listen(answer(stop.clone(), notices, ask(show), keys.clone()))?;
    let (end, ended) = bounded(1);
    let of_run = plan.clone();
    let run = threads::start("run", move || {
        let _unheard = end.send(engine::run(&of_run, options));
    })?;
    let watched = Watched {
        plan,
        screen,
        clock,
        stop,
        registry: registry.clone(),
        heard,
        shown,
        ended,
    };
    let (ended, books) = watch(&mut progress, &watched);
    // A run that was given up is left to the end of the program.
    drop(run);
    let record = progress.end(&ended, &books.values);
    if let Some(keys) = keys {
        keys.give_back();
    }
    let written = args.files.write(plan, before, &record, &registry, screen);
    Ok(match ended.exit {
        Exit::Done => written,
        exit => exit,
    })
}

/// Is standard input the data of some stage?
fn reads_stdin(plan: &Plan) -> bool {
    let steps = plan.stages.iter().flat_map(|s| &s.program.steps);
    let mut sources = steps.filter_map(|s| s.text.strip_prefix("read "));
    sources.any(|paths| paths.split(", ").any(|p| p == "-" || p == "stdin"))
}

/// Asks for what every worker does; one that is not answered yet answers the next one too.
fn ask(show: Sender<()>) -> impl FnMut() + Send + 'static {
    move || {
        let _unanswered = show.try_send(());
    }
}

/// What a signal does.
fn answer(
    stop: Stop,
    notices: Sender<Notice>,
    mut show: impl FnMut() + Send + 'static,
    keys: Option<Arc<Keys>>,
) -> impl FnMut(Asked) + Send + 'static {
    move |asked| match asked {
        Asked::Stop(why) => {
            let again = stop.is_draining();
            let notice = if again {
                stop.now(why);
                // The next signal may be the end of us.
                if let Some(keys) = &keys {
                    keys.give_back();
                }
                Notice::Stopping
            } else {
                stop.drain(why);
                let why = if why == Why::Terminated {
                    "terminated"
                } else {
                    "interrupted"
                };
                Notice::Draining { why: why.into() }
            };
            // Where nobody reads notices, stopping must not wait for it.
            let _unheard = notices.try_send(notice);
        }
        Asked::Show => show(),
    }
}

struct Watched<'a> {
    plan: &'a Plan,
    screen: &'a Screen,
    clock: Arc<dyn Clock>,
    stop: Stop,
    registry: Arc<Registry>,
    heard: Receiver<Notice>,
    shown: Receiver<()>,
    ended: Receiver<(Ended, Books)>,
}

/// Shows the run until it ends.
fn watch(progress: &mut Progress<'_>, run: &Watched<'_>) -> (Ended, Books) {
    let (mut next, mut stopping) = (TICK, None);
    loop {
        let now = run.clock.now();
        if now >= next {
            progress.tick(now);
            next = now + TICK;
        }
        if run.stop.is_now() && now.saturating_sub(*stopping.get_or_insert(now)) >= GRACE {
            return (given_up(&run.stop, now), Books::default());
        }
        select! {
            recv(run.heard) -> notice => {
                // The sender of signals lives as long as the program, so there is always one.
                if let Ok(notice) = notice {
                    progress.notice(&notice);
                }
            }
            recv(run.shown) -> _ => {
                run.screen.raw(&who::lines(run.plan, &run.registry.seen(), now).join("\n"));
            }
            recv(run.ended) -> ended => {
                for notice in run.heard.try_iter() {
                    progress.notice(&notice);
                }
                return ended.unwrap_or_else(|_| (bug(now), Books::default()));
            }
            default(next.saturating_sub(now)) => {}
        }
    }
}

/// The run's own thread is gone without an answer.
fn bug(took: Duration) -> Ended {
    let why =
        "millstream itself is wrong here, please report it: the run ended without a result".into();
    Ended {
        exit: Exit::Failed,
        took,
        why: Some(why),
    }
}

/// Told to stop now, some worker did not: it hangs outside of this program.
fn given_up(stop: &Stop, took: Duration) -> Ended {
    let (exit, what) = match stop.why() {
        Some(Why::Terminated) => (Exit::Terminated, "terminated"),
        Some(Why::Deadline) => (Exit::Deadline, "the run's deadline has passed"),
        Some(Why::Failed) => (Exit::Failed, "the run has failed"),
        Some(Why::Interrupted) | None => (Exit::Interrupted, "interrupted"),
    };
    Ended {
        exit,
        took,
        why: Some(format!("{what}; some workers did not stop in time")),
    }
}
