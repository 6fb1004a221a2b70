//! Projections whose views are tables.

use std::marker::PhantomData;

use futures::StreamExt;
use futures::future::BoxFuture;
use kafka::{Decided, Loaded, ParkedRecord, RowKey};
use ledger::{Exceptions, Sink};
use projection::Projection;
use projection_postgres::{PostgresViews, Share, Tables, load, scan, scan_totals};
use tokio_util::sync::CancellationToken;
use wire::Decoder;

use super::{
    Compared, Comparison, Looking, Prepared, Previewed, Registered, Rows, Surroundings, Views, prepared,
    preview,
};

/// A projection with its tables.
#[derive(Debug)]
pub(super) struct InPostgres<P> {
    about: &'static str,
    tables: Tables<'static>,
    projection: PhantomData<fn() -> P>,
}

impl<P> InPostgres<P> {
    pub(super) const fn new(about: &'static str, tables: Tables<'static>) -> Self {
        Self { about, tables, projection: PhantomData }
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
            Ok(prepared::<P, _>(with, store, stop))
        })
    }

    fn comparison(&self, registry: wire::Registry, exceptions: Exceptions) -> Box<dyn Comparison + '_> {
        Box::new(Compared { rows: self, sink: Sink::<P>::new(exceptions), decoder: Decoder::new(registry) })
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
        let mut rows = scan::<P::View>(&mut connection, self.tables.view).await?;
        while let Some(row) = rows.next().await.transpose()? {
            sink.row(&row.key.tenant, row.key.aggregate_id, row.row.version, row.row.view.as_ref());
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
        with: &mut Looking<'_>,
        _partition: i32,
        keys: &[RowKey],
    ) -> anyhow::Result<Vec<Loaded<P::View>>> {
        Ok(load(with.views, self.tables.view, keys).await?)
    }
}
