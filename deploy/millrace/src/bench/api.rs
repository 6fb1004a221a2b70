//! What the API adds to a command: the same commands by the library and over HTTP, in turns.

use std::time::Instant;

use agents::{Execution, ExecutionCommand, StartExecution};
use anyhow::Context as _;
use command_api::{Api, ApiConfig};
use event_store::{Codec, Context, PgEventStore, Repository};
use events::{EventId, ExecutionEvent, ExecutionId, Metadata, Timestamp};
use http_api::auth::{AuthConfig, Grant, Role, Verifier};
use http_api::{Metrics, Server};
use reqwest::Client;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::report::{Aim, Figure, histogram, percentiles_ms};
use super::{Output, WriteSide};
use crate::stack_defaults::settings;

#[derive(Debug, clap::Args)]
pub(crate) struct ApiArgs {
    /// Commands each way, one after the other, after a tenth of that as warm-up
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(10..))]
    rounds: u32,
    #[command(flatten)]
    pub(super) output: Output,
}

pub(super) async fn figures(args: &ApiArgs, stack: &str) -> anyhow::Result<Vec<Figure>> {
    let side = WriteSide::connect(stack, 2).await?;
    let registry = wire::Registry::new(&settings(stack)?)?;
    let codec = async || Codec::<ExecutionEvent>::prepare(&registry).await;
    let library = Repository::<Execution, _>::new(side.store.clone(), codec().await?);
    let http = Http::serve(stack, &side, Repository::new(side.store.clone(), codec().await?)).await?;

    let (mut library_us, mut http_us) = (histogram(), histogram());
    for round in 0..args.rounds + args.rounds / 10 {
        let by_library = by_library(&library, &side).await?;
        let over_http = http.command().await?;
        if round >= args.rounds / 10 {
            library_us.saturating_record(by_library);
            http_us.saturating_record(over_http);
        }
    }
    let median = |micros: &hdrhistogram::Histogram<u64>| micros.value_at_quantile(0.5) as f64 / 1_000.0;
    let added = median(&http_us) - median(&library_us);
    let mut figures = vec![Figure::new("api.added.p50", added, "ms", Aim::AtMost(0.5))];
    figures.extend(percentiles_ms("api.library", &library_us, [Aim::None; 3]));
    figures.extend(percentiles_ms("api.http", &http_us, [Aim::None; 3]));
    Ok(figures)
}

/// A run of its own each time, so that no history grows.
fn start(execution_id: ExecutionId) -> StartExecution {
    StartExecution {
        execution_id,
        occurred_at: Timestamp::from_micros(chrono::Utc::now().timestamp_micros()),
        workflow_id: None,
        task: "django__django-11099".to_owned(),
        repository: "django/django".to_owned(),
        model: "bench/none".to_owned(),
        agent: "bench".to_owned(),
        prompt_id: None,
        prompt_version: None,
        step_limit: None,
        cost_limit: None,
        requested_by: None,
    }
}

/// Microseconds of one command by the library.
async fn by_library(
    executions: &Repository<Execution, PgEventStore>,
    side: &WriteSide,
) -> anyhow::Result<u64> {
    let (id, new_id) = (ExecutionId(Uuid::now_v7()), || EventId(Uuid::now_v7()));
    let metadata = Metadata::of_request(id.to_string(), "bench");
    let context = Context::new(metadata, &new_id);
    let begun = Instant::now();
    executions.execute(&side.tenant, id.into(), start(id).into(), &context).await?;
    Ok(u64::try_from(begun.elapsed().as_micros())?)
}

/// A client, and the API in this process behind a socket of its own.
struct Http {
    client: Client,
    url: String,
    token: String,
    _served: DropGuard,
}

impl Http {
    async fn serve(
        stack: &str,
        side: &WriteSide,
        executions: Repository<Execution, PgEventStore>,
    ) -> anyhow::Result<Self> {
        let lifetime = std::time::Duration::from_secs(3_600);
        let grant =
            Grant { tenant: side.tenant.clone(), actor: "bench".to_owned(), role: Role::Writer, lifetime };
        let token = crate::token::issue(stack, &grant)?;
        let verifier = Verifier::open(&settings::<AuthConfig>(stack)?).await?;
        let mut config = ApiConfig { api_address: ([127, 0, 0, 1], 0).into(), ..settings(stack)? };
        config.http.api_rate = 1_000_000;
        config.http.api_burst = 1_000_000;
        let api = Api::new(side.store.clone(), verifier, &config, Metrics::default()).aggregate(executions);
        let (server, stop) =
            (Server::bind(config.api_address, &config.http).await?, CancellationToken::new());
        let url = format!("http://{}", server.address()?);
        tokio::spawn(server.serve(api.routes(), stop.clone()));
        Ok(Self { client: Client::new(), url, token, _served: stop.drop_guard() })
    }

    /// Microseconds of one command, to the last byte of its answer.
    async fn command(&self) -> anyhow::Result<u64> {
        let id = ExecutionId(Uuid::now_v7());
        let body = ExecutionCommand::from(start(id));
        let request = self.client.post(format!("{}/v1/executions/{id}/commands", self.url));
        let request = request.bearer_auth(&self.token).json(&body).build()?;
        let begun = Instant::now();
        let answer = self.client.execute(request).await?;
        let (status, text) = (answer.status(), answer.text().await?);
        let took = begun.elapsed();
        anyhow::ensure!(status.is_success(), "the API answered {status}: {text}");
        u64::try_from(took.as_micros()).context("the clock stands")
    }
}
