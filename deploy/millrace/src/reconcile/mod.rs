//! `millrace reconcile`, topic by topic: gives the store what only the topic has, or the topic what only the store has.

mod compare;
mod store_to_topic;
mod topic_to_store;

use clap::{Args, Subcommand};
use event_store::Deed;
use sqlx::{Connection, PgConnection};

use crate::chain::TopicsReadArgs;
use crate::exit::Exit;

pub(crate) use self::store_to_topic::StoreToTopic;

/// Which of the two is made whole.
#[derive(Debug, Subcommand)]
pub(crate) enum ReconcileCommand {
    /// Bring events back that the topic has and the store lost, as after a restore; status 10 when a dry run finds some
    TopicToStore(ReconcileArgs),
    /// Publish events again that the store has and the topic lost, as after a lost slot; status 10 when a dry run finds some
    StoreToTopic(store_to_topic::StoreToTopicArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ReconcileArgs {
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,

    /// Print the findings as JSON, one topic a line
    #[arg(long)]
    json: bool,

    /// Who does it, for the audit
    #[arg(long, value_name = "NAME", required_unless_present = "dry_run")]
    actor: Option<String>,

    /// Why, for the audit
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    reason: Option<String>,

    /// The events' database as the role `owner`
    #[arg(long, env = "MILLRACE_EVENTS_OWNER_URL", hide_env_values = true, value_name = "URL")]
    events_owner_url: String,

    #[command(flatten)]
    store: event_store::AuditConfig,

    #[command(flatten)]
    topics: TopicsReadArgs,

    #[command(flatten)]
    registry: wire::RegistryConfig,
}

impl ReconcileCommand {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::TopicToStore(args) => topic_to_store::run(&args).await,
            Self::StoreToTopic(args) => args.run().await,
        }
    }
}

impl ReconcileArgs {
    fn deed(&self) -> Deed {
        let given = |text: &Option<String>| text.clone().unwrap_or_default();
        Deed { actor: given(&self.actor), reason: given(&self.reason) }
    }

    async fn owner(&self) -> anyhow::Result<PgConnection> {
        use anyhow::Context;
        PgConnection::connect(&self.events_owner_url)
            .await
            .context("failed to connect to the events' database")
    }
}
