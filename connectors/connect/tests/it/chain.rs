//! One connector of a test's own: the committed file with another database, slot and name.

use std::path::Path;
use std::time::Duration;

use catalog::{Acl, KafkaAdmin, KafkaAdminConfig, Operation, Pattern, Resource};
use connect::{Applied, Client, Config, Connector, Error};
use outbox::{ensure_slot, slot};
use rdkafka::Message;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::OwnedMessage;
use rdkafka::{Offset, TopicPartitionList};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection, PgPool};
use testkit::Database;

pub(crate) const BOUND: Duration = Duration::from_secs(60);

pub(crate) struct Chain {
    pub(crate) database: Database,
    pub(crate) client: Client,
    pub(crate) connector: Connector,
    /// Rows of this type go to the topic `agents.<aggregate_type>.events`.
    pub(crate) aggregate_type: String,
    pub(crate) heartbeats: String,
    slot: String,
}

impl Chain {
    /// Database, outbox, slot and topics; nothing is applied yet.
    pub(crate) async fn new() -> Self {
        let stack = testkit::stack();
        let database = testkit::events_database().await;
        outbox::migrate(&PgPool::connect(&database.url("owner")).await.unwrap()).await.unwrap();
        let (name, aggregate_type) = (testkit::unique("outbox"), testkit::unique("thing"));
        let slot = name.replace('-', "_");
        ensure_slot(&mut connect(&database, "cdc").await, &slot).await.unwrap();
        topic(&format!("agents.{aggregate_type}.events"), 2).await;
        let heartbeats = format!("__debezium-heartbeat.{name}");
        topic(&heartbeats, 1).await;

        let secrets = Path::new(stack.get("MILLRACE_CONNECT_SECRETS"));
        let connector = Connector { name: name.clone(), ..Connector::outbox(secrets) }
            .with("database.dbname", database.name())
            .with("slot.name", &slot)
            .with("topic.prefix", &name)
            .with("heartbeat.interval.ms", "500");
        let client = Client::new(&Config {
            connect_url: stack.connect_url().to_owned(),
            connect_secrets: secrets.to_owned(),
            connect_wait_s_max: BOUND.as_secs(),
        })
        .unwrap();
        Self { database, client, connector, aggregate_type, heartbeats, slot }
    }

    /// Applies the connector and waits until its slot is read.
    pub(crate) async fn apply(&self) -> Result<Applied, Error> {
        let mut cdc = connect(&self.database, "cdc").await;
        let ready = async || {
            Ok::<_, outbox::Error>(slot(&mut cdc, &self.slot).await?.is_some_and(|slot| slot.active))
        };
        self.client.apply(&self.connector, BOUND, ready).await
    }

    pub(crate) fn topic(&self) -> String {
        format!("agents.{}.events", self.aggregate_type)
    }
}

impl Drop for Chain {
    /// The connector goes before its database, also when the test panics.
    fn drop(&mut self) {
        let (client, name) = (self.client.clone(), self.connector.name.clone());
        let delete = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { client.delete(&name).await })
        };
        match std::thread::spawn(delete).join() {
            Ok(Ok(()) | Err(Error::Refused { status: 404, .. })) => {}
            other => eprintln!("the connector {} stays: {other:?}", self.connector.name),
        }
    }
}

pub(crate) async fn connect(database: &Database, role: &str) -> PgConnection {
    PgConnection::connect_with(&database.url(role).parse::<PgConnectOptions>().unwrap()).await.unwrap()
}

/// A topic that Connect may write to.
async fn topic(name: &str, partitions: i32) {
    let stack = testkit::stack();
    let config = KafkaAdminConfig::at(
        stack.get("MILLRACE_KAFKA_BOOTSTRAP"),
        stack.get("MILLRACE_KAFKA_ADMIN_PASSWORD"),
    );
    let may_write = Acl::allow("connect", Operation::Write, Resource::Topic, Pattern::Literal, name);
    KafkaAdmin::new(&config).unwrap().grant(vec![may_write]).await.unwrap();
    let admin: AdminClient<DefaultClientContext> = testkit::stack().kafka("admin").create().unwrap();
    let options = AdminOptions::new().operation_timeout(Some(BOUND));
    let wanted = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    for answer in admin.create_topics([&wanted], &options).await.unwrap() {
        answer.unwrap();
    }
}

/// The first `count` records of a topic, by partition and offset.
pub(crate) async fn records(topic: &str, partitions: i32, count: usize) -> Vec<OwnedMessage> {
    let mut left = count;
    records_until(topic, partitions, |_| {
        left -= 1;
        left == 0
    })
    .await
}

/// The records of a topic up to one that is looked for, by partition and offset. After a crash some may come twice.
pub(crate) async fn records_until(
    topic: &str,
    partitions: i32,
    mut is_last: impl FnMut(&OwnedMessage) -> bool,
) -> Vec<OwnedMessage> {
    let mut settings = testkit::stack().kafka("admin");
    settings.set("group.id", "verify-nobody").set("enable.auto.commit", "false");
    let consumer: StreamConsumer = settings.create().unwrap();
    let mut from = TopicPartitionList::new();
    for partition in 0..partitions {
        from.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&from).unwrap();
    let mut records = vec![];
    let read = async {
        loop {
            records.push(consumer.recv().await.unwrap().detach());
            if records.last().is_some_and(&mut is_last) {
                return;
            }
        }
    };
    let found = tokio::time::timeout(BOUND, read).await;
    assert!(found.is_ok(), "{topic} has {} records, and not the one that is waited for", records.len());
    records.sort_by_key(|record| (record.partition(), record.offset()));
    records
}
