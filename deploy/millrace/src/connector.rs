//! `millrace connect`: the connector as its file says.

use anyhow::Context;
use clap::{Args, Subcommand};
use connect::{Applied, Client, Connector};

use crate::exit::Exit;

/// What to do with the outbox connector (`connectors/debezium/outbox.json`).
#[derive(Debug, Subcommand)]
pub(crate) enum ConnectCommand {
    /// Show what `apply` would change; status 10 when that is something
    Plan(ConnectArgs),
    /// Validate it, change what differs, wait until it runs and the replication slot is active
    Apply(ConnectArgs),
    /// Show connector and tasks
    Status(ConnectArgs),
    /// Stop its tasks, keeping their offsets
    Stop(ConnectArgs),
    /// Go on after a stop
    Resume(ConnectArgs),
    /// Start connector and failed tasks anew
    Restart(ConnectArgs),
    /// Forget the place in the log of a stopped connector, as has to be done when its slot is a new one; it goes on where the
    /// slot begins
    ForgetOffsets(ConnectArgs),
}

/// The Connect worker, and the database that the connector reads.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConnectArgs {
    #[command(flatten)]
    pub(crate) worker: connect::Config,

    /// The events' database as the role `cdc`
    #[arg(long, env = "MILLRACE_EVENTS_CDC_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) events_cdc_url: String,
}

impl ConnectCommand {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        let (Self::Plan(args)
        | Self::Apply(args)
        | Self::Status(args)
        | Self::Stop(args)
        | Self::Resume(args)
        | Self::Restart(args)
        | Self::ForgetOffsets(args)) = &self;
        let (client, connector) = (Client::new(&args.worker)?, outbox(args));
        match self {
            Self::Plan(_) => {
                let plan = client.plan(&connector).await?;
                println!("{plan}");
                return Ok(if plan.is_empty() { Exit::Ok } else { Exit::Difference });
            }
            Self::Apply(ref args) => {
                let applied = apply(args).await?;
                println!("{}\n{}", applied.plan, applied.status);
            }
            Self::Status(_) => match client.status(&connector.name).await? {
                Some(status) => println!("{status}"),
                None => {
                    eprintln!("there is no connector {}", connector.name);
                    return Ok(Exit::NotFound);
                }
            },
            Self::Stop(_) => client.stop(&connector.name).await?,
            Self::Resume(_) => client.resume(&connector.name).await?,
            Self::Restart(_) => client.restart(&connector.name).await?,
            Self::ForgetOffsets(_) => client.forget_offsets(&connector.name).await?,
        }
        Ok(Exit::Ok)
    }
}

/// The connector with the worker's own file of secrets.
fn outbox(args: &ConnectArgs) -> Connector {
    Connector::outbox(&args.worker.connect_secrets)
}

/// Applies it and waits until it runs and its slot is read.
pub(crate) async fn apply(args: &ConnectArgs) -> anyhow::Result<Applied> {
    let client = Client::new(&args.worker)?;
    let ready = async || crate::up::slot_is_active(&args.events_cdc_url).await;
    client
        .apply(&outbox(args), args.worker.wait_max(), ready)
        .await
        .context("the outbox connector is not applied")
}
