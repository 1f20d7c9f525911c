//! Figures in words: sizes, counts, times.

use std::time::Duration;

pub(crate) use crate::backend::words::{ago, bytes};

/// A number with thousands set apart: `4,318`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A length of time, rounded to what a person wants to know: `12 s`, `3 min`, `2 h`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs() + u64::from(duration.subsec_millis() >= 500);
    match seconds {
        0..=89 => format!("{seconds} s"),
        90..=5399 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h", (seconds + 1800) / 3600),
    }
}

/// How many people, in words: `1 person`, `3 people`.
pub(crate) fn people(number: usize) -> String {
    if number == 1 {
        "1 person".to_owned()
    } else {
        format!("{} people", thousands(number as u64))
    }
}

/// How many rooms, in words: `1 room`, `2 rooms`.
pub(crate) fn rooms(number: u64) -> String {
    if number == 1 {
        "1 room".to_owned()
    } else {
        format!("{} rooms", thousands(number))
    }
}

/// How long something has been there: `new`, `for 5 min`, `for 3 h`, `for 2 days`.
pub(crate) fn age(passed: Duration) -> String {
    let ago = ago(passed);
    match ago.strip_suffix(" ago") {
        Some(time) => format!("for {time}"),
        None => "new".to_owned(),
    }
}

/// How many entries a room's history has, in words: `1 edit`, `4,318 edits`.
pub(crate) fn edits(number: u64) -> String {
    if number == 1 {
        "1 edit".to_owned()
    } else {
        format!("{} edits", thousands(number))
    }
}

/// How far something is, from 0 to 1. Nothing to do counts as not begun, as its size is not known yet.
pub(crate) fn share(done: u64, total: u64) -> f32 {
    if total == 0 {
        return 0.0;
    }
    let permille = (u128::from(done) * 1000 / u128::from(total)).min(1000);
    f32::from(u16::try_from(permille).unwrap_or(1000)) / 1000.0
}

/// How far something is: `45 %`. Says 100 only when all is done.
pub(crate) fn percent(done: u64, total: u64) -> String {
    let percent = if total == 0 {
        0
    } else {
        (u128::from(done) * 100 / u128::from(total)).min(100)
    };
    format!("{percent} %")
}

/// How far something is: `45.0 MB of 112.6 MB`.
pub(crate) fn far(done: u64, total: u64) -> String {
    if total == 0 {
        bytes(done)
    } else {
        format!("{} of {}", bytes(done.min(total)), bytes(total))
    }
}

/// How far, how fast, how long: `45.0 MB of 112.6 MB · 3.4 MB/s · 12 s left`.
pub(crate) fn progress(done: u64, total: u64, elapsed: Duration) -> String {
    let mut words = far(done, total);
    // Before that the rate says more about the start than about the line.
    if elapsed >= Duration::from_secs(1) && done > 0 {
        let rate = u128::from(done) * 1000 / elapsed.as_millis();
        words.push_str(&format!(
            " · {}/s",
            bytes(u64::try_from(rate).unwrap_or(u64::MAX))
        ));
        if total > done && rate > 0 {
            let left =
                u64::try_from((u128::from(total - done) + rate / 2) / rate).unwrap_or(u64::MAX);
            words.push_str(&format!(" · {} left", duration(Duration::from_secs(left))));
        }
    }
    words
}

/// Whole seconds still to wait, rounded up, so that it never says 0 while waiting.
pub(crate) fn seconds_left(left: Duration) -> u64 {
    left.as_secs() + u64::from(left.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(4_318), "4,318");
        assert_eq!(thousands(1_234_567), "1,234,567");
    }

    #[test]
    fn durations_are_rounded_to_what_matters() {
        assert_eq!(duration(Duration::from_millis(400)), "0 s");
        assert_eq!(duration(Duration::from_millis(11_600)), "12 s");
        assert_eq!(duration(Duration::from_secs(170)), "3 min");
        assert_eq!(duration(Duration::from_secs(7_200)), "2 h");
    }

    #[test]
    fn an_age_is_told_as_people_tell_it() {
        assert_eq!(age(Duration::from_secs(9)), "new");
        assert_eq!(age(Duration::from_secs(7_200)), "for 2 h");
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(people(0), "0 people");
        assert_eq!(people(1), "1 person");
        assert_eq!(people(1_200), "1,200 people");
        assert_eq!(edits(0), "0 edits");
        assert_eq!(edits(1), "1 edit");
        assert_eq!(edits(4_318), "4,318 edits");
        assert_eq!((rooms(1), rooms(2)), ("1 room".into(), "2 rooms".into()));
    }

    #[test]
    fn a_hundred_percent_is_only_said_when_done() {
        assert_eq!(percent(0, 0), "0 %");
        assert_eq!(percent(999, 1_000), "99 %");
        assert_eq!(percent(1_000, 1_000), "100 %");
        assert_eq!(percent(2_000, 1_000), "100 %");
        assert!((share(1, 4) - 0.25).abs() < f32::EPSILON);
        assert!(share(5, 0).abs() < f32::EPSILON);
    }

    #[test]
    fn progress_tells_how_far_how_fast_and_how_long() {
        assert_eq!(
            progress(45_000_000, 112_600_000, Duration::from_secs(10)),
            "45.0 MB of 112.6 MB · 4.5 MB/s · 15 s left"
        );
        assert_eq!(
            progress(0, 112_600_000, Duration::from_secs(10)),
            "0 B of 112.6 MB"
        );
        assert_eq!(progress(5_000, 0, Duration::from_millis(100)), "5.0 kB");
    }

    #[test]
    fn waiting_never_says_zero_seconds() {
        assert_eq!(seconds_left(Duration::from_millis(3_001)), 4);
        assert_eq!(seconds_left(Duration::from_secs(3)), 3);
        assert_eq!(seconds_left(Duration::from_millis(1)), 1);
    }
}
