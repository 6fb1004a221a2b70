//! Each legal change of a schema, carried by a real registry and a real topic: what old programs wrote, as new ones
//! read it, and the other way round.

use std::time::{Duration, Instant};

use catalog::publish;
use events::DomainEvent;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Message, Offset, TopicPartitionList};
use wire::{Decoder, Encoder, Registry, RegistryConfig};

/// The programs of before the change.
mod old {
    use events::{AggregateId, Timestamp};
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub(super) struct FieldsAdded {
        pub(super) run_id: AggregateId,
        pub(super) occurred_at: Timestamp,
        pub(super) title: String,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub(super) struct FieldsRemoved {
        pub(super) run_id: AggregateId,
        pub(super) occurred_at: Timestamp,
        pub(super) title: String,
        pub(super) note: Option<String>,
        #[serde(default = "once")]
        pub(super) attempts: i32,
    }

    fn once() -> i32 {
        1
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub(super) struct FieldsReordered {
        pub(super) run_id: AggregateId,
        pub(super) occurred_at: Timestamp,
        pub(super) title: String,
        pub(super) count: i64,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub(super) struct FieldRenamed {
        pub(super) run_id: AggregateId,
        pub(super) occurred_at: Timestamp,
        #[serde(default = "unnamed")]
        pub(super) label: String,
    }

    fn unnamed() -> String {
        "unnamed".into()
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub(super) struct SymbolAdded {
        pub(super) run_id: AggregateId,
        pub(super) occurred_at: Timestamp,
        pub(super) color: Color,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    pub(super) enum Color {
        Green,
        #[serde(other)]
        Unknown,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub(super) struct TextRetyped {
        pub(super) run_id: AggregateId,
        pub(super) occurred_at: Timestamp,
        pub(super) title: String,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub(super) struct Withdrawn {
        pub(super) run_id: AggregateId,
        pub(super) occurred_at: Timestamp,
        pub(super) reason: String,
    }

    events::event_set! {
        /// As they were.
        Old, topic "it.evolution.events", aggregate "evolution", id run_id,
        withdrawn Withdrawn, schemas "tests/it/evolution";
        Added(FieldsAdded) version 1;
        Removed(FieldsRemoved) version 1;
        Reordered(FieldsReordered) version 1;
        Renamed(FieldRenamed) version 1;
        Symbol(SymbolAdded) version 1;
        Retyped(TextRetyped) version 1;
        Withdrawn(Withdrawn) version 1;
    }
}

/// The programs of after it.
mod new {
    use events::{AggregateId, Timestamp};
    use serde::{Deserialize, Serialize};

    pub(super) use super::old::{TextRetyped, Withdrawn};

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub(super) struct FieldsAdded {
        pub(super) run_id: AggregateId,
        pub(super) occurred_at: Timestamp,
        pub(super) title: String,
        pub(super) note: Option<String>,
        #[serde(default = "once")]
        pub(super) attempts: i32,
    }

    fn once() -> i32 {
        1
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub(super) struct FieldsRemoved {
        pub(super) run_id: AggregateId,
        pub(super) occurred_at: Timestamp,
        pub(super) title: String,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub(super) struct FieldsReordered {
        pub(super) run_id: AggregateId,
        pub(super) occurred_at: Timestamp,
        pub(super) count: i64,
        pub(super) title: String,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub(super) struct FieldRenamed {
        pub(super) run_id: AggregateId,
        pub(super) occurred_at: Timestamp,
        #[serde(alias = "label", default = "unnamed")]
        pub(super) title: String,
    }

    fn unnamed() -> String {
        "unnamed".into()
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub(super) struct SymbolAdded {
        pub(super) run_id: AggregateId,
        pub(super) occurred_at: Timestamp,
        pub(super) color: Color,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    pub(super) enum Color {
        Green,
        Blue,
        #[serde(other)]
        Unknown,
    }

    events::event_set! {
        /// As they are.
        New, topic "it.evolution.events", aggregate "evolution", id run_id,
        withdrawn Withdrawn, schemas "tests/it/evolution";
        Added(FieldsAdded) version 2 after 1;
        Removed(FieldsRemoved) version 2 after 1;
        Reordered(FieldsReordered) version 2 after 1;
        Renamed(FieldRenamed) version 2 after 1;
        Symbol(SymbolAdded) version 2 after 1;
        Retyped(TextRetyped) version 2 after 1;
        Withdrawn(Withdrawn) version 1;
    }
}

use new::New;
use old::Old;

const BOUND: Duration = Duration::from_secs(30);

/// A registry that knows nothing by heart.
fn registry() -> Registry {
    Registry::new(&RegistryConfig::at(testkit::stack().registry_url())).unwrap()
}

/// Writes these events to a topic of their own as one program, and reads them back as another.
async fn carried<W: DomainEvent, R: DomainEvent>(events: &[W]) -> Vec<R> {
    let topic = testkit::topic("it.evolution.events", 1).await;
    let encoder = Encoder::<W>::prepare(&registry()).await.unwrap();
    let producer: FutureProducer = testkit::stack().kafka("admin").create().unwrap();
    for event in events {
        let (payload, key) = (encoder.encode(event).unwrap(), event.aggregate_id().to_string());
        producer.send(FutureRecord::to(&topic).key(&key).payload(&payload), BOUND).await.unwrap();
    }
    let count = events.len();
    let payloads = tokio::task::spawn_blocking(move || consumed(&topic, count)).await.unwrap();
    let decoder = Decoder::<R>::new(registry());
    let mut read = Vec::new();
    for payload in payloads {
        read.push(decoder.decode_loading(&payload).await.unwrap());
    }
    read
}

fn consumed(topic: &str, count: usize) -> Vec<Vec<u8>> {
    let mut config = testkit::stack().kafka("admin");
    let consumer: BaseConsumer = config.set("group.id", "never-joined").create().unwrap();
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&from).unwrap();
    let (begun, mut payloads) = (Instant::now(), Vec::new());
    while payloads.len() < count {
        assert!(begun.elapsed() < BOUND, "{} of {count} records", payloads.len());
        if let Some(record) = consumer.poll(Duration::from_millis(100)) {
            payloads.push(record.unwrap().payload().unwrap().to_vec());
        }
    }
    payloads
}

/// Old and new programs beside each other, both versions registered.
async fn published() {
    publish::<Old>(&registry()).await.unwrap();
    publish::<New>(&registry()).await.unwrap();
    let (old, new) = (
        Encoder::<Old>::prepare(&registry()).await.unwrap(),
        Encoder::<New>::prepare(&registry()).await.unwrap(),
    );
    for ((subject, written), (same, read)) in old.ids().zip(new.ids()) {
        assert_eq!(subject, same);
        assert_eq!(written == read, subject.ends_with(".Withdrawn"), "{subject}: {written} and {read}");
    }
}

fn run_id() -> events::AggregateId {
    "018f3f5e-0000-7000-8000-000000000001".parse().unwrap()
}

fn at() -> events::Timestamp {
    events::Timestamp::from_micros(7)
}

#[tokio::test]
async fn what_an_old_program_writes_a_new_one_reads() {
    published().await;
    let (run_id, occurred_at, title) = (run_id(), at(), || "a title".to_owned());
    let written: [Old; 6] = [
        old::FieldsAdded { run_id, occurred_at, title: title() }.into(),
        old::FieldsRemoved { run_id, occurred_at, title: title(), note: Some("a note".into()), attempts: 3 }
            .into(),
        old::FieldsReordered { run_id, occurred_at, title: title(), count: 5 }.into(),
        old::FieldRenamed { run_id, occurred_at, label: title() }.into(),
        old::SymbolAdded { run_id, occurred_at, color: old::Color::Green }.into(),
        old::TextRetyped { run_id, occurred_at, title: title() }.into(),
    ];
    let read: [New; 6] = [
        new::FieldsAdded { run_id, occurred_at, title: title(), note: None, attempts: 1 }.into(),
        new::FieldsRemoved { run_id, occurred_at, title: title() }.into(),
        new::FieldsReordered { run_id, occurred_at, count: 5, title: title() }.into(),
        new::FieldRenamed { run_id, occurred_at, title: title() }.into(),
        new::SymbolAdded { run_id, occurred_at, color: new::Color::Green }.into(),
        new::TextRetyped { run_id, occurred_at, title: title() }.into(),
    ];
    assert_eq!(carried::<Old, New>(&written).await, read);
}

#[tokio::test]
async fn what_a_new_program_writes_an_old_one_reads() {
    published().await;
    let (run_id, occurred_at, title) = (run_id(), at(), || "a title".to_owned());
    let written: [New; 6] = [
        new::FieldsAdded { run_id, occurred_at, title: title(), note: Some("a note".into()), attempts: 3 }
            .into(),
        new::FieldsRemoved { run_id, occurred_at, title: title() }.into(),
        new::FieldsReordered { run_id, occurred_at, count: 5, title: title() }.into(),
        new::FieldRenamed { run_id, occurred_at, title: title() }.into(),
        new::SymbolAdded { run_id, occurred_at, color: new::Color::Blue }.into(),
        new::TextRetyped { run_id, occurred_at, title: title() }.into(),
    ];
    let read: [Old; 6] = [
        old::FieldsAdded { run_id, occurred_at, title: title() }.into(),
        old::FieldsRemoved { run_id, occurred_at, title: title(), note: None, attempts: 1 }.into(),
        old::FieldsReordered { run_id, occurred_at, title: title(), count: 5 }.into(),
        // The price of a new name: who knows only the old one sees its default.
        old::FieldRenamed { run_id, occurred_at, label: "unnamed".into() }.into(),
        old::SymbolAdded { run_id, occurred_at, color: old::Color::Unknown }.into(),
        old::TextRetyped { run_id, occurred_at, title: title() }.into(),
    ];
    assert_eq!(carried::<New, Old>(&written).await, read);
}
