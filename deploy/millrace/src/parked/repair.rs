//! `millrace parked repair`: a version that is missing on the topic and not in the store is asked for again.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Args;
use dead_letters::{Error, EventShown, Operator, RequestKeyShown, RequestShown};
use event_store::Deed;
use events::{AggregateId, EventId, TenantId};
use kafka::{ParkKey, Reason};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::{Connection, FromRow, PgConnection, PgPool};
use uuid::Uuid;

use super::preview::{InPartition, LookArgs};
use super::redrive::{LOOK, answered, report};
use super::{KeyArgs, known};
use crate::exit::Exit;

/// Most versions that one repair publishes; a larger hole is no matter of one key.
const VERSIONS_MAX: u64 = 1_000;

#[derive(Debug, Args)]
pub(crate) struct RepairArgs {
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    deed: Deed,
    /// Say what would be published, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Publish also what `millrace connect skip` let by, once whatever stopped it can pass
    #[arg(long)]
    skipped: bool,
    /// Wait, too, until the key is gone or has failed again; status 10 when it is left
    #[arg(long)]
    wait: bool,
    /// Longest wait for the versions to arrive, and for the redrive, each in seconds
    #[arg(long, value_name = "S", default_value_t = 60)]
    wait_s_max: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    look: LookArgs,
    #[command(flatten)]
    store: event_store::AuditConfig,
    /// The events' database as the role `owner`
    #[arg(long, env = "MILLRACE_EVENTS_OWNER_URL", hide_env_values = true, value_name = "URL")]
    events_owner_url: String,
}

/// The versions that a key waits for.
#[derive(Debug)]
pub(crate) struct Missing {
    tenant: TenantId,
    aggregate_id: AggregateId,
    first: u64,
    last: u64,
}

/// The same with their events.
#[derive(Debug)]
pub(crate) struct Publishable {
    missing: Missing,
    events: Vec<Stored>,
}

/// One of them, as the store has it.
#[derive(Debug, FromRow)]
struct Stored {
    version: i64,
    event_id: Uuid,
    was_let_by: bool,
}

/// What a repair publishes, and what it leads to.
#[derive(Debug, Serialize)]
pub(crate) struct Repaired {
    request: RequestShown,
    missing: Value,
    left: Vec<RequestKeyShown>,
}

/// Why nothing is published again.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotRepairable(String);

macro_rules! not_repairable {
    ($($why:tt)+) => { bail!(NotRepairable(format!($($why)+))) };
}

impl RepairArgs {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        let KeyArgs { projection, key } = &self.key;
        let mut views = self.look.views.connect().await?;
        let mut operator = Operator::new(&mut views);
        known(&mut operator, projection).await?;
        let parked = operator.show(projection, key, i64::MAX).await?;
        let registry = self.look.registry()?;
        let missing = self.look.missing(&mut views, &registry, projection, &parked).await?;
        let missing = missing.stored(&self.store.connect().await?, self.skipped).await?;
        if !self.json {
            let Missing { tenant, aggregate_id, .. } = &missing.missing;
            for Stored { version, event_id, .. } in &missing.events {
                println!(
                    "missing: tenant {tenant}, aggregate {aggregate_id}, version {version}, event {event_id}"
                );
            }
        }
        if self.dry_run {
            if self.json {
                println!("{}", missing.to_json());
            }
            return Ok(Exit::Difference);
        }
        let mut owner = owner(&self.events_owner_url).await?;
        let mut operator = Operator::new(&mut views);
        let request = missing.plan(&mut operator, projection, key, &self.deed).await?;
        missing.publish(&mut owner, &self.deed).await?;
        self.arrived(&mut operator, &missing.versions()).await?;
        while operator.ask_next(request).await?.is_some() {}
        if self.wait {
            answered(&mut operator, request, self.wait_s_max).await?;
        }
        let Repaired { request, missing, left } = Repaired::now(&mut operator, request, &missing).await?;
        let is_drained = request.is_over() && request.failed == 0;
        if self.json {
            println!("{}", serde_json::to_string(&Repaired { request, missing, left })?);
        } else {
            let published = missing["events"].as_array().map_or(0, Vec::len);
            println!("request {}: {published} versions are published again and have arrived", request.id);
            report(&request, &left, self.wait);
        }
        Ok(if self.wait && !is_drained { Exit::Difference } else { Exit::Ok })
    }

    /// Waits until the versions have queued up behind the others.
    async fn arrived(&self, operator: &mut Operator<'_>, versions: &[u64]) -> anyhow::Result<()> {
        let KeyArgs { projection, key } = &self.key;
        let until = Instant::now() + Duration::from_secs(self.wait_s_max);
        loop {
            let parked = operator.show(projection, key, i64::MAX).await?;
            let has =
                |version: &u64| parked.iter().any(|it| it.version.map(i64::unsigned_abs) == Some(*version));
            if versions.iter().all(has) {
                return Ok(());
            }
            ensure!(
                Instant::now() < until,
                "what was published again has not arrived within {} s; do connector and projector run? \
                 `millrace parked redrive` applies it once it has",
                self.wait_s_max
            );
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl LookArgs {
    /// The versions that these records of one key wait for.
    pub(crate) async fn missing(
        &self,
        views: &mut PgConnection,
        registry: &wire::Registry,
        projection: &str,
        parked: &[EventShown],
    ) -> anyhow::Result<Missing> {
        missing(parked, &self.preview(views, registry, projection, parked).await?)
    }
}

/// The events' database, as whoever may publish again.
pub(crate) async fn owner(url: &str) -> anyhow::Result<PgConnection> {
    PgConnection::connect(url).await.context("failed to connect to the events' database")
}

impl Missing {
    /// The same with their events, each of which the store has to have.
    pub(crate) async fn stored(self, store: &PgPool, skipped: bool) -> anyhow::Result<Publishable> {
        let Self { tenant, aggregate_id, first, last } = &self;
        let events: Vec<Stored> = sqlx::query_as(include_str!("../../queries/event_versions.sql"))
            .bind(tenant.as_str())
            .bind(aggregate_id.0)
            .bind(i64::try_from(*first)?)
            .bind(i64::try_from(*last)?)
            .fetch_all(store)
            .await
            .context("failed to look for the missing versions")?;
        let has = |version: &u64| events.iter().any(|event| event.version.unsigned_abs() == *version);
        if let Some(version) = (*first..=*last).find(|version| !has(version)) {
            not_repairable!(
                "the event store has no version {version} of {aggregate_id} of tenant {tenant} to publish again"
            );
        }
        if let Some(event) = events.iter().find(|event| event.was_let_by && !skipped) {
            not_repairable!(
                "version {} ({}) was let by because it stopped the connector; `skipped` publishes it all the same",
                event.version,
                event.event_id
            );
        }
        Ok(Publishable { missing: self, events })
    }
}

impl Publishable {
    fn versions(&self) -> Vec<u64> {
        (self.missing.first..=self.missing.last).collect()
    }

    /// Writes the repair down; answers the request's number. The key's turn to be redriven comes once the versions have
    /// arrived.
    pub(crate) async fn plan(
        &self,
        operator: &mut Operator<'_>,
        projection: &str,
        key: &ParkKey,
        deed: &Deed,
    ) -> Result<i64, Error> {
        operator.plan_repair(projection, key, &self.versions(), &deed.reason, &deed.actor).await
    }

    /// Publishes the versions again, as the owner of the events' database.
    pub(crate) async fn publish(&self, owner: &mut PgConnection, deed: &Deed) -> anyhow::Result<()> {
        let ids: Vec<EventId> = self.events.iter().map(|event| EventId(event.event_id)).collect();
        Ok(archive::publish_again(owner, deed, &self.missing.tenant, &ids).await?)
    }

    /// What would be, or is, published again.
    pub(crate) fn to_json(&self) -> Value {
        let events: Vec<_> = self
            .events
            .iter()
            .map(|it| json!({ "version": it.version, "event_id": it.event_id.to_string() }))
            .collect();
        let Missing { tenant, aggregate_id, .. } = &self.missing;
        json!({ "tenant": tenant, "aggregate_id": aggregate_id, "events": events })
    }
}

impl Repaired {
    /// As it is now.
    pub(crate) async fn now(
        operator: &mut Operator<'_>,
        request: i64,
        published: &Publishable,
    ) -> Result<Self, Error> {
        let left = operator.request_keys_left(request, 1).await?;
        Ok(Self { request: operator.request(request).await?, missing: published.to_json(), left })
    }
}

/// What a redrive would miss; an error where it would stop for another reason, or not at all.
fn missing(parked: &[EventShown], previews: &[InPartition]) -> anyhow::Result<Missing> {
    let stops = previews.iter().find_map(|preview| Some((preview, preview.previewed.stops()?)));
    let Some((preview, stop)) = stops else { not_repairable!("no version is missing: redrive the key") };
    let why = (stop.reason.unwrap_or_default(), stop.message.as_deref().unwrap_or_default());
    if why.0 != Reason::Gap.as_str() {
        not_repairable!("the key waits for no version, but: {}: {}", why.0, why.1);
    }
    let record = parked.iter().find(|it| preview.has(it) && it.record_offset == stop.offset);
    let of = record.map(EventShown::parked).and_then(|it| Some((it.row()?, it.hints.version?)));
    let (row, found) = of.context("the record behind the gap does not say whose it is")?;
    let seen = preview
        .previewed
        .rows
        .iter()
        .find(|it| (&it.tenant, it.aggregate_id) == (&row.tenant, row.aggregate_id));
    let reached = seen.map_or(0, |it| it.then.version);
    if found - reached > VERSIONS_MAX {
        not_repairable!(
            "versions {} to {} are missing, which is no matter of one key; see `millrace reconcile store-to-topic`",
            reached + 1,
            found - 1
        );
    }
    Ok(Missing { tenant: row.tenant, aggregate_id: row.aggregate_id, first: reached + 1, last: found - 1 })
}
