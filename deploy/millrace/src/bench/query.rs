//! How long a read over HTTP takes, at a rate of one's choosing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use http_api::auth::{AuthConfig, Grant, Role, Verifier};
use http_api::{Metrics, Server};
use projection_postgres::{Readers, ReadersConfig};
use query_api::{Api, QueryConfig, Streams};
use reqwest::Client;
use sqlx::{Connection, Executor, PgConnection};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::Output;
use super::metronome::Metronome;
use super::report::{Aim, Figure, histogram, percentiles_ms};
use super::scratch::Scratch;
use crate::program;
use crate::projections::Reading;
use crate::stack_defaults::settings;

#[derive(Debug, clap::Args)]
pub(crate) struct QueryArgs {
    /// Requests a second, each due at a fixed time
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// For how long of each kind, in seconds, after a tenth of that as warm-up
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    #[command(flatten)]
    pub(super) output: Output,
}

/// Rows that are asked for.
const ROWS: i32 = 10_000;

pub(super) async fn figures(args: &QueryArgs, stack: &str) -> anyhow::Result<Vec<Figure>> {
    let scratch = Scratch::create_views(stack).await?;
    let measured = measure(args, stack, &scratch).await;
    scratch.remove()?;
    measured
}

async fn measure(args: &QueryArgs, stack: &str, scratch: &Scratch) -> anyhow::Result<Vec<Figure>> {
    let tenant = "bench";
    let mut views = PgConnection::connect(&scratch.url("views_writer")).await?;
    let ids: Vec<Uuid> = sqlx::query_scalar(include_str!("../../queries/bench_execution_insert.sql"))
        .bind(tenant)
        .bind(ROWS)
        .fetch_all(&mut views)
        .await?;
    PgConnection::connect(&scratch.url("owner")).await?.execute("analyze execution").await?;
    let http = Arc::new(Http::serve(stack, scratch, tenant).await?);
    let id = |n: usize| ids[n * 7919 % ids.len()];
    let row = |n| format!("/v1/views/executions/{}", id(n));
    let page = |n| format!("/v1/views/executions?limit=20&status=running&aggregate_id.gt={}", id(n));
    let mut figures = http.load("query.row", args, row, Aim::AtMost(5.0)).await?;
    figures.extend(http.load("query.page", args, page, Aim::None).await?);
    Ok(figures)
}

/// A client, and the API in this process behind a socket of its own.
struct Http {
    client: Client,
    url: String,
    token: String,
    _served: DropGuard,
}

impl Http {
    async fn serve(stack: &str, scratch: &Scratch, tenant: &str) -> anyhow::Result<Self> {
        let lifetime = Duration::from_secs(3_600);
        let grant =
            Grant { tenant: tenant.parse()?, actor: "bench".to_owned(), role: Role::Reader, lifetime };
        let token = crate::token::issue(stack, &grant)?;
        let verifier = Verifier::open(&settings::<AuthConfig>(stack)?).await?;
        let mut config = QueryConfig { query_address: ([127, 0, 0, 1], 0).into(), ..settings(stack)? };
        config.http.api_rate = 1_000_000;
        config.http.api_burst = 1_000_000;
        let dashboard = scratch.url("dashboard").parse()?;
        let readers = ReadersConfig { views_dashboard_url: dashboard, ..settings(stack)? };
        let (readers, stop) = (Readers::new(&readers)?, CancellationToken::new());
        let fresh = query_api::watch(readers.clone(), stop.clone());
        let streams = Streams::new(&config, stop.clone());
        let api = Api::new(readers.clone(), fresh, verifier, &config, Metrics::default(), streams);
        let api =
            Reading { readers, redis: settings(stack)?, manifest: program::topics()? }.serve(api).await?;
        let server = Server::bind(config.query_address, &config.http).await?;
        let url = format!("http://{}", server.address()?);
        tokio::spawn(server.serve(api.routes(), stop.clone()));
        Ok(Self { client: Client::new(), url, token, _served: stop.drop_guard() })
    }

    /// An open loop: each request is timed from when it was due.
    async fn load(
        self: &Arc<Self>,
        name: &str,
        args: &QueryArgs,
        path: impl Fn(usize) -> String,
        aim: Aim,
    ) -> anyhow::Result<Vec<Figure>> {
        let (metronome, interval) = (Metronome::new()?, Duration::from_secs(1) / args.rate);
        let warm_up = usize::try_from(args.rate * args.seconds)? / 10;
        let (mut asking, mut micros, start) = (JoinSet::new(), histogram(), Instant::now());
        for n in 0..warm_up * 11 {
            let due = start + interval * u32::try_from(n)?;
            metronome.until(due).await?;
            let (http, path) = (Arc::clone(self), path(n));
            asking.spawn(async move { http.get(&path).await.map(|()| (n, due.elapsed())) });
            while let Some(answered) = asking.try_join_next() {
                let (n, took) = answered??;
                if n >= warm_up {
                    micros.saturating_record(u64::try_from(took.as_micros())?);
                }
            }
        }
        while let Some(answered) = asking.join_next().await {
            micros.saturating_record(u64::try_from(answered??.1.as_micros())?);
        }
        let mut figures = percentiles_ms(name, &micros, [Aim::None, Aim::None, aim]);
        figures.push(Figure::new(format!("{name}.rate"), args.rate.into(), "requests/s", Aim::None));
        Ok(figures)
    }

    async fn get(&self, path: &str) -> anyhow::Result<()> {
        let answer = self.client.get(format!("{}{path}", self.url)).bearer_auth(&self.token).send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        ensure!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body));
        Ok(())
    }
}
