//! A backup: one moment of the store, in files.

use std::collections::BTreeMap;
use std::path::Path;

use futures::{Stream, StreamExt};
use sqlx::{Acquire, PgConnection, Row};
use tokio::sync::mpsc;
use wire::Registry;

use crate::copy_out::CopyOut;
use crate::error::{Doing, Error};
use crate::folder::{Folder, NewFolder};
use crate::manifest::{DatabaseFacts, FORMAT, FileFacts, Kind, Manifest, SlotFacts, Table};
use crate::tables::{readable, tables};
use crate::{EventRow, Tally};

/// Events handed to the thread that writes, at a time; a few batches wait at most.
const BATCH: usize = 500;
const BATCHES: usize = 8;

/// Writes a backup to `path`, which must not exist yet. Needs a connection as `auditor`, and holds one snapshot of the
/// database while it works; appends go on. `seen` is told how many events were copied.
pub async fn backup(
    auditor: &mut PgConnection,
    registry: &Registry,
    path: &Path,
    made_by: &str,
    seen: impl FnMut(u64),
) -> Result<Folder, Error> {
    let mut folder = NewFolder::create(path)?;
    let mut snapshot = auditor.begin().await.doing("begin the backup's snapshot")?;
    sqlx::query("set transaction isolation level repeatable read, read only")
        .execute(&mut *snapshot)
        .await
        .doing("begin the backup's snapshot")?;

    let names = tables(&mut snapshot).await?;
    readable(&names)?;
    let mut written = Vec::with_capacity(names.len());
    for table in names {
        let (file, facts) = copy_table(&mut snapshot, &folder, &table.name).await?;
        folder.add(file);
        written.push(facts);
    }
    let select = include_str!("../queries/event_store_columns.sql");
    let (file, tally) =
        copy_events(&mut snapshot, &folder, &format!("{select} order by position"), seen).await?;
    folder.add(file);
    // Later than the rows, so that no position among them is above the last.
    let (database, made_at) = database_facts(&mut snapshot).await?;
    snapshot.rollback().await.doing("end the backup's snapshot")?;

    let schemas = schemas(registry, &tally).await?;
    let mut manifest = manifest(Kind::Backup, made_by, made_at, &tally, schemas);
    (manifest.tables, manifest.database) = (written, Some(database));
    folder.finish(manifest)?;
    Folder::open(path)
}

/// What a folder of these events says about itself; files are added when it is finished.
pub(crate) fn manifest(
    kind: Kind,
    made_by: &str,
    made_at: String,
    tally: &Tally,
    schemas: BTreeMap<u32, String>,
) -> Manifest {
    Manifest {
        format: FORMAT,
        kind,
        made_by: made_by.to_owned(),
        made_at,
        events: tally.events,
        positions: tally.positions,
        digest: tally.sum,
        streams: tally.streams(),
        schemas,
        tables: vec![],
        database: None,
        files: vec![],
    }
}

/// The texts of the schemas that events were written with.
pub(crate) async fn schemas(registry: &Registry, tally: &Tally) -> Result<BTreeMap<u32, String>, Error> {
    let mut schemas = BTreeMap::new();
    for id in tally.schema_ids() {
        let schema = registry.schema(id).await.map_err(|source| Error::Schema { id, source })?;
        schemas.insert(id, schema.text().to_owned());
    }
    Ok(schemas)
}

/// Copies the events of a query into the folder's file; a thread of its own packs them.
pub(crate) async fn copy_events(
    connection: &mut PgConnection,
    folder: &NewFolder,
    select: &str,
    seen: impl FnMut(u64),
) -> Result<(FileFacts, Tally), Error> {
    let mut writer = folder.events()?;
    let (sender, mut batches) = mpsc::channel::<Vec<EventRow>>(BATCHES);
    let packing = tokio::task::spawn_blocking(move || {
        while let Some(batch) = batches.blocking_recv() {
            batch.iter().try_for_each(|row| writer.write(row))?;
        }
        writer.finish()
    });
    let copied = read_events(connection, select, seen, async |batch| sender.send(batch).await.is_ok()).await;
    drop(sender);
    let packed = packing.await.map_err(|_| Error::Ended)?;
    copied?;
    packed
}

/// Counts and sums the events of a query.
pub(crate) async fn tally_events(
    connection: &mut PgConnection,
    select: &str,
    tally: &mut Tally,
) -> Result<(), Error> {
    let add = async |batch: Vec<EventRow>| {
        batch.iter().for_each(|row| tally.add(row));
        true
    };
    read_events(connection, select, |_| {}, add).await
}

/// Hands the events of a query to `take`, batch by batch, until there are no more or it wants no more.
async fn read_events(
    connection: &mut PgConnection,
    select: &str,
    mut seen: impl FnMut(u64),
    mut take: impl AsyncFnMut(Vec<EventRow>) -> bool,
) -> Result<(), Error> {
    let malformed = |reason| Error::Unreadable { what: "the events".into(), reason };
    let mut stream = copy_out(connection, select, "the events").await?;
    let (mut copy, mut batch, mut events) = (CopyOut::default(), Vec::with_capacity(BATCH), 0);
    while let Some(bytes) = stream.next().await {
        copy.push(&bytes?);
        while let Some(fields) = copy.next_row().map_err(malformed)? {
            batch.push(EventRow::from_fields(fields).map_err(malformed)?);
            events += 1;
            if batch.len() == BATCH {
                seen(events);
                if !take(std::mem::replace(&mut batch, Vec::with_capacity(BATCH))).await {
                    return Ok(());
                }
            }
        }
    }
    copy.finish().map_err(malformed)?;
    seen(events);
    take(batch).await;
    Ok(())
}

async fn copy_table(
    connection: &mut PgConnection,
    folder: &NewFolder,
    table: &str,
) -> Result<(FileFacts, Table), Error> {
    let malformed = |reason| Error::Unreadable { what: format!("table {table}"), reason };
    // The name is one that the catalog gave.
    let select = format!("select to_jsonb(t)::text from \"{table}\" as t");
    let mut writer = folder.lines(table)?;
    let mut stream = copy_out(connection, &select, &format!("table {table}")).await?;
    let mut copy = CopyOut::default();
    while let Some(bytes) = stream.next().await {
        copy.push(&bytes?);
        while let Some(mut fields) = copy.next_row().map_err(malformed)? {
            writer.write(&fields.text().map_err(malformed)?)?;
        }
    }
    copy.finish().map_err(malformed)?;
    let (file, rows) = writer.finish()?;
    Ok((file, Table { name: table.to_owned(), rows }))
}

/// What a query answers, as Postgres' binary copy.
async fn copy_out<'c>(
    connection: &'c mut PgConnection,
    select: &str,
    what: &str,
) -> Result<impl Stream<Item = Result<impl AsRef<[u8]> + std::ops::Deref<Target = [u8]>, Error>> + 'c, Error>
{
    let doing = format!("copy {what}");
    let statement = format!("copy ({select}) to stdout (format binary)");
    let stream = connection.copy_out_raw(&statement).await.doing(doing.clone())?;
    Ok(stream.map(move |bytes| bytes.doing(doing.clone())))
}

async fn database_facts(connection: &mut PgConnection) -> Result<(DatabaseFacts, String), Error> {
    let row = sqlx::query(include_str!("../queries/database_facts.sql"))
        .fetch_one(&mut *connection)
        .await
        .doing("ask the database about itself")?;
    let slot = outbox::slot(connection, outbox::SLOT).await.map_err(|error| match error {
        outbox::Error::Database { what, source } => Error::Database { what, source },
        error => Error::Unreadable { what: "the replication slot".into(), reason: error.to_string() },
    })?;
    let facts = DatabaseFacts {
        name: row.get("name"),
        server: row.get("server"),
        lsn: row.get("lsn"),
        last_position: row.get("last_position"),
        slot: slot.map(|slot| SlotFacts {
            name: slot.name,
            confirmed_flush_lsn: slot.confirmed_flush_lsn,
            retained_bytes: slot.retained_bytes,
        }),
        migrations: migrations(connection).await?,
    };
    Ok((facts, row.get("now")))
}

/// The migrations of the database, with their checksums.
pub(crate) async fn migrations(connection: &mut PgConnection) -> Result<BTreeMap<String, String>, Error> {
    let rows: Vec<(String, String)> = sqlx::query_as(include_str!("../queries/migration_list.sql"))
        .fetch_all(connection)
        .await
        .doing("list the migrations")?;
    Ok(rows.into_iter().collect())
}
