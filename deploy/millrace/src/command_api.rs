//! `millrace run command-api`: commands over HTTP.

use std::sync::Arc;
use std::time::Duration;

use agents::each_aggregate;
use anyhow::Context;
use clap::Args;
use command_api::openapi::Description;
use command_api::{Api, ApiConfig};
use event_store::{Codec, Keyring, PgEventStore, Repository, SnapshotConfig, SnapshotMetrics};
use events::DomainEvent;
use http_api::auth::{AuthConfig, Verifier};
use http_api::{Metrics, Server};
use tokio_util::sync::CancellationToken;

use crate::exit::Exit;
use crate::run::HealthArgs;

/// How often the store is asked whether it answers, and how long it may take.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// How often readers that follow the store are told of appends at most.
const TOLD_EVERY: Duration = Duration::from_millis(20);

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
    #[command(flatten)]
    snapshots: event_store::SnapshotArgs,
}

impl CommandApiArgs {
    /// Serves until told to stop, then finishes what was accepted.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<Exit> {
        let verifier = Verifier::open(&self.auth).await.context("nobody's tokens can be checked")?;
        let connections = self.store.connect().await?;
        let keyring = crate::keys::keyring(&self.keys, &connections)?;
        let store = PgEventStore::telling(connections, TOLD_EVERY);
        let registry = wire::Registry::new(&self.registry)?;
        let (metrics, served) = (Metrics::default(), prometheus::Registry::new());
        metrics.register(&served)?;
        command_api::serve_usage(store.clone(), &served)?;
        let keeping = Keeping {
            store: &store,
            registry: &registry,
            keyring,
            served: &served,
            snapshots: (&self.snapshots).into(),
        };
        let api = keeping.aggregates(Api::new(store.clone(), verifier, &self.api, metrics)).await?;
        let server = Server::bind(self.api.api_address, &self.api.http).await;
        let server = server.context("the command API cannot listen")?;
        tracing::info!(address = %server.address()?, "commands are taken");
        let readiness = command_api::readiness(store, ASKED_EVERY, stop.clone());
        self.health.serve_when(Arc::new(readiness), served, &stop).await?;
        let cut = server.serve(api.routes(), stop).await;
        Ok(if cut == 0 { Exit::Ok } else { Exit::PartlyFailed })
    }
}

/// What the aggregates are kept with.
struct Keeping<'a> {
    store: &'a PgEventStore,
    registry: &'a wire::Registry,
    keyring: Option<Arc<Keyring>>,
    served: &'a prometheus::Registry,
    snapshots: SnapshotConfig,
}

impl Keeping<'_> {
    /// The API with all aggregates of this program.
    async fn aggregates(&self, mut api: Api<PgEventStore>) -> anyhow::Result<Api<PgEventStore>> {
        each_aggregate!(A => { api = api.aggregate(self.kept::<A>().await?) });
        Ok(api)
    }

    async fn kept<A>(&self) -> anyhow::Result<Repository<A, PgEventStore>>
    where
        A: aggregate::Snapshot + std::fmt::Debug,
        A::Rejection: 'static,
    {
        let aggregate_type = A::Event::AGGREGATE_TYPE;
        let codec = Codec::prepare(self.registry).await;
        let codec = codec.with_context(|| format!("the events of {aggregate_type} cannot be written"))?;
        let metrics = SnapshotMetrics::new(aggregate_type);
        metrics.register(self.served)?;
        let repository = Repository::new(self.store.clone(), codec.with_keyring(self.keyring.clone()));
        Ok(repository.with_snapshots(&self.snapshots, metrics))
    }
}

/// `millrace openapi`: the API's description, as it serves it.
pub(crate) fn print_description() -> Exit {
    let mut description = Description::default();
    each_aggregate!(A => { description = description.aggregate::<A>() });
    println!("{:#}", description.document());
    Exit::Ok
}
