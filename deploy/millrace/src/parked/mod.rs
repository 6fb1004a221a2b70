//! `millrace parked`: what could not be applied, and what to do about it.

mod audit;
pub(crate) mod key;
mod list;
pub(crate) mod preview;
pub(crate) mod redrive;
pub(crate) mod repair;
mod show;

use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use dead_letters::{Discarding, Error, Filter, Operator, RequestShown, Scope};
use events::TenantId;
use kafka::{ParkKey, Reason};
use serde::Serialize;
use sqlx::{Connection, PgConnection};

use self::audit::AuditArgs;
use self::list::ListArgs;
use self::preview::PreviewArgs;
use self::redrive::RedriveArgs;
use self::repair::RepairArgs;
use self::show::ShowArgs;
use crate::exit::Exit;
use crate::program::projections;

/// What to do with parked keys. The owner of the partition does it, between two batches.
#[derive(Debug, Subcommand)]
pub(crate) enum ParkedCommand {
    /// The parked keys, the longest parked first
    List(ListArgs),
    /// The parked keys grouped by cause, the one of most keys first
    Causes(ListArgs),
    /// The records of one key in the order in which they would be applied, read and as they came, and the view as it is and
    /// as it would be
    Show(ShowArgs),
    /// What a redrive of one key would do, record by record; nothing is written; status 10 when it would stop
    Preview(PreviewArgs),
    /// Apply the records of one key, or of every key that fits, in order, each key up to its first record that fails
    Redrive(RedriveArgs),
    /// Do without records of a key, for a reason; durable, and carried out again by every rebuild
    Discard(DiscardArgs),
    /// Publish versions again that a key waits for and the store has, then redrive the key; status 10 when a dry run finds any
    Repair(Box<RepairArgs>),
    /// Who asked for what, and what came of it
    Audit(AuditArgs),
}

/// Where parked keys are.
#[derive(Debug, Args)]
pub(crate) struct ViewsArgs {
    /// The views' database as the role `views_writer`
    #[arg(long, env = "MILLRACE_VIEWS_WRITER_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) views_url: String,
}

/// Which parked keys; those for which all that is given holds.
#[derive(Debug, Args)]
struct FilterArgs {
    /// Of this tenant only
    #[arg(long)]
    tenant: Option<TenantId>,
    /// Parked for this reason only
    #[arg(long, value_parser = reason())]
    reason: Option<Reason>,
    /// Blocked by an event of this type only
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Parked at this moment (RFC 3339) or later only
    #[arg(long, value_name = "TIME")]
    since: Option<DateTime<Utc>>,
}

/// One key.
#[derive(Debug, Args)]
struct KeyArgs {
    /// The projection, such as executions-postgres
    projection: String,
    /// The key as `list` shows it
    #[arg(value_parser = key::read)]
    key: ParkKey,
}

#[derive(Debug, Args)]
pub(crate) struct DiscardArgs {
    #[command(flatten)]
    key: KeyArgs,
    /// Why; it is kept with the decision
    #[arg(long)]
    reason: String,
    /// All records that are parked now, not only the one that blocks the others
    #[arg(long)]
    all: bool,
    /// The records are no events of the aggregate: its version does not move
    #[arg(long)]
    foreign: bool,
    /// Who decides
    #[arg(long, env = "USER", default_value = "operator")]
    actor: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    views: ViewsArgs,
}

impl ParkedCommand {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        let ran = match self {
            Self::List(args) => args.run().await,
            Self::Causes(args) => args.causes().await,
            Self::Show(args) => args.run().await,
            Self::Preview(args) => args.run().await,
            Self::Redrive(args) => args.run().await,
            Self::Discard(args) => args.run().await,
            Self::Repair(args) => args.run().await,
            Self::Audit(args) => args.run().await,
        };
        match ran {
            Err(error) if is_not_found(&error) => {
                eprintln!("{error}");
                Ok(Exit::NotFound)
            }
            ran => ran,
        }
    }
}

fn is_not_found(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Error::NotParked { .. } | Error::NoRequest { .. }))
        || error.is::<NoProjection>()
}

/// A projection of which nothing is known; a name that is misspelt must not read as if nothing were parked.
#[derive(Debug, thiserror::Error)]
#[error("there is no projection {name:?}; there are {}", projections().iter().map(|it| it.name()).collect::<Vec<_>>().join(", "))]
pub(crate) struct NoProjection {
    pub(crate) name: String,
}

/// Refuses the name of a projection that is neither this program's nor anything's that is, or was, parked.
async fn known(operator: &mut Operator<'_>, name: &str) -> anyhow::Result<()> {
    let is_known = projections().iter().any(|it| it.name() == name)
        || !operator.list(&Filter::of(name), 1).await?.is_empty()
        || !operator.requests(Some(name), 1).await?.is_empty();
    anyhow::ensure!(is_known, NoProjection { name: name.to_owned() });
    Ok(())
}

/// A discard that is asked for.
#[derive(Debug, Serialize)]
pub(crate) struct Discarded {
    projection: String,
    key: String,
    offsets: Vec<i64>,
    request: RequestShown,
}

impl Discarded {
    /// As it is now.
    pub(crate) async fn now(
        operator: &mut Operator<'_>,
        key: &ParkKey,
        asked: Discarding,
    ) -> Result<Self, Error> {
        let request = operator.request(asked.request).await?;
        let (projection, key) = (request.projection.clone(), key.to_string());
        Ok(Self { projection, key, offsets: asked.offsets, request })
    }
}

impl ViewsArgs {
    async fn connect(&self) -> anyhow::Result<PgConnection> {
        PgConnection::connect(&self.views_url).await.context("failed to connect to the views' database")
    }
}

impl FilterArgs {
    fn of(self, projection: Option<String>) -> Filter {
        let Self { tenant, reason, event_type, since } = self;
        Filter { projection, tenant, reason, event_type, since, key: None }
    }
}

impl DiscardArgs {
    async fn run(self) -> anyhow::Result<Exit> {
        let Self { key: KeyArgs { projection, key }, reason, all, foreign, actor, json, views } = self;
        let mut connection = views.connect().await?;
        let scope = if all { Scope::All } else { Scope::First };
        let mut operator = Operator::new(&mut connection);
        known(&mut operator, &projection).await?;
        let asked = operator.discard(&projection, &key, scope, foreign, &reason, &actor).await?;
        let discarded = Discarded::now(&mut operator, &key, asked).await?;
        if json {
            println!("{}", serde_json::to_string(&discarded)?);
        } else {
            let offsets: Vec<_> = discarded.offsets.iter().map(ToString::to_string).collect();
            println!("discarding offsets {} of {key} in {projection} is asked for", offsets.join(", "));
        }
        Ok(Exit::Ok)
    }
}

/// Reads a reason for which keys park.
fn reason() -> impl TypedValueParser<Value = Reason> {
    PossibleValuesParser::new(Reason::CAUSES.map(Reason::as_str)).map(|word| {
        let named = Reason::CAUSES.into_iter().find(|reason| reason.as_str() == word);
        named.expect("the word is one of the possible values")
    })
}
