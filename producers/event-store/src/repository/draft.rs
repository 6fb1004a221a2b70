//! Commands that are decided here and appended by the caller.

use aggregate::Aggregate;
use events::{AggregateId, TenantId};

use super::{Context, ExecuteError, Repository};
use crate::{Append, EventStore, Until};

/// What commands would lead to, decided but not appended.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft<E> {
    /// The events they lead to; none when they change nothing.
    pub events: Vec<E>,
    /// The version they were decided at.
    pub version: u64,
    /// What to append; without events when they change nothing, which only a keyed append takes.
    pub append: Append,
}

/// Why a draft came to nothing, and at which of its commands.
#[derive(Debug, thiserror::Error)]
#[error("nothing was drafted because of command {command}")]
pub struct NotDrafted<R: std::error::Error + 'static> {
    /// The command's place in the draft, from 0; 0, too, when none is to blame.
    pub command: usize,
    /// Why.
    pub source: ExecuteError<R>,
}

impl<A: Aggregate, S: EventStore> Repository<A, S>
where
    A::Rejection: 'static,
{
    /// What commands of one aggregate lead to, each decided on the state after the one before. For callers who append
    /// several aggregates' events at once; a conflict there means that the draft is to be made anew.
    pub async fn draft(
        &self,
        tenant: &TenantId,
        aggregate_id: AggregateId,
        commands: Vec<A::Command>,
        context: &Context<'_>,
    ) -> Result<Draft<A::Event>, NotDrafted<A::Rejection>> {
        let all = |source| NotDrafted { command: 0, source };
        let loaded = self.state(tenant, aggregate_id, Until::Now).await;
        let (mut state, version) = loaded.map_err(|error| all(error.into()))?;
        self.check_expected(tenant, aggregate_id, version, context).await.map_err(all)?;
        let mut events = vec![];
        for (index, command) in commands.into_iter().enumerate() {
            let rejected =
                |rejection| NotDrafted { command: index, source: ExecuteError::Rejected(rejection) };
            let decided = state.decide(command).map_err(rejected)?;
            state = decided.iter().fold(state, A::evolve);
            events.extend(decided);
        }
        let append = self.append(tenant, aggregate_id, version, &events, context).await.map_err(all)?;
        Ok(Draft { events, version, append })
    }
}
