//! `millrace import`: existing data in, through the same rules as live commands.

mod print;
mod rollback;
mod run;
mod status;
mod task;
mod validate;
mod verify;

use std::sync::Arc;

use aggregate::Aggregate;
use anyhow::bail;
use clap::Subcommand;
use event_store::{Codec, Keyring};
use events::DomainEvent;
use import::{Rules, Target};

pub(crate) use task::{Task, TaskArgs};

use crate::exit::Exit;

/// A mapping file says how a row becomes commands; producers/agents/samples has two.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// Map, decide and encode every row, list every one that is refused, write nothing
    Validate(validate::ValidateArgs),
    /// Import every row; what is stored already is recognised, so it may be killed and repeated
    Run(run::RunArgs),
    /// The imports of a tenant
    Status(status::StatusArgs),
    /// Read the source again and compare every row with what is stored
    Verify(verify::VerifyArgs),
    /// Take an import back: withdraw every aggregate it made, then prune what it stored
    Rollback(rollback::RollbackArgs),
}

impl ImportCommand {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Validate(args) => args.run().await,
            Self::Run(args) => args.run().await,
            Self::Status(args) => args.run().await,
            Self::Verify(args) => args.run().await,
            Self::Rollback(args) => args.run().await,
        }
    }
}

/// The rules and schemas of a type of aggregate.
pub(crate) async fn target(
    aggregate_type: &str,
    registry: &wire::Registry,
    keyring: Option<Arc<Keyring>>,
) -> anyhow::Result<Arc<dyn Target>> {
    agents::each_aggregate!(A => {
        if aggregate_type == <A as Aggregate>::Event::AGGREGATE_TYPE {
            return Ok(Arc::new(Rules::<A>::new(Codec::prepare(registry).await?.with_keyring(keyring))));
        }
    });
    bail!("this program has no aggregates of type {aggregate_type:?}")
}
