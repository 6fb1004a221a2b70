//! `millrace store remove-tenant`: a tenant goes, in two steps.

use std::collections::BTreeMap;

use anyhow::Context;
use chrono::Utc;
use clap::{Args, Subcommand};
use event_store::{Codec, Deed, NewEvent, PgEventStore};
use events::{DomainEvent, EventId, Metadata, TenantId, Timestamp};
use life_cycle::Stream;
use uuid::Uuid;

use super::StewardArgs;
use crate::exit::Exit;

/// First everything is withdrawn, so that topics and views drop it; once that was delivered it is purged.
#[derive(Debug, Subcommand)]
pub(crate) enum RemoveTenantCommand {
    /// Stop the tenant's appends, withdraw its streams, destroy the keys of its data subjects
    Withdraw(WithdrawArgs),
    /// Remove every row of a tenant that was withdrawn; what says that it was there stays
    Purge(PurgeArgs),
    /// How far a removal is
    Status(StatusArgs),
}

#[derive(Debug, Args)]
pub(crate) struct Whom {
    /// The tenant; its name is not used again
    #[arg(long)]
    tenant: TenantId,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    store: StewardArgs,
}

#[derive(Debug, Args)]
pub(crate) struct WithdrawArgs {
    #[command(flatten)]
    whom: Whom,

    #[command(flatten)]
    deed: Deed,

    /// Say what would be withdrawn, and change nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    appends: event_store::Config,

    #[command(flatten)]
    registry: wire::RegistryConfig,
}

#[derive(Debug, Args)]
pub(crate) struct PurgeArgs {
    #[command(flatten)]
    whom: Whom,

    #[command(flatten)]
    deed: Deed,

    /// Say what would be purged and whether it may be, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Purge though it is not proved that the withdrawals were delivered: whoever has not read them keeps the rows
    #[arg(long)]
    undelivered: bool,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    whom: Whom,
}

impl RemoveTenantCommand {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Withdraw(args) => args.run().await,
            Self::Purge(args) => args.run().await,
            Self::Status(args) => args.run().await,
        }
    }
}

impl WithdrawArgs {
    async fn run(self) -> anyhow::Result<Exit> {
        let Whom { tenant, json, store } = self.whom;
        let steward = store.steward().await?;
        let withdrawn = if self.dry_run {
            steward.preview_removal(&tenant).await?
        } else {
            let writers = writers(&wire::Registry::new(&self.registry)?, &self.deed).await?;
            let withdrawal = |stream: &Stream| match writers.get(stream.aggregate_type.as_str()) {
                Some(write) => write(stream),
                None => Err(format!("this program knows no aggregates of type {:?}", stream.aggregate_type)),
            };
            let appending = PgEventStore::new(self.appends.connect().await?);
            steward.withdraw_tenant(&tenant, &appending, withdrawal, &self.deed).await?
        };
        let would = if self.dry_run { "would be " } else { "" };
        if json {
            println!("{}", serde_json::to_string(&withdrawn)?);
        } else {
            println!(
                "{} streams of tenant {tenant} {would}withdrawn, {} keys {would}destroyed; it has {} events",
                withdrawn.streams, withdrawn.keys, withdrawn.events
            );
        }
        Ok(Exit::Ok)
    }
}

impl PurgeArgs {
    async fn run(self) -> anyhow::Result<Exit> {
        let Whom { tenant, json, store } = self.whom;
        let steward = store.steward().await?;
        if self.dry_run {
            let found = steward.preview_removal(&tenant).await?;
            let removal = steward.removal(&tenant).await?;
            let may = removal.as_ref().is_some_and(|it| it.withdrawn_at.is_some())
                && (self.undelivered || removal.is_some_and(|it| it.delivered));
            if json {
                println!(
                    "{}",
                    serde_json::json!({ "streams": found.streams, "events": found.events, "may_be_purged": may })
                );
            } else {
                let may = if may { "may be purged" } else { "may not be purged yet" };
                println!("{} events of {} streams of tenant {tenant} {may}", found.events, found.streams);
            }
            return Ok(if may { Exit::Ok } else { Exit::Failed });
        }
        let purged = steward.purge_tenant(&tenant, self.undelivered, &self.deed).await?;
        if json {
            println!("{}", serde_json::to_string(&purged)?);
            return Ok(Exit::Ok);
        }
        println!("{} events of {} streams of tenant {tenant} purged", purged.events, purged.streams);
        for (table, rows) in purged.rows {
            println!("  {rows} rows of {table}");
        }
        Ok(Exit::Ok)
    }
}

impl StatusArgs {
    async fn run(self) -> anyhow::Result<Exit> {
        let Whom { tenant, json, store } = self.whom;
        let Some(removal) = store.steward().await?.removal(&tenant).await? else {
            eprintln!("nobody has begun to remove tenant {tenant}");
            return Ok(Exit::NotFound);
        };
        if json {
            println!("{}", serde_json::to_string(&removal)?);
            return Ok(Exit::Ok);
        }
        println!("begun at {} by {}: {}", removal.begun_at, removal.actor, removal.reason);
        let delivered = if removal.delivered { "delivered" } else { "not delivered yet" };
        match (removal.withdrawn_at, removal.purged_at) {
            (_, Some(at)) => println!("purged at {at}"),
            (Some(at), None) => println!("withdrawn at {at}, {delivered}"),
            (None, None) => println!("not withdrawn to the end; do it again"),
        }
        Ok(Exit::Ok)
    }
}

/// Writes a stream's withdrawal.
type Write = Box<dyn Fn(&Stream) -> Result<NewEvent, String>>;

/// Who writes the withdrawals of each type of aggregate.
async fn writers(registry: &wire::Registry, deed: &Deed) -> anyhow::Result<BTreeMap<&'static str, Write>> {
    let metadata = Metadata::of_request(format!("remove-tenant-{}", Uuid::now_v7()), &deed.actor);
    let at = Timestamp::from_micros(Utc::now().timestamp_micros());
    let mut writers: BTreeMap<&'static str, Write> = BTreeMap::new();
    events::each_event_set!(E => {
        let codec = Codec::<E>::prepare(registry).await;
        let codec = codec.with_context(|| format!("withdrawals of {} cannot be written", E::AGGREGATE_TYPE))?;
        let (metadata, reason) = (metadata.clone(), deed.reason.clone());
        let write = move |stream: &Stream| {
            let event = E::withdrawn(stream.aggregate_id, at, reason.clone());
            let written = codec.unsealed(&event, EventId(Uuid::now_v7()), metadata.clone());
            written.map_err(|error| error.to_string())
        };
        writers.insert(E::AGGREGATE_TYPE, Box::new(write));
    });
    Ok(writers)
}
