//! Planned rows stored, recognised, or refused by the store.

use std::sync::Arc;
use std::time::Duration;

use event_store::{
    Append, AppendError, Conflict, EVENTS_MAX, EventStore, Expected, NewEvent, StoreError, StoredEvent,
};
use events::{AggregateId, TenantId};

use crate::target::event_id;
use crate::{Error, Planned, Rejected, Target};

/// How often an append that failed for a passing reason, or lost a race, is tried again.
const ATTEMPTS_MAX: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// Where rows are stored.
pub(crate) struct Appender<S> {
    pub(crate) store: Arc<S>,
    pub(crate) target: Arc<dyn Target>,
    pub(crate) tenant: TenantId,
}

impl<S> Clone for Appender<S> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), target: Arc::clone(&self.target), tenant: self.tenant.clone() }
    }
}

/// What came of a row.
#[derive(Debug)]
pub(crate) enum Settled {
    Applied { row: Planned, appended: u64, present: u64 },
    Rejected(Rejected),
}

/// What the store has of a planned history.
pub(crate) struct Found {
    /// The version that the history begins after: 0, or that of the withdrawal of an earlier life.
    pub(crate) base: u64,
    /// Its first events, as far as they are stored and the same.
    pub(crate) stored: Vec<StoredEvent>,
    /// Why the rest cannot follow.
    pub(crate) differs: Option<String>,
}

/// A row on its way into the store.
struct Waiting {
    row: Planned,
    base: u64,
    done: usize,
    present: u64,
}

impl<S: EventStore> Appender<S> {
    /// Stores the histories of rows, all in one append as long as nothing comes in between.
    pub(crate) async fn settle(&self, rows: Vec<Planned>) -> Result<Vec<Settled>, Error> {
        let mut settled = Vec::with_capacity(rows.len());
        let mut waiting: Vec<_> =
            rows.into_iter().map(|row| Waiting { row, base: 0, done: 0, present: 0 }).collect();
        let mut attempts = 0;
        while let Some(first) = waiting.first() {
            let aggregate_id = first.row.aggregate_id;
            let mut appends = Vec::with_capacity(waiting.len());
            for row in &waiting {
                appends.push(self.append(row).await?);
            }
            attempts += 1;
            match self.store.append(&self.tenant, &appends).await {
                Ok(_) => {
                    attempts = 0;
                    waiting
                        .iter_mut()
                        .zip(&appends)
                        .for_each(|(row, append)| row.done += append.events.len());
                }
                Err(AppendError::Conflict(conflicts)) if attempts < ATTEMPTS_MAX => {
                    for conflict in conflicts {
                        let Some(place) =
                            waiting.iter().position(|row| row.row.aggregate_id == conflict.aggregate_id)
                        else {
                            continue;
                        };
                        let row = &waiting[place].row;
                        let found = match whole(conflict) {
                            Some(stored) => self.compare_with(row, stored).await?,
                            None => self.find(row).await?,
                        };
                        match found.differs {
                            Some(reason) => {
                                settled
                                    .push(Settled::Rejected(waiting.swap_remove(place).row.rejected(reason)));
                            }
                            None => waiting[place].resume(found),
                        }
                    }
                }
                Err(error) if is_transient(&error) && attempts < ATTEMPTS_MAX => {
                    tokio::time::sleep(PAUSE).await
                }
                Err(
                    error @ (AppendError::Duplicate { .. }
                    | AppendError::Taken
                    | AppendError::OtherType(_)
                    | AppendError::Invalid(_)),
                ) => {
                    if waiting.len() == 1 {
                        settled.extend(
                            waiting.pop().map(|it| Settled::Rejected(it.row.rejected(error.to_string()))),
                        );
                    } else {
                        // One of them is to blame: each alone will tell which.
                        for row in waiting.drain(..) {
                            settled.extend(Box::pin(self.settle(vec![row.row])).await?);
                        }
                    }
                }
                Err(source) => return Err(Error::Append { aggregate_id, source: Box::new(source) }),
            }
            let (done, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(Waiting::is_done);
            waiting = rest;
            settled.extend(done.into_iter().map(Waiting::settled));
        }
        Ok(settled)
    }

    async fn append(&self, waiting: &Waiting) -> Result<Append, Error> {
        let aggregate_id = waiting.row.aggregate_id;
        let first = waiting.base + waiting.done as u64 + 1;
        let rest = waiting.row.events.iter().skip(waiting.done).take(EVENTS_MAX);
        let mut events = Vec::with_capacity(rest.len());
        for (planned, version) in rest.zip(first..) {
            let planned = at_version(planned, aggregate_id, version);
            let sealed = self.target.sealed(&self.tenant, waiting.row.subject.as_ref(), planned).await;
            events.push(sealed.map_err(|source| Error::Seal { aggregate_id, source: Box::new(source) })?);
        }
        Ok(Append {
            aggregate_id,
            aggregate_type: self.target.aggregate_type().to_owned(),
            expected: Expected::Exactly(first - 1),
            events,
        })
    }

    /// How much of a row's history is stored.
    pub(crate) async fn find(&self, row: &Planned) -> Result<Found, Error> {
        let stored = self.load(row.aggregate_id).await?;
        self.compare_with(row, stored).await
    }

    async fn compare_with(&self, row: &Planned, stored: Vec<StoredEvent>) -> Result<Found, Error> {
        let id = row.aggregate_id;
        let life = stored
            .iter()
            .rposition(|event| self.target.is_withdrawal(&event.event_type))
            .map_or(0, |last| last + 1);
        let base = match (life, stored.first()) {
            (0, Some(first)) => first.version - 1,
            (0, None) => 0,
            (life, _) => stored[life - 1].version,
        };
        let mut found = Found { base, stored: Vec::new(), differs: None };
        if life == 0 && base > 0 {
            found.differs = Some(format!(
                "the first {base} events of aggregate {id} are archived, so it cannot be compared"
            ));
            return Ok(found);
        }
        for (event, planned) in stored.into_iter().skip(life).zip(&row.events) {
            let version = event.version;
            if !self.target.is_same(&event, &at_version(planned, id, version)).await? {
                found.differs = Some(format!(
                    "aggregate {id} exists with another event at version {version} than this row leads to"
                ));
                break;
            }
            found.stored.push(event);
        }
        Ok(found)
    }

    /// What is there of an aggregate's events; of one that was pruned, what stays.
    async fn load(&self, id: AggregateId) -> Result<Vec<StoredEvent>, Error> {
        let (mut after, mut attempts) = (0, 0);
        loop {
            match self.store.load(&self.tenant, id, after).await {
                Err(StoreError::Archived { through_version, .. }) if after < through_version => {
                    after = through_version
                }
                Err(error) if error.is_transient() && attempts < ATTEMPTS_MAX => {
                    attempts += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                answer => return answer.map_err(|source| Error::Load { aggregate_id: id, source }),
            }
        }
    }
}

/// All that is stored of the aggregate, where the conflict told it and nothing has to be loaded.
fn whole(conflict: Conflict) -> Option<Vec<StoredEvent>> {
    let last = conflict.events.last()?;
    (conflict.expected == Expected::Exactly(0) && last.version == conflict.actual).then_some(conflict.events)
}

impl Waiting {
    fn resume(&mut self, found: Found) {
        self.base = found.base;
        // What an append of this very run stored, and whose answer was lost, counts as there before; the sum is the same.
        self.present += (found.stored.len() - self.done.min(found.stored.len())) as u64;
        self.done = found.stored.len();
    }

    fn is_done(&self) -> bool {
        self.done >= self.row.events.len()
    }

    fn settled(self) -> Settled {
        Settled::Applied {
            appended: self.row.events.len() as u64 - self.present,
            present: self.present,
            row: self.row,
        }
    }
}

/// The event as the one that becomes `version`.
fn at_version(event: &NewEvent, id: AggregateId, version: u64) -> NewEvent {
    NewEvent { event_id: event_id(id, version), ..event.clone() }
}

fn is_transient(error: &AppendError) -> bool {
    match error {
        AppendError::Unknown(_) => true,
        AppendError::Store(error) => StoreError::is_transient(error),
        _ => false,
    }
}
