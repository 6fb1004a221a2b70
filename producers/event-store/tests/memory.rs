//! How much memory the in-memory store takes; a program of its own, so that nothing else is counted.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use event_store::{Append, EventStore, Expected, InMemoryEventStore, NewEvent};
use events::{AggregateId, EventId, Metadata, TenantId, Timestamp};
use uuid::Uuid;

/// Kilobytes of this process that are in memory.
fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Ten events of a run, as long as those of the reference domain are.
fn run() -> Append {
    let event = |number| NewEvent {
        event_id: EventId(Uuid::now_v7()),
        event_type: "ModelCalled".into(),
        payload: vec![number; 110],
        data: serde_json::json!({ "step": number, "prompt_tokens": 1000, "completion_tokens": 100 }),
        metadata: Metadata { correlation_id: Some("run-0123456789".into()), ..Metadata::default() },
        occurred_at: Timestamp::from_micros(number.into()),
    };
    Append {
        aggregate_id: AggregateId(Uuid::now_v7()),
        aggregate_type: "execution".into(),
        expected: Expected::None,
        events: (0..10).map(event).collect(),
    }
}

#[tokio::test]
async fn ten_thousand_events_in_memory_take_at_most_ten_megabytes() {
    let acme: TenantId = "acme".parse().unwrap();
    let store = InMemoryEventStore::new(|| Timestamp::from_micros(0));
    let before = resident_kb();
    for _ in 0..1_000 {
        store.append(&acme, &[run()]).await.unwrap();
    }
    let taken = resident_kb() - before;
    assert!((1_000..=10_000).contains(&taken), "{taken} kB");
}
