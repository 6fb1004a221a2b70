//! The store without a disk, for tests and examples.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use events::{AggregateId, EventId, TenantId, Timestamp};
use snapshots::Sealed;
use tokio::sync::watch;

use crate::append::check;
use crate::{
    Append, AppendError, Appended, AppendedTo, Conflict, EventLog, EventStore, Filter, FromSnapshot,
    IdempotencyKey, Invalid, NewEvent, PrunedRange, Slice, StoreError, StoredEvent, Until, Wakeups,
};

/// A store that lives as long as its value. The clock is the caller's.
#[derive(Debug)]
pub struct InMemoryEventStore {
    clock: fn() -> Timestamp,
    state: Mutex<State>,
    appended: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    log: Vec<StoredEvent>,
    /// Places in `log` of each aggregate's events.
    aggregates: HashMap<AggregateId, Vec<usize>>,
    /// Place in `log` of each event.
    ids: HashMap<EventId, usize>,
    /// Digest and answer of each command, by tenant and key.
    commands: HashMap<(TenantId, String), ([u8; 32], Appended)>,
    /// The snapshots of each aggregate, by version.
    snapshots: HashMap<(TenantId, AggregateId), Vec<Sealed>>,
}

impl InMemoryEventStore {
    /// An empty store that reads `recorded_at` from this clock.
    pub fn new(clock: fn() -> Timestamp) -> Self {
        Self { clock, state: Mutex::default(), appended: watch::Sender::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change below happens after the last thing that could panic, so a poisoned state is a whole one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventStore for InMemoryEventStore {
    async fn append_keyed(
        &self,
        tenant: &TenantId,
        appends: &[Append],
        key: Option<&IdempotencyKey>,
    ) -> Result<Appended, AppendError> {
        check(appends, key)?;
        let mut state = self.state();
        if let Some(answer) = key.map(|key| state.answered(tenant, key)).transpose()?.flatten() {
            return Ok(answer);
        }
        state.check(tenant, appends)?;
        let recorded_at = (self.clock)();
        let aggregates = appends.iter().map(|append| state.write(tenant, append, recorded_at)).collect();
        let appended = Appended { aggregates, recorded_at, repeated: false };
        if let Some(key) = key {
            let name = (tenant.clone(), key.as_str().to_owned());
            state.commands.insert(name, (*key.digest(), Appended { repeated: true, ..appended.clone() }));
        }
        drop(state);
        self.appended.send_replace(());
        Ok(appended)
    }

    async fn answered(
        &self,
        tenant: &TenantId,
        key: &IdempotencyKey,
    ) -> Result<Option<Appended>, AppendError> {
        self.state().answered(tenant, key)
    }

    async fn load_until(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        after_version: u64,
        until: Until,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let state = self.state();
        let history = || state.history(tenant, aggregate_id);
        let last = match until {
            Until::Now => u64::MAX,
            Until::Version(version) => version,
            Until::Occurred(at) => {
                history().filter(|e| e.occurred_at <= at).map(|e| e.version).max().unwrap_or(0)
            }
            Until::Recorded(at) => {
                history().filter(|e| e.recorded_at <= at).map(|e| e.version).max().unwrap_or(0)
            }
            Until::Position(position) => {
                history().filter(|e| e.position <= position).map(|e| e.version).max().unwrap_or(0)
            }
        };
        Ok(history().filter(|e| e.version > after_version && e.version <= last).cloned().collect())
    }

    async fn load_from_snapshot(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        shape: u32,
    ) -> Result<FromSnapshot, StoreError> {
        let state = self.state();
        let kept = state.snapshots.get(&(tenant.clone(), aggregate_id)).map_or(&[][..], Vec::as_slice);
        let own = kept.iter().rfind(|snapshot| snapshot.shape == shape);
        let known = own.map_or(0, |snapshot| snapshot.version);
        let events = state.history(tenant, aggregate_id).filter(|event| event.version > known);
        Ok(FromSnapshot { snapshot: own.or(kept.last()).cloned(), events: events.cloned().collect() })
    }

    async fn put_snapshot(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        aggregate_type: &str,
        snapshot: &Sealed,
        keep: u16,
    ) -> Result<bool, StoreError> {
        let mut state = self.state();
        let (version, event_id) = (snapshot.version, snapshot.event_id);
        let is_its_event = |event: &StoredEvent| (event.version, event.event_id) == (version, event_id);
        let mut history = state.history(tenant, aggregate_id);
        if !history.any(|event| is_its_event(event) && event.aggregate_type == aggregate_type) {
            return Ok(false);
        }
        drop(history);
        let kept = state.snapshots.entry((tenant.clone(), aggregate_id)).or_default();
        let (mut own, mut others): (Vec<_>, Vec<_>) =
            kept.drain(..).partition(|known| known.shape == snapshot.shape);
        own.retain(|known| known.version != version);
        own.push(snapshot.clone());
        own.sort_by_key(|known| known.version);
        let first = own.len().saturating_sub(usize::from(keep.max(1)));
        others.extend(own.drain(first..));
        *kept = others;
        Ok(true)
    }
}

impl EventLog for InMemoryEventStore {
    async fn settled_position(&self) -> Result<u64, StoreError> {
        Ok(self.state().log.len() as u64)
    }

    async fn read(&self, filter: &Filter, after_position: u64, limit: u32) -> Result<Slice, StoreError> {
        let state = self.state();
        let settled = state.log.len() as u64;
        if after_position > settled {
            return Err(StoreError::AheadOfLog { position: after_position, settled });
        }
        let first = usize::try_from(after_position).expect("it is no more than what is in memory");
        let wanted = state.log[first..].iter().filter(|event| filter.admits(event));
        let events: Vec<StoredEvent> = wanted.take(limit as usize).cloned().collect();
        let full = events.len() as u64 == u64::from(limit);
        let last = events.last().filter(|_| full).map(|last| last.position);
        Ok(Slice { events, through: last.unwrap_or(settled), settled })
    }

    async fn pruned(&self) -> Result<Vec<PrunedRange>, StoreError> {
        Ok(vec![]) // nothing leaves it
    }

    fn wakeups(&self) -> Wakeups {
        Wakeups::told_by(self.appended.subscribe())
    }
}

impl State {
    fn history(&self, tenant: &TenantId, id: AggregateId) -> impl Iterator<Item = &StoredEvent> {
        let places = self.aggregates.get(&id).map_or(&[][..], Vec::as_slice);
        places.iter().map(|&place| &self.log[place]).filter(move |event| event.tenant == *tenant)
    }

    fn answered(&self, tenant: &TenantId, key: &IdempotencyKey) -> Result<Option<Appended>, AppendError> {
        match self.commands.get(&(tenant.clone(), key.as_str().to_owned())) {
            Some((digest, answer)) if digest == key.digest() => Ok(Some(answer.clone())),
            Some(_) => Err(AppendError::KeyReused { key: key.as_str().to_owned() }),
            None => Ok(None),
        }
    }

    fn check(&self, tenant: &TenantId, appends: &[Append]) -> Result<(), AppendError> {
        let mut conflicts = vec![];
        for Append { aggregate_id, aggregate_type, expected, .. } in appends {
            let last = self.history(tenant, *aggregate_id).last();
            if let Some(other) = last.filter(|last| last.aggregate_type != *aggregate_type) {
                let is = &other.aggregate_type;
                return Err(AppendError::OtherType(format!(
                    "aggregate {aggregate_id} is a {is}, not a {aggregate_type}"
                )));
            }
            let actual = last.map_or(0, |last| last.version);
            if !expected.holds(actual) {
                let unknown =
                    self.history(tenant, *aggregate_id).filter(|event| event.version > expected.known());
                let events = unknown.take(Conflict::EVENTS_MAX).cloned().collect();
                conflicts.push(Conflict { aggregate_id: *aggregate_id, expected: *expected, actual, events });
            }
        }
        if !conflicts.is_empty() {
            return Err(AppendError::Conflict(conflicts));
        }

        let known = |event: &NewEvent| self.ids.get(&event.event_id).map(|&place| &self.log[place]);
        let duplicates = appends.iter().flat_map(|append| &append.events).filter_map(known);
        let (own, foreign): (Vec<_>, Vec<_>) = duplicates.partition(|event| event.tenant == *tenant);
        if let Some(first) = own.iter().min_by_key(|event| event.position) {
            return Err(AppendError::Duplicate { event_id: first.event_id });
        }
        if !foreign.is_empty() {
            return Err(Invalid::Refused("an event id is taken".into()).into());
        }
        let taken = |append: &Append| {
            !append.events.is_empty()
                && self.aggregates.contains_key(&append.aggregate_id)
                && self.history(tenant, append.aggregate_id).next().is_none()
        };
        if appends.iter().any(taken) { Err(AppendError::Taken) } else { Ok(()) }
    }

    fn write(&mut self, tenant: &TenantId, append: &Append, recorded_at: Timestamp) -> AppendedTo {
        let first_position = self.log.len() as u64 + 1;
        if append.events.is_empty() {
            let version = self.history(tenant, append.aggregate_id).last().map_or(0, |last| last.version);
            let aggregate_id = append.aggregate_id;
            return AppendedTo { aggregate_id, version, events: 0, first_position: 0, last_position: 0 };
        }
        let places = self.aggregates.entry(append.aggregate_id).or_default();
        for event in &append.events {
            let place = self.log.len();
            places.push(place);
            self.ids.insert(event.event_id, place);
            self.log.push(StoredEvent {
                position: place as u64 + 1,
                tenant: tenant.clone(),
                aggregate_id: append.aggregate_id,
                aggregate_type: append.aggregate_type.clone(),
                version: places.len() as u64,
                event_id: event.event_id,
                event_type: event.event_type.clone(),
                payload: event.payload.clone(),
                metadata: event.metadata.clone(),
                occurred_at: event.occurred_at,
                recorded_at,
                transaction_id: 0,
            });
        }
        let version = places.len() as u64;
        AppendedTo {
            aggregate_id: append.aggregate_id,
            version,
            events: append.events.len() as u64,
            first_position,
            last_position: self.log.len() as u64,
        }
    }
}
