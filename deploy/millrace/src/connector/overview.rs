//! `millrace connect status`: everything that tells whether events leave the store, on one screen.

use connect::{Connector, Finding, Offsets, Plan, Status};
use outbox::{Slot, Waiting};
use serde::Serialize;

use super::{ConnectArgs, check, slot_of, waiting};
use crate::exit::Exit;

/// What is true of the connector and of what it reads.
#[derive(Debug, Default, Serialize)]
struct Overview {
    connector: String,
    /// Connector and tasks, as one line.
    state: Option<String>,
    running: bool,
    /// What a failed part said first.
    failure: Option<String>,
    /// The row that it stands at, where that is what it failed of.
    stands_at: Option<Waiting>,
    /// Settings in which Connect and the file differ; none where Connect does not have the connector.
    drift: Option<usize>,
    /// Up to where in the log Connect has what was read, in bytes since it began.
    delivered_bytes: Option<u64>,
    slot: Option<SlotSeen>,
    /// What the publication loses.
    publication: Vec<Finding>,
    heartbeat_age_s: Option<f64>,
    /// Older than this, a heartbeat is late.
    heartbeat_age_s_max: f64,
    /// Why all is not well. None: it is.
    troubles: Vec<String>,
}

#[derive(Debug, Serialize)]
struct SlotSeen {
    name: String,
    active: bool,
    wal_status: Option<String>,
    retained_bytes: Option<i64>,
    unconfirmed_bytes: Option<i64>,
    confirmed_flush_lsn: Option<String>,
    confirmed_bytes: Option<i64>,
}

pub(super) async fn run(args: &ConnectArgs, json: bool) -> anyhow::Result<Exit> {
    let connector = args.connector().await?;
    let mut overview = Overview {
        connector: connector.name.clone(),
        heartbeat_age_s_max: heartbeat_s_max(&connector),
        ..Overview::default()
    };
    // Each side is told of even where the other does not answer.
    let database = overview.look_at_database(args, &connector).await;
    let worker = overview.look_at_connect(args, &connector).await;
    overview.judge();
    for failed in [database, worker].into_iter().filter_map(Result::err) {
        overview.troubles.push(format!("{failed:#}"));
    }
    if json {
        println!("{}", serde_json::to_string(&overview)?);
    } else {
        overview.print();
    }
    Ok(if overview.troubles.is_empty() { Exit::Ok } else { Exit::Failed })
}

/// When a heartbeat is late, in seconds: after six of them, and no sooner than a slow machine may take for one.
pub(crate) fn heartbeat_s_max(connector: &Connector) -> f64 {
    let interval_ms = connector.settings.get("heartbeat.interval.ms").and_then(|ms| ms.parse().ok());
    (6.0 * interval_ms.unwrap_or(5_000.0_f64) / 1000.0).max(10.0)
}

impl Overview {
    async fn look_at_database(&mut self, args: &ConnectArgs, connector: &Connector) -> anyhow::Result<()> {
        let mut cdc = args.cdc().await?;
        self.slot = outbox::slot(&mut cdc, slot_of(connector)).await?.map(SlotSeen::from);
        self.publication = check::publication_findings(&mut cdc, connector).await?;
        self.heartbeat_age_s = Some(outbox::heartbeat_age_s(&mut cdc).await?);
        if self.slot.is_none() {
            self.troubles.push(format!("there is no replication slot {}", slot_of(connector)));
        }
        Ok(())
    }

    async fn look_at_connect(&mut self, args: &ConnectArgs, connector: &Connector) -> anyhow::Result<()> {
        let client = args.client()?;
        let Some(status) = client.status(&connector.name).await? else {
            self.troubles.push(format!("Connect has no connector {}", connector.name));
            return Ok(());
        };
        self.state = Some(status.to_string());
        self.running = Status::is_running(&status);
        self.failure = status.failure_line();
        let plan: Plan = client.plan(connector).await?;
        self.drift = Some(plan.changes.len());
        let offsets = client.offsets(&connector.name).await?;
        self.delivered_bytes = offsets.as_ref().and_then(Offsets::lsn);
        if status.stands_at_record() {
            let mut cdc = args.cdc().await?;
            self.stands_at = waiting(&mut cdc, connector, offsets.as_ref()).await?;
        }
        Ok(())
    }

    /// Says of what was seen why it is not well.
    fn judge(&mut self) {
        let mut troubles = vec![];
        if let Some(state) = self.state.as_ref().filter(|_| !self.running) {
            troubles.push(state.clone());
        }
        if let Some(drift) = self.drift.filter(|drift| *drift > 0) {
            troubles.push(format!(
                "{drift} settings are not as the file says; `millrace connect plan` names them"
            ));
        }
        if let Some(slot) = &self.slot {
            troubles.extend((!slot.active).then(|| "nobody reads the slot".to_owned()));
            let wal = slot.wal_status.as_deref().filter(|status| !["reserved", "extended"].contains(status));
            troubles.extend(wal.map(|status| format!("the log that the slot needs is {status}")));
            let confirmed = slot.confirmed_bytes.map(i64::unsigned_abs);
            if self
                .delivered_bytes
                .is_some_and(|delivered| confirmed.is_some_and(|confirmed| confirmed > delivered))
            {
                troubles.push(
                    "the slot begins behind the place that Connect remembers: it was made again".into(),
                );
            }
        }
        troubles.extend(self.publication.iter().map(ToString::to_string));
        if let Some(age) = self.heartbeat_age_s.filter(|age| *age > self.heartbeat_age_s_max) {
            troubles.push(format!("the last heartbeat is {age:.0} s old"));
        }
        self.troubles.extend(troubles);
    }

    fn print(&self) {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let row = |name: &str, text: String| println!("{name:<12} {text}");
        row("connector", self.connector.clone());
        row("state", or_dash(self.state.clone()));
        if let Some(failure) = &self.failure {
            row("failure", failure.clone());
        }
        if let Some(waiting) = &self.stands_at {
            row("stands at", waiting.to_string());
        }
        let slot = self.slot.as_ref().map(|slot| {
            format!(
                "{}, {}, log {}, {} bytes kept for it, {} not confirmed, confirmed {}",
                slot.name,
                if slot.active { "active" } else { "not active" },
                or_dash(slot.wal_status.clone()),
                slot.retained_bytes.unwrap_or_default(),
                slot.unconfirmed_bytes.unwrap_or_default(),
                or_dash(slot.confirmed_flush_lsn.clone()),
            )
        });
        row("slot", or_dash(slot));
        let flaws: Vec<_> = self.publication.iter().map(|flaw| flaw.setting.clone()).collect();
        let publication = if flaws.is_empty() { "as it has to be".to_owned() } else { flaws.join(", ") };
        row("publication", if self.heartbeat_age_s.is_some() { publication } else { "-".into() });
        row("heartbeat", or_dash(self.heartbeat_age_s.map(|age| format!("{age:.1} s old"))));
        row(
            "drift",
            or_dash(self.drift.map(|settings| {
                if settings == 0 { "no".into() } else { format!("yes, in {settings} settings") }
            })),
        );
        row(
            "offset",
            or_dash(self.delivered_bytes.map(|lsn| format!("{:X}/{:X}", lsn >> 32, lsn & 0xFFFF_FFFF))),
        );
        match self.troubles.as_slice() {
            [] => row("verdict", "healthy".into()),
            troubles => troubles.iter().for_each(|trouble| row("trouble", trouble.clone())),
        }
    }
}

impl From<Slot> for SlotSeen {
    fn from(slot: Slot) -> Self {
        Self {
            name: slot.name,
            active: slot.active,
            wal_status: slot.wal_status,
            retained_bytes: slot.retained_bytes,
            unconfirmed_bytes: slot.unconfirmed_bytes,
            confirmed_flush_lsn: slot.confirmed_flush_lsn,
            confirmed_bytes: slot.confirmed_flush_bytes,
        }
    }
}
