//! The store in Postgres.

mod append;
mod appenders;
mod checkpoint;
mod commands;
mod connections;
mod faults;
mod log;
mod row;
mod snapshot;
mod subject_keys;
mod times;
mod wake;

pub use appenders::{AppenderWatch, OpenAppender};
pub use checkpoint::{Checkpoint, CheckpointMoved};
pub use commands::expire_commands;
pub use connections::{Connections, Usage};
pub use log::{Histories, PgEventLog};
pub use snapshot::SnapshotKeeper;
pub use subject_keys::PgSubjectKeys;

use std::time::Duration;

use events::{AggregateId, TenantId};
use snapshots::Sealed;
use sqlx::migrate::Migrator;
use sqlx::{Connection, PgConnection, PgPool};

use crate::{
    Append, AppendError, Appended, EventStore, FromSnapshot, IdempotencyKey, StoreError, StoredEvent, Until,
};
use connections::Lent;
use faults::{Doing, is_broken, load_error};
use times::datetime;
use wake::Waker;

/// How long an append waits before it is tried again after the server ended it in favour of another transaction.
const CONTENTION_BACKOFFS: [Duration; 4] = [
    Duration::from_millis(2),
    Duration::from_millis(8),
    Duration::from_millis(32),
    Duration::from_millis(128),
];

/// Events read from one aggregate per round trip.
const SLICE: i32 = 1000;

/// Brings the event store's part of the database up to date. Needs a connection as `owner`, and the outbox's tables
/// ([`outbox::migrate`], which it calls first). Repeating it changes nothing.
pub async fn migrate(owner: &PgPool) -> Result<(), MigrateError> {
    outbox::migrate(owner).await.map_err(MigrateError::Outbox)?;
    let mut migrator: Migrator = sqlx::migrate!();
    migrator.dangerous_set_table_name("event_store_migration");
    migrator.run(owner).await.map_err(MigrateError::EventStore)
}

/// Why the events' database is not up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The outbox comes first.
    #[error("the outbox, which the event store needs, could not be migrated")]
    Outbox(#[source] outbox::Error),
    /// Then the store itself.
    #[error("the event store could not be migrated")]
    EventStore(#[source] sqlx::migrate::MigrateError),
}

/// A store in Postgres, used as the role `app`.
#[derive(Debug, Clone)]
pub struct PgEventStore {
    app: Connections,
    waker: Option<Waker>,
}

impl PgEventStore {
    /// A store behind these connections, made by [`crate::Config::connect`].
    pub fn new(app: Connections) -> Self {
        Self { app, waker: None }
    }

    /// The same, telling readers ([`PgEventLog::listening`]) of its appends: once in `every` at most, from a connection
    /// and a task of its own, so that no append waits for it.
    pub fn telling(app: Connections, every: Duration) -> Self {
        let waker = Waker::new(app.clone(), every);
        Self { app, waker: Some(waker) }
    }

    /// Tells readers that something was appended: for callers of [`Self::append_within`], after their commit.
    pub fn tell(&self) {
        if let Some(waker) = &self.waker {
            waker.wake();
        }
    }

    /// How many of its connections are in use.
    pub fn usage(&self) -> Usage {
        self.app.usage()
    }

    /// Whether the store answers at all: one question, no longer than the longest wait for a connection.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let mut lent = self.app.any().await.doing("connect to the event store")?;
        let answer = tokio::time::timeout(self.app.acquire_max(), lent.connection.ping()).await;
        answer.unwrap_or(Err(sqlx::Error::PoolTimedOut)).doing("ask the event store whether it lives")?;
        lent.give_back();
        Ok(())
    }

    /// [`EventStore::append`] inside the caller's own transaction, which must be read committed: the events are there
    /// if and when it commits. A conflict, duplicate or refused key leaves the transaction usable; any other error ends it.
    /// Several appends in one transaction may deadlock with another's; name all aggregates in one append instead.
    pub async fn append_within(
        transaction: &mut PgConnection,
        tenant: &TenantId,
        appends: &[Append],
    ) -> Result<Appended, AppendError> {
        append::append(transaction, tenant, appends, None).await
    }

    /// [`EventStore::append_keyed`] inside the caller's own transaction, on the terms of [`Self::append_within`]. The key is
    /// the caller's if and when its transaction commits; until then copies of the command wait.
    pub async fn append_keyed_within(
        transaction: &mut PgConnection,
        tenant: &TenantId,
        appends: &[Append],
        key: &IdempotencyKey,
    ) -> Result<Appended, AppendError> {
        append::append(transaction, tenant, appends, Some(key)).await
    }
}

impl EventStore for PgEventStore {
    async fn append_keyed(
        &self,
        tenant: &TenantId,
        appends: &[Append],
        key: Option<&IdempotencyKey>,
    ) -> Result<Appended, AppendError> {
        let mut backoffs = CONTENTION_BACKOFFS.into_iter();
        let answer = loop {
            match (self.append_certainly(tenant, appends, key).await, backoffs.next()) {
                // The transaction was this append alone and is undone, so the same again is safe.
                (Err(AppendError::Store(error)), Some(backoff)) if error.is_contention() => {
                    tokio::time::sleep(backoff).await;
                }
                (answer, _) => break answer,
            }
        };
        if answer.is_ok() {
            self.tell();
        }
        answer
    }

    async fn answered(
        &self,
        tenant: &TenantId,
        key: &IdempotencyKey,
    ) -> Result<Option<Appended>, AppendError> {
        const WHAT: &str = "look for the answer to a command";
        let ask = async |mut lent: Lent| {
            let answer = append::answered(&mut lent.connection, tenant, key).await;
            if !matches!(answer, Err(AppendError::Unknown(_))) {
                lent.give_back();
            }
            answer
        };
        match ask(self.app.any().await.doing(WHAT).map_err(AppendError::Store)?).await {
            Err(AppendError::Unknown(_)) => {
                ask(self.app.fresh().await.doing(WHAT).map_err(AppendError::Store)?).await
            }
            answer => answer,
        }
    }

    async fn load_until(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        after_version: u64,
        until: Until,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let (mut events, mut after) = (vec![], after_version);
        loop {
            let slice = self.load_slice(tenant, aggregate_id, after, until).await?;
            let Some(last) = slice.last() else { return Ok(events) };
            after = last.version;
            let full = i32::try_from(slice.len()).is_ok_and(|events| events >= SLICE);
            events.extend(slice);
            if !full {
                return Ok(events);
            }
        }
    }

    async fn load_from_snapshot(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        shape: u32,
    ) -> Result<FromSnapshot, StoreError> {
        const WHAT: &str = "load an aggregate's snapshot and events";
        let read = async |mut lent: Lent| {
            let rows = snapshot::load(&mut lent.connection, tenant, aggregate_id, shape, SLICE).await?;
            lent.give_back();
            Ok(rows)
        };
        let rows = match read(self.app.any().await.doing(WHAT)?).await {
            Err(error) if is_broken(&error) => read(self.app.fresh().await.doing(WHAT)?).await,
            answer => answer,
        };
        let rows = rows.map_err(|error| load_error(aggregate_id, WHAT, error))?;
        let mut found = snapshot::read(&rows)?;
        if let Some(last) = found.events.last()
            && found.events.len() == SLICE as usize
        {
            found.events.extend(self.load(tenant, aggregate_id, last.version).await?);
        }
        Ok(found)
    }

    async fn put_snapshot(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        aggregate_type: &str,
        snapshot: &Sealed,
        keep: u16,
    ) -> Result<bool, StoreError> {
        const WHAT: &str = "keep a snapshot";
        let mut lent = self.app.any().await.doing(WHAT)?;
        let put =
            snapshot::put(&mut lent.connection, tenant, aggregate_id, aggregate_type, snapshot, keep).await;
        if put.as_ref().err().is_none_or(|error| !is_broken(error)) {
            lent.give_back();
        }
        put.doing(WHAT)
    }
}

impl PgEventStore {
    async fn append_certainly(
        &self,
        tenant: &TenantId,
        appends: &[Append],
        key: Option<&IdempotencyKey>,
    ) -> Result<Appended, AppendError> {
        let lent = self.app.any().await.doing("connect to append events").map_err(AppendError::Store)?;
        match append_once(lent, tenant, appends, key).await {
            Err(AppendError::Unknown(_)) => self.append_again(tenant, appends, key).await,
            answer => answer,
        }
    }

    /// The connection broke, so nobody knows what happened to the append. Asking for the same again tells: either it is
    /// done now, or the store answers that it has exactly these events.
    async fn append_again(
        &self,
        tenant: &TenantId,
        appends: &[Append],
        key: Option<&IdempotencyKey>,
    ) -> Result<Appended, AppendError> {
        let lent = self.app.fresh().await.doing("connect to append events").map_err(AppendError::Unknown)?;
        match append_once(lent, tenant, appends, key).await {
            Err(answer @ (AppendError::Conflict(_) | AppendError::Duplicate { .. })) if key.is_none() => {
                let stored = self.stored_before(tenant, appends).await.map_err(AppendError::Unknown)?;
                stored.ok_or(answer)
            }
            answer => answer,
        }
    }

    /// Where these very events are, if they all are in the store.
    async fn stored_before(
        &self,
        tenant: &TenantId,
        appends: &[Append],
    ) -> Result<Option<Appended>, StoreError> {
        let mut stored = Vec::with_capacity(appends.len());
        for append in appends {
            let events = self.load(tenant, append.aggregate_id, append.expected.known()).await?;
            let Some(found) = append::find(append, &events) else { return Ok(None) };
            stored.push(found);
        }
        let recorded_at = stored.first().map(|(_, recorded_at)| *recorded_at).unwrap_or_default();
        let aggregates = stored.into_iter().map(|(to, _)| to).collect();
        Ok(Some(Appended { aggregates, recorded_at, repeated: false }))
    }

    async fn load_slice(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        after_version: u64,
        until: Until,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let number = |number: u64| Some(i64::try_from(number).unwrap_or(i64::MAX));
        let (until_version, occurred_by, recorded_by, until_position) = match until {
            Until::Now => (None, None, None, None),
            Until::Version(version) => (number(version), None, None, None),
            Until::Occurred(at) => (None, Some(datetime(at)), None, None),
            Until::Recorded(at) => (None, None, Some(datetime(at)), None),
            Until::Position(position) => (None, None, None, number(position)),
        };
        const WHAT: &str = "load an aggregate's events";
        let read = async |mut lent: Lent| {
            let rows = sqlx::query(include_str!("../../queries/aggregate_read.sql"))
                .bind(tenant.as_str())
                .bind(aggregate_id.0)
                .bind(i64::try_from(after_version).unwrap_or(i64::MAX))
                .bind(until_version)
                .bind(occurred_by)
                .bind(recorded_by)
                .bind(until_position)
                .bind(SLICE)
                .fetch_all(&mut lent.connection)
                .await?;
            lent.give_back();
            Ok(rows)
        };
        let rows = match read(self.app.any().await.doing(WHAT)?).await {
            Err(error) if is_broken(&error) => read(self.app.fresh().await.doing(WHAT)?).await,
            answer => answer,
        };
        let rows = rows.map_err(|error| load_error(aggregate_id, WHAT, error))?;
        rows.iter().map(row::stored_event).collect()
    }
}

/// Appends and gives the connection back, unless it may be broken.
async fn append_once(
    mut lent: Lent,
    tenant: &TenantId,
    appends: &[Append],
    key: Option<&IdempotencyKey>,
) -> Result<Appended, AppendError> {
    let answer = append::append(&mut lent.connection, tenant, appends, key).await;
    if !matches!(answer, Err(AppendError::Unknown(_))) {
        lent.give_back();
    }
    answer
}
