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
    /// What Postgres says of the log that it needs: reserved, extended, unreserved or lost.
    pub wal_status: Option<String>,
    /// Up to where its reader has everything.
    pub confirmed_flush_lsn: Option<String>,
    /// The same as a number: bytes since the log began.
    pub confirmed_flush_bytes: Option<i64>,
    /// Log that is kept because of it, in bytes.
    pub retained_bytes: Option<i64>,
    /// Log that its reader does not have yet, in bytes.
    pub unconfirmed_bytes: Option<i64>,
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

/// Drops the slot; answers whether it was there. Needs a connection as `cdc`, and nobody may be reading from it.
pub async fn drop_slot(cdc: &mut PgConnection, name: &str) -> Result<bool, Error> {
    let drop = "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1";
    let dropped = sqlx::query(drop).bind(name).execute(cdc).await;
    Ok(dropped.doing(format!("drop replication slot {name}"))?.rows_affected() > 0)
}

/// How long ago Debezium touched its heartbeat, in seconds. Needs a connection as `cdc`.
pub async fn heartbeat_age_s(cdc: &mut PgConnection) -> Result<f64, Error> {
    sqlx::query_scalar(include_str!("../queries/heartbeat_age.sql"))
        .fetch_one(cdc)
        .await
        .doing("look at the heartbeat")
}
