//! Archiving streams: their events go to a file, are read back, and only then leave the store; and the way back.

use std::path::Path;

use event_store::Deed;
use events::{AggregateId, TenantId};
use serde::Serialize;
use serde_json::json;
use sqlx::{Acquire, PgConnection};
use wire::Registry;

use crate::backup::{copy_events, manifest, schemas};
use crate::error::{Doing, Error, OnFile};
use crate::folder::{Folder, NewFolder, PARTIAL};
use crate::manifest::Kind;
use crate::restoration::{Positions, begin, insert};
use crate::{EventRow, Stream, Tally};

/// Streams of one tenant that are to be archived, each up to a version; without one, up to the last but one.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// Whose.
    pub tenant: &'a TenantId,
    /// Which, and how far.
    pub streams: &'a [(AggregateId, Option<u64>)],
}

/// Where a stream stands in the store.
#[derive(Debug, sqlx::FromRow)]
struct Standing {
    aggregate_id: uuid::Uuid,
    first_version: i64,
    last_version: i64,
}

/// Writes the streams' events to a new folder in `directory`, reads it back, and lets exactly these events leave the
/// store, all or nothing. The last event of each stream stays. A run that is killed leaves a folder that no range of the
/// store names ([`ArchiveState::Unused`]), and the store as it was: run it again.
pub async fn archive_streams(
    owner: &mut PgConnection,
    auditor: &mut PgConnection,
    registry: &Registry,
    directory: &Path,
    wanted: Wanted<'_>,
    deed: &Deed,
    made_by: &str,
) -> Result<Folder, Error> {
    let (ranges, made_at) = ranges(auditor, &wanted).await?;
    let digits: String = made_at.chars().filter(|c| c.is_ascii_digit() || *c == 'T').collect();
    let path = directory.join(format!("{}-{digits}", wanted.tenant));
    let mut folder = NewFolder::create(&path)?;
    let (file, tally) = copy_events(auditor, &folder, &select(wanted.tenant, &ranges), |_| {}).await?;
    folder.add(file);
    let schemas = schemas(registry, &tally).await?;
    folder.finish(manifest(Kind::Archive, made_by, made_at, &tally, schemas))?;

    let folder = Folder::open_as(&path, Kind::Archive)?;
    let judged = folder.clone();
    tokio::task::spawn_blocking(move || judged.verify(|_| {})).await.map_err(|_| Error::Ended)??;
    prune(owner, wanted.tenant, &folder, deed).await?;
    Ok(folder)
}

/// The versions of each stream that are to go, and the time by the database's clock.
async fn ranges(
    auditor: &mut PgConnection,
    wanted: &Wanted<'_>,
) -> Result<(Vec<(AggregateId, i64)>, String), Error> {
    let ids: Vec<_> = wanted.streams.iter().map(|(id, _)| id.0).collect();
    let standing: Vec<Standing> = sqlx::query_as(include_str!("../queries/stream_standing.sql"))
        .bind(wanted.tenant.as_str())
        .bind(ids)
        .fetch_all(&mut *auditor)
        .await
        .doing("ask where the streams stand")?;
    let mut ranges = Vec::with_capacity(wanted.streams.len());
    for (aggregate_id, through) in wanted.streams {
        let refused = |reason| Error::NotArchivable { aggregate_id: *aggregate_id, reason };
        let Some(stream) = standing.iter().find(|found| found.aggregate_id == aggregate_id.0) else {
            return Err(refused(format!("tenant {} has no events of it", wanted.tenant)));
        };
        let most = stream.last_version - 1;
        let through = through.map_or(most, |through| i64::try_from(through).unwrap_or(i64::MAX));
        if through > most {
            return Err(refused(format!(
                "version {through} is asked for, and the last one, {}, stays",
                stream.last_version
            )));
        }
        if through < stream.first_version {
            return Err(refused(format!(
                "nothing up to version {through} is left in the store, which has {} to {}; the last one stays",
                stream.first_version, stream.last_version
            )));
        }
        ranges.push((*aggregate_id, through));
    }
    let now =
        sqlx::query_scalar("select to_char(now() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
            .fetch_one(auditor)
            .await
            .doing("ask for the time")?;
    Ok((ranges, now))
}

/// A copy takes no parameters; ids, numbers and tenants' names have no character that would matter.
fn select(tenant: &TenantId, ranges: &[(AggregateId, i64)]) -> String {
    let columns = include_str!("../queries/event_store_columns.sql");
    let values: Vec<_> =
        ranges.iter().map(|(id, through)| format!("('{id}'::uuid, {through}::bigint)")).collect();
    let values = values.join(", ");
    format!(
        "{columns} join (values {values}) as wanted(id, through) on aggregate_id = wanted.id and version <= through \
         where tenant_id = '{tenant}' order by position"
    )
}

/// The database compares the digests of what leaves with those of what is in the file.
async fn prune(
    owner: &mut PgConnection,
    tenant: &TenantId,
    folder: &Folder,
    deed: &Deed,
) -> Result<(), Error> {
    let streams = &folder.manifest.streams;
    sqlx::query("select prune_events($1, 'archived', $2, $3, $4, $5, $6, $7, $8)")
        .bind(tenant.as_str())
        .bind(&deed.actor)
        .bind(&deed.reason)
        .bind(streams.iter().map(|stream| stream.aggregate_id.0).collect::<Vec<_>>())
        .bind(streams.iter().map(|stream| stream.to_version).collect::<Vec<_>>())
        .bind(streams.iter().map(|stream| stream.digest.to_string()).collect::<Vec<_>>())
        .bind(folder.name())
        .bind(json!({ "manifest_sha256": folder.digest }))
        .execute(owner)
        .await
        .map(drop)
        .doing(format!("let the events that are in {} leave the store", folder.name()))
}

/// Puts an archive's events back at their old places, all or nothing, exactly as they left; they are not published
/// again. Needs a connection as `owner`. The folder stays, and is needed no more.
pub async fn restore_streams(owner: &mut PgConnection, folder: &Folder, deed: &Deed) -> Result<Tally, Error> {
    const BATCH: usize = 1000;
    let judged = folder.clone();
    let tally =
        tokio::task::spawn_blocking(move || judged.verify(|_| {})).await.map_err(|_| Error::Ended)??;
    let (name, streams) = (folder.name(), tally.streams());
    let Some(Stream { tenant_id: tenant, .. }) = streams.first() else { return Ok(tally) };
    let mut transaction = owner.begin().await.doing("begin to restore an archive")?;
    let amount = (tally.events, Some(tally.sum));
    let details = json!({ "archive": name, "manifest_sha256": folder.digest });
    let audit = begin(&mut transaction, tenant, "restore-archive", deed, amount, &details).await?;
    let mut batch: Vec<EventRow> = Vec::with_capacity(BATCH);
    for row in folder.events()? {
        batch.push(row?);
        if batch.len() == BATCH {
            insert(&mut transaction, tenant, audit, Positions::Kept, &batch).await?;
            batch.clear();
        }
    }
    insert(&mut transaction, tenant, audit, Positions::Kept, &batch).await?;
    let back = sqlx::query("select mark_restored($1, $2, $3)")
        .bind(tenant)
        .bind(audit)
        .bind(&name)
        .fetch_all(&mut *transaction)
        .await
        .doing(format!("take back that {name} has events that the store has not"))?;
    if back.len() != streams.len() {
        return Err(Error::Differs {
            place: name,
            other: "the store".into(),
            difference: format!("it has {} streams, of which the store misses {}", streams.len(), back.len()),
        });
    }
    transaction.commit().await.doing("commit the restored archive")?;
    Ok(tally)
}

/// What an archive is to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArchiveState {
    /// Its events left the store: it is the only place that has them.
    Archived,
    /// Its events came back.
    Restored,
    /// The store never let its events go: a run was killed before, or it belongs to another store.
    Unused,
    /// It was not written to its end.
    Unfinished,
    /// It is not what was written.
    Damaged,
}

/// One archive of a directory.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// Its folder.
    pub name: String,
    /// What it is to the store.
    pub state: ArchiveState,
    /// How many events it has.
    pub events: u64,
    /// Of how many streams.
    pub streams: usize,
    /// When it was made.
    pub made_at: Option<String>,
}

/// The archives of a directory, by name. Manifests are judged; files are judged when they are read.
pub async fn list(auditor: &mut PgConnection, directory: &Path) -> Result<Vec<Listed>, Error> {
    let mut archives = vec![];
    for path in folders(directory)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let none = |state| Listed { name: name.clone(), state, events: 0, streams: 0, made_at: None };
        archives.push(match Folder::open_as(&path, Kind::Archive) {
            _ if name.ends_with(PARTIAL) => none(ArchiveState::Unfinished),
            Ok(folder) => Listed {
                state: state(auditor, &name).await?,
                events: folder.manifest.events,
                streams: folder.manifest.streams.len(),
                made_at: Some(folder.manifest.made_at),
                name,
            },
            Err(Error::OtherKind { .. }) => continue,
            Err(_) => none(ArchiveState::Damaged),
        });
    }
    Ok(archives)
}

async fn state(auditor: &mut PgConnection, name: &str) -> Result<ArchiveState, Error> {
    let (ranges, gone): (i64, i64) = sqlx::query_as(
        "select count(*), count(*) filter (where restored_by is null) from pruned where file = $1",
    )
    .bind(name)
    .fetch_one(auditor)
    .await
    .doing(format!("ask what the store says of {name}"))?;
    Ok(match (ranges, gone) {
        (0, _) => ArchiveState::Unused,
        (_, 0) => ArchiveState::Restored,
        _ => ArchiveState::Archived,
    })
}

/// The folders in a directory, by name.
pub(crate) fn folders(directory: &Path) -> Result<Vec<std::path::PathBuf>, Error> {
    let entries = std::fs::read_dir(directory).on("list", directory)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
    let mut paths: Vec<_> = paths.on("list", directory)?.into_iter().filter(|path| path.is_dir()).collect();
    paths.sort();
    Ok(paths)
}
