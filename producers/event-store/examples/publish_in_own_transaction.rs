//! A service that keeps a table of its own and publishes an event about it: both are there, or neither is. No HTTP, no
//! outbox to remember: the store's trigger writes it.
//!
//! Against the stack of `make up`, whose connection facts are in one file (below `/var/lib/millrace` for root):
//!
//! ```sh
//! env $(cat ~/.local/share/millrace/default/stack.env) cargo run -p event-store --example publish_in_own_transaction
//! ```

use std::error::Error;

use clap::Parser;
use event_store::{Append, Codec, Expected, PgEventStore, Place};
use events::execution::ExecutionStarted;
use events::{DomainEvent, EventId, ExecutionEvent, ExecutionId, Metadata, Timestamp};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

#[derive(Parser)]
struct Config {
    #[command(flatten)]
    store: event_store::Config,
    #[command(flatten)]
    registry: wire::RegistryConfig,
    /// For the migration of the service's own table
    #[arg(long, env = "MILLRACE_EVENTS_OWNER_URL", hide_env_values = true)]
    events_owner_url: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = Config::parse();
    migrate(&config.events_owner_url).await?;
    let codec = Codec::<ExecutionEvent>::prepare(&wire::Registry::new(&config.registry)?).await?;
    let mut connection = PgConnection::connect(&config.store.events_url).await?;

    let (tenant, id) = ("acme".parse()?, ExecutionId(Uuid::now_v7()));
    let event = started(id);
    let place = Place { tenant: &tenant, aggregate_id: id.into(), event_id: EventId(Uuid::now_v7()) };
    let metadata = Metadata { actor: Some("ticket-desk".to_owned()), ..Metadata::default() };
    let append = Append {
        aggregate_id: id.into(),
        aggregate_type: ExecutionEvent::AGGREGATE_TYPE.to_owned(),
        expected: Expected::None,
        events: vec![codec.new_event(&place, &event, metadata, None)?],
    };

    let mut transaction = connection.begin().await?; // ours: read committed, ended by us
    sqlx::query("insert into ticket (execution_id, title) values ($1, $2)")
        .bind(id.0)
        .bind("the build is red")
        .execute(&mut *transaction)
        .await?;
    let appended = PgEventStore::append_within(&mut transaction, &tenant, &[append]).await?;
    transaction.commit().await?;

    println!(
        "ticket {id} is booked, and its event is on its way to {}: {:?}",
        ExecutionEvent::TOPIC,
        appended.aggregates
    );
    Ok(())
}

fn started(execution_id: ExecutionId) -> ExecutionEvent {
    ExecutionStarted {
        execution_id,
        occurred_at: Timestamp::from_micros(chrono::Utc::now().timestamp_micros()),
        workflow_id: None,
        task: "ticket".to_owned(),
        repository: "millrace".to_owned(),
        model: "example/none".to_owned(),
        agent: "ticket-desk 1".to_owned(),
        prompt_id: None,
        prompt_version: None,
        step_limit: None,
        cost_limit: None,
        requested_by: None,
    }
    .into()
}

/// The service's table; `app`, who appends, may write it as well.
async fn migrate(owner_url: &str) -> Result<(), sqlx::Error> {
    let mut owner = PgConnection::connect(owner_url).await?;
    sqlx::raw_sql(
        "create table if not exists ticket (execution_id uuid primary key, title text not null);
         grant insert on ticket to app; grant select on ticket to auditor;",
    )
    .execute(&mut owner)
    .await
    .map(drop)
}
