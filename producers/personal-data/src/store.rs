//! Where keys of data subjects are kept; they are wrapped there.

use std::fmt;
use std::str::FromStr;

use events::TenantId;
use futures::future::BoxFuture;
use uuid::Uuid;

use crate::SubjectId;

/// A key's name for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub Uuid);

impl fmt::Display for KeyId {
    /// 32 digits in hex.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.simple(), f)
    }
}

impl FromStr for KeyId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

/// A data subject's key, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// Its name.
    pub key_id: KeyId,
    /// Whose it is.
    pub subject: SubjectId,
    /// The key, or that it is gone.
    pub state: KeyState,
}

/// What is left of a key.
#[derive(Clone, PartialEq, Eq)]
pub enum KeyState {
    /// All of it, wrapped.
    Wrapped {
        /// The wrapped key.
        wrapped: Vec<u8>,
        /// By which master key.
        master: String,
    },
    /// Nothing: what was sealed with it is erased.
    Destroyed,
}

impl fmt::Debug for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrapped { master, .. } => write!(f, "Wrapped by {master}"),
            Self::Destroyed => f.write_str("Destroyed"),
        }
    }
}

/// The store of keys failed.
#[derive(Debug, thiserror::Error)]
#[error("the store of keys failed")]
pub struct KeyStoreError {
    /// Whether it may work later.
    pub transient: bool,
    /// Why.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// A store of wrapped keys. A data subject has at most one key that is not destroyed.
pub trait KeyStore: fmt::Debug + Send + Sync {
    /// The subject's key; if it has none, `candidate` becomes it.
    fn ensure<'a>(
        &'a self,
        tenant: &'a TenantId,
        candidate: StoredKey,
    ) -> BoxFuture<'a, Result<StoredKey, KeyStoreError>>;

    /// The tenant's key of that name, which may be destroyed.
    fn find<'a>(
        &'a self,
        tenant: &'a TenantId,
        key_id: KeyId,
    ) -> BoxFuture<'a, Result<Option<StoredKey>, KeyStoreError>>;
}
