//! A service that keeps a table of its own and publishes an event about it, in one transaction: both are there, or neither
//! is. No HTTP, no outbox to remember: the store's trigger writes it. Against the stack of `make up`, whose facts are in one
//! file (for root: `/var/lib/millrace/default/stack.env`):
//!
//! ```sh
//! env $(grep -v '^#' ~/.local/share/millrace/default/stack.env) cargo run -p event-store --example publish_in_own_transaction
//! ```

use clap::Parser;
use event_store::{Append, Codec, Expected, PgEventStore, Place};
use events::prompt::PromptCreated;
use events::{AgentRole, DomainEvent, EventId, Metadata, PromptEvent, PromptId, Timestamp};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    store: event_store::Config,
    #[command(flatten)]
    registry: wire::RegistryConfig,
    /// Makes the service's table
    #[arg(long, env = "MILLRACE_EVENTS_OWNER_URL", hide_env_values = true)]
    events_owner_url: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::parse();
    let mut owner = PgConnection::connect(&settings.events_owner_url).await?;
    let table = "create table if not exists prompt_team (prompt_id uuid primary key, team text not null);
                 grant insert on prompt_team to app; grant select on prompt_team to auditor";
    sqlx::raw_sql(table).execute(&mut owner).await?;
    let codec = Codec::<PromptEvent>::prepare(&wire::Registry::new(&settings.registry)?).await?;

    let (tenant, prompt_id) = ("acme".parse()?, PromptId(Uuid::now_v7()));
    let place = Place { tenant: &tenant, aggregate_id: prompt_id.into(), event_id: EventId(Uuid::now_v7()) };
    let occurred_at = Timestamp::from_micros(chrono::Utc::now().timestamp_micros());
    let (name, description) = ("planner".to_owned(), "Breaks a goal into steps.".to_owned());
    let created = PromptCreated {
        prompt_id,
        occurred_at,
        name,
        role: AgentRole::Planner,
        description,
        created_by: None,
    };
    let append = Append {
        aggregate_id: prompt_id.into(),
        aggregate_type: PromptEvent::AGGREGATE_TYPE.to_owned(),
        expected: Expected::None,
        events: vec![codec.new_event(
            &place,
            &created.into(),
            Metadata::of_request("request-1", "ada"),
            None,
        )?],
    };

    let mut connection = PgConnection::connect(&settings.store.events_url).await?;
    let mut transaction = connection.begin().await?; // ours: read committed, ended by us
    let insert = sqlx::query("insert into prompt_team (prompt_id, team) values ($1, 'search')");
    insert.bind(prompt_id.0).execute(&mut *transaction).await?;
    let appended = PgEventStore::append_within(&mut transaction, &tenant, &[append]).await?;
    transaction.commit().await?;
    println!("{prompt_id} has its team, and its event is on its way to {}: {appended:?}", PromptEvent::TOPIC);
    Ok(())
}
