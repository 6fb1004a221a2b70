//! How fast a backlog in the topic reaches the views, and what it costs: one projection at a time, into views of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_views::{ExecutionsPostgres, ExecutionsRedis};
use anyhow::{Context, bail};
use events::{DomainEvent, ExecutionEvent};
use kafka::TopicReader;
use local::{Component, StackArgs, StatusArgs};
use projection::Projection;
use projection_redis::{Reader, RedisConfig};

use super::drain::pile_up_by_turns;
use super::report::{Aim, Figure};
use super::scratch::Scratch;
use super::{Output, cpu, memory};
use crate::chain::{ChainArgs, end_of, watermarks};
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

/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Nothing moved for so long: it never will.
const PATIENCE: Duration = Duration::from_secs(60);

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
    let (mut seen, mut moved) = (has, Instant::now());
    while seen < has + appended {
        tokio::time::sleep(LOOK).await;
        let now = end_of(topic, ExecutionEvent::TOPIC).await?;
        if now > seen {
            (seen, moved) = (now, Instant::now());
        }
        if moved.elapsed() > PATIENCE {
            bail!("{} of {appended} events reached the topic and no more follow", seen - has);
        }
    }
    Ok(seen)
}

/// What a backlog took.
struct Taken {
    events: u64,
    took: Duration,
    consumer_cpu_s: f64,
    server_cpu_s: f64,
    rss_mib: f64,
}

impl Taken {
    fn figures(&self, sink: &str, aim: Aim) -> Vec<Figure> {
        let (events, millions) = (self.events as f64, self.events as f64 / 1e6);
        let figure =
            |what: &str, value, unit, aim| Figure::new(format!("sinks.{sink}.{what}"), value, unit, aim);
        vec![
            figure("rate", events / self.took.as_secs_f64(), "events/s", aim),
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
    let projector = projector(ExecutionsPostgres::NAME, stack, &[("MILLRACE_VIEWS_WRITER_URL", &url)])?;
    let taken = take(stack, projector, Component::Postgres, events, reached).await;
    views.close().await;
    taken
}

async fn into_redis(stack: &str, redis: &RedisConfig, partitions: i32, events: u64) -> anyhow::Result<Taken> {
    let namespace = format!("bench-{}", uuid::Uuid::now_v7().simple());
    let config = RedisConfig { namespace: Some(namespace.clone()), ..redis.clone() };
    let reader = tokio::sync::Mutex::new(Reader::<ExecutionsRedis>::new(&config, partitions)?);
    let reached = async || -> anyhow::Result<u64> {
        let positions = reader.lock().await.positions().await?;
        Ok(positions.iter().map(|position| position.next_offset.unsigned_abs()).sum())
    };
    let environment = [("MILLRACE_REDIS_NAMESPACE", namespace.as_str())];
    let projector = projector(ExecutionsRedis::NAME, stack, &environment)?;
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

fn projector(projection: &str, stack: &str, environment: &[(&str, &str)]) -> anyhow::Result<Role> {
    let logs = local::Stack::open(stack)?.root().join("logs");
    Role::start_with("projector", &[projection], stack, environment, &logs)
}

/// Waits until a projector took everything; the time counts from its first flush, less what that brought.
async fn take(
    stack: &str,
    mut projector: Role,
    server: Component,
    events: u64,
    reached: impl AsyncFn() -> anyhow::Result<u64>,
) -> anyhow::Result<Taken> {
    let server = pid_of(stack, server).await?;
    let (server_before, mut moved, mut seen) = (cpu::seconds(server)?, Instant::now(), 0);
    let mut first = None;
    while seen < events {
        tokio::time::sleep(LOOK).await;
        projector.check()?;
        let now = reached().await?;
        if now > seen {
            first.get_or_insert_with(|| (Instant::now(), now));
            (seen, moved) = (now, Instant::now());
        }
        if moved.elapsed() > PATIENCE {
            bail!("{seen} of {events} events were taken and no more are");
        }
    }
    let (first_at, first_seen) = first.context("there was nothing to take")?;
    let pid = projector.pid().context("the projector ended")?;
    let taken = Taken {
        events: seen - first_seen,
        took: moved.duration_since(first_at),
        consumer_cpu_s: cpu::seconds(pid.as_raw())?,
        server_cpu_s: cpu::seconds(server)? - server_before,
        rss_mib: memory::peak_of(&format!("/proc/{pid}/status"))?,
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
