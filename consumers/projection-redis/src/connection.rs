//! One connection to Redis: made when needed, given up after any doubt.

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo, Pipeline, RedisError,
    RedisResult, ServerErrorKind,
};

use crate::config::RedisConfig;
use crate::error::Error;
use crate::scripts::Code;

/// A connection and the scripts that run over it.
pub(crate) struct Link {
    client: Client,
    settings: AsyncConnectionConfig,
    namespace: String,
    live: Option<MultiplexedConnection>,
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
    /// Reads the address; connects at the first use.
    pub(crate) fn new(config: &RedisConfig, namespace: &str) -> Result<Self, Error> {
        let failed = |source| failed("read the address of Redis", namespace, source);
        // Answers are waited for one by one; Nagle's algorithm would add its delay to each.
        let tcp = TcpSettings::default().set_nodelay(true);
        let info = config.url.as_str().into_connection_info().map_err(failed)?.set_tcp_settings(tcp);
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(config.timeout()))
            .set_response_timeout(Some(config.timeout()));
        let client = Client::open(info).map_err(failed)?;
        Ok(Self { client, settings, namespace: namespace.to_owned(), live: None })
    }

    /// Runs calls of one script, one round trip for all. Where Redis has forgotten the script (it was restarted, failed over or
    /// flushed), everything runs again, which every script here may, each call with the text: whatever is forgotten meanwhile.
    pub(crate) async fn run<T: FromRedisValue>(
        &mut self,
        action: &str,
        script: &Code,
        calls: &[Cmd],
    ) -> Result<Vec<T>, Error> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        let mut answers: Vec<RedisResult<T>> = self.query(action, &each(calls.iter().cloned())).await?;
        if answers.iter().any(|answer| answer.as_ref().err().is_some_and(is_forgotten)) {
            let with_text = calls.iter().map(|call| script.with_text(call));
            answers = self.query(action, &each(with_text)).await?;
        }
        answers
            .into_iter()
            .collect::<RedisResult<_>>()
            .map_err(|source| failed(action, &self.namespace, source))
    }

    /// Runs commands in one round trip; an error of one is an error of all.
    pub(crate) async fn query<T: FromRedisValue>(
        &mut self,
        action: &str,
        pipeline: &Pipeline,
    ) -> Result<T, Error> {
        let answer = match self.connection().await {
            Ok(connection) => pipeline.query_async(connection).await,
            Err(error) => Err(error),
        };
        self.judge(action, answer)
    }

    /// Runs one command.
    pub(crate) async fn command<T: FromRedisValue>(
        &mut self,
        action: &str,
        command: &Cmd,
    ) -> Result<T, Error> {
        let answer = match self.connection().await {
            Ok(connection) => command.query_async(connection).await,
            Err(error) => Err(error),
        };
        self.judge(action, answer)
    }

    async fn connection(&mut self) -> RedisResult<&mut MultiplexedConnection> {
        let live = match self.live.take() {
            Some(live) => live,
            None => self.client.get_multiplexed_async_connection_with_config(&self.settings).await?,
        };
        Ok(self.live.insert(live))
    }

    /// After an error, or no answer in time, nothing is known of the connection; the next use makes another.
    fn judge<T>(&mut self, action: &str, answer: RedisResult<T>) -> Result<T, Error> {
        answer.map_err(|source| {
            self.live = None;
            failed(action, &self.namespace, source)
        })
    }
}

/// Commands that are answered one by one, errors too.
fn each(calls: impl ExactSizeIterator<Item = Cmd>) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(calls.len());
    for call in calls {
        pipeline.add_command(call);
    }
    pipeline.ignore_errors();
    pipeline
}

fn is_forgotten(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

fn failed(action: &str, namespace: &str, source: RedisError) -> Error {
    Error::Redis { action: action.to_owned(), namespace: namespace.to_owned(), source }
}
