//! `millrace parked`: what could not be applied, and what to do about it.

use anyhow::Context;
use clap::{Args, Subcommand};
use comfy_table::Table;
use dead_letters::{Error, EventShown, KeyShown, Operator, Scope};
use kafka::ParkKey;
use sqlx::{Connection, PgConnection};

use crate::exit::Exit;

/// What to do with parked keys. The owner of the partition does it, between two batches.
#[derive(Debug, Subcommand)]
pub(crate) enum ParkedCommand {
    /// The parked keys, the longest parked first
    List(ListArgs),
    /// The records of one key in the order in which they would be applied
    Show(ShowArgs),
    /// Apply a key's records in order, up to the first that fails
    Redrive(RedriveArgs),
    /// Do without records of a key, for a reason; durable, and carried out again by every rebuild
    Discard(DiscardArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ViewsArgs {
    /// The views' database as the role `views_writer`
    #[arg(long, env = "MILLRACE_VIEWS_WRITER_URL", hide_env_values = true, value_name = "URL")]
    views_url: String,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Of this projection only
    projection: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 100)]
    limit: i64,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    views: ViewsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    /// The projection, such as executions-postgres
    projection: String,
    /// The key as `list` shows it
    #[arg(value_parser = key)]
    key: ParkKey,
    #[command(flatten)]
    views: ViewsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    key: KeyArgs,
    /// At most so many records
    #[arg(long, default_value_t = 100)]
    limit: i64,
}

#[derive(Debug, Args)]
pub(crate) struct RedriveArgs {
    #[command(flatten)]
    key: KeyArgs,
    /// Who asks
    #[arg(long, env = "USER", default_value = "operator")]
    actor: String,
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
}

impl ParkedCommand {
    pub(crate) async fn run(self) -> anyhow::Result<Exit> {
        let done = match self {
            Self::List(args) => return list(args).await,
            Self::Show(ShowArgs { key, limit }) => {
                let mut connection = key.views.connect().await?;
                let shown = Operator::new(&mut connection).show(&key.projection, &key.key, limit).await;
                shown.map(|events| events.iter().for_each(show))
            }
            Self::Redrive(RedriveArgs { key, actor }) => {
                let mut connection = key.views.connect().await?;
                let asked = Operator::new(&mut connection).redrive(&key.projection, &key.key, &actor).await;
                asked.map(|()| println!("redrive of {} in {} is asked for", key.key, key.projection))
            }
            Self::Discard(DiscardArgs { key, reason, all, foreign, actor }) => {
                let mut connection = key.views.connect().await?;
                let scope = if all { Scope::All } else { Scope::First };
                let asked = Operator::new(&mut connection)
                    .discard(&key.projection, &key.key, scope, foreign, &reason, &actor)
                    .await;
                asked.map(|offsets| {
                    println!(
                        "discarding {} of {} in {} is asked for",
                        shown(&offsets),
                        key.key,
                        key.projection
                    );
                })
            }
        };
        match done {
            Ok(()) => Ok(Exit::Ok),
            Err(error @ Error::NotParked { .. }) => {
                eprintln!("{error}");
                Ok(Exit::NotFound)
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl ViewsArgs {
    async fn connect(&self) -> anyhow::Result<PgConnection> {
        PgConnection::connect(&self.views_url).await.context("failed to connect to the views' database")
    }
}

async fn list(args: ListArgs) -> anyhow::Result<Exit> {
    let mut connection = args.views.connect().await?;
    let keys = Operator::new(&mut connection).list(args.projection.as_deref(), args.limit).await?;
    if args.json {
        for key in &keys {
            println!("{}", json(key));
        }
        return Ok(Exit::Ok);
    }
    if keys.is_empty() {
        println!("nothing is parked");
        return Ok(Exit::Ok);
    }
    let mut table = Table::new();
    table.set_header([
        "projection",
        "partition",
        "key",
        "records",
        "state",
        "reason",
        "attempts",
        "since",
        "message",
    ]);
    for key in &keys {
        table.add_row([
            key.projection.clone(),
            key.partition.to_string(),
            key.key().to_string(),
            key.events.to_string(),
            key.state.clone(),
            key.reason.clone(),
            key.attempts.to_string(),
            key.parked_at.to_rfc3339(),
            key.message.clone(),
        ]);
    }
    println!("{table}");
    Ok(Exit::Ok)
}

fn json(key: &KeyShown) -> serde_json::Value {
    serde_json::json!({
        "projection": key.projection, "topic": key.topic, "partition": key.partition, "key": key.key().to_string(),
        "tenant": key.tenant_id, "state": key.state, "reason": key.reason, "message": key.message,
        "first_offset": key.first_offset, "attempts": key.attempts, "parked_at": key.parked_at.to_rfc3339(),
        "records": key.events,
    })
}

fn show(event: &EventShown) {
    println!("{}/{}/{}", event.topic, event.partition, event.record_offset);
    println!("  reason    {}: {}", event.reason, event.message);
    println!("  attempts  {}", event.attempts);
    println!("  parked    {}", event.parked_at.to_rfc3339());
    println!("  copied    {}", event.copied_at.map_or("not yet".to_owned(), |at| at.to_rfc3339()));
    println!("  key       {}", text(event.record_key.as_deref()));
    for (name, value) in event.headers() {
        println!("  header    {name}: {}", text(value.as_deref()));
    }
    println!("  schema    {}", event.schema_id.map_or("unknown".to_owned(), |id| id.to_string()));
    println!("  payload   {}", hex(event.payload.as_deref()));
}

fn text(bytes: Option<&[u8]>) -> String {
    bytes.map_or("null".to_owned(), |bytes| bytes.escape_ascii().to_string())
}

fn hex(bytes: Option<&[u8]>) -> String {
    bytes.map_or("null".to_owned(), |bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn shown(offsets: &[i64]) -> String {
    let offsets: Vec<_> = offsets.iter().map(ToString::to_string).collect();
    format!("offsets {}", offsets.join(", "))
}

/// Reads a key as it is shown: text, with `\xff` for bytes that are none.
fn key(shown: &str) -> Result<ParkKey, String> {
    let (mut bytes, mut rest) = (Vec::new(), shown.as_bytes());
    while let Some((first, tail)) = rest.split_first() {
        rest = match (first, tail) {
            (b'\\', [b'x', high, low, tail @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16).ok_or("\\x wants two hex digits");
                bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).map_err(|error| error.to_string())?);
                tail
            }
            (b'\\', [b'n', tail @ ..]) => with(&mut bytes, b'\n', tail),
            (b'\\', [b'r', tail @ ..]) => with(&mut bytes, b'\r', tail),
            (b'\\', [b't', tail @ ..]) => with(&mut bytes, b'\t', tail),
            (b'\\', [escaped @ (b'\\' | b'\'' | b'"'), tail @ ..]) => with(&mut bytes, *escaped, tail),
            (byte, tail) => with(&mut bytes, *byte, tail),
        };
    }
    Ok(ParkKey::from_stored(bytes))
}

fn with<'a>(bytes: &mut Vec<u8>, byte: u8, rest: &'a [u8]) -> &'a [u8] {
    bytes.push(byte);
    rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_is_read_as_it_is_shown(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let stored = ParkKey::from_stored(bytes);
            prop_assert_eq!(key(&stored.to_string()).unwrap(), stored);
        }
    }
}
