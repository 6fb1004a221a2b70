use std::time::Duration;

use event_store::{Append, Codec, EventStore, Expected, PgEventStore, Place};
use events::{AggregateId, DomainEvent, EventId, ExecutionEvent, TenantId};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::World;
use super::agent::{codec, metadata, new_event_id, now, store};

/// Appends that go on, one after the other, whatever happens to the servers.
pub(crate) struct Load {
    stop: CancellationToken,
    appending: JoinHandle<Vec<EventId>>,
}

impl Load {
    pub(crate) async fn on(world: &World, tenant: &TenantId) -> Self {
        let (store, codec, stop) = (store(world).await, codec(world).await, CancellationToken::new());
        let appending = append_until(stop.clone(), store, codec, tenant.clone());
        Self { stop, appending: tokio::spawn(appending) }
    }

    /// Ends it; answers the events that the store acknowledged. One that it did not acknowledge may be stored as well.
    pub(crate) async fn ended(self) -> Vec<EventId> {
        self.stop.cancel();
        self.appending.await.unwrap()
    }
}

async fn append_until(
    stop: CancellationToken,
    store: PgEventStore,
    codec: Codec<ExecutionEvent>,
    tenant: TenantId,
) -> Vec<EventId> {
    const PAUSE: Duration = Duration::from_millis(5);
    let mut acknowledged = vec![];
    while !stop.is_cancelled() {
        let (aggregate_id, event_id) = (AggregateId(Uuid::now_v7()), new_event_id());
        let event = ExecutionEvent::withdrawn(aggregate_id, now(), "a test".to_owned());
        let place = Place { tenant: &tenant, aggregate_id, event_id };
        let append = Append {
            aggregate_id,
            aggregate_type: ExecutionEvent::AGGREGATE_TYPE.to_owned(),
            expected: Expected::Any,
            events: vec![codec.new_event(&place, &event, metadata(), None).unwrap()],
        };
        acknowledged.extend(store.append(&tenant, &[append]).await.is_ok().then_some(event_id));
        tokio::time::sleep(PAUSE).await;
    }
    acknowledged
}

impl World {
    /// Every event that was acknowledged is in the store.
    pub(crate) async fn assert_stored(&self, acknowledged: &[EventId]) {
        let ids: Vec<Uuid> = acknowledged.iter().map(|id| id.0).collect();
        let stored: i64 = sqlx::query_scalar("select count(*) from event_store where event_id = any ($1)")
            .bind(&ids)
            .fetch_one(&mut self.postgres("MILLRACE_EVENTS_AUDITOR_URL").await)
            .await
            .unwrap();
        assert!(!ids.is_empty() && stored == i64::try_from(ids.len()).unwrap(), "{stored} of {}", ids.len());
    }

    /// Stores that many events in one transaction, a thousand for each of new aggregates; they look like the last one stored
    /// for that tenant.
    pub(crate) async fn append_at_once(&self, thousands: i32, tenant: &TenantId) {
        let mut superuser = self.superuser().await;
        let appended = sqlx::query(include_str!("append_at_once.sql")).bind(tenant.as_str()).bind(thousands);
        let answers = appended.fetch_all(&mut superuser).await.unwrap();
        assert_eq!(answers.len(), usize::try_from(thousands).unwrap());
    }
}
