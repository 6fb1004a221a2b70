//! What a redrive would do to the views, whatever they are.

use anyhow::Context;
use events::{AggregateId, TenantId};
use kafka::{Decided, Foreseen, ParkedRecord, RowForeseen, Stopped};
use projection::{Projection, Row};
use projection_redis::RedisConfig;
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use wire::Decoder;

use super::Rows;

/// Where the views are looked at, and what events are read with.
#[derive(Debug)]
pub(crate) struct Looking<'a> {
    /// As `views_writer`.
    pub(crate) views: &'a mut PgConnection,
    pub(crate) redis: &'a RedisConfig,
    pub(crate) registry: wire::Registry,
}

/// What a redrive would do.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Previewed {
    /// To the records, in order, up to the first that fails.
    pub(crate) records: Vec<Fate>,
    /// To the rows that they are about.
    pub(crate) rows: Vec<RowPreviewed>,
}

/// What would become of one record.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Fate {
    pub(crate) offset: i64,
    /// `applied`, `stale` or `stopped`.
    pub(crate) outcome: &'static str,
    /// Where it would stop: why, in one word, and for people.
    pub(crate) reason: Option<&'static str>,
    pub(crate) message: Option<String>,
}

/// One row before and after.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RowPreviewed {
    pub(crate) tenant: TenantId,
    pub(crate) aggregate_id: AggregateId,
    pub(crate) now: Seen,
    pub(crate) then: Seen,
}

/// A row as readers see it; no view before the first event and after a deletion.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Seen {
    pub(crate) version: u64,
    pub(crate) view: Option<Value>,
}

impl Previewed {
    /// The record at which it would stop.
    pub(crate) fn stops(&self) -> Option<&Fate> {
        self.records.iter().find(|fate| fate.reason.is_some())
    }
}

/// What a redrive of these records would do to the rows that a sink shows.
pub(super) async fn of<P: Projection, S: Rows<P>>(
    sink: &S,
    with: Looking<'_>,
    partition: i32,
    decided: &[Decided],
    records: &[ParkedRecord],
) -> anyhow::Result<Previewed> {
    let mut keys: Vec<_> = records.iter().filter_map(ParkedRecord::row).collect();
    keys.sort();
    keys.dedup();
    let keys: Vec<_> = keys.into_iter().map(|key| (partition, key)).collect();
    let rows = sink.some(with.views, with.redis, &keys).await?;
    let decoder = Decoder::<P::Event>::new(with.registry.clone());
    let preview = kafka::preview::<P>(&decoder, partition, decided, rows, records)
        .await
        .context("failed to read the parked records")?;
    Ok(Previewed {
        records: preview.records.into_iter().map(fate).collect(),
        rows: preview.rows.into_iter().map(row).collect::<Result<_, _>>()?,
    })
}

fn fate(foreseen: Foreseen) -> Fate {
    let well = |offset, outcome| Fate { offset, outcome, reason: None, message: None };
    match foreseen {
        Foreseen::Applied { offset } => well(offset, "applied"),
        Foreseen::Stale { offset } => well(offset, "stale"),
        Foreseen::Stopped(Stopped { offset, reason, message }) => {
            Fate { offset, outcome: "stopped", reason: Some(reason.as_str()), message: Some(message) }
        }
    }
}

fn row<V: Serialize>(row: RowForeseen<V>) -> Result<RowPreviewed, serde_json::Error> {
    let RowForeseen { key, now, then } = row;
    Ok(RowPreviewed {
        tenant: key.tenant,
        aggregate_id: key.aggregate_id,
        now: seen(now)?,
        then: seen(then)?,
    })
}

fn seen<V: Serialize>(row: Row<V>) -> Result<Seen, serde_json::Error> {
    Ok(Seen { version: row.version, view: row.view.map(serde_json::to_value).transpose()? })
}
