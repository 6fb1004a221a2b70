//! `millrace snapshots`: what is kept, and keeping house.

use agents::each_aggregate;
use aggregate::{Aggregate, Snapshot};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use comfy_table::Table;
use event_store::{
    Codec, EventStore, PgEventStore, Repository, SnapshotFacts, SnapshotKeeper, SnapshotTotals,
};
use events::{AggregateId, DomainEvent, TenantId};
use sqlx::PgPool;

use crate::exit::Exit;

/// States of aggregates, kept so that not their whole history has to be folded. All of it may be dropped at any time.
#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotsCommand {
    /// Stored snapshots, newest first
    List(ListArgs),
    /// How many there are and how much they take, by tenant, kind and shape
    Stats(StatsArgs),
    /// Take one of an aggregate now
    Take(TakeArgs),
    /// Delete those of some aggregates, or all of a tenant
    Drop(DropArgs),
    /// Delete all but the newest of each aggregate
    Clean(CleanArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Of this aggregate only
    aggregate: Option<AggregateId>,
    /// Of this tenant only
    #[arg(long)]
    tenant: Option<TenantId>,
    /// At most so many
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    auditor: event_store::AuditConfig,
}

#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    /// Of this tenant only
    #[arg(long)]
    tenant: Option<TenantId>,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    auditor: event_store::AuditConfig,
}

#[derive(Debug, Args)]
pub(crate) struct TakeArgs {
    /// The execution
    aggregate: AggregateId,
    /// Whose it is
    #[arg(long)]
    tenant: TenantId,
    /// How many to keep of this aggregate and shape, the newest
    #[arg(long, default_value_t = 2)]
    keep: u16,
    #[command(flatten)]
    store: event_store::Config,
    #[command(flatten)]
    registry: wire::RegistryConfig,
}

#[derive(Debug, Args)]
pub(crate) struct OwnerArgs {
    /// The events' database as the role `owner`
    #[arg(long, env = "MILLRACE_EVENTS_OWNER_URL", hide_env_values = true, value_name = "URL")]
    events_owner_url: String,
}

#[derive(Debug, Args)]
pub(crate) struct DropArgs {
    /// Which aggregates
    #[arg(required_unless_present = "all")]
    aggregates: Vec<AggregateId>,
    /// Whose they are
    #[arg(long)]
    tenant: TenantId,
    /// All of the tenant's
    #[arg(long, conflicts_with = "aggregates")]
    all: bool,
    #[command(flatten)]
    owner: OwnerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CleanArgs {
    /// How many to keep of each aggregate, the newest
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    keep: u16,
    #[command(flatten)]
    owner: OwnerArgs,
}

impl SnapshotsCommand {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::List(args) => {
                let keeper = SnapshotKeeper::new(args.auditor.connect().await?);
                list(&keeper.list(args.tenant.as_ref(), args.aggregate, args.limit).await?, args.json);
            }
            Self::Stats(args) => {
                let keeper = SnapshotKeeper::new(args.auditor.connect().await?);
                stats(&keeper.stats(args.tenant.as_ref()).await?, args.json);
            }
            Self::Take(args) => return args.run().await,
            Self::Drop(args) => {
                let aggregates = (!args.all).then_some(args.aggregates.as_slice());
                let dropped = args.owner.keeper().await?.drop(&args.tenant, aggregates).await?;
                println!("{dropped} snapshots dropped");
            }
            Self::Clean(args) => {
                println!("{} snapshots deleted", args.owner.keeper().await?.clean(args.keep).await?);
            }
        }
        Ok(Exit::Ok)
    }
}

impl OwnerArgs {
    async fn keeper(&self) -> anyhow::Result<SnapshotKeeper> {
        Ok(SnapshotKeeper::new(PgPool::connect(&self.events_owner_url).await?))
    }
}

impl TakeArgs {
    async fn run(self) -> anyhow::Result<Exit> {
        let store = PgEventStore::new(self.store.connect().await?);
        let events = store.load(&self.tenant, self.aggregate, 0).await?;
        let Some(first) = events.first() else {
            eprintln!("tenant {} has no events of {}", self.tenant, self.aggregate);
            return Ok(Exit::NotFound);
        };
        each_aggregate!(A => {
            if first.aggregate_type == <A as Aggregate>::Event::AGGREGATE_TYPE {
                return self.take::<A>(store).await;
            }
        });
        bail!("this program knows no aggregates of type {:?}", first.aggregate_type)
    }

    async fn take<A: Snapshot>(&self, store: PgEventStore) -> anyhow::Result<Exit>
    where
        A::Rejection: 'static,
    {
        let codec = Codec::prepare(&wire::Registry::new(&self.registry)?).await?;
        let repository = Repository::<A, _>::new(store, codec);
        let taken = repository.take_snapshot(&self.tenant, self.aggregate, self.keep).await?;
        let sealed = taken.context("the store keeps no snapshots")?;
        println!("taken at version {}, {} bytes", sealed.version, sealed.state.len());
        Ok(Exit::Ok)
    }
}

fn list(found: &[SnapshotFacts], json: bool) {
    let mut table = Table::new();
    table.set_header([
        "tenant",
        "aggregate",
        "type",
        "shape",
        "version",
        "bytes",
        "uncompressed",
        "taken at",
    ]);
    for facts in found {
        if json {
            println!(
                "{}",
                serde_json::json!({
                    "tenant": facts.tenant, "aggregate_id": facts.aggregate_id,
                    "aggregate_type": facts.aggregate_type, "shape": facts.shape, "version": facts.version,
                    "stored_bytes": facts.stored_bytes, "state_bytes": facts.state_bytes,
                    "taken_at": facts.taken_at.to_string(),
                })
            );
        }
        table.add_row([
            facts.tenant.clone(),
            facts.aggregate_id.to_string(),
            facts.aggregate_type.clone(),
            facts.shape.to_string(),
            facts.version.to_string(),
            facts.stored_bytes.to_string(),
            facts.state_bytes.to_string(),
            facts.taken_at.to_string(),
        ]);
    }
    if !json {
        println!("{table}");
    }
}

fn stats(found: &[SnapshotTotals], json: bool) {
    let mut table = Table::new();
    table.set_header([
        "tenant",
        "type",
        "shape",
        "snapshots",
        "aggregates",
        "bytes",
        "uncompressed",
        "newest",
    ]);
    for totals in found {
        if json {
            println!(
                "{}",
                serde_json::json!({
                    "tenant": totals.tenant, "aggregate_type": totals.aggregate_type, "shape": totals.shape,
                    "snapshots": totals.snapshots, "aggregates": totals.aggregates,
                    "stored_bytes": totals.stored_bytes, "state_bytes": totals.state_bytes,
                    "newest": totals.newest.to_string(),
                })
            );
        }
        table.add_row([
            totals.tenant.clone(),
            totals.aggregate_type.clone(),
            totals.shape.to_string(),
            totals.snapshots.to_string(),
            totals.aggregates.to_string(),
            totals.stored_bytes.to_string(),
            totals.state_bytes.to_string(),
            totals.newest.to_string(),
        ]);
    }
    if !json {
        println!("{table}");
    }
}
