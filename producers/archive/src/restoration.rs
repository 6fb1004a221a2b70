//! Bringing events back into the database, and sending stored ones out again: audited, and past the outbox's trigger.

use chrono::{DateTime, Utc};
use event_store::Deed;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::types::Uuid;
use sqlx::{Acquire, PgConnection};

use crate::EventRow;
use crate::error::{Doing, Error};

/// Writes the audit row that lets this transaction restore; answers its id.
pub(crate) async fn begin(
    connection: &mut PgConnection,
    tenant: &str,
    action: &str,
    deed: &Deed,
    (events, digest): (u64, Option<events::Sum>),
    details: &Value,
) -> Result<i64, Error> {
    sqlx::query_scalar("select begin_restoration($1, $2, $3, $4, $5, $6, $7)")
        .bind(tenant)
        .bind(action)
        .bind(&deed.actor)
        .bind(&deed.reason)
        .bind(i64::try_from(events).expect("events that fit a file are counted by an i64"))
        .bind(digest.map(|digest| digest.to_string()))
        .bind(details)
        .fetch_one(connection)
        .await
        .doing(format!("write the audit row of {action}"))
}

/// A data subject's key that events were sealed with, and that no store has any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LostKey {
    /// Whose data.
    pub tenant_id: String,
    /// The key, as the events name it.
    pub key_id: Uuid,
}

/// Whether events keep their positions or get new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Positions {
    Kept,
    New,
}

/// Inserts events of one tenant.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    tenant: &str,
    audit: i64,
    positions: Positions,
    rows: &[EventRow],
) -> Result<(), Error> {
    fn column<'a, T>(rows: &'a [EventRow], value: impl Fn(&'a EventRow) -> T) -> Vec<T> {
        rows.iter().map(value).collect()
    }
    let kept = |number: i64| (positions == Positions::Kept).then_some(number);
    sqlx::query(include_str!("../queries/events_restore.sql"))
        .bind(tenant)
        .bind(audit)
        .bind(column(rows, |row| kept(row.position)))
        .bind(column(rows, |row| row.aggregate_id.0))
        .bind(column(rows, |row| row.aggregate_type.as_str()))
        .bind(column(rows, |row| row.version))
        .bind(column(rows, |row| row.event_id.0))
        .bind(column(rows, |row| row.event_type.as_str()))
        .bind(column(rows, |row| row.payload.as_slice()))
        .bind(column(rows, |row| row.event_data.as_str()))
        .bind(column(rows, |row| row.metadata.as_str()))
        .bind(rows.iter().map(|row| moment(row, row.occurred_at)).collect::<Result<Vec<_>, _>>()?)
        .bind(rows.iter().map(|row| moment(row, row.recorded_at)).collect::<Result<Vec<_>, _>>()?)
        .bind(column(rows, |row| kept(row.transaction_id)))
        .execute(connection)
        .await
        .map(drop)
        .doing(format!("restore {} events of tenant {tenant}", rows.len()))
}

fn moment(row: &EventRow, micros: i64) -> Result<DateTime<Utc>, Error> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| Error::Unreadable {
        what: format!("event {}", row.event_id),
        reason: format!("{micros} microseconds since 1970 are no time that can be told"),
    })
}

/// Puts events into the store that it lost and somebody else still has: with their own ids, versions and times, at new
/// positions, each aggregate's in order behind what the store has of it; all or nothing. They are not published again.
/// Needs a connection as `owner`. Appends wait meanwhile.
///
/// Personal texts whose key the store has not are lost: they read as erased from now on. Answers these keys.
pub async fn bring_back(
    owner: &mut PgConnection,
    deed: &Deed,
    mut rows: Vec<EventRow>,
) -> Result<Vec<LostKey>, Error> {
    const BATCH: usize = 1000;
    let mut lost = vec![];
    let mut transaction = owner.begin().await.doing("begin to bring events back")?;
    sqlx::query("lock table event_store in exclusive mode")
        .execute(&mut *transaction)
        .await
        .doing("keep others from appending")?;
    for of_tenant in by_tenant(&mut rows) {
        let tenant = &of_tenant[0].tenant_id;
        let mut sum = events::Sum::default();
        of_tenant.iter().for_each(|row| row.add_to(&mut sum));
        let amount = (of_tenant.len() as u64, Some(sum));
        let details = json!({ "from": "topic" });
        let audit = begin(&mut transaction, tenant, "reconcile-store", deed, amount, &details).await?;
        for batch in of_tenant.chunks(BATCH) {
            insert(&mut transaction, tenant, audit, Positions::New, batch).await?;
            let keys: Vec<Uuid> = sqlx::query_scalar("select note_lost_keys($1, $2, $3)")
                .bind(tenant)
                .bind(audit)
                .bind(batch.iter().map(|row| row.event_id.0).collect::<Vec<_>>())
                .fetch_all(&mut *transaction)
                .await
                .doing(format!("look for the keys of {} events of tenant {tenant}", batch.len()))?;
            lost.extend(keys.into_iter().map(|key_id| LostKey { tenant_id: tenant.clone(), key_id }));
        }
    }
    transaction.commit().await.doing("commit the events that were brought back")?;
    Ok(lost)
}

/// Writes outbox rows again for events that are stored, in the order of their positions. Needs a connection as `owner`.
pub async fn publish_again(
    owner: &mut PgConnection,
    deed: &Deed,
    tenant: &events::TenantId,
    events: &[events::EventId],
) -> Result<(), Error> {
    let tenant = tenant.as_str();
    let mut transaction = owner.begin().await.doing("begin to publish again")?;
    let amount = (events.len() as u64, None);
    let ids: Vec<_> = events.iter().map(|event| event.0).collect();
    // Which ones: their records may come behind later versions, and whoever finds that may ask why.
    let details = json!({ "events": ids });
    let audit = begin(&mut transaction, tenant, "reconcile-topic", deed, amount, &details).await?;
    sqlx::query("select publish_again($1, $2, $3)")
        .bind(tenant)
        .bind(audit)
        .bind(ids)
        .execute(&mut *transaction)
        .await
        .doing(format!("publish {} events of tenant {tenant} again", events.len()))?;
    transaction.commit().await.doing("commit the events that are published again")
}

/// The events tenant by tenant, each tenant's in the order in which they came.
pub(crate) fn by_tenant(rows: &mut [EventRow]) -> impl Iterator<Item = &[EventRow]> {
    rows.sort_by(|a, b| a.tenant_id.cmp(&b.tenant_id));
    rows.chunk_by(|a, b| a.tenant_id == b.tenant_id)
}
