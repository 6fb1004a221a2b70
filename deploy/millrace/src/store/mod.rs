//! `millrace store`: what happens to stored events besides being appended and read.

mod audit;
mod check;
mod erase_subject;
mod metadata;
mod remove_tenant;
mod retention;
mod rotate_keys;
mod stats;

use anyhow::Context;
use clap::{Args, Subcommand};
use life_cycle::Steward;

use crate::exit::Exit;

/// What to do with the store.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// How much the store holds, how fast it grows, what lags behind it
    Stats(stats::StatsArgs),
    /// Whether the store is as it should be, and what is the first thing that is not
    Check(check::CheckArgs),
    /// What was done to the store besides appending: who, when, why
    Audit(audit::AuditArgs),
    /// Make everything about a person unreadable by destroying its key
    EraseSubject(erase_subject::EraseSubjectArgs),
    /// Remove a tenant, in two steps
    #[command(subcommand)]
    RemoveTenant(remove_tenant::RemoveTenantCommand),
    /// Wrap the keys of data subjects by the first of the master keys; no event changes
    RotateKeys(rotate_keys::RotateKeysArgs),
    /// Streams that a policy wants archived now
    Retention(retention::RetentionArgs),
    /// Notes about a stream, beside its events
    #[command(subcommand)]
    Metadata(metadata::MetadataCommand),
}

impl StoreCommand {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Stats(args) => args.run().await,
            Self::Check(args) => args.run().await,
            Self::Audit(args) => args.run().await,
            Self::EraseSubject(args) => args.run().await,
            Self::RemoveTenant(command) => command.run().await,
            Self::RotateKeys(args) => args.run().await,
            Self::Retention(args) => args.run().await,
            Self::Metadata(command) => command.run().await,
        }
    }
}

/// The store, to be kept in order.
#[derive(Debug, Args)]
pub(crate) struct StewardArgs {
    #[command(flatten)]
    owner: life_cycle::OwnerConfig,

    #[command(flatten)]
    auditor: event_store::AuditConfig,
}

impl StewardArgs {
    async fn steward(&self) -> anyhow::Result<Steward> {
        let owner = self.owner.connect().await?;
        let auditor = self.auditor.connect().await.context("failed to connect as auditor")?;
        Ok(Steward::new(owner, auditor))
    }
}
