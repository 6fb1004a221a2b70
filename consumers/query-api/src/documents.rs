//! Views that are documents in Redis.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use events::{AggregateId, TenantId};
use futures::future::BoxFuture;
use projection::Projection;
use projection_postgres::Versioned;
use projection_redis::{Reader, RedisConfig};

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

/// Documents of one projection.
pub trait Documents: fmt::Debug + Send + Sync {
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
            if row.version == 0 {
                return Ok(None);
            }
            let document = row.view.as_ref().map(serde_json::to_string).transpose()?;
            Ok(Some(Versioned { version: row.version, row: document }))
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
