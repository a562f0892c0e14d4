//! `run --dry-run`: what would run, in words or as JSON; nothing is started.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Value, json};

use super::input::Checked;
use crate::plan::{Conn, Ordered, Plan, Stage};
use crate::report::graph;
use crate::report::numbers::{bytes, exact, plural, time};
use crate::report::paint::Paint;
use crate::report::prose::table;
use crate::steps::Op;

/// What there is to say of a plan.
pub(super) struct Outline<'a> {
    plan: &'a Plan,
    checked: &'a Checked,
    cpus: usize,
}

/// Threads beside the workers: the run's, the one that waits for signals, and the faces'.
const BESIDE: usize = 3;
/// Steps that start programs.
const PROGRAMS: [&str; 4] = ["exec", "shell", "worker", "python"];

impl<'a> Outline<'a> {
    pub(super) fn new(plan: &'a Plan, checked: &'a Checked) -> Outline<'a> {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        Outline {
            plan,
            checked,
            cpus,
        }
    }

    fn workers(&self) -> usize {
        self.plan.stages.iter().map(|s| s.executor.workers()).sum()
    }

    fn threads(&self) -> usize {
        let all = self.plan.stages.iter().map(|s| s.executor.threads());
        all.sum::<usize>() + BESIDE
    }

    /// The stages that start together, first those that wait for nobody.
    fn waves(&self) -> Vec<Vec<&'a Stage>> {
        let mut wave = vec![0; self.plan.stages.len()];
        // `after` is no circle, so this ends after as many rounds as there are stages at most.
        for _ in 0..wave.len() {
            for stage in &self.plan.stages {
                let last = stage.after.iter().map(|a| wave[a.index()] + 1).max();
                wave[stage.id.index()] = last.unwrap_or(0);
            }
        }
        let mut waves = vec![Vec::new(); wave.iter().max().map_or(0, |w| w + 1)];
        for stage in &self.plan.stages {
            waves[wave[stage.id.index()]].push(stage);
        }
        waves
    }

    /// Items that wait in connections, and in ordered stages for their turn, and bytes in connections: at most.
    fn most(&self) -> (usize, usize, usize) {
        let items = self.plan.conns.iter().map(|c| c.max.get()).sum();
        let held = self.plan.conns.iter().map(|c| c.max_bytes.get()).sum();
        let windows = self.plan.stages.iter().filter(|s| s.executor.workers() > 1);
        let windows = windows.map(|s| match s.ordered {
            Ordered::No => 0,
            Ordered::Window(n) => n.get(),
        });
        (items, windows.sum(), held)
    }

    /// Stages with steps that hold what they gather: it depends on the data how much.
    fn memories(&self) -> Vec<String> {
        self.steps(|op, _| matches!(op, Op::Memory(_)))
    }

    fn sources(&self) -> Vec<String> {
        self.steps(|op, _| matches!(op, Op::Source(_)))
    }

    fn sinks(&self) -> Vec<String> {
        self.steps(|op, _| matches!(op, Op::Sink(..)))
    }

    fn programs(&self) -> Vec<String> {
        self.steps(|_, text| PROGRAMS.contains(&text.split(' ').next().unwrap_or_default()))
    }

    /// `stage: step` for the steps that are so.
    fn steps(&self, so: impl Fn(&Op, &str) -> bool) -> Vec<String> {
        let of = |stage: &'a Stage| stage.program.steps.iter().map(move |step| (stage, step));
        let all = self
            .plan
            .stages
            .iter()
            .flat_map(of)
            .filter(|(_, s)| !s.text.is_empty() && so(&s.op, &s.text));
        all.map(|(stage, step)| format!("{}: {}", stage.name, step.text))
            .collect()
    }

    /// Each parameter's name and value.
    fn params(&self) -> Vec<(String, String)> {
        let show = |p: &crate::spec::Param| {
            if p.secret {
                "***".into()
            } else {
                p.text.clone()
            }
        };
        self.checked
            .params
            .list
            .iter()
            .map(|p| (p.name.text.clone(), show(p)))
            .collect()
    }

    /// The variables of the environment that the file names.
    fn environment(&self) -> Vec<String> {
        let names = Regex::new(
            r#"\$\{env\.([A-Za-z_][A-Za-z0-9_]*)|\benv\(\s*["']([A-Za-z_][A-Za-z0-9_]*)["']"#,
        )
        .expect("BUG: a pattern of ours");
        let found = names.captures_iter(&self.checked.source.text);
        let all: BTreeSet<String> = found
            .filter_map(|c| Some(c.get(1).or(c.get(2))?.as_str().to_string()))
            .collect();
        all.into_iter().collect()
    }

    fn readers_and_writers(&self, conn: &Conn) -> [String; 2] {
        [&conn.writers, &conn.readers].map(|stages| {
            let names: Vec<&str> = stages
                .iter()
                .map(|s| &*self.plan.stages[s.index()].name)
                .collect();
            names.join(", ")
        })
    }

    /// For people.
    pub(super) fn text(&self, columns: usize, paint: Paint) -> String {
        let plan = self.plan;
        let workers = self.workers();
        let mut parts = vec![format!(
            "{} would run {} with {} ({} threads in total) on {}.",
            paint.strong(&plan.name),
            graph::size(plan),
            plural(workers as u64, "worker"),
            self.threads(),
            plural(self.cpus as u64, "processor"),
        )];
        parts.extend(graph::safety(plan).map(|safe| format!("It is {safe}.")));
        let mut part = |title: &str, lines: Vec<String>| {
            if !lines.is_empty() {
                parts.push(format!("{}\n{}", paint.quiet(title), lines.join("\n")));
            }
        };
        let waves = self.waves();
        let names = |wave: &[&Stage]| {
            wave.iter()
                .map(|s| s.name.to_string())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let order: Vec<String> = match waves.as_slice() {
            [all] => vec![format!("  all at once: {}", names(all))],
            many => many
                .iter()
                .enumerate()
                .map(|(i, w)| format!("  {}. {}", i + 1, names(w)))
                .collect(),
        };
        part("Order of start", order);
        let rows: Vec<(String, String)> = plan
            .stages
            .iter()
            .map(|s| (s.name.to_string(), graph::stage(plan, s)))
            .collect();
        part("Stages", table(&rows, columns, paint));
        let rows: Vec<(String, String)> = plan
            .conns
            .iter()
            .map(|c| {
                let [from, to] = self.readers_and_writers(c);
                (format!("{from} → {to}"), graph::conn(c))
            })
            .collect();
        part("Connections", table(&rows, columns, paint));
        let (items, windows, held) = self.most();
        let mut most = vec![format!(
            "  in connections: {} items, {}",
            exact(items as u64),
            bytes(held as u64)
        )];
        if windows > 0 {
            most.push(format!(
                "  waiting for their turn in ordered stages: {} items",
                exact(windows as u64)
            ));
        }
        most.extend(
            self.memories()
                .iter()
                .map(|m| format!("  as much as the data asks for: {m}")),
        );
        part("At most held in memory at once", most);
        for (title, list) in [
            ("Data comes from", self.sources()),
            ("Data goes to", self.sinks()),
            ("Programs that would be run", self.programs()),
            ("Environment", self.environment()),
        ] {
            part(title, list.iter().map(|l| format!("  {l}")).collect());
        }
        part("Parameters", table(&self.params(), columns, paint));
        let mut limits = vec![format!(
            "  a first signal lets what has begun go on for {}",
            time(plan.drain)
        )];
        limits.extend(
            plan.deadline
                .map(|d| format!("  the run stops after {}", time(d))),
        );
        part("Stopping", limits);
        let text = parts.join("\n\n") + "\n";
        self.checked.secrets().hide(&text).into_owned()
    }

    /// For programs.
    pub(super) fn json(&self) -> String {
        let (items, windows, held) = self.most();
        let stages: Vec<Value> = self
            .plan
            .stages
            .iter()
            .map(|s| {
                let after: Vec<&str> = s.after.iter().map(|a| &*self.plan.stages[a.index()].name).collect();
                let steps: Vec<&str> =
                    s.program.steps.iter().map(|s| &*s.text).filter(|t| !t.is_empty()).collect();
                json!({"name": &*s.name, "workers": s.executor.workers(), "after": after, "steps": steps})
            })
            .collect();
        let names = |ids: &[crate::plan::StageId]| -> Vec<&str> {
            ids.iter()
                .map(|s| &*self.plan.stages[s.index()].name)
                .collect()
        };
        let conns: Vec<Value> = self
            .plan
            .conns
            .iter()
            .map(|c| {
                json!({
                    "name": &*c.name, "writers": names(&c.writers), "readers": names(&c.readers),
                    "of": c.of.to_string(), "max": c.max.get(), "max_bytes": c.max_bytes.get(),
                })
            })
            .collect();
        let waves: Vec<Vec<&str>> = self
            .waves()
            .iter()
            .map(|w| w.iter().map(|s| &*s.name).collect())
            .collect();
        let params: serde_json::Map<String, Value> = self
            .params()
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect();
        let outline = json!({
            "name": &*self.plan.name,
            "workers": self.workers(),
            "threads": self.threads(),
            "processors": self.cpus,
            "order": waves,
            "stages": stages,
            "connections": conns,
            "most": {"items": items, "turn_items": windows, "bytes": held, "unbounded": self.memories()},
            "sources": self.sources(),
            "sinks": self.sinks(),
            "programs": self.programs(),
            "environment": self.environment(),
            "params": params,
            "drain": self.plan.drain.as_secs_f64(),
            "deadlock_free": self.plan.safe,
            "deadline": self.plan.deadline.map(|d| d.as_secs_f64()),
        });
        self.checked
            .secrets()
            .hide(&format!("{outline:#}\n"))
            .into_owned()
    }
}
