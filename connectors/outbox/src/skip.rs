//! Rows that were let by, because the connector could not pass them on.

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::Waiting;
use crate::error::{Doing, Error};

/// A row that was let by.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Skip {
    /// Its id.
    pub event_id: Uuid,
    /// Where it is in the log.
    pub lsn: String,
    /// Who let it by.
    pub actor: String,
    /// Why, in their words.
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// Writes down that a row is let by. Needs a connection as `owner`; repeating it changes nothing.
pub async fn note_skip(
    owner: &mut PgConnection,
    event_id: Uuid,
    row: &Waiting,
    actor: &str,
    reason: &str,
) -> Result<(), Error> {
    sqlx::query(include_str!("../queries/skip_add.sql"))
        .bind(event_id)
        .bind(&row.lsn)
        .bind(Json(row))
        .bind(actor)
        .bind(reason)
        .execute(owner)
        .await
        .map(drop)
        .doing(format!("write down that event {event_id} is let by"))
}

/// Every row that was let by, oldest first. Needs a connection as `auditor` or `owner`.
pub async fn skips(connection: &mut PgConnection) -> Result<Vec<Skip>, Error> {
    sqlx::query_as(include_str!("../queries/skip_list.sql"))
        .fetch_all(connection)
        .await
        .doing("list the rows that were let by")
}
