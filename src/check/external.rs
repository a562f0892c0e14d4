//! Steps that start programs: which executor they want, and how many of them go together.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::Room;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::plan::Executor;
use crate::spec::{self, ExecutorKind, StepNode};
use crate::steps::Processes;
use crate::value::Name;

/// Programs that live as long as their stage: one of them in a stage, for its processes are theirs.
const LASTING: &[&str] = &["worker", "python"];
/// Programs that are started for each item.
const PASSING: &[&str] = &["exec", "shell"];

fn is_external(step: &StepNode) -> bool {
    [LASTING, PASSING].concat().contains(&&*step.key.text)
}

/// Has the stage a program that may use guards and values?
pub(super) fn has_lasting(stage: &spec::Stage) -> bool {
    let mut steps = all(&stage.steps).into_iter();
    steps.any(|s| LASTING.contains(&&*s.key.text))
}

/// All steps, those in blocks too, in order.
fn all(steps: &[StepNode]) -> Vec<&StepNode> {
    let mut found = Vec::new();
    for step in steps {
        found.push(step);
        found.extend(all(&step.steps));
    }
    found
}

/// Has the stage external steps? Says what is wrong with them.
pub(super) fn check(stage: &spec::Stage, out: &mut Diagnostics) -> bool {
    let steps = all(&stage.steps);
    let external: Vec<&StepNode> = steps.into_iter().filter(|s| is_external(s)).collect();
    let name = &stage.name.text;
    let mut lasting = external.iter().filter(|s| LASTING.contains(&&*s.key.text));
    if let Some(first) = lasting.next() {
        for second in lasting {
            let message = format!(
                "stage `{name}` has two steps with long-lived programs, `{}` and `{}`",
                first.key.text, second.key.text
            );
            out.push(
                Diagnostic::new("E0602", second.key.at, message)
                    .also(first.key.at, "the first one")
                    .help("give the second a stage of its own with `from` this one, and so processes of its own"),
            );
        }
    }
    let Some(executor) = &stage.executor else {
        return !external.is_empty();
    };
    match (executor.kind, external.first()) {
        (ExecutorKind::Threads | ExecutorKind::Tasks, Some(step)) => {
            let word = if executor.kind == ExecutorKind::Threads {
                "threads"
            } else {
                "tasks"
            };
            let message = format!(
                "`{}` starts programs, and they are counted with `processes`, not with `{word}`",
                step.key.text
            );
            out.push(
                Diagnostic::new("E0601", executor.at, message)
                    .also(step.key.at, "the step that starts programs")
                    .help(format!("write `processes` instead of `{word}`; the other steps of the stage run around the programs in as many threads")),
            );
        }
        (ExecutorKind::Processes, None) if !stage.incomplete => {
            let message = format!(
                "stage `{name}` has `processes`, but no step that starts any (`exec`, `shell`, `worker`, `python`)"
            );
            out.push(
                Diagnostic::new("W0601", executor.at, message)
                    .help("its steps run in threads of this program: write `threads`"),
            );
        }
        _ => {}
    }
    !external.is_empty()
}

/// Items that each of its long-lived programs may be at at once.
pub(super) fn tasks(stage: &spec::Stage) -> NonZeroUsize {
    let lasts = |s: &&StepNode| LASTING.contains(&&*s.key.text);
    let written = stage.executor.as_ref().and_then(|e| e.processes.tasks);
    let tasks = written.and_then(|n| usize::try_from(n).ok()?.try_into().ok());
    tasks
        .filter(|_| all(&stage.steps).iter().any(lasts))
        .unwrap_or(NonZeroUsize::MIN)
}

/// How the stage keeps its programs, where it has some.
pub(super) fn processes(
    room: &Room<'_>,
    stage: &spec::Stage,
    executor: &Executor,
) -> Option<Arc<Processes>> {
    if !all(&stage.steps).into_iter().any(is_external) {
        return None;
    }
    let count = match executor {
        Executor::Processes { count, .. } => *count,
        other => NonZeroUsize::new(other.workers()).unwrap_or(NonZeroUsize::MIN),
    };
    let written = stage.executor.as_ref().map(|e| &e.processes);
    let folder = &room.file.folder;
    let run = room.file.name.as_ref().map_or("pipeline", |n| &n.text);
    Some(Arc::new(Processes {
        run: Name::from(run),
        stage: Name::from(stage.name.text.as_str()),
        count,
        fork: written.is_none_or(|w| !w.spawn),
        max_items: written.and_then(|w| w.max_items),
        memory: written.and_then(|w| w.memory),
        env: written.map(|w| w.env.clone()).unwrap_or_default(),
        cwd: written
            .and_then(|w| w.cwd.as_ref())
            .map_or_else(|| folder.clone(), |cwd| folder.join(cwd)),
        tasks: tasks(stage),
    }))
}
