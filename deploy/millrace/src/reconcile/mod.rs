//! `millrace reconcile`: gives the store what only the topic has, the topic what only the store has, and views what they lost.

mod compare;
mod store_to_topic;
mod store_to_views;
mod topic_to_store;

use anyhow::Context;
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
    /// Publish events again that a view lost behind its topic, and would take; status 10 when a dry run finds some
    StoreToViews(store_to_views::StoreToViewsArgs),
}

/// Whether, by whom and why.
#[derive(Debug, Args)]
pub(crate) struct RepairArgs {
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,

    /// Print JSON lines
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
}

/// The stages that are compared.
#[derive(Debug, Args)]
pub(crate) struct ReconcileArgs {
    #[command(flatten)]
    repair: RepairArgs,

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
            Self::StoreToViews(args) => args.run().await,
        }
    }
}

impl RepairArgs {
    fn deed(&self) -> Deed {
        let given = |text: &Option<String>| text.clone().unwrap_or_default();
        Deed { actor: given(&self.actor), reason: given(&self.reason) }
    }

    async fn owner(&self) -> anyhow::Result<PgConnection> {
        connected(&self.events_owner_url).await
    }
}

async fn connected(events_owner_url: &str) -> anyhow::Result<PgConnection> {
    PgConnection::connect(events_owner_url).await.context("failed to connect to the events' database")
}
