//! What a broker can do to a client, on librdkafka's own mock broker: a real one cannot be told to.

use clap::Parser;
use kafka::conformance::{History, Sink, Tally, settings};
use kafka::{BrokerConfig, Projector};
use projection_postgres::PostgresViews;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use tokio_util::sync::CancellationToken;

use crate::broker::BOUND;
use crate::sink::PostgresSink;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    broker: BrokerConfig,
}

async fn send(producer: &FutureProducer, records: impl IntoIterator<Item = kafka::Record>) {
    for record in records {
        let headers = record
            .headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value }));
        let (key, payload) = (record.key.unwrap_or_default(), record.payload.unwrap_or_default());
        let record = FutureRecord::to("tally.events").key(&key).payload(&payload).headers(headers);
        producer.send(record, BOUND).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_of_no_more_use_is_replaced_and_an_outage_is_waited_for() {
    let sink = PostgresSink::new().await;
    let mut history = History::default();
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("tally.events", 2, 1).unwrap();
    let bootstrap = mock.bootstrap_servers();
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &bootstrap)
        .set("partitioner", "murmur2_random")
        .set("reconnect.backoff.max.ms", "500")
        .create()
        .unwrap();
    send(&producer, (0..20).map(|n| history.started(n, "r")).collect::<Vec<_>>()).await;

    let broker = Program::parse_from(["it", "--kafka-bootstrap", &bootstrap]).broker;
    let store: PostgresViews<Tally> = sink.open().await;
    let projector = Projector::named("tally", "tally.events", &broker, settings(), history.decoder(), store);
    let (metrics, stop) = (projector.metrics(), CancellationToken::new());
    let run = tokio::spawn(projector.run(stop.clone()));
    let applied = async |history: &History| {
        let expected = history.rows();
        testkit::eventually("the whole history is applied", BOUND, async || sink.rows().await == expected)
            .await;
    };
    applied(&history).await;

    // The broker says that our offset is not there, and then that it is: the client has given the partition up.
    let gone = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE;
    mock.request_errors(RDKafkaApiKey::Fetch, &[gone]);
    send(&producer, (0..20).map(|n| history.called(n, 1)).collect::<Vec<_>>()).await;
    applied(&history).await;
    testkit::eventually("the client was replaced", BOUND, async || metrics.clients_rebuilt.get() >= 1).await;

    let replaced = metrics.clients_rebuilt.get();
    mock.broker_down(1).unwrap();
    let down = (0..20).map(|n| history.called(n, 2)).collect::<Vec<_>>();
    let sending = tokio::spawn(async move { send(&producer, down).await });
    let mut looks = 0;
    testkit::eventually("nothing arrives while the broker is down", BOUND, async || {
        looks += 1;
        looks > 50
    })
    .await;
    mock.broker_up(1).unwrap();
    sending.await.unwrap();
    applied(&history).await;
    assert_eq!(metrics.clients_rebuilt.get(), replaced, "an outage is waited for");
    assert_eq!(sink.totals().await.unwrap(), History::totals(&history.rows()));
    assert!(sink.parked().await.is_empty());
    stop.cancel();
    tokio::time::timeout(BOUND, run).await.expect("it ends").unwrap().unwrap();
}
