//! Personal texts: sealed before they are stored, opened when they are read, `[erased]` when their key is gone.

use std::sync::Arc;
use std::time::Duration;

use agents::{CancelExecution, Execution, ExecutionCommand};
use event_store::{
    Codec, CodecError, Context, ERASED, EventStore, ExecuteError, InMemoryEventStore, Keyring, NewEventError,
    Place, Repository, SnapshotConfig, SnapshotMetrics, SnapshotPolicy, Until,
};
use events::{EventId, ExecutionEvent, ExecutionId, Metadata, TenantId, Timestamp};
use personal_data::{InMemoryKeys, MasterKeys, SEALED};
use testkit::eventually;
use uuid::Uuid;

use crate::fixture::{in_memory, tenant};
use crate::repository::{call, context, executions, start};

const REASON: &str = "Ada Lovelace asked for it";

/// A store in memory, and keys that no keyring remembers.
struct Sample {
    keys: Arc<InMemoryKeys>,
    keyring: Arc<Keyring>,
    store: Arc<InMemoryEventStore>,
    acme: TenantId,
    id: ExecutionId,
}

impl Sample {
    fn new() -> Self {
        let keys = Arc::new(InMemoryKeys::default());
        let keyring = Arc::new(Keyring::new(keys.clone(), MasterKeys::random("one"), Duration::ZERO));
        let (store, id) = (Arc::new(in_memory()), ExecutionId(Uuid::now_v7()));
        Self { keys, keyring, store, acme: tenant("acme"), id }
    }

    fn sealing(&self) -> Repository<Execution, Arc<InMemoryEventStore>> {
        let codec = Codec::with_ids(1).unwrap().with_keyring(self.keyring.clone());
        Repository::new(self.store.clone(), codec)
    }

    /// The same, with a snapshot after every event, and nothing kept in memory.
    fn snapping(&self) -> (Repository<Execution, Arc<InMemoryEventStore>>, SnapshotMetrics) {
        let metrics = SnapshotMetrics::new("execution");
        let policy = SnapshotPolicy { events: Some(1), ..SnapshotPolicy::EXPLICIT };
        let config = SnapshotConfig { policy, cached_for: Duration::ZERO, ..SnapshotConfig::default() };
        (self.sealing().with_snapshots(&config, metrics.clone()), metrics)
    }

    fn cancel(&self) -> ExecutionCommand {
        let at = Timestamp::from_micros(99);
        let (execution_id, reason) = (self.id, REASON.to_owned());
        CancelExecution { execution_id, occurred_at: at, reason, cancelled_by: Some("ada".into()) }.into()
    }

    async fn begun(&self) {
        let plain = executions(self.store.clone());
        for command in [start(self.id), call(self.id, 1)] {
            plain.execute(&self.acme, self.id.into(), command, &context()).await.unwrap();
        }
    }

    async fn shown(&self, by: &Repository<Execution, Arc<InMemoryEventStore>>) -> String {
        let (state, _) = by.state(&self.acme, self.id.into(), Until::Now).await.unwrap();
        format!("{state:?}")
    }

    fn as_actor(&self, actor: Option<&str>) -> Context<'static> {
        let actor = actor.map(ToOwned::to_owned);
        Context { metadata: Metadata { actor, ..Metadata::default() }, ..context() }
    }
}

#[tokio::test]
async fn a_personal_text_is_stored_sealed_and_read_open() {
    let sample = Sample::new();
    sample.begun().await;
    let context = Context { subject: Some("ada".parse().unwrap()), ..context() };
    let executed =
        sample.sealing().execute(&sample.acme, sample.id.into(), sample.cancel(), &context).await.unwrap();
    assert!(format!("{:?}", executed.events).contains(REASON), "the caller sees what it said");

    let stored = sample.store.load(&sample.acme, sample.id.into(), 2).await.unwrap().remove(0);
    assert!(!String::from_utf8_lossy(&stored.payload).contains(REASON));
    assert!(String::from_utf8_lossy(&stored.payload).contains(SEALED));
    assert!(sample.shown(&sample.sealing()).await.contains(REASON));
    let plain = sample.shown(&executions(sample.store.clone())).await;
    assert!(!plain.contains(REASON) && plain.contains(SEALED), "without keys it stays sealed: {plain}");

    sample.keys.destroy(&sample.acme, &"ada".parse().unwrap());
    let erased = sample.shown(&sample.sealing()).await;
    assert!(!erased.contains(REASON) && erased.contains(ERASED), "{erased}");
}

#[tokio::test]
async fn what_is_for_people_is_sealed_as_the_payload_is() {
    let sample = Sample::new();
    let codec = Codec::<ExecutionEvent>::with_ids(1).unwrap().with_keyring(sample.keyring.clone());
    let event = events::execution::ExecutionCancelled {
        execution_id: sample.id,
        occurred_at: Timestamp::from_micros(1),
        reason: REASON.into(),
        cancelled_by: None,
    };
    let event = ExecutionEvent::from(event);
    let metadata = Metadata { actor: Some("ada".into()), ..Metadata::default() };
    let key = codec.key_for(&sample.acme, None, &metadata, std::slice::from_ref(&event)).await.unwrap();
    let event_id = EventId(Uuid::now_v7());
    let place = Place { tenant: &sample.acme, aggregate_id: sample.id.into(), event_id };
    let new = codec.new_event(&place, &event, metadata.clone(), key.as_deref()).unwrap();
    assert!(new.data["reason"].as_str().unwrap().starts_with(SEALED), "{}", new.data);

    let planned = codec.unsealed(&event, event_id, metadata).unwrap();
    assert_eq!(codec.sealed(&sample.acme, None, planned).await.unwrap(), new, "a plan becomes the same");
}

#[tokio::test]
async fn where_nobody_is_named_the_actor_is_the_subject_and_without_one_nothing_is_stored() {
    let sample = Sample::new();
    sample.begun().await;
    let ask = async |context: &Context<'_>| {
        sample.sealing().execute(&sample.acme, sample.id.into(), sample.cancel(), context).await
    };
    for nobody in [None, Some("Ada Lovelace <ada@example.org>")] {
        let refused = ask(&sample.as_actor(nobody)).await;
        let named =
            matches!(refused, Err(ExecuteError::Encode(NewEventError::NoSubject { field: "reason", .. })));
        assert!(named, "{nobody:?}: {refused:?}");
    }
    ask(&sample.as_actor(Some("ada"))).await.unwrap();
    sample.keys.destroy(&sample.acme, &"ada".parse().unwrap());
    assert!(sample.shown(&sample.sealing()).await.contains(ERASED));
}

#[tokio::test]
async fn a_subject_is_refused_where_there_are_no_keys_and_a_text_that_looks_sealed_everywhere() {
    let sample = Sample::new();
    sample.begun().await;
    let plain = executions(sample.store.clone());
    let named = Context { subject: Some("ada".parse().unwrap()), ..context() };
    let refused = plain.execute(&sample.acme, sample.id.into(), sample.cancel(), &named).await;
    assert!(
        matches!(refused, Err(ExecuteError::Encode(NewEventError::NoKeyring { .. }))),
        "the caller relies on being able to erase: {refused:?}"
    );
    let reason = format!("{SEALED}0:0");
    let cancel = |id| CancelExecution {
        execution_id: id,
        occurred_at: Timestamp::from_micros(9),
        reason: reason.clone(),
        cancelled_by: None,
    };
    for repository in [plain, sample.sealing()] {
        let context = sample.as_actor(Some("ada"));
        let told = cancel(sample.id).into();
        let refused = repository.execute(&sample.acme, sample.id.into(), told, &context).await;
        assert!(
            matches!(refused, Err(ExecuteError::Encode(NewEventError::Field { .. }))),
            "it could never be read again: {refused:?}"
        );
    }
}

#[tokio::test]
async fn a_text_that_is_not_personal_may_not_look_sealed_either() {
    let sample = Sample::new();
    let ExecutionCommand::StartExecution(mut start) = start(sample.id) else { unreachable!() };
    start.task = format!("{SEALED}0:0");
    let context = sample.as_actor(Some("ada"));
    for repository in [executions(sample.store.clone()), sample.sealing()] {
        let told = start.clone().into();
        let refused = repository.execute(&sample.acme, sample.id.into(), told, &context).await;
        let Err(ExecuteError::Encode(NewEventError::Field { source, .. })) = refused else {
            panic!("in a state it could not be told from a personal one: {refused:?}")
        };
        assert!(source.to_string().starts_with("the field task begins like a sealed one"), "{source}");
    }
}

#[tokio::test]
async fn a_snapshot_keeps_personal_texts_sealed_and_the_state_is_the_same() {
    let sample = Sample::new();
    sample.begun().await;
    let (snapping, metrics) = sample.snapping();
    let context = sample.as_actor(Some("ada"));
    snapping.execute(&sample.acme, sample.id.into(), sample.cancel(), &context).await.unwrap();
    let written = || metrics.written.get() + metrics.failed.get();
    eventually("a snapshot is written", Duration::from_secs(60), async || written() > 0).await;

    let found = sample.store.load_from_snapshot(&sample.acme, sample.id.into(), 1).await.unwrap();
    let snapshot = found.snapshot.expect("there is a snapshot");
    assert_eq!((snapshot.version, found.events.len()), (3, 0));
    let json = String::from_utf8(snapshot.unpack::<Execution>().unwrap()).unwrap();
    assert!(!json.contains(REASON) && json.contains(SEALED), "{json}");

    let state = async |of: &Repository<Execution, _>| {
        of.state(&sample.acme, sample.id.into(), Until::Now).await.unwrap()
    };
    assert_eq!(state(&sample.snapping().0).await, state(&sample.sealing()).await);
    assert!(sample.shown(&sample.snapping().0).await.contains(REASON));
    let plain = executions(sample.store.clone());
    let plain_snapping = executions(sample.store.clone())
        .with_snapshots(&SnapshotConfig::default(), SnapshotMetrics::new("execution"));
    assert_eq!(state(&plain_snapping).await, state(&plain).await, "without keys, too");

    sample.keys.destroy(&sample.acme, &"ada".parse().unwrap());
    assert_eq!(state(&sample.snapping().0).await, state(&sample.sealing()).await);
    assert!(sample.shown(&sample.snapping().0).await.contains(ERASED), "from the same snapshot");
}

#[tokio::test]
async fn a_sealed_text_that_was_moved_is_an_error_that_names_the_event() {
    let sample = Sample::new();
    sample.begun().await;
    let context = sample.as_actor(Some("ada"));
    sample.sealing().execute(&sample.acme, sample.id.into(), sample.cancel(), &context).await.unwrap();
    let mut stored = sample.store.load(&sample.acme, sample.id.into(), 2).await.unwrap().remove(0);
    stored.event_id = EventId(Uuid::now_v7());
    let codec = Codec::<ExecutionEvent>::with_ids(1).unwrap().with_keyring(sample.keyring.clone());
    let read = codec.recorded(stored).await;
    assert!(matches!(read, Err(CodecError::Open { version: 3, .. })), "{read:?}");
}
