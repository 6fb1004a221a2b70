//! `millrace store metadata`: notes about a stream, beside its events.

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use events::{AggregateId, TenantId};
use life_cycle::SetMetadata;

use super::StewardArgs;
use crate::exit::Exit;

/// What to do with a stream's metadata.
#[derive(Debug, Subcommand)]
pub(crate) enum MetadataCommand {
    /// Print a stream's metadata and its revision as JSON
    Get(GetArgs),
    /// Set a stream's metadata, unless somebody else did since it was read
    Set(SetArgs),
}

#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// The aggregate
    aggregate: AggregateId,

    /// Whose it is
    #[arg(long)]
    tenant: TenantId,

    #[command(flatten)]
    store: StewardArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    #[command(flatten)]
    stream: GetArgs,

    /// All of its metadata: a JSON object of at most 16 KiB
    metadata: String,

    /// The revision that was read; 0 when there was none
    #[arg(long)]
    expected_revision: i64,

    /// Who sets it; stays in the audit
    #[arg(long, value_name = "NAME")]
    actor: String,
}

impl MetadataCommand {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Get(args) => args.run().await,
            Self::Set(args) => args.run().await,
        }
    }
}

impl GetArgs {
    async fn run(self) -> anyhow::Result<Exit> {
        let found = self.store.steward().await?.stream_metadata(&self.tenant, self.aggregate).await?;
        println!("{}", serde_json::to_string(&found)?);
        Ok(if found.revision == 0 { Exit::NotFound } else { Exit::Ok })
    }
}

impl SetArgs {
    async fn run(self) -> anyhow::Result<Exit> {
        let metadata = serde_json::from_str(&self.metadata).context("the metadata is no JSON object")?;
        let GetArgs { aggregate, tenant, store } = self.stream;
        let steward = store.steward().await?;
        let expected = self.expected_revision;
        match steward.set_stream_metadata(&tenant, aggregate, expected, metadata, &self.actor).await? {
            SetMetadata::Set(revision) => {
                println!("revision {revision}");
                Ok(Exit::Ok)
            }
            SetMetadata::Conflict(known) => {
                bail!(
                    "it is at revision {}, not {expected}: {}",
                    known.revision,
                    serde_json::to_string(&known.metadata)?
                )
            }
            SetMetadata::Unknown => {
                eprintln!("tenant {tenant} has no events of {aggregate}");
                Ok(Exit::NotFound)
            }
        }
    }
}
