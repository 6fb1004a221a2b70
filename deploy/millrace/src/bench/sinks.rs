//! How fast a backlog in the topic reaches the views, and what it costs: one projection at a time, into views of its own.

use std::sync::Arc;

use agent_views::{ExecutionsPostgres, ExecutionsRedis};
use anyhow::Context;
use events::{DomainEvent, ExecutionEvent};
use kafka::TopicReader;
use local::{Component, StackArgs, StatusArgs};
use projection::Projection;
use projection_redis::{Reader, RedisConfig};

use super::backlog::{Arrived, arrival, pile_up_by_turns};
use super::report::{Aim, Figure};
use super::scratch::Scratch;
use super::{Output, cpu, memory};
use crate::chain::{ChainArgs, end_of, projector, watermarks};
use crate::role::Role;
use crate::stack_defaults::settings;

#[derive(Debug, clap::Args)]
pub(crate) struct SinksArgs {
    /// Events that the topic is to have at least
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Executions whose events take turns in what is appended
    #[arg(long, default_value_t = 20_000)]
    executions: u32,
    #[command(flatten)]
    pub(super) output: Output,
}

pub(super) async fn figures(args: &SinksArgs, stack: &str) -> anyhow::Result<Vec<Figure>> {
    let chain: ChainArgs = settings(stack)?;
    let topic = Arc::new(chain.topics.reader()?);
    let events = fill(args, stack, &topic).await?;

    let scratch = Scratch::create_views(stack).await?;
    let into_postgres = into_postgres(stack, &scratch, events).await;
    scratch.remove()?;
    let mut figures = into_postgres?.figures("postgres", Aim::AtLeast(80_000.0));
    let partitions = i32::try_from(watermarks(&topic, ExecutionEvent::TOPIC).await?.len())?;
    let into_redis = into_redis(stack, &chain.redis, partitions, events).await;
    figures.extend(into_redis?.figures("redis", Aim::AtLeast(100_000.0)));
    figures.push(Figure::new("sinks.events", events as f64, "count", Aim::None));
    Ok(figures)
}

/// Appends what the topic lacks, and waits until it is there; answers what it has.
async fn fill(args: &SinksArgs, stack: &str, topic: &Arc<TopicReader>) -> anyhow::Result<u64> {
    let has = end_of(topic, ExecutionEvent::TOPIC).await?;
    let lacking = args.events.saturating_sub(has);
    let appended = if lacking > 0 { pile_up_by_turns(stack, lacking, args.executions).await? } else { 0 };
    if appended > 0 {
        let end = async || end_of(topic, ExecutionEvent::TOPIC).await;
        arrival("reached the topic", has, has + appended, end).await?;
    }
    Ok(has + appended)
}

/// What a backlog took.
struct Taken {
    events: u64,
    arrived: Arrived,
    consumer_cpu_s: f64,
    server_cpu_s: f64,
    rss_mib: f64,
}

impl Taken {
    fn figures(&self, sink: &str, aim: Aim) -> Vec<Figure> {
        let millions = self.events as f64 / 1e6;
        let figure =
            |what: &str, value, unit, aim| Figure::new(format!("sinks.{sink}.{what}"), value, unit, aim);
        vec![
            figure("rate", self.arrived.rate(), "events/s", aim),
            figure("consumer_cpu", self.consumer_cpu_s / millions, "s/1M events", Aim::None),
            figure("server_cpu", self.server_cpu_s / millions, "s/1M events", Aim::None),
            figure("consumer_rss", self.rss_mib, "MiB", Aim::AtMost(96.0)),
        ]
    }
}

async fn into_postgres(stack: &str, scratch: &Scratch, events: u64) -> anyhow::Result<Taken> {
    let url = scratch.url("views_writer");
    let views = scratch.owner().await?;
    let reached = async || -> anyhow::Result<u64> {
        let sql = "select coalesce(sum(next_offset), 0)::bigint from projection_offset";
        let reached: i64 = sqlx::query_scalar(sql).fetch_one(&views).await?;
        Ok(reached.unsigned_abs())
    };
    let projector = projector(stack, &[ExecutionsPostgres::NAME], &[("MILLRACE_VIEWS_WRITER_URL", &url)])?;
    let taken = take(stack, projector, Component::Postgres, events, reached).await;
    views.close().await;
    taken
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
    let projector = projector(stack, &[ExecutionsRedis::NAME], &environment)?;
    let taken = take(stack, projector, Component::Redis, events, reached).await;
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

/// Waits until a projector took everything; the time counts from its first flush, less what that brought.
async fn take(
    stack: &str,
    mut projector: Role,
    server: Component,
    events: u64,
    mut reached: impl AsyncFnMut() -> anyhow::Result<u64>,
) -> anyhow::Result<Taken> {
    let server = pid_of(stack, server).await?;
    let before = cpu::seconds(server)?;
    let arrived = arrival("were taken", 0, events, async || {
        projector.check()?;
        reached().await
    });
    let arrived = arrived.await?;
    let pid = projector.pid().context("the projector ended")?;
    let taken = Taken {
        events,
        arrived,
        consumer_cpu_s: cpu::seconds(pid.as_raw())?,
        server_cpu_s: cpu::seconds(server)? - before,
        rss_mib: memory::peak_of(&projector)?,
    };
    projector.stop().await?;
    Ok(taken)
}

/// The server's process, as the stack knows it.
async fn pid_of(stack: &str, component: Component) -> anyhow::Result<i32> {
    let stack = StackArgs { name: stack.to_owned() };
    let status = local::status(&StatusArgs { stack, json: false }).await?;
    let found = status.components.into_iter().find(|it| it.component == component);
    found.and_then(|it| it.pid).with_context(|| format!("{component} does not run"))
}
