//! A run as it is watched: takes notices and the time, and lets the chosen face speak.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::bars::{self, Frame};
use super::look::{Doing, Look, Watch};
use super::numbers::exact;
use super::output::{Screen, Voice};
use super::usage::Usage;
use super::{details, json, plain, summary};
use crate::notice::{Ended, Exit, Final, Level, Meters, Notice};
use crate::plan::Plan;

/// What shows a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    Bars,
    Plain,
    Json,
    None,
}

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Volume {
    /// Errors, warnings, and what the pipeline itself logs.
    Quiet,
    Normal,
    Verbose,
}

/// Pictures of a shorter run would only flash.
const FIRST_PICTURE: Duration = Duration::from_millis(300);
const FIRST_LINE: Duration = Duration::from_secs(2);
const NEXT_LINE: Duration = Duration::from_secs(5);
const NEXT_EVENT: Duration = Duration::from_secs(1);
/// Item errors of one step that are shown, those that end the run apart.
const SHOWN: u64 = 5;

pub struct Progress<'a> {
    plan: &'a Plan,
    watch: Watch,
    screen: Arc<Screen>,
    face: Face,
    volume: Volume,
    size: Box<dyn Fn() -> (usize, usize) + Send + 'a>,
    /// When the face speaks next.
    next: Duration,
    pictures: usize,
    note: String,
    hint: &'static str,
    /// Which stages were said to have started, and to have ended.
    told: Vec<(bool, bool)>,
    /// By stage and step.
    faults: HashMap<(u32, usize), u64>,
    /// Those that were shown, as their events.
    shown: Vec<serde_json::Value>,
    deadlock: Option<serde_json::Value>,
}

impl std::fmt::Debug for Progress<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress")
            .field("face", &self.face)
            .field("volume", &self.volume)
            .finish_non_exhaustive()
    }
}

impl<'a> Progress<'a> {
    /// `size`: the terminal's columns and rows, asked for each picture.
    pub fn new(
        plan: &'a Plan,
        meters: Arc<Meters>,
        screen: Arc<Screen>,
        face: Face,
        volume: Volume,
        size: impl Fn() -> (usize, usize) + Send + 'a,
    ) -> Progress<'a> {
        let next = match face {
            Face::Bars => FIRST_PICTURE,
            Face::Plain => FIRST_LINE,
            Face::Json => NEXT_EVENT,
            Face::None => Duration::MAX,
        };
        if face == Face::Json {
            screen.raw(&json::start(plan).to_string());
        }
        Progress {
            plan,
            watch: Watch::new(plan, meters),
            screen,
            face,
            volume,
            size: Box::new(size),
            next,
            pictures: 0,
            note: String::new(),
            hint: "",
            told: vec![(false, false); plan.stages.len()],
            faults: HashMap::new(),
            shown: Vec::new(),
            deadlock: None,
        }
    }

    /// What the picture says can be done.
    pub fn hint(&mut self, hint: &'static str) {
        self.hint = hint;
    }

    /// Time passes; `at` is since the start of the run. To be called about ten times a second.
    pub fn tick(&mut self, at: Duration) {
        let look = self.watch.look(at);
        self.tell_stages(&look);
        if at < self.next {
            self.screen.flush();
            return;
        }
        match self.face {
            Face::Bars => {
                let (width, height) = (self.size)();
                self.pictures += 1;
                let frame = Frame {
                    width,
                    height,
                    paint: self.screen.paint,
                    number: self.pictures,
                    note: &self.note,
                    hint: self.hint,
                };
                self.screen.draw(&bars::lines(&look, &frame));
            }
            Face::Plain => {
                self.screen.raw(&plain::line(&look));
                self.next = at + NEXT_LINE;
            }
            Face::Json => {
                self.screen.raw(&json::progress(&look).to_string());
                self.next = at + NEXT_EVENT;
            }
            Face::None => {}
        }
    }

    /// Verbose: says which stages have started and ended.
    fn tell_stages(&mut self, look: &Look) {
        if self.volume < Volume::Verbose {
            return;
        }
        for (stage, told) in look.stages.iter().zip(&mut self.told) {
            let name = &stage.name;
            let began = !matches!(stage.doing, Doing::Pending | Doing::Stopped);
            if began && !told.0 {
                told.0 = true;
                let text = format!("stage `{name}` has started");
                self.screen.say(Level::Debug, &text);
            }
            if stage.doing.is_over() && !told.1 {
                told.1 = true;
                let (taken, state) = (exact(stage.taken), stage.doing.text());
                let text = format!("stage `{name}`: {state}, {taken} taken");
                self.screen.say(Level::Debug, &text);
            }
        }
    }

    /// Something happened.
    pub fn notice(&mut self, notice: &Notice) {
        match notice {
            Notice::Fault {
                stage,
                step,
                item,
                kind,
                message,
                fatal,
            } => {
                self.fault(*stage, *step, item, kind, message, *fatal);
            }
            Notice::Log { level, text } => {
                let least = match self.volume {
                    Volume::Quiet => Level::Warning,
                    Volume::Normal => Level::Info,
                    Volume::Verbose => Level::Debug,
                };
                if *level <= least {
                    self.screen.say(*level, text);
                }
            }
            Notice::Draining { why } => {
                self.note = format!("stopping: {why}");
                let text =
                    format!("{why}: finishing what has begun; a further signal stops at once");
                self.turn(&text, &serde_json::json!({"event": "draining", "why": why}));
            }
            Notice::Deadlock(deadlock) => {
                let event = json::deadlock(deadlock);
                // In text, the end of the run says it.
                if self.screen.voice() == Voice::Json {
                    self.screen.raw(&event.to_string());
                }
                self.deadlock = Some(event);
            }
            Notice::Stopping => {
                self.note = "stopping now".into();
                self.turn("stopping now", &serde_json::json!({"event": "stopping"}));
            }
        }
    }

    /// The run takes a turn that somebody asked for.
    fn turn(&self, text: &str, event: &serde_json::Value) {
        match self.screen.voice() {
            Voice::Json => self.screen.raw(&event.to_string()),
            Voice::Text if self.volume > Volume::Quiet => {
                self.screen.raw(&self.screen.paint.careful(text));
            }
            Voice::Text => {}
        }
    }

    fn fault(
        &mut self,
        stage: u32,
        step: usize,
        item: &str,
        kind: &str,
        message: &str,
        fatal: bool,
    ) {
        let count = self.faults.entry((stage, step)).or_default();
        *count += 1;
        if *count > SHOWN && !fatal {
            return;
        }
        let last = *count == SHOWN;
        let plan = &self.plan.stages[stage as usize];
        let label = plan.program.steps.get(step).map_or("?", |s| &*s.label);
        let event = json::fault(&plan.name, label, item, kind, message, fatal);
        let told = event.to_string();
        self.shown.push(event);
        if self.screen.voice() == Voice::Json {
            self.screen.raw(&told);
            return;
        }
        if fatal {
            // The end of the run says it.
            return;
        }
        let place = plan.program.steps.get(step).map_or(plan.place, |s| s.place);
        let more = if last {
            "\n  (further errors of this step are counted, not shown)"
        } else {
            ""
        };
        self.screen.say(
            Level::Warning,
            &format!(
                "stage `{}`, step `{label}` (line {}): {message}\n  item: {item}{more}",
                plan.name, place.line
            ),
        );
    }

    /// It is over: the picture goes, the summary comes. What it gives back is the last event, with the item errors
    /// that were shown and the deadlock, for a report.
    pub fn end(&mut self, ended: &Ended, values: &[Final]) -> serde_json::Value {
        self.screen.clear();
        let look = self.watch.look(ended.took);
        self.tell_stages(&look);
        let usage = Usage::now();
        let mut record = json::end(&look, ended, &usage, values);
        if self.face == Face::Json {
            self.screen.raw(&record.to_string());
        } else if ended.exit != Exit::BrokenPipe {
            // Where whoever read standard output went away: quietly.
            self.say_end(ended, &look, &usage, values);
        }
        record["errors"] = std::mem::take(&mut self.shown).into();
        if let Some(deadlock) = self.deadlock.take() {
            record["deadlock"] = deadlock;
        }
        record
    }

    fn say_end(&self, ended: &Ended, look: &Look, usage: &Usage, values: &[Final]) {
        for ((stage, step), count) in sorted(&self.faults) {
            if count > SHOWN {
                let plan = &self.plan.stages[stage as usize];
                let label = plan.program.steps.get(step).map_or("?", |s| &*s.label);
                let text = format!(
                    "stage `{}`, step `{label}`: {} items failed",
                    plan.name,
                    exact(count)
                );
                self.screen.say(Level::Warning, &text);
            }
        }
        if self.volume > Volume::Quiet && self.face != Face::None {
            let columns = (self.size)().0.max(40);
            let paint = self.screen.paint;
            let mut lines = summary::lines(look, ended, usage, values, paint, columns);
            if self.volume == Volume::Verbose {
                lines.extend(details::lines(look, ended.took, paint, columns));
            }
            self.screen.raw(&lines.join("\n"));
        }
        // That somebody stopped it, who did knows, and the summary says.
        let stopped = matches!(
            ended.exit,
            Exit::Done | Exit::Interrupted | Exit::Terminated
        );
        if let Some(why) = ended.why.as_ref().filter(|_| !stopped) {
            self.screen.say(Level::Error, why);
        }
    }
}

fn sorted(faults: &HashMap<(u32, usize), u64>) -> Vec<((u32, usize), u64)> {
    let mut all: Vec<_> = faults.iter().map(|(k, v)| (*k, *v)).collect();
    all.sort_unstable();
    all
}
