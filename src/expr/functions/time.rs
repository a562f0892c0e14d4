//! Functions of points in time and lengths of time. Times are UTC where no zone is named.

use jiff::SignedDuration;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::TimeZone;

use super::super::run::{Fault, R, Val, fault, moment, nanos};
use super::args::{str, wanted};
use super::{Function, Scope};
use crate::value::{Cell, time};

pub(super) static FUNCTIONS: &[Function] = &[
    Function {
        name: "now",
        signatures: &["now() -> timestamp"],
        about: "this moment; two calls give two moments",
        examples: &[("now() > timestamp('2020-01-01T00:00:00Z')", "true")],
        pure: false,
        run: |_, scope| {
            let (secs, nanos) = scope.now();
            Ok(Val::Time { secs, nanos })
        },
    },
    Function {
        name: "floor",
        signatures: &[
            "timestamp.floor(string) -> timestamp",
            "timestamp.floor(duration) -> timestamp",
        ],
        about: "the last full minute, hour, `15m` ... not after it, counted from 1970 in UTC (a week begins on a Monday)",
        examples: &[
            (
                "timestamp('2000-01-01T12:34:56Z').floor('1m')",
                "timestamp('2000-01-01T12:34:00Z')",
            ),
            (
                "timestamp('2000-01-01T12:34:56Z').floor('15m')",
                "timestamp('2000-01-01T12:30:00Z')",
            ),
            (
                "timestamp('2000-01-01T12:34:56Z').floor('7d')",
                "timestamp('1999-12-27T00:00:00Z')",
            ),
        ],
        pure: true,
        run: |a, _| {
            let step = match &a[1] {
                Val::Str(s) => duration(s.as_str())?,
                length => nanos(length),
            };
            match &a[0] {
                // Whole seconds are the rule, and 64 bits are quicker than 128.
                Val::Time { secs, .. } if step > 0 && step % SECOND == 0 && step % WEEK != 0 => {
                    let step = i64::try_from(step / SECOND).unwrap_or(i64::MAX);
                    let secs = secs.div_euclid(step) * step;
                    moment(i128::from(secs) * SECOND)
                }
                at @ Val::Time { .. } => floor_nanos(nanos(at), step).and_then(moment),
                other => wanted("a timestamp", other),
            }
        },
    },
    Function {
        name: "strftime",
        signatures: &[
            "timestamp.strftime(string) -> string",
            "timestamp.strftime(string, string) -> string",
        ],
        about: "as text: `%F` date, `%T` time, `%Y %m %d %H %M %S` their parts, `%a %b` names, `%s` seconds since 1970, `%.3f` a fraction, `%z` the offset; the second text names a time zone",
        examples: &[
            (
                "timestamp('2000-01-02T03:04:05Z').strftime('%F %H:%M')",
                "'2000-01-02 03:04'",
            ),
            (
                "timestamp('2000-01-02T03:04:05Z').strftime('%T %z', 'Europe/Berlin')",
                "'04:04:05 +0100'",
            ),
        ],
        pure: true,
        run: |a, _| {
            let zone = if a.len() > 2 {
                zone(str(a, 2)?)?
            } else {
                TimeZone::UTC
            };
            let at = instant(&a[0])?.to_zoned_datetime(zone);
            strtime::format(str(a, 1)?, &at)
                .map(Val::text)
                .map_err(|e| told(&e))
        },
    },
    Function {
        name: "strptime",
        signatures: &[
            "string.strptime(string) -> timestamp",
            "string.strptime(string, string) -> timestamp",
        ],
        about: "reads a point in time in a form of its own; without an offset in the text it is UTC, or the time of the zone that the second text names",
        examples: &[
            (
                "'10/Oct/2000:13:55:36 -0700'.strptime('%d/%b/%Y:%H:%M:%S %z')",
                "timestamp('2000-10-10T20:55:36Z')",
            ),
            (
                "'2000-10-10'.strptime('%F')",
                "timestamp('2000-10-10T00:00:00Z')",
            ),
            (
                "'2000-10-10 12:00'.strptime('%F %H:%M', 'Europe/Berlin')",
                "timestamp('2000-10-10T10:00:00Z')",
            ),
        ],
        pure: true,
        run: strptime,
    },
    Function {
        name: "getFullYear",
        signatures: &[
            "timestamp.getFullYear() -> int",
            "timestamp.getFullYear(string) -> int",
        ],
        about: "the year; this and the next take a time zone (`Europe/Berlin`, `+02:00`), UTC without one",
        examples: &[("timestamp('2000-01-02T03:04:05Z').getFullYear()", "2000")],
        pure: true,
        run: |a, _| part(a, |at| i64::from(at.year())),
    },
    Function {
        name: "getMonth",
        signatures: &[
            "timestamp.getMonth() -> int",
            "timestamp.getMonth(string) -> int",
        ],
        about: "the month, from 0",
        examples: &[("timestamp('2000-01-02T03:04:05Z').getMonth()", "0")],
        pure: true,
        run: |a, _| part(a, |at| i64::from(at.month()) - 1),
    },
    Function {
        name: "getDate",
        signatures: &[
            "timestamp.getDate() -> int",
            "timestamp.getDate(string) -> int",
        ],
        about: "the day of the month, from 1",
        examples: &[("timestamp('2000-01-02T03:04:05Z').getDate()", "2")],
        pure: true,
        run: |a, _| part(a, |at| i64::from(at.day())),
    },
    Function {
        name: "getDayOfMonth",
        signatures: &[
            "timestamp.getDayOfMonth() -> int",
            "timestamp.getDayOfMonth(string) -> int",
        ],
        about: "the day of the month, from 0",
        examples: &[("timestamp('2000-01-02T03:04:05Z').getDayOfMonth()", "1")],
        pure: true,
        run: |a, _| part(a, |at| i64::from(at.day()) - 1),
    },
    Function {
        name: "getDayOfWeek",
        signatures: &[
            "timestamp.getDayOfWeek() -> int",
            "timestamp.getDayOfWeek(string) -> int",
        ],
        about: "the day of the week, 0 for Sunday",
        examples: &[("timestamp('2000-01-02T03:04:05Z').getDayOfWeek()", "0")],
        pure: true,
        run: |a, _| part(a, |at| i64::from(at.weekday().to_sunday_zero_offset())),
    },
    Function {
        name: "getDayOfYear",
        signatures: &[
            "timestamp.getDayOfYear() -> int",
            "timestamp.getDayOfYear(string) -> int",
        ],
        about: "the day of the year, from 0",
        examples: &[("timestamp('2000-01-02T03:04:05Z').getDayOfYear()", "1")],
        pure: true,
        run: |a, _| part(a, |at| i64::from(at.day_of_year()) - 1),
    },
    Function {
        name: "getHours",
        signatures: &[
            "timestamp.getHours() -> int",
            "timestamp.getHours(string) -> int",
            "duration.getHours() -> int",
        ],
        about: "the hour of a timestamp; a duration in whole hours",
        examples: &[
            ("timestamp('2000-01-02T03:04:05Z').getHours('+02:00')", "5"),
            ("duration('90m').getHours()", "1"),
        ],
        pure: true,
        run: |a, _| match &a[0] {
            Val::Duration { secs, .. } => Ok(Val::Int(secs / 3600)),
            _ => part(a, |at| i64::from(at.hour())),
        },
    },
    Function {
        name: "getMinutes",
        signatures: &[
            "timestamp.getMinutes() -> int",
            "timestamp.getMinutes(string) -> int",
            "duration.getMinutes() -> int",
        ],
        about: "the minute of a timestamp; a duration in whole minutes",
        examples: &[("duration('90m').getMinutes()", "90")],
        pure: true,
        run: |a, _| match &a[0] {
            Val::Duration { secs, .. } => Ok(Val::Int(secs / 60)),
            _ => part(a, |at| i64::from(at.minute())),
        },
    },
    Function {
        name: "getSeconds",
        signatures: &[
            "timestamp.getSeconds() -> int",
            "timestamp.getSeconds(string) -> int",
            "duration.getSeconds() -> int",
        ],
        about: "the second of a timestamp; a duration in whole seconds",
        examples: &[("duration('90m').getSeconds()", "5400")],
        pure: true,
        run: |a, _| match &a[0] {
            Val::Duration { secs, .. } => Ok(Val::Int(*secs)),
            _ => part(a, |at| i64::from(at.second())),
        },
    },
    Function {
        name: "getMilliseconds",
        signatures: &[
            "timestamp.getMilliseconds() -> int",
            "timestamp.getMilliseconds(string) -> int",
            "duration.getMilliseconds() -> int",
        ],
        about: "the milliseconds beyond the whole second",
        examples: &[("duration('1.25s').getMilliseconds()", "250")],
        pure: true,
        run: |a, _| match &a[0] {
            Val::Duration { nanos, .. } => Ok(Val::Int(i64::from(nanos / 1_000_000))),
            _ => part(a, |at| i64::from(at.subsec_nanosecond() / 1_000_000)),
        },
    },
];

/// In nanoseconds.
const SECOND: i128 = 1_000_000_000;
const WEEK: i128 = 7 * 86_400 * SECOND;

/// jiff's complaint as ours.
fn told(e: &jiff::Error) -> Fault {
    fault(e.to_string())
}

/// The largest multiple of `step` that is not after `at`, both in nanoseconds. Weeks begin on Mondays.
pub(in crate::expr) fn floor_nanos(at: i128, step: i128) -> R<i128> {
    /// 1970 began on a Thursday.
    const MONDAY: i128 = 4 * 86_400 * SECOND;
    if step <= 0 {
        return Err(fault(
            "a timestamp is rounded to something longer than nothing",
        ));
    }
    let origin = if step % WEEK == 0 { MONDAY } else { 0 };
    Ok((at - origin).div_euclid(step) * step + origin)
}

/// Nanoseconds of `1h30m`.
pub(super) fn duration(text: &str) -> R<i128> {
    match time::duration(text) {
        // A number alone has no unit: in an expression that is more likely a slip than seconds.
        Some(Cell::Duration { secs, nanos })
            if !text.ends_with(|c: char| c.is_ascii_digit()) || text == "0" =>
        {
            Ok(i128::from(secs) * 1_000_000_000 + i128::from(nanos))
        }
        _ => Err(fault(format!(
            "{text:?} is no duration; write '1h30m', '250ms', '1.5s'"
        ))),
    }
}

/// A length of time, from its text.
pub(in crate::expr) fn length(text: &str) -> R<Val<'static>> {
    duration(text).and_then(super::super::run::length)
}

pub(super) fn timestamp<'a>(text: &str) -> R<Val<'a>> {
    let read = cel_core::time::parse_timestamp(text);
    let at = read.map_err(|_| {
        fault(format!("{text:?} is no timestamp in RFC 3339 (2000-01-01T00:00:00Z); see strptime for other forms"))
    })?;
    Ok(Val::Time {
        secs: at.seconds,
        nanos: u32::try_from(at.nanos).unwrap_or(0),
    })
}

/// The date and time that clocks of UTC plus so many seconds show. Unlike jiff's timestamps this reaches the
/// end of the year 9999, as CEL's do.
fn civil(at: &Val<'_>, offset: i64) -> R<DateTime> {
    let Val::Time { secs, nanos } = at else {
        return wanted("a timestamp", at);
    };
    let since = SignedDuration::new(*secs, i32::try_from(*nanos).unwrap_or(0))
        + SignedDuration::from_secs(offset);
    DateTime::constant(1970, 1, 1, 0, 0, 0, 0)
        .checked_add(since)
        .map_err(|e| told(&e))
}

fn part<'a>(a: &[Val<'a>], what: fn(DateTime) -> i64) -> R<Val<'a>> {
    let offset = match a.get(1) {
        Some(_) => offset(&a[0], str(a, 1)?)?,
        None => 0,
    };
    civil(&a[0], offset).map(|at| Val::Int(what(at)))
}

/// Seconds that a zone is ahead of UTC at a moment. The zones are those of the program, not the machine's, so
/// that an hour is the same everywhere.
fn offset(at: &Val<'_>, zone: &str) -> R<i64> {
    let Val::Time { secs, .. } = at else {
        return wanted("a timestamp", at);
    };
    let known = cel_core::time::parse_timezone(zone);
    let known =
        known.map_err(|_| fault(format!("{zone:?} is no time zone (Europe/Berlin, +02:00)")))?;
    let there = known.datetime_from_timestamp(&cel_core::Timestamp::from_seconds(*secs));
    Ok(there.map_or(0, |t| i64::from(t.offset().local_minus_utc())))
}

fn zone(name: &str) -> R<TimeZone> {
    if let Some(offset) = strtime::parse("%:z", name).ok().and_then(|t| t.offset()) {
        return Ok(offset.to_time_zone());
    }
    TimeZone::get(name)
        .map_err(|_| fault(format!("{name:?} is no time zone (Europe/Berlin, +02:00)")))
}

fn instant(at: &Val<'_>) -> R<Timestamp> {
    let Val::Time { secs, nanos } = at else {
        return wanted("a timestamp", at);
    };
    Timestamp::new(*secs, i32::try_from(*nanos).unwrap_or(0)).map_err(|e| told(&e))
}

fn strptime<'a>(a: &[Val<'a>], _: &Scope) -> R<Val<'a>> {
    let (text, form) = (str(a, 0)?, str(a, 1)?);
    let zone = if a.len() > 2 {
        zone(str(a, 2)?)?
    } else {
        TimeZone::UTC
    };
    let read = || -> Result<Timestamp, jiff::Error> {
        let broken = BrokenDownTime::parse(form, text)?;
        if broken.timestamp().is_some() || broken.offset().is_some() {
            return broken.to_timestamp();
        }
        let at = match broken.to_datetime() {
            Ok(at) => at,
            // A date alone is the beginning of its day.
            Err(e) => broken.to_date().map_err(|_| e)?.at(0, 0, 0, 0),
        };
        zone.to_timestamp(at)
    };
    let at = read().map_err(|e| fault(format!("{text:?} is no time of the form {form:?}: {e}")))?;
    moment(at.as_nanosecond())
}

/// RFC 3339 in UTC with as much of a fraction as there is.
pub(super) fn write_timestamp(at: &Val<'_>) -> String {
    civil(at, 0).map_or_else(|_| String::new(), |at| format!("{at}Z"))
}

/// Seconds, as CEL writes a duration: `5400s`, `-0.25s`.
pub(super) fn write_duration(val: &Val<'_>) -> String {
    let all = nanos(val);
    let sign = if all < 0 { "-" } else { "" };
    let (secs, rest) = (all.abs() / 1_000_000_000, all.abs() % 1_000_000_000);
    if rest == 0 {
        return format!("{sign}{secs}s");
    }
    format!(
        "{sign}{secs}.{}s",
        format!("{rest:09}").trim_end_matches('0')
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::run;
    use super::*;

    #[test]
    fn times_reach_from_the_year_1_to_the_last_nanosecond_of_9999() {
        for text in [
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999999Z",
            "1969-12-31T23:59:59.5Z",
        ] {
            assert_eq!(write_timestamp(&timestamp(text).unwrap()), text);
        }
        assert!(timestamp("10000-01-01T00:00:00Z").is_err());
    }

    #[test]
    fn floors_go_down_also_before_1970() {
        let minute = 60_000_000_000;
        assert_eq!(floor_nanos(-1, minute), Ok(-minute));
        assert_eq!(floor_nanos(minute, minute), Ok(minute));
        assert!(floor_nanos(0, 0).is_err());
    }

    #[test]
    fn a_length_beyond_the_years_is_refused_not_wrapped() {
        assert!(run::length(duration("99999999999999h").unwrap_or(i128::MAX)).is_err());
    }
}
