//! Forgetting the answers to commands.

use std::time::Duration;

use sqlx::PgPool;

use super::faults::Doing;
use super::row::natural;
use crate::StoreError;

/// Rows that one transaction forgets, so that none is long.
const BATCH: i32 = 1000;

/// Forgets the answers to commands that are older than `kept`, which is an hour at least; returns how many. The connections
/// are `owner`'s. A command repeated after that is carried out again.
pub async fn expire_commands(owner: &PgPool, kept: Duration) -> Result<u64, StoreError> {
    let mut forgotten = 0;
    loop {
        let batch = sqlx::query_scalar(include_str!("../../queries/command_expire.sql"))
            .bind(kept.as_secs_f64())
            .bind(BATCH)
            .fetch_one(owner)
            .await
            .map(natural)
            .doing("forget the answers to old commands")?;
        forgotten += batch;
        if batch < BATCH.unsigned_abs().into() {
            return Ok(forgotten);
        }
    }
}
