//! `millrace run parked-api`: what could not be applied, and what to do about it, over HTTP.
//!
//! The same questions and requests as `millrace parked`, with the same answers, for one tenant: a token's. Whoever asks
//! only asks, as there. A redrive, a discard and a repair are written down and answered 202 with the number of the
//! request, which `GET /v1/parked/requests/{id}` follows; keys of many are asked for by the [`Pace`], in whichever
//! process keeps it, so that neither a client nor this role has to live until the end.

mod api;
mod asked;
mod failed;
mod openapi;
mod pace;

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, value_parser};
use http_api::auth::{AuthConfig, Verifier};
use http_api::{HttpConfig, Metrics, Server};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::api::{Api, Events};
use self::pace::Pace;
use crate::exit::Exit;
use crate::parked::preview::LookArgs;
use crate::run::HealthArgs;

/// How often the views' database is asked whether it answers, and how long it may take.
const ASKED_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct ParkedApiArgs {
    #[command(flatten)]
    health: HealthArgs,
    /// Where the API of parked keys listens; port 0: any free one, logged at start
    #[arg(long, env = "MILLRACE_PARKED_ADDRESS", default_value = "127.0.0.1:8182", value_name = "ADDRESS")]
    parked_address: SocketAddr,
    /// Most connections to the views' database at the same time
    #[arg(long, env = "MILLRACE_PARKED_CONNECTIONS_MAX", default_value_t = 8, value_name = "N",
          value_parser = value_parser!(u32).range(1..=1_000))]
    parked_connections_max: u32,
    /// The events' database as the role `auditor`, where repairs find the missing versions; without it there are none
    #[arg(long, env = "MILLRACE_EVENTS_AUDITOR_URL", hide_env_values = true, value_name = "URL")]
    events_auditor_url: Option<String>,
    /// The events' database as the role `owner`, which publishes them again; without it there are no repairs
    #[arg(long, env = "MILLRACE_EVENTS_OWNER_URL", hide_env_values = true, value_name = "URL")]
    events_owner_url: Option<String>,
    #[command(flatten)]
    http: HttpConfig,
    #[command(flatten)]
    auth: AuthConfig,
    #[command(flatten)]
    look: LookArgs,
}

impl ParkedApiArgs {
    /// Serves until told to stop, then finishes what was accepted.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<Exit> {
        let verifier = Verifier::open(&self.auth).await.context("nobody's tokens can be checked")?;
        let views = self.views()?;
        let (metrics, served) = (Metrics::default(), prometheus::Registry::new());
        metrics.register(&served)?;
        let pace = Pace::new(views.clone());
        pace.register(&served)?;
        let server = Server::bind(self.parked_address, &self.http).await;
        let server = server.context("the API of parked keys cannot listen")?;
        tracing::info!(address = %server.address()?, "parked keys are shown");
        let pool = PgPoolOptions::new()
            .max_connections(self.parked_connections_max)
            .acquire_timeout(self.http.answer_max())
            .connect_lazy_with(views);
        let ready = readiness(pool.clone(), stop.clone());
        let events = self.events_auditor_url.zip(self.events_owner_url);
        let events = events.map(|(auditor, owner)| Events { auditor, owner });
        let api = Api::new(pool, self.look, events, verifier, &self.http, metrics)?;
        self.health.serve_when(Arc::new(ready), served, &stop).await?;
        let keeping = tokio::spawn(stop.clone().run_until_cancelled_owned(pace.keep()));
        let cut = server.serve(api.routes(), stop).await;
        keeping.await?;
        Ok(if cut == 0 { Exit::Ok } else { Exit::PartlyFailed })
    }

    /// The views' database, where no statement takes longer than an answer may.
    fn views(&self) -> anyhow::Result<PgConnectOptions> {
        let views = PgConnectOptions::from_str(&self.look.views.views_url);
        let bound = format!("{}ms", self.http.answer_max().as_millis());
        let bounds = [
            ("statement_timeout", bound.as_str()),
            ("lock_timeout", &bound),
            ("idle_in_transaction_session_timeout", &bound),
        ];
        Ok(views
            .context("the views' database has no such URL")?
            .application_name("parked-api")
            .options(bounds))
    }
}

/// Whether questions can be answered just now, and if not, why not.
fn readiness(views: PgPool, stop: CancellationToken) -> impl Fn() -> Result<(), String> + Send + Sync {
    let (tell, told) = watch::channel(Err("the views' database was not asked yet".to_owned()));
    let asking = async move {
        loop {
            let answer = tokio::time::timeout(ASKED_EVERY, sqlx::query("select 1").execute(&views)).await;
            let answer = answer.map_err(|_| "the views' database does not answer in time".to_owned());
            let ready = answer.and_then(|asked| {
                asked.map(drop).map_err(|error| format!("the views' database does not answer: {error}"))
            });
            drop(tell.send_replace(ready));
            tokio::time::sleep(ASKED_EVERY).await;
        }
    };
    tokio::spawn(stop.clone().run_until_cancelled_owned(asking));
    move || if stop.is_cancelled() { Err("shutting down".to_owned()) } else { told.borrow().clone() }
}
