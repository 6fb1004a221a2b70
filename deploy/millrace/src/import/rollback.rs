//! `millrace import rollback`.

use std::sync::Arc;

use anyhow::{Context, bail};
use chrono::{TimeDelta, Utc};
use event_store::{Deed, PgEventStore};
use events::{TenantId, Timestamp};
use import::{Bookkeeping, Rollback, RolledBack, State};
use mapping::Mapping;
use uuid::Uuid;

use super::target;
use crate::exit::Exit;

/// A run that was heard of within this time may still be at work; it says something each second.
const ALIVE: TimeDelta = TimeDelta::seconds(10);

#[derive(Debug, clap::Args)]
pub(crate) struct RollbackArgs {
    /// The run, as `millrace import status` lists it
    run: Uuid,

    /// Whose it is
    #[arg(long)]
    tenant: TenantId,

    #[command(flatten)]
    deed: Deed,

    /// Say what would be done, change nothing
    #[arg(long)]
    dry_run: bool,

    /// Leave aggregates as they are that others have appended to, and take the rest back
    #[arg(long)]
    keep_changed: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,

    /// The events' database as the role `owner`
    #[arg(long, env = "MILLRACE_EVENTS_OWNER_URL", hide_env_values = true, value_name = "URL")]
    events_owner_url: String,

    #[command(flatten)]
    store: event_store::Config,

    #[command(flatten)]
    registry: wire::RegistryConfig,
}

impl RollbackArgs {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        let books = Bookkeeping::connect(&self.store.events_url, self.tenant.clone()).await?;
        let Some(run) = books.run(self.run).await? else {
            eprintln!("tenant {} has no import {}", self.tenant, self.run);
            return Ok(Exit::NotFound);
        };
        if run.state == State::Running && Utc::now() - run.noted_at < ALIVE {
            bail!("import {} is still at work; end it first", run.run_id);
        }
        let mapping = Mapping::parse(&run.mapping).context("the run's mapping makes no sense any more")?;
        // A rollback reads and writes no personal text.
        let target = target(&mapping.aggregate_type, &wire::Registry::new(&self.registry)?, None).await?;
        let store = Arc::new(PgEventStore::new(self.store.connect().await?));
        let rollback = Rollback::connect(store, target, books, &self.events_owner_url).await?;
        let did = if self.dry_run {
            rollback.plan(&run).await?
        } else {
            let at = Timestamp::from_micros(Utc::now().timestamp_micros());
            let bar = crate::progress::bar(rollback.plan(&run).await?.withdrawn, "aggregates");
            let seen = |withdrawn| bar.set_position(withdrawn);
            let did = rollback.run(&run, &self.deed, self.keep_changed, at, seen).await;
            bar.finish_and_clear();
            did?
        };
        self.print(&did)?;
        Ok(match (did.ended || self.dry_run, did.kept_count) {
            (true, 0) => Exit::Ok,
            (true, _) => Exit::PartlyFailed,
            (false, _) => Exit::Failed,
        })
    }

    fn print(&self, did: &RolledBack) -> anyhow::Result<()> {
        if self.json {
            println!("{}", serde_json::to_string(did)?);
            return Ok(());
        }
        let would = if self.dry_run { "would be " } else { "" };
        println!(
            "{} aggregates of the run: {} {would}withdrawn, {} events {would}pruned, {} left as they are",
            did.aggregates, did.withdrawn, did.events_pruned, did.kept_count
        );
        for kept in &did.kept {
            println!("aggregate {}: {}", kept.aggregate_id, kept.reason);
        }
        if !did.ended && !self.dry_run {
            println!("Nothing was taken back; `--keep-changed` takes back the others.");
        }
        Ok(())
    }
}
