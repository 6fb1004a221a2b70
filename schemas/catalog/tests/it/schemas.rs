//! Schemas in a real registry: published once, found again, refused when they break a promise.

use catalog::{
    LiveSchemas, PublishError, Tree, compare_with_registry, publish, publish_history, publish_tree,
};
use events::{AggregateId, DomainEvent, EventType, ExecutionEvent, Timestamp};
use serde::{Deserializer, Serializer};
use wire::{Compatibility, Decode, Decoder, Encoder, PrepareError, Registry, RegistryConfig, RegistryError};

#[path = "../../src/schemas/compatibility_cases.rs"]
mod cases;

fn registry() -> Registry {
    Registry::new(&RegistryConfig::at(testkit::stack().registry_url())).unwrap()
}

fn event() -> ExecutionEvent {
    events::execution::ExecutionCancelled {
        execution_id: "018f3f5e-0000-7000-8000-000000000001".parse().unwrap(),
        occurred_at: Timestamp::from_micros(1),
        reason: "a test".into(),
        cancelled_by: None,
    }
    .into()
}

fn version(fields: &str) -> String {
    format!(
        r#"{{"type": "record", "name": "Tested", "namespace": "it", "doc": "A test.", "fields": [
            {{"name": "id", "type": "string"}}{fields}]}}"#
    )
}

/// The same events, in a topic that nobody published.
#[derive(Debug, Clone, PartialEq)]
struct Unpublished(ExecutionEvent);

impl DomainEvent for Unpublished {
    const TOPIC: &'static str = "it.unpublished.events";
    const AGGREGATE_TYPE: &'static str = ExecutionEvent::AGGREGATE_TYPE;
    const TYPES: &'static [EventType] = ExecutionEvent::TYPES;
    const WITHDRAWN: &'static str = ExecutionEvent::WITHDRAWN;

    fn event_type(&self) -> &'static str {
        self.0.event_type()
    }

    fn aggregate_id(&self) -> AggregateId {
        self.0.aggregate_id()
    }

    fn occurred_at(&self) -> Timestamp {
        self.0.occurred_at()
    }

    fn personal(&mut self) -> Vec<(&'static str, &mut String)> {
        self.0.personal()
    }

    fn withdrawn(aggregate_id: AggregateId, at: Timestamp, reason: String) -> Self {
        Self(ExecutionEvent::withdrawn(aggregate_id, at, reason))
    }

    fn serialize_record<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize_record(serializer)
    }

    fn deserialize_record<'de, D: Deserializer<'de>>(
        name: &str,
        version: u32,
        deserializer: D,
    ) -> Option<Result<Self, D::Error>> {
        ExecutionEvent::deserialize_record(name, version, deserializer).map(|read| read.map(Self))
    }
}

#[tokio::test]
async fn published_schemas_are_found_and_carry_events() {
    let registry = registry();
    let first = publish::<ExecutionEvent>(&registry).await.unwrap();
    assert_eq!(first.len(), ExecutionEvent::TYPES.len());
    assert_eq!(first[0].subject, "agents.execution.events-agents.execution.ExecutionStarted");
    let again = publish::<ExecutionEvent>(&registry).await.unwrap();
    assert!(again.iter().all(|published| !published.new));
    assert!(first.iter().zip(&again).all(|(a, b)| a.id == b.id));
    assert_eq!(registry.compatibility().await.unwrap(), Compatibility::FullTransitive);

    let encoder = Encoder::<ExecutionEvent>::prepare(&registry).await.unwrap();
    let payload = encoder.encode(&event()).unwrap();
    let cancelled = first.iter().find(|p| p.subject.ends_with("ExecutionCancelled")).unwrap();
    assert_eq!(wire::schema_id(&payload), Some(cancelled.id));

    // A reader that never saw the schema gets it from the registry, in the registry's own spelling.
    let decoder = Decoder::<ExecutionEvent>::new(self::registry());
    assert_eq!(decoder.decode_loading(&payload).await.unwrap(), event());
    assert_eq!(decoder.decode(&payload).unwrap(), event());
}

#[tokio::test]
async fn an_unpublished_schema_says_what_to_do() {
    let error = Encoder::<Unpublished>::prepare(&registry()).await.unwrap_err();
    assert!(matches!(error, PrepareError::NotPublished { .. }) && !error.is_transient());
    assert_eq!(
        error.to_string(),
        "subject it.unpublished.events-agents.execution.ExecutionStarted does not have version 1 of the schema; run \
         `millrace schema publish`"
    );
}

#[tokio::test]
async fn every_version_is_published_in_order() {
    let topic = testkit::unique("it.events");
    let (one, two) =
        (version(""), version(r#", {"name": "note", "type": ["null", "string"], "default": null}"#));
    let history = [one.as_str(), two.as_str()];
    let published = publish_history(&registry(), &topic, [("Tested", &history[..1])]).await.unwrap();
    assert!(published[0].new);
    let published = publish_history(&registry(), &topic, [("Tested", &history[..])]).await.unwrap();
    assert_eq!(published.iter().map(|p| (p.version, p.new)).collect::<Vec<_>>(), [(1, false), (2, true)]);
    assert_ne!(published[0].id, published[1].id);
}

#[tokio::test]
async fn a_version_that_breaks_a_promise_is_refused_with_the_registrys_reason() {
    let one = version(r#", {"name": "note", "type": ["null", "string"], "default": null}"#);
    for broken in [
        version(r#", {"name": "note", "type": "string"}"#),
        version(r#", {"name": "note", "type": ["null", "long"], "default": null}"#),
        version(r#", {"name": "must", "type": "int"}"#),
        one.replace(r#"{"name": "id", "type": "string"}, "#, ""),
    ] {
        let topic = testkit::unique("it.events");
        let history = [one.as_str(), broken.as_str()];
        let error = publish_history(&registry(), &topic, [("Tested", &history[..])]).await.unwrap_err();
        let PublishError::Refused { subject, version: 2, source } = &error else {
            panic!("{broken}: {error:?}")
        };
        assert_eq!(subject, &format!("{topic}-it.Tested"));
        let RegistryError::Incompatible { reason, .. } = source else { panic!("{broken}: {source:?}") };
        assert!(!reason.is_empty());
    }
}

/// What differs is what this crate refuses on purpose and a registry lets pass, or the other way round; none so far.
#[tokio::test]
async fn a_real_registry_judges_every_change_as_the_check_does() {
    for (name, old, new, new_reads_old, old_reads_new) in cases::cases() {
        let topic = testkit::unique("it.events");
        let (old, new) = (old.to_string(), new.to_string());
        let published = publish_history(&registry(), &topic, [("R", &[old.as_str()][..])]).await.unwrap();
        assert!(published[0].new);
        let taken = registry().register(&published[0].subject, &new).await;
        let is_legal = new_reads_old.is_empty() && old_reads_new.is_empty();
        match (&taken, is_legal) {
            (Ok(_), true) | (Err(RegistryError::Incompatible { .. }), false) => {}
            _ => panic!("{name}: legal {is_legal}, and the registry says {taken:?}"),
        }
    }
}

#[tokio::test]
async fn what_the_registry_has_is_compared_with_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let topic = format!("{}.events", testkit::unique("it").replace('_', "-"));
    let record = folder.path().join(&topic).join("Tested");
    std::fs::create_dir_all(&record).unwrap();
    let (one, two) =
        (version(""), version(r#", {"name": "note", "type": ["null", "string"], "default": null}"#));
    std::fs::write(record.join("1.avsc"), &one).unwrap();
    let tree = || Tree::read(folder.path()).unwrap();
    let compared = async || {
        let live = LiveSchemas::of(&registry(), &tree()).await.unwrap();
        compare_with_registry(&tree(), &live)
    };
    assert_eq!(compared().await, (0, 1, vec![]), "it would be published");
    publish_tree(&registry(), &tree()).await.unwrap();
    assert_eq!(compared().await, (1, 0, vec![]));
    // Somebody publishes from elsewhere.
    registry().register(&format!("{topic}-it.Tested"), &two).await.unwrap();
    let (both, new, found) = compared().await;
    assert_eq!((both, new, found.len()), (1, 0, 1));
    assert!(found[0].what.contains("version 2") && found[0].what.contains("no file has"), "{found:?}");
    std::fs::write(record.join("2.avsc"), &two).unwrap();
    assert_eq!(compared().await, (2, 0, vec![]), "as the fix says");
}

#[tokio::test]
async fn compatibility_reaches_back_beyond_the_last_version() {
    let topic = testkit::unique("it.events");
    let one = version(r#", {"name": "note", "type": ["null", "string"], "default": null}"#);
    let two = version("");
    let three = version(r#", {"name": "note", "type": ["null", "long"], "default": null}"#);
    let history = [one.as_str(), two.as_str(), three.as_str()];
    let error = publish_history(&registry(), &topic, [("Tested", &history[..])]).await.unwrap_err();
    assert!(matches!(error, PublishError::Refused { version: 3, .. }), "{error:?}");
}

#[tokio::test]
async fn an_id_that_nobody_gave_out_is_not_found() {
    let error = registry().schema(u32::MAX >> 1).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotFound { .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_no_schema_is_refused_as_invalid() {
    let error = registry().register("it-nonsense", r#"{"type": "recod"}"#).await.unwrap_err();
    assert!(matches!(error, RegistryError::Invalid { .. }), "{error:?}");
}
