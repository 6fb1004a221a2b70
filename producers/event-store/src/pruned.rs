//! What left the store.

use events::{AggregateId, Sum, TenantId};

/// A range of versions that left the store, audited, and did not come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrunedRange {
    /// Whose data it was.
    pub tenant: TenantId,
    /// Whose events.
    pub aggregate_id: AggregateId,
    /// The kind of aggregate.
    pub aggregate_type: String,
    /// The first version that left.
    pub from_version: u64,
    /// The last.
    pub to_version: u64,
    /// Why: archived, withdrawn, tenant-removed.
    pub reason: String,
    /// Place of its last event in the store.
    pub last_position: u64,
    /// Sum over the events, as the database computed it when they left.
    pub digest: Sum,
}
