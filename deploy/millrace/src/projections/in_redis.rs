//! Projections whose views are documents in Redis.

use std::marker::PhantomData;
use std::sync::Arc;

use events::DomainEvent;
use futures::future::BoxFuture;
use kafka::{Decided, Loaded, ParkedRecord, RowKey};
use ledger::{Account, Running, Sampled, Sink};
use projection::Projection;
use projection_postgres::Definition;
use projection_redis::{NextKeys, Reader, RedisConfig, RedisViews, abandon, go_back};
use query_api::{Live, View};
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use wire::Decoder;

use super::rebuild::{EditionsArgs, Made, RebuildArgs};
use super::{
    Compared, Comparison, Looking, Prepared, Previewed, Reading, Registered, Rows, Surroundings, Views,
    prepared, preview,
};

/// A projection in a namespace of its own.
#[derive(Debug)]
pub struct InRedis<P> {
    about: &'static str,
    shown_as: &'static str,
    boards: &'static [&'static str],
    projection: PhantomData<fn() -> P>,
}

impl<P> InRedis<P> {
    /// Documents that readers see under a name, with their leaderboards.
    pub const fn new(about: &'static str, shown_as: &'static str, boards: &'static [&'static str]) -> Self {
        Self { about, shown_as, boards, projection: PhantomData }
    }
}

impl<P: Projection> Registered for InRedis<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn prepare<'a>(
        &'a self,
        with: &'a Surroundings,
        stop: CancellationToken,
    ) -> BoxFuture<'a, anyhow::Result<Prepared>> {
        Box::pin(async move {
            let owner = format!("{} pid {}", P::NAME, std::process::id());
            let views = with.postgres.options(P::NAME)?;
            let store = RedisViews::<P>::new(&with.redis, views, &owner)?;
            let kept = &with.redis_retention;
            let store = store.with_feed(kept.redis_feed_entries).with_finished_ttl(kept.finished_ttl());
            Ok(prepared::<P, _>(with, store, stop))
        })
    }

    fn definition(&self) -> Option<Definition<'static>> {
        None
    }

    fn rebuild<'a>(&'a self, with: &'a RebuildArgs) -> BoxFuture<'a, anyhow::Result<Made>> {
        Box::pin(async move {
            let EditionsArgs { redis, views_owner_url, .. } = &with.editions;
            let ends = with.editions.ends(P::Event::TOPIC).await?;
            let partitions = i32::try_from(ends.len())?;
            let next = NextKeys::<P>::open(redis, views_owner_url, P::Event::TOPIC, partitions).await?;
            with.of(next, ends).await
        })
    }

    fn go_back<'a>(&'a self, with: &'a EditionsArgs) -> BoxFuture<'a, anyhow::Result<bool>> {
        Box::pin(async move {
            let ends = with.ends(P::Event::TOPIC).await?;
            Ok(go_back::<P>(&with.redis, &with.views_owner_url, P::Event::TOPIC, &ends).await?)
        })
    }

    fn abandon<'a>(&'a self, with: &'a EditionsArgs) -> BoxFuture<'a, anyhow::Result<bool>> {
        Box::pin(async move {
            let partitions = i32::try_from(with.ends(P::Event::TOPIC).await?.len())?;
            Ok(abandon::<P>(&with.redis, P::Event::TOPIC, partitions).await?)
        })
    }

    fn views<'a>(&'a self, with: &'a Reading) -> BoxFuture<'a, anyhow::Result<Vec<View>>> {
        Box::pin(async move {
            let partitions = with.partitions(P::Event::TOPIC)?;
            let documents = Arc::new(Live::<P>::new(with.redis.clone(), i32::try_from(partitions)?));
            let partitions = usize::try_from(partitions)?;
            Ok(vec![View::documents(self.shown_as, self.about, P::NAME, partitions, documents, self.boards)])
        })
    }

    fn topic(&self) -> &'static str {
        P::Event::TOPIC
    }

    fn aggregate_type(&self) -> &'static str {
        P::Event::AGGREGATE_TYPE
    }

    fn sums<'a>(
        &'a self,
        views: &'a Views,
        running: &'a mut Running<'_>,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let mut reader = Reader::<P>::new(&views.redis, i32::try_from(views.partitions)?)?;
            reader.check_edition().await?;
            let show = |tenant, id, version, sum| running.row(&tenant, id, Account { version, sum });
            Ok(reader.sums(show).await?)
        })
    }

    fn totals<'a>(&'a self, _: &'a Views) -> BoxFuture<'a, anyhow::Result<Option<Sampled>>> {
        Box::pin(async { Ok(None) })
    }

    fn comparison(&self, registry: wire::Registry) -> Box<dyn Comparison + '_> {
        Box::new(Compared { rows: self, sink: Sink::<P>::default(), decoder: Decoder::new(registry) })
    }

    fn preview<'a>(
        &'a self,
        with: Looking<'a>,
        partition: i32,
        decided: &'a [Decided],
        records: &'a [ParkedRecord],
    ) -> BoxFuture<'a, anyhow::Result<Previewed>> {
        Box::pin(preview::of::<P, _>(self, with, partition, decided, records))
    }
}

impl<P: Projection> Rows<P> for InRedis<P> {
    async fn rows(&self, views: &Views, sink: &mut Sink<P>) -> anyhow::Result<()> {
        let mut reader = Reader::<P>::new(&views.redis, i32::try_from(views.partitions)?)?;
        reader.check_edition().await?;
        let row = |view: projection_redis::ViewAt<P::View>| {
            sink.row(&view.tenant, view.aggregate_id, view.row);
        };
        reader.rows(row).await?;
        reader
            .places(|place| sink.rank(&place.tenant, &place.board, place.aggregate_id, place.score))
            .await?;
        Ok(())
    }

    async fn some(
        &self,
        _views: &mut PgConnection,
        redis: &RedisConfig,
        keys: &[(i32, RowKey)],
    ) -> anyhow::Result<Vec<Loaded<P::View>>> {
        // Each in the partition that is named: how many there are does not matter.
        Ok(Reader::<P>::new(redis, 0)?.load(keys).await?)
    }

    async fn places(
        &self,
        redis: &RedisConfig,
        rows: &[Loaded<P::View>],
        sink: &mut Sink<P>,
    ) -> anyhow::Result<()> {
        let mut reader = Reader::<P>::new(redis, 0)?;
        let show = |key: &RowKey, rank, kept| sink.place(&key.tenant, key.aggregate_id, rank, kept);
        Ok(reader.places_of(rows, show).await?)
    }
}
