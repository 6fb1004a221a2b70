//! Projections whose views are tables.

use std::marker::PhantomData;

use events::DomainEvent;
use futures::StreamExt;
use futures::future::BoxFuture;
use kafka::{Decided, Loaded, ParkedRecord, RowKey};
use ledger::{Account, Running, Sampled, Sink, Totals};
use projection::Projection;
use projection_postgres::{
    Definition, NextTables, PostgresViews, Share, Tables, ViewRow, abandon, check_edition, go_back, load,
    scan, scan_sums, scan_totals,
};
use projection_redis::RedisConfig;
use query_api::View;
use sqlx::{Connection, PgConnection};
use tokio_util::sync::CancellationToken;
use wire::Decoder;

use super::rebuild::{EditionsArgs, Made, RebuildArgs};
use super::{
    Compared, Comparison, Looking, Prepared, Previewed, Reading, Registered, Rows, Surroundings, Views,
    prepared, preview,
};

/// A projection with its tables.
#[derive(Debug)]
pub struct InPostgres<P> {
    about: &'static str,
    tables: Tables<'static>,
    definition: &'static [&'static str],
    shown_as: &'static str,
    totals: Option<TotalsShown>,
    projection: PhantomData<fn() -> P>,
}

/// The totals of a projection as readers see them.
#[derive(Debug, Clone, Copy)]
pub struct TotalsShown {
    /// Under which name.
    pub name: &'static str,
    /// What they are for.
    pub about: &'static str,
    /// The SQL view that sums the partitions' shares.
    pub view: &'static str,
    /// The columns that they are summed by.
    pub by: &'static [&'static str],
}

impl<P> InPostgres<P> {
    /// Tables with the SQL that makes them, whose rows readers see under a name.
    pub const fn new(
        about: &'static str,
        tables: Tables<'static>,
        definition: &'static [&'static str],
        shown_as: &'static str,
    ) -> Self {
        Self { about, tables, definition, shown_as, totals: None, projection: PhantomData }
    }

    /// With totals over many aggregates.
    pub const fn with_totals(mut self, totals: TotalsShown) -> Self {
        self.totals = Some(totals);
        self
    }
}

impl<P: Projection> Registered for InPostgres<P> {
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
            let store = PostgresViews::<P>::open(&with.postgres, self.tables).await?;
            let store = store.with_feed(with.postgres_feed.retention());
            Ok(prepared::<P, _>(with, store, stop))
        })
    }

    fn definition(&self) -> Option<Definition<'static>> {
        Some(Definition::of::<P>(self.definition))
    }

    fn rebuild<'a>(&'a self, with: &'a RebuildArgs) -> BoxFuture<'a, anyhow::Result<Made>> {
        Box::pin(async move {
            let (definition, owner) = (Definition::of::<P>(self.definition), &with.editions.views_owner_url);
            let ends = with.editions.ends(P::Event::TOPIC).await?;
            let next = NextTables::<P>::open(owner, &with.postgres, definition, self.tables).await?;
            with.of(next, ends).await
        })
    }

    fn go_back<'a>(&'a self, with: &'a EditionsArgs) -> BoxFuture<'a, anyhow::Result<bool>> {
        Box::pin(async move { Ok(go_back(&mut with.owner().await?, P::NAME).await?) })
    }

    fn abandon<'a>(&'a self, with: &'a EditionsArgs) -> BoxFuture<'a, anyhow::Result<bool>> {
        Box::pin(async move { Ok(abandon(&mut with.owner().await?, P::NAME).await?) })
    }

    fn views<'a>(&'a self, with: &'a Reading) -> BoxFuture<'a, anyhow::Result<Vec<View>>> {
        Box::pin(async move {
            let rows = with.readers.relation(self.tables.view, &["aggregate_id"]).await?;
            let partitions = usize::try_from(with.partitions(P::Event::TOPIC)?)?;
            let mut views = vec![View::table(self.shown_as, self.about, P::NAME, partitions, rows.clone())];
            if let Some(TotalsShown { name, about, view, by }) = self.totals {
                let totals = with.readers.relation(view, by).await?;
                views.push(View::totals(name, about, P::NAME, partitions, totals, rows));
            }
            Ok(views)
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
            let mut connection = views.postgres.acquire().await?;
            check_edition(&mut connection, P::NAME, P::EDITION).await?;
            let mut rows = scan_sums(&mut connection, self.tables.view).await?;
            while let Some((key, version, sum)) = rows.next().await.transpose()? {
                running.row(&key.tenant, key.aggregate_id, Account { version, sum });
            }
            Ok(())
        })
    }

    fn totals<'a>(&'a self, views: &'a Views) -> BoxFuture<'a, anyhow::Result<Option<Sampled>>> {
        Box::pin(async move {
            let Some(table) = self.tables.totals else { return Ok(None) };
            let mut connection = views.postgres.acquire().await?;
            check_edition(&mut connection, P::NAME, P::EDITION).await?;
            // All of it as of one moment: rows and totals change together.
            let mut as_of = connection.begin_with("begin isolation level repeatable read, read only").await?;
            let mut totals = Totals::new(P::NAME);
            let mut rows = scan::<P::View>(&mut as_of, self.tables.view).await?;
            while let Some(ViewRow { key, row, .. }) = rows.next().await.transpose()? {
                totals.row(&key.tenant, key.aggregate_id, row.view.as_ref().and_then(P::contribution));
            }
            drop(rows);
            let mut shares = scan_totals(&mut as_of, table).await?;
            while let Some(Share { tenant, group, amounts }) = shares.next().await.transpose()? {
                totals.total(&tenant, group, amounts);
            }
            Ok(Some(totals.finish()))
        })
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

impl<P: Projection> Rows<P> for InPostgres<P> {
    async fn rows(&self, views: &Views, sink: &mut Sink<P>) -> anyhow::Result<()> {
        let mut connection = views.postgres.acquire().await?;
        check_edition(&mut connection, P::NAME, P::EDITION).await?;
        let mut rows = scan::<P::View>(&mut connection, self.tables.view).await?;
        while let Some(row) = rows.next().await.transpose()? {
            sink.row(&row.key.tenant, row.key.aggregate_id, row.row);
        }
        drop(rows);
        let Some(totals) = self.tables.totals else { return Ok(()) };
        let mut shares = scan_totals(&mut connection, totals).await?;
        while let Some(Share { tenant, group, amounts }) = shares.next().await.transpose()? {
            sink.total(&tenant, group, amounts);
        }
        Ok(())
    }

    async fn some(
        &self,
        views: &mut PgConnection,
        _redis: &RedisConfig,
        keys: &[(i32, RowKey)],
    ) -> anyhow::Result<Vec<Loaded<P::View>>> {
        check_edition(views, P::NAME, P::EDITION).await?;
        let keys: Vec<RowKey> = keys.iter().map(|(_, key)| key.clone()).collect();
        Ok(load(views, self.tables.view, &keys).await?)
    }

    async fn places(&self, _: &RedisConfig, _: &[Loaded<P::View>], _: &mut Sink<P>) -> anyhow::Result<()> {
        Ok(())
    }
}
