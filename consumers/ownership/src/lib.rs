//! Who owns a partition and how far it got: epochs and offsets, in the sink.
//!
//! A [claim](Progress::claim) raises the epoch of a partition; from then on every [fence](Progress::fence) under an older epoch matches nothing, in
//! the same transaction as the rows it was to guard. So two owners can exist, after a pause or a cut cable, and only
//! the later one has any effect. It promises that an offset moves only from where its owner believed it to be.
//!
//! Beside the truth lies a hint: how far each owner says it is behind its topic ([`report`](Progress::report)), which readers see as the
//! freshness of views.
//!
//! In the same database lies the feed of what changes in views (`projection_change`), which sinks write and readers follow.
//!
//! Every function works in the caller's transaction. It does not know what is guarded, nor Kafka: that a partition was
//! assigned to a process is the process's business.

use sqlx::PgConnection;
use sqlx::migrate::{MigrateError, Migrator};

static MIGRATOR: Migrator = sqlx::migrate!();

/// Creates or upgrades `projection_offset` and what goes with it; as the owner of the views' database.
pub async fn migrate(connection: &mut PgConnection) -> Result<(), MigrateError> {
    // Several crates migrate one database, each with its own account of what it did.
    let mut migrator = Migrator::with_migrations(MIGRATOR.iter().cloned().collect());
    migrator.dangerous_set_table_name("_ownership_migrations");
    migrator.run(connection).await
}

/// What could not be done to which projection's partitions.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {what}")]
pub struct Error {
    /// Claim, renew, move, hold, count a parking or list.
    pub action: &'static str,
    /// Which partitions, of which topic, for whom.
    pub what: String,
    /// What the database said.
    #[source]
    pub source: sqlx::Error,
}

/// Whose partitions these functions speak of.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The projection's name.
    pub projection: &'a str,
    /// The topic it reads.
    pub topic: &'a str,
}

/// A partition that is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Claimed {
    /// Which one.
    pub partition: i32,
    /// Our epoch.
    pub epoch: i64,
    /// The first offset that is not applied. Of sinks that keep their offsets elsewhere: where they got with their last
    /// [parking](Progress::park).
    pub next_offset: i64,
    /// What the record before it was, if that is known.
    pub fingerprint: Option<i64>,
    /// How often a sink that keeps its offsets elsewhere parked something.
    pub parkings: i64,
}

/// One step of progress under an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advance {
    /// The partition.
    pub partition: i32,
    /// The epoch it is ours under.
    pub epoch: i64,
    /// Where it stands.
    pub from: i64,
    /// Where it will stand.
    pub next_offset: i64,
    /// What the record before that is, to be known again.
    pub fingerprint: Option<i64>,
}

/// What a sink that keeps its offsets elsewhere is about to park in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parking {
    /// The partition.
    pub partition: i32,
    /// The epoch it is ours under.
    pub epoch: i64,
    /// How many came before.
    pub parkings: i64,
    /// Where it will stand.
    pub next_offset: i64,
}

/// How far an owner says it is in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reported {
    /// The partition.
    pub partition: i32,
    /// The epoch it is the owner's under.
    pub epoch: i64,
    /// The first offset that is not applied.
    pub next_offset: i64,
    /// The first offset that the topic does not have yet, once it is known.
    pub end_offset: Option<i64>,
    /// When everything in the partition was last applied or parked, in microseconds since 1970.
    pub current_at_micros: Option<i64>,
    /// When the newest event was recorded that the owner applied, in microseconds since 1970.
    pub newest_at_micros: Option<i64>,
    /// Keys that are parked.
    pub parked_keys: i64,
    /// It waits because of what it cannot apply.
    pub stopped: bool,
}

/// One row of `projection_offset`.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Standing {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The epoch of the last claim.
    pub epoch: i64,
    /// The first offset that is not applied.
    pub next_offset: i64,
    /// Who claimed it last.
    pub owner: String,
}

impl Progress<'_> {
    /// Takes the partitions from whoever has them.
    pub async fn claim(
        &self,
        connection: &mut PgConnection,
        partitions: &[i32],
        owner: &str,
    ) -> Result<Vec<Claimed>, Error> {
        sqlx::query_as(include_str!("../queries/projection_offset_claim.sql"))
            .bind(self.projection)
            .bind(self.topic)
            .bind(partitions)
            .bind(owner)
            .fetch_all(connection)
            .await
            .map_err(|source| self.failed("claim", partitions, source))
    }

    /// Takes those of the partitions (with their epochs) again that nobody else took.
    pub async fn renew(
        &self,
        connection: &mut PgConnection,
        held: &[(i32, i64)],
    ) -> Result<Vec<Claimed>, Error> {
        let (partitions, epochs): (Vec<i32>, Vec<i64>) = held.iter().copied().unzip();
        sqlx::query_as(include_str!("../queries/projection_offset_renew.sql"))
            .bind(self.projection)
            .bind(self.topic)
            .bind(&partitions)
            .bind(&epochs)
            .fetch_all(connection)
            .await
            .map_err(|source| self.failed("renew", &partitions, source))
    }

    /// Moves the offsets of those partitions that are ours and stand where we think, and says which.
    pub async fn fence(
        &self,
        connection: &mut PgConnection,
        advances: &[Advance],
    ) -> Result<Vec<i32>, Error> {
        let partitions: Vec<i32> = advances.iter().map(|a| a.partition).collect();
        sqlx::query_scalar(include_str!("../queries/projection_offset_fence.sql"))
            .bind(self.projection)
            .bind(self.topic)
            .bind(&partitions)
            .bind(advances.iter().map(|a| a.epoch).collect::<Vec<_>>())
            .bind(advances.iter().map(|a| a.from).collect::<Vec<_>>())
            .bind(advances.iter().map(|a| a.next_offset).collect::<Vec<_>>())
            .bind(advances.iter().map(|a| a.fingerprint).collect::<Vec<_>>())
            .fetch_all(connection)
            .await
            .map_err(|source| self.failed("move the offsets of", &partitions, source))
    }

    /// Says which partitions (with their epochs) are ours, and keeps them so until the transaction ends. For sinks
    /// that keep offsets elsewhere and write beside them in Postgres.
    pub async fn hold(&self, connection: &mut PgConnection, held: &[(i32, i64)]) -> Result<Vec<i32>, Error> {
        let (partitions, epochs): (Vec<i32>, Vec<i64>) = held.iter().copied().unzip();
        sqlx::query_scalar(include_str!("../queries/projection_offset_hold.sql"))
            .bind(self.projection)
            .bind(self.topic)
            .bind(&partitions)
            .bind(&epochs)
            .fetch_all(connection)
            .await
            .map_err(|source| self.failed("hold", &partitions, source))
    }

    /// Counts a parking in those partitions that are ours and have all parkings that came before, and says which. A sink
    /// that keeps its offsets elsewhere keeps the count beside them: where Postgres has fewer, it lost what was parked.
    pub async fn park(&self, connection: &mut PgConnection, parkings: &[Parking]) -> Result<Vec<i32>, Error> {
        let partitions: Vec<i32> = parkings.iter().map(|p| p.partition).collect();
        sqlx::query_scalar(include_str!("../queries/projection_offset_park.sql"))
            .bind(self.projection)
            .bind(self.topic)
            .bind(&partitions)
            .bind(parkings.iter().map(|p| p.epoch).collect::<Vec<_>>())
            .bind(parkings.iter().map(|p| p.parkings).collect::<Vec<_>>())
            .bind(parkings.iter().map(|p| p.next_offset).collect::<Vec<_>>())
            .fetch_all(connection)
            .await
            .map_err(|source| self.failed("count a parking in", &partitions, source))
    }

    /// Says how far the owner is; what an owner of an earlier epoch says is not heard.
    pub async fn report(&self, connection: &mut PgConnection, reported: &[Reported]) -> Result<(), Error> {
        let partitions: Vec<i32> = reported.iter().map(|it| it.partition).collect();
        sqlx::query(include_str!("../queries/projection_status_report.sql"))
            .bind(self.projection)
            .bind(self.topic)
            .bind(&partitions)
            .bind(reported.iter().map(|it| it.epoch).collect::<Vec<_>>())
            .bind(reported.iter().map(|it| it.next_offset).collect::<Vec<_>>())
            .bind(reported.iter().map(|it| it.end_offset).collect::<Vec<_>>())
            .bind(reported.iter().map(|it| it.current_at_micros).collect::<Vec<_>>())
            .bind(reported.iter().map(|it| it.newest_at_micros).collect::<Vec<_>>())
            .bind(reported.iter().map(|it| it.parked_keys).collect::<Vec<_>>())
            .bind(reported.iter().map(|it| it.stopped).collect::<Vec<_>>())
            .execute(connection)
            .await
            .map(drop)
            .map_err(|source| self.failed("report on", &partitions, source))
    }

    fn failed(&self, action: &'static str, partitions: &[i32], source: sqlx::Error) -> Error {
        let what = format!("partitions {partitions:?} of {} for {}", self.topic, self.projection);
        Error { action, what, source }
    }
}

/// How far the projection got, in every partition of every topic it ever read.
pub async fn standings(connection: &mut PgConnection, projection: &str) -> Result<Vec<Standing>, Error> {
    sqlx::query_as(include_str!("../queries/projection_offset_list.sql"))
        .bind(projection)
        .fetch_all(connection)
        .await
        .map_err(|source| Error { action: "list", what: format!("the offsets of {projection}"), source })
}
