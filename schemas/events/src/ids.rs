//! Ids that cannot be passed for one another.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Declares a newtype over a UUID, written as the 36-character hyphenated string in Avro and JSON alike.
macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0.hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::try_parse(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut text = Uuid::encode_buffer();
                serializer.serialize_str(self.0.hyphenated().encode_lower(&mut text))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(HyphenatedUuid).map(Self)
            }
        }
    };
}

/// Reads the hyphenated string; refuses every other form, so that one id has one spelling.
struct HyphenatedUuid;

impl serde::de::Visitor<'_> for HyphenatedUuid {
    type Value = Uuid;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a UUID as 36 hyphenated characters")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Uuid, E> {
        // The text itself stays out of the error: it ends up in logs, and nobody knows what it is.
        let refused = || E::invalid_value(serde::de::Unexpected::Other("another text"), &self);
        match Uuid::try_parse(text) {
            Ok(id) if id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text => Ok(id),
            _ => Err(refused()),
        }
    }
}

uuid_id! {
    /// Any aggregate, where its kind does not matter: the stream in the store, the key in the topic.
    AggregateId
}
uuid_id! {
    /// One event, for ever: UUIDv7 for live events, derived from the source for imported ones.
    EventId
}
uuid_id! {
    /// One run of one agent.
    ExecutionId
}
uuid_id! {
    /// A workflow that executions belong to.
    WorkflowId
}
uuid_id! {
    /// A prompt; its versions count from 1.
    PromptId
}

/// Ids of one kind of aggregate are ids of aggregates, and back where the kind is known.
macro_rules! of_an_aggregate {
    ($($name:ident)+) => {$(
        impl From<$name> for AggregateId {
            fn from(id: $name) -> Self {
                Self(id.0)
            }
        }

        impl From<AggregateId> for $name {
            fn from(id: AggregateId) -> Self {
                Self(id.0)
            }
        }
    )+};
}

of_an_aggregate!(ExecutionId WorkflowId PromptId);

/// Whose data this is: 1 to 63 characters of `a-z`, `0-9`, `-`, starting with a letter. A copy costs next to nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(Arc<str>);

/// A text that is no [`TenantId`].
#[derive(Debug, thiserror::Error)]
#[error("tenant {0:?} is not 1 to 63 characters of a-z, 0-9 and '-', starting with a letter")]
pub struct InvalidTenant(pub String);

impl TenantId {
    /// The tenant's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TenantId {
    type Error = InvalidTenant;

    fn try_from(text: String) -> Result<Self, InvalidTenant> {
        text.parse()
    }
}

impl FromStr for TenantId {
    type Err = InvalidTenant;

    fn from_str(text: &str) -> Result<Self, InvalidTenant> {
        let fits = text.len() <= 63
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits { Ok(Self(text.into())) } else { Err(InvalidTenant(text.to_owned())) }
    }
}

impl From<TenantId> for String {
    fn from(tenant: TenantId) -> Self {
        tenant.as_str().to_owned()
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
