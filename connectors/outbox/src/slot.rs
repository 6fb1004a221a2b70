//! The replication slot: the database's promise to keep its log until Debezium has read it.

use sqlx::{FromRow, PgConnection};

use crate::error::{Doing, Error};

/// The slot's name, as in `connectors/debezium/outbox.json`.
pub const SLOT: &str = "outbox";

/// What is true of a slot.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Slot {
    /// Its name; one per cluster, whatever the database.
    pub name: String,
    /// The database it reads.
    pub database: Option<String>,
    /// The plugin it reads with.
    pub plugin: Option<String>,
    /// Whether it reads the database asked, with pgoutput.
    pub ours: bool,
    /// Whether somebody is reading from it now.
    pub active: bool,
    /// Whether log that it needs was removed.
    pub lost: bool,
    /// Up to where its reader has everything.
    pub confirmed_flush_lsn: Option<String>,
    /// Log that is kept because of it, in bytes.
    pub retained_bytes: Option<i64>,
}

/// What is true of the slot of that name; `None`: there is none. Any role may ask.
pub async fn slot(connection: &mut PgConnection, name: &str) -> Result<Option<Slot>, Error> {
    sqlx::query_as(include_str!("../queries/slot_get.sql"))
        .bind(name)
        .fetch_optional(connection)
        .await
        .doing(format!("look at replication slot {name}"))
}

/// Makes the slot unless it is there. Needs a connection as `cdc`, which may replicate, to the events' database, after
/// [`crate::migrate`] (publication first, then slot) and before the first append. Returns the slot as it is then.
pub async fn ensure_slot(cdc: &mut PgConnection, name: &str) -> Result<Slot, Error> {
    if slot(cdc, name).await?.is_none() {
        let made = sqlx::query("select pg_create_logical_replication_slot($1, 'pgoutput')")
            .bind(name)
            .execute(&mut *cdc)
            .await;
        match made {
            // 42710: somebody else made it in between.
            Err(sqlx::Error::Database(e)) if e.code().as_deref() == Some("42710") => {}
            made => made.map(drop).doing(format!("make replication slot {name}"))?,
        }
    }
    let found = slot(cdc, name).await?.ok_or(sqlx::Error::RowNotFound).doing(format!("find slot {name}"))?;
    if !found.ours {
        return Err(Error::ForeignSlot { name: found.name, database: found.database, plugin: found.plugin });
    }
    if found.lost {
        return Err(Error::LostSlot { name: found.name });
    }
    Ok(found)
}
