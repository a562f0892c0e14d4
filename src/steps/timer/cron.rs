//! What a cron line means, in a time zone.
//!
//! The calendar is croner's. Where clocks are set forward, a line that names its hour and minute comes at the
//! first moment after the gap, and one with `*` or steps just has no times within it; where they are set back,
//! the former comes once, the first time, and the latter goes on through both hours.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use croner::errors::CronError;
use croner::{CivilDate, CivilDateTime, CivilTime, CronDateTime, Resolution, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// A cron line and the time zone that it is read in.
#[derive(Clone)]
pub struct Cron {
    line: String,
    cron: croner::Cron,
    zone: TimeZone,
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cron({self})")
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.line, self.zone())
    }
}

impl Cron {
    /// Five fields, six with seconds in front, or a nickname such as `@daily`.
    ///
    /// # Errors
    /// In words: what is wrong with the line.
    pub fn read(line: &str, zone: TimeZone) -> Result<Cron, String> {
        let cron = croner::Cron::from_str(line).map_err(|e| e.to_string())?;
        Ok(Cron {
            line: line.to_owned(),
            cron,
            zone,
        })
    }

    /// As it was written.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The name of the time zone.
    pub fn zone(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// The first time after this one; `None`: there is none.
    pub fn after(&self, time: Timestamp) -> Option<Timestamp> {
        let from = Moment {
            at: time,
            zone: self.zone.clone(),
        };
        let next = self.cron.find_next_occurrence(&from, false).ok()?;
        Some(next.at)
    }
}

/// A moment as croner asks for it.
#[derive(Clone)]
struct Moment {
    at: Timestamp,
    zone: TimeZone,
}

impl Moment {
    fn here(&self, at: Timestamp) -> Moment {
        Moment {
            at,
            zone: self.zone.clone(),
        }
    }
}

impl CronDateTime for Moment {
    fn to_civil(&self) -> CivilDateTime {
        let at = self.zone.to_datetime(self.at);
        CivilDateTime::from_ymd_hms_opt(
            i32::from(at.year()),
            at.month().unsigned_abs().into(),
            at.day().unsigned_abs().into(),
            at.hour().unsigned_abs().into(),
            at.minute().unsigned_abs().into(),
            at.second().unsigned_abs().into(),
        )
        .expect("BUG: a date of the calendar that is none")
    }

    fn civil_weekday(&self) -> Weekday {
        match self.zone.to_datetime(self.at).weekday() {
            jiff::civil::Weekday::Sunday => Weekday::Sunday,
            jiff::civil::Weekday::Monday => Weekday::Monday,
            jiff::civil::Weekday::Tuesday => Weekday::Tuesday,
            jiff::civil::Weekday::Wednesday => Weekday::Wednesday,
            jiff::civil::Weekday::Thursday => Weekday::Thursday,
            jiff::civil::Weekday::Friday => Weekday::Friday,
            jiff::civil::Weekday::Saturday => Weekday::Saturday,
        }
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let (date, time): (CivilDate, CivilTime) = (civil.date(), civil.time());
        let small = |n: u32| i8::try_from(n).unwrap_or(i8::MAX);
        let at = jiff::civil::DateTime::new(
            i16::try_from(date.year()).map_err(|_| CronError::InvalidDate)?,
            small(date.month()),
            small(date.day()),
            small(time.hour()),
            small(time.minute()),
            small(time.second()),
            0,
        )
        .map_err(|_| CronError::InvalidDate)?;
        let found = self.zone.to_ambiguous_timestamp(at);
        let invalid = |_| CronError::InvalidTime;
        Ok(match found.offset() {
            AmbiguousOffset::Unambiguous { .. } => {
                Resolution::Single(self.here(found.unambiguous().map_err(invalid)?))
            }
            AmbiguousOffset::Fold { .. } => Resolution::Ambiguous(
                self.here(found.earlier().map_err(invalid)?),
                self.here(found.later().map_err(invalid)?),
            ),
            AmbiguousOffset::Gap { .. } => Resolution::Gap,
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        let later = self.at.checked_add(SignedDuration::from_secs(seconds));
        later.ok().map(|at| self.here(at))
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first `n` times after a moment, in the zone's own time.
    fn times(line: &str, zone: &str, after: &str, n: usize) -> Vec<String> {
        let zone = TimeZone::get(zone).expect("the zone is known here");
        let cron = Cron::read(line, zone.clone()).unwrap();
        let mut at: Timestamp = after.parse().unwrap();
        (0..n)
            .map(|_| {
                at = cron.after(at).unwrap();
                at.to_zoned_datetime(zone.clone())
                    .strftime("%a %F %H:%M:%S %z")
                    .to_string()
            })
            .collect()
    }

    #[test]
    fn a_line_names_minutes_hours_days_months_and_weekdays() {
        assert_eq!(
            times("*/20 9 * * MON-FRI", "UTC", "2026-11-20T09:30:00Z", 3),
            [
                "Fri 2026-11-20 09:40:00 +0000",
                "Mon 2026-11-23 09:00:00 +0000",
                "Mon 2026-11-23 09:20:00 +0000"
            ]
        );
        assert_eq!(
            times("0 0 L 2 *", "UTC", "2027-01-01T00:00:00Z", 2),
            [
                "Sun 2027-02-28 00:00:00 +0000",
                "Tue 2028-02-29 00:00:00 +0000"
            ]
        );
        assert_eq!(
            times("*/15 * * * * *", "UTC", "2026-01-01T00:00:01Z", 2),
            [
                "Thu 2026-01-01 00:00:15 +0000",
                "Thu 2026-01-01 00:00:30 +0000"
            ]
        );
        assert_eq!(
            times("@daily", "UTC", "2026-01-01T00:00:00Z", 1),
            ["Fri 2026-01-02 00:00:00 +0000"]
        );
    }

    #[test]
    fn a_time_of_the_day_in_the_gap_comes_right_behind_it() {
        // On 29 March 2026 clocks in Bern went from 02:00 to 03:00.
        assert_eq!(
            times("30 2 * * *", "Europe/Zurich", "2026-03-28T12:00:00Z", 2),
            [
                "Sun 2026-03-29 03:00:00 +0200",
                "Mon 2026-03-30 02:30:00 +0200"
            ]
        );
    }

    #[test]
    fn a_time_of_the_day_that_comes_twice_is_taken_once() {
        // On 25 October 2026 clocks went from 03:00 back to 02:00.
        assert_eq!(
            times("30 2 * * *", "Europe/Zurich", "2026-10-24T12:00:00Z", 2),
            [
                "Sun 2026-10-25 02:30:00 +0200",
                "Mon 2026-10-26 02:30:00 +0100"
            ]
        );
    }

    #[test]
    fn what_comes_all_the_time_goes_on_through_both_changes() {
        assert_eq!(
            times("*/30 * * * *", "Europe/Zurich", "2026-03-29T00:00:00Z", 3),
            [
                "Sun 2026-03-29 01:30:00 +0100",
                "Sun 2026-03-29 03:00:00 +0200",
                "Sun 2026-03-29 03:30:00 +0200"
            ]
        );
        assert_eq!(
            times("*/30 * * * *", "Europe/Zurich", "2026-10-24T23:45:00Z", 5),
            [
                "Sun 2026-10-25 02:00:00 +0200",
                "Sun 2026-10-25 02:30:00 +0200",
                "Sun 2026-10-25 02:00:00 +0100",
                "Sun 2026-10-25 02:30:00 +0100",
                "Sun 2026-10-25 03:00:00 +0100"
            ]
        );
    }

    #[test]
    fn a_date_that_never_comes_has_no_time() {
        let cron = Cron::read("0 0 31 2 *", TimeZone::UTC).unwrap();
        assert_eq!(cron.after(Timestamp::UNIX_EPOCH), None);
        assert!(Cron::read("61 * * * *", TimeZone::UTC).is_err());
        assert!(Cron::read("every day", TimeZone::UTC).is_err());
    }
}
