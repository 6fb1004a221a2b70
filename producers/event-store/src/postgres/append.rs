//! One append: one statement, one round trip.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use events::{AggregateId, EventId, TenantId, Timestamp};
use sqlx::postgres::PgRow;
use sqlx::types::{Json, Uuid};
use sqlx::{PgConnection, Row};

use super::faults::append_error;
use super::row::{event_between, natural};
use super::times::{datetime, timestamp};
use crate::append::check;
use crate::{Append, AppendError, Appended, AppendedTo, Conflict, Expected, NewEvent, StoredEvent};

/// Appends on this connection, in its transaction if there is one.
pub(super) async fn append(
    connection: &mut PgConnection,
    tenant: &TenantId,
    appends: &[Append],
) -> Result<Appended, AppendError> {
    check(appends)?;
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
        .fetch_all(connection)
        .await
        .map_err(append_error)?;
    answer(&rows, tenant, appends)
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

fn answer(rows: &[PgRow], tenant: &TenantId, appends: &[Append]) -> Result<Appended, AppendError> {
    let mut appended: HashMap<AggregateId, (AppendedTo, Timestamp)> = HashMap::new();
    let mut conflicts: Vec<Conflict> = vec![];
    for row in rows {
        let aggregate_id = AggregateId(row.get::<Uuid, _>("aggregate_id"));
        match row.get::<&str, _>("outcome") {
            "appended" => {
                let to = AppendedTo {
                    aggregate_id,
                    version: natural(row.get("version")),
                    first_position: natural(row.get("first_position")),
                    last_position: natural(row.get("last_position")),
                };
                appended.insert(aggregate_id, (to, timestamp(row.get::<DateTime<Utc>, _>("recorded_at"))));
            }
            "conflict" => {
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
    let to = |append: &Append| appended.get(&append.aggregate_id).expect("every aggregate got its events");
    let (_, recorded_at) = *to(appends.first().expect("an append has aggregates"));
    Ok(Appended { aggregates: appends.iter().map(|append| to(append).0).collect(), recorded_at })
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
        first_position: first.position,
        last_position: last.position,
    };
    Some((to, last.recorded_at))
}
