//! A timer at work.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Beat, Missed, Timer, Until};
use crate::expr::{EvalError, Scope};
use crate::value::{Blocks, Row, Shape, Type};
use crate::wait::Clock;

/// The wall clock may be set while one waits for it: so often it is looked at again.
const GLANCE: Duration = Duration::from_secs(30);
/// A clock that is set back by less than this repeats no tick.
const SET_BACK: SignedDuration = SignedDuration::from_hours(1);

/// A timer at work: asked whether a tick is there, it answers now, later, or never again.
#[derive(Debug)]
pub struct Rhythm {
    timer: Arc<Timer>,
    /// When it was first asked (since the run's start).
    began: Option<Duration>,
    next: Next,
    /// The last tick of a calendar.
    last: Option<Timestamp>,
    made: u64,
    /// Whoever asks was waiting when the next tick came: it is not one that came while the last was at work.
    awaited: bool,
    /// The tick was there and nobody had a use for it.
    unused: bool,
}

/// When the next tick comes.
#[derive(Clone, Copy, Debug)]
enum Next {
    /// Since the run's start.
    In(Duration),
    /// By the wall clock.
    At(Timestamp),
    Never,
}

/// What a rhythm answers.
#[derive(Debug, PartialEq)]
#[must_use]
pub enum Look {
    /// A tick is there: take it, or say that it is of no use.
    Now,
    /// Ask again then (since the run's start).
    Then(Duration),
    /// No tick will come any more.
    Over,
    /// `until` could not be computed.
    Failed(EvalError),
}

/// One tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// From 1.
    pub number: u64,
    /// When it was due: seconds and nanoseconds since 1970.
    pub at: (i64, u32),
}

impl Rhythm {
    pub fn new(timer: Arc<Timer>) -> Rhythm {
        Rhythm {
            timer,
            began: None,
            next: Next::Never,
            last: None,
            made: 0,
            awaited: false,
            unused: false,
        }
    }

    /// Is a tick there?
    pub fn look(&mut self, clock: &dyn Clock, scope: &Scope) -> Look {
        if self.timer.times.is_some_and(|times| self.made >= times) {
            return Look::Over;
        }
        let (now, wall) = (clock.now(), wall(clock));
        if self.began.is_none() {
            self.began = Some(now);
            self.next = match &self.timer.beat {
                Beat::Cron(cron) => {
                    let from = wall
                        .saturating_add(signed(self.timer.delay))
                        .unwrap_or(wall);
                    // A time that is right now is one of its times.
                    let before = from - SignedDuration::from_nanos(1);
                    cron.after(before).map_or(Next::Never, Next::At)
                }
                _ => Next::In(now.saturating_add(self.timer.delay)),
            };
        }
        let late = self.unused || (!self.awaited && self.timer.missed == Missed::Skip);
        self.catch_up(now, wall, late);
        if let Some(over) = self.is_over(now, wall, scope) {
            return over;
        }
        let (there, then) = match self.next {
            Next::Never => return Look::Over,
            Next::In(due) => (due <= now, due),
            Next::At(due) => {
                let away = Duration::try_from(due.duration_since(wall)).unwrap_or_default();
                // A virtual clock is not set.
                let away = if clock.is_real() {
                    away.min(GLANCE)
                } else {
                    away
                };
                (due <= wall, now.saturating_add(away))
            }
        };
        if there {
            return self.passed_by(scope).unwrap_or(Look::Now);
        }
        self.awaited = true;
        Look::Then(then)
    }

    /// Leaves out ticks that came while nobody could take them, and reads a calendar anew.
    fn catch_up(&mut self, now: Duration, wall: Timestamp, late: bool) {
        match (self.next, &self.timer.beat) {
            (Next::In(due), Beat::Every(every)) if late && due < now => {
                let behind = now.saturating_sub(due).as_nanos();
                let beats = behind.div_ceil(every.as_nanos().max(1));
                let ahead = u64::try_from(beats * every.as_nanos()).unwrap_or(u64::MAX);
                self.next = Next::In(due.saturating_add(Duration::from_nanos(ahead)));
            }
            (Next::At(due), Beat::Cron(cron)) if due > wall || (late && due < wall) => {
                // The clock may have been set since.
                let next = match self.last {
                    Some(last) if last > wall && last.duration_since(wall) < SET_BACK => {
                        cron.after(last)
                    }
                    None if due > wall => return,
                    _ => cron.after(wall),
                };
                self.next = next.map_or(Next::Never, Next::At);
            }
            _ => return,
        }
        self.unused = false;
    }

    /// Is the time over before the next tick comes?
    fn is_over(&self, now: Duration, wall: Timestamp, _: &Scope) -> Option<Look> {
        let begun = self.began.unwrap_or_default();
        let due = match self.next {
            Next::In(due) => due,
            Next::At(due) => match Duration::try_from(due.duration_since(wall)) {
                Ok(ahead) => now.saturating_add(ahead),
                Err(_) => now,
            },
            Next::Never => return Some(Look::Over),
        };
        let end = match self.timer.until {
            Some(Until::After(time)) => begun.saturating_add(time),
            Some(Until::At(secs, nanos)) => {
                let end = Timestamp::new(secs, nanos.cast_signed()).ok()?;
                let ahead = Duration::try_from(end.duration_since(wall)).unwrap_or_default();
                now.saturating_add(ahead)
            }
            Some(Until::When(_)) | None => return None,
        };
        (due >= end).then_some(Look::Over)
    }

    /// A tick is there: does `until` hold?
    fn passed_by(&self, scope: &Scope) -> Option<Look> {
        let Some(Until::When(code)) = &self.timer.until else {
            return None;
        };
        let (blocks, shape) = (Blocks::new(), Shape::of(&Type::Null));
        let row = Row {
            cells: &[],
            blocks: &blocks,
            shape: &shape,
        };
        match code.bool(row, scope) {
            Ok(true) => Some(Look::Over),
            Ok(false) => None,
            Err(error) => Some(Look::Failed(error)),
        }
    }

    /// When it is over whatever comes (since the run's start): for who waits for something else meanwhile.
    pub fn end(&self, clock: &dyn Clock) -> Option<Duration> {
        match self.timer.until.as_ref()? {
            Until::After(time) => Some(self.began?.saturating_add(*time)),
            Until::At(secs, nanos) => {
                let end = Timestamp::new(*secs, nanos.cast_signed()).ok()?;
                let ahead = Duration::try_from(end.duration_since(wall(clock))).unwrap_or_default();
                Some(clock.now().saturating_add(ahead.min(GLANCE)))
            }
            Until::When(_) => None,
        }
    }

    /// The tick that is there.
    pub fn take(&mut self, clock: &dyn Clock) -> Tick {
        let wall = wall(clock);
        let at = match self.next {
            Next::At(due) => due,
            Next::In(due) => {
                let late = signed(clock.now().saturating_sub(due));
                wall.saturating_sub(late).unwrap_or(wall)
            }
            Next::Never => wall,
        };
        self.next = match (&self.timer.beat, self.next) {
            (Beat::Every(every), Next::In(due)) => Next::In(due.saturating_add(*every)),
            (Beat::Cron(cron), Next::At(due)) => {
                self.last = Some(due);
                cron.after(due).map_or(Next::Never, Next::At)
            }
            _ => Next::Never,
        };
        self.made += 1;
        self.awaited = false;
        let nanos = at.as_nanosecond();
        Tick {
            number: self.made,
            at: (
                i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or(i64::MAX),
                u32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or_default(),
            ),
        }
    }

    /// The tick that is there is of no use: what comes later waits for a later one.
    pub fn leave(&mut self) {
        self.unused = true;
        self.awaited = false;
    }
}

fn wall(clock: &dyn Clock) -> Timestamp {
    Timestamp::try_from(clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn signed(time: Duration) -> SignedDuration {
    SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::Cron;
    use super::*;
    use crate::wait::VirtualClock;

    fn timer(beat: Beat) -> Timer {
        Timer {
            beat,
            delay: Duration::ZERO,
            times: None,
            until: None,
            missed: Missed::Skip,
            text: String::new(),
        }
    }

    fn every(secs: u64) -> Timer {
        timer(Beat::Every(Duration::from_secs(secs)))
    }

    /// What a worker that takes `work` seconds for each tick sees in the first `secs` seconds: at which second
    /// which tick begins.
    fn seen(timer: Timer, work: u64, secs: u64) -> Vec<(u64, u64)> {
        let (clock, scope) = (VirtualClock::new(), Scope::default());
        let mut rhythm = Rhythm::new(Arc::new(timer));
        let mut ticks = Vec::new();
        while clock.now() < Duration::from_secs(secs) {
            match rhythm.look(&clock, &scope) {
                Look::Now => {
                    ticks.push((clock.now().as_secs(), rhythm.take(&clock).number));
                    clock.advance(Duration::from_secs(work));
                }
                Look::Then(then) => clock.advance_to(then),
                Look::Over => break,
                Look::Failed(error) => panic!("{error}"),
            }
        }
        ticks
    }

    #[test]
    fn ticks_come_one_after_the_other_from_the_delay_on() {
        assert_eq!(seen(every(5), 1, 12), [(0, 1), (5, 2), (10, 3)]);
        let delay = Duration::from_secs(2);
        assert_eq!(
            seen(Timer { delay, ..every(5) }, 1, 13),
            [(2, 1), (7, 2), (12, 3)]
        );
    }

    #[test]
    fn a_tick_that_comes_while_the_last_is_at_work_is_left_out_and_not_numbered() {
        assert_eq!(seen(every(5), 7, 22), [(0, 1), (10, 2), (20, 3)]);
        // One that comes the moment the work is done is taken.
        assert_eq!(seen(every(5), 10, 22), [(0, 1), (10, 2), (20, 3)]);
    }

    #[test]
    fn in_a_burst_it_comes_late() {
        let missed = Missed::Burst;
        assert_eq!(
            seen(Timer { missed, ..every(5) }, 7, 25),
            [(0, 1), (7, 2), (14, 3), (21, 4)]
        );
    }

    #[test]
    fn it_ends_after_so_many_ticks_or_at_a_time() {
        let times = Some(2);
        assert_eq!(seen(Timer { times, ..every(5) }, 1, 60), [(0, 1), (5, 2)]);
        let until = Some(Until::After(Duration::from_secs(10)));
        assert_eq!(seen(Timer { until, ..every(5) }, 1, 60), [(0, 1), (5, 2)]);
        // A virtual clock begins at 2000-01-01T00:00:00Z.
        let until = Some(Until::At(946_684_811, 0));
        assert_eq!(
            seen(Timer { until, ..every(5) }, 1, 60),
            [(0, 1), (5, 2), (10, 3)]
        );
        assert_eq!(seen(timer(Beat::Once), 1, 60), [(0, 1)]);
    }

    #[test]
    fn a_tick_of_no_use_is_gone_when_its_moment_is() {
        let (clock, scope) = (VirtualClock::new(), Scope::default());
        let mut rhythm = Rhythm::new(Arc::new(every(5)));
        assert_eq!(rhythm.look(&clock, &scope), Look::Now);
        rhythm.leave();
        assert_eq!(rhythm.look(&clock, &scope), Look::Now, "the same moment");
        rhythm.leave();
        clock.advance(Duration::from_secs(7));
        assert_eq!(
            rhythm.look(&clock, &scope),
            Look::Then(Duration::from_secs(10))
        );
        clock.advance(Duration::from_secs(3));
        assert_eq!(rhythm.look(&clock, &scope), Look::Now);
        assert_eq!(rhythm.take(&clock).number, 1);
    }

    #[test]
    fn a_tick_says_when_it_was_due() {
        let (clock, scope) = (VirtualClock::new(), Scope::default());
        let mut rhythm = Rhythm::new(Arc::new(every(5)));
        assert_eq!(rhythm.look(&clock, &scope), Look::Now);
        let began = rhythm.take(&clock).at.0;
        let _wait = rhythm.look(&clock, &scope);
        clock.advance(Duration::from_secs(6));
        assert_eq!(rhythm.look(&clock, &scope), Look::Now);
        assert_eq!(rhythm.take(&clock).at, (began + 5, 0));
    }

    fn hourly() -> Timer {
        let cron = Cron::read("0 * * * *", jiff::tz::TimeZone::UTC).unwrap();
        timer(Beat::Cron(Box::new(cron)))
    }

    #[test]
    fn a_calendar_ticks_at_its_times() {
        assert_eq!(seen(hourly(), 60, 7300), [(0, 1), (3600, 2), (7200, 3)]);
        let delay = Duration::from_secs(1);
        assert_eq!(seen(Timer { delay, ..hourly() }, 60, 4000), [(3600, 1)]);
        // The second one comes at work.
        assert_eq!(seen(hourly(), 4000, 8000), [(0, 1), (7200, 2)]);
    }

    /// A clock whose wall can be set.
    struct Set {
        clock: VirtualClock,
        ahead: std::sync::atomic::AtomicI64,
    }

    impl Clock for Set {
        fn now(&self) -> Duration {
            self.clock.now()
        }

        fn wall(&self) -> std::time::SystemTime {
            let ahead = self.ahead.load(std::sync::atomic::Ordering::Relaxed);
            let by = Duration::from_secs(ahead.unsigned_abs());
            if ahead < 0 {
                self.clock.wall() - by
            } else {
                self.clock.wall() + by
            }
        }

        fn is_real(&self) -> bool {
            true
        }
    }

    #[test]
    fn a_clock_that_is_set_is_noticed_and_repeats_no_tick() {
        let clock = Set {
            clock: VirtualClock::new(),
            ahead: 0.into(),
        };
        let set = |secs| {
            clock
                .ahead
                .store(secs, std::sync::atomic::Ordering::Relaxed)
        };
        let scope = Scope::default();
        let mut rhythm = Rhythm::new(Arc::new(hourly()));
        assert_eq!(rhythm.look(&clock, &scope), Look::Now);
        let first = rhythm.take(&clock).at.0;
        assert_eq!(rhythm.look(&clock, &scope), Look::Then(GLANCE));
        // Forward, over the next two: one tick, that was due last of all before.
        set(7300);
        assert_eq!(rhythm.look(&clock, &scope), Look::Now);
        assert_eq!(rhythm.take(&clock).at.0, first + 3600);
        assert_eq!(rhythm.look(&clock, &scope), Look::Then(GLANCE));
        // Back by some minutes, before the tick that was taken: it does not come again.
        set(3500);
        clock.clock.advance(Duration::from_secs(90));
        assert_eq!(
            rhythm.look(&clock, &scope),
            Look::Then(GLANCE + Duration::from_secs(90))
        );
        set(7200 - 90);
        assert_eq!(rhythm.look(&clock, &scope), Look::Now);
        assert_eq!(rhythm.take(&clock).at.0, first + 7200);
    }
}
