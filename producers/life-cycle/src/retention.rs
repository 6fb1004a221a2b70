//! Retention by policy: which streams are over and quiet for long enough to go to an archive.

use std::collections::BTreeMap;

use events::{AggregateId, TenantId};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::types::Uuid;

use crate::error::Doing;
use crate::{Error, Steward};

/// What is kept how long, by aggregate type; a type that is not named is kept for ever.
///
/// ```
/// let policy = life_cycle::Policy::parse("
/// archive:
///   execution: { quiet_days: 90, over_with: [ExecutionCompleted, ExecutionFailed] }
/// ")?;
/// assert_eq!(policy.archive["execution"].quiet_days, 90);
/// # Ok::<(), life_cycle::PolicyError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Which streams are archived when.
    pub archive: BTreeMap<String, Rule>,
}

/// When a stream is due.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Days since its last event was stored.
    pub quiet_days: u32,
    /// Its last event is one of these types: then the stream is over.
    pub over_with: Vec<String>,
}

/// A text is no policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It is not YAML of this form.
    #[error("the retention policy cannot be read")]
    Unreadable(#[source] Box<serde_saphyr::Error>),
    /// A rule never holds.
    #[error("the rule for {0} names no event type that a stream is over with")]
    NeverOver(String),
}

impl Policy {
    /// Reads a policy.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let policy: Self = serde_saphyr::from_str(text).map_err(|e| PolicyError::Unreadable(Box::new(e)))?;
        match policy.archive.iter().find(|(_, rule)| rule.over_with.is_empty()) {
            Some((aggregate_type, _)) => Err(PolicyError::NeverOver(aggregate_type.clone())),
            None => Ok(policy),
        }
    }
}

/// A stream that is due for an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Due {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub aggregate_id: AggregateId,
    /// Its type.
    pub aggregate_type: String,
    /// The first version that the store still has.
    pub from_version: u64,
    /// The last version to be archived: the one before the last, which stays.
    pub to_version: u64,
}

impl Steward {
    /// Streams that a policy wants archived now, at most `limit` of each type, the longest quiet ones first.
    pub async fn due_for_archive(&self, policy: &Policy, limit: u32) -> Result<Vec<Due>, Error> {
        const WHAT: &str = "find streams that are due for an archive";
        let mut due = vec![];
        for (aggregate_type, rule) in &policy.archive {
            let rows = sqlx::query(include_str!("../queries/stream_due_list.sql"))
                .bind(aggregate_type)
                .bind(&rule.over_with)
                .bind(i32::try_from(rule.quiet_days).unwrap_or(i32::MAX))
                .bind(i64::from(limit))
                .fetch_all(&self.auditor)
                .await
                .doing(WHAT)?;
            for row in rows {
                let tenant = row.get::<&str, _>("tenant_id").parse();
                due.push(Due {
                    tenant: tenant
                        .map_err(|error| Error::Unreadable { what: WHAT, reason: format!("{error}") })?,
                    aggregate_id: AggregateId(row.get::<Uuid, _>("aggregate_id")),
                    aggregate_type: aggregate_type.clone(),
                    from_version: row.get::<i64, _>("first").unsigned_abs(),
                    to_version: row.get::<i64, _>("last").unsigned_abs() - 1,
                });
            }
        }
        Ok(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_means_nothing_is_refused() {
        for (text, complaint) in [
            ("archive: { thing: { quiet_days: 1, over_with: [] } }", "thing"),
            ("archive: { thing: { quiet_days: -1, over_with: [A] } }", "cannot be read"),
            ("archive: { thing: { quiet_days: 1, over_with: [A], more: 1 } }", "cannot be read"),
            ("keep: {}", "cannot be read"),
            ("", "cannot be read"),
        ] {
            let refused = Policy::parse(text).expect_err("it should be refused").to_string();
            assert!(refused.contains(complaint), "{text}: {refused}");
        }
    }
}
