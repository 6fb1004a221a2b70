//! Reading on from archives what the store no longer has.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use event_store::{EventStore, StoreError, StoredEvent, Until};
use events::{AggregateId, TenantId, Timestamp};

use crate::EventRow;
use crate::error::Error;
use crate::folder::{Folder, PARTIAL};
use crate::manifest::Kind;
use crate::streams::folders;

/// The archived events of a directory, found by stream.
#[derive(Debug, Clone)]
pub struct ArchivedEvents {
    directory: PathBuf,
    streams: HashMap<(TenantId, AggregateId), Vec<Folder>>,
}

/// Why a stream could not be read from store and archives together.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An archive failed.
    #[error(transparent)]
    Archive(#[from] Error),
    /// No archive of the directory has it.
    #[error(
        "version {version} of aggregate {aggregate_id} is neither in the store nor in an archive in {directory}"
    )]
    NotFound {
        /// Whose event.
        aggregate_id: AggregateId,
        /// Which.
        version: u64,
        /// Where it was looked for.
        directory: PathBuf,
    },
}

impl ArchivedEvents {
    /// Reads the manifests of every archive in a directory. One that is damaged is an error: it may be the one.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let mut streams = HashMap::<_, Vec<Folder>>::new();
        for path in folders(directory)? {
            if path.as_os_str().to_string_lossy().ends_with(PARTIAL) {
                continue;
            }
            let folder = match Folder::open_as(&path, Kind::Archive) {
                Err(Error::OtherKind { .. }) => continue,
                opened => opened?,
            };
            for stream in &folder.manifest.streams {
                let tenant =
                    TenantId::try_from(stream.tenant_id.clone()).map_err(|error| Error::Damaged {
                        path: path.clone(),
                        reason: format!("{:?} is no tenant: {error}", stream.tenant_id),
                    })?;
                streams.entry((tenant, stream.aggregate_id)).or_default().push(folder.clone());
            }
        }
        Ok(Self { directory: directory.to_owned(), streams })
    }

    /// A stream's events as [`EventStore::load_until`] answers them, the archived ones included.
    pub async fn load_until(
        &self,
        store: &impl EventStore,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        after_version: u64,
        until: Until,
    ) -> Result<Vec<StoredEvent>, ReadError> {
        let (from, through) = match store.load_until(tenant, aggregate_id, after_version, until).await {
            // What was withdrawn and is gone for good is not missed.
            Err(StoreError::Archived { from_version, through_version, .. }) => {
                (from_version.max(after_version + 1), through_version)
            }
            answer => return Ok(answer?),
        };
        let (reader, tenant_id) = (self.clone(), tenant.clone());
        let archived =
            tokio::task::spawn_blocking(move || reader.archived(&tenant_id, aggregate_id, from, through));
        let mut events = archived.await.map_err(|_| Error::Ended)??;
        events.extend(store.load(tenant, aggregate_id, after_version.max(through)).await?);
        cut(&mut events, until);
        Ok(events)
    }

    /// The archived versions from `from` up to `through`, in order, none missing.
    fn archived(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        from: u64,
        through: u64,
    ) -> Result<Vec<StoredEvent>, ReadError> {
        let mut found: Vec<StoredEvent> = vec![];
        for folder in self.streams.get(&(tenant.clone(), aggregate_id)).into_iter().flatten() {
            for row in folder.events()? {
                let row = row?;
                let version = row.version.unsigned_abs();
                if row.aggregate_id == aggregate_id && (from..=through).contains(&version) {
                    found.push(stored(row, folder)?);
                }
            }
        }
        // An archive that was restored and taken again has the same events.
        found.sort_by_key(|event| event.version);
        found.dedup_by_key(|event| event.version);
        let gapless = (from..).zip(&found).take_while(|(version, event)| *version == event.version);
        let version = from + gapless.count() as u64;
        if version <= through {
            return Err(ReadError::NotFound { aggregate_id, version, directory: self.directory.clone() });
        }
        Ok(found)
    }
}

fn stored(row: EventRow, folder: &Folder) -> Result<StoredEvent, Error> {
    let unreadable = |reason: String| Error::Damaged {
        path: folder.path.clone(),
        reason: format!("event {} is unreadable: {reason}", row.event_id),
    };
    Ok(StoredEvent {
        position: row.position.unsigned_abs(),
        tenant: row.tenant_id.parse().map_err(|error| unreadable(format!("{error}")))?,
        aggregate_id: row.aggregate_id,
        aggregate_type: row.aggregate_type,
        version: row.version.unsigned_abs(),
        event_id: row.event_id,
        event_type: row.event_type,
        payload: row.payload,
        metadata: serde_json::from_str(&row.metadata).map_err(|error| unreadable(error.to_string()))?,
        occurred_at: Timestamp::from_micros(row.occurred_at),
        recorded_at: Timestamp::from_micros(row.recorded_at),
        transaction_id: row.transaction_id.unsigned_abs(),
    })
}

/// Leaves what was asked for, as a store would.
fn cut(events: &mut Vec<StoredEvent>, until: Until) {
    let keep = match until {
        Until::Now => return,
        Until::Version(version) => events.partition_point(|event| event.version <= version),
        Until::Occurred(at) => after_last(events, |event| event.occurred_at <= at),
        Until::Recorded(at) => after_last(events, |event| event.recorded_at <= at),
        Until::Position(position) => events.partition_point(|event| event.position <= position),
    };
    events.truncate(keep);
}

/// How many events there are up to the last that is so; a clock may have been put back in between.
fn after_last(events: &[StoredEvent], is_so: impl Fn(&StoredEvent) -> bool) -> usize {
    events.iter().rposition(is_so).map_or(0, |last| last + 1)
}
