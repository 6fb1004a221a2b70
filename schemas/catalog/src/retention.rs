//! How long a topic keeps its records.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// A time such as `30d`, `12h`, `15m`, `5s`, `250ms`, or `forever`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Retention {
    /// This many milliseconds.
    Millis(u64),
    /// No limit.
    Forever,
}

impl Retention {
    /// The value of Kafka's `retention.ms`.
    pub fn ms(self) -> i64 {
        match self {
            Self::Millis(ms) => i64::try_from(ms).unwrap_or(i64::MAX),
            Self::Forever => -1,
        }
    }
}

/// A text that is no [`Retention`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no retention such as 30d, 12h, 15m, 5s, 250ms or forever")]
pub struct InvalidRetention(String);

impl FromStr for Retention {
    type Err = InvalidRetention;

    fn from_str(text: &str) -> Result<Self, InvalidRetention> {
        if text == "forever" {
            return Ok(Self::Forever);
        }
        let millis = UNITS.into_iter().find_map(|(unit, ms)| {
            let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
            number.checked_mul(ms).filter(|ms| (1..i64::MAX as u64).contains(ms))
        });
        millis.map(Self::Millis).ok_or_else(|| InvalidRetention(text.to_owned()))
    }
}

impl TryFrom<String> for Retention {
    type Error = InvalidRetention;

    fn try_from(text: String) -> Result<Self, InvalidRetention> {
        text.parse()
    }
}

impl From<Retention> for String {
    fn from(retention: Retention) -> Self {
        retention.to_string()
    }
}

impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Forever => f.write_str("forever"),
            Self::Millis(ms) => {
                let whole = |(_, unit): &(&str, u64)| ms % unit == 0;
                let (unit, in_ms) =
                    UNITS.into_iter().find(whole).expect("every number is whole in milliseconds");
                write!(f, "{}{unit}", ms / in_ms)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retention_is_a_number_with_a_unit() {
        for (text, ms) in
            [("30d", 2_592_000_000), ("1h", 3_600_000), ("15m", 900_000), ("1001ms", 1001), ("forever", -1)]
        {
            let retention: Retention = text.parse().unwrap();
            assert_eq!((retention.ms(), retention.to_string().as_str()), (ms, text));
        }
        for text in ["", "30", "d", "-1d", "1.5h", "30 d", "0s", "9223372036854775807d"] {
            assert!(text.parse::<Retention>().is_err(), "{text:?}");
        }
    }
}
