//! `millrace migrate`: both databases as this program needs them, and the slot that Debezium reads.

use anyhow::Context;
use projection_postgres::OtherEdition;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgConnection, PgPool};

use crate::exit::Exit;
use crate::projections::definitions;

/// The owner of both databases, and the role that replicates.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct MigrateArgs {
    /// The events' database as the role `owner`
    #[arg(long, env = "MILLRACE_EVENTS_OWNER_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) events_owner_url: String,

    /// The events' database as the role `cdc`, which owns the replication slot
    #[arg(long, env = "MILLRACE_EVENTS_CDC_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) events_cdc_url: String,

    /// The views' database as the role `owner`
    #[arg(long, env = "MILLRACE_VIEWS_OWNER_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) views_owner_url: String,
}

impl MigrateArgs {
    /// Forward only, and nothing where nothing is missing. The publication comes before the slot, the slot before the first
    /// append: so no event is ever committed that the slot does not cover.
    pub(crate) async fn run(&self) -> anyhow::Result<Exit> {
        let events =
            owner(&self.events_owner_url).await.context("failed to connect to the events' database")?;
        event_store::migrate(&events).await.context("failed to migrate the outbox and the event store")?;
        outbox::Outbox::new(events)
            .roll(outbox::Retention::default())
            .await
            .context("failed to roll the outbox")?;

        let mut cdc =
            PgConnection::connect(&self.events_cdc_url).await.context("failed to connect as cdc")?;
        outbox::ensure_slot(&mut cdc, outbox::SLOT).await.context("failed to make the replication slot")?;

        let views = owner(&self.views_owner_url).await.context("failed to connect to the views' database")?;
        let mut connection = views.acquire().await?;
        let others = projection_postgres::migrate(&mut connection, &definitions())
            .await
            .context("failed to migrate the views")?;
        for OtherEdition { projection, found, wanted } in others {
            println!(
                "the views of {projection} are of edition {found}; `millrace projections rebuild {projection}` makes edition {wanted}"
            );
        }
        Ok(Exit::Ok)
    }
}

async fn owner(url: &str) -> Result<PgPool, sqlx::Error> {
    PgPoolOptions::new().max_connections(2).connect(url).await
}
