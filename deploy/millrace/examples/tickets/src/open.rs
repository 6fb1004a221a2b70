//! Opening a ticket: a command is decided, and its events are in the store.

use clap::Parser;
use event_store::{Codec, Context, PgEventStore, Repository};
use events::{AggregateId, EventId, Metadata, Timestamp};
use uuid::Uuid;

use crate::ticket::{OpenTicket, Ticket, TicketOpened};

/// Open a ticket
#[derive(Debug, Parser)]
#[command(name = "tickets open")]
struct Open {
    /// What is wrong, in a few words
    title: String,
    #[command(flatten)]
    store: event_store::Config,
    #[command(flatten)]
    registry: wire::RegistryConfig,
}

pub async fn open(arguments: impl Iterator<Item = String>) -> Result<(), Box<dyn std::error::Error>> {
    let Open { title, store, registry } = Open::parse_from(arguments);
    let codec = Codec::prepare(&wire::Registry::new(&registry)?).await?;
    let tickets = Repository::<Ticket, _>::new(PgEventStore::new(store.connect().await?), codec);

    let ticket_id = AggregateId(Uuid::now_v7());
    let occurred_at = Timestamp::from_micros(chrono::Utc::now().timestamp_micros());
    let new_id = || EventId(Uuid::now_v7());
    let context = Context::new(Metadata::of_request("request-1", "ada"), &new_id);
    let command = OpenTicket(TicketOpened { ticket_id, occurred_at, title });
    let executed = tickets.execute(&"acme".parse()?, ticket_id, command, &context).await?;
    println!("{} {}", ticket_id, executed.version);
    Ok(())
}
