//! How each component is prepared, probed and settled: the one place that knows them all.

use std::time::Duration;

use crate::connect::{self, Connect};
use crate::kafka::{self, Kafka};
use crate::lock::wanted;
use crate::postgres::{self, Postgres};
use crate::process::Launch;
use crate::redis::{self, Redis};
use crate::registry::{self, Registry};
use crate::{Component, Result, Stack, StackEnv};

/// The program of one component, as it is installed here.
#[derive(Debug, Clone)]
pub(crate) enum Server {
    Postgres(Postgres),
    PostgresReplica(Postgres),
    Redis(Redis, Component),
    Kafka(Kafka),
    Registry(Registry),
    Connect(Connect),
}

impl Server {
    pub(crate) const fn component(&self) -> Component {
        match self {
            Self::Postgres(_) => Component::Postgres,
            Self::PostgresReplica(_) => Component::PostgresReplica,
            Self::Redis(_, node) => *node,
            Self::Kafka(_) => Component::Kafka,
            Self::Registry(_) => Component::Registry,
            Self::Connect(_) => Component::Connect,
        }
    }

    pub(crate) async fn version(&self) -> Result<String> {
        match self {
            Self::Postgres(postgres) | Self::PostgresReplica(postgres) => postgres.version().await,
            Self::Redis(redis, _) => redis.version().await,
            Self::Kafka(_) | Self::Connect(_) => Ok(wanted()["kafka"].version.clone()),
            Self::Registry(_) => Ok(wanted()["registry"].version.clone()),
        }
    }

    /// Writes its configuration, makes its data folder if there is none, and says how to start it.
    pub(crate) async fn prepare(&self, stack: &Stack, env: &StackEnv) -> Result<Launch> {
        match self {
            Self::Postgres(postgres) => postgres.prepare(stack, env).await,
            Self::PostgresReplica(postgres) => postgres.prepare_replica(stack, env).await,
            Self::Redis(redis, node) => redis.prepare(stack, env, *node).await,
            Self::Kafka(kafka) => kafka.prepare(stack, env).await,
            Self::Registry(registry) => registry.prepare(stack, env),
            Self::Connect(connect) => connect.prepare(stack, env),
        }
    }

    /// How long it may take until it answers.
    pub(crate) const fn ready_within(&self) -> Duration {
        match self {
            Self::Postgres(_) | Self::PostgresReplica(_) => postgres::READY_WITHIN,
            Self::Redis(..) => redis::READY_WITHIN,
            Self::Kafka(_) => kafka::READY_WITHIN,
            Self::Registry(_) => registry::READY_WITHIN,
            Self::Connect(_) => connect::READY_WITHIN,
        }
    }

    /// What has to be there before anybody uses it; repeated at each `up`.
    pub(crate) async fn settle(&self, stack: &Stack, env: &StackEnv) -> Result<()> {
        match self {
            Self::Postgres(postgres) => postgres.settle(stack, env).await,
            Self::Registry(_) => Registry::settle(env).await,
            Self::PostgresReplica(_) | Self::Redis(..) | Self::Kafka(_) | Self::Connect(_) => Ok(()),
        }
    }
}

/// One try whether a component answers.
pub(crate) async fn answers(stack: &Stack, env: &StackEnv, component: Component) -> Result<()> {
    match component {
        Component::Postgres | Component::PostgresReplica => Postgres::probe(stack, env, component).await,
        Component::Kafka => Kafka::probe(env).await,
        Component::Registry => Registry::probe(env).await,
        Component::Connect => Connect::probe(env).await,
        node => Redis::probe(env, node).await,
    }
}
