//! `millrace run query-api`: views over HTTP.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use http_api::auth::{AuthConfig, Verifier};
use http_api::{Metrics, Router, Server};
use projection_postgres::{Readers, ReadersConfig};
use projection_redis::RedisConfig;
use query_api::{Api, QueryConfig, Streams, Watch};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::exit::Exit;
use crate::program;
use crate::projections::Reading;
use crate::run::HealthArgs;

#[derive(Debug, Args)]
pub(crate) struct QueryApiArgs {
    #[command(flatten)]
    health: HealthArgs,
    #[command(flatten)]
    api: QueryConfig,
    #[command(flatten)]
    auth: AuthConfig,
    #[command(flatten)]
    readers: ReadersConfig,
    #[command(flatten)]
    redis: RedisConfig,
}

impl QueryApiArgs {
    /// Serves until told to stop, then finishes what was accepted.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<Exit> {
        let verifier = Verifier::open(&self.auth).await.context("nobody's tokens can be checked")?;
        let readers = Readers::new(&self.readers)?;
        let (metrics, served) = (Metrics::default(), prometheus::Registry::new());
        metrics.register(&served)?;
        let streams = Streams::new(&self.api, stop.clone());
        streams.register(&served)?;
        let fresh = query_api::watch(readers.clone(), stop.clone());
        let shown = Shown {
            reading: Reading { readers, redis: self.redis, manifest: program::topics()? },
            fresh: fresh.clone(),
            verifier: Arc::new(verifier),
            config: self.api.clone(),
            metrics,
            streams,
        };
        let address = self.api.query_address;
        let server = Server::bind(address, &self.api.http).await;
        let server = server.with_context(|| format!("the query API cannot listen at {address}"))?;
        let editions = shown.reading.readers.editions().await?;
        let current = stop.child_token();
        let (exchange, routes) = watch::channel(shown.routes(&current).await?);
        let keep_up = shown.keep_up(editions, exchange, stop.clone(), current);
        tokio::spawn(stop.clone().run_until_cancelled_owned(keep_up));
        tracing::info!(address = %server.address()?, "views are shown");
        let (ending, ready) = (stop.clone(), fresh);
        let ready =
            move || if ending.is_cancelled() { Err("shutting down".to_owned()) } else { ready.ready() };
        self.health.serve_when(Arc::new(ready), served, &stop).await?;
        let cut = server.serve_current(routes, stop).await;
        Ok(if cut == 0 { Exit::Ok } else { Exit::PartlyFailed })
    }
}

/// Between two looks whether another edition of some view is read.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is shown, and how.
struct Shown {
    reading: Reading,
    fresh: Watch,
    verifier: Arc<Verifier>,
    config: QueryConfig,
    metrics: Metrics,
    streams: Streams,
}

impl Shown {
    /// The views with the columns that they have by now; streams of their changes end at `stop`.
    async fn routes(&self, stop: &CancellationToken) -> anyhow::Result<Router> {
        let (readers, verifier) = (self.reading.readers.clone(), Arc::clone(&self.verifier));
        let (metrics, streams) = (self.metrics.clone(), self.streams.until(stop.clone()));
        let api = Api::new(readers, self.fresh.clone(), verifier, &self.config, metrics, streams);
        Ok(self.reading.serve(api).await?.routes())
    }

    /// Exchanges the routes whenever other editions are read. Streams of the `current` ones end with that.
    async fn keep_up(
        self,
        mut editions: String,
        exchange: watch::Sender<Router>,
        stop: CancellationToken,
        mut current: CancellationToken,
    ) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let Ok(now) = self.reading.readers.editions().await else { continue };
            if now == editions {
                continue;
            }
            let next = stop.child_token();
            match self.routes(&next).await {
                Ok(routes) => {
                    tracing::info!(editions = now, "other editions are shown");
                    drop(exchange.send_replace(routes));
                    current.cancel();
                    current = next;
                    editions = now;
                }
                Err(error) => tracing::warn!("other editions are read and cannot be shown: {error:#}"),
            }
        }
    }
}
