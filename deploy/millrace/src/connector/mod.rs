//! `millrace connect`: the connector as its file says, and nothing that loses events.

mod check;
mod lint;
mod overview;
mod skip;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use connect::{Applied, Client, Connector, Offsets};
use outbox::{Place, Waiting};
use sqlx::{Connection, PgConnection};

use self::check::Check;
pub(crate) use self::check::publication_findings;
use self::lint::LintArgs;
pub(crate) use self::overview::heartbeat_s_max;
use self::skip::SkipArgs;
use crate::exit::Exit;

/// What to do with a connector; where no file is named, the outbox's (`connectors/debezium/outbox.json`).
#[derive(Debug, Subcommand)]
pub(crate) enum ConnectCommand {
    /// Refuse settings that are known to lose events or to send them again; needs no stack; status 1 when there are some
    Lint(LintArgs),
    /// Show what is wrong with it, then what `apply` would change; status 1 when something is wrong, 10 when something would
    /// change
    Plan(ShownArgs),
    /// Refuse what loses events, validate, change what differs, wait until it runs and the replication slot is active
    Apply(ConnectArgs),
    /// Show connector, tasks, slot, publication, heartbeat and drift; status 1 unless all is well
    Status(ShownArgs),
    /// Hold its tasks, keeping their connections
    Pause(ConnectArgs),
    /// Stop its tasks, keeping their offsets
    Stop(ConnectArgs),
    /// Go on after a pause or a stop
    Resume(ConnectArgs),
    /// Start connector and failed tasks anew
    Restart(ConnectArgs),
    /// Show the place in the log that it has delivered up to, as Connect keeps it
    Offsets(ConnectArgs),
    /// Let one row of the outbox by that the connector cannot pass on, and go on behind it; status 1 when it is not the one
    /// that the connector stands at
    Skip(SkipArgs),
    /// Forget the place in the log of a stopped connector, as has to be done when its slot is a new one; it goes on where the
    /// slot begins
    ForgetOffsets(ConnectArgs),
}

/// The Connect worker, the connector, and the database that it reads.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConnectArgs {
    /// The connector's file, which it is named after; where none is given, the outbox's as this program knows it
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) worker: connect::Config,

    /// The events' database as the role `cdc`
    #[arg(long, env = "MILLRACE_EVENTS_CDC_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) events_cdc_url: String,
}

#[derive(Debug, Args)]
pub(crate) struct ShownArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    connect: ConnectArgs,
}

impl ConnectCommand {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        match &self {
            Self::Lint(args) => return args.run().await,
            Self::Plan(ShownArgs { json, connect }) => {
                let check = Check::of(connect).await?;
                check.print(*json)?;
                return Ok(check.exit());
            }
            Self::Status(ShownArgs { json, connect }) => return overview::run(connect, *json).await,
            Self::Apply(args) => {
                let applied = apply(args).await?;
                println!("{}\n{}", applied.plan, applied.status);
            }
            Self::Skip(args) => return args.run().await,
            Self::Pause(args) => args.client()?.pause(&args.connector().await?.name).await?,
            Self::Stop(args) => args.client()?.stop(&args.connector().await?.name).await?,
            Self::Resume(args) => args.client()?.resume(&args.connector().await?.name).await?,
            Self::Restart(args) => args.client()?.restart(&args.connector().await?.name).await?,
            Self::Offsets(args) => {
                let Some(offsets) = args.client()?.offsets(&args.connector().await?.name).await? else {
                    return Ok(Exit::NotFound);
                };
                println!("{}", serde_json::to_string(&offsets)?);
            }
            Self::ForgetOffsets(args) => args.client()?.forget_offsets(&args.connector().await?.name).await?,
        }
        Ok(Exit::Ok)
    }
}

impl ConnectArgs {
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::new(&self.worker)?)
    }

    /// A new connection to the events' database as `cdc`.
    pub(crate) async fn cdc(&self) -> anyhow::Result<PgConnection> {
        PgConnection::connect(&self.events_cdc_url).await.context("failed to connect as cdc")
    }

    /// The connector with the worker's own file of secrets.
    pub(crate) async fn connector(&self) -> anyhow::Result<Connector> {
        let secrets = &self.worker.connect_secrets;
        match &self.file {
            Some(file) => Ok(Connector::read(file, secrets).await?),
            None => Ok(Connector::outbox(secrets)),
        }
    }
}

/// The publication that a connector reads.
fn publication_of(connector: &Connector) -> &str {
    connector.settings.get("publication.name").map_or(outbox::PUBLICATION, String::as_str)
}

/// The slot that a connector reads.
pub(crate) fn slot_of(connector: &Connector) -> &str {
    connector.settings.get("slot.name").map_or(outbox::SLOT, String::as_str)
}

/// The row that a connector comes to next. Its slot has to be free; whoever else only looks into it is done in a moment.
pub(crate) async fn waiting(
    cdc: &mut PgConnection,
    connector: &Connector,
    offsets: Option<&Offsets>,
) -> anyhow::Result<Option<Waiting>> {
    let place = offsets.map_or(Place::default(), |offsets| Place {
        commit: offsets.commit_lsn().unwrap_or_default(),
        row: offsets.row_lsn(),
    });
    const LOOKS_MAX: usize = 20;
    const LOOK_EVERY: Duration = Duration::from_millis(100);
    let mut looks = 1;
    loop {
        match outbox::waiting(cdc, slot_of(connector), publication_of(connector), place).await {
            Err(error) if error.is_slot_in_use() && looks < LOOKS_MAX => looks += 1,
            waiting => return Ok(waiting?),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether anybody reads a slot.
async fn is_read(cdc: &mut PgConnection, slot: &str) -> anyhow::Result<bool> {
    Ok(outbox::slot(cdc, slot).await?.is_some_and(|slot| slot.active))
}

/// Waits until a stopped connector has no task and nobody reads its slot.
pub(crate) async fn let_go(
    cdc: &mut PgConnection,
    client: &Client,
    connector: &Connector,
) -> anyhow::Result<()> {
    /// How long Connect and Postgres may take to be done with a reader.
    const LET_GO_MAX: Duration = Duration::from_secs(60);
    const LOOK_EVERY: Duration = Duration::from_millis(200);
    let (name, slot) = (&connector.name, slot_of(connector));
    let gone = async {
        loop {
            let has_tasks = client.status(name).await?.is_some_and(|status| !status.tasks.is_empty());
            if !has_tasks && !is_read(cdc, slot).await? {
                return anyhow::Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    match tokio::time::timeout(LET_GO_MAX, gone).await {
        Ok(gone) => gone,
        Err(_) => {
            bail!("the connector {name} does not let go of slot {slot} within {} s", LET_GO_MAX.as_secs())
        }
    }
}

/// Applies it, unless that would lose events, and waits until it runs and its slot is read.
pub(crate) async fn apply(args: &ConnectArgs) -> anyhow::Result<Applied> {
    let (client, connector) = (args.client()?, args.connector().await?);
    let findings = check::findings(args, &connector).await?;
    if !findings.is_empty() {
        let findings: String = findings.iter().map(|finding| format!("\n  {finding}")).collect();
        bail!(
            "the connector {} is not applied, since it would lose events or send them again:{findings}",
            connector.name
        );
    }
    let slot = slot_of(&connector);
    let ready = async || is_read(&mut args.cdc().await?, slot).await;
    client
        .apply(&connector, args.worker.wait_max(), ready)
        .await
        .with_context(|| format!("the connector {} is not applied", connector.name))
}
