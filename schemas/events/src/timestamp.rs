//! A moment, and its one spelling as text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// Microseconds since 1970-01-01T00:00:00Z; Avro `timestamp-micros`.
///
/// As text it is ISO 8601 in UTC: written with six decimals, `2026-11-21T03:46:19.124788Z`; read with none to six,
/// years 0000 to 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.div_euclid(MICROS_PER_SECOND);
        let micros = self.0.rem_euclid(MICROS_PER_SECOND);
        let (year, month, day) = civil_from_days(seconds.div_euclid(SECONDS_PER_DAY));
        let of_day = seconds.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        // Beyond four digits ISO 8601 wants a sign.
        if (0..=9999).contains(&year) { write!(f, "{year:04}") } else { write!(f, "{year:+05}") }?;
        write!(f, "-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
    }
}

/// A text that is no [`Timestamp`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a UTC time such as 2026-11-21T03:46:19.124788Z, with at most six decimals")]
pub struct InvalidTimestamp(pub String);

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        parse(text.as_bytes()).map(Self).ok_or_else(|| InvalidTimestamp(text.chars().take(64).collect()))
    }
}

fn parse(text: &[u8]) -> Option<i64> {
    let text = text.strip_suffix(b"Z")?;
    let (moment, fraction) = text.split_at_checked(19)?;
    let punctuation = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if punctuation.iter().any(|&(at, mark)| moment[at] != mark) {
        return None;
    }
    let (year, month, day) = (number(&moment[..4])?, number(&moment[5..7])?, number(&moment[8..10])?);
    let (hour, minute, second) = (number(&moment[11..13])?, number(&moment[14..16])?, number(&moment[17..])?);
    let days = days_from_civil(year, month, day);
    if civil_from_days(days) != (year, month, day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let micros = match fraction.strip_prefix(b".") {
        None if fraction.is_empty() => 0,
        Some(digits) if (1..=6).contains(&digits.len()) => {
            number(digits)? * 10_i64.pow(6 - u32::try_from(digits.len()).ok()?)
        }
        _ => return None,
    };
    Some((days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second) * MICROS_PER_SECOND + micros)
}

/// Decimal digits and nothing else; short enough never to overflow.
fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |n, d| d.is_ascii_digit().then(|| n * 10 + i64::from(d - b'0')))
}

/// Year, month, day of a day counted from 1970-01-01 in the proleptic Gregorian calendar.
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468; // from 0000-03-01: leap days come last in their year
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The inverse; of an impossible date it makes some day that does not turn back into that date.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let march_month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * march_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

/// A [`Timestamp`] as text, for `#[serde(with = "events::iso8601")]`: commands in JSON are written by people and by
/// programs without our types; Avro keeps the number.
pub mod iso8601 {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use super::Timestamp;

    /// Writes ISO 8601 in UTC with six decimals.
    pub fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    /// Reads what [`Timestamp`]'s `FromStr` reads.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_moments_have_their_known_spelling() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (1_795_232_779_124_788, "2026-11-21T03:46:19.124788Z"),
            (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
            (253_402_300_800_000_000, "+10000-01-01T00:00:00.000000Z"),
            (-62_167_219_200_000_000, "0000-01-01T00:00:00.000000Z"),
            (-62_167_219_200_000_001, "-0001-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(Timestamp::from_micros(micros).to_string(), text);
        }
    }

    #[test]
    fn decimals_may_be_left_out() {
        for (text, micros) in [
            ("1970-01-01T00:00:01Z", 1_000_000),
            ("1970-01-01T00:00:01.5Z", 1_500_000),
            ("1970-01-01T00:00:01.000001Z", 1_000_001),
        ] {
            assert_eq!(text.parse(), Ok(Timestamp::from_micros(micros)));
        }
    }

    #[test]
    fn what_is_no_utc_time_is_refused() {
        for text in [
            "",
            "Z",
            "2026-11-21",
            "2026-11-21T03:46:19",
            "2026-11-21 03:46:19Z",
            "2026-11-21T03:46:19+00:00",
            "2026-11-21T03:46:19.Z",
            "2026-11-21T03:46:19.1247881Z",
            "2026-11-21T03:46:19,1Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-12-31T23:59:60Z",
            "+10000-01-01T00:00:00Z",
            "2026-1１-21T03:46:19Z",
            "-026-11-21T03:46:19Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_moment_of_ten_thousand_years_reads_back(
            micros in -62_167_219_200_000_000_i64..=253_402_300_799_999_999
        ) {
            let moment = Timestamp::from_micros(micros);
            prop_assert_eq!(moment.to_string().parse(), Ok(moment));
        }

        #[test]
        fn every_moment_can_be_written(micros: i64) {
            prop_assert!(Timestamp::from_micros(micros).to_string().ends_with('Z'));
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            if let Ok(moment) = text.parse::<Timestamp>() {
                prop_assert!(text.ends_with('Z'), "{text:?} was read as {moment}");
            }
        }
    }
}
