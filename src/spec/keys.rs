//! Every key of the language outside of steps, in tables: the reader of files and the schema walk them.
//! To build what was refused so far, set its `built`.

/// A key of a mapping.
#[derive(Debug)]
pub struct KeyDef {
    pub name: &'static str,
    pub form: Form,
    /// `false`: part of the language, refused with E0104 until it is built.
    pub built: bool,
    /// One sentence, for the schema and completion.
    pub help: &'static str,
}

/// What may be written as a key's value.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    Text,
    Expression,
    /// A whole number of at least this.
    Count(u64),
    Number,
    Bool,
    Duration,
    /// Bytes: `64MiB`, or a number.
    Size,
    /// A type: its name, `[T]`, or a mapping of fields.
    Type,
    /// A name: of this, or of something else in the file.
    Name,
    /// A name, or a list of them.
    Names,
    Words(&'static [Word]),
    /// Steps of a stage.
    Steps,
    Any,
    /// A mapping of these keys.
    Keys(&'static [KeyDef]),
    /// A mapping of the user's names to this, or a list of names where it may be left out.
    Named(&'static Form),
    /// A mapping of the user's names to conditions, one of them `else`.
    Routes,
    /// `3%`.
    Percent,
    ListOf(&'static Form),
    Either(&'static [Form]),
    /// Part of the language, not built yet.
    Later(&'static Form),
}

/// A word that may be chosen.
#[derive(Debug)]
pub struct Word {
    pub name: &'static str,
    pub built: bool,
}

const fn key(name: &'static str, form: Form, help: &'static str) -> KeyDef {
    KeyDef {
        name,
        form,
        built: true,
        help,
    }
}

const fn later(name: &'static str, form: Form, help: &'static str) -> KeyDef {
    KeyDef {
        name,
        form,
        built: false,
        help,
    }
}

const fn word(name: &'static str) -> Word {
    Word { name, built: true }
}

const fn later_word(name: &'static str) -> Word {
    Word { name, built: false }
}

#[rustfmt::skip]
pub static FILE: &[KeyDef] = &[
    key("name", Form::Name, "What the pipeline is called; the file's name by default."),
    key("description", Form::Text, "What it is for."),
    key("params", Form::Named(&Form::Either(&[Form::Text, Form::Number, Form::Bool, Form::Keys(PARAM)])), "What can be set from outside: a default, or a mapping with `type`, `default`, `help`, `secret`."),
    key("types", Form::Named(&Form::Type), "Names for types."),
    key("pipes", Form::Named(&Form::Either(&[Form::Type, Form::Keys(PIPE)])), "First-in-first-out connections between exactly one writing and one reading stage."),
    key("queues", Form::Named(&Form::Either(&[Form::Type, Form::Keys(QUEUE)])), "Connections for many writers and many readers; the readers share the items."),
    key("locks", Form::Named(&Form::Any), "Locks, reentrant locks and read-write locks."),
    key("semaphores", Form::Named(&Form::Any), "A number of permits each."),
    key("conditions", Form::Named(&Form::Any), "Locks to wait under until something holds."),
    key("events", Form::Named(&Form::Any), "Lights that are red until somebody sets them."),
    key("barriers", Form::Named(&Form::Any), "Places where so many workers meet."),
    key("limits", Form::Named(&Form::Either(&[Form::Keys(LIMIT)])), "How many at once, how often, how far apart; also for each key."),
    key("values", Form::Named(&Form::Any), "Values that all workers share."),
    key("arrays", Form::Named(&Form::Any), "Arrays that all workers share."),
    key("stages", Form::Named(&Form::Keys(STAGE)), "The stages: lists of steps, each run by one executor."),
    key("tests", Form::ListOf(&Form::Keys(TEST)), "What stages make of given items; run by the command `test`."),
    key("stop", Form::Keys(STOP), "What happens when the run is stopped."),
    key("deadline", Form::Duration, "How long the whole run may take."),
];

#[rustfmt::skip]
pub static LIMIT: &[KeyDef] = &[
    key("concurrent", Form::Count(1), "How many at once."),
    key("rate", Form::Text, "How often: `10/s`, `100/min`, `1000/h`; evenly spaced but for a `burst`."),
    key("burst", Form::Count(1), "So many of a `rate` may come together."),
    key("delay", Form::Duration, "The time between two starts."),
    key("jitter", Form::Number, "Each delay times a random factor within ± this."),
    key("adaptive", Form::Keys(ADAPTIVE), "The delay follows the time that items take."),
    key("keys", Form::ListOf(&Form::Keys(LIMIT_KEY)), "What holds for each key; all entries hold at once."),
    key("max_waiting", Form::Count(1), "How many items of a stage may wait aside; 10000 by default."),
    key("scope", Form::Words(SCOPES), "Whether other runs are counted too; `run` by default."),
];

#[rustfmt::skip]
pub static LIMIT_KEY: &[KeyDef] = &[
    key("per", Form::Expression, "The key: items with the same are counted together; `ip(url)`: each address of the host."),
    key("concurrent", Form::Count(1), "How many at once for each key."),
    key("rate", Form::Text, "How often for each key: `10/s`, `100/min`, `1000/h`."),
    key("burst", Form::Count(1), "So many of a `rate` may come together."),
    key("delay", Form::Duration, "The time between two starts for the same key."),
    key("jitter", Form::Number, "Each delay times a random factor within ± this."),
    key("adaptive", Form::Keys(ADAPTIVE), "The delay follows the time that items take."),
];

#[rustfmt::skip]
pub static ADAPTIVE: &[KeyDef] = &[
    key("target", Form::Number, "How many should be on their way at once; 1.0 by default."),
    key("start", Form::Duration, "The first delay; 5s by default."),
    key("max", Form::Duration, "The longest delay; 60s by default."),
];

#[rustfmt::skip]
pub static SCOPES: &[Word] = &[word("run"), later_word("machine"), later_word("cluster")];

#[rustfmt::skip]
pub static TEST: &[KeyDef] = &[
    key("name", Form::Name, "What is tested, as a sentence."),
    key("stage", Form::Name, "The stage that is tested alone; without it, the whole pipeline."),
    key("given", Form::Any, "What enters: a list of items, or for the whole pipeline a mapping of stages to lists."),
    key("expect", Form::Any, "What leaves: a list of items, or a mapping of stages (of one stage's connections) to lists."),
    key("unordered", Form::Bool, "Only which items there are matters, not their order."),
    key("partial", Form::Bool, "Records may have more fields than are expected."),
    key("errors", Form::Either(&[Form::Count(0), Form::ListOf(&Form::Keys(TEST_ERROR))]), "The item errors: how many, or parts of what is said of each."),
    key("fails", Form::Text, "The run fails, and this is part of what it says."),
    key("invalid", Form::ListOf(&Form::Text), "The file has just these errors; nothing runs."),
    key("set", Form::Named(&Form::Any), "Parameters for this test."),
];

#[rustfmt::skip]
pub static TEST_ERROR: &[KeyDef] = &[
    key("stage", Form::Text, "The stage."),
    key("step", Form::Text, "The step, by its key or name."),
    key("kind", Form::Text, "As in a dead letter: parse, expression, type ..."),
    key("message", Form::Text, "A part of the message."),
    key("item", Form::Text, "A part of the item as JSON."),
];

#[rustfmt::skip]
pub static STOP: &[KeyDef] = &[
    key("drain", Form::Duration, "How long what has begun may take to finish after the first signal."),
];

#[rustfmt::skip]
pub static PARAM: &[KeyDef] = &[
    key("type", Form::Words(PARAM_TYPES), "The type of its value; by default that of the default."),
    key("default", Form::Any, "Its value where none is given; without one it must be given."),
    key("help", Form::Text, "What it is for."),
    key("secret", Form::Bool, "Shown as `***` wherever we show something."),
];

#[rustfmt::skip]
pub static PARAM_TYPES: &[Word] = &[word("string"), word("int"), word("double"), word("bool"), word("duration"), word("path")];

#[rustfmt::skip]
pub static PIPE: &[KeyDef] = &[
    key("of", Form::Type, "The type of its items; by default what its writer gives."),
    key("max", Form::Count(1), "How many items may wait in it; 1024 by default."),
    key("max_bytes", Form::Size, "How many bytes they may hold together, as an estimate; 64MiB by default."),
    key("full", Form::Words(FULL), "What happens to an item that comes when it is full; `block` by default, with `feedback` `spill`."),
    later("reply", Form::Type, "The type of the answer that a writer (`ask`) waits for."),
];

#[rustfmt::skip]
pub static QUEUE: &[KeyDef] = &[
    key("of", Form::Type, "The type of its items; by default what its writers give."),
    key("max", Form::Count(1), "How many items may wait in it; 1024 by default."),
    key("max_bytes", Form::Size, "How many bytes they may hold together, as an estimate; 64MiB by default."),
    key("order", Form::Words(ORDERS), "Which item leaves first; `fifo` by default."),
    key("by", Form::Expression, "With `order: priority`: a number; the lower goes first."),
    key("full", Form::Words(FULL), "What happens to an item that comes when it is full; `block` by default, with `feedback` `spill`."),
    key("feedback", Form::Bool, "It closes a loop, which ends when nothing of it is unfinished; when it is full it spills to disk."),
];

#[rustfmt::skip]
pub static ORDERS: &[Word] = &[word("fifo"), word("lifo"), word("priority")];

#[rustfmt::skip]
pub static FULL: &[Word] = &[word("block"), word("drop_newest"), word("drop_oldest"), word("spill")];

#[rustfmt::skip]
pub static STAGE: &[KeyDef] = &[
    key("description", Form::Text, "What it does."),
    key("from", Form::Names, "The stages, pipes or queues whose items it takes; without, its first step is a source."),
    key("to", Form::Either(&[Form::Names, Form::Routes]), "Where its items go besides the stages that name it; a mapping sends each to the first whose condition holds."),
    key("threads", Form::Either(&[Form::Count(1), Form::Words(AUTO)]), "On so many threads of this program."),
    key("processes", Form::Either(&[Form::Count(1), Form::Words(AUTO), Form::Keys(PROCESSES)]), "Its external steps (`python`, `worker`, `exec`, `shell`) in so many processes; the others around them in threads."),
    key("tasks", Form::Either(&[Form::Count(1), Form::Words(AUTO)]), "So many items at once on an event loop."),
    key("timer", Form::Either(&[Form::Duration, Form::Keys(TIMER)]), "On a clock, one item at a time: without `from`, an item at each tick."),
    key("do", Form::Steps, "The steps that each item goes through."),
    key("ordered", Form::Either(&[Form::Bool, Form::Keys(ORDERED)]), "Do its items leave in the order in which they came?"),
    key("after", Form::Names, "It starts when these stages have ended without a failed item."),
    key("always", Form::Bool, "With `after`: it starts however they have ended."),
    key("timeout", Form::Duration, "How long one item may take, each attempt."),
    key("retry", Form::Either(&[Form::Count(0), Form::Keys(RETRY)]), "How often a failed item is tried again."),
    key("on_error", Form::Either(&[Form::Words(ON_ERROR), Form::Keys(DEAD)]), "What becomes of an item that fails; `fail` by default."),
    key("max_errors", Form::Either(&[Form::Count(0), Form::Percent]), "More failed items than this fail the run."),
    key("sets", Form::Names, "What user code here sets, notifies, meets or releases."),
    key("puts", Form::Names, "The queues that user code here puts into."),
];

#[rustfmt::skip]
pub static TIMER: &[KeyDef] = &[
    key("every", Form::Duration, "From one tick to the next."),
    key("delay", Form::Duration, "Before the first tick; with `from` and nothing else, before each item."),
    key("cron", Form::Text, "When ticks come, as a cron line: minute, hour, day, month, weekday."),
    key("timezone", Form::Text, "The time zone of the cron line (`Europe/Zurich`); the machine's by default."),
    key("times", Form::Count(1), "So many ticks, and no more."),
    key("until", Form::Any, "No more ticks after so long (`1h`), from a time on (RFC 3339), or as soon as an expression holds when one comes."),
    key("missed", Form::Words(MISSED), "What becomes of a tick that comes while the last one is at work; `skip` by default."),
];

#[rustfmt::skip]
pub static MISSED: &[Word] = &[word("skip"), word("burst")];

#[rustfmt::skip]
pub static AUTO: &[Word] = &[word("auto")];

#[rustfmt::skip]
pub static PROCESSES: &[KeyDef] = &[
    key("count", Form::Either(&[Form::Count(1), Form::Words(AUTO)]), "How many; by default as many as there are CPUs."),
    key("start", Form::Words(STARTS), "How Python's workers begin: each on its own (`spawn`); `fork`, from one warm interpreter, is not built yet and does the same."),
    key("max_items", Form::Count(1), "After so many items a worker is replaced by a fresh one."),
    key("memory", Form::Size, "How much memory a process may hold; one that holds more is ended."),
    key("env", Form::Named(&Form::Text), "Added to the environment of the processes."),
    key("cwd", Form::Text, "The folder in which they start; that of the file by default."),
    key("tasks", Form::Count(1), "How many items each long-lived process may be at at once; 1 by default."),
];

#[rustfmt::skip]
pub static STARTS: &[Word] = &[word("fork"), word("spawn")];

#[rustfmt::skip]
pub static ORDERED: &[KeyDef] = &[
    key("window", Form::Count(1), "How many results may wait for their turn; at least the number of workers."),
];

#[rustfmt::skip]
pub static ON_ERROR: &[Word] = &[word("fail"), word("drop"), word("keep_going")];

#[rustfmt::skip]
pub static DEAD: &[KeyDef] = &[
    key("to", Form::Name, "The connection that takes the failed items."),
];

#[rustfmt::skip]
pub static RETRY: &[KeyDef] = &[
    key("times", Form::Count(0), "How many attempts after the first."),
    key("wait", Form::Duration, "Before the second attempt; 1s by default."),
    key("factor", Form::Number, "By how much each wait is longer than the one before; 2 by default."),
    key("max_wait", Form::Duration, "The longest wait."),
    key("jitter", Form::Number, "Each wait times a random factor within ± this."),
    key("max_waiting", Form::Count(1), "How many items may wait for their next attempt; 10000 by default."),
];

/// What may stand beside a step's key.
#[rustfmt::skip]
pub static MODIFIERS: &[KeyDef] = &[
    key("name", Form::Name, "What the step is called in reports."),
    key("if", Form::Expression, "Where it is false, the item passes untouched."),
    key("with", Form::Any, "The guards that the step holds for one item."),
    key("until", Form::Expression, "With a condition in `with`: what to wait for."),
    key("in", Form::Expression, "What the step works on instead of the item."),
    key("into", Form::Name, "The field that takes the result."),
    key("as", Form::Type, "The type of the result; text is converted."),
    key("timeout", Form::Duration, "How long the step may take for one item."),
    key("retry", Form::Either(&[Form::Count(0), Form::Keys(RETRY)]), "How often it is tried again."),
    key("on_error", Form::Either(&[Form::Words(ON_ERROR), Form::Keys(DEAD)]), "What becomes of an item that fails here."),
];

/// Every step of the language, built or not, in the order of the reference; `do` is a block.
#[rustfmt::skip]
pub static STEPS: &[&str] = &[
    "read", "files", "range", "items", "parse", "filter", "map", "assign", "keep", "remove",
    "rename", "each", "unique", "take", "skip", "sample", "batch", "group", "sort", "top",
    "lookup", "css", "exec", "shell", "worker", "python", "fetch", "sleep", "call", "wait_event",
    "set_event", "clear_event", "notify", "notify_all", "wait_barrier", "add", "store", "put", "ask", "write",
    "print", "log", "do",
];

/// What people who come from elsewhere write, and what it is called here.
#[rustfmt::skip]
pub static MEANT: &[(&str, &str)] = &[
    ("jobs", "stages"), ("tasks", "stages"), ("pipeline", "stages"), ("workflow", "stages"), ("sources", "stages"), ("transforms", "stages"), ("sinks", "stages"), ("processors", "stages"),
    ("vars", "params"), ("variables", "params"), ("parameters", "params"),
    ("inputs", "from"), ("input", "from"), ("source", "from"), ("reads", "from"),
    ("output", "to"), ("outputs", "to"), ("writes", "to"),
    ("steps", "do"), ("run", "do"), ("script", "do"),
    ("needs", "after"), ("depends_on", "after"), ("requires", "after"),
    ("workers", "threads"), ("concurrency", "threads"), ("parallel", "threads"), ("n_jobs", "threads"), ("max_workers", "threads"),
    ("timeout-minutes", "timeout"), ("retries", "retry"), ("max_retries", "retry"),
    ("errors", "on_error"), ("continue-on-error", "on_error"), ("continue_on_error", "on_error"),
    ("when", "if"), ("condition", "if"),
    ("size", "max"), ("maxsize", "max"), ("capacity", "max"),
    ("type", "of"), ("item", "of"),
    ("priority", "by"),
    ("overflow", "full"), ("when_full", "full"), ("max_events", "max"), ("maxlen", "max"),
    ("drop_on_error", "on_error"), ("reroute_dropped", "on_error"), ("catch", "on_error"), ("except", "on_error"),
    ("strategy", "threads"), ("matrix", "threads"), ("route", "to"), ("on", "timer"), ("schedule", "timer"), ("cron", "timer"),
    ("defaults", "params"), ("env", "params"),
    ("file", "path"), ("filename", "path"), ("include", "path"), ("path", "to"), ("file", "to"), ("filename", "to"),
    ("key", "by"), ("reverse", "desc"), ("mode", "append"), ("encoding", "format"), ("codec", "format"), ("sep", "delimiter"), ("separator", "delimiter"),
    ("delay", "wait"), ("backoff", "factor"), ("attempts", "times"), ("max_attempts", "times"),
    ("max_events", "size"), ("timeout_secs", "within"), ("timeout", "within"), ("k", "n"), ("limit", "n"),
];

/// Where a key belongs that stands somewhere else.
pub fn owner(name: &str) -> Option<&'static str> {
    let tables = [
        (FILE, "the file itself"),
        (STAGE, "a stage"),
        (QUEUE, "a queue"),
        (PIPE, "a pipe"),
        (MODIFIERS, "a step"),
    ];
    // `name` and `description` are keys of nearly everything.
    let found = tables
        .iter()
        .filter(|(table, _)| table.iter().any(|k| k.name == name));
    found
        .map(|(_, owner)| *owner)
        .next()
        .filter(|_| !matches!(name, "name" | "description"))
}

/// The name in the table for what is called so elsewhere.
pub fn elsewhere<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    let lower = wrong.to_lowercase();
    let mut names = MEANT.iter().filter(|(other, _)| *other == lower);
    names.find_map(|(_, name)| known.iter().find(|k| *k == name).copied())
}

/// The name in the table that a wrong one stands for: what it is called elsewhere, or a near one.
pub fn meant<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    elsewhere(wrong, known).or_else(|| crate::diagnostic::nearest(wrong, known.iter().copied()))
}
