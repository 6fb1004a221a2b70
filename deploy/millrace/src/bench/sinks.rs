//! How fast a backlog in the topic reaches the views, and what it costs: one projection at a time, into views of its own.

use std::sync::Arc;

use agent_views::{ExecutionsPostgres, ExecutionsRedis};
use anyhow::Context;
use events::{DomainEvent, ExecutionEvent};
use local::{Component, StackArgs, StatusArgs};
use projection::Projection;
use projection_redis::{Reader, RedisConfig};

use super::backlog::{Arrived, BacklogArgs, arrival};
use super::report::{Aim, Figure};
use super::scratch::Scratch;
use super::{Output, cpu, memory};
use crate::chain::{ChainArgs, projector, watermarks};
use crate::role::Role;
use crate::stack_defaults::settings;

#[derive(Debug, clap::Args)]
pub(crate) struct SinksArgs {
    #[command(flatten)]
    backlog: BacklogArgs,
    #[command(flatten)]
    pub(super) output: Output,
}

pub(super) async fn figures(args: &SinksArgs, stack: &str) -> anyhow::Result<Vec<Figure>> {
    let chain: ChainArgs = settings(stack)?;
    let topic = Arc::new(chain.topics.reader()?);
    let events = args.backlog.fill(stack, &topic).await?;

    let scratch = Scratch::create_views(stack).await?;
    let into_postgres = into_postgres(stack, &scratch, events).await;
    scratch.remove()?;
    let mut figures = into_postgres?.figures("sinks.postgres", Aim::AtLeast(80_000.0));
    let partitions = i32::try_from(watermarks(&topic, ExecutionEvent::TOPIC).await?.len())?;
    let into_redis = into_redis(stack, &chain.redis, partitions, events).await;
    figures.extend(into_redis?.figures("sinks.redis", Aim::AtLeast(100_000.0)));
    figures.push(Figure::new("sinks.events", events as f64, "count", Aim::None));
    Ok(figures)
}

/// What a backlog took, from when the first of it was seen.
pub(super) struct Taken {
    arrived: Arrived,
    consumer_cpu_s: f64,
    server_cpu_s: f64,
    rss_mib: f64,
}

impl Taken {
    /// Events a second.
    pub(super) fn rate(&self) -> f64 {
        self.arrived.rate()
    }

    /// Seconds on a core of whoever takes them.
    pub(super) fn consumer_cpu_of_a_million(&self) -> f64 {
        self.consumer_cpu_s / self.millions()
    }

    fn millions(&self) -> f64 {
        self.arrived.events as f64 / 1e6
    }

    pub(super) fn figures(&self, name: &str, aim: Aim) -> Vec<Figure> {
        let figure = |what: &str, value, unit, aim| Figure::new(format!("{name}.{what}"), value, unit, aim);
        let per_million = "s/1M events";
        vec![
            figure("rate", self.rate(), "events/s", aim),
            figure("consumer_cpu", self.consumer_cpu_of_a_million(), per_million, Aim::None),
            figure("server_cpu", self.server_cpu_s / self.millions(), per_million, Aim::None),
            figure("consumer_rss", self.rss_mib, "MiB", Aim::None),
        ]
    }
}

pub(super) async fn into_postgres(stack: &str, scratch: &Scratch, events: u64) -> anyhow::Result<Taken> {
    let url = scratch.url("views_writer");
    let views = scratch.owner().await?;
    let reached = async || -> anyhow::Result<u64> {
        let sql = "select coalesce(sum(next_offset), 0)::bigint from projection_offset";
        let reached: i64 = sqlx::query_scalar(sql).fetch_one(&views).await?;
        Ok(reached.unsigned_abs())
    };
    let mut projector =
        projector(stack, &[ExecutionsPostgres::NAME], &[("MILLRACE_VIEWS_WRITER_URL", &url)])?;
    let taken = take(stack, &mut projector, Component::Postgres, events, reached).await?;
    projector.stop().await?;
    views.close().await;
    Ok(taken)
}

async fn into_redis(stack: &str, redis: &RedisConfig, partitions: i32, events: u64) -> anyhow::Result<Taken> {
    let namespace = format!("bench-{}", uuid::Uuid::now_v7().simple());
    let config = RedisConfig { namespace: Some(namespace.clone()), ..redis.clone() };
    let mut reader = Reader::<ExecutionsRedis>::new(&config, partitions)?;
    let reached = async || -> anyhow::Result<u64> {
        let positions = reader.positions().await?;
        Ok(positions.iter().map(|position| position.next_offset.unsigned_abs()).sum())
    };
    let environment = [("MILLRACE_REDIS_NAMESPACE", namespace.as_str())];
    let mut projector = projector(stack, &[ExecutionsRedis::NAME], &environment)?;
    let taken = take(stack, &mut projector, Component::Redis, events, reached).await;
    projector.stop().await?;
    forget(&config.url, &namespace).await?;
    taken
}

/// Removes every key of a namespace.
async fn forget(url: &str, namespace: &str) -> anyhow::Result<()> {
    let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let mut cursor = 0_u64;
    loop {
        let (next, keys): (u64, Vec<String>) = redis::cmd("SCAN")
            .arg(cursor)
            .arg("MATCH")
            .arg(format!("*{namespace}*"))
            .arg("COUNT")
            .arg(1_000)
            .query_async(&mut connection)
            .await?;
        if !keys.is_empty() {
            redis::cmd("UNLINK").arg(keys).exec_async(&mut connection).await?;
        }
        if next == 0 {
            return Ok(());
        }
        cursor = next;
    }
}

/// Waits until a consumer took everything. Time and cost count from its first flush, less what that brought: how it started is
/// another matter.
pub(super) async fn take(
    stack: &str,
    consumer: &mut Role,
    server: Component,
    events: u64,
    mut reached: impl AsyncFnMut() -> anyhow::Result<u64>,
) -> anyhow::Result<Taken> {
    let server = pid_of(stack, server).await?;
    let pid = consumer.pid().context("the consumer ended")?.as_raw();
    let spent = || anyhow::Ok([cpu::seconds(pid)?, cpu::seconds(server)?]);
    let mut before = None;
    let arrived = arrival("were taken", 0, events, async || {
        consumer.check()?;
        let now = reached().await?;
        if now > 0 && before.is_none() {
            before = Some(spent()?);
        }
        Ok(now)
    });
    let arrived = arrived.await?;
    let (after, before) = (spent()?, before.context("nothing was taken")?);
    Ok(Taken {
        arrived,
        consumer_cpu_s: after[0] - before[0],
        server_cpu_s: after[1] - before[1],
        rss_mib: memory::peak_of(consumer)?,
    })
}

/// The server's process, as the stack knows it.
async fn pid_of(stack: &str, component: Component) -> anyhow::Result<i32> {
    let stack = StackArgs { name: stack.to_owned() };
    let status = local::status(&StatusArgs { stack, json: false }).await?;
    let found = status.components.into_iter().find(|it| it.component == component);
    found.and_then(|it| it.pid).with_context(|| format!("{component} does not run"))
}
