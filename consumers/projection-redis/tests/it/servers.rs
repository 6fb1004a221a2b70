//! Servers of Redis that a test has to itself.

use local::{Component, RaiseArgs, RedisTopology};
use redis::{FromRedisValue, RedisResult};
use testkit::OwnStack;

/// So many as there are to be, and nothing else.
pub(crate) async fn servers(name: &str, redis: RedisTopology) -> OwnStack {
    let own = OwnStack::new(name);
    own.start(&Component::REDIS, &RaiseArgs { redis: Some(redis), ..RaiseArgs::default() }).await;
    own
}

/// What one of them says to a command.
pub(crate) async fn ask<T: FromRedisValue>(
    own: &OwnStack,
    server: Component,
    command: &str,
) -> RedisResult<T> {
    let client = redis::Client::open(address(own, server))?;
    let mut words = command.split(' ');
    let mut question = redis::cmd(words.next().unwrap());
    question.arg(words.collect::<Vec<_>>());
    question.query_async(&mut client.get_multiplexed_async_connection().await?).await
}

/// Where one of them is, with its password.
pub(crate) fn address(own: &OwnStack, server: Component) -> String {
    let urls = own.fact("MILLRACE_REDIS_URL");
    let at = Component::REDIS.iter().position(|it| *it == server).unwrap();
    urls.split(',').nth(at).unwrap().to_owned()
}

pub(crate) async fn is_primary(own: &OwnStack, server: Component) -> bool {
    ask::<String>(own, server, "INFO replication").await.is_ok_and(|said| said.contains("role:master"))
}
