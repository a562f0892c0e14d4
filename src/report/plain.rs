//! Progress as a line now and then, for where there is no terminal.

use super::look::{Doing, Look, StageLook};
use super::numbers::{clock, percent, plural, rate, short};

/// `0:12  read 52 % 1.24 M (402 k/s) · count 12.3 k (10 k/s), 3 errors · 2 done`.
pub fn line(look: &Look) -> String {
    let mut parts: Vec<String> = Vec::new();
    let (mut pending, mut done) = (0, 0);
    for stage in &look.stages {
        match stage.doing {
            Doing::Pending => pending += 1,
            Doing::Done => done += 1,
            _ => parts.push(part(stage)),
        }
    }
    for (n, text) in [(pending, "not started"), (done, "done")] {
        if n > 0 {
            parts.push(format!("{n} {text}"));
        }
    }
    format!("{}  {}", clock(look.at), parts.join(" · "))
}

fn part(stage: &StageLook) -> String {
    let mut words = vec![stage.name.to_string()];
    if let Doing::Failed | Doing::Stopped | Doing::Drained = stage.doing {
        words.push(stage.doing.text().into());
    }
    if let Some((done, total)) = stage.part {
        words.push(percent(done as f64 / total as f64));
    }
    words.push(short(stage.taken));
    if !stage.doing.is_over() {
        words.push(format!("({})", rate(stage.rate)));
    }
    let text = words.join(" ");
    match stage.errors() {
        0 => text,
        n => format!("{text}, {}", plural(n, "error")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;
    use std::time::Duration;

    use super::*;
    use crate::notice::{Meters, StageState};
    use crate::report::fake::chain;
    use crate::report::look::Watch;

    #[test]
    fn a_line_tells_of_those_at_work() {
        let meters = Meters::new(4, 3);
        for (stage, state) in meters.stages.iter().zip([
            StageState::Done,
            StageState::Running,
            StageState::Running,
            StageState::Pending,
        ]) {
            stage.set_state(state);
        }
        meters.stages[1].taken.store(24_000, Relaxed);
        meters.stages[1].done.store(52, Relaxed);
        meters.stages[1].total.store(100, Relaxed);
        meters.stages[2].taken.store(1200, Relaxed);
        meters.stages[2].ended[3].store(3, Relaxed);
        let look = Watch::new(&chain(&["list", "read", "count", "write"]), meters)
            .look(Duration::from_secs(12));
        assert_eq!(
            line(&look),
            "0:12  read 52 % 24.0 k (2.00 k/s) · count 1,200 (100/s), 3 errors · 1 not started · 1 done"
        );
    }
}
