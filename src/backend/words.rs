//! Sizes and times in words, the same in the window and in a terminal.

use std::time::Duration;

/// Bytes in decimal units, as file browsers show them: `112.6 MB`. Cut, not rounded, so that it never
/// tells of more than there is.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    const UNITS: [(u64, &str); 5] = [
        (1_000_000_000_000_000, "PB"),
        (1_000_000_000_000, "TB"),
        (1_000_000_000, "GB"),
        (1_000_000, "MB"),
        (1_000, "kB"),
    ];
    for (size, unit) in UNITS {
        if bytes >= size {
            let tenths = u128::from(bytes) * 10 / u128::from(size);
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    format!("{bytes} B")
}

/// A length of time in its largest unit: `12 s`, `5 min`, `3 h`, `2 days`.
#[must_use]
pub fn span(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// How long ago something was: `just now`, `5 min ago`, `3 h ago`, `2 days ago`.
#[must_use]
pub fn ago(passed: Duration) -> String {
    if passed < Duration::from_secs(60) {
        return "just now".to_owned();
    }
    format!("{} ago", span(passed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_in_decimal_units() {
        for (count, words) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (112_648_000, "112.6 MB"),
            (999_999_999, "999.9 MB"),
            (2_500_000_000, "2.5 GB"),
            (u64::MAX, "18446.7 PB"),
        ] {
            assert_eq!(bytes(count), words);
        }
    }

    #[test]
    fn the_past_is_told_as_people_tell_it() {
        for (seconds, length, words) in [
            (0, "0 s", "just now"),
            (59, "59 s", "just now"),
            (60, "1 min", "1 min ago"),
            (3_599, "59 min", "59 min ago"),
            (3_600, "1 h", "1 h ago"),
            (172_799, "47 h", "47 h ago"),
            (172_800, "2 days", "2 days ago"),
        ] {
            let passed = Duration::from_secs(seconds);
            assert_eq!(
                (span(passed), ago(passed)),
                (length.to_owned(), words.to_owned())
            );
        }
    }
}
