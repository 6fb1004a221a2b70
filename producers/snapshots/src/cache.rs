//! States in memory: so many, for so long.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use events::{AggregateId, EventId, TenantId};
use lru::LruCache;

/// States of one kind of aggregate, the least used forgotten first.
#[derive(Debug)]
pub struct Cache<A> {
    entries: Mutex<Entries<A>>,
    ttl: Duration,
}

type Entries<A> = LruCache<(TenantId, AggregateId), Cached<A>>;

/// A state in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cached<A> {
    /// The state.
    pub state: A,
    /// At this version.
    pub version: u64,
    /// Whose event is this one.
    pub event_id: EventId,
    /// The version of the aggregate's last snapshot; 0: it has none that counts.
    pub snapshot_version: u64,
    /// Bytes of the payloads since that one.
    pub bytes: u64,
    /// When its history was read; what was folded onto it since makes it no younger.
    pub read_at: Instant,
}

impl<A: Clone> Cache<A> {
    /// At most so many states, none longer than that after its history was read: however busy an aggregate is, what was
    /// erased in its history is forgotten.
    pub fn new(most: NonZeroUsize, ttl: Duration) -> Self {
        Self { entries: Mutex::new(LruCache::new(most)), ttl }
    }

    /// The state that was put in last, unless it is too old at `now`.
    pub fn get(&self, tenant: &TenantId, aggregate_id: AggregateId, now: Instant) -> Option<Cached<A>> {
        let key = (tenant.clone(), aggregate_id);
        let mut entries = self.entries();
        let cached = entries.get(&key)?;
        if now.saturating_duration_since(cached.read_at) < self.ttl {
            return Some(cached.clone());
        }
        entries.pop(&key);
        None
    }

    /// Keeps a state, unless a newer one is kept.
    pub fn put(&self, tenant: &TenantId, aggregate_id: AggregateId, cached: Cached<A>) {
        let key = (tenant.clone(), aggregate_id);
        let mut entries = self.entries();
        if entries.peek(&key).is_none_or(|known| known.version <= cached.version) {
            entries.put(key, cached);
        }
    }

    /// Forgets a state.
    pub fn drop(&self, tenant: &TenantId, aggregate_id: AggregateId) {
        self.entries().pop(&(tenant.clone(), aggregate_id));
    }

    fn entries(&self) -> MutexGuard<'_, Entries<A>> {
        // Nothing panics while it is being changed, so a poisoned cache is a whole one.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const TTL: Duration = Duration::from_secs(60);

    fn cache(most: usize) -> Cache<u32> {
        Cache::new(NonZeroUsize::new(most).unwrap(), TTL)
    }

    fn at(version: u64, read_at: Instant) -> Cached<u32> {
        Cached { state: 1, version, event_id: EventId(Uuid::nil()), snapshot_version: 0, bytes: 0, read_at }
    }

    fn id(number: u128) -> AggregateId {
        AggregateId(Uuid::from_u128(number))
    }

    #[test]
    fn a_state_is_kept_for_its_time_and_for_its_tenant() {
        let (cache, now) = (cache(2), Instant::now());
        let (acme, other): (TenantId, TenantId) = ("acme".parse().unwrap(), "other".parse().unwrap());
        cache.put(&acme, id(1), at(3, now));
        assert_eq!(cache.get(&acme, id(1), now + TTL / 2), Some(at(3, now)));
        assert_eq!(cache.get(&other, id(1), now), None);
        assert_eq!(cache.get(&acme, id(1), now + TTL), None);
        assert_eq!(cache.get(&acme, id(1), now), None, "it is forgotten");
    }

    #[test]
    fn a_busy_aggregate_is_read_anew_as_often_as_a_quiet_one() {
        let (cache, now) = (cache(2), Instant::now());
        let acme: TenantId = "acme".parse().unwrap();
        for version in 1..10 {
            cache.put(&acme, id(1), at(version, now));
        }
        assert_eq!(cache.get(&acme, id(1), now + TTL), None);
    }

    #[test]
    fn the_least_used_state_goes_first_and_an_older_one_never_replaces_a_newer() {
        let (cache, now) = (cache(2), Instant::now());
        let acme: TenantId = "acme".parse().unwrap();
        for number in [1, 2] {
            cache.put(&acme, id(number), at(5, now));
        }
        cache.put(&acme, id(1), at(4, now));
        assert_eq!(cache.get(&acme, id(1), now), Some(at(5, now)));
        cache.put(&acme, id(3), at(5, now));
        assert_eq!(cache.get(&acme, id(2), now), None);
        cache.drop(&acme, id(1));
        assert_eq!(cache.get(&acme, id(1), now), None);
    }
}
