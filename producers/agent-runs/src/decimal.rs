//! Dollars in decimal to whole nano-USD.

use events::NanoUsd;
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// An amount as the source writes it, rounded half-even to nano-USD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dollars(pub(crate) NanoUsd);

impl<'de> Deserialize<'de> for Dollars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Amount).map(Self)
    }
}

struct Amount;

impl Visitor<'_> for Amount {
    type Value = NanoUsd;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an amount of US dollars from 0 to 1 000 000 000")
    }

    fn visit_f64<E: Error>(self, dollars: f64) -> Result<NanoUsd, E> {
        nanos(dollars).ok_or_else(|| E::invalid_value(Unexpected::Float(dollars), &self))
    }

    fn visit_u64<E: Error>(self, dollars: u64) -> Result<NanoUsd, E> {
        let nanos = i64::try_from(dollars).ok().filter(|d| *d <= MOST_DOLLARS).map(|d| d * NANOS_PER_DOLLAR);
        nanos.map(NanoUsd::new).ok_or_else(|| E::invalid_value(Unexpected::Unsigned(dollars), &self))
    }
}

const NANOS_PER_DOLLAR: i64 = 1_000_000_000;
const MOST_DOLLARS: i64 = 1_000_000_000;

/// The nearest nano-USD to the shortest decimal text of `dollars`, ties to even; `None` when out of range.
fn nanos(dollars: f64) -> Option<NanoUsd> {
    if !(0.0..=MOST_DOLLARS as f64).contains(&dollars) {
        return None;
    }
    let text = format!("{dollars}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let (kept, rest) = fraction.split_at(fraction.len().min(9));
    let floor = whole.parse::<i64>().ok()? * NANOS_PER_DOLLAR + format!("{kept:0<9}").parse::<i64>().ok()?;
    let up = match rest.as_bytes() {
        [] => false,
        [b'5', zeros @ ..] if zeros.iter().all(|digit| *digit == b'0') => floor % 2 == 1,
        [first, ..] => *first >= b'5',
    };
    Some(NanoUsd::new(floor + i64::from(up)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn float_noise_is_rounded_away() {
        assert_eq!(nanos(0.381_713_200_000_000_1), Some(NanoUsd::new(381_713_200)));
    }

    #[test]
    fn ties_go_to_the_even_neighbour() {
        assert_eq!(nanos(0.000_000_000_5), Some(NanoUsd::new(0)));
        assert_eq!(nanos(0.000_000_001_5), Some(NanoUsd::new(2)));
        assert_eq!(nanos(0.000_000_002_5), Some(NanoUsd::new(2)));
        assert_eq!(nanos(0.000_000_002_51), Some(NanoUsd::new(3)));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for bad in [-0.01, f64::NAN, f64::INFINITY, 1e30] {
            assert_eq!(nanos(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn amounts_with_nine_decimals_are_exact(exact in 0_i64..1_000_000_000_000) {
            let text = format!("{}.{:09}", exact / NANOS_PER_DOLLAR, exact % NANOS_PER_DOLLAR);
            prop_assert_eq!(nanos(text.parse().unwrap()), Some(NanoUsd::new(exact)));
        }
    }
}
