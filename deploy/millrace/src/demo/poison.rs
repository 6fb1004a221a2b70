//! What cannot be applied: a record that is no event, and an event that the projection refuses.

use std::time::{Duration, Instant};

use agent_views::{ExecutionsPostgres, ExecutionsRedis};
use anyhow::{Context, bail};
use clap::Args;
use dead_letters::{EventShown, Filter, Operator, Scope};
use events::{DomainEvent, ExecutionEvent, TenantId};
use kafka::{BrokerConfig, ParkKey, Password};
use ledger::{Kind, Stage};
use projection::Projection;
use rdkafka::producer::{FutureProducer, FutureRecord};
use sqlx::PgPool;

use super::live::Agent;
use super::world::new_event_id;
use super::{World, proof, watch};
use crate::chain::{ChainArgs, projector};
use crate::role::Role;
use crate::stack_defaults::settings;

const PROJECTIONS: [&str; 2] = [ExecutionsPostgres::NAME, ExecutionsRedis::NAME];
const ACTOR: &str = "demo";
const GARBAGE_KEY: &str = "no-execution";
const GARBAGE: &[u8] = b"\x00\x00\x00\x00\x2athis is no event";
/// How long the owner of a partition may take to park, redrive or discard.
const PATIENCE: Duration = Duration::from_secs(30);

/// Both poisons, one after the other.
pub(crate) async fn run(world: &World, tenant: &TenantId, consumer: Role) -> anyhow::Result<Role> {
    let args: ChainArgs = settings(&world.stack)?;
    let views = args.views().await?;
    undecodable(world, &args, &views).await.context("the undecodable record")?;
    refused(world, tenant, &views, consumer).await.context("the refused event")
}

async fn undecodable(world: &World, args: &ChainArgs, views: &PgPool) -> anyhow::Result<()> {
    let (partition, offset) = produce_garbage(&world.stack).await?;
    let key = ParkKey::of(Some(GARBAGE_KEY.as_bytes()));
    for projection in PROJECTIONS {
        let copied = |parked: &[EventShown]| parked.first().is_some_and(|event| event.copied_at.is_some());
        until_parked(views, projection, &key, "parked and copied", copied).await?;
        in_dead_letter_topic(args, projection).await?;
    }
    println!(
        "  an undecodable record at {partition}/{offset} is parked in both sinks and copied to both dead-letter topics"
    );

    let report = crate::verify::report(&world.stack).await?;
    match report.findings.as_slice() {
        [one] if one.kind == Kind::Foreign && one.stage == Stage::Topic && one.offset == Some(offset) => {
            println!("  verify lists it as the one foreign record: {one}");
        }
        _ => bail!(
            "verify should list the record at {partition}/{offset} and nothing else, but says:\n{report}"
        ),
    }

    let mut connection = views.acquire().await?;
    for projection in PROJECTIONS {
        let reason = "sent by the demo; no event of ours";
        Operator::new(&mut connection).discard(projection, &key, Scope::All, true, reason, ACTOR).await?;
        until_free(views, projection, &key).await?;
    }
    println!("  discarded with a reason, which verify now gives:");
    proof::stages_agree(world).await.map(drop)
}

async fn refused(world: &World, tenant: &TenantId, views: &PgPool, consumer: Role) -> anyhow::Result<Role> {
    let (mut held, mut other) = (Agent::new(world, tenant), Agent::new(world, tenant));
    let bad = new_event_id();
    held.start().await?;
    watch::until_drained(&world.chain, 0).await?;

    consumer.stop().await?;
    let told = projector(&world.stack, &[], &[("MILLRACE_REFUSE_EVENTS", &bad.to_string())])?;
    held.call(bad).await?;
    held.tool("grep", 0).await?;
    held.call(new_event_id()).await?;
    other.start().await?;
    other.call(new_event_id()).await?;

    let key = ParkKey::of(Some(held.id.to_string().as_bytes()));
    for projection in PROJECTIONS {
        until_parked(views, projection, &key, "parked with its successors", |parked| parked.len() == 3)
            .await?;
    }
    let standing = watch::until_drained(&world.chain, 3).await?;
    if standing.in_flight() != 3 {
        bail!(
            "3 events should be held back, {} are: the switch or the parking does not hold",
            standing.in_flight()
        );
    }
    println!("  event {bad} is refused: its key waits with 3 events in both sinks, other keys flow");

    told.stop().await?;
    let consumer = projector(&world.stack, &[], &[])?;
    let mut connection = views.acquire().await?;
    let mut operator = Operator::new(&mut connection);
    let mut arriving = 0;
    for projection in PROJECTIONS {
        held.call(new_event_id()).await?;
        operator.redrive(projection, &key, ACTOR).await?;
        for _ in 0..10 {
            held.call(new_event_id()).await?;
            held.tool("ls", 0).await?;
            arriving += 2;
        }
        arriving += 1;
    }
    for projection in PROJECTIONS {
        until_free(views, projection, &key).await?;
    }
    watch::until_drained(&world.chain, 0).await?;
    println!(
        "  the switch is cleared and the key redriven in order while {arriving} live events of it arrived"
    );
    Ok(consumer)
}

/// The user that may write to every topic.
#[derive(Debug, Args)]
struct Admin {
    #[command(flatten)]
    broker: BrokerConfig,
    #[arg(long, env = "MILLRACE_KAFKA_ADMIN_PASSWORD", hide_env_values = true)]
    admin_password: Password,
}

async fn produce_garbage(stack: &str) -> anyhow::Result<(i32, i64)> {
    let admin: Admin = settings(stack)?;
    let mut client = admin.broker.client("admin", Some(&admin.admin_password));
    let producer: FutureProducer = client.set("partitioner", "murmur2_random").set("acks", "all").create()?;
    let record = FutureRecord::to(ExecutionEvent::TOPIC).key(GARBAGE_KEY).payload(GARBAGE);
    let delivery = producer.send(record, PATIENCE).await.map_err(|(error, _)| error)?;
    Ok((delivery.partition, delivery.offset))
}

/// The newest dead letter of the projection has the record's key and bytes.
async fn in_dead_letter_topic(args: &ChainArgs, projection: &str) -> anyhow::Result<()> {
    let (args, topic) = (args.clone(), format!("{projection}.dlq"));
    let last = tokio::task::spawn_blocking(move || -> anyhow::Result<_> {
        let mut last = None;
        args.topics.reader()?.read(&topic, |record| last = Some(record))?;
        last.with_context(|| format!("{topic} is empty"))
    })
    .await??;
    if last.key.as_deref() != Some(GARBAGE_KEY.as_bytes()) || last.payload.as_deref() != Some(GARBAGE) {
        bail!("the dead letter of {projection} is not the record as it was sent: {last:?}");
    }
    Ok(())
}

async fn until_parked(
    views: &PgPool,
    projection: &str,
    key: &ParkKey,
    what: &str,
    is_so: impl Fn(&[EventShown]) -> bool,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut connection = views.acquire().await?;
    loop {
        let parked = Operator::new(&mut connection).show(projection, key, i64::MAX).await.unwrap_or_default();
        if is_so(&parked) {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            bail!(
                "key {key} of {projection} is not {what} after {PATIENCE:?}; {} records are parked",
                parked.len()
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn until_free(views: &PgPool, projection: &str, key: &ParkKey) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut connection = views.acquire().await?;
    loop {
        let keys = Operator::new(&mut connection).list(&Filter::of(projection), i64::MAX).await?;
        let Some(parked) = keys.iter().find(|parked| parked.key() == *key) else { return Ok(()) };
        if begun.elapsed() > PATIENCE {
            bail!(
                "key {key} of {projection} is still {} after {PATIENCE:?}: {}",
                parked.state,
                parked.message
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
