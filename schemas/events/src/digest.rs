//! What stands for bytes, and for sets of events, when they are compared.

use std::fmt;

use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::{AggregateId, EventId};

/// SHA-256 of some bytes: a hash that Postgres can compute as well.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of bytes as they are.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// One that somebody else computed.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The first eight bytes as a number, where a column of that type is to tell bytes apart.
    pub fn to_number(self) -> i64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        i64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Display for Digest {
    /// The first eight bytes in hex: enough for an eye.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..8].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// A sum over events that does not depend on their order: of the first 16 bytes of
/// SHA-256(aggregate, version, event id, payload digest), modulo 2^128. Two places with the same events have the same
/// sum. The event store computes it too, of what leaves it (`event_digest`, `digest_sum`).
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum(u128);

impl Sum {
    /// Adds one event.
    pub fn add(&mut self, aggregate: AggregateId, version: u64, event: EventId, payload: Digest) {
        let mut hasher = Sha256::new();
        hasher.update(aggregate.0.as_bytes());
        hasher.update(version.to_be_bytes());
        hasher.update(event.0.as_bytes());
        hasher.update(payload.0);
        let mut first = [0; 16];
        first.copy_from_slice(&hasher.finalize()[..16]);
        self.0 = self.0.wrapping_add(u128::from_be_bytes(first));
    }

    /// The sum as 16 bytes, as it is kept where texts are too long.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Reads [`to_bytes`](Self::to_bytes) backwards.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// Takes away what another sum stands for.
    pub fn subtract(&mut self, other: Self) {
        self.0 = self.0.wrapping_sub(other.0);
    }

    /// Adds what another sum stands for.
    pub fn merge(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sum({self})")
    }
}

impl Serialize for Sum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text is not a sum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a sum over events: 32 digits in hex are")]
pub struct InvalidSum(String);

impl std::str::FromStr for Sum {
    type Err = InvalidSum;

    fn from_str(text: &str) -> Result<Self, InvalidSum> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let sum = is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        sum.map(Self).ok_or_else(|| InvalidSum(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn sum_of(versions: &[u64]) -> Sum {
        let mut sum = Sum::default();
        for &version in versions {
            sum.add(AggregateId(Uuid::nil()), version, EventId(Uuid::nil()), Digest::of(b"payload"));
        }
        sum
    }

    #[test]
    fn a_sum_depends_on_every_event_and_not_on_their_order() {
        assert_eq!(sum_of(&[1, 2, 3]), sum_of(&[3, 1, 2]));
        assert_ne!(sum_of(&[1, 2]), sum_of(&[1, 3]));
        let mut halves = sum_of(&[1]);
        halves.merge(sum_of(&[2, 3]));
        assert_eq!(halves, sum_of(&[1, 2, 3]));
        halves.subtract(sum_of(&[2]));
        assert_eq!(halves, sum_of(&[1, 3]));
    }

    #[test]
    fn a_sum_is_read_back_from_what_it_prints() {
        let sum = sum_of(&[7]);
        assert_eq!(sum.to_string().parse(), Ok(sum));
        assert_eq!(Sum::from_bytes(sum.to_bytes()), sum);
        assert!("".parse::<Sum>().is_err());
        assert!("+0000000000000000000000000000000".parse::<Sum>().is_err());
    }
}
