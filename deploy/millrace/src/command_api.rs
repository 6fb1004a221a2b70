//! `millrace run command-api`: commands over HTTP.

use std::sync::Arc;
use std::time::Duration;

use agents::each_aggregate;
use anyhow::Context;
use clap::Args;
use command_api::auth::{AuthConfig, Verifier};
use command_api::openapi::Description;
use command_api::{Api, ApiConfig, Metrics, Server};
use event_store::{Codec, Keyring, PgEventStore, Repository};
use events::DomainEvent;
use tokio_util::sync::CancellationToken;

use crate::exit::Exit;
use crate::run::HealthArgs;

/// How often the store is asked whether it answers, and how long it may take.
const ASKED_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct CommandApiArgs {
    #[command(flatten)]
    health: HealthArgs,
    #[command(flatten)]
    api: ApiConfig,
    #[command(flatten)]
    auth: AuthConfig,
    #[command(flatten)]
    store: event_store::Config,
    #[command(flatten)]
    registry: wire::RegistryConfig,
    #[command(flatten)]
    keys: event_store::KeyringConfig,
}

impl CommandApiArgs {
    /// Serves until told to stop, then finishes what was accepted.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<Exit> {
        let verifier = Verifier::open(&self.auth)
            .await
            .context("nobody's tokens can be checked (on a local stack `millrace token` makes the keys)")?;
        let connections = self.store.connect().await?;
        let keyring = crate::keys::keyring(&self.keys, &connections)?;
        let store = PgEventStore::new(connections);
        let registry = wire::Registry::new(&self.registry)?;
        let (metrics, served) = (Metrics::default(), prometheus::Registry::new());
        metrics.register(&served)?;
        command_api::serve_usage(store.clone(), &served)?;
        let api =
            aggregates(Api::new(store.clone(), verifier, &self.api, metrics), &store, &registry, keyring)
                .await?;
        let server = Server::bind(&self.api).await.context("the command API cannot listen")?;
        tracing::info!(address = %server.address()?, "commands are taken");
        let readiness = command_api::readiness(store, ASKED_EVERY, stop.clone());
        self.health.serve_when(Arc::new(readiness), served, &stop).await?;
        let cut = server.serve(api.routes(), stop).await;
        Ok(if cut == 0 { Exit::Ok } else { Exit::PartlyFailed })
    }
}

/// The API with all aggregates of this program.
async fn aggregates(
    mut api: Api<PgEventStore>,
    store: &PgEventStore,
    registry: &wire::Registry,
    keyring: Option<Arc<Keyring>>,
) -> anyhow::Result<Api<PgEventStore>> {
    each_aggregate!(A => { api = api.aggregate(kept::<A>(store, registry, &keyring).await?) });
    Ok(api)
}

/// `millrace openapi`: the API's description, as it serves it.
pub(crate) fn print_description() -> Exit {
    let mut description = Description::default();
    each_aggregate!(A => { description = description.aggregate::<A>() });
    println!("{:#}", description.document());
    Exit::Ok
}

async fn kept<A: aggregate::Aggregate>(
    store: &PgEventStore,
    registry: &wire::Registry,
    keyring: &Option<Arc<Keyring>>,
) -> anyhow::Result<Repository<A, PgEventStore>>
where
    A::Rejection: 'static,
{
    let codec = Codec::prepare(registry).await;
    let codec =
        codec.with_context(|| format!("the events of {} cannot be written", A::Event::AGGREGATE_TYPE))?;
    Ok(Repository::new(store.clone(), codec.with_keyring(keyring.clone())))
}
