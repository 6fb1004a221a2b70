//! Personal fields of events, encrypted per data subject, so that destroying one key erases one person.
//!
//! Events are never changed, and they are copied: to topics, views, archives, backups. So a field that says something
//! about a person is encrypted before its event is encoded, with a key that belongs to that person (the data subject) alone.
//! Keys are kept beside the events, wrapped by a master key from outside. When the wrapped key is gone, the
//! field is unreadable in every copy at once; the event stays, counts, and replays with [`ERASED`] in its place.
//!
//! It promises:
//!
//! - what is sealed is bound to its tenant, aggregate, event and field: moved elsewhere it does not open;
//! - a changed ciphertext, another key and another master key are errors, never other texts;
//! - a destroyed key is used no longer than [`KeyringConfig`]'s bound after its destruction, in any process;
//! - no key is printed.
//!
//! It does not know where keys are kept ([`KeyStore`]; the event store has one), which fields are personal
//! (`DomainEvent::personal`), or who may erase whom.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use events::{AggregateId, EventId, TenantId};
//! use personal_data::{ERASED, InMemoryKeys, Keyring, MasterKeys, Place, SubjectId};
//!
//! let keys = std::sync::Arc::new(InMemoryKeys::default());
//! let keyring = Keyring::new(keys.clone(), MasterKeys::random("2026"), std::time::Duration::ZERO);
//! let (tenant, ada): (TenantId, SubjectId) = ("acme".parse().unwrap(), "user-1815".parse().unwrap());
//! let place = Place { tenant: &tenant, aggregate_id: AggregateId(uuid::Uuid::nil()), event_id: EventId(uuid::Uuid::nil()) };
//!
//! let mut name = "Ada Lovelace".to_owned();
//! keyring.key_of(&tenant, &ada).await.unwrap().seal(place, [("name", &mut name)]).unwrap();
//! assert!(name.starts_with("enc:v1:"));
//! let sealed = name.clone();
//!
//! keyring.open(place, [("name", &mut name)]).await.unwrap();
//! assert_eq!(name, "Ada Lovelace");
//!
//! keys.destroy(&tenant, &ada);
//! name = sealed;
//! keyring.open(place, [("name", &mut name)]).await.unwrap();
//! assert_eq!(name, ERASED);
//! # });
//! ```

mod config;
mod error;
mod in_memory;
mod keyring;
mod master;
mod pinned;
mod seal;
mod store;
mod subject;

pub use config::KeyringConfig;
pub use error::Error;
pub use in_memory::InMemoryKeys;
pub use keyring::Keyring;
pub use master::MasterKeys;
pub use pinned::{pin, unpin};
pub use seal::{Place, SEALED, SubjectKey, is_sealed, refuse_sealed};
pub use store::{KeyId, KeyState, KeyStore, KeyStoreError, StoredKey};
pub use subject::{InvalidSubject, SubjectId};

/// What an erased field reads as.
pub const ERASED: &str = "[erased]";
