//! A restore: a backup's rows, at their places, in an empty database.

use std::collections::HashMap;

use event_store::Deed;
use serde_json::{Value, json};
use sqlx::{Acquire, PgConnection};
use tokio::sync::mpsc;

use crate::backup::{migrations, tally_events};
use crate::error::{Doing, Error};
use crate::folder::Folder;
use crate::manifest::{DatabaseFacts, Kind};
use crate::restoration::{Positions, begin, by_tenant, insert};
use crate::tables::{TableFacts, tables};
use crate::tally;
use crate::{EventRow, Tally};

/// Rows inserted at a time, and how many bytes of payload end a batch early.
const BATCH: usize = 2_000;
const BATCH_BYTES: usize = 8 * 1024 * 1024;
const BATCHES: usize = 2;

/// Fills an empty, migrated events' database from a backup, compares what is then there with the manifest, and commits:
/// all of it or nothing. `owner` does it; `auditor`, who sees every tenant, says whether the database is empty. `seen` is
/// told how many events were inserted.
pub async fn restore(
    owner: &mut PgConnection,
    auditor: &mut PgConnection,
    folder: &Folder,
    deed: &Deed,
    mut seen: impl FnMut(u64),
) -> Result<(), Error> {
    let facts = folder.manifest.database.clone().filter(|_| folder.manifest.kind == Kind::Backup);
    let facts = facts.ok_or_else(|| Error::OtherKind {
        path: folder.path.clone(),
        found: folder.manifest.kind.words(),
        expected: Kind::Backup.words(),
    })?;
    has_migrations(owner, &facts).await?;
    let tables = tables(owner).await?;
    let mut transaction = owner.begin().await.doing("begin to restore")?;
    sqlx::query("lock table event_store in exclusive mode")
        .execute(&mut *transaction)
        .await
        .doing("keep others from appending")?;
    is_empty(auditor, &tables).await?;

    let mut restoring = Restoring { transaction: &mut transaction, folder, deed, audits: HashMap::new() };
    restoring.prepare(&tables).await?;
    restoring.tables(&tables).await?;
    restoring.events(&mut seen).await?;
    restoring.compare().await?;
    // The sequence knows no transactions, so others see this before the rows. Nothing is settled by it: followers go no
    // further than the last event they see (0029_settled_position.sql of the event store).
    sqlx::query("select setval('event_store_position_seq', greatest($1, 1), $1 > 0)")
        .bind(facts.last_position)
        .execute(&mut *transaction)
        .await
        .doing("set the next position")?;
    transaction.commit().await.doing("commit what was restored")
}

/// The database must have every migration that the backed-up one had; newer ones make room for more, not for less.
async fn has_migrations(owner: &mut PgConnection, facts: &DatabaseFacts) -> Result<(), Error> {
    let here = migrations(owner).await?;
    match facts.migrations.iter().find(|(name, checksum)| here.get(*name) != Some(checksum)) {
        Some((name, _)) => Err(Error::NotReady(format!(
            "migration {name} of the backup is another one here, or was not run"
        ))),
        None => Ok(()),
    }
}

async fn is_empty(auditor: &mut PgConnection, tables: &[TableFacts]) -> Result<(), Error> {
    let used: bool = sqlx::query_scalar("select is_called from event_store_position_seq")
        .fetch_one(&mut *auditor)
        .await
        .doing("ask whether anything was appended")?;
    if used {
        return Err(Error::NotReady("events were appended to it already".into()));
    }
    for table in tables {
        let query = format!("select exists (select from \"{}\")", table.name);
        let filled: bool = sqlx::query_scalar(sqlx::AssertSqlSafe(query)) // a name that the catalog gave
            .fetch_one(&mut *auditor)
            .await
            .doing(format!("ask whether table {} is empty", table.name))?;
        if filled {
            return Err(Error::NotReady(format!("its table {} has rows already", table.name)));
        }
    }
    Ok(())
}

struct Restoring<'a> {
    transaction: &'a mut PgConnection,
    folder: &'a Folder,
    deed: &'a Deed,
    /// The audit row of each tenant that was met.
    audits: HashMap<String, i64>,
}

impl Restoring<'_> {
    /// Makes room for the rows' own numbers, then signs for each tenant with the next ones.
    async fn prepare(&mut self, tables: &[TableFacts]) -> Result<(), Error> {
        for table in tables.iter().filter(|table| !table.identities.is_empty()) {
            let mut last = HashMap::<&str, i64>::new();
            if !self.is_in_folder(table)? {
                continue;
            }
            for line in self.folder.lines(&table.name)? {
                let row = self.parse(table, &line?)?;
                for column in &table.identities {
                    let number = row.get(column).and_then(Value::as_i64).unwrap_or_default();
                    last.entry(column).and_modify(|last| *last = number.max(*last)).or_insert(number);
                }
            }
            for (column, last) in last {
                sqlx::query("select setval(pg_get_serial_sequence(quote_ident($1), $2), $3)")
                    .bind(&table.name)
                    .bind(column)
                    .bind(last)
                    .execute(&mut *self.transaction)
                    .await
                    .doing(format!("set the next {column} of table {}", table.name))?;
            }
        }
        for (tenant, tally) in tally::by_tenant(&self.folder.manifest.streams) {
            self.sign(tenant, (tally.events, Some(tally.sum))).await?;
        }
        Ok(())
    }

    async fn sign(&mut self, tenant: &str, amount: (u64, Option<events::Sum>)) -> Result<i64, Error> {
        if let Some(audit) = self.audits.get(tenant) {
            return Ok(*audit);
        }
        let manifest = &self.folder.manifest;
        let details = json!({
            "backup": self.folder.name(), "manifest_sha256": self.folder.digest, "made_at": manifest.made_at,
        });
        let audit = begin(self.transaction, tenant, "restore-backup", self.deed, amount, &details).await?;
        self.audits.insert(tenant.to_owned(), audit);
        Ok(audit)
    }

    async fn tables(&mut self, here: &[TableFacts]) -> Result<(), Error> {
        for table in &self.folder.manifest.tables {
            let Some(facts) = here.iter().find(|facts| facts.name == table.name) else {
                return Err(Error::NotReady(format!("it has no table {}, which the backup has", table.name)));
            };
            let (mut batch, mut rows) = (Vec::with_capacity(BATCH), 0);
            for line in self.folder.lines(&table.name)? {
                batch.push(self.parse(facts, &line?)?);
                rows += 1;
                if batch.len() == BATCH {
                    self.rows(facts, std::mem::take(&mut batch)).await?;
                }
            }
            self.rows(facts, batch).await?;
            if rows != table.rows {
                let reason = format!("it has {rows} rows of table {}, not {}", table.name, table.rows);
                return Err(Error::Damaged { path: self.folder.path.clone(), reason });
            }
        }
        Ok(())
    }

    async fn rows(&mut self, table: &TableFacts, rows: Vec<Value>) -> Result<(), Error> {
        let mut tenants: Vec<(String, Vec<Value>)> = vec![];
        for row in rows {
            let tenant = row.get("tenant_id").and_then(Value::as_str).filter(|_| table.of_tenants);
            // Rows of no tenant are restored under whichever tenant there is.
            let tenant =
                tenant.or_else(|| self.audits.keys().next().map(String::as_str)).unwrap_or("millrace");
            match tenants.iter_mut().find(|(name, _)| name == tenant) {
                Some((_, of_tenant)) => of_tenant.push(row),
                None => tenants.push((tenant.to_owned(), vec![row])),
            }
        }
        for (tenant, rows) in tenants {
            let audit = self.sign(&tenant, (0, None)).await?;
            let expected = rows.len();
            let inserted: i64 = sqlx::query_scalar("select restore_rows($1, $2, $3, $4)")
                .bind(&tenant)
                .bind(audit)
                .bind(&table.name)
                .bind(Value::Array(rows))
                .fetch_one(&mut *self.transaction)
                .await
                .doing(format!("restore {expected} rows of table {}", table.name))?;
            if usize::try_from(inserted) != Ok(expected) {
                return Err(Error::Differs {
                    place: format!("table {}", table.name),
                    other: "the backup".into(),
                    difference: format!("{inserted} of {expected} rows were taken"),
                });
            }
        }
        Ok(())
    }

    async fn events(&mut self, seen: &mut impl FnMut(u64)) -> Result<(), Error> {
        let events = self.folder.events()?;
        let (sender, mut batches) = mpsc::channel::<Vec<EventRow>>(BATCHES);
        let unpacking = tokio::task::spawn_blocking(move || {
            let (mut batch, mut bytes) = (Vec::with_capacity(BATCH), 0);
            for row in events {
                let row = row?;
                bytes += row.payload.len() + row.event_data.len() + row.metadata.len();
                batch.push(row);
                if batch.len() == BATCH || bytes > BATCH_BYTES {
                    bytes = 0;
                    let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
                    if sender.blocking_send(full).is_err() {
                        return Ok(());
                    }
                }
            }
            // Nobody waits for it only when inserting failed, which is told already.
            drop(sender.blocking_send(batch));
            Ok::<_, Error>(())
        });
        let mut events = 0;
        while let Some(mut batch) = batches.recv().await {
            for of_tenant in by_tenant(&mut batch) {
                let tenant = &of_tenant[0].tenant_id;
                let audit = self.sign(tenant, (0, None)).await?;
                insert(self.transaction, tenant, audit, Positions::Kept, of_tenant).await?;
            }
            events += batch.len() as u64;
            seen(events);
        }
        unpacking.await.map_err(|_| Error::Ended)?
    }

    /// Reads back what will be committed, tenant by tenant, as it will be seen.
    async fn compare(&mut self) -> Result<(), Error> {
        let mut tally = Tally::default();
        let tenants: Vec<_> = self.audits.keys().cloned().collect();
        for tenant in tenants {
            sqlx::query("select set_config('millrace.tenant', $1, true)")
                .bind(&tenant)
                .execute(&mut *self.transaction)
                .await
                .doing(format!("look as tenant {tenant}"))?;
            let select = include_str!("../queries/event_store_columns.sql");
            tally_events(self.transaction, select, &mut tally).await?;
        }
        self.folder.compare(&tally, "the restored event store")
    }

    fn is_in_folder(&self, table: &TableFacts) -> Result<bool, Error> {
        Ok(self.folder.manifest.tables.iter().any(|found| found.name == table.name))
    }

    fn parse(&self, table: &TableFacts, line: &str) -> Result<Value, Error> {
        serde_json::from_str(line).map_err(|error| Error::Unreadable {
            what: format!("row of table {}", table.name),
            reason: error.to_string(),
        })
    }
}
