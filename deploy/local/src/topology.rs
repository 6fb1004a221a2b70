//! How many servers a stack has of what it stores things in.

use clap::ValueEnum;

use crate::{Component, Error, RaiseArgs, Result, StackEnv};

/// Who carries Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum RedisTopology {
    /// One server.
    #[default]
    Single,
    /// A primary and its replica; nobody watches them: a fail-over is the caller's to do.
    Replica,
    /// A cluster of three primaries that share the slots, each with its replica.
    Cluster,
}

/// Who carries Postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum PostgresTopology {
    /// One server.
    #[default]
    Single,
    /// A primary and a standby that streams from it and may be read.
    Replica,
}

/// What a stack consists of: chosen when it is first raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Topology {
    pub(crate) postgres: PostgresTopology,
    pub(crate) redis: RedisTopology,
}

impl Topology {
    /// As a stack's file says; one that says nothing has a server of each.
    pub(crate) fn of(env: &StackEnv) -> Self {
        Self { postgres: recorded(env, POSTGRES), redis: recorded(env, REDIS) }
    }

    /// Writes what the options say into a stack's file, or else that there is one server of each.
    pub(crate) fn record(env: &mut StackEnv, args: &RaiseArgs) -> Result<()> {
        record(env, POSTGRES, args.postgres)?;
        record(env, REDIS, args.redis)
    }

    /// The components, in the order in which they start.
    pub(crate) fn components(self) -> impl Iterator<Item = Component> {
        Component::ALL.into_iter().filter(move |component| match component {
            Component::PostgresReplica => self.postgres == PostgresTopology::Replica,
            Component::Redis2 => self.redis != RedisTopology::Single,
            Component::Redis3 | Component::Redis4 | Component::Redis5 | Component::Redis6 => {
                self.redis == RedisTopology::Cluster
            }
            _ => true,
        })
    }
}

const POSTGRES: &str = "MILLRACE_POSTGRES_TOPOLOGY";
const REDIS: &str = "MILLRACE_REDIS_TOPOLOGY";

fn recorded<T: ValueEnum + Default>(env: &StackEnv, key: &str) -> T {
    env.get(key).and_then(|name| T::from_str(name, false).ok()).unwrap_or_default()
}

fn record<T: ValueEnum + Default + PartialEq>(
    env: &mut StackEnv,
    key: &str,
    wanted: Option<T>,
) -> Result<()> {
    let name = |it: &T| it.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    let is_made = env.get(key).is_some();
    match wanted {
        Some(wanted) if is_made && wanted != recorded(env, key) => {
            Err(Error::Topology { key: key.to_owned(), is: name(&recorded(env, key)), wanted: name(&wanted) })
        }
        wanted => {
            let chosen = name(&wanted.unwrap_or_else(|| recorded(env, key)));
            env.set(key, chosen);
            Ok(())
        }
    }
}
