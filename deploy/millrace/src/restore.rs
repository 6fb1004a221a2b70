//! `millrace restore`: a backup, in an empty database, with a slot of its own before anything is appended.

use std::path::PathBuf;

use anyhow::Context;
use archive::{Folder, Kind};
use event_store::Deed;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgConnection};

use crate::exit::Exit;

/// What to restore.
#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArgs {
    /// The backup's folder
    folder: PathBuf,

    #[command(flatten)]
    deed: Deed,

    /// The events' database as the role `owner`
    #[arg(long, env = "MILLRACE_EVENTS_OWNER_URL", hide_env_values = true, value_name = "URL")]
    events_owner_url: String,

    /// The events' database as the role `cdc`, which owns the replication slot
    #[arg(long, env = "MILLRACE_EVENTS_CDC_URL", hide_env_values = true, value_name = "URL")]
    events_cdc_url: String,

    #[command(flatten)]
    store: event_store::AuditConfig,
}

impl RestoreArgs {
    /// Migrations, then the slot, then the rows: the slot covers whatever is appended afterwards.
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        let folder = Folder::open_as(&self.folder, Kind::Backup)?;
        let bar = crate::progress::bar(folder.manifest.events, "events");
        crate::backup::verify(folder.clone(), bar.clone()).await?;

        let owner = PgPoolOptions::new().max_connections(2).connect(&self.events_owner_url).await;
        let owner = owner.context("failed to connect to the events' database")?;
        event_store::migrate(&owner).await.context("failed to migrate the outbox and the event store")?;
        outbox::Outbox::new(owner.clone())
            .roll(outbox::Retention::default())
            .await
            .context("failed to roll the outbox")?;
        let mut cdc =
            PgConnection::connect(&self.events_cdc_url).await.context("failed to connect as cdc")?;
        outbox::ensure_slot(&mut cdc, outbox::SLOT).await.context("failed to make the replication slot")?;

        let (mut owner, mut auditor) = (owner.acquire().await?, self.store.connect().await?.acquire().await?);
        bar.set_position(0);
        let seen = |seen| bar.set_position(seen);
        archive::restore(&mut owner, &mut auditor, &folder, &self.deed, seen).await?;
        bar.finish_and_clear();
        println!(
            "{} events of {} streams are back, compared with {}",
            folder.manifest.events,
            folder.manifest.streams.len(),
            folder.path.display()
        );
        eprintln!("before anything is appended: millrace reconcile topic-to-store --dry-run");
        Ok(Exit::Ok)
    }
}
