//! Stacks of more than one server of a kind.

use local::{Component, Error, Health, PostgresTopology, RaiseArgs, RedisTopology, Stack};
use sqlx::{Connection, Executor, PgConnection};
use testkit::{OwnStack, eventually};

const BOUND: std::time::Duration = std::time::Duration::from_secs(60);

/// A connection to Redis, told what to do in its own words.
async fn redis(own: &OwnStack, server: Component, command: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let status = own.stack.status().await.unwrap();
    let port = status.components.iter().find(|it| it.component == server).unwrap().ports[0];
    let password = own.fact("MILLRACE_REDIS_PASSWORD");
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(format!("AUTH {password}\r\n{command}\r\nQUIT\r\n").as_bytes()).await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    said
}

async fn states(stack: &Stack) -> Vec<(Component, Health)> {
    let status = stack.status().await.unwrap();
    status.components.into_iter().map(|it| (it.component, it.state)).collect()
}

#[tokio::test]
async fn a_cluster_is_made_once_and_takes_a_killed_primary_back_as_a_replica() {
    let own = OwnStack::new("cluster");
    let cluster = RaiseArgs { redis: Some(RedisTopology::Cluster), ..RaiseArgs::default() };
    own.start(&Component::REDIS, &cluster).await;
    let up = states(&own.stack).await.into_iter().filter(|(_, state)| *state == Health::Up);
    assert_eq!(up.map(|(component, _)| component).collect::<Vec<_>>(), Component::REDIS);
    assert_eq!(own.fact("MILLRACE_REDIS_URL").matches("redis://").count(), 6);
    own.start(&Component::REDIS, &RaiseArgs::default()).await;

    own.kill(Component::Redis).await;
    let replaced = async || redis(&own, Component::Redis4, "INFO replication").await.contains("role:master");
    eventually("the replica takes over", BOUND, replaced).await;
    own.start(&Component::REDIS, &RaiseArgs::default()).await;
    assert!(redis(&own, Component::Redis, "INFO replication").await.contains("role:slave"));
    own.stack.down(false).await.unwrap();
    own.start(&Component::REDIS, &RaiseArgs::default()).await;
    assert!(redis(&own, Component::Redis5, "CLUSTER INFO").await.contains("cluster_slots_ok:16384"));

    let error =
        own.stack.raise(&RaiseArgs { redis: Some(RedisTopology::Single), ..cluster }).await.unwrap_err();
    assert!(matches!(error, Error::Topology { .. }), "{error}");
    assert!(error.to_string().contains("MILLRACE_REDIS_TOPOLOGY=cluster, not single"), "{error}");
    own.stack.down(true).await.unwrap();
}

#[tokio::test]
async fn a_replica_of_redis_has_what_the_primary_has_and_its_successor_is_replicated_in_turn() {
    let own = OwnStack::new("pair");
    let pair = RaiseArgs { redis: Some(RedisTopology::Replica), ..RaiseArgs::default() };
    own.start(&Component::REDIS, &pair).await;
    redis(&own, Component::Redis, "SET said once").await;
    let has = async |said: &str| redis(&own, Component::Redis2, "GET said").await.contains(said);
    eventually("it is replicated", BOUND, async || has("once").await).await;

    own.kill(Component::Redis).await;
    redis(&own, Component::Redis2, "REPLICAOF NO ONE").await;
    redis(&own, Component::Redis2, "SET said twice").await;
    own.start(&Component::REDIS, &RaiseArgs::default()).await;
    assert!(redis(&own, Component::Redis, "GET said").await.contains("twice"), "it replicates its successor");
    assert!(redis(&own, Component::Redis, "INFO replication").await.contains("role:slave"));
}

#[tokio::test]
async fn a_standby_of_postgres_has_what_was_committed_and_may_take_its_place() {
    let own = OwnStack::new("standby");
    let both = [Component::Postgres, Component::PostgresReplica];
    own.start(&both, &RaiseArgs { postgres: Some(PostgresTopology::Replica), ..RaiseArgs::default() }).await;
    let primary = own.fact("MILLRACE_POSTGRES_SUPERUSER_URL");
    let standby = own.fact("MILLRACE_POSTGRES_REPLICA_SUPERUSER_URL");
    let connect = async |url: &str| PgConnection::connect(url).await.unwrap();
    let mut on_primary = connect(&primary).await;
    on_primary.execute("create table said (word text); insert into said values ('once')").await.unwrap();
    let mut on_standby = connect(&standby).await;
    let has = async || on_standby.fetch_one("select word from said").await.is_ok();
    eventually("it is replicated", BOUND, has).await;
    let refused = on_standby.execute("insert into said values ('twice')").await.unwrap_err();
    assert!(refused.to_string().contains("read-only"), "{refused}");

    own.kill(Component::Postgres).await;
    on_standby.execute("select pg_promote()").await.unwrap();
    on_standby.execute("insert into said values ('twice')").await.unwrap();
    own.kill(Component::PostgresReplica).await;
    own.start(&[Component::PostgresReplica], &RaiseArgs::default()).await;
    let mut on_successor = connect(&standby).await;
    on_successor.execute("insert into said values ('thrice')").await.expect("it stays a primary");
}
