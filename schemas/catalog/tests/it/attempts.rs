//! What a user may try.

use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// What came of an attempt: it went through, or the broker refused it with this code.
pub(crate) type Outcome = Result<(), RDKafkaErrorCode>;

const BOUND: Duration = Duration::from_secs(20);

/// Something that needs a permission.
#[derive(Debug, Clone)]
pub(crate) enum Attempt {
    Produce(String),
    Fetch(String),
    /// Be a member of this group, which reads this topic.
    Join(String, String),
    /// Look how far this group has come; who may be a member may do so.
    Offsets(String),
    CreateTopic(String),
    DeleteTopic(String),
    DescribeConfigs(String),
    /// Produce a record that the broker takes from nobody: who may write is told so, and nothing is written.
    ProduceInVain(String),
}

pub(crate) async fn attempt(user: &str, what: &Attempt) -> Outcome {
    let config = testkit::stack().kafka(user);
    match what.clone() {
        Attempt::Produce(topic) => produce(config, &topic).await,
        Attempt::Fetch(topic) => blocking(move || fetch(config, &topic)).await,
        Attempt::Join(group, topic) => blocking(move || join(config, &group, &topic)).await,
        Attempt::Offsets(group) => blocking(move || offsets(config, &group)).await,
        Attempt::CreateTopic(topic) => create(config, &topic).await,
        Attempt::DeleteTopic(topic) => delete(config, &topic).await,
        Attempt::DescribeConfigs(topic) => describe(config, &topic).await,
        Attempt::ProduceInVain(topic) => produce_in_vain(config, &topic).await,
    }
}

async fn blocking(call: impl FnOnce() -> Outcome + Send + 'static) -> Outcome {
    tokio::task::spawn_blocking(call).await.unwrap()
}

fn refused(error: &KafkaError) -> Outcome {
    Err(error.rdkafka_error_code().unwrap_or_else(|| panic!("{error}")))
}

async fn produce(mut config: ClientConfig, topic: &str) -> Outcome {
    let producer: FutureProducer =
        config.set("enable.idempotence", "true").set("message.timeout.ms", "15000").create().unwrap();
    let record = FutureRecord::to(topic).key("access-test").payload("");
    producer.send(record, BOUND).await.map(drop).or_else(|(error, _)| match producer.client().fatal_error() {
        Some((code, _)) => Err(code), // who may write nowhere is no idempotent producer either
        None => refused(&error),
    })
}

/// Without a key, which a compacted topic refuses, and larger than any topic takes.
async fn produce_in_vain(mut config: ClientConfig, topic: &str) -> Outcome {
    let producer: FutureProducer =
        config.set("message.max.bytes", "2000000").set("message.timeout.ms", "15000").create().unwrap();
    let payload = vec![0; 1_200_000];
    let record = FutureRecord::<(), _>::to(topic).partition(0).payload(&payload);
    let (error, _) = producer.send(record, BOUND).await.expect_err("no topic takes such a record");
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidRecord) => Ok(()),
        _ => refused(&error),
    }
}

fn fetch(mut config: ClientConfig, topic: &str) -> Outcome {
    let consumer: BaseConsumer = config
        .set("group.id", "never-joined")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let described = consumer
        .fetch_metadata(Some(topic), BOUND)
        .or_else(|error| refused(&error).map(|()| unreachable!()))?;
    if let Some(code) = described.topics()[0].error() {
        return Err(code.into());
    }
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&from).unwrap();
    // No group takes part in this, though the client looks for its coordinator all the same.
    polled(&consumer, RDKafkaErrorCode::TopicAuthorizationFailed, |_| false)
}

fn join(mut config: ClientConfig, group: &str, topic: &str) -> Outcome {
    let consumer: BaseConsumer = config
        .set("group.id", group)
        .set("group.protocol", "consumer")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let refusal = RDKafkaErrorCode::GroupAuthorizationFailed;
    polled(&consumer, refusal, |consumer| consumer.assignment().is_ok_and(|assigned| assigned.count() > 0))
}

fn offsets(mut config: ClientConfig, group: &str) -> Outcome {
    let consumer: BaseConsumer = config.set("group.id", group).create().unwrap();
    let mut of = TopicPartitionList::new();
    of.add_partition("_connect_status", 0);
    let found =
        consumer.committed_offsets(of, BOUND).or_else(|error| refused(&error).map(|()| unreachable!()))?;
    found.elements()[0].error().or_else(|error| refused(&error))
}

/// Polls until records or their end arrive, `enough` is there, or the broker gives that refusal.
fn polled(
    consumer: &BaseConsumer,
    refusal: RDKafkaErrorCode,
    enough: impl Fn(&BaseConsumer) -> bool,
) -> Outcome {
    let (begun, mut last) = (Instant::now(), String::from("nothing"));
    while begun.elapsed() < BOUND {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => return Ok(()),
            Some(Err(error)) if error.rdkafka_error_code() == Some(refusal) => return Err(refusal),
            Some(Err(error)) => last = error.to_string(), // the client goes on by itself
            None if enough(consumer) => return Ok(()),
            None => {}
        }
    }
    panic!("neither records nor a refusal within {BOUND:?}, but {last}")
}

fn admin(config: ClientConfig) -> AdminClient<DefaultClientContext> {
    config.create().unwrap()
}

async fn create(config: ClientConfig, topic: &str) -> Outcome {
    let new = NewTopic::new(topic, 1, TopicReplication::Fixed(1));
    let options = AdminOptions::new().validate_only(true);
    let mut answers = admin(config).create_topics([&new], &options).await.unwrap();
    answers.remove(0).map(drop).map_err(|(_, code)| code)
}

async fn describe(config: ClientConfig, topic: &str) -> Outcome {
    let resource = ResourceSpecifier::Topic(topic);
    let mut answers = admin(config).describe_configs([&resource], &AdminOptions::new()).await.unwrap();
    // rdkafka drops the refusal and answers without settings, of which no topic has none.
    if answers.remove(0)?.entries.is_empty() {
        Err(RDKafkaErrorCode::TopicAuthorizationFailed)
    } else {
        Ok(())
    }
}

async fn delete(config: ClientConfig, topic: &str) -> Outcome {
    let mut answers = admin(config).delete_topics(&[topic], &AdminOptions::new()).await.unwrap();
    answers.remove(0).map(drop).map_err(|(_, code)| code)
}

/// Tries to give a topic segments of this size. rdkafka drops the refusal: only the topic shows what came of it.
pub(crate) async fn alter(user: &str, topic: &str, segment_bytes: &str) {
    let changed = AlterConfig::new(ResourceSpecifier::Topic(topic)).set("segment.bytes", segment_bytes);
    let admin = admin(testkit::stack().kafka(user));
    admin.alter_configs(&[changed], &AdminOptions::new()).await.unwrap().remove(0).unwrap();
}
