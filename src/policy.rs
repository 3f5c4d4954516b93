//! When a drive may send: for now, whether the user has paused it and until when. Pure: the clock is an
//! argument.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Kind, Result},
    node::Time,
};

/// Whether the user holds a drive's uploads.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pause {
    /// Not held.
    #[default]
    No,
    /// Held up to this moment.
    Until(Time),
    /// Held until the user resumes it.
    Forever,
}

impl Pause {
    /// A pause as it comes over the control socket: up to `until`, or until resumed.
    pub fn new(until: Option<Time>) -> Pause {
        until.map_or(Pause::Forever, Pause::Until)
    }

    /// Whether it holds the drive at `now`.
    pub fn holds(self, now: Time) -> bool {
        match self {
            Pause::No => false,
            Pause::Until(end) => now < end,
            Pause::Forever => true,
        }
    }

    /// How long a drive has to wait at `now`. `None`: until it is resumed.
    pub fn left(self, now: Time) -> Option<Duration> {
        match self {
            Pause::No => Some(Duration::ZERO),
            Pause::Until(end) => {
                let left = end.0.saturating_sub(now.0);
                Some(Duration::from_nanos(u64::try_from(left).unwrap_or(0)))
            }
            Pause::Forever => None,
        }
    }

    /// The end of a pause of this length that starts at `now`.
    pub fn end(now: Time, length: Duration) -> Time {
        Time(now.0.saturating_add(i64::try_from(length.as_nanos()).unwrap_or(i64::MAX)))
    }
}

/// The units of [`parse_length`], in seconds.
const UNITS: [(char, u64); 4] = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];

/// The longest pause that has an end: a year. A longer one is more likely a slip of the finger.
const LONGEST: u64 = 366 * 86_400;

/// Reads a length of time as people write it: `90s`, `45m`, `1h30m`, `2d`; a bare number is seconds.
///
/// # Errors
/// [`Kind::Invalid`] for anything else, for zero and for more than a year.
pub fn parse_length(text: &str) -> Result<Duration> {
    let bad = |why: &str| {
        Error::new(Kind::Invalid, format!("'{text}' is no length of time: {why}"))
            .remedy("write it like 90s, 45m, 1h30m or 2d")
    };
    let (mut total, mut number, mut digits) = (0u64, 0u64, 0);
    for c in text.trim().chars() {
        if let Some(digit) = c.to_digit(10) {
            number = number
                .checked_mul(10)
                .and_then(|n| n.checked_add(u64::from(digit)))
                .ok_or_else(|| bad("it is too long"))?;
            digits += 1;
            continue;
        }
        let unit = UNITS.iter().find(|(letter, _)| *letter == c);
        let (_, seconds) = unit.ok_or_else(|| bad("the units are s, m, h and d"))?;
        if digits == 0 {
            return Err(bad("a unit needs a number before it"));
        }
        let part = number.checked_mul(*seconds);
        total = part.and_then(|p| total.checked_add(p)).ok_or_else(|| bad("it is too long"))?;
        (number, digits) = (0, 0);
    }
    if digits > 0 {
        // A number without a unit stands for seconds only on its own: `1h30` may mean either thing.
        if text.trim().len() != digits {
            return Err(bad("the last number has no unit"));
        }
        total = number;
    }
    match total {
        0 => Err(bad("it must be more than nothing")),
        t if t > LONGEST => Err(bad("the longest is 366 days; leave --for out to pause until `resume`")),
        t => Ok(Duration::from_secs(t)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_as_people_write_them() {
        for (text, seconds) in
            [("90s", 90), ("1h30m", 5_400), ("45m", 2_700), ("2d", 172_800), ("30", 30), (" 1h ", 3_600)]
        {
            assert_eq!(parse_length(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_length_is_refused_with_its_reason() {
        for (text, why) in [
            ("", "more than nothing"),
            ("0s", "more than nothing"),
            ("h", "needs a number"),
            ("1w", "units are"),
            ("-1h", "units are"),
            ("1h30", "no unit"),
            ("1h 30m", "units are"),
            ("99999999999999999999s", "too long"),
            ("9999999999999999999d", "too long"),
            ("400d", "366 days"),
        ] {
            let e = parse_length(text).unwrap_err();
            assert_eq!(e.kind(), Kind::Invalid);
            assert!(e.cause().contains(why), "{text}: {e}");
        }
    }

    #[test]
    fn a_pause_ends_at_its_moment() {
        let (now, end) = (Time(1_000), Time(5_000));
        assert!(!Pause::No.holds(now));
        assert!(Pause::Forever.holds(now));
        assert!(Pause::new(Some(end)).holds(Time(4_999)));
        assert!(!Pause::new(Some(end)).holds(end));
        assert_eq!(Pause::Until(end).left(now), Some(Duration::from_nanos(4_000)));
        assert_eq!(Pause::Until(end).left(Time(9_000)), Some(Duration::ZERO));
        assert_eq!(Pause::new(None).left(now), None);
        assert_eq!(Pause::end(now, Duration::from_nanos(4_000)), end);
        assert_eq!(Pause::end(Time(i64::MAX - 1), Duration::from_secs(1)), Time(i64::MAX));
    }
}
