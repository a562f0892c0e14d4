//! From the untyped tree to [`File`]: every word outside of steps read, every mistake of form said in one pass.
//!
//! What is wrong is left out of the result, so that `check` finds what else there is without saying it twice.

use super::file::{
    Conn, Executor, ExecutorKind, File, Full, Guard, GuardKind, MaxErrors, Modifiers, OnError,
    Order, Ordered, Placed, Retry, Route, Stage, StepNode, Test, To, Workers,
};
use super::forms;
use super::keys::{self, KeyDef, Word};
use super::node::{Key, Node, Scalar, Value};
use super::params::{Given, Params};
use super::put;
use crate::diagnostic::{Diagnostic, Diagnostics, Source};

/// Reads a pipeline file: YAML, parameters, `${}`, and the form of everything outside of steps' options.
///
/// `None` where it is no use to look further (no YAML, no mapping); otherwise what could be read, also where
/// mistakes were said, so that `check` can say its own beside them. With `given.complete` a parameter without
/// a value is an error.
pub fn load(source: &Source, given: &Given, diagnostics: &mut Diagnostics) -> Option<File> {
    let before = diagnostics.len();
    let Some(mut root) = super::load::read(source, diagnostics) else {
        if diagnostics.len() == before {
            diagnostics.push(empty());
        }
        return None;
    };
    if root.as_map().is_none() {
        diagnostics.push(if root.is_null() {
            empty()
        } else {
            forms::wrong(&root, "a pipeline file", "a mapping")
                .help("a pipeline has at least `stages:` with one stage in it")
        });
        return None;
    }
    let params = match &mut root.value {
        Value::Map(map) => map
            .iter_mut()
            .find(|(k, _)| k.text == "params")
            .map(|(_, node)| node),
        _ => None,
    };
    let params = Params::read(params, given, diagnostics);
    put::file(&mut root, &params, given, diagnostics);
    let file = File {
        params,
        folder: given.folder.clone(),
        ..File::default()
    };
    let file = Form { diagnostics }.file(&root, file);
    Some(File { root, ..file })
}

fn empty() -> Diagnostic {
    let d = Diagnostic::new(
        "E0106",
        crate::diagnostic::At::default(),
        "the file is empty",
    );
    d.help("a pipeline has at least `stages:` with one stage in it")
}

struct Form<'a> {
    diagnostics: &'a mut Diagnostics,
}

impl Form<'_> {
    fn file(&mut self, root: &Node, mut file: File) -> File {
        let entries = root.as_map().unwrap_or(&[]);
        for (key, node) in entries {
            if key.text.starts_with("x-")
                || !forms::is_key(key, "a pipeline file", keys::FILE, self.diagnostics)
            {
                continue;
            }
            match key.text.as_str() {
                "name" => file.name = forms::name(node, "`name`", self.diagnostics),
                "description" => file.description = self.text(node, "`description`"),
                "types" => file.types = self.nodes(node, "types"),
                "pipes" => file.pipes = self.conns(node, "pipes", keys::PIPE),
                "queues" => file.queues = self.conns(node, "queues", keys::QUEUE),
                "locks" => self.guards(&mut file, GuardKind::Lock, key, node),
                "semaphores" => self.guards(&mut file, GuardKind::Semaphore, key, node),
                "conditions" => self.guards(&mut file, GuardKind::Condition, key, node),
                "events" => self.guards(&mut file, GuardKind::Event, key, node),
                "barriers" => self.guards(&mut file, GuardKind::Barrier, key, node),
                "limits" => self.guards(&mut file, GuardKind::Limit, key, node),
                "values" => file.values = self.nodes(node, "values"),
                "arrays" => file.arrays = self.nodes(node, "arrays"),
                "stages" => file.stages = self.stages(node),
                "tests" => file.tests = self.tests(node),
                "stop" => file.drain = self.stop(node),
                "deadline" => file.deadline = self.duration(node, "`deadline`"),
                _ => {}
            }
        }
        if root.get("stages").is_none() && !is_meant(root, keys::FILE, "stages") {
            let first = entries.first().map_or(root.at, |(k, _)| k.at);
            let d = Diagnostic::new("E0106", first, "the file has no `stages`");
            self.diagnostics
                .push(d.help("a pipeline has at least `stages:` with one stage in it"));
        }
        file
    }

    fn guards(&mut self, file: &mut File, kind: GuardKind, key: &Key, node: &Node) {
        for (name, node) in forms::named(node, &key.text, self.diagnostics) {
            let node = node
                .cloned()
                .unwrap_or_else(|| Node::new(Value::Scalar(Scalar::Null), name.at));
            file.guards.push(Guard { name, kind, node });
        }
    }

    fn stop(&mut self, node: &Node) -> Option<Placed<std::time::Duration>> {
        let mut drain = None;
        for (_, value) in forms::keys(node, "`stop`", keys::STOP, self.diagnostics) {
            drain = self.duration(value, "`drain`");
        }
        drain
    }

    fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        forms::text(node, what, self.diagnostics).map(String::from)
    }

    fn duration(&mut self, node: &Node, what: &str) -> Option<Placed<std::time::Duration>> {
        let value = forms::duration(node, what, self.diagnostics)?;
        Some(Placed { value, at: node.at })
    }

    fn flag(&mut self, node: &Node, what: &str) -> Option<Placed<bool>> {
        let value = forms::flag(node, what, self.diagnostics)?;
        Some(Placed { value, at: node.at })
    }

    fn count(&mut self, node: &Node, what: &str, min: u64) -> Option<Placed<u64>> {
        let value = forms::count(node, what, min, self.diagnostics)?;
        Some(Placed { value, at: node.at })
    }

    /// One of the table's words that is built.
    fn word(&mut self, node: &Node, what: &str, words: &'static [Word]) -> Option<&'static str> {
        let names: Vec<&'static str> = words.iter().map(|w| w.name).collect();
        let found = forms::choice(node, what, &names, self.diagnostics)?;
        if words.iter().any(|w| w.name == found && !w.built) {
            self.diagnostics.push(forms::not_built(node.at, found));
            return None;
        }
        Some(found)
    }

    fn nodes(&mut self, node: &Node, what: &str) -> Vec<(Key, Node)> {
        if node.as_map().is_none() && !node.is_null() {
            self.diagnostics.push(forms::wrong(
                node,
                &format!("`{what}`"),
                "a mapping of names",
            ));
            return Vec::new();
        }
        let named = forms::named(node, what, self.diagnostics);
        named
            .into_iter()
            .filter_map(|(k, n)| Some((k, n?.clone())))
            .collect()
    }

    fn conns(&mut self, node: &Node, what: &'static str, table: &'static [KeyDef]) -> Vec<Conn> {
        let one = if what == "pipes" { "a pipe" } else { "a queue" };
        let mut conns = Vec::new();
        for (name, node) in forms::named(node, what, self.diagnostics) {
            let mut conn = Conn {
                at: node.map_or(name.at, |n| n.at),
                name,
                of: None,
                max: None,
                max_bytes: None,
                order: None,
                by: None,
                full: None,
                feedback: None,
                reply: None,
            };
            match node {
                None => {}
                Some(n) if n.is_null() => {}
                Some(n) if looks_like_a_record(n, table) => {
                    let help = format!(
                        "a record type wants `of`: `{}: {{of: {{...}}}}`",
                        conn.name.text
                    );
                    let message = format!("{one} in its short form takes the name of a type");
                    self.diagnostics
                        .push(Diagnostic::new("E0105", n.at, message).help(help));
                }
                Some(n) if n.as_map().is_some() => {
                    for (key, value) in forms::keys(n, one, table, self.diagnostics) {
                        self.conn(&mut conn, &key.text, value);
                    }
                }
                Some(n) => conn.of = Some(n.clone()),
            }
            conns.push(conn);
        }
        conns
    }

    fn conn(&mut self, conn: &mut Conn, key: &str, value: &Node) {
        match key {
            "of" => conn.of = Some(value.clone()),
            "reply" => conn.reply = Some(value.clone()),
            "max" => conn.max = self.count(value, "`max`", 1),
            "max_bytes" => {
                let bytes = forms::size(value, "`max_bytes`", self.diagnostics);
                conn.max_bytes = bytes.map(|n| Placed {
                    value: n.max(1),
                    at: value.at,
                });
            }
            "order" => {
                let order = self.word(value, "`order`", keys::ORDERS).map(|w| match w {
                    "lifo" => Order::Lifo,
                    "priority" => Order::Priority,
                    _ => Order::Fifo,
                });
                conn.order = order.map(|o| Placed {
                    value: o,
                    at: value.at,
                });
            }
            "by" => conn.by = forms::expression(value, "`by`", self.diagnostics),
            "full" => {
                let full = self.word(value, "`full`", keys::FULL).map(|w| match w {
                    "drop_newest" => Full::DropNewest,
                    "drop_oldest" => Full::DropOldest,
                    "spill" => Full::Spill,
                    _ => Full::Block,
                });
                conn.full = full.map(|f| Placed {
                    value: f,
                    at: value.at,
                });
            }
            "feedback" => conn.feedback = self.flag(value, "`feedback`"),
            _ => {}
        }
    }

    fn tests(&mut self, node: &Node) -> Vec<Test> {
        let tests = node.one_or_more().iter().map(|node| Test {
            name: node
                .get("name")
                .and_then(|n| forms::name(n, "a test's `name`", self.diagnostics)),
            at: node.at,
            node: node.clone(),
        });
        tests.collect()
    }

    fn stages(&mut self, node: &Node) -> Vec<Stage> {
        if node.as_map().is_none() {
            let mut d = forms::wrong(node, "`stages`", "a mapping of names to stages");
            if node.as_list().is_some() {
                d = d.help("write each stage as `NAME:` instead of `- name: NAME`");
            }
            self.diagnostics.push(d);
            return Vec::new();
        }
        let named = forms::named(node, "stages", self.diagnostics);
        if named.is_empty() {
            self.diagnostics.push(Diagnostic::new(
                "E0106",
                node.at,
                "`stages` has no stage in it",
            ));
        }
        named
            .into_iter()
            .filter_map(|(name, node)| self.stage(name, node?))
            .collect()
    }

    fn stage(&mut self, name: Key, node: &Node) -> Option<Stage> {
        let mut stage = Stage {
            at: node.at,
            incomplete: false,
            description: None,
            from: Vec::new(),
            to: To::All(Vec::new()),
            executor: None,
            ticks: None,
            steps: Vec::new(),
            ordered: None,
            after: Vec::new(),
            always: None,
            timeout: None,
            retry: None,
            on_error: None,
            max_errors: None,
            sets: Vec::new(),
            puts: Vec::new(),
            name,
        };
        let what = format!("the stage `{}`", stage.name.text);
        if node.as_map().is_none() {
            let mut d = forms::wrong(node, &what, "a mapping");
            if node.as_list().is_some() {
                d = d.help("put its steps under `do:`");
            }
            self.diagnostics.push(d);
            return None;
        }
        for (key, value) in forms::keys(node, "a stage", keys::STAGE, self.diagnostics) {
            let before = self.diagnostics.len();
            match key.text.as_str() {
                "description" => stage.description = self.text(value, "`description`"),
                "from" => stage.from = forms::names(value, "`from`", self.diagnostics),
                "to" => stage.to = self.to(value),
                "threads" => self.executor(&mut stage, ExecutorKind::Threads, key, value),
                "processes" => self.executor(&mut stage, ExecutorKind::Processes, key, value),
                "tasks" => self.executor(&mut stage, ExecutorKind::Tasks, key, value),
                "timer" => self.executor(&mut stage, ExecutorKind::Timer, key, value),
                "do" => stage.steps = self.steps(value),
                "ordered" => stage.ordered = self.ordered(value),
                "after" => stage.after = forms::names(value, "`after`", self.diagnostics),
                "always" => stage.always = self.flag(value, "`always`"),
                "timeout" => stage.timeout = self.duration(value, "`timeout`"),
                "retry" => stage.retry = self.retry(value),
                "on_error" => stage.on_error = self.on_error(value),
                "max_errors" => stage.max_errors = self.max_errors(value),
                "sets" => stage.sets = forms::names(value, "`sets`", self.diagnostics),
                "puts" => stage.puts = forms::names(value, "`puts`", self.diagnostics),
                _ => {}
            }
            let wires = matches!(key.text.as_str(), "from" | "to" | "do");
            stage.incomplete |= wires && self.diagnostics.len() > before;
        }
        stage.incomplete |= ["from", "to", "do"]
            .iter()
            .any(|wanted| is_meant(node, keys::STAGE, wanted));
        if node.get("do").is_none() && !is_meant(node, keys::STAGE, "do") {
            let d = Diagnostic::new("E0106", stage.name.at, format!("{what} has no `do`"));
            self.diagnostics
                .push(d.help("`do:` lists the steps of the stage"));
            stage.incomplete = true;
        }
        stage.ticks = stage
            .executor
            .as_ref()
            .filter(|e| e.kind == ExecutorKind::Timer && stage.from.is_empty())
            .map(|timer| StepNode {
                key: Key {
                    text: "timer".into(),
                    at: timer.at,
                },
                node: timer.node.clone(),
                steps: Vec::new(),
                modifiers: Modifiers::default(),
                at: timer.at,
            });
        Some(stage)
    }

    fn to(&mut self, node: &Node) -> To {
        let Some(map) = node.as_map() else {
            return To::All(forms::names(node, "`to`", self.diagnostics));
        };
        let mut routes: Vec<Route> = Vec::new();
        for (key, value) in map {
            let condition = match value.as_str() {
                Some("else") => None,
                _ => match forms::expression(value, "the condition of a route", self.diagnostics) {
                    Some(text) => Some(text),
                    None => continue,
                },
            };
            let rest = routes.iter().find(|r| r.condition.is_none());
            if let Some(rest) = rest.filter(|_| condition.is_none()) {
                let message = format!("`{}` and `{}` both take the rest", rest.to.text, key.text);
                self.diagnostics.push(
                    Diagnostic::new("E0105", key.at, message)
                        .help("give one of them a condition; `else` may stand once"),
                );
            }
            routes.push(Route {
                to: key.clone(),
                condition,
            });
        }
        To::Route(routes)
    }

    fn executor(&mut self, stage: &mut Stage, kind: ExecutorKind, key: &Key, node: &Node) {
        if let Some(first) = &stage.executor {
            let message = format!("the stage `{}` has two executors", stage.name.text);
            let d = Diagnostic::new("E0105", key.at, message).also(first.at, "the first one");
            self.diagnostics
                .push(d.help("keep one of `threads`, `processes`, `tasks` and `timer`"));
            return;
        }
        // More threads than this cost more than they bring, and a slip of the finger should not take the machine down.
        let most: u32 = if kind == ExecutorKind::Tasks {
            100_000
        } else {
            1024
        };
        let short = match kind {
            ExecutorKind::Threads | ExecutorKind::Tasks => true,
            ExecutorKind::Processes => node.as_map().is_none(),
            ExecutorKind::Timer => false,
        };
        if kind == ExecutorKind::Processes && !short {
            let (workers, processes) = super::processes::read(node, self.diagnostics);
            stage.executor = Some(Executor {
                kind,
                at: key.at,
                node: node.clone(),
                workers,
                processes,
            });
            return;
        }
        let workers = match &node.value {
            _ if !short => None,
            Value::Scalar(Scalar::Int(n)) if (1..=i64::from(most)).contains(n) => {
                Some(Workers::Count(*n as u32))
            }
            Value::Scalar(Scalar::String { text, .. }) if text == "auto" => Some(Workers::Auto),
            _ => {
                if !node.is_broken() {
                    let what = format!("`{}`", key.text);
                    let d = forms::wrong(
                        node,
                        &what,
                        &format!("a whole number from 1 to {most}, or `auto`"),
                    );
                    self.diagnostics.push(d);
                }
                return;
            }
        };
        let workers = workers.map(|value| Placed { value, at: node.at });
        stage.executor = Some(Executor {
            kind,
            at: key.at,
            node: node.clone(),
            workers,
            processes: super::Processes::default(),
        });
    }

    fn ordered(&mut self, node: &Node) -> Option<Placed<Ordered>> {
        let value = if node.as_map().is_some() {
            let mut window = None;
            for (_, value) in forms::keys(node, "`ordered`", keys::ORDERED, self.diagnostics) {
                window = forms::count(value, "`window`", 1, self.diagnostics);
            }
            Ordered::Yes(window)
        } else if forms::flag(node, "`ordered`", self.diagnostics)? {
            Ordered::Yes(None)
        } else {
            Ordered::No
        };
        Some(Placed { value, at: node.at })
    }

    fn retry(&mut self, node: &Node) -> Option<Placed<Retry>> {
        let mut retry = Retry {
            times: 0,
            wait: std::time::Duration::from_secs(1),
            factor: 2.0,
            max_wait: None,
            jitter: 0.0,
            max_waiting: None,
        };
        let times = |n: Option<u64>| n.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        if node.as_map().is_none() {
            retry.times = times(forms::count(node, "`retry`", 0, self.diagnostics))?;
            return Some(Placed {
                value: retry,
                at: node.at,
            });
        }
        let mut found = None;
        for (key, value) in forms::keys(node, "`retry`", keys::RETRY, self.diagnostics) {
            match key.text.as_str() {
                "times" => found = times(forms::count(value, "`times`", 0, self.diagnostics)),
                "wait" => retry.wait = forms::duration(value, "`wait`", self.diagnostics)?,
                "factor" => retry.factor = self.at_least(value, "`factor`", 1.0, f64::MAX)?,
                "max_wait" => {
                    retry.max_wait = forms::duration(value, "`max_wait`", self.diagnostics);
                }
                "jitter" => retry.jitter = self.at_least(value, "`jitter`", 0.0, 1.0)?,
                "max_waiting" => {
                    retry.max_waiting = forms::count(value, "`max_waiting`", 1, self.diagnostics);
                }
                _ => {}
            }
        }
        if node.get("times").is_none() {
            let d = Diagnostic::new("E0106", node.at, "`retry` wants `times`");
            self.diagnostics
                .push(d.help("`times: 3` is three more attempts after the first"));
        }
        retry.times = found?;
        Some(Placed {
            value: retry,
            at: node.at,
        })
    }

    fn at_least(&mut self, node: &Node, what: &str, min: f64, max: f64) -> Option<f64> {
        let n = forms::number(node, what, self.diagnostics)?;
        if (min..=max).contains(&n) {
            return Some(n);
        }
        let wanted = if max < f64::MAX {
            format!("a number from {min} to {max}")
        } else {
            format!("a number of {min} or more")
        };
        self.diagnostics.push(forms::wrong(node, what, &wanted));
        None
    }

    fn on_error(&mut self, node: &Node) -> Option<Placed<OnError>> {
        let value = if node.as_map().is_some() {
            let mut to = None;
            for (_, value) in forms::keys(node, "`on_error`", keys::DEAD, self.diagnostics) {
                to = forms::name(value, "`to`", self.diagnostics);
            }
            OnError::To(to?)
        } else {
            match self.word(node, "`on_error`", keys::ON_ERROR)? {
                "drop" => OnError::Drop,
                "keep_going" => OnError::KeepGoing,
                _ => OnError::Fail,
            }
        };
        Some(Placed { value, at: node.at })
    }

    fn max_errors(&mut self, node: &Node) -> Option<Placed<MaxErrors>> {
        let percent = node
            .as_str()
            .and_then(|t| t.strip_suffix('%')?.trim().parse::<f64>().ok());
        let value = match percent {
            Some(p) if (0.0..=100.0).contains(&p) => MaxErrors::Percent(p),
            _ if matches!(node.value, Value::Scalar(Scalar::Int(n)) if n >= 0) => {
                MaxErrors::Count(forms::count(node, "`max_errors`", 0, self.diagnostics)?)
            }
            _ => {
                self.diagnostics.push(forms::wrong(
                    node,
                    "`max_errors`",
                    "a whole number, or a percentage such as `3%`",
                ));
                return None;
            }
        };
        Some(Placed { value, at: node.at })
    }

    fn steps(&mut self, node: &Node) -> Vec<StepNode> {
        if node.is_null() {
            self.diagnostics.push(
                Diagnostic::new("E0106", node.at, "`do` has no steps")
                    .help("each step begins with `- `"),
            );
            return Vec::new();
        }
        let wrapped = node.as_list().is_none() && node.as_map().is_some_and(|m| m.len() > 1);
        if wrapped {
            let d = forms::wrong(node, "`do`", "a list of steps");
            self.diagnostics.push(d.help("begin each step with `- `"));
            return Vec::new();
        }
        node.one_or_more()
            .iter()
            .filter_map(|n| self.step(n))
            .collect()
    }

    fn step(&mut self, node: &Node) -> Option<StepNode> {
        let Some(map) = node.as_map() else {
            let mut d = forms::wrong(node, "a step", "a mapping");
            if let Some(name) = node.as_str() {
                d = d.help(format!("write `- {name}: ...` with what it takes"));
            }
            self.diagnostics.push(d);
            return None;
        };
        let modifier = |key: &Key| keys::MODIFIERS.iter().any(|m| m.name == key.text);
        let mut own: Vec<&(Key, Node)> = map.iter().filter(|(k, _)| !modifier(k)).collect();
        if own.len() > 1 {
            // One step and a mistyped modifier, or two steps in one?
            let (steps, others): (Vec<_>, Vec<_>) = own
                .iter()
                .copied()
                .partition(|(k, _)| keys::STEPS.contains(&k.text.as_str()));
            if let [step] = steps[..] {
                for (key, _) in others {
                    forms::is_key(
                        key,
                        &format!("the step `{}`", step.0.text),
                        keys::MODIFIERS,
                        self.diagnostics,
                    );
                }
                own = vec![step];
            } else {
                let names: Vec<String> = own.iter().map(|(k, _)| format!("`{}`", k.text)).collect();
                let message = format!(
                    "a step has one step key, this one has {}",
                    names.join(" and ")
                );
                let d = Diagnostic::new("E0105", own[1].0.at, message)
                    .also(own[0].0.at, "the first one");
                self.diagnostics
                    .push(d.help("begin each step with a `- ` of its own"));
                return None;
            }
        }
        let Some((key, options)) = own.first() else {
            let message = "this step has modifiers, but no step key";
            let d = Diagnostic::new("E0106", node.at, message);
            self.diagnostics
                .push(d.help("a step says what it does: `filter: ...`, `write: ...`, `do: [...]`"));
            return None;
        };
        let steps = if key.text == "do" {
            self.steps(options)
        } else {
            Vec::new()
        };
        let modifiers = self.modifiers(map);
        Some(StepNode {
            key: key.clone(),
            node: options.clone(),
            steps,
            modifiers,
            at: node.at,
        })
    }

    fn modifiers(&mut self, map: &[(Key, Node)]) -> Modifiers {
        let mut m = Modifiers::default();
        for (key, value) in map {
            let Some(def) = keys::MODIFIERS.iter().find(|d| d.name == key.text) else {
                continue;
            };
            if !def.built {
                self.diagnostics.push(forms::not_built(key.at, def.name));
                continue;
            }
            match def.name {
                "name" => m.name = forms::name(value, "`name`", self.diagnostics),
                "if" => m.condition = forms::expression(value, "`if`", self.diagnostics),
                "with" => m.with = self.with(value),
                "until" => m.until = forms::expression(value, "`until`", self.diagnostics),
                "in" => m.input = forms::expression(value, "`in`", self.diagnostics),
                "into" => m.into = forms::name(value, "`into`", self.diagnostics),
                "as" => m.result = Some(value.clone()),
                "timeout" => m.timeout = self.duration(value, "`timeout`"),
                "retry" => m.retry = self.retry(value),
                "on_error" => m.on_error = self.on_error(value),
                _ => {}
            }
        }
        m
    }

    /// `with: printer`, `with: [a, b]`, `with: {db: 2, config: write}`.
    fn with(&mut self, node: &Node) -> Vec<(Key, Option<Node>)> {
        let named = forms::named(node, "with", self.diagnostics);
        named.into_iter().map(|(k, n)| (k, n.cloned())).collect()
    }
}

/// Does an unknown key of the mapping stand for this one? Then it is not missing.
fn is_meant(node: &Node, table: &[KeyDef], wanted: &str) -> bool {
    let names: Vec<&str> = table.iter().map(|k| k.name).collect();
    let unknown = |key: &&(Key, Node)| !names.contains(&key.0.text.as_str());
    let mut unknown = node.as_map().unwrap_or(&[]).iter().filter(unknown);
    unknown.any(|(k, _)| keys::meant(&k.text, &names) == Some(wanted))
}

/// Was a record type written where the options of a connection belong?
fn looks_like_a_record(node: &Node, table: &[KeyDef]) -> bool {
    node.as_map().is_some_and(|m| {
        !m.is_empty()
            && m.iter()
                .all(|(k, v)| v.as_str().is_some() && !table.iter().any(|d| d.name == k.text))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// What a reading makes of a value, and the codes of what it says.
    fn reads<T>(text: &str, read: impl Fn(&mut Form<'_>, &Node) -> T) -> (T, Vec<&'static str>) {
        let source = Source {
            name: "x.yaml".into(),
            text: text.into(),
        };
        let mut diagnostics = Diagnostics::default();
        let node = super::super::read(&source, &mut diagnostics).expect("YAML");
        let value = read(
            &mut Form {
                diagnostics: &mut diagnostics,
            },
            &node,
        );
        (value, diagnostics.sorted().iter().map(|d| d.code).collect())
    }

    #[test]
    fn retry_has_a_short_and_a_long_form() {
        let (short, said) = reads("3", |f, n| f.retry(n).map(|r| r.value));
        let short = short.expect("a retry");
        assert_eq!(
            (said, short.times, short.wait, short.factor),
            (vec![], 3, Duration::from_secs(1), 2.0)
        );
        let (long, said) = reads(
            "{times: 2, wait: 250ms, factor: 1.5, max_wait: 1m, jitter: 0.2, max_waiting: 5}",
            |f, n| f.retry(n).map(|r| r.value),
        );
        let expected = Retry {
            times: 2,
            wait: Duration::from_millis(250),
            factor: 1.5,
            max_wait: Some(Duration::from_mins(1)),
            jitter: 0.2,
            max_waiting: Some(5),
        };
        assert_eq!((long, said), (Some(expected), vec![]));
        for (wrong, code) in [
            ("-1", "E0105"),
            ("{wait: 1s}", "E0106"),
            ("{times: 1, jitter: 2}", "E0105"),
            ("{times: 1, wait: 3}", "E0105"),
            ("{tmes: 1, times: 2}", "E0103"),
        ] {
            assert_eq!(
                reads(wrong, |f, n| f.retry(n).map(|r| r.value)).1,
                [code],
                "{wrong}"
            );
        }
    }

    #[test]
    fn max_errors_is_a_number_or_a_percentage() {
        let read = |text: &str| reads(text, |f, n| f.max_errors(n).map(|m| m.value));
        assert_eq!(read("100"), (Some(MaxErrors::Count(100)), vec![]));
        assert_eq!(read("2.5%"), (Some(MaxErrors::Percent(2.5)), vec![]));
        for wrong in ["101%", "-1", "-1%", "3.5", "x%", "'%'", "true"] {
            assert_eq!(read(wrong), (None, vec!["E0105"]), "{wrong}");
        }
    }

    #[test]
    fn ordered_may_have_a_window() {
        let read = |text: &str| reads(text, |f, n| f.ordered(n).map(|o| o.value));
        assert_eq!(read("true"), (Some(Ordered::Yes(None)), vec![]));
        assert_eq!(read("false"), (Some(Ordered::No), vec![]));
        assert_eq!(read("{window: 8}"), (Some(Ordered::Yes(Some(8))), vec![]));
        assert_eq!(read("{window: 0}").1, ["E0105"]);
        assert_eq!(read("on"), (None, vec!["E0105"]));
    }

    #[test]
    fn to_names_connections_or_routes_to_them() {
        let names = |to: To| match to {
            To::All(keys) => keys.into_iter().map(|k| (k.text, None)).collect::<Vec<_>>(),
            To::Route(routes) => routes
                .into_iter()
                .map(|r| (r.to.text, r.condition.map(|c| c.text)))
                .collect(),
        };
        let read = |text: &str| reads(text, |f, n| names(f.to(n)));
        assert_eq!(read("a"), (vec![("a".into(), None)], vec![]));
        assert_eq!(
            read("[a, 1]"),
            (vec![("a".into(), None), ("1".into(), None)], vec![])
        );
        let routes = vec![
            ("a".into(), Some("n > 3".into())),
            ("b".into(), Some("true".into())),
            ("c".into(), None),
        ];
        assert_eq!(read("{a: n > 3, b: true, c: else}"), (routes, vec![]));
        assert_eq!(read("{c: else, a: else}").1, ["E0105"]);
        assert_eq!(read("[[a]]").1, ["E0105"]);
    }

    #[test]
    fn guards_may_be_named_listed_or_counted() {
        let read = |text: &str| {
            reads(text, |f, n| {
                f.with(n)
                    .into_iter()
                    .map(|(k, n)| (k.text, n.map(|n| n.describe())))
                    .collect::<Vec<_>>()
            })
        };
        assert_eq!(read("a"), (vec![("a".into(), None)], vec![]));
        assert_eq!(
            read("[b, a]"),
            (vec![("b".into(), None), ("a".into(), None)], vec![])
        );
        assert_eq!(
            read("{db: 2, config: write}").0,
            [
                ("db".into(), Some("the number 2".into())),
                ("config".into(), Some("the text \"write\"".into()))
            ]
        );
        assert_eq!(read("[a, a]").1, ["E0202"]);
    }
}
