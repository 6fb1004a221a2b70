//! `millrace events`: an aggregate's history, its state at any version, moment or position, what changed in between, and the
//! whole store as it grows.

mod diff;
mod follow;
mod kinds;
mod point;
mod show;
mod timeline;

use std::path::PathBuf;

use anyhow::Context;
use archive::{ArchivedEvents, ReadError};
use clap::{Args, Subcommand};
use event_store::{EventStore, PgEventStore, StoreError, StoredEvent, Until};
use events::{AggregateId, TenantId};

use crate::exit::Exit;
use follow::FollowArgs;
use kinds::Reading;
use point::{At, Point};

/// What to show of an aggregate, whatever its kind, or of the whole store.
#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// Every event: version, when it happened, when it was stored, by whom, type, payload
    Timeline(TimelineArgs),
    /// One event with all that is stored of it
    Show(ShowArgs),
    /// The state that the events up to a version, moment or position lead to
    State(StateArgs),
    /// What of the state changed between two versions, moments or positions
    Diff(DiffArgs),
    /// Every event of every aggregate, in the order of the store: what is there, then what comes
    Follow(FollowArgs),
}

/// Which aggregate, where, and how to print it.
#[derive(Debug, Args)]
pub(crate) struct Aggregate {
    /// The aggregate
    aggregate: AggregateId,

    /// Whose it is
    #[arg(long)]
    tenant: TenantId,

    /// Read what was archived from the archives in this directory
    #[arg(long, value_name = "DIR")]
    archive: Option<PathBuf>,

    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    store: event_store::Config,

    #[command(flatten)]
    registry: wire::RegistryConfig,

    #[command(flatten)]
    keys: event_store::KeyringConfig,
}

#[derive(Debug, Args)]
pub(crate) struct TimelineArgs {
    #[command(flatten)]
    of: Aggregate,
    #[command(flatten)]
    at: At,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    of: Aggregate,
    /// The event's place in the history, counted from 1
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    version: u64,
}

#[derive(Debug, Args)]
pub(crate) struct StateArgs {
    #[command(flatten)]
    of: Aggregate,
    #[command(flatten)]
    at: At,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    of: Aggregate,
    /// Before: a version (`3`), a position (`@4711`), a moment (RFC 3339) or what was stored by then (`recorded:…`)
    #[arg(long, default_value = "0")]
    from: Point,
    /// After, said in the same way; now where it is left out
    #[arg(long)]
    to: Option<Point>,
}

impl EventsCommand {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Timeline(args) => args.run().await,
            Self::Show(args) => args.run().await,
            Self::State(args) => args.run().await,
            Self::Diff(args) => args.run().await,
            Self::Follow(args) => args.run().await,
        }
    }
}

impl Aggregate {
    async fn store(&self) -> anyhow::Result<PgEventStore> {
        Ok(PgEventStore::new(self.store.connect().await?))
    }

    async fn reading(&self) -> anyhow::Result<Reading> {
        let keyring = crate::keys::keyring(&self.keys, &self.store.connect().await?)?;
        Ok(Reading { registry: wire::Registry::new(&self.registry)?, keyring })
    }

    async fn load(&self, after: u64, until: Until) -> anyhow::Result<Vec<StoredEvent>> {
        let store = self.store().await?;
        let found = match &self.archive {
            Some(directory) => {
                let archived = ArchivedEvents::open(directory)?;
                archived.load_until(&store, &self.tenant, self.aggregate, after, until).await
            }
            None => {
                let found = store.load_until(&self.tenant, self.aggregate, after, until).await;
                found.map_err(ReadError::Store)
            }
        };
        found.with_context(|| format!("failed to read the history of {}", self.aggregate))
    }

    /// What is there of the history up to there, and the last version that is not.
    async fn load_what_is_left(&self, until: Until) -> anyhow::Result<(Vec<StoredEvent>, u64)> {
        if self.archive.is_some() {
            return Ok((self.load(0, until).await?, 0));
        }
        match self.store().await?.load_until(&self.tenant, self.aggregate, 0, until).await {
            Err(StoreError::Archived { through_version, .. }) => {
                Ok((self.load(through_version, until).await?, through_version))
            }
            found => Ok((found?, 0)),
        }
    }

    fn not_found(&self) -> Exit {
        eprintln!("tenant {} has no events of {} up to there", self.tenant, self.aggregate);
        Exit::NotFound
    }
}

impl TimelineArgs {
    async fn run(self) -> anyhow::Result<Exit> {
        let (history, archived) = self.of.load_what_is_left(self.at.until()).await?;
        if history.is_empty() && archived == 0 {
            return Ok(self.of.not_found());
        }
        let payloads = kinds::payloads(&history, &self.of.reading().await?).await?;
        if archived > 0 && !self.of.json {
            println!("versions 1 to {archived} are archived; --archive DIR reads them");
        } else if archived > 0 {
            println!("{}", serde_json::json!({ "archived_through": archived }));
        }
        timeline::print(&history, &payloads, self.of.json);
        Ok(Exit::Ok)
    }
}

impl ShowArgs {
    async fn run(self) -> anyhow::Result<Exit> {
        let found = self.of.load(self.version - 1, Until::Version(self.version)).await?;
        let payloads = kinds::payloads(&found, &self.of.reading().await?).await?;
        let Some((event, payload)) = found.first().zip(payloads.first()) else {
            eprintln!("tenant {} has no version {} of {}", self.of.tenant, self.version, self.of.aggregate);
            return Ok(Exit::NotFound);
        };
        show::print(event, payload, self.of.json);
        Ok(Exit::Ok)
    }
}

impl StateArgs {
    async fn run(self) -> anyhow::Result<Exit> {
        let history = self.of.load(0, self.at.until()).await?;
        let Some(last) = history.last() else { return Ok(self.of.not_found()) };
        let (kind, version) = (last.aggregate_type.clone(), last.version);
        let folded = kinds::state(&kind, history, &self.of.reading().await?).await?;
        if self.of.json {
            let state = folded.json;
            println!("{}", serde_json::json!({ "aggregate_type": kind, "version": version, "state": state }));
        } else {
            println!("version {version}\n{}", folded.text);
        }
        Ok(Exit::Ok)
    }
}

impl DiffArgs {
    async fn run(self) -> anyhow::Result<Exit> {
        let reading = self.of.reading().await?;
        let before = self.of.load(0, self.from.until()).await?;
        let after = self.of.load(0, self.to.map_or(Until::Now, Point::until)).await?;
        let Some(last) = after.last().or(before.last()) else { return Ok(self.of.not_found()) };
        let kind = last.aggregate_type.clone();
        let version = |history: &[StoredEvent]| history.last().map_or(0, |event| event.version);
        let (from, to) = (version(&before), version(&after));
        let before = kinds::state(&kind, before, &reading).await?.json;
        let after = kinds::state(&kind, after, &reading).await?.json;
        diff::print(from, to, &diff::changes(&before, &after), self.of.json);
        Ok(Exit::Ok)
    }
}
