//! What rows show, picked at random: their events are folded anew, while everything goes on.

use anyhow::Context;
use event_store::{Histories, PgEventLog};
use kafka::RowKey;
use ledger::{Running, Sampled, Stream};
use rand::seq::IteratorRandom;
use sqlx::PgPool;

use super::full::{decisions, pruned, stored};
use crate::projections::{Registered, Views};

/// Events that are folded for one sink at a time, at most; so of an aggregate that has more, the sum alone is compared.
const EVENTS_MAX: u64 = 20_000;

/// Picks rows of each sink, and folds their events.
#[derive(Debug)]
pub(super) struct Sampler {
    log: PgEventLog,
    registry: wire::Registry,
    rows: usize,
}

impl Sampler {
    pub(super) fn new(store: PgPool, registry: wire::Registry, rows: usize) -> Self {
        Self { log: PgEventLog::new(store), registry, rows }
    }

    /// Compares some rows of a sink with the fold of their events; none if the registry does not say how to read these.
    pub(super) async fn sample(
        &self,
        projection: &dyn Registered,
        views: &Views,
        running: &Running<'_>,
    ) -> anyhow::Result<Option<Sampled>> {
        let mut comparison = projection.comparison(self.registry.clone());
        // In this order: what was decided about a version that a row has is known, and its events are in the store or have left it.
        let wanted = comparison.read_some(views, &self.pick(running)).await?;
        // What is parked is of later versions than the row has.
        comparison.except(decisions(&views.postgres, projection.name()).await?);
        let Histories { events, pruned: left } =
            self.log.histories(&wanted).await.context("failed to read the store")?;
        for range in left {
            comparison.pruned(&pruned(range, projection.topic())?);
        }
        for event in &events {
            if let Err(error) = comparison.event(&stored(event, projection.topic())).await {
                tracing::warn!("cannot fold rows of {} anew: {error:#}", projection.name());
                return Ok(None);
            }
        }
        Ok(Some(comparison.sampled()))
    }

    /// Aggregates of which nothing was found yet: as many as are to be looked at, but for those with too many events.
    fn pick(&self, running: &Running<'_>) -> Vec<RowKey> {
        let (mut keys, mut events) = (vec![], 0);
        for (aggregate_id, Stream { tenant, account, .. }) in
            running.sound().sample(&mut rand::rng(), self.rows)
        {
            if events + account.version <= EVENTS_MAX {
                events += account.version;
                keys.push(RowKey { tenant: tenant.clone(), aggregate_id });
            }
        }
        keys
    }
}
