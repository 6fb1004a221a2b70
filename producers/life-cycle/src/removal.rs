//! Removing a tenant, in two steps: everything is withdrawn, and, once that was delivered, everything is purged.
//!
//! Withdrawals are events like others, so topics, views and whoever else follows drop the rows by the path they came.

use std::collections::BTreeMap;

use event_store::{Append, AppendError, Deed, EventStore, Expected, NewEvent};
use events::{AggregateId, TenantId};
use serde::Serialize;
use sqlx::types::{Json, Uuid};
use sqlx::{FromRow, Row};

use crate::erasure::set_tenant;
use crate::error::Doing;
use crate::{Error, Steward};

/// Streams withdrawn in one append, or pruned in one transaction.
const STREAMS: i64 = 200;

/// How often an append that began before the removal is looked for before it is given up, with a moment in between.
const LOOKS_MAX: u32 = 300;

/// A stream that is to be withdrawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub aggregate_id: AggregateId,
    /// Its type.
    pub aggregate_type: String,
    /// Its last version.
    pub version: u64,
}

/// What the first step did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct Withdrawn {
    /// Streams that were withdrawn; those that had been before are not counted.
    pub streams: i64,
    /// Events that the tenant has.
    pub events: i64,
    /// Keys of data subjects that were destroyed.
    pub keys: i64,
}

/// How far a removal is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct Removal {
    /// When it was begun.
    pub begun_at: String,
    /// By whom.
    pub actor: String,
    /// And why.
    pub reason: String,
    /// When every stream had been withdrawn.
    pub withdrawn_at: Option<String>,
    /// Where the log was then.
    pub withdrawn: Option<String>,
    /// Up to where the outbox's slot has been read, if there is one.
    pub confirmed: Option<String>,
    /// Whether that is past the withdrawals.
    pub delivered: bool,
    /// When the last row was gone.
    pub purged_at: Option<String>,
}

/// What the second step did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Purged {
    /// Streams that left the store.
    pub streams: i64,
    /// Their events.
    pub events: i64,
    /// Rows of other tables, by table.
    pub rows: BTreeMap<String, i64>,
}

impl Steward {
    /// What removing the tenant would take.
    pub async fn preview_removal(&self, tenant: &TenantId) -> Result<Withdrawn, Error> {
        const WHAT: &str = "look at what a tenant has";
        let mut transaction = self.owner.begin().await.doing(WHAT)?;
        set_tenant(&mut transaction, tenant).await?;
        sqlx::query_as(include_str!("../queries/tenant_preview.sql"))
            .bind(tenant.as_str())
            .fetch_one(&mut *transaction)
            .await
            .doing(WHAT)
    }

    /// How far the tenant's removal is; `None`: nobody began one.
    pub async fn removal(&self, tenant: &TenantId) -> Result<Option<Removal>, Error> {
        const WHAT: &str = "ask how far a tenant's removal is";
        let mut transaction = self.owner.begin().await.doing(WHAT)?;
        set_tenant(&mut transaction, tenant).await?;
        sqlx::query_as(include_str!("../queries/tenant_removal_get.sql"))
            .bind(tenant.as_str())
            .bind(outbox::SLOT)
            .fetch_optional(&mut *transaction)
            .await
            .doing(WHAT)
    }

    /// The first step: no more appends, every stream withdrawn, every data subject's key destroyed. `withdrawal` writes
    /// the last event of a stream; the domain knows how. Stopped half-way, it goes on with the rest.
    pub async fn withdraw_tenant(
        &self,
        tenant: &TenantId,
        store: &impl EventStore,
        withdrawal: impl Fn(&Stream) -> Result<NewEvent, String>,
        deed: &Deed,
    ) -> Result<Withdrawn, Error> {
        let found = self.preview_removal(tenant).await?;
        sqlx::query(include_str!("../queries/tenant_removal_begin.sql"))
            .bind(tenant.as_str())
            .bind(&deed.actor)
            .bind(&deed.reason)
            .execute(&self.owner)
            .await
            .doing("begin to remove a tenant")?;
        self.await_earlier_appends(tenant).await?;

        let mut streams = 0;
        loop {
            let live = self.live_streams(tenant).await?;
            if live.is_empty() {
                break;
            }
            let appends = live.iter().map(|stream| append(stream, &withdrawal));
            let appends = appends.collect::<Result<Vec<_>, _>>()?;
            match store.append(tenant, &appends).await {
                Ok(_) => streams += i64::try_from(appends.len()).expect("a page of streams"),
                // Another steward is at work.
                Err(AppendError::Conflict(_)) => {}
                Err(source) => return Err(Error::Append { tenant: tenant.clone(), source }),
            }
        }
        let keys = self.destroy_all_keys(tenant, deed).await?;
        Ok(Withdrawn { streams, events: found.events + streams, keys })
    }

    /// The second step: every row of the tenant goes, and what says that it was there stays. Refused before the first step
    /// is done and its withdrawals are delivered, as far as the outbox's slot tells; `undelivered` goes on
    /// without the latter. Stopped half-way, it goes on with the rest.
    pub async fn purge_tenant(
        &self,
        tenant: &TenantId,
        undelivered: bool,
        deed: &Deed,
    ) -> Result<Purged, Error> {
        self.check_delivered(tenant, undelivered).await?;
        let mut purged = Purged::default();
        loop {
            let mut transaction = self.owner.begin().await.doing("begin to prune a tenant's streams")?;
            set_tenant(&mut transaction, tenant).await?;
            let row = sqlx::query(include_str!("../queries/stream_prune.sql"))
                .bind(tenant.as_str())
                .bind(&deed.actor)
                .bind(&deed.reason)
                .bind(STREAMS)
                .fetch_one(&mut *transaction)
                .await
                .doing("prune a tenant's streams")?;
            transaction.commit().await.doing("commit what was pruned of a tenant")?;
            let (streams, events): (i64, i64) = (row.get("streams"), row.get("events"));
            if streams == 0 {
                break;
            }
            purged.streams += streams;
            purged.events += events;
        }
        let Json(rows) = sqlx::query_scalar(include_str!("../queries/tenant_purge.sql"))
            .bind(tenant.as_str())
            .bind(&deed.actor)
            .bind(&deed.reason)
            .fetch_one(&self.owner)
            .await
            .doing("purge a tenant's rows")?;
        purged.rows = rows;
        Ok(purged)
    }

    /// Waits until no append can be on its way that has not seen the removal.
    async fn await_earlier_appends(&self, tenant: &TenantId) -> Result<(), Error> {
        const WHAT: &str = "wait for appends that began before a removal";
        let last: i64 = sqlx::query_scalar(include_str!("../queries/position_last.sql"))
            .fetch_one(&self.auditor)
            .await
            .doing(WHAT)?;
        for _ in 0..LOOKS_MAX {
            let has_settled: bool = sqlx::query_scalar(include_str!("../queries/settled_past.sql"))
                .bind(last)
                .fetch_one(&self.auditor)
                .await
                .doing(WHAT)?;
            if has_settled {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        Err(Error::StillAppending(tenant.clone()))
    }

    async fn live_streams(&self, tenant: &TenantId) -> Result<Vec<Stream>, Error> {
        const WHAT: &str = "list a tenant's streams";
        let mut transaction = self.owner.begin().await.doing(WHAT)?;
        set_tenant(&mut transaction, tenant).await?;
        let rows = sqlx::query(include_str!("../queries/stream_live_list.sql"))
            .bind(tenant.as_str())
            .bind(STREAMS)
            .fetch_all(&mut *transaction)
            .await
            .doing(WHAT)?;
        let stream = |row: &sqlx::postgres::PgRow| Stream {
            tenant: tenant.clone(),
            aggregate_id: AggregateId(row.get::<Uuid, _>("aggregate_id")),
            aggregate_type: row.get("aggregate_type"),
            version: row.get::<i64, _>("version").unsigned_abs(),
        };
        Ok(rows.iter().map(stream).collect())
    }

    async fn destroy_all_keys(&self, tenant: &TenantId, deed: &Deed) -> Result<i64, Error> {
        const WHAT: &str = "destroy the keys of a tenant's data subjects";
        let mut transaction = self.owner.begin().await.doing(WHAT)?;
        set_tenant(&mut transaction, tenant).await?;
        let destroyed = sqlx::query(include_str!("../queries/subject_key_destroy.sql"))
            .bind(tenant.as_str())
            .bind(None::<&str>)
            .bind("remove-tenant")
            .bind(&deed.actor)
            .bind(&deed.reason)
            .bind(Json(serde_json::json!({})))
            .fetch_all(&mut *transaction)
            .await
            .doing(WHAT)?;
        sqlx::query(include_str!("../queries/tenant_withdrawn.sql"))
            .bind(tenant.as_str())
            .execute(&mut *transaction)
            .await
            .doing("note that a tenant is withdrawn")?;
        transaction.commit().await.doing(WHAT)?;
        Ok(i64::try_from(destroyed.len()).expect("rows that were in memory"))
    }

    async fn check_delivered(&self, tenant: &TenantId, undelivered: bool) -> Result<(), Error> {
        let removal = self.removal(tenant).await?;
        let Some(Removal { withdrawn: Some(withdrawn), confirmed, delivered, purged_at, .. }) = removal
        else {
            return Err(Error::NotYetWithdrawn(tenant.clone()));
        };
        if undelivered || delivered || purged_at.is_some() {
            return Ok(());
        }
        Err(Error::NotDelivered {
            tenant: tenant.clone(),
            slot: outbox::SLOT.to_owned(),
            confirmed: confirmed.unwrap_or_else(|| "nothing".to_owned()),
            withdrawn,
        })
    }
}

fn append(
    stream: &Stream,
    withdrawal: &impl Fn(&Stream) -> Result<NewEvent, String>,
) -> Result<Append, Error> {
    let event = withdrawal(stream).map_err(|reason| Error::NotWithdrawn {
        aggregate_id: stream.aggregate_id,
        aggregate_type: stream.aggregate_type.clone(),
        reason,
    })?;
    Ok(Append {
        aggregate_id: stream.aggregate_id,
        aggregate_type: stream.aggregate_type.clone(),
        expected: Expected::Exactly(stream.version),
        events: vec![event],
    })
}
