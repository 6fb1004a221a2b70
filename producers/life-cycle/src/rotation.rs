//! Rotating the master key: keys of data subjects are wrapped anew; no event changes.

use event_store::Deed;
use events::TenantId;
use personal_data::{KeyId, KeyState, MasterKeys, StoredKey, SubjectId};
use serde::Serialize;
use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;

use crate::error::Doing;
use crate::{Error, Steward};

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rotated {
    /// The master key that wraps every key now.
    pub master: String,
    /// How many were wrapped anew.
    pub keys: i64,
}

impl Steward {
    /// Wraps every key that another master key wraps by the current one. Stopped half-way, it goes on with the rest.
    pub async fn rotate_keys(&self, master: &MasterKeys, deed: &Deed) -> Result<Rotated, Error> {
        let mut keys = 0;
        loop {
            let stale = self.stale_keys(master).await?;
            if stale.is_empty() {
                return Ok(Rotated { master: master.current().to_owned(), keys });
            }
            for of_tenant in stale.chunk_by(|(one, _), (other, _)| one == other) {
                keys += self.rewrap(master, of_tenant, deed).await?;
            }
        }
    }

    async fn stale_keys(&self, master: &MasterKeys) -> Result<Vec<(TenantId, StoredKey)>, Error> {
        const WHAT: &str = "list keys to be wrapped anew";
        let rows = sqlx::query(include_str!("../queries/subject_key_stale.sql"))
            .bind(master.current())
            .fetch_all(&self.auditor)
            .await
            .doing(WHAT)?;
        let unreadable = |reason| Error::Unreadable { what: WHAT, reason };
        rows.iter().map(|row| stored_key(row).map_err(unreadable)).collect()
    }

    async fn rewrap(
        &self,
        master: &MasterKeys,
        keys: &[(TenantId, StoredKey)],
        deed: &Deed,
    ) -> Result<i64, Error> {
        let Some((tenant, _)) = keys.first() else { return Ok(0) };
        let (mut ids, mut old, mut new) = (vec![], vec![], vec![]);
        for (_, key) in keys {
            let rewrapped = master
                .rewrap(tenant, key)
                .map_err(|source| Error::Keys { tenant: tenant.clone(), source })?;
            let before = wrapped(key.clone());
            if let Some((before, after)) = before.zip(rewrapped.and_then(wrapped)) {
                ids.push(key.key_id.0);
                old.push(before);
                new.push(after);
            }
        }
        sqlx::query_scalar(include_str!("../queries/subject_key_rewrap.sql"))
            .bind(tenant.as_str())
            .bind(&deed.actor)
            .bind(&deed.reason)
            .bind(ids)
            .bind(old)
            .bind(new)
            .bind(master.current())
            .fetch_one(&self.owner)
            .await
            .doing("wrap keys anew")
    }
}

fn wrapped(key: StoredKey) -> Option<Vec<u8>> {
    match key.state {
        KeyState::Wrapped { wrapped, .. } => Some(wrapped),
        KeyState::Destroyed => None,
    }
}

fn stored_key(row: &PgRow) -> Result<(TenantId, StoredKey), String> {
    let subject: SubjectId = row.get::<&str, _>("subject").parse().map_err(|e| format!("{e}"))?;
    let state = KeyState::Wrapped { wrapped: row.get("wrapped"), master: row.get("master") };
    let key = StoredKey { key_id: KeyId(row.get::<Uuid, _>("key_id")), subject, state };
    Ok((row.get::<&str, _>("tenant_id").parse().map_err(|e| format!("{e}"))?, key))
}
