//! `millrace events`: one execution's history, and its state at any version or moment.

use agents::Execution;
use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand};
use comfy_table::Table;
use event_store::{Codec, EventStore, PgEventStore, Repository, StoredEvent, Until};
use events::{AggregateId, DomainEvent, ExecutionEvent, TenantId, Timestamp};

use crate::exit::Exit;

/// What to show of an execution.
#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// Every event: version, when it happened, when it was stored, type, payload
    Timeline(EventsArgs),
    /// The state that the events up to a version or a moment lead to
    State(EventsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// The execution
    aggregate: AggregateId,

    /// Whose it is
    #[arg(long)]
    tenant: TenantId,

    /// As of this version
    #[arg(long, conflicts_with = "at")]
    version: Option<u64>,

    /// As of this moment (RFC 3339): what had happened by then
    #[arg(long)]
    at: Option<DateTime<Utc>>,

    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    store: event_store::Config,

    #[command(flatten)]
    registry: wire::RegistryConfig,
}

impl EventsCommand {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        let (Self::Timeline(args) | Self::State(args)) = &self;
        let until = match (args.version, args.at) {
            (Some(version), _) => Until::Version(version),
            (None, Some(at)) => Until::Occurred(Timestamp::from_micros(at.timestamp_micros())),
            (None, None) => Until::Now,
        };
        let store = PgEventStore::new(args.store.connect().await?);
        let codec = Codec::prepare(&wire::Registry::new(&args.registry)?).await?;
        let found = match &self {
            Self::Timeline(args) => {
                let history = store.load_until(&args.tenant, args.aggregate, 0, until).await?;
                if !history.is_empty() {
                    timeline(&codec, &history, args.json).await?;
                }
                !history.is_empty()
            }
            Self::State(args) => {
                let executions = Repository::<Execution, _>::new(store, codec);
                let (state, version) = executions.state(&args.tenant, args.aggregate, until).await?;
                if version > 0 {
                    println!("version {version}\n{state:#?}");
                }
                version > 0
            }
        };
        if !found {
            eprintln!("tenant {} has no events of {} up to there", args.tenant, args.aggregate);
            return Ok(Exit::NotFound);
        }
        Ok(Exit::Ok)
    }
}

async fn timeline(codec: &Codec<ExecutionEvent>, history: &[StoredEvent], json: bool) -> anyhow::Result<()> {
    let mut decoded = vec![];
    for event in history {
        let recorded = codec.recorded(event.clone()).await?;
        decoded.push(recorded.payload.serialize_record(serde_json::value::Serializer)?);
    }
    let history = history.iter().zip(decoded);
    if json {
        for (event, data) in history {
            println!(
                "{}",
                serde_json::json!({
                    "version": event.version, "event_id": event.event_id, "event_type": event.event_type,
                    "occurred_at": moment(event.occurred_at), "recorded_at": moment(event.recorded_at),
                    "position": event.position, "data": data,
                })
            );
        }
        return Ok(());
    }
    let mut table = Table::new();
    table.set_header(["version", "occurred at", "recorded at", "type", "data"]);
    for (event, data) in history {
        table.add_row([
            event.version.to_string(),
            moment(event.occurred_at),
            moment(event.recorded_at),
            event.event_type.clone(),
            data.to_string(),
        ]);
    }
    println!("{table}");
    Ok(())
}

/// RFC 3339 with microseconds, UTC.
pub(crate) fn moment(time: Timestamp) -> String {
    DateTime::<Utc>::from_timestamp_micros(time.micros()).map_or_else(
        || format!("{} us", time.micros()),
        |time| time.to_rfc3339_opts(SecondsFormat::Micros, true),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_printed_to_the_microsecond() {
        let time = Timestamp::from_micros(1_763_511_278_000_001);
        assert_eq!(moment(time), "2025-11-19T00:14:38.000001Z");
    }
}
