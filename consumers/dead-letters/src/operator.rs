//! What operators see of parked keys, and what they can ask for.

use events::TenantId;
use kafka::{ParkKey, RowKey};
use serde_json::{Value, json};
use sqlx::{Connection, FromRow, PgConnection};

use crate::filter::Filtered;
use crate::shown::{CauseShown, DecisionShown, EventShown, KeyShown};
use crate::{Error, Filter};

/// The operators' side of parked keys. It never touches a record: it asks the partition's owner, who works on the
/// key between two batches, and answers in `parked_key` and `parked_request_key`. What was asked for, by whom and what
/// came of it stays.
///
/// An operator [of one tenant](Self::of_tenant) meets this tenant's alone: keys of which every record says that it is
/// the tenant's, and requests about such keys. Whatever else there is answers as if it were not there.
#[derive(Debug)]
pub struct Operator<'c> {
    pub(crate) connection: &'c mut PgConnection,
    pub(crate) tenant: Option<TenantId>,
}

/// A discard that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discarding {
    /// The request's number.
    pub request: i64,
    /// The offsets that are meant.
    pub offsets: Vec<i64>,
}

/// Which records of a key a discard means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The one that blocks the others.
    First,
    /// All that are parked now; what arrives later is not discarded.
    All,
}

/// Where a key is parked, and what is asked for.
#[derive(Debug, FromRow)]
pub(crate) struct State {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) state: String,
    pub(crate) attempts: i32,
}

impl<'c> Operator<'c> {
    /// As `views_writer`, of all tenants.
    pub fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection, tenant: None }
    }

    /// As `views_writer`, of one tenant.
    pub fn of_tenant(connection: &'c mut PgConnection, tenant: TenantId) -> Self {
        Self { connection, tenant: Some(tenant) }
    }

    /// What of a filter is this operator's.
    pub(crate) fn own(&self, filter: &Filter) -> Filter {
        Filter { tenant: self.tenant.clone().or_else(|| filter.tenant.clone()), ..filter.clone() }
    }

    /// The tenant, as it is compared with what is written down.
    pub(crate) fn tenant(&self) -> Option<String> {
        self.tenant.as_ref().map(ToString::to_string)
    }

    /// At most `limit` parked keys that a filter means, the longest parked first.
    pub async fn list(&mut self, filter: &Filter, limit: i64) -> Result<Vec<KeyShown>, Error> {
        sqlx::query_as(include_str!("../queries/parked_key_list.sql"))
            .filtered(&self.own(filter))
            .bind(limit)
            .fetch_all(&mut *self.connection)
            .await
            .map_err(failed("list the parked keys", of(filter)))
    }

    /// The same keys by cause, at most `limit` causes, the one of most keys first.
    pub async fn causes(&mut self, filter: &Filter, limit: i64) -> Result<Vec<CauseShown>, Error> {
        sqlx::query_as(include_str!("../queries/parked_key_causes.sql"))
            .filtered(&self.own(filter))
            .bind(limit)
            .fetch_all(&mut *self.connection)
            .await
            .map_err(failed("group the parked keys", of(filter)))
    }

    /// The first `limit` records of a key, in the order in which they would be applied.
    pub async fn show(
        &mut self,
        projection: &str,
        key: &ParkKey,
        limit: i64,
    ) -> Result<Vec<EventShown>, Error> {
        let shown: Vec<EventShown> = sqlx::query_as(include_str!("../queries/parked_event_show.sql"))
            .bind(projection)
            .bind(key.as_bytes())
            .bind(limit)
            .bind(self.tenant())
            .fetch_all(&mut *self.connection)
            .await
            .map_err(failed("show a parked key", projection))?;
        if shown.is_empty() { Err(not_parked(projection, key)) } else { Ok(shown) }
    }

    /// Every decision that was taken for a projection, in the order in which they were taken.
    pub async fn decisions(&mut self, projection: &str) -> Result<Vec<DecisionShown>, Error> {
        sqlx::query_as(include_str!("../queries/decision_list.sql"))
            .bind(projection)
            .bind(self.tenant())
            .fetch_all(&mut *self.connection)
            .await
            .map_err(failed("list the decisions", projection))
    }

    /// Every version that has no effect in a projection: whose, and which.
    pub async fn decided(&mut self, projection: &str) -> Result<Vec<(RowKey, u64)>, Error> {
        let decisions = self.decisions(projection).await?;
        Ok(decisions.iter().filter_map(DecisionShown::event).collect())
    }

    /// Asks the owner to do without records of the key, and to apply what is left. `foreign`: the records are no
    /// events of the aggregate, so its version does not move.
    pub async fn discard(
        &mut self,
        projection: &str,
        key: &ParkKey,
        scope: Scope,
        foreign: bool,
        reason: &str,
        actor: &str,
    ) -> Result<Discarding, Error> {
        if reason.trim().is_empty() || actor.trim().is_empty() {
            return Err(Error::Unreasoned);
        }
        let cannot = || failed("ask to discard records", projection);
        let tenant = self.tenant.clone();
        let mut transaction = self.connection.begin().await.map_err(cannot())?;
        let mut operator = Operator { connection: &mut transaction, tenant };
        let states = operator.parked_in(projection, key).await?;
        let said = json!({ "key": key.to_string(), "all": scope == Scope::All, "foreign": foreign });
        let request = operator.write_down(projection, "discard", &said, Some(reason), actor).await?;
        let mut offsets = Vec::new();
        for State { topic, partition, .. } in states {
            let here = operator.offsets(projection, &topic, partition, key, scope).await?;
            let asked = sqlx::query(include_str!("../queries/parked_key_discard.sql"))
                .bind(projection)
                .bind(topic)
                .bind(partition)
                .bind(key.as_bytes())
                .bind(request)
                .bind(actor)
                .bind(reason)
                .bind(&here)
                .bind(foreign)
                .execute(&mut *operator.connection)
                .await
                .map_err(cannot())?;
            if asked.rows_affected() != 1 {
                let (projection, key) = (projection.into(), key.to_string());
                return Err(Error::Busy { projection, key, state: "worked on".to_owned() });
            }
            offsets.extend(here);
        }
        transaction.commit().await.map_err(cannot())?;
        Ok(Discarding { request, offsets })
    }

    /// The records that a scope means, as they are now.
    async fn offsets(
        &mut self,
        projection: &str,
        topic: &str,
        partition: i32,
        key: &ParkKey,
        scope: Scope,
    ) -> Result<Vec<i64>, Error> {
        sqlx::query_scalar(include_str!("../queries/parked_event_offsets.sql"))
            .bind(projection)
            .bind(topic)
            .bind(partition)
            .bind(key.as_bytes())
            .bind(if scope == Scope::First { Some(1_i64) } else { None })
            .bind(self.tenant())
            .fetch_all(&mut *self.connection)
            .await
            .map_err(failed("find the records of a parked key", projection))
    }

    /// Where the key is parked, everywhere of which nothing is asked.
    pub(crate) async fn parked_in(&mut self, projection: &str, key: &ParkKey) -> Result<Vec<State>, Error> {
        let found: Vec<State> = sqlx::query_as(include_str!("../queries/parked_key_states.sql"))
            .bind(projection)
            .bind(key.as_bytes())
            .bind(self.tenant())
            .fetch_all(&mut *self.connection)
            .await
            .map_err(failed("find a parked key", projection))?;
        if found.is_empty() {
            return Err(not_parked(projection, key));
        }
        if let Some(State { state, .. }) = found.iter().find(|it| it.state != "parked") {
            let (projection, key, state) = (projection.into(), key.to_string(), state.clone());
            return Err(Error::Busy { projection, key, state });
        }
        Ok(found)
    }

    /// Writes a request down; answers its number.
    pub(crate) async fn write_down(
        &mut self,
        projection: &str,
        action: &str,
        said: &Value,
        reason: Option<&str>,
        actor: &str,
    ) -> Result<i64, Error> {
        if actor.trim().is_empty() {
            return Err(Error::Nobody);
        }
        sqlx::query_scalar(include_str!("../queries/parked_request_insert.sql"))
            .bind(projection)
            .bind(action)
            .bind(said)
            .bind(reason)
            .bind(actor)
            .fetch_one(&mut *self.connection)
            .await
            .map_err(failed("write a request down", projection))
    }
}

fn of(filter: &Filter) -> &str {
    filter.projection.as_deref().unwrap_or("any projection")
}

pub(crate) fn not_parked(projection: &str, key: &ParkKey) -> Error {
    Error::NotParked { projection: projection.into(), key: key.to_string() }
}

pub(crate) fn failed(action: &'static str, projection: &str) -> impl FnOnce(sqlx::Error) -> Error {
    move |source| Error::Sql { action, projection: projection.to_owned(), source }
}
