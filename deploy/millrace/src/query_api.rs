//! `millrace run query-api`: views over HTTP.

use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use http_api::auth::{AuthConfig, Verifier};
use http_api::{Metrics, Server};
use projection_postgres::{Readers, ReadersConfig};
use projection_redis::RedisConfig;
use query_api::{Api, QueryConfig};
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
        let fresh = query_api::watch(readers.clone(), stop.clone());
        let mut api = Api::new(readers.clone(), fresh.clone(), verifier, &self.api, metrics);
        let reading = Reading { readers, redis: self.redis, manifest: program::topics()? };
        for projection in program::projections() {
            for view in projection.views(&reading).await? {
                api = api.view(view);
            }
        }
        let server = Server::bind(self.api.query_address, &self.api.http).await;
        let server = server.context("the query API cannot listen")?;
        tracing::info!(address = %server.address()?, "views are shown");
        let (ending, ready) = (stop.clone(), fresh);
        let ready =
            move || if ending.is_cancelled() { Err("shutting down".to_owned()) } else { ready.ready() };
        self.health.serve_when(Arc::new(ready), served, &stop).await?;
        let cut = server.serve(api.routes(), stop).await;
        Ok(if cut == 0 { Exit::Ok } else { Exit::PartlyFailed })
    }
}
