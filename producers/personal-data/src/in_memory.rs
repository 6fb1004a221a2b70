//! Keys without a disk, for tests and examples.

use std::sync::{Mutex, MutexGuard, PoisonError};

use events::TenantId;
use futures::FutureExt;
use futures::future::{BoxFuture, ready};

use crate::{KeyId, KeyState, KeyStore, KeyStoreError, StoredKey, SubjectId};

/// A store of keys that lives as long as its value.
#[derive(Debug, Default)]
pub struct InMemoryKeys {
    keys: Mutex<Vec<(TenantId, StoredKey)>>,
}

impl InMemoryKeys {
    /// Destroys a subject's keys.
    pub fn destroy(&self, tenant: &TenantId, subject: &SubjectId) {
        for (_, key) in self.keys().iter_mut().filter(|(of, key)| of == tenant && key.subject == *subject) {
            key.state = KeyState::Destroyed;
        }
    }

    fn keys(&self) -> MutexGuard<'_, Vec<(TenantId, StoredKey)>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyStore for InMemoryKeys {
    fn ensure<'a>(
        &'a self,
        tenant: &'a TenantId,
        candidate: StoredKey,
    ) -> BoxFuture<'a, Result<StoredKey, KeyStoreError>> {
        let mut keys = self.keys();
        let mut of_tenant = keys.iter().filter(|(of, _)| of == tenant).map(|(_, key)| key);
        let is_live = |key: &&StoredKey| key.subject == candidate.subject && key.state != KeyState::Destroyed;
        let key = if let Some(key) = of_tenant.find(is_live) {
            key.clone()
        } else {
            keys.push((tenant.clone(), candidate.clone()));
            candidate
        };
        ready(Ok(key)).boxed()
    }

    fn find<'a>(
        &'a self,
        tenant: &'a TenantId,
        key_id: KeyId,
    ) -> BoxFuture<'a, Result<Option<StoredKey>, KeyStoreError>> {
        let keys = self.keys();
        let key = keys.iter().find(|(of, key)| of == tenant && key.key_id == key_id);
        ready(Ok(key.map(|(_, key)| key.clone()))).boxed()
    }
}
