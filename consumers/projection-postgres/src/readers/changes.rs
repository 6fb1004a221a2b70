//! The feed of a projection as its readers see it: what changed after a place, of the tenants that they name.

use events::{AggregateId, TenantId};
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use super::{Readers, Relation, Versioned, again, is_dead, select};
use crate::Error;
use crate::table::tenant_of;

const TABLE: &str = "projection_change";

/// What one transaction changed of one tenant's rows, or of the whole view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its place in the feed.
    pub place: i64,
    /// Whose rows changed; `None`: it is of all tenants.
    pub tenant: Option<TenantId>,
    /// Which rows.
    pub aggregate_ids: Vec<AggregateId>,
    /// Why the whole view is to be read anew, if it is.
    pub reset: Option<String>,
}

impl Readers {
    /// The newest place of a projection's feed that a tenant sees; `None`: there is no feed. Whatever the feed says later comes
    /// after it, and whatever it said before is in the view.
    pub async fn newest_change(&self, projection: &str, tenant: &TenantId) -> Result<Option<i64>, Error> {
        let settled = self.settled_change().await?;
        let ask = || async {
            let mut reading = self.of_tenant(tenant).await?;
            let query = sqlx::query_scalar(include_str!("../../queries/feed_newest.sql")).bind(projection);
            let newest = query.bind(settled).fetch_optional(&mut *reading).await?;
            reading.commit().await?;
            Ok::<Option<i64>, sqlx::Error>(newest)
        };
        again!(self, ask()).map_err(Error::sql("read", TABLE))
    }

    /// Whether a place that a tenant has seen is still there, and so is everything after it.
    pub async fn has_change(&self, projection: &str, tenant: &TenantId, place: i64) -> Result<bool, Error> {
        let ask = || async {
            let mut reading = self.of_tenant(tenant).await?;
            let query = sqlx::query_scalar(include_str!("../../queries/feed_has.sql")).bind(projection);
            let has = query.bind(place).fetch_one(&mut *reading).await?;
            reading.commit().await?;
            Ok::<bool, sqlx::Error>(has)
        };
        again!(self, ask()).map_err(Error::sql("read", TABLE))
    }

    /// What comes after a place, of these tenants and of all, in order, `limit` at most; up to a place that somebody has seen, if
    /// one is named.
    pub async fn changes(
        &self,
        projection: &str,
        tenants: &[TenantId],
        after: i64,
        through: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Change>, Error> {
        // In this order: what has settled by now is visible to any statement that begins later. What has settled before is not
        // asked again: an answer may be lower than one before it.
        let through = match through {
            Some(through) => through,
            None => self.settled_change().await?,
        };
        let ask = || async {
            let mut reading = self.of_tenants(tenants).await?;
            let query = sqlx::query_as(include_str!("../../queries/feed_read.sql")).bind(projection);
            let query = query.bind(after).bind(through).bind(i64::from(limit));
            let found: Vec<Written> = query.fetch_all(&mut *reading).await?;
            reading.commit().await?;
            Ok::<_, sqlx::Error>(found)
        };
        let found = again!(self, ask()).map_err(Error::sql("read", TABLE))?;
        found.into_iter().map(Written::change).collect()
    }

    async fn settled_change(&self) -> Result<i64, Error> {
        let sql = include_str!("../../queries/feed_settled.sql");
        again!(self, sqlx::query_scalar(sql).fetch_one(&self.pool)).map_err(Error::sql("read", TABLE))
    }

    /// The rows of these aggregates of a tenant, those that exist.
    pub async fn rows(
        &self,
        relation: &Relation,
        tenant: &TenantId,
        aggregate_ids: &[AggregateId],
    ) -> Result<Vec<(AggregateId, Versioned)>, Error> {
        let sql = select::some(relation);
        let ids: Vec<Uuid> = aggregate_ids.iter().map(|id| id.0).collect();
        let ask = || async {
            let mut reading = self.of_tenant(tenant).await?;
            let query = sqlx::query_as(AssertSqlSafe(sql.as_str())).bind(&ids);
            let found: Vec<(Uuid, i64, Option<String>)> = query.fetch_all(&mut *reading).await?;
            reading.commit().await?;
            Ok::<_, sqlx::Error>(found)
        };
        let found = again!(self, ask()).map_err(Error::sql("read", relation.name()))?;
        let row = |(id, version, row): (Uuid, i64, Option<String>)| {
            (AggregateId(id), Versioned { version: version.unsigned_abs(), row })
        };
        Ok(found.into_iter().map(row).collect())
    }
}

#[derive(FromRow)]
struct Written {
    id: i64,
    tenant_id: Option<String>,
    aggregate_ids: Vec<Uuid>,
    reset: Option<String>,
}

impl Written {
    fn change(self) -> Result<Change, Error> {
        Ok(Change {
            place: self.id,
            tenant: self.tenant_id.map(|name| tenant_of(&name, TABLE)).transpose()?,
            aggregate_ids: self.aggregate_ids.into_iter().map(AggregateId).collect(),
            reset: self.reset,
        })
    }
}
