//! A point in time as a view carries it.

use std::fmt;
use std::str::FromStr;

use events::Timestamp;
use serde::{Deserialize, Serialize, de};

use crate::Refusal;

/// A point in time between the years 1 and 9999, to the microsecond, UTC.
///
/// One form fits a document and a table alike: it is written as RFC 3339 with six decimals
/// (`2026-11-21T03:46:19.124788Z`), which Postgres reads into a `timestamptz`, and it reads back that form and what
/// Postgres' `to_jsonb` prints for such a column (`2026-11-21T04:46:19.1+01:00`): fewer decimals, any offset.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// 0001-01-01T00:00:00Z and the last microsecond of the year 9999.
const FIRST: i64 = -62_135_596_800 * MICROS_PER_SECOND;
const LAST: i64 = 253_402_300_800 * MICROS_PER_SECOND - 1;

/// A time or a text that is no [`Moment`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMoment {
    /// A calendar of four digits a year cannot write it, or Postgres cannot store it.
    #[error("{0} microseconds since 1970 lie outside the years 1 to 9999")]
    OutOfRange(i64),
    /// It is not RFC 3339.
    #[error("{0:?} is no RFC 3339 time with up to six decimals and an offset")]
    Malformed(String),
}

impl Moment {
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn micros(self) -> i64 {
        self.0
    }

    fn from_micros(micros: i64) -> Result<Self, InvalidMoment> {
        if (FIRST..=LAST).contains(&micros) {
            Ok(Self(micros))
        } else {
            Err(InvalidMoment::OutOfRange(micros))
        }
    }
}

impl TryFrom<Timestamp> for Moment {
    type Error = InvalidMoment;

    fn try_from(time: Timestamp) -> Result<Self, InvalidMoment> {
        Self::from_micros(time.micros())
    }
}

impl From<Moment> for Timestamp {
    fn from(moment: Moment) -> Self {
        Self::from_micros(moment.0)
    }
}

impl From<InvalidMoment> for Refusal {
    fn from(error: InvalidMoment) -> Self {
        Self::new(error.to_string())
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.0.div_euclid(MICROS_PER_SECOND), self.0.rem_euclid(MICROS_PER_SECOND));
        let (days, second) = (seconds.div_euclid(SECONDS_PER_DAY), seconds.rem_euclid(SECONDS_PER_DAY));
        let (year, month, day) = civil_from_days(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Moment {
    type Err = InvalidMoment;

    fn from_str(text: &str) -> Result<Self, InvalidMoment> {
        let malformed = || InvalidMoment::Malformed(text.to_owned());
        let mut reader = Reader { rest: text.as_bytes() };
        let micros = reader.moment().ok_or_else(malformed)?;
        if reader.rest.is_empty() { Self::from_micros(micros) } else { Err(malformed()) }
    }
}

/// Eats a text from its front; `None`: it is not what was asked for.
struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn moment(&mut self) -> Option<i64> {
        let (year, month, day) = (self.number(4)?, self.after(b"-")?, self.after(b"-")?);
        let (hour, minute, second) = (self.after(b"Tt ")?, self.after(b":")?, self.after(b":")?);
        let day_fits = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
        if !day_fits || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let micros = self.fraction()?;
        let seconds =
            days_from_civil(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
        Some((seconds - self.offset()?) * MICROS_PER_SECOND + micros)
    }

    /// A number of exactly so many digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.rest.split_at_checked(digits)?;
        self.rest = rest;
        number
            .iter()
            .try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
    }

    /// Two digits behind one of `separators`.
    fn after(&mut self, separators: &[u8]) -> Option<i64> {
        self.one_of(separators)?;
        self.number(2)
    }

    fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        bytes.contains(first).then(|| {
            self.rest = rest;
            *first
        })
    }

    /// Microseconds from no decimals, or from a point and one to six of them.
    fn fraction(&mut self) -> Option<i64> {
        if self.one_of(b".").is_none() {
            return Some(0);
        }
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let scale = 6u32.checked_sub(u32::try_from(digits).ok()?).filter(|_| digits > 0)?;
        Some(self.number(digits)? * 10i64.pow(scale))
    }

    /// Seconds east of Greenwich: `Z`, or a sign with hours, minutes and (for old local times) seconds.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.one_of(b"Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ => return Some(0),
        };
        let hours = self.number(2)?;
        let minutes = if self.rest.is_empty() { 0 } else { self.after(b":")? };
        let seconds = if self.rest.is_empty() { 0 } else { self.after(b":")? };
        (hours < 24 && minutes < 60 && seconds < 60).then_some(sign * (hours * 3600 + minutes * 60 + seconds))
    }
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar (Howard Hinnant, "chrono-Compatible Low-Level
/// Date Algorithms").
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`].
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Rfc3339)
    }
}

struct Rfc3339;

impl de::Visitor<'_> for Rfc3339 {
    type Value = Moment;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an RFC 3339 time")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Moment, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<i64> {
        text.parse::<Moment>().ok().map(Moment::micros)
    }

    #[test]
    fn it_writes_rfc_3339_with_six_decimals() {
        let written = |micros| Moment::from_micros(micros).map(|moment| moment.to_string());
        assert_eq!(written(0).unwrap(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(written(1_795_232_779_124_788).unwrap(), "2026-11-21T03:46:19.124788Z");
        assert_eq!(written(FIRST).unwrap(), "0001-01-01T00:00:00.000000Z");
        assert_eq!(written(LAST).unwrap(), "9999-12-31T23:59:59.999999Z");
        assert_eq!(written(FIRST - 1), Err(InvalidMoment::OutOfRange(FIRST - 1)));
        assert_eq!(written(LAST + 1), Err(InvalidMoment::OutOfRange(LAST + 1)));
    }

    #[test]
    fn it_reads_what_postgres_prints() {
        let at = read("2026-11-21T03:46:19.1Z").unwrap();
        assert_eq!(at, 1_795_232_779_100_000);
        for text in [
            "2026-11-21T03:46:19.1+00:00",
            "2026-11-21T03:46:19.100000+00",
            "2026-11-21 04:46:19.1+01:00",
            "2026-11-20T22:16:19.1-05:30",
            "2026-11-21T04:18:36.1+00:32:17",
        ] {
            assert_eq!(read(text), Some(at), "{text}");
        }
        assert_eq!(read("2024-02-29T00:00:00+00:00"), Some(1_709_164_800_000_000));
    }

    #[test]
    fn it_refuses_what_is_no_time() {
        for text in [
            "",
            "infinity",
            "2026-11-21",
            "2026-11-21T03:46:19",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T03:46:19.Z",
            "2026-11-21T03:46:19.1234567Z",
            "2026-11-21T03:46:19Z ",
            "0000-12-31T23:59:59Z",
            "0001-01-01T00:00:00+00:01",
            "+026-11-21T03:46:19Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_comes_back_as_it_was_written(micros in FIRST..=LAST) {
            let moment = Moment::from_micros(micros).unwrap();
            prop_assert_eq!(moment.to_string().parse(), Ok(moment));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+0-9T:.Z ]{0,40}|.{0,40}") {
            drop(text.parse::<Moment>());
        }
    }
}
