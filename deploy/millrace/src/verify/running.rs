//! The stages compared while they go on: every row by version and sum, and event by event only what differs.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use events::{AggregateId, Digest, EventId, Sum, Timestamp};
use futures::future::try_join_all;
use futures::try_join;
use ledger::{Entries, Entry, Lost, Moments, Running, RunningReport, RunningStages, Sampled, Streams};
use sqlx::PgPool;
use uuid::Uuid;

use super::exceptions;
use super::follow::Follower;
use super::sample::Sampler;
use super::seek::seek;
use crate::chain::{ChainArgs, TopicsReadArgs};
use crate::program::projections;
use crate::projections::{Registered, Views};

/// Suspects whose events are read at a time.
const SUSPECTS: usize = 5_000;

/// Most rows of a sink of which every event is read, to name the one that is wrong.
const NAMED_MAX: usize = 20;

/// Connections to all stages, kept from one comparison to the next.
#[derive(Debug)]
pub(crate) struct Comparer {
    follower: Follower,
    store: PgPool,
    views: Views,
    topics: TopicsReadArgs,
    bound: Duration,
    shown: Option<Shown>,
}

/// What rows show is compared, too.
#[derive(Debug)]
struct Shown {
    sampler: Sampler,
    /// How old a comparison of totals may be.
    totals_every: Duration,
    /// The last of each projection.
    totals: Mutex<BTreeMap<&'static str, (Instant, Sampled)>>,
}

impl Comparer {
    /// `bound`: how long an event may take from the store to its topic.
    pub(crate) async fn connect(chain: &ChainArgs, bound: Duration) -> anyhow::Result<Self> {
        let (store, postgres) = (chain.store.connect().await?, chain.views().await?);
        let follower = Follower::new(store.clone(), postgres.clone());
        let views = Views { postgres, redis: chain.redis.clone(), partitions: 0 };
        Ok(Self { follower, store, views, topics: chain.topics.clone(), bound, shown: None })
    }

    /// The same, which also compares what so many rows of each sink show each time, and so often the totals over all rows.
    pub(crate) fn showing(self, registry: wire::Registry, rows: usize, totals_every: Duration) -> Self {
        let sampler = Sampler::new(self.store.clone(), registry, rows);
        Self { shown: Some(Shown { sampler, totals_every, totals: Mutex::default() }), ..self }
    }

    /// Follows the store from its beginning, whatever was followed before.
    pub(crate) async fn follow_anew(&self) -> anyhow::Result<()> {
        self.follower.begin_anew().await?;
        self.follower.catch_up().await.map(drop)
    }

    /// Follows the store up to now, and compares every sink with it.
    pub(crate) async fn compare(&self) -> anyhow::Result<RunningReport> {
        let report = self.look(|_| {}).await?;
        if report.missed().is_empty() { Ok(report) } else { self.seek(report).await }
    }

    /// What sinks lost and would take if it came again.
    pub(crate) async fn lost(&self) -> anyhow::Result<Vec<Lost>> {
        let mut lost = vec![];
        self.look(|sink| lost.extend_from_slice(sink.lost())).await?;
        Ok(lost)
    }

    async fn look(&self, mut at: impl FnMut(&Running<'_>)) -> anyhow::Result<RunningReport> {
        let begun = Instant::now();
        let position = self.follower.catch_up().await?;
        let mut stages = RunningStages::default();
        let mut of_type: BTreeMap<&str, Vec<&dyn Registered>> = BTreeMap::new();
        for projection in projections() {
            of_type.entry(projection.aggregate_type()).or_default().push(*projection);
        }
        for (aggregate_type, projections) in of_type {
            let streams = self.follower.streams(aggregate_type).await?;
            stages.store(&streams);
            // Side by side: they are read from different servers, or over connections of their own.
            let views = projections.iter().map(|projection| self.views_of(projection.name()));
            let views = try_join_all(views).await?;
            let sinks = projections.iter().zip(&views);
            let sinks = sinks.map(|(projection, views)| self.sink(*projection, views, &streams));
            let totals = projections.iter().map(|projection| self.totals(*projection));
            let (sinks, totals) = try_join!(try_join_all(sinks), try_join_all(totals))?;
            for (((projection, views), mut sink), totals) in
                projections.iter().zip(&views).zip(sinks).zip(totals)
            {
                at(&sink);
                totals.into_iter().for_each(|totals| sink.sampled(totals));
                if let Some(Shown { sampler, .. }) = &self.shown
                    && let Some(sampled) = sampler.sample(*projection, views, &sink).await?
                {
                    sink.sampled(sampled);
                }
                stages.sink(sink);
            }
        }
        Ok(stages.finish(position, begun.elapsed()))
    }

    /// What sinks miss is looked for in the topics; if these cannot be read, that is all that is not known.
    async fn seek(&self, mut report: RunningReport) -> anyhow::Result<RunningReport> {
        let (topics, bound_ms) = (self.topics.clone(), self.bound.as_millis() as i64);
        let seeking = tokio::task::spawn_blocking(move || {
            let sought = topics.reader().and_then(|reader| seek(&reader, &mut report, bound_ms));
            (report, sought)
        });
        let (report, sought) = seeking.await?;
        if let Err(error) = sought {
            tracing::warn!("cannot tell whether the topics have what sinks miss: {error:#}");
        }
        Ok(report)
    }

    /// The views, with how many partitions the topic of a projection has, as far as any was claimed.
    async fn views_of(&self, projection: &str) -> anyhow::Result<Views> {
        let sql = "select coalesce(max(partition) + 1, 0) from projection_offset where projection = $1";
        let partitions: i32 = sqlx::query_scalar(sql)
            .bind(projection)
            .fetch_one(&self.views.postgres)
            .await
            .context("failed to ask for offsets")?;
        let Views { postgres, redis, .. } = &self.views;
        let partitions = usize::try_from(partitions)?;
        Ok(Views { postgres: postgres.clone(), redis: redis.clone(), partitions })
    }

    async fn sink<'s>(
        &self,
        projection: &dyn Registered,
        views: &Views,
        streams: &'s Streams,
    ) -> anyhow::Result<Running<'s>> {
        let mut running = Running::new(projection.name(), streams);
        // In this order: what was in the topic as of then is in the rows that are read after it, or parked.
        let as_of = self.as_of(projection.name()).await?;
        projection.sums(views, &mut running).await?;
        let moments = Moments { now: now(), as_of, bound_micros: self.bound.as_micros() as i64 };
        let suspects = running.suspects();
        if suspects.is_empty() {
            return Ok(running);
        }
        let exceptions = exceptions(&self.views.postgres, projection.name()).await?;
        let mut diverged = vec![];
        for suspects in suspects.chunks(SUSPECTS) {
            let between = suspects.iter().map(|it| (it.aggregate_id, it.between()));
            let decided = suspects.iter().flat_map(|it| {
                exceptions
                    .decided_of(it.aggregate_id)
                    .map(|version| (it.aggregate_id, (version - 1, version)))
            });
            let entries = self.entries(between.chain(decided)).await?;
            for suspect in suspects {
                let expected = running.judge(suspect, &exceptions, &entries, moments);
                diverged.extend(expected.map(|expected| (suspect, expected)));
            }
        }
        // Of the first, every event is read; the others are counted.
        let whole = diverged.iter().take(NAMED_MAX).map(|(it, _)| (it.aggregate_id, (0, it.row.version)));
        let entries = self.entries(whole).await?;
        diverged.iter().for_each(|(suspect, expected)| running.name(suspect, *expected, &entries));
        Ok(running)
    }

    /// What was found of the totals of a projection, a while ago at most.
    async fn totals(&self, projection: &dyn Registered) -> anyhow::Result<Option<Sampled>> {
        let Some(Shown { totals_every, totals, .. }) = &self.shown else { return Ok(None) };
        let last = || totals.lock().unwrap_or_else(PoisonError::into_inner);
        let known = last().get(projection.name()).filter(|(at, _)| at.elapsed() < *totals_every).cloned();
        if let Some((_, known)) = known {
            return Ok(Some(known));
        }
        let at = Instant::now();
        let found = projection.totals(&self.views).await?;
        last().extend(found.clone().map(|found| (projection.name(), (at, found))));
        Ok(found)
    }

    /// The events of these aggregates, above the first version and up to the second.
    async fn entries(
        &self,
        ranges: impl Iterator<Item = (AggregateId, (u64, u64))>,
    ) -> anyhow::Result<Entries> {
        let (mut ids, mut above, mut through) = (vec![], vec![], vec![]);
        for (id, (from, to)) in ranges.filter(|(_, (from, to))| from < to) {
            ids.push(id.0);
            above.push(from.cast_signed());
            through.push(to.cast_signed());
        }
        if ids.is_empty() {
            return Ok(Entries::new());
        }
        type Row = (Uuid, i64, Uuid, [u8; 32], i64);
        let rows: Vec<Row> = sqlx::query_as(include_str!("../../queries/ledger_entries.sql"))
            .bind(ids)
            .bind(above)
            .bind(through)
            .fetch_all(&self.store)
            .await
            .context("failed to read events of the store")?;
        let entry = |(id, version, event_id, payload, recorded_at): Row| {
            let (id, version, event_id) = (AggregateId(id), version.unsigned_abs(), EventId(event_id));
            let mut sum = Sum::default();
            sum.add(id, version, event_id, Digest::from_bytes(payload));
            ((id, version), Entry { event_id, sum, recorded_at: Timestamp::from_micros(recorded_at) })
        };
        Ok(rows.into_iter().map(entry).collect())
    }

    /// Up to when everything in the topic is applied or parked, as the projector last said.
    async fn as_of(&self, projection: &str) -> anyhow::Result<Option<Timestamp>> {
        let sql = "select (extract(epoch from min(as_of)) * 1000000)::bigint from projection_freshness where projection = $1";
        let micros: Option<i64> = sqlx::query_scalar(sql)
            .bind(projection)
            .fetch_one(&self.views.postgres)
            .await
            .context("failed to ask how fresh the views are")?;
        Ok(micros.map(Timestamp::from_micros))
    }
}

fn now() -> Timestamp {
    Timestamp::from_micros(chrono::Utc::now().timestamp_micros())
}
