//! Numbers as people read them.

use std::time::Duration;

/// All digits, in groups of three: `1,240,000`.
pub fn exact(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// At most 6 characters: `9,999`, `12.3 k`, `402 k`, `1.24 M`.
pub fn short(n: u64) -> String {
    if n < 10_000 {
        exact(n)
    } else {
        scaled(n as f64)
    }
}

/// Items a second: `402 k/s`, `3.5/s`; at most 8 characters.
pub fn rate(per_second: f64) -> String {
    if per_second >= 1000.0 {
        format!("{}/s", scaled(per_second))
    } else if per_second >= 9.95 {
        format!("{per_second:.0}/s")
    } else {
        format!("{per_second:.1}/s")
    }
}

/// Three significant digits and k, M, G, T.
fn scaled(n: f64) -> String {
    let mut n = n / 1000.0;
    let mut unit = 'k';
    for next in ['M', 'G', 'T'] {
        if n < 999.5 {
            break;
        }
        n /= 1000.0;
        unit = next;
    }
    let digits = [99.95, 9.995].iter().filter(|limit| n < **limit).count();
    format!("{n:.digits$} {unit}")
}

/// `0.42 s`, `12.3 s`, `1:05 min`, `2:03:11 h`.
pub fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 0.0995 {
        format!("{:.0} ms", seconds * 1000.0)
    } else if seconds < 9.995 {
        format!("{seconds:.2} s")
    } else if seconds < 59.95 {
        format!("{seconds:.1} s")
    } else {
        let unit = if time.as_secs() < 3600 { "min" } else { "h" };
        format!("{} {unit}", clock(time))
    }
}

/// `0:07`, `12:30`, `2:03:11`.
pub fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours == 0 {
        format!("{minutes}:{seconds:02}")
    } else {
        format!("{hours}:{minutes:02}:{seconds:02}")
    }
}

/// `812 B`, `38 MiB`, `1.2 GiB`.
pub fn bytes(n: u64) -> String {
    if n < 1024 {
        return format!("{n} B");
    }
    let mut size = n as f64 / 1024.0;
    let mut unit = "KiB";
    for next in ["MiB", "GiB", "TiB"] {
        if size < 1023.5 {
            break;
        }
        size /= 1024.0;
        unit = next;
    }
    if size < 9.95 {
        format!("{size:.1} {unit}")
    } else {
        format!("{size:.0} {unit}")
    }
}

/// `97 %`; what is not nothing is never called 0 %, and what is not all never 100 %.
pub fn percent(part: f64) -> String {
    let percent = part * 100.0;
    if percent > 0.0 && percent < 1.0 {
        "<1 %".into()
    } else if percent < 100.0 && percent > 99.0 {
        "99 %".into()
    } else {
        format!("{percent:.0} %")
    }
}

/// `1 error`, `3 errors`.
pub fn plural(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", short(n), if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_and_shortened() {
        let cases = [
            (0, "0", "0"),
            (999, "999", "999"),
            (1000, "1,000", "1,000"),
            (12_345, "12,345", "12.3 k"),
            (99_950, "99,950", "100 k"),
            (999_499, "999,499", "999 k"),
            (999_500, "999,500", "1.00 M"),
            (1_240_000, "1,240,000", "1.24 M"),
            (u64::MAX, "18,446,744,073,709,551,615", "18446744 T"),
        ];
        for (n, full, brief) in cases {
            assert_eq!((exact(n).as_str(), short(n).as_str()), (full, brief));
        }
    }

    #[test]
    fn rates_keep_a_digit_where_they_are_small() {
        let cases = [
            (0.0, "0.0/s"),
            (3.46, "3.5/s"),
            (9.96, "10/s"),
            (999.0, "999/s"),
            (402_300.0, "402 k/s"),
        ];
        for (n, text) in cases {
            assert_eq!(rate(n), text);
        }
    }

    #[test]
    fn times_change_their_unit_as_they_grow() {
        let cases = [
            (7, "7 ms"),
            (420, "0.42 s"),
            (12_340, "12.3 s"),
            (65_000, "1:05 min"),
            (7_391_000, "2:03:11 h"),
        ];
        for (ms, text) in cases {
            assert_eq!(time(Duration::from_millis(ms)), text);
        }
    }

    #[test]
    fn a_rest_is_never_rounded_away_from_a_percentage() {
        let cases = [
            (0.0, "0 %"),
            (0.001, "<1 %"),
            (0.5, "50 %"),
            (0.9999, "99 %"),
            (1.0, "100 %"),
        ];
        for (part, text) in cases {
            assert_eq!(percent(part), text);
        }
    }

    #[test]
    fn sizes_are_in_powers_of_two() {
        let cases = [
            (812, "812 B"),
            (39_845_888, "38 MiB"),
            (1_288_490_188, "1.2 GiB"),
            (1_048_575, "1.0 MiB"),
        ];
        for (n, text) in cases {
            assert_eq!(bytes(n), text);
        }
    }
}
