//! `millrace connect skip`: one row that cannot pass is let by, and its neighbours are not.
//!
//! The row is in the log, where nobody can change it. What can be changed is the place that Connect remembers: the
//! connector is stopped, told that the row is delivered, and goes on. That is done for the row that it stands at and for no
//! other, so that nothing is passed over with it.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use connect::{Client, Status};
use event_store::Deed;
use events::EventId;
use outbox::Waiting;
use sqlx::{Connection, PgConnection};

use super::{ConnectArgs, let_go, waiting};
use crate::exit::Exit;

#[derive(Debug, Args)]
pub(crate) struct SkipArgs {
    /// The row's id, as `millrace connect status` names it
    #[arg(value_name = "EVENT")]
    event: EventId,

    #[command(flatten)]
    connect: ConnectArgs,

    #[command(flatten)]
    deed: Deed,

    /// The events' database as the role `owner`
    #[arg(long, env = "MILLRACE_EVENTS_OWNER_URL", hide_env_values = true, value_name = "URL")]
    events_owner_url: String,
}

impl SkipArgs {
    pub(super) async fn run(&self) -> anyhow::Result<Exit> {
        let (client, connector) = (self.connect.client()?, self.connect.connector().await?);
        let name = &connector.name;
        let status = until_it_stands(&client, name).await?;
        let mut cdc = self.connect.cdc().await?;
        client.stop(name).await?;
        let done = async {
            let_go(&mut cdc, &client, &connector).await?;
            let offsets = client.offsets(name).await?.unwrap_or_default();
            let row = self.the_row(waiting(&mut cdc, &connector, Some(&offsets)).await?)?;
            // First what is done, then the deed: what is written and was not done is done by doing it again.
            let mut owner =
                PgConnection::connect(&self.events_owner_url).await.context("failed to connect as owner")?;
            outbox::note_skip(&mut owner, self.event.0, &row, &self.deed.actor, &self.deed.reason).await?;
            client.set_offsets(name, &offsets.with_row(row.bytes)).await?;
            anyhow::Ok(row)
        }
        .await;
        // It is left as it was found, whatever came of it.
        if !status.is_held() {
            client.resume(name).await?;
        }
        println!("skipped: {}", done?);
        Ok(Exit::Ok)
    }

    /// The row that the connector stands at, if it is the one that was named.
    fn the_row(&self, waiting: Option<Waiting>) -> anyhow::Result<Waiting> {
        match waiting {
            Some(row) if row.event_id == Some(self.event.0) => Ok(row),
            Some(row) => bail!("event {} is not let by: the connector stands at {row}", self.event),
            None => bail!("event {} is not let by: no row waits to be delivered", self.event),
        }
    }
}

/// What a connector does that no longer runs. One that was just started anew runs until it comes to the row.
async fn until_it_stands(client: &Client, name: &str) -> anyhow::Result<Status> {
    const RUN_MAX: Duration = Duration::from_secs(10);
    const LOOK_EVERY: Duration = Duration::from_millis(200);
    let begun = Instant::now();
    loop {
        let Some(status) = client.status(name).await? else { bail!("Connect has no connector {name}") };
        if !status.is_running() {
            return Ok(status);
        }
        if begun.elapsed() > RUN_MAX {
            bail!("the connector {name} runs: no row stands in its way, and none is let by");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
