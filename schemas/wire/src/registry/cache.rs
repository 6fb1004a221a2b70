//! Schemas by id: bounded, one request per id at a time, no failure kept longer than it is true.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

use super::RegistryError;
use crate::WriterSchema;

type Answer = Result<Arc<WriterSchema>, RegistryError>;

/// What is known about ids. An id stands for one schema for ever, so eviction costs a request and nothing else.
pub(super) struct Cache {
    entries: Mutex<LruCache<u32, Entry>>,
    refusal_ttl: Duration,
}

enum Entry {
    Known(Arc<WriterSchema>),
    /// Not found, or unusable: the registry may learn it, so this expires.
    Refused {
        error: RegistryError,
        until: Instant,
    },
    Wanted(Arc<Flight>),
}

/// The requests for one id: one at a time, and whoever waited gets the outcome of the one he waited for.
#[derive(Default)]
struct Flight {
    turn: tokio::sync::Mutex<()>,
    failures: AtomicU64,
    last: Mutex<Option<RegistryError>>,
}

impl Cache {
    pub(super) fn new(capacity: NonZeroUsize, refusal_ttl: Duration) -> Self {
        Self { entries: Mutex::new(LruCache::new(capacity)), refusal_ttl }
    }

    /// What is known now, without asking anybody.
    pub(super) fn peek(&self, id: u32) -> Option<Answer> {
        match lock(&self.entries).get(&id)? {
            Entry::Known(schema) => Some(Ok(Arc::clone(schema))),
            Entry::Refused { error, until } if Instant::now() < *until => Some(Err(error.clone())),
            Entry::Refused { .. } | Entry::Wanted(_) => None,
        }
    }

    /// What is known, or what `fetch` finds out.
    pub(super) async fn get(&self, id: u32, fetch: impl AsyncFnOnce() -> Answer) -> Answer {
        if let Some(answer) = self.peek(id) {
            return answer;
        }
        let flight = self.flight(id);
        let failures = flight.failures.load(Ordering::Acquire);
        let _turn = flight.turn.lock().await;
        if let Some(answer) = self.peek(id) {
            return answer;
        }
        if flight.failures.load(Ordering::Acquire) != failures
            && let Some(error) = lock(&flight.last).clone()
        {
            return Err(error);
        }
        let answer = fetch().await;
        match &answer {
            Ok(schema) => self.put(id, Entry::Known(Arc::clone(schema))),
            Err(error) if error.is_transient() => {
                *lock(&flight.last) = Some(error.clone());
                flight.failures.fetch_add(1, Ordering::Release);
            }
            Err(error) => {
                let until = Instant::now() + self.refusal_ttl;
                self.put(id, Entry::Refused { error: error.clone(), until });
            }
        }
        answer
    }

    fn flight(&self, id: u32) -> Arc<Flight> {
        let mut entries = lock(&self.entries);
        if let Some(Entry::Wanted(flight)) = entries.get(&id) {
            return Arc::clone(flight);
        }
        let flight = Arc::<Flight>::default();
        entries.put(id, Entry::Wanted(Arc::clone(&flight)));
        flight
    }

    fn put(&self, id: u32, entry: Entry) {
        lock(&self.entries).put(id, entry);
    }
}

/// A panic elsewhere leaves these maps whole: nothing panics while they are being changed.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
