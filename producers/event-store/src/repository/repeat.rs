//! A command that was carried out before.

use aggregate::Aggregate;
use events::TenantId;

use super::{ExecuteError, Executed, Repository, StateError};
use crate::{Appended, EventStore, StoreError, Until};

impl<A: Aggregate, S: EventStore> Repository<A, S>
where
    A::Rejection: 'static,
{
    /// What the first command of a key led to.
    pub(super) async fn repeated(
        &self,
        tenant: &TenantId,
        answer: &Appended,
    ) -> Result<Executed<A::Event>, ExecuteError<A::Rejection>> {
        let to = answer.aggregates.first().expect("an answer is about an aggregate");
        let (first, last) = (to.version - to.events, Until::Version(to.version));
        let stored = match to.events {
            0 => Ok(vec![]),
            _ => self.store.load_until(tenant, to.aggregate_id, first, last).await,
        };
        let stored = match stored {
            Err(StoreError::Archived { .. } | StoreError::Withdrawn { .. }) => vec![],
            // All of them or none, also where only some are gone.
            Ok(stored) if stored.len() as u64 != to.events => vec![],
            stored => stored.map_err(StateError::Load)?,
        };
        let mut events = Vec::with_capacity(stored.len());
        for stored in stored {
            events.push(self.codec.recorded(stored).await.map_err(StateError::Decode)?.payload);
        }
        Ok(Executed { events, version: to.version, repeated: true })
    }
}
