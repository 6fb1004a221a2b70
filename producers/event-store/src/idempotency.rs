//! A command's name, by which a repetition is known.

use std::fmt;

use sha2::{Digest, Sha256};

/// What the sender of a command calls it, and what it says. The first command of a key is carried out; whoever repeats it gets
/// the same answer, and whoever sends another one under its key is refused. Keys are a tenant's own, and are forgotten
/// after a time (the role `janitor`).
#[derive(Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    key: String,
    digest: [u8; 32],
}

/// A text that is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key is 1 to 255 visible ASCII characters, not {0:?}")]
pub struct InvalidKey(pub String);

impl IdempotencyKey {
    /// The key of the command that this body spells out.
    pub fn new(key: impl Into<String>, body: &[u8]) -> Result<Self, InvalidKey> {
        let key = key.into();
        if !(1..=255).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidKey(key));
        }
        Ok(Self { key, digest: Sha256::digest(body).into() })
    }

    /// What the sender calls its command.
    pub fn as_str(&self) -> &str {
        &self.key
    }

    /// SHA-256 of what it says.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IdempotencyKey").field(&self.key).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_visible_ascii_and_a_body_changes_its_digest() {
        for bad in ["", " ", "a b", "tab\t", "ä", "nul\0", &"k".repeat(256)] {
            assert_eq!(IdempotencyKey::new(bad, b""), Err(InvalidKey(bad.to_owned())));
        }
        let longest = "~".repeat(255);
        let key = |body| IdempotencyKey::new(longest.as_str(), body).expect("it is a key");
        assert_eq!(key(b"x"), key(b"x"));
        assert_ne!(key(b"x"), key(b"y"));
    }
}
