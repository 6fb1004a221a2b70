//! Connections to Redis: made when needed, given up after any doubt.

use std::collections::HashSet;
use std::time::Duration;

use redis::{
    Cmd, ConnectionInfo, ErrorKind, FromRedisValue, IntoConnectionInfo, RedisError, RedisResult,
    ServerErrorKind,
};

use crate::config::RedisConfig;
use crate::error::Error;
use crate::nodes::Nodes;
use crate::scripts::Code;

/// Connections to a server or a cluster, and the scripts that run over them.
pub(crate) struct Link {
    addresses: Vec<ConnectionInfo>,
    timeout: Duration,
    namespace: String,
    live: Option<Nodes>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("namespace", &self.namespace)
            .field("connected", &self.live.is_some())
            .finish_non_exhaustive()
    }
}

impl Link {
    /// Reads the addresses; connects at the first use.
    pub(crate) fn new(config: &RedisConfig, namespace: &str) -> Result<Self, Error> {
        let addresses = config.addresses().map(IntoConnectionInfo::into_connection_info);
        let addresses = addresses.collect::<RedisResult<_>>();
        let addresses = addresses.map_err(|source| failed("read the address of Redis", namespace, source))?;
        Ok(Self { addresses, timeout: config.timeout(), namespace: namespace.to_owned(), live: None })
    }

    /// Runs calls of one script, one round trip for all. Where Redis has forgotten the script (it was restarted, failed over or
    /// flushed), everything runs again, which every script here may, each call with the text: whatever is forgotten meanwhile.
    pub(crate) async fn run<T: FromRedisValue>(
        &mut self,
        action: &str,
        script: &Code,
        calls: &[Cmd],
    ) -> Result<Vec<T>, Error> {
        let mut answers = self.send(action, calls.to_vec()).await?;
        if answers.iter().any(|answer| answer.as_ref().err().is_some_and(is_forgotten)) {
            let with_text = calls.iter().map(|call| script.with_text(call));
            answers = self.send(action, with_text.collect()).await?;
        }
        self.all(action, answers)
    }

    /// Runs commands in one round trip, of a cluster in one for each slot; an error of one is an error of all.
    pub(crate) async fn query<T: FromRedisValue>(
        &mut self,
        action: &str,
        commands: Vec<Cmd>,
    ) -> Result<Vec<T>, Error> {
        let answers = self.send(action, commands).await?;
        self.all(action, answers)
    }

    /// The keys of a pattern.
    pub(crate) async fn keys(&mut self, action: &str, pattern: &str) -> Result<HashSet<String>, Error> {
        let mut nodes = self.nodes(action).await?;
        let keys = nodes.keys(pattern).await.map_err(|source| failed(action, &self.namespace, source))?;
        self.live = Some(nodes);
        Ok(keys)
    }

    /// What a script says of the keys of a pattern, page by page.
    pub(crate) async fn told(
        &mut self,
        action: &str,
        script: &Code,
        pattern: &str,
        tell: impl FnMut(String),
    ) -> Result<(), Error> {
        let mut nodes = self.nodes(action).await?;
        let told = nodes.told(script.text(), pattern, tell).await;
        told.map_err(|source| failed(action, &self.namespace, source))?;
        self.live = Some(nodes);
        Ok(())
    }

    /// After an error, or no answer in time, nothing is known of the connections; the next use makes others.
    async fn send<T: FromRedisValue>(
        &mut self,
        action: &str,
        commands: Vec<Cmd>,
    ) -> Result<Vec<RedisResult<T>>, Error> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let mut nodes = self.nodes(action).await?;
        let answers = nodes.send(commands).await.map_err(|source| failed(action, &self.namespace, source))?;
        let is_sound = |answer: &RedisResult<T>| answer.as_ref().err().is_none_or(is_forgotten);
        self.live = answers.iter().all(is_sound).then_some(nodes);
        Ok(answers)
    }

    async fn nodes(&mut self, action: &str) -> Result<Nodes, Error> {
        match self.live.take() {
            Some(nodes) => Ok(nodes),
            None => Nodes::connect(&self.addresses, self.timeout)
                .await
                .map_err(|source| failed(action, &self.namespace, source)),
        }
    }

    fn all<T>(&self, action: &str, answers: Vec<RedisResult<T>>) -> Result<Vec<T>, Error> {
        answers
            .into_iter()
            .collect::<RedisResult<_>>()
            .map_err(|source| failed(action, &self.namespace, source))
    }
}

fn is_forgotten(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

fn failed(action: &str, namespace: &str, source: RedisError) -> Error {
    Error::Redis { action: action.to_owned(), namespace: namespace.to_owned(), source }
}
