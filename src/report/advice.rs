//! One sentence on what limited a run, from what its workers did with their time.

use std::time::Duration;

use super::look::{GUARD, INPUT, Look, OUTPUT, OUTSIDE, StageLook, TIME, TURN};
use super::numbers::percent;
use super::usage::Usage;

/// A shorter run was limited by its start and its end.
const TOO_SHORT: Duration = Duration::from_millis(500);

/// A worker that works so much of its time is what the others wait for.
const BUSY: f64 = 0.7;
/// Processors that are used so much have nothing more to give.
const CPU_FULL: f64 = 0.85;
/// So little is as good as nothing.
const NEVER: f64 = 0.1;
/// So much of the workers' time is worth a word.
const MUCH: f64 = 0.3;

/// What limited the run, where that can be said.
pub fn limit(look: &Look, took: Duration, usage: &Usage) -> Option<String> {
    if took < TOO_SHORT {
        return None;
    }
    let most = |share: &dyn Fn(&StageLook) -> f64| {
        look.stages
            .iter()
            .map(|s| (share(s), s))
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .filter(|(share, _)| *share > 0.0)
    };
    let waited = |s: &StageLook, kind: usize| {
        s.waited[kind].as_secs_f64() / (took.as_secs_f64() * s.workers as f64)
    };
    let (busy, first) = most(&|s| s.busy_share(took))?;
    let cpu = usage.cpu_share(took);
    if cpu >= CPU_FULL {
        let all = if usage.cpus == 1 {
            "the one processor was".into()
        } else {
            format!("all {} processors were", usage.cpus)
        };
        return Some(format!(
            "the processor limited the run: {all} busy {} of the time, most of it in `{}`",
            percent(cpu.min(1.0)),
            first.name
        ));
    }
    if busy >= BUSY {
        let who = who(first);
        let more = if first.workers < usage.cpus {
            "; more of them may help"
        } else {
            ""
        };
        return Some(format!(
            "`{}` limited the run: {who} worked {} of the time{more}",
            first.name,
            percent(busy)
        ));
    }
    // Beside work, what keeps a stage from taking more: sleep, and the world outside.
    let aside = |s: &StageLook| {
        let outside = if s.source { 0.0 } else { waited(s, OUTSIDE) };
        waited(s, TIME) + outside
    };
    // It never waited for others: what time is left over went into waking up.
    let kept = |s: &StageLook| {
        let others: f64 = [INPUT, OUTPUT, TURN, GUARD]
            .map(|k| waited(s, k))
            .iter()
            .sum();
        if others <= NEVER {
            1.0
        } else {
            s.busy_share(took) + aside(s)
        }
    };
    let slow = |s: &StageLook| if kept(s) >= BUSY { aside(s) } else { 0.0 };
    if let Some((_, stage)) = most(&slow).filter(|(share, _)| *share >= MUCH) {
        let (sleeps, outside) = (waited(stage, TIME), aside(stage) - waited(stage, TIME));
        let (what, share) = if sleeps >= outside {
            ("slept", sleeps)
        } else {
            ("waited for what is outside of this program", outside)
        };
        let who = who(stage);
        return Some(format!(
            "`{}` limited the run: {who} {what} {} of the time; more of them may help",
            stage.name,
            percent(share.min(1.0))
        ));
    }
    if let Some((guards, stage)) = most(&|s| waited(s, GUARD)).filter(|(share, _)| *share >= MUCH) {
        return Some(format!(
            "the guards limited the run: the workers of `{}` waited for them {} of the time",
            stage.name,
            percent(guards.min(1.0))
        ));
    }
    if let Some((turn, stage)) = most(&|s| waited(s, TURN)).filter(|(share, _)| *share >= MUCH) {
        return Some(format!(
            "the order of `{0}` limited the run: its workers waited {1} of the time for their turn behind slower items; \
             where the order of its results does not matter, `ordered: false` lets them go on",
            stage.name,
            percent(turn.min(1.0))
        ));
    }
    let sources = |s: &StageLook| {
        if s.source {
            waited(s, INPUT) + waited(s, OUTSIDE)
        } else {
            0.0
        }
    };
    if let Some((wait, stage)) = most(&sources).filter(|(share, _)| *share >= MUCH) {
        return Some(format!(
            "the source of `{}` limited the run: its workers waited for it {} of the time",
            stage.name,
            percent(wait.min(1.0))
        ));
    }
    Some(format!(
        "no stage limited the run: the busiest, `{}`, worked {} of the time, and the stages waited for each other",
        first.name,
        percent(busy)
    ))
}

fn who(stage: &StageLook) -> String {
    if stage.workers == 1 {
        "its one worker".into()
    } else {
        format!("its {} workers", stage.workers)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;
    use crate::notice::Meters;
    use crate::report::fake::chain;
    use crate::report::look::Watch;

    /// `read` (2 workers) and `count` (2 workers) over 10 s: seconds busy and seconds waiting for input, output, turn,
    /// guards, a time, the world.
    fn run<const N: usize>(read: [u64; N], count: [u64; N], cpu: u64) -> String {
        let meters = Meters::new(2, 1);
        for (stage, spent) in meters.stages.iter().zip([read, count]) {
            let (busy, waited) = (spent[0], &spent[1..]);
            stage.busy_nanos.store(busy * 1_000_000_000, Relaxed);
            for (nanos, seconds) in stage.waited_nanos.iter().zip(waited) {
                nanos.store(seconds * 1_000_000_000, Relaxed);
            }
        }
        let took = Duration::from_secs(10);
        let look = Watch::new(&chain(&["read", "count"]), meters).look(took);
        let usage = Usage {
            peak_memory: 0,
            cpu: Duration::from_secs(cpu),
            cpus: 4,
        };
        limit(&look, took, &usage).unwrap_or_default()
    }

    #[test]
    fn the_sentence_names_what_the_others_waited_for() {
        let cases = [
            (
                run([2, 0, 18, 0], [19, 1, 0, 0], 21),
                "`count` limited the run: its 2 workers worked 95 % of the time; more of them may help",
            ),
            (
                run([18, 0, 0, 0], [19, 1, 0, 0], 39),
                "the processor limited the run: all 4 processors were busy 98 % of the time, most of it in `count`",
            ),
            (
                run([1, 19, 0, 0], [2, 18, 0, 0], 3),
                "the source of `read` limited the run: its workers waited for it 95 % of the time",
            ),
            (
                run([1, 1, 18, 0], [4, 4, 0, 12], 5),
                "the order of `count` limited the run: its workers waited 60 % of the time for their turn behind slower \
                 items; where the order of its results does not matter, `ordered: false` lets them go on",
            ),
            (
                run([1, 1, 18, 0, 0, 0, 0], [2, 0, 0, 0, 0, 17, 0], 4),
                "`count` limited the run: its 2 workers slept 85 % of the time; more of them may help",
            ),
            (
                run([1, 0, 18, 0, 0, 0, 0], [4, 0, 0, 0, 0, 0, 16], 5),
                "`count` limited the run: its 2 workers waited for what is outside of this program 80 % of the time; \
                 more of them may help",
            ),
            (
                run([1, 0, 18, 0, 0, 0, 0], [9, 1, 0, 0, 10, 0, 0], 9),
                "the guards limited the run: the workers of `count` waited for them 50 % of the time",
            ),
            (
                run([1, 0, 0, 0, 0, 0, 18], [1, 19, 0, 0, 0, 0, 0], 2),
                "the source of `read` limited the run: its workers waited for it 90 % of the time",
            ),
            (
                run([8, 2, 10, 0], [9, 11, 0, 0], 17),
                "no stage limited the run: the busiest, `count`, worked 45 % of the time, and the stages waited for each other",
            ),
        ];
        for (said, expected) in cases {
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn of_a_short_run_nothing_is_said() {
        let look =
            Watch::new(&chain(&["read"]), Meters::new(1, 0)).look(Duration::from_millis(100));
        assert_eq!(
            limit(&look, Duration::from_millis(100), &Usage::default()),
            None
        );
    }
}
