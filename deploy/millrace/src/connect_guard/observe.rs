//! One look at Connect and at Postgres. Each has a bound, and neither waits for the other to answer.

use std::time::Duration;

use connect::{Client, Connector, Offsets, State, Status};
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;

use super::decide::{ConnectorSeen, DatabaseSeen, SlotSeen};
use crate::connector::{publication_findings, slot_of, waiting};

/// How long a side may take to answer before it counts as away.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// What Debezium says when its slot begins behind the place that Connect remembers, in the words of 3.7.
const REFUSALS: [&str; 2] =
    ["no longer available on the server", "The connector is trying to read change stream starting at"];

/// What looks.
pub(super) struct Eyes {
    pub(super) client: Client,
    pub(super) connector: Connector,
    pub(super) cdc_url: String,
    /// The session with Postgres, as long as it lasts.
    pub(super) session: Option<PgConnection>,
    /// The row that the connector last failed of, and how far it had delivered then.
    pub(super) row: Option<(String, Option<u64>)>,
}

impl Eyes {
    /// The slot first: what Connect remembers is never behind what the slot has confirmed before.
    pub(super) async fn look(
        &mut self,
    ) -> (Result<Option<ConnectorSeen>, String>, Result<DatabaseSeen, String>) {
        let database = flat(timeout(ANSWER_MAX, self.database()).await);
        if database.is_err() {
            self.session = None;
        }
        let connector = match flat(timeout(ANSWER_MAX, self.connector()).await) {
            Ok(Some((status, offsets))) => {
                let stands_at = match status.stands_at_record() {
                    true => self.stands_at(offsets.as_ref()).await,
                    false => None,
                };
                Ok(Some(seen(&status, offsets.as_ref().and_then(Offsets::lsn), stands_at)))
            }
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        (connector, database)
    }

    /// The row that a connector failed of. It stays the same as long as nothing more is delivered.
    async fn stands_at(&mut self, offsets: Option<&Offsets>) -> Option<String> {
        let delivered = offsets.and_then(Offsets::lsn);
        if let Some((row, place)) = &self.row
            && *place == delivered
        {
            return Some(row.clone());
        }
        let session = self.session.as_mut()?;
        match flat(timeout(ANSWER_MAX, waiting(session, &self.connector, offsets)).await) {
            Ok(row) => {
                self.row = row.map(|row| (row.to_string(), delivered));
                self.row.as_ref().map(|(row, _)| row.clone())
            }
            // The task may not have let go of the slot yet; the next look tells.
            Err(error) => {
                tracing::debug!(error, "the row that the connector stands at cannot be told yet");
                self.session = None;
                None
            }
        }
    }

    async fn database(&mut self) -> anyhow::Result<DatabaseSeen> {
        let session = match &mut self.session {
            Some(session) => session,
            none => none.insert(PgConnection::connect(&self.cdc_url).await?),
        };
        let slot = outbox::slot(session, slot_of(&self.connector)).await?.map(|slot| SlotSeen {
            active: slot.active,
            lost: slot.lost,
            confirmed: slot.confirmed_flush_bytes.unwrap_or_default().unsigned_abs(),
            retained_bytes: slot.retained_bytes.unwrap_or_default().unsigned_abs(),
        });
        let publication_flawed = !publication_findings(session, &self.connector).await?.is_empty();
        let heartbeat_age_s = outbox::heartbeat_age_s(session).await?;
        Ok(DatabaseSeen { slot, heartbeat_age_s, publication_flawed })
    }

    async fn connector(&self) -> anyhow::Result<Option<(Status, Option<Offsets>)>> {
        let name = &self.connector.name;
        let Some(status) = self.client.status(name).await? else { return Ok(None) };
        Ok(Some((status, self.client.offsets(name).await?)))
    }
}

fn seen(status: &Status, delivered: Option<u64>, stands_at: Option<String>) -> ConnectorSeen {
    ConnectorSeen {
        running: status.is_running(),
        stopped: status.connector.state == State::Stopped && status.tasks.is_empty(),
        failed: status.failed(),
        failure: status.failure_line(),
        refuses_slot: status.traces().any(|trace| REFUSALS.iter().any(|words| trace.contains(words))),
        delivered,
        stands_at,
    }
}

fn flat<T>(answer: Result<anyhow::Result<T>, tokio::time::error::Elapsed>) -> Result<T, String> {
    match answer {
        Ok(answer) => answer.map_err(|error| format!("{error:#}")),
        Err(_) => Err(format!("no answer within {} s", ANSWER_MAX.as_secs())),
    }
}
