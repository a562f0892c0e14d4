//! Points in time and lengths of time as text: RFC 3339 for the one, seconds or `1h30m` for the other.

use jiff::Timestamp;

use super::Cell;

/// The earliest and the latest second that has a text (the years 1 to 9999).
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_207_200;

/// Reads RFC 3339 (`2000-10-10T13:55:36.5Z`, `2000-10-10 13:55:36+02:00`).
pub fn timestamp(text: &str) -> Option<Cell> {
    let at: Timestamp = text.parse().ok()?;
    let nanos = at.as_nanosecond();
    let secs = i64::try_from(nanos.div_euclid(1_000_000_000)).ok()?;
    Some(Cell::Time {
        secs,
        nanos: u32::try_from(nanos.rem_euclid(1_000_000_000)).ok()?,
    })
}

/// Writes RFC 3339 in UTC, with as much of a fraction as there is; null beyond the years that have a text.
pub fn write_timestamp(secs: i64, nanos: u32, out: &mut Vec<u8>) {
    let at = Some(secs)
        .filter(|s| SECONDS.contains(s))
        .and_then(|s| Timestamp::new(s, nanos.cast_signed()).ok());
    match at {
        Some(at) => {
            let printer = jiff::fmt::temporal::DateTimePrinter::new();
            // Writing into a vector cannot fail.
            let _ = printer.print_timestamp(&at, jiff::fmt::StdIoWrite(out));
        }
        None => out.extend_from_slice(b"null"),
    }
}

/// A length of time of this many seconds, rounded to the nearest nanosecond.
pub fn seconds(value: f64) -> Option<Cell> {
    if value.abs() >= i64::MAX as f64 {
        return None;
    }
    if !value.is_finite() {
        return None;
    }
    let mut secs = value.trunc() as i64;
    let mut nanos = ((value - value.trunc()) * 1e9).round() as i32;
    if nanos.abs() == 1_000_000_000 {
        secs += i64::from(nanos.signum());
        nanos = 0;
    }
    Some(Cell::Duration { secs, nanos })
}

/// Reads a length of time: a number with a unit, or several (`250ms`, `1.5s`, `1h30m`, `-2d`); a number
/// alone is seconds. Units: ns, us (or µs), ms, s, m (or min), h, d.
pub fn duration(text: &str) -> Option<Cell> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut nanos: i128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(end);
        let end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let scale: i128 = match unit {
            "ns" => 1,
            "us" | "µs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" | "min" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            "" if tail.is_empty() && nanos == 0 => 1_000_000_000,
            _ => return None,
        };
        nanos = nanos.checked_add(scaled(number, scale)?)?;
        rest = tail;
    }
    let nanos = nanos * sign;
    let secs = i64::try_from(nanos / 1_000_000_000).ok()?;
    Some(Cell::Duration {
        secs,
        nanos: i32::try_from(nanos % 1_000_000_000).ok()?,
    })
}

/// A decimal number times a scale, without going through a double.
fn scaled(number: &str, scale: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || whole.len() > 18 || fraction.len() > 18 {
        return None;
    }
    let digits = |text: &str| {
        if text.is_empty() {
            Some(0)
        } else {
            text.parse::<u64>().ok().map(i128::from)
        }
    };
    let ten = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    Some(digits(whole)? * scale + digits(fraction)? * scale / ten)
}

/// Writes seconds: a whole number where it is one.
pub fn write_duration(secs: i64, nanos: i32, out: &mut Vec<u8>) {
    if secs < 0 || nanos < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(itoa::Buffer::new().format(secs.unsigned_abs()).as_bytes());
    if nanos != 0 {
        let digits = format!(".{:09}", nanos.unsigned_abs());
        out.extend_from_slice(digits.trim_end_matches('0').as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time_text(text: &str) -> String {
        let Some(Cell::Time { secs, nanos }) = timestamp(text) else {
            panic!("{text} is no time")
        };
        let mut out = Vec::new();
        write_timestamp(secs, nanos, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_time_is_written_in_utc() {
        assert_eq!(time_text("2000-10-10T13:55:36Z"), "2000-10-10T13:55:36Z");
        assert_eq!(
            time_text("2000-10-10T13:55:36.250+02:00"),
            "2000-10-10T11:55:36.25Z"
        );
        assert_eq!(
            time_text("1969-12-31T23:59:59.5Z"),
            "1969-12-31T23:59:59.5Z"
        );
        assert_eq!(timestamp("yesterday"), None);
    }

    #[test]
    fn a_time_before_1970_has_nanoseconds_after_its_second() {
        assert_eq!(
            timestamp("1969-12-31T23:59:59.5Z"),
            Some(Cell::Time {
                secs: -1,
                nanos: 500_000_000
            })
        );
    }

    #[test]
    fn durations_add_up_their_units() {
        let d = |secs, nanos| Some(Cell::Duration { secs, nanos });
        assert_eq!(duration("1h30m"), d(5400, 0));
        assert_eq!(duration("250ms"), d(0, 250_000_000));
        assert_eq!(duration("-1.5s"), d(-1, -500_000_000));
        assert_eq!(duration("90"), d(90, 0));
        for wrong in [
            "",
            "s",
            "1x",
            "1s2",
            ".",
            "-",
            "1h 30m",
            "99999999999999999999s",
            "999999999999999999d",
        ] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn durations_are_written_as_seconds() {
        let text = |secs, nanos| {
            let mut out = Vec::new();
            write_duration(secs, nanos, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(90, 0), "90");
        assert_eq!(text(-1, -500_000_000), "-1.5");
        assert_eq!(text(0, -1), "-0.000000001");
    }

    #[test]
    fn seconds_that_round_up_carry() {
        assert_eq!(
            seconds(1.999_999_999_9),
            Some(Cell::Duration { secs: 2, nanos: 0 })
        );
        assert_eq!(seconds(f64::INFINITY), None);
    }
}
