//! The keys at hand: fetched when they are needed, remembered for a bounded time and in bounded number.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use events::TenantId;
use lru::LruCache;

use crate::seal::Sealed;
use crate::{ERASED, Error, KeyId, KeyStore, MasterKeys, Place, SubjectId, SubjectKey, is_sealed};

/// How many keys are remembered, by subject and by name each.
const KEYS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not zero");

/// Seals and opens personal fields with the keys of a store. Share one per process: it remembers keys.
#[derive(Debug)]
pub struct Keyring {
    keys: Arc<dyn KeyStore>,
    master: MasterKeys,
    stale_max: Duration,
    held: Mutex<Held>,
}

/// What is remembered, and since when. That a key was destroyed stays true.
#[derive(Debug)]
struct Held {
    of_subjects: Remembered<SubjectId, Arc<SubjectKey>>,
    by_name: Remembered<KeyId, Option<Arc<SubjectKey>>>,
}

type Remembered<N, K> = LruCache<(TenantId, N), (Instant, K)>;

impl Keyring {
    /// A keyring that uses no key longer than `stale_max` without asking the store for it again: so long a destroyed
    /// key may still be used by a process that had it.
    pub fn new(keys: Arc<dyn KeyStore>, master: MasterKeys, stale_max: Duration) -> Self {
        let held = Held { of_subjects: LruCache::new(KEYS_MAX), by_name: LruCache::new(KEYS_MAX) };
        Self { keys, master, stale_max, held: Mutex::new(held) }
    }

    /// The data subject's key, made now if there is none. A subject whose key was destroyed gets a new one: what it
    /// says from now on can be read, what it said before cannot.
    pub async fn key_of(&self, tenant: &TenantId, subject: &SubjectId) -> Result<Arc<SubjectKey>, Error> {
        let wanted = (tenant.clone(), subject.clone());
        let held = self.held().of_subjects.get(&wanted).cloned();
        if let Some((since, key)) = held
            && since.elapsed() < self.stale_max
        {
            return Ok(key);
        }
        let now = Instant::now();
        let stored = self.keys.ensure(tenant, self.master.new_key(tenant, subject)).await?;
        let key = self.master.unwrap(tenant, &stored)?.map(Arc::new);
        let key = key.ok_or(Error::UnknownKey(stored.key_id))?;
        self.held().of_subjects.put(wanted, (now, key.clone()));
        Ok(key)
    }

    /// Opens an event's personal fields in place; those that are not sealed stay, those whose key was destroyed read
    /// [`ERASED`].
    pub async fn open<'a>(
        &self,
        place: Place<'_>,
        fields: impl IntoIterator<Item = (&'static str, &'a mut String), IntoIter: Send>,
    ) -> Result<(), Error> {
        for (field, text) in fields.into_iter().filter(|(_, text)| is_sealed(text)) {
            let sealed = Sealed::parse(text).ok_or_else(|| Error::Malformed { field: field.to_owned() })?;
            *text = match self.key(place.tenant, sealed.key_id).await? {
                Some(key) => key.open(place, field, &sealed)?,
                None => ERASED.to_owned(),
            };
        }
        Ok(())
    }

    /// Forgets every key, so that the next use asks the store.
    pub fn forget(&self) {
        let mut held = self.held();
        held.of_subjects.clear();
        held.by_name.clear();
    }

    /// The key of that name; nothing if it was destroyed.
    pub(crate) async fn key(
        &self,
        tenant: &TenantId,
        key_id: KeyId,
    ) -> Result<Option<Arc<SubjectKey>>, Error> {
        let wanted = (tenant.clone(), key_id);
        let held = self.held().by_name.get(&wanted).cloned();
        match held {
            Some((_, None)) => return Ok(None),
            Some((since, key)) if since.elapsed() < self.stale_max => return Ok(key),
            _ => {}
        }
        let now = Instant::now();
        let stored = self.keys.find(tenant, key_id).await?.ok_or(Error::UnknownKey(key_id))?;
        let key = self.master.unwrap(tenant, &stored)?.map(Arc::new);
        self.held().by_name.put(wanted, (now, key.clone()));
        Ok(key)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
