//! `millrace archive`: streams that leave the store for a file, and come back.

use std::path::PathBuf;

use anyhow::Context;
use archive::{Folder, Kind, Wanted};
use clap::{Args, Subcommand};
use comfy_table::Table;
use event_store::Deed;
use events::{AggregateId, TenantId};
use sqlx::{Connection, PgConnection};

use crate::backup::MADE_BY;
use crate::exit::Exit;

/// What to do with archives.
#[derive(Debug, Subcommand)]
pub(crate) enum ArchiveCommand {
    /// Move the events of streams, all but the last, to an archive, and read it back before they leave the store
    Streams(StreamsArgs),
    /// Show the archives of a directory, and what each is to the store
    List(ListArgs),
    /// Put an archive's events back where they were
    Restore(RestoreArgs),
}

#[derive(Debug, Args)]
pub(crate) struct StreamsArgs {
    /// The streams
    #[arg(required = true)]
    streams: Vec<AggregateId>,

    /// Whose they are
    #[arg(long)]
    tenant: TenantId,

    /// Up to this version; up to the last but one when absent
    #[arg(long)]
    through: Option<u64>,

    /// Where archives are kept
    #[arg(long, value_name = "DIR")]
    directory: PathBuf,

    #[command(flatten)]
    deed: Deed,

    #[command(flatten)]
    owner: OwnerArgs,

    #[command(flatten)]
    store: event_store::AuditConfig,

    #[command(flatten)]
    registry: wire::RegistryConfig,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Where archives are kept
    #[arg(long, value_name = "DIR")]
    directory: PathBuf,

    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    store: event_store::AuditConfig,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The archive's folder
    folder: PathBuf,

    #[command(flatten)]
    deed: Deed,

    #[command(flatten)]
    owner: OwnerArgs,
}

#[derive(Debug, Args)]
struct OwnerArgs {
    /// The events' database as the role `owner`
    #[arg(long, env = "MILLRACE_EVENTS_OWNER_URL", hide_env_values = true, value_name = "URL")]
    events_owner_url: String,
}

impl OwnerArgs {
    async fn connect(&self) -> anyhow::Result<PgConnection> {
        PgConnection::connect(&self.events_owner_url)
            .await
            .context("failed to connect to the events' database")
    }
}

impl ArchiveCommand {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Streams(args) => args.run().await,
            Self::List(args) => args.run().await,
            Self::Restore(args) => args.run().await,
        }
    }
}

impl StreamsArgs {
    async fn run(self) -> anyhow::Result<Exit> {
        let mut auditor = self.store.connect().await?.acquire().await?;
        let streams: Vec<_> = self.streams.iter().map(|stream| (*stream, self.through)).collect();
        let folder = archive::archive_streams(
            &mut self.owner.connect().await?,
            &mut auditor,
            &wire::Registry::new(&self.registry)?,
            &self.directory,
            Wanted { tenant: &self.tenant, streams: &streams },
            &self.deed,
            MADE_BY,
        )
        .await?;
        println!(
            "{} events of {} streams are in {} and no more in the store",
            folder.manifest.events,
            folder.manifest.streams.len(),
            folder.path.display()
        );
        Ok(Exit::Ok)
    }
}

impl ListArgs {
    async fn run(self) -> anyhow::Result<Exit> {
        let mut auditor = self.store.connect().await?.acquire().await?;
        let archives = archive::list(&mut auditor, &self.directory).await?;
        if self.json {
            for archive in archives {
                println!("{}", serde_json::to_string(&archive)?);
            }
            return Ok(Exit::Ok);
        }
        let mut table = Table::new();
        table.set_header(["archive", "state", "events", "streams", "made at"]);
        for archive in archives {
            let state = serde_json::to_value(archive.state)?;
            table.add_row([
                archive.name,
                state.as_str().unwrap_or_default().to_owned(),
                archive.events.to_string(),
                archive.streams.to_string(),
                archive.made_at.unwrap_or_default(),
            ]);
        }
        println!("{table}");
        Ok(Exit::Ok)
    }
}

impl RestoreArgs {
    async fn run(self) -> anyhow::Result<Exit> {
        let folder = Folder::open_as(&self.folder, Kind::Archive)?;
        let mut owner = self.owner.connect().await?;
        let tally = archive::restore_streams(&mut owner, &folder, &self.deed).await?;
        println!("{} events of {} streams are back in the store", tally.events, tally.streams().len());
        Ok(Exit::Ok)
    }
}
