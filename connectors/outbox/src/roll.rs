//! Making the days to come and dropping the days gone by.

use std::time::Duration;

use chrono::NaiveDate;
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Row};

use crate::error::{Doing, Error};
use crate::partition::Partition;

/// How long a roll waits for a lock before it gives up; it is tried again on the next run.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// The outbox, for whoever may change its tables: connections are `owner`'s.
#[derive(Debug, Clone)]
pub struct Outbox {
    owner: PgPool,
}

/// Which days there should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Days to have ready after today. As many days may pass without a roll before appends fail.
    pub days_ahead: u16,
    /// Whole days to keep before today. Debezium needs none of them (it reads the log); people looking for what was
    /// sent yesterday do.
    pub days_kept: u16,
}

impl Default for Retention {
    fn default() -> Self {
        Self { days_ahead: 14, days_kept: 3 }
    }
}

/// What a roll changed: names of tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rolled {
    /// Made and attached.
    pub created: Vec<String>,
    /// Detached and dropped.
    pub dropped: Vec<String>,
}

impl Outbox {
    /// The outbox of the database that these connections of `owner` lead to.
    pub fn new(owner: PgPool) -> Self {
        Self { owner }
    }

    /// Makes the coming days and drops those past their keeping. Safe to repeat, to run twice at once and to kill:
    /// the next run finishes a drop that was cut short.
    pub async fn roll(&self, retention: Retention) -> Result<Rolled, Error> {
        let mut connection = self.owner.acquire().await.doing("connect to roll the outbox")?;
        let timeout = format!("set lock_timeout = {}", LOCK_TIMEOUT.as_millis());
        execute(&mut connection, timeout).await.doing("set lock_timeout")?;
        let rolled = roll(&mut connection, retention).await;
        // The connection goes back to its pool as it came, or not at all. Why the roll failed comes first: where the
        // connection broke, nothing can be reset either.
        let reset = execute(&mut connection, "reset lock_timeout".to_owned()).await;
        if reset.is_err() {
            connection.close_on_drop();
        }
        let rolled = rolled?;
        reset.doing("reset lock_timeout")?;
        Ok(rolled)
    }

    /// The days there are, oldest first, detached ones included.
    pub async fn partitions(&self) -> Result<Vec<Partition>, Error> {
        let mut connection = self.owner.acquire().await.doing("connect to list the outbox's partitions")?;
        partitions(&mut connection).await
    }
}

async fn roll(connection: &mut PoolConnection<Postgres>, retention: Retention) -> Result<Rolled, Error> {
    let created = sqlx::query_scalar("select outbox_roll($1)")
        .bind(i32::from(retention.days_ahead))
        .fetch_all(&mut **connection)
        .await
        .doing("make the outbox's partitions of the coming days")?;
    let today: NaiveDate = sqlx::query_scalar("select (now() at time zone 'UTC')::date")
        .fetch_one(&mut **connection)
        .await
        .doing("ask the database for the day")?;

    let mut dropped = vec![];
    for partition in partitions(connection).await? {
        if partition.is_past(today, retention.days_kept) {
            drop_partition(connection, &partition).await?;
            dropped.push(partition.table());
        }
    }
    Ok(Rolled { created, dropped })
}

/// Detaches without stopping appends (`concurrently` cannot run in a transaction or a function), then drops.
async fn drop_partition(
    connection: &mut PoolConnection<Postgres>,
    partition: &Partition,
) -> Result<(), Error> {
    let table = partition.table();
    if partition.attached {
        let how = if partition.half_detached { "finalize" } else { "concurrently" };
        execute(connection, format!("alter table outbox detach partition {table} {how}"))
            .await
            .doing(format!("detach partition {table} of the outbox"))?;
    }
    execute(connection, format!("drop table {table}"))
        .await
        .doing(format!("drop {table}, which was detached from the outbox"))
}

async fn partitions(connection: &mut PoolConnection<Postgres>) -> Result<Vec<Partition>, Error> {
    let rows = sqlx::query(include_str!("../queries/partition_list.sql"))
        .fetch_all(&mut **connection)
        .await
        .doing("list the outbox's partitions")?;
    let partition = |row: &sqlx::postgres::PgRow| {
        let day = Partition::day_of(row.get("table"))?;
        Some(Partition { day, half_detached: row.get("half_detached"), attached: row.get("attached") })
    };
    Ok(rows.iter().filter_map(partition).collect())
}

/// Runs a statement whose only moving part is a number or the name of a partition (digits behind a fixed prefix).
async fn execute(connection: &mut PoolConnection<Postgres>, statement: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut **connection).await.map(drop)
}
