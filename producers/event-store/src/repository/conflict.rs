//! What a caller or a decision does not know.

use aggregate::Aggregate;
use events::{AggregateId, TenantId};

use super::{Context, ExecuteError, Repository, StateError};
use crate::{Conflict, EventStore, Expected, StoredEvent, Until};

impl<A: Aggregate, S: EventStore> Repository<A, S>
where
    A::Rejection: 'static,
{
    /// Refuses a command whose sender has seen another version.
    pub(super) async fn check_expected(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        actual: u64,
        context: &Context<'_>,
    ) -> Result<(), ExecuteError<A::Rejection>> {
        let Some(expected) = context.expected.filter(|expected| *expected != actual) else { return Ok(()) };
        Err(ExecuteError::Conflict(self.conflict(tenant, aggregate_id, expected, actual).await?))
    }

    /// What a caller who has seen `expected` does not know, as an append would have told.
    pub(super) async fn conflict(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        expected: u64,
        actual: u64,
    ) -> Result<Conflict, StateError> {
        let last = Until::Version(expected.saturating_add(Conflict::EVENTS_MAX as u64));
        let events = self.store.load_until(tenant, aggregate_id, expected, last).await;
        let expected = Expected::Exactly(expected);
        Ok(Conflict { aggregate_id, expected, actual, events: events.map_err(StateError::Load)? })
    }

    /// What happened after `version`: as a rule the conflict says it all, and no second question is needed. It does not
    /// where it is long, or where events were archived meanwhile.
    pub(super) async fn missed(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        version: u64,
        conflicts: Vec<Conflict>,
    ) -> Result<Vec<StoredEvent>, StateError> {
        for conflict in conflicts {
            let is_next = conflict.events.first().is_some_and(|first| first.version == version + 1);
            if is_next && conflict.events.last().is_some_and(|last| last.version == conflict.actual) {
                return Ok(conflict.events);
            }
        }
        self.store.load(tenant, aggregate_id, version).await.map_err(StateError::Load)
    }
}
