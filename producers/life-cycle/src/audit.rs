//! What was done to the store besides appending.

use events::TenantId;
use serde::Serialize;
use sqlx::FromRow;

use crate::error::Doing;
use crate::{Error, Steward};

/// One deed, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct Audited {
    /// Its place in the audit.
    pub audit_id: i64,
    /// When, by the database's clock.
    pub at: String,
    /// To whose data.
    pub tenant: String,
    /// What was done.
    pub action: String,
    /// Who did it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// How many events it concerned.
    pub events: i64,
    /// Sum over events that left the store.
    pub digest: Option<String>,
    /// What else there is to say.
    pub details: serde_json::Value,
}

impl Steward {
    /// The newest deeds, of one tenant or of all.
    pub async fn audit(&self, tenant: Option<&TenantId>, limit: u32) -> Result<Vec<Audited>, Error> {
        sqlx::query_as(include_str!("../queries/store_audit_list.sql"))
            .bind(tenant.map(TenantId::as_str))
            .bind(i64::from(limit))
            .fetch_all(&self.auditor)
            .await
            .doing("list what was done to the store")
    }
}
