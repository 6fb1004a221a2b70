//! What the store has and the topic lost: found, named, published again.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use event_store::Deed;
use events::{DomainEvent, EventId, TenantId, each_event_set};
use ledger::{Reconciled, Unpublished};
use serde::Serialize;
use sqlx::{FromRow, PgConnection, PgPool};

use super::compare::Sides;
use super::{ReconcileArgs, connected};
use crate::chain::TopicsReadArgs;
use crate::exit::Exit;

/// Events of one transaction: Debezium holds a transaction in memory.
const BATCH: usize = 1000;

#[derive(Debug, Args)]
pub(crate) struct StoreToTopicArgs {
    /// Longest wait for the connector to deliver what is on its way, in seconds; 0 is for dry runs while it is stopped, and
    /// takes what is on its way for missing
    #[arg(long, default_value_t = 60, value_name = "S")]
    wait_s_max: u64,

    /// Publish also what `millrace connect skip` let by, once whatever stopped it can pass
    #[arg(long)]
    skipped: bool,

    #[command(flatten)]
    args: ReconcileArgs,
}

/// The comparison of every topic with the store, and its repair.
#[derive(Debug, Clone)]
pub(crate) struct StoreToTopic {
    pub(crate) store: event_store::AuditConfig,
    pub(crate) topics: TopicsReadArgs,
    pub(crate) events_owner_url: String,
    /// Longest wait for the connector to deliver what is on its way; zero takes that for missing where nothing is repaired.
    pub(crate) wait_max: Duration,
    /// Whether rows that were let by count as missing: published again as they are, they would stop the connector again.
    pub(crate) with_skipped: bool,
    /// Who repairs and why; `None`: nothing is repaired.
    pub(crate) repair: Option<Deed>,
}

/// What was found in a topic, and done.
#[derive(Debug, Serialize)]
pub(crate) struct Findings {
    pub(crate) topic: &'static str,
    /// Events that both have.
    common: usize,
    /// Events that are older than what the topic keeps.
    expired: usize,
    /// Events whose rows a person let by.
    skipped: usize,
    unpublished: Vec<Unpublished>,
    pub(crate) published: usize,
}

impl Findings {
    /// Events that the topic lacks.
    pub(crate) fn missing(&self) -> usize {
        self.unpublished.len() - self.published
    }
}

impl StoreToTopicArgs {
    pub(super) async fn run(&self) -> anyhow::Result<Exit> {
        let Self { wait_s_max, skipped, args } = self;
        let comparison = StoreToTopic {
            store: args.store.clone(),
            topics: args.topics.clone(),
            events_owner_url: args.repair.events_owner_url.clone(),
            wait_max: Duration::from_secs(*wait_s_max),
            with_skipped: *skipped,
            repair: (!args.repair.dry_run).then(|| args.repair.deed()),
        };
        let mut left = 0;
        for findings in comparison.run().await? {
            self.print(&findings)?;
            left += findings.missing();
        }
        Ok(if left > 0 { Exit::Difference } else { Exit::Ok })
    }

    fn print(&self, findings: &Findings) -> anyhow::Result<()> {
        if self.args.repair.json {
            println!("{}", serde_json::to_string(findings)?);
            return Ok(());
        }
        let Findings { topic, common, expired, skipped, unpublished, published } = findings;
        println!(
            "{topic}: {common} events of the store are there, {expired} are older than it keeps, {skipped} were let by, \
             {} are missing",
            unpublished.len()
        );
        for Unpublished { tenant, aggregate_id, version, event_id, late } in unpublished {
            let late = if *late { "; later ones are there, so its key needs a redrive" } else { "" };
            println!(
                "missing: tenant {tenant}, aggregate {aggregate_id}, version {version}, event {event_id}{late}"
            );
        }
        if !self.args.repair.dry_run {
            println!("{published} events are published again");
        }
        Ok(())
    }
}

/// What is true of the slot whose reader delivers.
#[derive(FromRow)]
struct Reading {
    confirmed: bool,
    lost: bool,
}

impl StoreToTopic {
    /// Compares, and repairs where that is wanted. What the connector has not read yet is not lost, so it is waited for:
    /// once, behind all that is read of the store.
    pub(crate) async fn run(&self) -> anyhow::Result<Vec<Findings>> {
        let store = self.store.connect().await?;
        let mut stored = vec![];
        each_event_set!(E => {
            let mut sides = Sides::default();
            sides.store::<E>(&store, 0).await?;
            stored.push((<E as DomainEvent>::TOPIC, sides));
        });
        self.delivered(&store).await?;
        let let_by = match self.with_skipped {
            true => HashSet::new(),
            false => let_by(&store).await?,
        };
        let mut findings = vec![];
        for (topic, sides) in stored {
            findings.push(self.of_topic(&let_by, topic, sides).await?);
        }
        Ok(findings)
    }

    async fn of_topic(
        &self,
        let_by: &HashSet<EventId>,
        topic: &'static str,
        sides: Sides,
    ) -> anyhow::Result<Findings> {
        let reader = self.topics.reader()?;
        let Sides { both, horizon, .. } =
            tokio::task::spawn_blocking(move || sides.topic(&reader, topic)).await??;
        let Reconciled { common, expired, mut unpublished, .. } = both.finish(horizon);
        let lacking = unpublished.len();
        unpublished.retain(|event| !let_by.contains(&event.event_id));
        let skipped = lacking - unpublished.len();
        let mut findings = Findings { topic, common, expired, skipped, unpublished, published: 0 };
        if let Some(deed) = &self.repair {
            findings.published = self.publish(deed, &findings.unpublished).await?;
        }
        Ok(findings)
    }

    /// Waits until the slot's reader has everything that the log has by now. Where the slot is gone or lost nothing is on
    /// its way any more: what is missing can be counted then, but would be lost again if it was published.
    async fn delivered(&self, store: &PgPool) -> anyhow::Result<()> {
        const PAUSE: Duration = Duration::from_millis(200);
        if self.repair.is_none() && self.wait_max.is_zero() {
            return Ok(());
        }
        let now: String =
            sqlx::query_scalar("select pg_current_wal_insert_lsn()::text").fetch_one(store).await?;
        let delivered = async {
            loop {
                let reading: Option<Reading> =
                    sqlx::query_as(include_str!("../../queries/slot_confirmed.sql"))
                        .bind(outbox::SLOT)
                        .bind(&now)
                        .fetch_optional(store)
                        .await?;
                match reading {
                    Some(Reading { lost: false, confirmed: true }) => return anyhow::Ok(()),
                    Some(Reading { lost: false, .. }) => tokio::time::sleep(PAUSE).await,
                    _ if self.repair.is_none() => return Ok(()),
                    Some(_) => {
                        bail!("replication slot {} is lost; drop it and run `millrace migrate`", outbox::SLOT)
                    }
                    None => bail!("there is no replication slot {}; run `millrace migrate`", outbox::SLOT),
                }
            }
        };
        tokio::time::timeout(self.wait_max, delivered).await.with_context(|| {
            format!(
                "the connector has not delivered the log up to {now} within {} s; does it run?",
                self.wait_max.as_secs()
            )
        })?
    }

    async fn publish(&self, deed: &Deed, unpublished: &[Unpublished]) -> anyhow::Result<usize> {
        let mut owner = connected(&self.events_owner_url).await?;
        publish_again(&mut owner, deed, unpublished.iter().map(|event| (&event.tenant, event.event_id))).await
    }
}

/// Publishes events once more, those of each tenant in the order in which they are given. Answers how many.
pub(super) async fn publish_again<'e>(
    owner: &mut PgConnection,
    deed: &Deed,
    events: impl Iterator<Item = (&'e TenantId, EventId)>,
) -> anyhow::Result<usize> {
    let mut tenants: Vec<(&TenantId, Vec<EventId>)> = vec![];
    for (of, event_id) in events {
        match tenants.iter_mut().find(|(tenant, _)| *tenant == of) {
            Some((_, events)) => events.push(event_id),
            None => tenants.push((of, vec![event_id])),
        }
    }
    let mut published = 0;
    for (tenant, events) in tenants {
        for batch in events.chunks(BATCH) {
            archive::publish_again(owner, deed, tenant, batch).await?;
            published += batch.len();
        }
    }
    Ok(published)
}

/// The events whose rows a person let by.
pub(super) async fn let_by(store: &PgPool) -> anyhow::Result<HashSet<EventId>> {
    let skips = outbox::skips(&mut *store.acquire().await?).await?;
    Ok(skips.into_iter().map(|skip| EventId(skip.event_id)).collect())
}
