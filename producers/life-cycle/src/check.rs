//! Whether the store is as it should be, and what is the first thing that is not.

use events::AggregateId;
use serde::Serialize;
use sqlx::Row;
use sqlx::types::Uuid;

use crate::error::Doing;
use crate::{Error, Steward};

/// What is not as it should be; the first case of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which check it breaks.
    pub check: &'static str,
    /// What was found.
    pub detail: String,
}

/// An event in both its forms.
#[derive(Debug, Clone, PartialEq)]
pub struct Payload {
    /// Whose.
    pub aggregate_id: AggregateId,
    /// The aggregate's type.
    pub aggregate_type: String,
    /// Its version.
    pub version: u64,
    /// Its type.
    pub event_type: String,
    /// The truth.
    pub payload: Vec<u8>,
    /// The same for people.
    pub event_data: serde_json::Value,
}

/// Each check's query answers with the first thing that is wrong, or with no row.
const CHECKS: [(&str, &str); 6] = [
    ("versions", include_str!("../queries/check_versions.sql")),
    ("pruned", include_str!("../queries/check_pruned.sql")),
    ("triggers", include_str!("../queries/check_triggers.sql")),
    ("row-security", include_str!("../queries/check_row_security.sql")),
    ("roles", include_str!("../queries/check_roles.sql")),
    ("outbox", include_str!("../queries/check_outbox.sql")),
];

impl Steward {
    /// Looks at everything, and names the first violation of each check. `examine` says what is wrong with an event's two
    /// forms: whoever can read payloads does.
    pub async fn check(
        &self,
        mut examine: impl AsyncFnMut(&Payload) -> Result<(), String>,
    ) -> Result<Vec<Violation>, Error> {
        let mut violations = vec![];
        for (check, query) in CHECKS {
            let found: Option<String> =
                sqlx::query_scalar(query).fetch_optional(&self.auditor).await.doing("check the store")?;
            violations.extend(found.map(|detail| Violation { check, detail }));
        }
        violations.extend(self.check_payloads(&mut examine).await?);
        Ok(violations)
    }

    async fn check_payloads(
        &self,
        examine: &mut impl AsyncFnMut(&Payload) -> Result<(), String>,
    ) -> Result<Option<Violation>, Error> {
        let mut position = 0_i64;
        loop {
            let rows = sqlx::query(include_str!("../queries/event_payload_page.sql"))
                .bind(position)
                .fetch_all(&self.auditor)
                .await
                .doing("read events to check their payloads")?;
            let Some(last) = rows.last() else { return Ok(None) };
            position = last.get("position");
            for row in &rows {
                let event = Payload {
                    aggregate_id: AggregateId(row.get::<Uuid, _>("aggregate_id")),
                    aggregate_type: row.get("aggregate_type"),
                    version: row.get::<i64, _>("version").unsigned_abs(),
                    event_type: row.get("event_type"),
                    payload: row.get("payload"),
                    event_data: row.get("event_data"),
                };
                if let Err(wrong) = examine(&event).await {
                    let Payload { aggregate_id, version, event_type, .. } = event;
                    let detail =
                        format!("version {version} of aggregate {aggregate_id} ({event_type}): {wrong}");
                    return Ok(Some(Violation { check: "payloads", detail }));
                }
            }
        }
    }
}
