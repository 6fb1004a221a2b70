//! Each user can do what it must, and is refused what it must not.

use catalog::Manifest;
use rdkafka::error::RDKafkaErrorCode as Code;

use crate::apply;
use crate::attempts::Attempt::{self, CreateTopic, DescribeConfigs, Fetch, Join, Offsets, Produce};
use crate::attempts::attempt;

const DEAD_LETTERS: &str = "executions-postgres.dlq";

/// The committed rules, and a topic of the agents domain.
async fn prepared() -> String {
    apply(&Manifest::committed()).await;
    testkit::topic("agents.access.events", 1).await
}

fn owned(name: &str) -> String {
    name.to_owned()
}

async fn matrix(user: &str, may: &[Attempt], may_not: &[Attempt]) {
    for what in may {
        let outcome = attempt(user, what).await;
        assert_eq!(outcome, Ok(()), "{user} must be able to {what:?}");
    }
    for what in may_not {
        let refusals: &[_] = match what {
            Join(..) | Offsets(_) => &[Code::GroupAuthorizationFailed],
            Produce(_) => &[Code::TopicAuthorizationFailed, Code::ClusterAuthorizationFailed],
            _ => &[Code::TopicAuthorizationFailed],
        };
        match attempt(user, what).await {
            Err(code) if refusals.contains(&code) => {}
            other => panic!("{user} must not be able to {what:?}, but {other:?}"),
        }
    }
}

#[tokio::test]
async fn connect_writes_what_is_declared_and_keeps_its_own_books() {
    let events = prepared().await;
    let own = ["_connect_configs", "_connect_offsets", "_connect_status"];
    let mut may = vec![
        Produce(owned("__debezium-heartbeat.agents")),
        Offsets(owned("connect")), // joining would disturb the worker
    ];
    may.extend(own.map(|topic| Fetch(owned(topic))));
    may.extend(own.map(|topic| DescribeConfigs(owned(topic))));
    let may_not = [
        Produce(events.clone()), // named like one of the domain's, and declared by nobody
        Fetch(events.clone()),
        Produce(owned(DEAD_LETTERS)),
        Fetch(owned(DEAD_LETTERS)),
        Join(owned("executions-postgres"), owned("_connect_status")),
        CreateTopic(owned("agents.new.events")),
        DescribeConfigs(events),
    ];
    matrix("connect", &may, &may_not).await;
}

#[tokio::test]
async fn the_projector_reads_events_and_writes_nothing() {
    let events = prepared().await;
    let may = [Fetch(events.clone()), Join(testkit::unique("executions"), events.clone())];
    let may_not = [
        Produce(events.clone()),
        Produce(owned(DEAD_LETTERS)),
        Fetch(owned("_connect_configs")),
        Join(testkit::unique("verify"), events.clone()),
        Join(owned("connect"), events),
        CreateTopic(owned("agents.new.events")),
    ];
    matrix("projector", &may, &may_not).await;
}

#[tokio::test]
async fn dead_letters_are_written_and_nothing_is_read() {
    let events = prepared().await;
    let may = [Produce(owned(DEAD_LETTERS)), Produce(owned("executions-redis.dlq"))];
    let may_not = [
        Fetch(events.clone()),
        Produce(events.clone()),
        Produce(owned("_connect_configs")),
        CreateTopic(owned("executions-new.dlq")),
        DescribeConfigs(events),
    ];
    matrix("dead-letters", &may, &may_not).await;
}

#[tokio::test]
async fn the_auditor_reads_everything_of_the_domain_and_writes_nothing() {
    let events = prepared().await;
    let may =
        [Fetch(events.clone()), Fetch(owned(DEAD_LETTERS)), Join(testkit::unique("verify"), events.clone())];
    let may_not = [
        Produce(events.clone()),
        Produce(owned(DEAD_LETTERS)),
        Fetch(owned("_connect_configs")),
        Join(owned("executions-redis"), events),
        CreateTopic(owned("agents.new.events")),
    ];
    matrix("auditor", &may, &may_not).await;
}
