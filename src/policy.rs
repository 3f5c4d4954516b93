//! When a drive may send, and how fast: whether the user has paused it and until when, and how many bytes
//! a second all drives may move ([`throttle`]). What decides is pure: the clock is an argument.

pub mod throttle;

use std::time::Duration;

pub use throttle::{Bandwidth, Throttle};

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

/// The units of [`parse_size`], bytes.
const SIZES: [(&str, u64); 13] = [
    ("", 1),
    ("b", 1),
    ("k", 1_000),
    ("kb", 1_000),
    ("m", 1_000_000),
    ("mb", 1_000_000),
    ("g", 1_000_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

/// Reads a number of bytes as people write it: `500MB`, `20 GiB`, `1.5g`; a bare number is bytes.
///
/// # Errors
/// [`Kind::Invalid`] for anything else.
pub fn parse_size(text: &str) -> Result<u64> {
    let bad = || {
        Error::new(Kind::Invalid, format!("'{text}' is no size")).remedy("write it like 500MB, 20GB or 20GiB")
    };
    let text = text.trim();
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let unit = unit.trim().to_ascii_lowercase();
    let (_, unit) = SIZES.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?;
    let bytes = match number.parse::<u64>() {
        Ok(whole) => whole.checked_mul(*unit).ok_or_else(bad)?,
        // Fractions of a unit are far from the limits of a double.
        Err(_) => {
            let part = number.parse::<f64>().map_err(|_| bad())? * *unit as f64;
            if part < 9e18 { part.round() as u64 } else { return Err(bad()) }
        }
    };
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("1234", 1_234),
            ("500MB", 500_000_000),
            ("20 GiB", 20 << 30),
            ("20g", 20_000_000_000),
            (" 1.5 kb ", 1_500),
            ("2TiB", 2 << 40),
        ] {
            assert_eq!(parse_size(text).unwrap(), bytes, "{text}");
        }
        for text in ["", "-1", "GB", "1..5MB", "1 EB", "20 gallons", "99999999999999TB", "1e9"] {
            let e = parse_size(text).unwrap_err();
            assert!(e.kind() == Kind::Invalid && e.remedy_text().is_some(), "{text}");
        }
    }

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
