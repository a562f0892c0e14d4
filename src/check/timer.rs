//! What `timer` says: when ticks come, and how many.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::Room;
use super::compile::Nowhere;
use crate::diagnostic::{At, Diagnostic, Diagnostics, nearest};
use crate::spec::{self, Key, Node, forms, keys};
use crate::steps::timer::{Beat, Cron, Missed, Timer, Until};
use crate::steps::{CompileCx, ExprText, Infer};
use crate::value::{Cell, time};

/// The keys of a timer as they were written.
#[derive(Default)]
struct Written<'f> {
    every: Option<(At, Duration, String)>,
    delay: Option<(Duration, String)>,
    cron: Option<&'f Node>,
    timezone: Option<&'f Node>,
    times: Option<(At, u64)>,
    until: Option<&'f Node>,
    missed: Option<(At, Missed)>,
}

/// Reads the timer of a stage. Where there is a mistake, which is said, some timer.
pub(super) fn read(
    room: &Room<'_>,
    stage: &spec::Stage,
    node: &Node,
    out: &mut Diagnostics,
) -> Arc<Timer> {
    let before = out.len();
    let timer = written(node, out).and_then(|w| meant(room, stage, node, &w, out));
    debug_assert!(timer.is_some() || out.len() > before || node.is_broken());
    Arc::new(timer.unwrap_or(Timer {
        beat: Beat::Every(Duration::from_secs(1)),
        delay: Duration::ZERO,
        times: None,
        until: None,
        missed: Missed::Skip,
        text: String::new(),
    }))
}

fn written<'f>(node: &'f Node, out: &mut Diagnostics) -> Option<Written<'f>> {
    let mut w = Written::default();
    if node.as_map().is_none() {
        let every = forms::duration(node, "`timer`", out)?;
        w.every = Some((node.at, every, text(node)));
        return Some(w);
    }
    let before = out.len();
    for (Key { text: key, at }, value) in forms::keys(node, "`timer`", keys::TIMER, out) {
        match key.as_str() {
            "every" => {
                let every = forms::duration(value, "`every`", out);
                w.every = every.map(|d| (value.at, d, text(value)));
            }
            "delay" => {
                let delay = forms::duration(value, "`delay`", out);
                w.delay = delay.map(|d| (d, text(value)));
            }
            "cron" => w.cron = forms::text(value, "`cron`", out).map(|_| value),
            "timezone" => w.timezone = forms::text(value, "`timezone`", out).map(|_| value),
            "times" => w.times = forms::count(value, "`times`", 1, out).map(|n| (*at, n)),
            "until" => w.until = Some(value),
            "missed" => {
                let word = forms::choice(value, "`missed`", &["skip", "burst"], out);
                let missed = if word? == "burst" {
                    Missed::Burst
                } else {
                    Missed::Skip
                };
                w.missed = Some((*at, missed));
            }
            _ => {}
        }
    }
    (out.len() == before).then_some(w)
}

/// A duration as it was written.
fn text(node: &Node) -> String {
    node.plain().map(|t| t.text).unwrap_or_default()
}

fn meant(
    room: &Room<'_>,
    stage: &spec::Stage,
    node: &Node,
    w: &Written<'_>,
    out: &mut Diagnostics,
) -> Option<Timer> {
    let wrong = |at: At, message: &str, help: &str| {
        Diagnostic::new("E0105", at, message.to_owned()).help(help.to_owned())
    };
    if let (Some((_, _, _)), Some(cron)) = (&w.every, w.cron) {
        out.push(wrong(
            cron.at,
            "a timer ticks by `every` or by `cron`, not by both",
            "keep one of them; two stages may have a timer each",
        ));
        return None;
    }
    if let (Some(zone), None) = (w.timezone, w.cron) {
        out.push(wrong(
            zone.at,
            "`timezone` is for `cron`; intervals are the same everywhere",
            "remove it",
        ));
        return None;
    }
    let (beat, mut words) = match (&w.every, w.cron, &w.delay) {
        (Some((at, every, _)), ..) if every.is_zero() => {
            out.push(wrong(
                *at,
                "`every` must be more than 0",
                "without a timer, a stage takes its items as fast as they come",
            ));
            return None;
        }
        (Some((_, every, text)), ..) => (Beat::Every(*every), format!("every {text}")),
        (None, Some(line), _) => {
            let cron = cron(line, w.timezone, out)?;
            let zone = w.timezone.map(|_| format!(" {}", cron.zone()));
            let words = format!("cron {}{}", cron.line(), zone.unwrap_or_default());
            (Beat::Cron(Box::new(cron)), words)
        }
        (None, None, Some((_, text))) if stage.from.is_empty() => {
            (Beat::Once, format!("once after {text}"))
        }
        (None, None, Some((_, text))) => (Beat::Each, format!("each after {text}")),
        (None, None, None) => {
            out.push(wrong(
                node.at,
                "this timer never ticks",
                "say when: `every: 5s`, `cron: \"0 * * * *\"` or `delay: 5s`",
            ));
            return None;
        }
    };
    let counts = [
        w.times.map(|(at, _)| ("times", at)),
        w.until.map(|n| ("until", n.at)),
        w.missed.map(|(at, _)| ("missed", at)),
    ];
    if let (Beat::Once | Beat::Each, Some((key, at))) = (&beat, counts.iter().flatten().next()) {
        out.push(wrong(
            *at,
            &format!("`{key}` is for ticks, and a timer with only `delay` has none"),
            "remove it, or say `every` how long a tick comes",
        ));
        return None;
    }
    let until = match w.until {
        Some(node) => Some(until(room, node, out)?),
        None => None,
    };
    if let (Beat::Every(_) | Beat::Cron(_), Some((_, text))) = (&beat, &w.delay) {
        words += &format!(" from {text}");
    }
    if let Some((_, times)) = w.times {
        words += &format!(", {times} times");
    }
    if let Some(node) = w.until {
        words += &format!(", until {}", text(node));
    }
    let missed = w.missed.map_or(Missed::Skip, |(_, missed)| missed);
    if missed == Missed::Burst {
        words += ", none missed";
    }
    Some(Timer {
        beat,
        delay: w.delay.as_ref().map_or(Duration::ZERO, |(d, _)| *d),
        times: w.times.map(|(_, n)| n),
        until,
        missed,
        text: words,
    })
}

fn cron(line: &Node, zone: Option<&Node>, out: &mut Diagnostics) -> Option<Cron> {
    let zone = match zone {
        Some(node) if !node.is_stand_in() => self::zone(node, out)?,
        Some(_) => TimeZone::UTC,
        None => TimeZone::system(),
    };
    if line.is_stand_in() {
        return Cron::read("* * * * *", zone).ok();
    }
    let d = match Cron::read(line.as_str()?, zone) {
        Ok(cron) if cron.after(jiff::Timestamp::UNIX_EPOCH).is_some() => return Some(cron),
        Ok(_) => Diagnostic::new("E0105", line.at, "this cron line names a time that never comes")
            .help("no month has this day"),
        Err(why) => Diagnostic::new(
            "E0105",
            line.at,
            format!("this is no cron line: {}", why.trim_end_matches('.')),
        )
        .help("it has the fields minute, hour, day of the month, month and day of the week (`*/5 9-17 * * MON-FRI`), one for seconds before them if you like, or is `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`"),
    };
    out.push(d);
    None
}

fn zone(node: &Node, out: &mut Diagnostics) -> Option<TimeZone> {
    let name = node.as_str()?;
    match TimeZone::get(name) {
        Ok(zone) => Some(zone),
        Err(_) => {
            let known: Vec<String> = jiff::tz::db().available().map(|n| n.to_string()).collect();
            let d = Diagnostic::new(
                "E0105",
                node.at,
                format!("there is no time zone `{name}` on this machine"),
            );
            out.push(match nearest(name, known.iter().map(String::as_str)) {
                Some(near) => d.help(format!("did you mean `{near}`?")),
                None if known.is_empty() => {
                    d.help("its time zones are not installed (the package is often called tzdata); `UTC` is always there")
                }
                None => d.help("write its name as in `Europe/Zurich`, or `UTC`"),
            });
            None
        }
    }
}

/// A length of time, a point in time, or a condition.
fn until(room: &Room<'_>, node: &Node, out: &mut Diagnostics) -> Option<Until> {
    if let Some(text) = node.as_str() {
        let has_unit = text.ends_with(|c: char| c.is_ascii_alphabetic());
        if has_unit && time::duration(text.trim()).is_some() {
            return forms::duration(node, "`until`", out).map(Until::After);
        }
        if let Some(Cell::Time { secs, nanos }) = time::timestamp(text.trim()) {
            return Some(Until::At(secs, nanos));
        }
    }
    let condition = ExprText::of(&forms::expression(node, "`until`", out)?);
    let mut cx = Infer {
        env: &room.env,
        types: room,
        diagnostics: out,
        at: node.at,
        folder: &room.file.folder,
    };
    condition.check_condition(None, "`until`", &mut cx)?;
    let cx = CompileCx {
        env: &room.env,
        conns: &Nowhere,
        types: room,
        folder: &room.file.folder,
        scope: &room.scope,
        processes: None,
    };
    Some(Until::When(condition.compile(None, &cx)))
}
