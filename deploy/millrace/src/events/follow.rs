//! The whole store as it grows, one event a line.

use std::io::{IsTerminal, stderr};
use std::num::NonZeroU64;

use anyhow::Context;
use clap::Args;
use event_store::{EventLog, Filter, PgEventLog, StoredEvent};
use events::TenantId;
use subscriptions::{Config, Delivery, Subscription};

use super::kinds::{self, Reading};
use super::timeline::{facts, moment};
use crate::exit::Exit;

#[derive(Debug, Args)]
pub(crate) struct FollowArgs {
    /// Only this tenant's events
    #[arg(long)]
    tenant: Option<TenantId>,

    /// Only events of this type; may be given several times
    #[arg(long = "type", value_name = "EVENT_TYPE")]
    event_types: Vec<String>,

    /// Begin with the event after this position (0: with the first one) instead of with what comes from now on
    #[arg(long, value_name = "POSITION")]
    after: Option<u64>,

    /// End after so many events
    #[arg(long, value_name = "N")]
    most: Option<NonZeroU64>,

    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    store: event_store::Config,

    #[command(flatten)]
    auditor: event_store::AuditConfig,

    #[command(flatten)]
    registry: wire::RegistryConfig,

    #[command(flatten)]
    keys: event_store::KeyringConfig,
}

impl FollowArgs {
    /// Prints until told to stop.
    pub(super) async fn run(self) -> anyhow::Result<Exit> {
        let keyring = crate::keys::keyring(&self.keys, &self.store.connect().await?)?;
        let reading = Reading { registry: wire::Registry::new(&self.registry)?, keyring };
        let log = PgEventLog::listening(self.auditor.connect().await?);
        let after = match self.after {
            Some(position) => position,
            None => log.settled_position().await?,
        };
        let filter =
            Filter { tenant: self.tenant.clone(), event_types: self.event_types.clone(), ..Filter::all() };
        let subscription = Subscription::new(log, filter, after, Config::default());
        let stop = service::shutdown_signal()?;
        stop.run_until_cancelled(self.print(subscription, &reading)).await.unwrap_or(Ok(Exit::Ok))
    }

    async fn print(
        &self,
        mut subscription: Subscription<PgEventLog>,
        reading: &Reading,
    ) -> anyhow::Result<Exit> {
        let mut left = self.most.map(NonZeroU64::get);
        while left != Some(0) {
            match subscription.next().await.context("failed to follow the event store")? {
                Delivery::Slice(slice) => {
                    let most = left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
                    let events = &slice.events[..slice.events.len().min(most)];
                    self.print_all(events, reading).await?;
                    left = left.map(|left| left - events.len() as u64);
                }
                Delivery::CaughtUp { position } if stderr().is_terminal() => {
                    eprintln!("everything up to position {position}; from here on as it comes");
                }
                Delivery::CaughtUp { .. } | Delivery::FellBehind { .. } => {}
            }
        }
        Ok(Exit::Ok)
    }

    async fn print_all(&self, events: &[StoredEvent], reading: &Reading) -> anyhow::Result<()> {
        for alike in events.chunk_by(|one, next| one.aggregate_type == next.aggregate_type) {
            for (event, data) in alike.iter().zip(kinds::payloads(alike, reading).await?) {
                if self.json {
                    println!("{}", facts(event, &data));
                    continue;
                }
                let StoredEvent { tenant, aggregate_type, aggregate_id, version, event_type, .. } = event;
                let recorded_at = moment(event.recorded_at);
                println!(
                    "{recorded_at} {tenant} {aggregate_type} {aggregate_id} {version} {event_type} {data}"
                );
            }
        }
        Ok(())
    }
}
