//! The outbox: table, daily partitions, publication and replication slot; how committed events leave the database, and which
//! of them were let by because they could not.
//!
//! It promises that there is a partition for today and the coming days as long as [`Outbox::roll`] runs once a day,
//! that rolling neither stops appends for longer than a lock's moment nor loses an event that Debezium has not read
//! yet (the log keeps it, not the table), and that the slot exists before the first append ([`ensure_slot`]).
//! It does not know what an event means, who appends it (the `event-store` crate does) or who reads it (Debezium).

mod error;
mod partition;
mod pgoutput;
mod publication;
mod roll;
mod skip;
mod slot;
mod waiting;

pub use error::Error;
pub use partition::Partition;
pub use publication::{Flaw, PUBLICATION, Publication, publication};
pub use roll::{Outbox, Retention, Rolled};
pub use skip::{Skip, note_skip, skips};
pub use slot::{SLOT, Slot, drop_slot, ensure_slot, heartbeat_age_s, slot};
pub use waiting::{Place, Waiting, waiting};

use sqlx::PgPool;
use sqlx::migrate::Migrator;

/// Brings the outbox's part of the database up to date. Needs a connection as `owner`; repeating it changes nothing.
pub async fn migrate(owner: &PgPool) -> Result<(), Error> {
    let mut migrator: Migrator = sqlx::migrate!();
    migrator.dangerous_set_table_name("outbox_migration");
    migrator.run(owner).await.map_err(Error::Migrate)
}
