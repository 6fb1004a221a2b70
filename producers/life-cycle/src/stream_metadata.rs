//! What is noted about a stream beside its events: keys and values with a revision.

use events::{AggregateId, TenantId};
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::Row;
use sqlx::types::Json;

use crate::error::Doing;
use crate::{Error, Steward};

/// A stream's metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StreamMetadata {
    /// How often it was set; 0 if never.
    pub revision: i64,
    /// Keys and values, at most 16 KiB as JSON.
    pub metadata: Map<String, Value>,
}

/// What came of setting it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetMetadata {
    /// It is set; its revision now.
    Set(i64),
    /// Somebody else set it in between: what is there.
    Conflict(StreamMetadata),
    /// The tenant has no such stream.
    Unknown,
}

impl Steward {
    /// A stream's metadata; revision 0 if it has none, or if the tenant has no such stream.
    pub async fn stream_metadata(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
    ) -> Result<StreamMetadata, Error> {
        let row = sqlx::query(include_str!("../queries/stream_metadata_get.sql"))
            .bind(tenant.as_str())
            .bind(aggregate_id.0)
            .fetch_optional(&self.owner)
            .await
            .doing("read a stream's metadata")?;
        Ok(row.map_or_else(StreamMetadata::default, |row| {
            let Json(metadata) = row.get("metadata");
            StreamMetadata { revision: row.get("revision"), metadata }
        }))
    }

    /// Sets a stream's metadata if its revision still is `expected`.
    pub async fn set_stream_metadata(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        expected: i64,
        metadata: Map<String, Value>,
        actor: &str,
    ) -> Result<SetMetadata, Error> {
        let row = sqlx::query(include_str!("../queries/stream_metadata_set.sql"))
            .bind(tenant.as_str())
            .bind(aggregate_id.0)
            .bind(expected)
            .bind(Json(metadata))
            .bind(actor)
            .fetch_one(&self.owner)
            .await
            .doing("set a stream's metadata")?;
        let revision = row.get("revision");
        let known = row.get::<Option<Json<Map<String, Value>>>, _>("metadata");
        Ok(match row.get::<&str, _>("outcome") {
            "set" => SetMetadata::Set(revision),
            "unknown" => SetMetadata::Unknown,
            _ => {
                let metadata = known.map(|Json(metadata)| metadata).unwrap_or_default();
                SetMetadata::Conflict(StreamMetadata { revision, metadata })
            }
        })
    }
}
