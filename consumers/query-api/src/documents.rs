//! Views that are documents in Redis.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use events::{AggregateId, TenantId};
use futures::future::BoxFuture;
use projection::{Projection, Row};
use projection_postgres::Versioned;
use projection_redis::{Fed, Reader, RedisConfig};
use serde::Serialize;

use crate::changes::{Feed, Page, Told};

/// Why a document was not read.
pub type Unread = Box<dyn std::error::Error + Send + Sync>;

/// A place on a leaderboard.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Scored {
    /// Who is on it.
    pub aggregate_id: AggregateId,
    /// With which score.
    pub score: i64,
}

/// Documents of one projection, and the feed of their changes.
pub trait Documents: Feed {
    /// One aggregate's document; `None` where there never was one.
    fn row<'a>(
        &'a self,
        tenant: &'a TenantId,
        aggregate_id: AggregateId,
    ) -> BoxFuture<'a, Result<Option<Versioned>, Unread>>;

    /// The first of a leaderboard.
    fn board<'a>(
        &'a self,
        tenant: &'a TenantId,
        board: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Scored>, Unread>>;
}

/// Connections that are kept for the next request.
const IDLE_MAX: usize = 16;

/// The documents of a projection in Redis.
#[derive(Debug)]
pub struct Live<P> {
    config: RedisConfig,
    partitions: i32,
    idle: Mutex<Vec<Reader<P>>>,
}

impl<P: Projection> Live<P> {
    /// Documents of a topic of so many partitions; connects when first asked.
    pub fn new(config: RedisConfig, partitions: i32) -> Self {
        Self { config, partitions, idle: Mutex::default() }
    }

    /// A reader of one's own.
    fn reader(&self) -> Result<Reader<P>, Unread> {
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Ok(kept.map_or_else(|| Reader::new(&self.config, self.partitions), Ok)?)
    }

    /// Kept for the next request.
    fn keep(&self, reader: Reader<P>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(reader);
        }
    }
}

impl<P: Projection> Documents for Live<P> {
    fn row<'a>(
        &'a self,
        tenant: &'a TenantId,
        aggregate_id: AggregateId,
    ) -> BoxFuture<'a, Result<Option<Versioned>, Unread>> {
        Box::pin(async move {
            let mut reader = self.reader()?;
            let row = reader.row(tenant, aggregate_id).await?;
            self.keep(reader);
            if row.version == 0 { Ok(None) } else { Ok(Some(versioned(&row)?)) }
        })
    }

    fn board<'a>(
        &'a self,
        tenant: &'a TenantId,
        board: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Scored>, Unread>> {
        Box::pin(async move {
            let mut reader = self.reader()?;
            let places = reader.leaderboard(tenant, board, limit).await?;
            self.keep(reader);
            Ok(places
                .into_iter()
                .map(|it| Scored { aggregate_id: it.aggregate_id, score: it.score })
                .collect())
        })
    }
}

impl<P: Projection> Feed for Live<P> {
    fn is_place(&self, text: &str) -> bool {
        let is_entry = |id: &str| {
            let parts = id.split_once('-').map(|(ms, seq)| (ms.parse::<u64>(), seq.parse::<u64>()));
            matches!(parts, Some((Ok(_), Ok(_))))
        };
        let ids = place(text);
        i32::try_from(ids.len()) == Ok(self.partitions) && ids.iter().all(|id| is_entry(id))
    }

    fn newest<'a>(&'a self, _: &'a TenantId) -> BoxFuture<'a, Result<Option<String>, Unread>> {
        Box::pin(async move {
            let mut reader = self.reader()?;
            let end = reader.feed_end().await?;
            self.keep(reader);
            Ok(end.map(|end| end.join(",")))
        })
    }

    fn has<'a>(&'a self, _: &'a TenantId, at: &'a str) -> BoxFuture<'a, Result<bool, Unread>> {
        Box::pin(async move {
            let mut reader = self.reader()?;
            let has = reader.feed_has(&place(at)).await?;
            self.keep(reader);
            Ok(has)
        })
    }

    fn read<'a>(
        &'a self,
        tenants: &'a [TenantId],
        after: &'a str,
        _through: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Option<Page>, Unread>> {
        Box::pin(async move {
            let mut reader = self.reader()?;
            let read = reader.feed_after(&place(after)).await?;
            self.keep(reader);
            let Some(Fed { through, is_more, changed }) = read else { return Ok(None) };
            let through = through.join(",");
            if through == after {
                return Ok(Some(Page::default()));
            }
            // A place is the same to everybody, also to those who have nothing to read.
            let told =
                |tenant: &TenantId| (tenant.clone(), Told { place: through.clone(), ..Told::default() });
            let mut told: BTreeMap<TenantId, Told> = tenants.iter().map(told).collect();
            for (tenant, ids) in changed {
                if let Some(told) = told.get_mut(&tenant) {
                    told.ids.extend(ids);
                }
            }
            Ok(Some(Page { through: Some(through), is_more, told }))
        })
    }

    fn rows<'a>(
        &'a self,
        tenant: &'a TenantId,
        ids: &'a [AggregateId],
    ) -> BoxFuture<'a, Result<Vec<(AggregateId, Versioned)>, Unread>> {
        Box::pin(async move {
            let mut reader = self.reader()?;
            let rows = reader.rows_of(tenant, ids).await?;
            self.keep(reader);
            rows.iter().map(|(id, row)| Ok((*id, versioned(row)?))).collect()
        })
    }
}

/// Reads what was told as a place: of each partition, the id of an entry.
fn place(text: &str) -> Vec<String> {
    text.split(',').map(str::to_owned).collect()
}

fn versioned<V: Serialize>(row: &Row<V>) -> Result<Versioned, serde_json::Error> {
    let document = row.view.as_ref().map(serde_json::to_string).transpose()?;
    Ok(Versioned { version: row.version, row: document })
}
