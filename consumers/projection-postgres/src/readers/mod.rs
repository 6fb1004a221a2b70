//! The views as their readers see them: as the role `dashboard`, one tenant at a time, and no more than was asked for.

mod changes;
mod relation;
mod select;

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use clap::value_parser;
use events::{AggregateId, TenantId, Timestamp};
use kafka::Password;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, FromRow, PgPool, PgTransaction};

pub use changes::Change;
pub use relation::{Kind, Relation, RelationColumn};
use select::Statement;
pub use select::{Comparison, Filter, Order, Selection, Test};

use crate::Error;

/// How readers reach the views, and how long an answer may take.
#[derive(Debug, Clone, Args)]
pub struct ReadersConfig {
    /// The views' database as the role `dashboard`
    #[arg(long, env = "MILLRACE_VIEWS_DASHBOARD_URL", hide_env_values = true, value_name = "URL")]
    pub views_dashboard_url: Password,

    /// Most connections that read at the same time
    #[arg(long, env = "MILLRACE_VIEWS_READERS_MAX", default_value_t = 8, value_name = "N",
          value_parser = value_parser!(u32).range(1..=1_000))]
    pub views_readers_max: u32,

    /// Longest run of one reader's statement, in milliseconds
    #[arg(long, env = "MILLRACE_VIEWS_READ_MS_MAX", default_value_t = 2_000, value_name = "MS",
          value_parser = value_parser!(u64).range(10..=300_000))]
    pub views_read_ms_max: u64,
}

/// Connections that read views.
#[derive(Debug, Clone)]
pub struct Readers {
    pool: PgPool,
}

/// One row as JSON, and where it stands in the order that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The row, as JSON.
    pub row: String,
    /// The values that it is sorted by, as text.
    pub place: Vec<Option<String>>,
}

/// What is known of one aggregate's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// The version it shows.
    pub version: u64,
    /// The row as JSON, unless it is deleted.
    pub row: Option<String>,
}

/// How fresh the views of a projection are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freshness {
    /// The projection.
    pub projection: String,
    /// Everything that was in the topic at this moment is in the views, or parked.
    pub as_of: Option<Timestamp>,
    /// The first offset of each partition that may not be in the views.
    pub position: BTreeMap<i32, i64>,
}

/// Asks again where the connection turned out to be dead, until all that were kept are known: whatever is read can be read again.
macro_rules! again {
    ($readers:expr, $ask:expr) => {{
        let mut answer = $ask.await;
        for _ in 0..$readers.pool.options().get_max_connections() {
            if !answer.as_ref().is_err_and(is_dead) {
                break;
            }
            answer = $ask.await;
        }
        answer
    }};
}
use again;

impl Readers {
    /// As configured; connects when first asked.
    pub fn new(config: &ReadersConfig) -> Result<Self, Error> {
        let options = PgConnectOptions::from_str(config.views_dashboard_url.expose()).map_err(Error::Url)?;
        let statement = format!("{}ms", config.views_read_ms_max);
        let options = options.application_name("views' readers").options([
            ("statement_timeout", statement.as_str()),
            ("idle_in_transaction_session_timeout", &statement),
            ("default_transaction_read_only", "on"),
            ("timezone", "UTC"),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(config.views_readers_max)
            .acquire_timeout(Duration::from_millis(config.views_read_ms_max))
            .test_before_acquire(false) // a dead one is told by the first statement, and asked again
            .connect_lazy_with(options);
        Ok(Self { pool })
    }

    /// A table or view as its readers see it. `key`: the columns that tell its rows of one tenant apart.
    pub async fn relation(&self, name: &str, key: &[&str]) -> Result<Relation, Error> {
        Relation::open(&self.pool, name, key).await
    }

    /// At most `selection.limit` rows of a tenant.
    pub async fn page(
        &self,
        relation: &Relation,
        tenant: &TenantId,
        selection: &Selection,
    ) -> Result<Vec<Found>, Error> {
        let statement = select::statement(relation, selection);
        again!(self, self.found(tenant, &statement)).map_err(Error::sql("read", relation.name()))
    }

    /// One aggregate's row of a tenant; `None` where there never was one.
    pub async fn row(
        &self,
        relation: &Relation,
        tenant: &TenantId,
        aggregate_id: AggregateId,
    ) -> Result<Option<Versioned>, Error> {
        let sql = select::one(relation);
        again!(self, self.versioned(tenant, &sql, aggregate_id)).map_err(Error::sql("read", relation.name()))
    }

    /// Which editions are read, as a text that is another one as soon as that changes.
    pub async fn editions(&self) -> Result<String, Error> {
        let sql = include_str!("../../queries/editions_read.sql");
        again!(self, sqlx::query_scalar(sql).fetch_one(&self.pool))
            .map_err(Error::sql("read", "projection_edition"))
    }

    /// How fresh the projections are, those of which that is known.
    pub async fn freshness(&self) -> Result<Vec<Freshness>, Error> {
        let sql = include_str!("../../queries/freshness_read.sql");
        let found: Vec<Reported> = again!(self, sqlx::query_as(sql).fetch_all(&self.pool))
            .map_err(Error::sql("read", "projection_freshness"))?;
        Ok(found.into_iter().map(Freshness::from).collect())
    }

    async fn found(&self, tenant: &TenantId, statement: &Statement) -> Result<Vec<Found>, sqlx::Error> {
        let mut query = sqlx::query_as(AssertSqlSafe(statement.sql.as_str()));
        for value in &statement.values {
            query = query.bind(value.as_str());
        }
        let mut reading = self.of_tenant(tenant).await?;
        let found: Vec<(String, Vec<Option<String>>)> = query.fetch_all(&mut *reading).await?;
        reading.commit().await?;
        Ok(found.into_iter().map(|(row, place)| Found { row, place }).collect())
    }

    async fn versioned(
        &self,
        tenant: &TenantId,
        sql: &str,
        aggregate_id: AggregateId,
    ) -> Result<Option<Versioned>, sqlx::Error> {
        let mut reading = self.of_tenant(tenant).await?;
        let query = sqlx::query_as(AssertSqlSafe(sql)).bind(aggregate_id.0);
        let found: Option<(i64, Option<String>)> = query.fetch_optional(&mut *reading).await?;
        reading.commit().await?;
        Ok(found.map(|(version, row)| Versioned { version: version.unsigned_abs(), row }))
    }

    /// A transaction that sees one tenant, in one round trip. Whatever ends it, the connection forgets the tenant with it.
    async fn of_tenant(&self, tenant: &TenantId) -> Result<PgTransaction<'static>, sqlx::Error> {
        self.of_tenants(std::slice::from_ref(tenant)).await
    }

    /// The same of several, for what shows more than one.
    async fn of_tenants(&self, tenants: &[TenantId]) -> Result<PgTransaction<'static>, sqlx::Error> {
        let names: Vec<_> = tenants.iter().map(TenantId::as_str).collect();
        let names = names.join(",").replace('\'', "''");
        let begin = format!("begin read only; set local millrace.tenant = '{names}'");
        self.pool.begin_with(AssertSqlSafe(begin)).await
    }
}

/// Whether the connection turned out to be dead, or was ended by the server.
fn is_dead(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code.starts_with("57P")),
        _ => false,
    }
}

#[derive(FromRow)]
struct Reported {
    projection: String,
    as_of_micros: Option<i64>,
    partitions: Vec<i32>,
    offsets: Vec<i64>,
}

impl From<Reported> for Freshness {
    fn from(reported: Reported) -> Self {
        Self {
            projection: reported.projection,
            as_of: reported.as_of_micros.map(Timestamp::from_micros),
            position: reported.partitions.into_iter().zip(reported.offsets).collect(),
        }
    }
}
