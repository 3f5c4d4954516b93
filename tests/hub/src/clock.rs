//! Times as the Hub writes them: RFC 3339 in UTC with milliseconds in JSON, HTTP dates in headers.

use std::{
    sync::Mutex,
    time::{SystemTime, UNIX_EPOCH},
};

use time::{
    OffsetDateTime,
    format_description::{BorrowedFormatItem, well_known::Rfc3339},
    macros::format_description,
};

const JSON: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
const HTTP: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// Milliseconds since 1970.
pub type Millis = u64;

/// A clock that never says the same twice, so that every mutation has an instant of its own.
#[derive(Default)]
pub struct Clock(Mutex<Millis>);

impl Clock {
    /// The instant of a mutation: now, or a millisecond after the last one.
    pub fn tick(&self) -> Millis {
        let mut last = self.0.lock().expect("no panic under the lock");
        *last = now().max(*last + 1);
        *last
    }
}

/// The wall clock.
pub fn now() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(0))
}

fn date(at: Millis) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// `2026-02-28T14:52:39.000Z`.
pub fn json(at: Millis) -> String {
    date(at).format(JSON).expect("a date has all fields of the format")
}

/// `Sat, 28 Feb 2026 14:52:39 GMT`.
pub fn http(at: Millis) -> String {
    date(at).format(HTTP).expect("a date has all fields of the format")
}

/// Reads any RFC 3339 time; below a millisecond is cut off.
pub fn parse(text: &str) -> Option<Millis> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_hub_writes_them() {
        let at = 1_772_290_359_007;
        assert_eq!(json(at), "2026-02-28T14:52:39.007Z");
        assert_eq!(http(at), "Sat, 28 Feb 2026 14:52:39 GMT");
        assert_eq!(parse("2026-02-28T14:52:39.007Z"), Some(at));
        assert_eq!(parse("2026-02-28T15:52:39.007999+01:00"), Some(at));
        assert_eq!(parse("yesterday"), None);
    }

    #[test]
    fn no_two_mutations_share_an_instant() {
        let clock = Clock::default();
        let ticks: Vec<Millis> = (0..1000).map(|_| clock.tick()).collect();
        assert!(ticks.windows(2).all(|w| w[0] < w[1]));
    }
}
