//! Parked keys, redrive, decisions, and the relay to the dead-letter topic.
//!
//! A record that cannot be applied parks its *key*: it and all later records of the key wait in `parked_event`, in
//! order, while other keys flow. It promises that parking is idempotent and happens in the caller's transaction
//! ([`DeadLetters`]); that only the owner of a partition changes what is parked in it, while operators ask
//! ([`Operator`]), which stays written down with who asked and what came of it, key by key; that an operator of one tenant
//! meets nobody else's; that what is done without is a
//! durable [`Decision`](kafka::Decision) with reason and actor; and that each parked record is copied to
//! `<projection>.dlq` at least once ([`Relay`]), where an outage of the topic never holds up the projection.
//!
//! It does not know how a record is applied: redrive is the runtime's, through the same step as live records.

mod error;
mod filter;
mod headers;
mod operator;
mod owner;
mod redrive;
mod relay;
mod shown;

pub use error::{Error, sql_fault};
pub use filter::Filter;
pub use operator::{Discarding, Operator, Scope};
pub use owner::DeadLetters;
pub use redrive::{ATTEMPTS_MAX, Planned, Redrive, Turn};
pub use relay::{Relay, RelayConfig, RelayError};
pub use shown::{CauseShown, DecisionShown, EventShown, KeyShown, RequestKeyShown, RequestShown};

use sqlx::PgConnection;
use sqlx::migrate::{MigrateError, Migrator};

static MIGRATOR: Migrator = sqlx::migrate!();

/// Creates or upgrades `parked_key`, `parked_event`, `decision` and `parked_request`; as the owner of the views' database.
pub async fn migrate(connection: &mut PgConnection) -> Result<(), MigrateError> {
    // Several crates migrate one database, each with its own account of what it did.
    let mut migrator = Migrator::with_migrations(MIGRATOR.iter().cloned().collect());
    migrator.dangerous_set_table_name("_dead_letters_migrations");
    migrator.run(connection).await
}
