//! How each component is prepared, probed and settled: the one place that knows all five.

use std::path::PathBuf;
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
    Redis(Redis),
    Kafka(Kafka),
    Registry(Registry),
    Connect(Connect),
}

impl Server {
    pub(crate) const fn component(&self) -> Component {
        match self {
            Self::Postgres(_) => Component::Postgres,
            Self::Redis(_) => Component::Redis,
            Self::Kafka(_) => Component::Kafka,
            Self::Registry(_) => Component::Registry,
            Self::Connect(_) => Component::Connect,
        }
    }

    /// The program that its processes run.
    pub(crate) fn program(&self) -> PathBuf {
        match self {
            Self::Postgres(postgres) => postgres.program(),
            Self::Redis(redis) => redis.program(),
            Self::Kafka(kafka) => kafka.program(),
            Self::Registry(registry) => registry.program(),
            Self::Connect(connect) => connect.program(),
        }
    }

    pub(crate) async fn version(&self) -> Result<String> {
        match self {
            Self::Postgres(postgres) => postgres.version().await,
            Self::Redis(redis) => redis.version().await,
            Self::Kafka(_) | Self::Connect(_) => Ok(wanted()["kafka"].version.clone()),
            Self::Registry(_) => Ok(wanted()["registry"].version.clone()),
        }
    }

    /// Writes its configuration, makes its data folder if there is none, and says how to start it.
    pub(crate) async fn prepare(&self, stack: &Stack, env: &StackEnv) -> Result<Launch> {
        match self {
            Self::Postgres(postgres) => postgres.prepare(stack, env).await,
            Self::Redis(redis) => redis.prepare(stack, env),
            Self::Kafka(kafka) => kafka.prepare(stack, env).await,
            Self::Registry(registry) => registry.prepare(stack, env),
            Self::Connect(connect) => connect.prepare(stack, env),
        }
    }

    /// One try whether it answers.
    pub(crate) async fn probe(&self, stack: &Stack, env: &StackEnv) -> Result<()> {
        match self {
            Self::Postgres(postgres) => postgres.probe(stack, env).await,
            Self::Redis(_) => Redis::probe(env).await,
            Self::Kafka(_) => Kafka::probe(env).await,
            Self::Registry(_) => Registry::probe(env).await,
            Self::Connect(_) => Connect::probe(env).await,
        }
    }

    /// How long it may take until it answers.
    pub(crate) const fn ready_within(&self) -> Duration {
        match self {
            Self::Postgres(_) => postgres::READY_WITHIN,
            Self::Redis(_) => redis::READY_WITHIN,
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
            Self::Redis(_) | Self::Kafka(_) | Self::Connect(_) => Ok(()),
        }
    }
}
