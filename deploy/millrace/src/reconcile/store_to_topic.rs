//! What the store has and the topic lost: found, named, published again.

use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use events::{DomainEvent, EventId, TenantId, each_event_set};
use ledger::{Reconciled, Unpublished};
use serde::Serialize;
use sqlx::PgPool;

use super::ReconcileArgs;
use super::compare::Sides;
use crate::exit::Exit;

/// Events of one transaction: Debezium holds a transaction in memory.
const BATCH: usize = 1000;

#[derive(Debug, Args)]
pub(crate) struct StoreToTopicArgs {
    /// Longest wait for the connector to deliver what is on its way, in seconds
    #[arg(long, default_value_t = 60, value_name = "S")]
    wait_s_max: u64,

    #[command(flatten)]
    args: ReconcileArgs,
}

/// What was found in a topic, and done.
#[derive(Debug, Serialize)]
struct Findings {
    topic: &'static str,
    /// Events that both have.
    common: usize,
    /// Events that are older than what the topic keeps.
    expired: usize,
    unpublished: Vec<Unpublished>,
    published: usize,
}

impl StoreToTopicArgs {
    pub(super) async fn run(&self) -> anyhow::Result<Exit> {
        let store = self.args.store.connect().await?;
        let mut left = 0;
        each_event_set!(E => {
            let findings = self.of_topic::<E>(&store).await?;
            self.print(&findings)?;
            left += findings.unpublished.len() - findings.published;
        });
        Ok(if left > 0 { Exit::Difference } else { Exit::Ok })
    }

    async fn of_topic<E: DomainEvent>(&self, store: &PgPool) -> anyhow::Result<Findings> {
        let mut sides = Sides::default();
        sides.store::<E>(store, 0).await?;
        // What the connector has not read yet is not lost.
        self.delivered(store).await?;
        let reader = self.args.topics.reader()?;
        let Sides { both, horizon, .. } =
            tokio::task::spawn_blocking(move || sides.topic(&reader, E::TOPIC)).await??;
        let Reconciled { common, expired, unpublished, .. } = both.finish(horizon);
        let mut findings = Findings { topic: E::TOPIC, common, expired, unpublished, published: 0 };
        if !self.args.dry_run {
            findings.published = self.publish(&findings.unpublished).await?;
        }
        Ok(findings)
    }

    /// Waits until the slot's reader has everything that the log has by now.
    async fn delivered(&self, store: &PgPool) -> anyhow::Result<()> {
        const PAUSE: Duration = Duration::from_millis(200);
        let now: String =
            sqlx::query_scalar("select pg_current_wal_insert_lsn()::text").fetch_one(store).await?;
        let delivered = async {
            loop {
                let confirmed: Option<bool> =
                    sqlx::query_scalar(include_str!("../../queries/slot_confirmed.sql"))
                        .bind(outbox::SLOT)
                        .bind(&now)
                        .fetch_optional(store)
                        .await?;
                match confirmed {
                    Some(true) => return anyhow::Ok(()),
                    Some(false) => tokio::time::sleep(PAUSE).await,
                    None => bail!("there is no replication slot {}; run `millrace migrate`", outbox::SLOT),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(self.wait_s_max), delivered).await.with_context(|| {
            format!(
                "the connector has not delivered the log up to {now} within {} s; does it run?",
                self.wait_s_max
            )
        })?
    }

    async fn publish(&self, unpublished: &[Unpublished]) -> anyhow::Result<usize> {
        let mut owner = self.args.owner().await?;
        let mut published = 0;
        for (tenant, events) in by_tenant(unpublished) {
            for batch in events.chunks(BATCH) {
                archive::publish_again(&mut owner, &self.args.deed(), &tenant, batch).await?;
                published += batch.len();
            }
        }
        Ok(published)
    }

    fn print(&self, findings: &Findings) -> anyhow::Result<()> {
        if self.args.json {
            println!("{}", serde_json::to_string(findings)?);
            return Ok(());
        }
        let Findings { topic, common, expired, unpublished, published } = findings;
        println!(
            "{topic}: {common} events of the store are there, {expired} are older than it keeps, {} are missing",
            unpublished.len()
        );
        for Unpublished { tenant, aggregate_id, version, event_id, late } in unpublished {
            let late = if *late { "; later ones are there, so its key needs a redrive" } else { "" };
            println!(
                "missing: tenant {tenant}, aggregate {aggregate_id}, version {version}, event {event_id}{late}"
            );
        }
        if !self.args.dry_run {
            println!("{published} events are published again");
        }
        Ok(())
    }
}

/// The events of each tenant, in the order of positions.
fn by_tenant(unpublished: &[Unpublished]) -> Vec<(TenantId, Vec<EventId>)> {
    let mut tenants: Vec<(TenantId, Vec<EventId>)> = vec![];
    for event in unpublished {
        match tenants.iter_mut().find(|(tenant, _)| *tenant == event.tenant) {
            Some((_, events)) => events.push(event.event_id),
            None => tenants.push((event.tenant.clone(), vec![event.event_id])),
        }
    }
    tenants
}
