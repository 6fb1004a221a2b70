//! Times as sources write them to moments.

use events::Timestamp;
use jiff::tz::{AmbiguousOffset, TimeZone};

const MICROS_PER_SECOND: i64 = 1_000_000;

/// A date and a time of day with its offset from UTC, such as `2026-11-21T03:46:19.124788+01:00` or, as Postgres writes
/// it, `2026-11-21 03:46:19.124788+01`.
pub(crate) fn with_offset(text: &str) -> Result<Timestamp, String> {
    let written = Written::read(text)?;
    if written.zone.is_empty() {
        return Err("names no time zone; if all of the column is in one, declare it as `local`".to_owned());
    }
    let east = offset_seconds(written.zone).ok_or("has no offset such as Z or +01:00")?;
    Ok(Timestamp::from_micros(written.as_if_utc.micros() - east * MICROS_PER_SECOND))
}

/// A date and a time of day on the clocks of a zone.
pub(crate) fn local(text: &str, zone: &TimeZone) -> Result<Timestamp, String> {
    let written = Written::read(text)?;
    if !written.zone.is_empty() {
        return Err("names a time zone of its own; declare the column as `rfc3339`".to_owned());
    }
    let as_if_utc =
        jiff::Timestamp::from_microsecond(written.as_if_utc.micros()).map_err(|_| "is out of range")?;
    let civil = jiff::tz::Offset::UTC.to_datetime(as_if_utc);
    let name = zone.iana_name().unwrap_or("UTC");
    match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => {
            let east = i64::from(offset.seconds()) * MICROS_PER_SECOND;
            Ok(Timestamp::from_micros(written.as_if_utc.micros() - east))
        }
        AmbiguousOffset::Gap { .. } => Err(format!("never was in {name}: clocks were put forward over it")),
        AmbiguousOffset::Fold { .. } => Err(format!("was twice in {name}: clocks were put back over it")),
    }
}

/// A count of units since 1970.
pub(crate) fn since_1970(text: &str, micros_each: i64) -> Result<Timestamp, String> {
    let count = crate::decimal::whole(text)?;
    count.checked_mul(micros_each).map(Timestamp::from_micros).ok_or_else(|| "is out of range".to_owned())
}

/// A zone by its IANA name, of the data that this program carries.
pub(crate) fn zone(name: &str) -> Result<TimeZone, String> {
    jiff::tz::TimeZoneDatabase::bundled().get(name).map_err(|_| format!("there is no time zone {name:?}"))
}

/// What stands before the zone, read as if it were UTC, and the zone.
struct Written<'a> {
    as_if_utc: Timestamp,
    zone: &'a str,
}

impl<'a> Written<'a> {
    fn read(text: &'a str) -> Result<Self, String> {
        let no_time = || "is no date and time such as 2026-11-21T03:46:19".to_owned();
        let (moment, rest) = text.split_at_checked(19).ok_or_else(no_time)?;
        let (date, time) = moment.split_at_checked(10).ok_or_else(no_time)?;
        let time = time.strip_prefix(['T', 't', ' ']).ok_or_else(no_time)?;
        if time.ends_with(":60") {
            return Err("is a leap second, which has no place on the store's time line".to_owned());
        }
        let (fraction, zone) = match rest.strip_prefix('.') {
            None => ("0", rest),
            Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())),
        };
        let (micros, finer) = fraction.split_at(fraction.len().min(6));
        if finer.bytes().any(|digit| digit != b'0') {
            return Err("is finer than a microsecond".to_owned());
        }
        let as_if_utc = format!("{date}T{time}.{micros}Z").parse().map_err(|_| no_time())?;
        Ok(Self { as_if_utc, zone })
    }
}

/// Seconds east of UTC: `Z`, `±hh`, `±hhmm` or `±hh:mm`.
fn offset_seconds(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits = text.strip_prefix(['+', '-'])?;
    let (hours, minutes) = match digits.len() {
        2 => (digits, "00"),
        4 => digits.split_at_checked(2)?,
        _ => digits.split_once(':')?,
    };
    let two = |text: &str, max| {
        let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<i64>().ok().filter(|n| digits && *n <= max)
    };
    Some(sign * (two(hours, 23)? * 3600 + two(minutes, 59)? * 60))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn utc(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_offset_is_taken_into_account() {
        for text in [
            "2026-11-21T03:46:19.5Z",
            "2026-11-21T03:46:19.5000000z",
            "2026-11-21 04:46:19.50+01",
            "2026-11-21t09:16:19.5+0530",
            "2026-11-20T23:46:19.5-04:00",
        ] {
            assert_eq!(with_offset(text), Ok(utc("2026-11-21T03:46:19.5Z")), "{text}");
        }
    }

    #[test]
    fn a_local_time_is_read_by_its_zones_clocks() {
        let berlin = zone("Europe/Berlin").unwrap();
        assert_eq!(local("2026-07-01 12:00:00", &berlin), Ok(utc("2026-07-01T10:00:00Z")));
        assert_eq!(local("2026-12-01T12:00:00.25", &berlin), Ok(utc("2026-12-01T11:00:00.25Z")));
        assert_eq!(local("2026-12-01T12:00:00", &zone("UTC").unwrap()), Ok(utc("2026-12-01T12:00:00Z")));
        assert!(local("2026-03-29 02:30:00", &berlin).unwrap_err().starts_with("never was in Europe/Berlin"));
        assert!(local("2026-10-25 02:30:00", &berlin).unwrap_err().starts_with("was twice in Europe/Berlin"));
        assert!(local("2026-07-01T12:00:00Z", &berlin).unwrap_err().starts_with("names a time zone"));
        assert!(zone("Europe/Atlantis").unwrap_err().contains("Atlantis"));
    }

    #[test]
    fn leap_seconds_missing_zones_and_finer_times_are_refused_by_name() {
        assert!(with_offset("2016-12-31T23:59:60Z").unwrap_err().starts_with("is a leap second"));
        assert!(with_offset("2026-11-21T03:46:19").unwrap_err().starts_with("names no time zone"));
        assert!(with_offset("2026-11-21T03:46:19.1234567Z").unwrap_err().starts_with("is finer"));
        for text in [
            "",
            "2026-11-21",
            "21.11.2026 03:46:19Z",
            "2026-02-29T00:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T00:00:00.Z",
        ] {
            assert!(with_offset(text).unwrap_err().starts_with("is no date and time"), "{text}");
        }
        for text in ["CET", "+1", "+24:00", "+01:60", "+01:0", "+01:00:00", "+-1"] {
            let refused = with_offset(&format!("2026-11-21T00:00:00{text}"));
            assert!(refused.unwrap_err().starts_with("has no offset"), "{text}");
        }
        assert_eq!(since_1970("9223372036854775807", 1_000).unwrap_err(), "is out of range");
        assert_eq!(since_1970("-1", 1_000_000), Ok(Timestamp::from_micros(-1_000_000)));
    }

    proptest! {
        #[test]
        fn a_moment_is_the_same_in_every_offset(micros in 0_i64..=253_000_000_000_000_000, minutes in -1_439_i64..=1_439) {
            let (sign, m) = (if minutes < 0 { '-' } else { '+' }, minutes.abs());
            let there = Timestamp::from_micros(micros + minutes * 60 * MICROS_PER_SECOND).to_string();
            let text = format!("{}{sign}{:02}:{:02}", there.trim_end_matches('Z'), m / 60, m % 60);
            prop_assert_eq!(with_offset(&text), Ok(Timestamp::from_micros(micros)));
        }

        #[test]
        fn no_text_makes_it_panic(text: String, tail in "[0-9T:.+Z -]{0,40}") {
            for text in [text, tail] {
                drop((with_offset(&text), local(&text, &TimeZone::UTC), since_1970(&text, 1)));
            }
        }
    }
}
