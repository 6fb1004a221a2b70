//! Whose personal data it is.

use std::fmt;
use std::str::FromStr;

/// The longest name of a data subject, in bytes.
const LENGTH_MAX: usize = 128;

/// A person, as the application knows them: a user's number, say. The name itself is never encrypted and outlives an
/// erasure (in the audit), so it must not say who it is to those who do not know already: no e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubjectId(String);

/// A text names no data subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no data subject: 1 to {LENGTH_MAX} letters, digits and -_.: do")]
pub struct InvalidSubject(String);

impl SubjectId {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SubjectId {
    type Err = InvalidSubject;

    fn from_str(text: &str) -> Result<Self, InvalidSubject> {
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        if (1..=LENGTH_MAX).contains(&text.len()) && text.bytes().all(is_legal) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidSubject(text.chars().take(LENGTH_MAX).collect()))
        }
    }
}

impl fmt::Display for SubjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_a_short_plain_name() {
        for legal in ["user-1815", "a", "tenant:42.x_y", &"x".repeat(128)] {
            assert_eq!(legal.parse::<SubjectId>().map(|subject| subject.to_string()), Ok(legal.to_owned()));
        }
        for illegal in ["", "ada@example.org", "a b", "é", "a\0", &"x".repeat(129)] {
            assert!(illegal.parse::<SubjectId>().is_err(), "{illegal:?}");
        }
    }
}
