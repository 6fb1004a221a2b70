//! Erasing a data subject: its key is destroyed, and what the key sealed is unreadable everywhere.
//!
//! Snapshots keep personal texts as sealed as events do; those of the aggregates concerned go all the same, so that nothing
//! derived from what was erased stays. Programs that hold the key, or a state, in memory forget them within their bounds:
//! [`personal_data::KeyringConfig::subject_key_ms_max`] and, on top, [`event_store::SnapshotConfig::cached_for`].
//!
//! Copies of the database made before, and pages that Postgres has not written over yet, still have the wrapped key; the
//! former are worth as much as the backup's own retention, the latter are vacuumed here.

use event_store::Deed;
use events::{AggregateId, TenantId};
use personal_data::{KeyId, SubjectId};
use serde::Serialize;
use sqlx::types::{Json, Uuid};
use sqlx::{FromRow, PgConnection, Row};

use crate::error::Doing;
use crate::{Error, Steward};

/// What an erasure does, or did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Erasure {
    /// Whose data subject.
    pub tenant: TenantId,
    /// Who is erased.
    pub subject: String,
    /// The keys that sealed the subject's fields.
    pub keys: Vec<String>,
    /// Whether these had been destroyed before.
    pub was_erased: bool,
    /// What cannot be read without them, by aggregate.
    pub unreadable: Vec<Unreadable>,
    /// Snapshots of these aggregates, which are dropped.
    pub snapshots: i64,
    /// Events of the tenant that are in archives: sealed with the same keys, but not looked into here.
    pub archived_events: i64,
}

/// Events of one aggregate that have unreadable fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct Unreadable {
    /// Whose.
    pub aggregate_id: Uuid,
    /// Its type.
    pub aggregate_type: String,
    /// How many events.
    pub events: i64,
    /// The first of them.
    #[sqlx(rename = "first")]
    pub first_version: i64,
    /// The last of them.
    #[sqlx(rename = "last")]
    pub last_version: i64,
    /// Which fields.
    pub fields: Vec<String>,
    /// How many texts in all.
    pub texts: i64,
}

impl Erasure {
    /// The aggregates it concerns.
    pub fn aggregates(&self) -> Vec<AggregateId> {
        ids(&self.unreadable).into_iter().map(AggregateId).collect()
    }
}

impl Steward {
    /// What erasing the subject would make unreadable.
    pub async fn preview_erasure(&self, tenant: &TenantId, subject: &SubjectId) -> Result<Erasure, Error> {
        let mut transaction = self.owner.begin().await.doing("begin to look at a data subject")?;
        survey(&mut transaction, tenant, subject).await
    }

    /// Destroys the subject's key and drops what was derived with it. The second time it finds it destroyed and says what that made unreadable.
    pub async fn erase_subject(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        deed: &Deed,
    ) -> Result<Erasure, Error> {
        let mut transaction = self.owner.begin().await.doing("begin to erase a data subject")?;
        let erasure = survey(&mut transaction, tenant, subject).await?;
        let events: i64 = erasure.unreadable.iter().map(|unreadable| unreadable.events).sum();
        let details = serde_json::json!({
            "events": events, "aggregates": erasure.unreadable.len(), "archived_events": erasure.archived_events,
            "snapshots": erasure.snapshots,
        });
        sqlx::query(include_str!("../queries/subject_key_destroy.sql"))
            .bind(tenant.as_str())
            .bind(Some(subject.as_str()))
            .bind("erase-subject")
            .bind(&deed.actor)
            .bind(&deed.reason)
            .bind(Json(details))
            .execute(&mut *transaction)
            .await
            .doing("destroy a data subject's key")?;
        sqlx::query(include_str!("../queries/subject_snapshot_drop.sql"))
            .bind(tenant.as_str())
            .bind(ids(&erasure.unreadable))
            .execute(&mut *transaction)
            .await
            .doing("drop the snapshots of a data subject's aggregates")?;
        transaction.commit().await.doing("commit an erasure")?;
        // The update left the wrapped key behind as a dead row.
        sqlx::query("vacuum subject_key").execute(&self.owner).await.doing("vacuum the keys")?;
        Ok(erasure)
    }
}

async fn survey(
    connection: &mut PgConnection,
    tenant: &TenantId,
    subject: &SubjectId,
) -> Result<Erasure, Error> {
    const WHAT: &str = "find what a data subject's key sealed";
    set_tenant(connection, tenant).await?;
    let rows = sqlx::query(include_str!("../queries/subject_key_list.sql"))
        .bind(tenant.as_str())
        .bind(subject.as_str())
        .fetch_all(&mut *connection)
        .await
        .doing(WHAT)?;
    let keys: Vec<_> = rows.iter().map(|row| KeyId(row.get("key_id")).to_string()).collect();
    let unreadable: Vec<Unreadable> = if keys.is_empty() {
        vec![]
    } else {
        sqlx::query_as(include_str!("../queries/event_sealed_list.sql"))
            .bind(tenant.as_str())
            .bind(format!("enc:v1:({}):", keys.join("|")))
            .fetch_all(&mut *connection)
            .await
            .doing(WHAT)?
    };
    let snapshots = sqlx::query_scalar(include_str!("../queries/subject_snapshot_count.sql"))
        .bind(tenant.as_str())
        .bind(ids(&unreadable))
        .fetch_one(&mut *connection)
        .await
        .doing(WHAT)?;
    let archived = sqlx::query_scalar(include_str!("../queries/pruned_archived_count.sql"));
    Ok(Erasure {
        tenant: tenant.clone(),
        subject: subject.to_string(),
        was_erased: rows.iter().any(|row| row.get("destroyed")),
        keys,
        unreadable,
        snapshots,
        archived_events: archived.bind(tenant.as_str()).fetch_one(connection).await.doing(WHAT)?,
    })
}

fn ids(unreadable: &[Unreadable]) -> Vec<Uuid> {
    unreadable.iter().map(|unreadable| unreadable.aggregate_id).collect()
}

/// The rest of the transaction is about this tenant's rows.
pub(crate) async fn set_tenant(connection: &mut PgConnection, tenant: &TenantId) -> Result<(), Error> {
    sqlx::query(include_str!("../queries/tenant_set.sql"))
        .bind(tenant.as_str())
        .execute(connection)
        .await
        .map(drop)
        .doing("name the tenant")
}
