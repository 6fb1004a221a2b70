//! One append: one statement, one round trip.

use chrono::{DateTime, Utc};
use events::{AggregateId, EventId, TenantId, Timestamp};
use sqlx::postgres::PgRow;
use sqlx::types::{Json, Uuid};
use sqlx::{PgConnection, Row};

use super::faults::append_error;
use super::row::{event_between, natural};
use super::times::{datetime, timestamp};
use crate::append::check;
use crate::{
    Append, AppendError, Appended, AppendedTo, Conflict, Expected, IdempotencyKey, NewEvent, StoredEvent,
};

/// Appends on this connection, in its transaction if there is one.
pub(super) async fn append(
    connection: &mut PgConnection,
    tenant: &TenantId,
    appends: &[Append],
    key: Option<&IdempotencyKey>,
) -> Result<Appended, AppendError> {
    check(appends, key)?;
    let events = || appends.iter().flat_map(|append| &append.events);
    let place = |(index, append): (usize, &Append)| {
        let place = i32::try_from(index + 1).expect("an append has at most EVENTS_MAX aggregates");
        std::iter::repeat_n(place, append.events.len())
    };
    let rows = sqlx::query(include_str!("../../queries/events_append.sql"))
        .bind(tenant.as_str())
        .bind(appends.iter().map(|append| append.aggregate_id.0).collect::<Vec<_>>())
        .bind(appends.iter().map(|append| append.aggregate_type.as_str()).collect::<Vec<_>>())
        .bind(appends.iter().map(|append| code(append.expected)).collect::<Vec<_>>())
        .bind(appends.iter().enumerate().flat_map(place).collect::<Vec<_>>())
        .bind(events().map(|event| event.event_id.0).collect::<Vec<_>>())
        .bind(events().map(|event| event.event_type.as_str()).collect::<Vec<_>>())
        .bind(events().map(|event| event.payload.as_slice()).collect::<Vec<_>>())
        .bind(events().map(|event| &event.data).map(Json).collect::<Vec<_>>())
        .bind(events().map(|event| Json(&event.metadata)).collect::<Vec<_>>())
        .bind(events().map(|event: &NewEvent| datetime(event.occurred_at)).collect::<Vec<_>>())
        .bind(key.map(IdempotencyKey::as_str))
        .bind(key.map(IdempotencyKey::digest))
        .fetch_all(connection)
        .await
        .map_err(append_error)?;
    answer(&rows, tenant, appends, key)
}

/// The answer that a key already has.
pub(super) async fn answered(
    connection: &mut PgConnection,
    tenant: &TenantId,
    key: &IdempotencyKey,
) -> Result<Option<Appended>, AppendError> {
    let rows = sqlx::query(include_str!("../../queries/command_read.sql"))
        .bind(tenant.as_str())
        .bind(key.as_str())
        .bind(key.digest())
        .fetch_all(connection)
        .await
        .map_err(append_error)?;
    if rows.is_empty() { Ok(None) } else { answer(&rows, tenant, &[], Some(key)).map(Some) }
}

/// The expected version as `append_events` takes it.
fn code(expected: Expected) -> i64 {
    match expected {
        Expected::None => 0,
        Expected::Exactly(version) => i64::try_from(version).unwrap_or(i64::MAX),
        Expected::Any => -1,
        Expected::Exists => -2,
    }
}

fn answer(
    rows: &[PgRow],
    tenant: &TenantId,
    appends: &[Append],
    key: Option<&IdempotencyKey>,
) -> Result<Appended, AppendError> {
    let mut appended = Appended { aggregates: vec![], recorded_at: Timestamp::default(), repeated: false };
    let mut conflicts: Vec<Conflict> = vec![];
    for row in rows {
        let aggregate_id = || AggregateId(row.get::<Uuid, _>("aggregate_id"));
        match row.get::<&str, _>("outcome") {
            outcome @ ("appended" | "answered") => {
                let position = |column| row.get::<Option<i64>, _>(column).map_or(0, natural);
                appended.aggregates.push(AppendedTo {
                    aggregate_id: aggregate_id(),
                    version: natural(row.get("version")),
                    events: natural(row.get::<i32, _>("event_count").into()),
                    first_position: position("first_position"),
                    last_position: position("last_position"),
                });
                appended.recorded_at = timestamp(row.get::<DateTime<Utc>, _>("recorded_at"));
                appended.repeated = outcome == "answered";
            }
            "key_reused" => {
                let key = key.expect("only a command with a key is told so").as_str().to_owned();
                return Err(AppendError::KeyReused { key });
            }
            "conflict" => {
                let aggregate_id = aggregate_id();
                let append = appends.iter().find(|append| append.aggregate_id == aggregate_id);
                let expected = append.map_or(Expected::Any, |append| append.expected);
                let actual = natural(row.get("version"));
                conflicts.push(Conflict { aggregate_id, expected, actual, events: vec![] });
            }
            "between" => {
                let event = event_between(row, tenant).map_err(AppendError::Store)?;
                conflicts.last_mut().expect("events follow their conflict").events.push(event);
            }
            "duplicate" => {
                return Err(AppendError::Duplicate { event_id: EventId(row.get::<Uuid, _>("event_id")) });
            }
            outcome => unreachable!("append_events has no outcome {outcome:?}"),
        }
    }
    if !conflicts.is_empty() {
        return Err(AppendError::Conflict(conflicts));
    }
    Ok(appended)
}

/// Where an append's events lie among an aggregate's: all of them, side by side, in order.
pub(super) fn find(append: &Append, stored: &[StoredEvent]) -> Option<(AppendedTo, Timestamp)> {
    let wanted: Vec<EventId> = append.events.iter().map(|event| event.event_id).collect();
    let is_it = |run: &&[StoredEvent]| run.iter().map(|event| event.event_id).eq(wanted.iter().copied());
    let run = stored.windows(wanted.len()).find(is_it)?;
    let (first, last) = (run.first()?, run.last()?);
    let to = AppendedTo {
        aggregate_id: append.aggregate_id,
        version: last.version,
        events: run.len() as u64,
        first_position: first.position,
        last_position: last.position,
    };
    Some((to, last.recorded_at))
}
