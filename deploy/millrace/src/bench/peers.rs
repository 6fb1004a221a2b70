//! The project's projector and Debezium's JDBC sink, one after the other from the same topic into the same server.
//!
//! They do not do the same. The sink keeps the last event of each key: it adds nothing up, has no version to tell a late copy by,
//! and commits its offsets to Kafka after the rows. The projector folds events into rows and totals, gated by version, with the
//! offsets in the same transaction.

use std::sync::Arc;

use anyhow::Context;
use events::{DomainEvent, ExecutionEvent};
use local::{Component, Peer, Stack};
use sqlx::Executor;

use super::Output;
use super::backlog::BacklogArgs;
use super::report::{Aim, Figure};
use super::scratch::Scratch;
use super::sinks::{Taken, into_postgres, take};
use crate::chain::ChainArgs;
use crate::role::Role;
use crate::stack_defaults::settings;

#[derive(Debug, clap::Args)]
pub(crate) struct PeersArgs {
    #[command(flatten)]
    backlog: BacklogArgs,
    #[command(flatten)]
    pub(super) output: Output,
}

pub(super) async fn figures(args: &PeersArgs, stack: &str) -> anyhow::Result<Vec<Figure>> {
    let chain: ChainArgs = settings(stack)?;
    let topic = Arc::new(chain.topics.reader()?);
    let events = args.backlog.fill(stack, &topic).await?;
    let scratch = Scratch::create_views(stack).await?;
    let ours = into_postgres(stack, &scratch, events).await;
    let theirs = by_jdbc_sink(stack, &scratch, &chain, events).await;
    scratch.remove()?;
    let (ours, theirs) = (ours?, theirs?);
    let mut figures = ours.figures("peers.millrace", Aim::AtLeast(80_000.0));
    figures.extend(theirs.figures("peers.jdbc_sink", Aim::None));
    let cost = theirs.consumer_cpu_of_a_million() / ours.consumer_cpu_of_a_million();
    figures.extend([
        Figure::new("peers.ratio.rate", ours.rate() / theirs.rate(), "times", Aim::AtLeast(2.0)),
        Figure::new("peers.ratio.events_per_consumer_cpu", cost, "times", Aim::AtLeast(5.0)),
        Figure::new("peers.events", events as f64, "count", Aim::None),
    ]);
    Ok(figures)
}

async fn by_jdbc_sink(
    stack: &str,
    scratch: &Scratch,
    chain: &ChainArgs,
    events: u64,
) -> anyhow::Result<Taken> {
    let owner = scratch.owner().await?;
    owner.execute(include_str!("../../queries/bench_peer_create.sql")).await?;
    owner.close().await;
    let url = reqwest::Url::parse(&scratch.url("owner"))?;
    let group = format!("verify-peer-{}", uuid::Uuid::now_v7().simple());
    let peer = Peer {
        group: &group,
        topic: ExecutionEvent::TOPIC,
        database: (
            url.host_str().context("the database has no host")?,
            url.port().context("the database has no port")?,
            url.path().trim_start_matches('/'),
        ),
        user: (url.username(), url.password().unwrap_or_default()),
        table: "peer_execution",
        key: "execution_id",
    };
    let stack_of = Stack::open(stack)?;
    let command = peer.command(&stack_of).await?;
    let mut worker = Role::run("jdbc-sink", command, &stack_of.root().join("logs"))?;
    let reader = Arc::new(chain.topics.reader_as(&group)?);
    let reached = async || {
        let reader = Arc::clone(&reader);
        let committed = tokio::task::spawn_blocking(move || reader.committed(ExecutionEvent::TOPIC));
        anyhow::Ok(committed.await??)
    };
    let taken = take(stack, &mut worker, Component::Postgres, events, reached).await;
    worker.kill().await?;
    taken
}
