//! `millrace parked repair`: a version that is missing on the topic and not in the store is asked for again.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Args;
use dead_letters::{EventShown, Operator};
use event_store::Deed;
use events::{AggregateId, EventId, TenantId};
use kafka::Reason;
use sqlx::{Connection, FromRow, PgConnection};
use uuid::Uuid;

use super::KeyArgs;
use super::preview::{InPartition, LookArgs};
use super::redrive::{LOOK, answered, report};
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
struct Missing {
    tenant: TenantId,
    aggregate_id: AggregateId,
    first: u64,
    last: u64,
}

/// One of them, as the store has it.
#[derive(Debug, FromRow)]
struct Stored {
    version: i64,
    event_id: Uuid,
    was_let_by: bool,
}

impl RepairArgs {
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        let KeyArgs { projection, key } = &self.key;
        let mut views = self.look.views.connect().await?;
        let parked = Operator::new(&mut views).show(projection, key, i64::MAX).await?;
        let registry = self.look.registry()?;
        let previews = self.look.preview(&mut views, &registry, projection, &parked).await?;
        let missing = missing(&parked, &previews)?;
        let events = self.stored(&missing).await?;
        if !self.json {
            let Missing { tenant, aggregate_id, .. } = &missing;
            for Stored { version, event_id, .. } in &events {
                println!(
                    "missing: tenant {tenant}, aggregate {aggregate_id}, version {version}, event {event_id}"
                );
            }
        }
        if self.dry_run {
            if self.json {
                println!("{}", told(&missing, &events));
            }
            return Ok(Exit::Difference);
        }
        let mut operator = Operator::new(&mut views);
        let versions: Vec<u64> = (missing.first..=missing.last).collect();
        let Deed { actor, reason } = &self.deed;
        let request = operator.plan_repair(projection, key, &versions, reason, actor).await?;
        let ids: Vec<EventId> = events.iter().map(|event| EventId(event.event_id)).collect();
        let mut owner = PgConnection::connect(&self.events_owner_url)
            .await
            .context("failed to connect to the events' database")?;
        archive::publish_again(&mut owner, &self.deed, &missing.tenant, &ids).await?;
        self.arrived(&mut operator, &versions).await?;
        while operator.ask_next(request).await?.is_some() {}
        let reached = match self.wait {
            true => answered(&mut operator, request, self.wait_s_max).await?,
            false => operator.request(request).await?,
        };
        let left = operator.request_keys_left(request, 1).await?;
        if self.json {
            let missing = told(&missing, &events);
            println!("{}", serde_json::json!({ "request": reached, "missing": missing, "left": left }));
        } else {
            println!("request {request}: {} versions are published again and have arrived", versions.len());
            report(&reached, &left, self.wait);
        }
        let is_drained = reached.is_over() && reached.failed == 0;
        Ok(if self.wait && !is_drained { Exit::Difference } else { Exit::Ok })
    }

    /// The missing versions, each of which the store has to have.
    async fn stored(&self, missing: &Missing) -> anyhow::Result<Vec<Stored>> {
        let Missing { tenant, aggregate_id, first, last } = missing;
        let store = self.store.connect().await?;
        let events: Vec<Stored> = sqlx::query_as(include_str!("../../queries/event_versions.sql"))
            .bind(tenant.as_str())
            .bind(aggregate_id.0)
            .bind(i64::try_from(*first)?)
            .bind(i64::try_from(*last)?)
            .fetch_all(&store)
            .await
            .context("failed to look for the missing versions")?;
        let has = |version: &u64| events.iter().any(|event| event.version.unsigned_abs() == *version);
        if let Some(version) = (*first..=*last).find(|version| !has(version)) {
            bail!(
                "the event store has no version {version} of {aggregate_id} of tenant {tenant} to publish again"
            );
        }
        if let Some(event) = events.iter().find(|event| event.was_let_by && !self.skipped) {
            bail!(
                "version {} ({}) was let by because it stopped the connector; --skipped publishes it all the same",
                event.version,
                event.event_id
            );
        }
        Ok(events)
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

/// What a redrive would miss; an error where it would stop for another reason, or not at all.
fn missing(parked: &[EventShown], previews: &[InPartition]) -> anyhow::Result<Missing> {
    let stops = previews.iter().find_map(|preview| Some((preview, preview.previewed.stops()?)));
    let Some((preview, stop)) = stops else { bail!("no version is missing: redrive the key") };
    let why = (stop.reason.unwrap_or_default(), stop.message.as_deref().unwrap_or_default());
    ensure!(why.0 == Reason::Gap.as_str(), "the key waits for no version, but: {}: {}", why.0, why.1);
    let record = parked.iter().find(|it| preview.has(it) && it.record_offset == stop.offset);
    let of = record.map(EventShown::parked).and_then(|it| Some((it.row()?, it.hints.version?)));
    let (row, found) = of.context("the record behind the gap does not say whose it is")?;
    let seen = preview
        .previewed
        .rows
        .iter()
        .find(|it| (&it.tenant, it.aggregate_id) == (&row.tenant, row.aggregate_id));
    let reached = seen.map_or(0, |it| it.then.version);
    ensure!(
        found - reached <= VERSIONS_MAX,
        "versions {} to {} are missing, which is no matter of one key; see `millrace reconcile store-to-topic`",
        reached + 1,
        found - 1
    );
    Ok(Missing { tenant: row.tenant, aggregate_id: row.aggregate_id, first: reached + 1, last: found - 1 })
}

fn told(missing: &Missing, events: &[Stored]) -> serde_json::Value {
    let events: Vec<_> = events
        .iter()
        .map(|it| serde_json::json!({ "version": it.version, "event_id": it.event_id.to_string() }))
        .collect();
    serde_json::json!({
        "tenant": missing.tenant, "aggregate_id": missing.aggregate_id, "events": events,
    })
}
