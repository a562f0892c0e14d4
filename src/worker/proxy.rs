//! The proxy of a long-lived program: who is asked for results while programs come and go behind it.
//!
//! It owns every item until it is answered. A program that ends, says what is no message, or takes too long is
//! replaced; what it had not begun goes to the next one for free, and the item that it was at is tried again alone.
//! All of it runs where something happens: on the thread of whoever asks, or on the one that hears programs.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::protocol::{self, Heard, Hello, Made, Said};
use super::{Calls, Exit, Input, Kind, Lines, Listener, Process, Programs};
use crate::wait::Agent;

/// After so many deaths an item is given up.
pub const DEATHS: u32 = 3;
/// So many deaths in a row without a finished item end the stage.
const IN_A_ROW: u32 = 5;
/// So many starts in a row that fail end the stage.
const STARTS: u32 = 3;
/// The longest line that a program may say.
const LONGEST: usize = 64 << 20;
/// Bytes of the standard error that are kept: the last.
const TAIL: usize = 64 << 10;

/// What is said of the stage to its programs.
#[derive(Debug)]
pub struct Settings {
    /// The worker's number.
    pub slot: usize,
    pub run: String,
    pub stage: String,
    /// Items that a program may be at at once.
    pub tasks: usize,
    pub max_items: Option<u64>,
    pub memory: Option<u64>,
    /// The step's programs begin with a hello: found out by the first that does.
    pub greets: Arc<AtomicBool>,
}

/// What became of an item.
#[derive(Debug)]
pub enum Reply {
    /// A line of a filter.
    Line(Vec<u8>),
    /// JSON.
    One(String),
    /// A JSON list.
    Many(String),
    Error(Said),
    /// Three programs have died of it; how the last one did, and what it said at last.
    Died(String, Vec<u8>),
    /// It held so many bytes.
    Memory(u64, Vec<u8>),
    /// The stage cannot go on: why.
    Broken(String),
}

/// An item that somebody waits for.
pub struct Ticket {
    agent: Arc<Agent>,
    reply: Mutex<Option<Reply>>,
}

impl Ticket {
    /// What became of it, once.
    pub fn take(&self) -> Option<Reply> {
        self.reply.lock().take()
    }

    fn give(&self, reply: Reply) {
        *self.reply.lock() = Some(reply);
        self.agent.wake();
    }
}

struct Job {
    id: u64,
    item: Vec<u8>,
    ticket: Arc<Ticket>,
    deaths: u32,
    /// Nothing else is given to the program while it is at this one.
    alone: bool,
}

pub struct Proxy {
    kind: Arc<dyn Kind>,
    programs: Arc<Programs>,
    settings: Settings,
    me: Weak<Proxy>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The program that gets items.
    live: Option<Live>,
    /// Those that only finish what they have.
    leaving: Vec<Live>,
    waiting: VecDeque<Job>,
    next: u64,
    /// In a row, without a finished item.
    deaths: u32,
    failed_starts: u32,
    broken: Option<String>,
}

/// A program that is there.
struct Live {
    number: u64,
    process: Arc<Process>,
    hello: Option<Hello>,
    sent: VecDeque<Job>,
    begun: HashSet<u64>,
    taken: u64,
    /// Has it ever answered, or greeted?
    spoke: bool,
    /// What it has said of a line that is not complete.
    rest: Vec<u8>,
    err: Vec<u8>,
    calls: Option<Box<dyn Calls>>,
    /// Killed by us: why that was.
    fault: Option<String>,
}

impl Proxy {
    pub fn new(kind: Arc<dyn Kind>, programs: Arc<Programs>, settings: Settings) -> Arc<Proxy> {
        Arc::new_cyclic(|me| Proxy {
            kind,
            programs,
            settings,
            me: me.clone(),
            state: Mutex::default(),
        })
    }

    /// Gives an item (one line, as the program's lines want it) to the program.
    pub fn submit(&self, item: Vec<u8>, agent: &Arc<Agent>) -> Arc<Ticket> {
        let ticket = Arc::new(Ticket {
            agent: agent.clone(),
            reply: Mutex::new(None),
        });
        let mut state = self.state.lock();
        if let Some(why) = &state.broken {
            ticket.give(Reply::Broken(why.clone()));
            return ticket;
        }
        state.next += 1;
        let job = Job {
            id: state.next,
            item,
            ticket: ticket.clone(),
            deaths: 0,
            alone: false,
        };
        state.waiting.push_back(job);
        self.pump(&mut state);
        ticket
    }

    /// The time of an item is over. The program that is at it is ended, and replaced.
    pub fn cancel(&self, ticket: &Arc<Ticket>) {
        let mut state = self.state.lock();
        state.waiting.retain(|j| !Arc::ptr_eq(&j.ticket, ticket));
        let is_it = |j: &Job| Arc::ptr_eq(&j.ticket, ticket);
        let Some(live) = &mut state.live else { return };
        let Some(at) = live.sent.iter().position(is_it) else {
            return;
        };
        live.sent.remove(at);
        live.process.end();
        // Nothing that it says counts any more, and nobody waits for its end.
        if let Some(mut live) = state.live.take() {
            if let Some(calls) = &mut live.calls {
                calls.gone();
            }
            live.calls = None;
            give_back(&mut state, std::mem::take(&mut live.sent));
        }
        self.pump(&mut state);
    }

    /// Nothing more comes: programs finish and go.
    pub fn finish(&self) {
        let mut state = self.state.lock();
        if let Some(live) = state.live.take() {
            live.process.finish();
            state.leaving.push(live);
        }
    }

    /// Starts a program where one is missing, and gives it what waits.
    fn pump(&self, state: &mut State) {
        if state.waiting.is_empty() || state.broken.is_some() {
            return;
        }
        if state.live.is_none()
            && let Err(why) = self.start(state)
        {
            return self.fail(state, format!("its program cannot be started: {why}"));
        }
        let Some(live) = &mut state.live else { return };
        if self.greets() && live.hello.is_none() {
            return;
        }
        let mut out = Vec::new();
        while let Some(job) = state.waiting.front() {
            if live.sent.iter().any(|j| j.alone) || (job.alone && !live.sent.is_empty()) {
                break;
            }
            let Some(job) = state.waiting.pop_front() else {
                break;
            };
            match self.kind.lines() {
                Lines::Text => out.extend_from_slice(&job.item),
                Lines::Json => protocol::write_item(job.id, &job.item, &mut out),
            }
            out.push(b'\n');
            live.taken += 1;
            live.sent.push_back(job);
        }
        if !out.is_empty() {
            live.process.say(&out);
        }
        self.retire(state);
    }

    /// Do its programs begin with a hello?
    fn greets(&self) -> bool {
        self.kind.greets() || self.settings.greets.load(Ordering::Relaxed)
    }

    /// A program that has had its share of items gets no more: the next one is started, then it is told.
    fn retire(&self, state: &mut State) {
        let Some(most) = self.settings.max_items else {
            return;
        };
        if state.live.as_ref().is_none_or(|l| l.taken < most) {
            return;
        }
        let Some(old) = state.live.take() else { return };
        // Started now, so that there is no gap; where that fails, it is tried again for the next item.
        let _later = self.start(state);
        old.process.finish();
        state.leaving.push(old);
    }

    fn start(&self, state: &mut State) -> Result<(), String> {
        let (command, socket) = self.kind.command(self.settings.slot)?;
        if let Some(cwd) = command.cwd.as_ref().filter(|c| !c.is_dir()) {
            return Err(format!("there is no folder {}", cwd.display()));
        }
        state.next += 1;
        let number = state.next;
        let proxy = self.me.upgrade().ok_or("nobody wants it any more")?;
        let listener = Arc::new(Hearing { proxy, number });
        let input = socket.map_or(Input::Kept, Input::Socket);
        let process = self
            .programs
            .start(command, input, self.settings.memory, listener)
            .map_err(|e| e.to_string())?;
        state.live = Some(Live {
            number,
            process,
            hello: None,
            sent: VecDeque::new(),
            begun: HashSet::new(),
            taken: 0,
            spoke: false,
            rest: Vec::new(),
            err: Vec::new(),
            calls: None,
            fault: None,
        });
        Ok(())
    }

    /// The stage cannot go on.
    fn fail(&self, state: &mut State, why: String) {
        let lost = state.live.take();
        let sent = lost
            .into_iter()
            .flat_map(|mut l| std::mem::take(&mut l.sent));
        let all: Vec<Job> = state.waiting.drain(..).chain(sent).collect();
        for job in all {
            job.ticket.give(Reply::Broken(why.clone()));
        }
        state.broken = Some(why);
    }

    /// A program has said something.
    fn heard(&self, number: u64, bytes: &[u8]) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let Some(live) = state.find(number) else {
            return;
        };
        live.rest.extend_from_slice(bytes);
        let mut said = std::mem::take(&mut live.rest);
        let mut done = 0;
        while let Some(end) = memchr::memchr(b'\n', &said[done..]) {
            let line = &said[done..done + end];
            done += end + 1;
            if let Err(why) = self.line(state, number, line) {
                self.break_with(state, number, &why);
                break;
            }
        }
        said.drain(..done);
        if said.len() > LONGEST {
            self.break_with(state, number, "it said a line of more than 64 MiB");
            said.clear();
        }
        if let Some(live) = state.find(number) {
            live.rest = said;
        }
        self.pump(state);
    }

    /// One line of a program.
    ///
    /// # Errors
    /// Why it breaks the protocol.
    fn line(&self, state: &mut State, number: u64, line: &[u8]) -> Result<(), String> {
        let Some(live) = state.find(number) else {
            return Ok(());
        };
        if live.fault.is_some() {
            return Ok(());
        }
        if self.kind.lines() == Lines::Text {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let Some(job) = live.sent.pop_front() else {
                return Err(format!(
                    "it said a line that nobody asked for: {}",
                    shown(line)
                ));
            };
            live.spoke = true;
            job.ticket.give(Reply::Line(line.to_vec()));
            state.finished();
            return Ok(());
        }
        let heard = protocol::read(line)
            .map_err(|why| format!("it said what is no message ({why}): {}", shown(line)))?;
        match heard {
            Heard::Hello(hello) => {
                if live.spoke || live.hello.is_some() {
                    return Err("it says hello, but not at its beginning".into());
                }
                if live.taken > 0 {
                    // It got an item before we knew that it greets, and would take that for our hello.
                    self.settings.greets.store(true, Ordering::Relaxed);
                    live.process.kill();
                    let sent = std::mem::take(&mut live.sent);
                    state.live = None;
                    give_back(state, sent);
                    return Ok(());
                }
                live.hello = Some(hello);
                live.spoke = true;
                state.failed_starts = 0;
                self.greet(state, number);
            }
            Heard::Begin(id) => {
                live.begun.insert(id);
            }
            Heard::Log(text) => self.log(&text),
            Heard::Call(call) => match &mut live.calls {
                Some(calls) => calls.call(call, &String::from_utf8_lossy(line)),
                None => live.process.say(&protocol::call_error(
                    call,
                    "RuntimeError",
                    "this worker has not said in its hello that it calls, or nothing answers calls here",
                )),
            },
            Heard::Answers(answers) => {
                live.spoke = true;
                for answer in answers {
                    let Some(at) = live.sent.iter().position(|j| j.id == answer.id) else {
                        return Err(format!("it answered item {}, which it has not", answer.id));
                    };
                    let Some(job) = live.sent.remove(at) else { continue };
                    live.begun.remove(&job.id);
                    if let Some(calls) = &mut live.calls {
                        calls.done(job.id);
                    }
                    job.ticket.give(match answer.made {
                        Made::One(text) => Reply::One(text.to_owned()),
                        Made::Many(text) => Reply::Many(text.to_owned()),
                        Made::Error(said) => Reply::Error(said),
                    });
                }
                state.finished();
            }
        }
        Ok(())
    }

    /// Answers a worker's hello.
    fn greet(&self, state: &mut State, number: u64) {
        let Some(live) = state.find(number) else {
            return;
        };
        let mut hello: Map<String, Value> = Map::new();
        hello.insert("version".into(), json!(protocol::VERSION));
        hello.insert("run".into(), json!(self.settings.run));
        hello.insert("stage".into(), json!(self.settings.stage));
        hello.insert("worker".into(), json!(self.settings.slot));
        hello.insert("tasks".into(), json!(self.settings.tasks));
        hello.extend(self.kind.hello());
        let mut line = json!({ "hello": hello }).to_string();
        line.push('\n');
        if live.hello.is_some_and(|h| h.guards) {
            let process = Arc::downgrade(&live.process);
            let say = move |bytes: Vec<u8>| {
                if let Some(process) = process.upgrade() {
                    process.say(&bytes);
                }
            };
            live.calls = self.kind.calls(self.settings.slot, Arc::new(say));
        }
        // Behind it, what was said before it was known that it greets: nothing was.
        live.process.say(line.as_bytes());
    }

    /// It does not keep to the protocol: it is killed, and its end says why.
    fn break_with(&self, state: &mut State, number: u64, why: &str) {
        if let Some(live) = state.find(number) {
            live.fault.get_or_insert_with(|| why.to_owned());
            live.process.kill();
        }
    }

    fn err(&self, number: u64, bytes: &[u8]) {
        let mut state = self.state.lock();
        let Some(live) = state.find(number) else {
            return;
        };
        let from = live.err.len();
        live.err.extend_from_slice(bytes);
        // What was there already has been told up to its last line's end.
        let begin = live.err[..from]
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |i| i + 1);
        let end = live
            .err
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |i| i + 1);
        let lines = if end > begin {
            String::from_utf8_lossy(&live.err[begin..end]).into_owned()
        } else {
            String::new()
        };
        let over = live.err.len().saturating_sub(TAIL);
        live.err.drain(..over);
        drop(state);
        lines.lines().for_each(|line| self.log(line));
    }

    fn log(&self, line: &str) {
        let Settings { stage, slot, .. } = &self.settings;
        self.programs.log(&format!("{stage}[{slot}]: {line}"));
    }

    /// A program has ended.
    fn ended(&self, number: u64, how: Result<Exit, io::Error>) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let was_live = state.live.as_ref().is_some_and(|l| l.number == number);
        let found = if was_live {
            state.live.take()
        } else {
            let at = state.leaving.iter().position(|l| l.number == number);
            at.map(|at| state.leaving.remove(at))
        };
        let Some(mut live) = found else { return };
        if let Some(calls) = &mut live.calls {
            calls.gone();
        }
        let how = match how {
            Err(e) => {
                give_back(state, std::mem::take(&mut live.sent));
                return self.fail(state, format!("its program cannot be started: {e}"));
            }
            Ok(exit) => exit,
        };
        let sent = std::mem::take(&mut live.sent);
        if sent.is_empty() && (!was_live || how == Exit::Code(0)) {
            // It has finished; a new one is started when there is something to do.
            if was_live && !live.spoke {
                state.failed_starts += 1;
            }
            return self.after_death(state, &live, how, was_live && !live.spoke);
        }
        let (suspects, free) = self.blame(&live, sent);
        give_back(state, free);
        let mut again = VecDeque::new();
        for mut job in suspects {
            if let Exit::Memory(held) = how {
                job.ticket.give(Reply::Memory(held, live.err.clone()));
                continue;
            }
            job.deaths += 1;
            job.alone = true;
            if job.deaths >= DEATHS {
                let why = words(&live, how);
                job.ticket.give(Reply::Died(why, live.err.clone()));
            } else {
                again.push_back(job);
            }
        }
        give_back(state, again);
        if !matches!(how, Exit::Memory(_)) {
            state.deaths += 1;
        }
        if !live.spoke && live.taken == 0 {
            state.failed_starts += 1;
        }
        self.after_death(state, &live, how, true);
    }

    /// Is that enough? Otherwise whoever waits gets the next program.
    fn after_death(&self, state: &mut State, live: &Live, how: Exit, counts: bool) {
        if counts && state.deaths >= IN_A_ROW {
            let why = words(live, how);
            return self.fail(
                state,
                format!("{IN_A_ROW} of its programs have died one after the other, and none has finished an item; the last: {why}"),
            );
        }
        if counts && state.failed_starts >= STARTS {
            let why = words(live, how);
            return self.fail(
                state,
                format!(
                    "its program has ended {STARTS} times before it was ready; the last time: {why}"
                ),
            );
        }
        self.pump(state);
    }

    /// Which items may have been the cause of a death, and which were not begun.
    fn blame(&self, live: &Live, sent: VecDeque<Job>) -> (VecDeque<Job>, VecDeque<Job>) {
        let says = live.hello.is_some_and(|h| h.begin);
        let mut at = 0;
        sent.into_iter().partition(|job| {
            at += 1;
            if says {
                live.begun.contains(&job.id)
            } else {
                at <= self.settings.tasks
            }
        })
    }
}

impl State {
    fn find(&mut self, number: u64) -> Option<&mut Live> {
        let all = self.live.iter_mut().chain(&mut self.leaving);
        all.into_iter().find(|l| l.number == number)
    }

    /// A program has finished an item.
    fn finished(&mut self) {
        self.deaths = 0;
        self.failed_starts = 0;
    }
}

/// What was not done goes to the front again, in its order.
fn give_back(state: &mut State, mut jobs: VecDeque<Job>) {
    while let Some(job) = jobs.pop_back() {
        state.waiting.push_front(job);
    }
}

/// How a program ended, and what it said at last.
fn words(live: &Live, how: Exit) -> String {
    let mut text = match (&live.fault, how) {
        (Some(fault), _) => fault.clone(),
        (None, Exit::Code(code)) => format!("it ended with exit code {code}"),
        (None, how) => format!("it was killed by {how}"),
    };
    let said = String::from_utf8_lossy(&live.err);
    let last: Vec<&str> = said.lines().collect();
    if !last.is_empty() {
        text += ", and said: ";
        text += &last[last.len().saturating_sub(3)..].join(" | ");
    }
    text
}

/// A line of a program, cut where it is long.
fn shown(line: &[u8]) -> String {
    const MOST: usize = 100;
    let text = String::from_utf8_lossy(line);
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{:?}...", &text[..at]),
        None => format!("{text:?}"),
    }
}

/// Tells the proxy what one of its programs does.
struct Hearing {
    /// Until the program has ended, so that its last words are heard.
    proxy: Arc<Proxy>,
    number: u64,
}

impl Listener for Hearing {
    fn out(&self, bytes: &[u8]) -> bool {
        self.proxy.heard(self.number, bytes);
        true
    }

    fn err(&self, bytes: &[u8]) {
        self.proxy.err(self.number, bytes);
    }

    fn closed(&self) {
        // A program that says nothing more is of no use: its end is what counts.
        let mut state = self.proxy.state.lock();
        if state.live.as_ref().is_some_and(|l| l.number == self.number)
            && let Some(live) = state.find(self.number)
        {
            live.process.end();
        }
    }

    fn ended(&self, how: Result<Exit, io::Error>) {
        self.proxy.ended(self.number, how);
    }
}
