//! The servers behind the API: asked by few at a time, within a time limit, and not at all while they do not answer.

use std::sync::Arc;
use std::time::Duration;

use recloser::{AsyncRecloser, Recloser};
use tokio::sync::Semaphore;

use crate::HttpConfig;
use crate::problem::{Kind, Problem};

/// How long nobody is sent to servers that did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Calls over which failures are counted; half of them open the circuit.
const CALLS: usize = 20;

/// Calls that are let through to see whether the servers are back.
const TRIALS: usize = 3;

/// What a client whose request found no room may wait.
const BUSY: Duration = Duration::from_secs(1);

/// The way to the servers behind.
#[derive(Debug, Clone)]
pub struct Backend {
    room: Arc<Semaphore>,
    breaker: AsyncRecloser,
    answer_max: Duration,
}

impl Backend {
    /// Nobody was asked yet.
    pub fn new(config: &HttpConfig) -> Self {
        let breaker =
            Recloser::custom().error_rate(0.5).closed_len(CALLS).half_open_len(TRIALS).open_wait(PAUSE);
        Self {
            room: Arc::new(Semaphore::new(config.api_requests_max as usize)),
            breaker: AsyncRecloser::from(breaker.build()),
            answer_max: config.answer_max(),
        }
    }

    /// A question: when it takes too long, nothing has happened.
    pub async fn read<T>(&self, question: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
        self.call(question, || unavailable("the answer took too long")).await
    }

    /// A change: when it takes too long, it may have happened.
    pub async fn write<T>(&self, change: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
        let late = || Problem::new(Kind::OutcomeUnknown, "the answer took too long").retry_after(PAUSE);
        self.call(change, late).await
    }

    async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, Problem>>,
        late: impl FnOnce() -> Problem,
    ) -> Result<T, Problem> {
        let _place = self
            .room
            .try_acquire()
            .map_err(|_| Problem::new(Kind::Overloaded, "too many requests at once").retry_after(BUSY))?;
        let bounded =
            async { tokio::time::timeout(self.answer_max, call).await.unwrap_or_else(|_| Err(late())) };
        let is_failure =
            |problem: &Problem| matches!(problem.kind(), Kind::Unavailable | Kind::OutcomeUnknown);
        match self.breaker.call_with(is_failure, bounded).await {
            Ok(answer) => Ok(answer),
            Err(recloser::Error::Inner(problem)) => Err(problem),
            Err(recloser::Error::Rejected) => Err(unavailable("the servers behind did not answer just now")),
        }
    }
}

/// Nothing has happened, and nothing can just now.
pub fn unavailable(detail: &str) -> Problem {
    Problem::new(Kind::Unavailable, detail).retry_after(PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backend(requests_max: &str) -> Backend {
        #[derive(clap::Parser)]
        struct Program {
            #[command(flatten)]
            config: HttpConfig,
        }
        let program: Program = clap::Parser::parse_from([
            "api",
            "--api-requests-max",
            requests_max,
            "--api-answer-ms-max",
            "10",
        ]);
        Backend::new(&program.config)
    }

    #[tokio::test(start_paused = true)]
    async fn servers_that_do_not_answer_are_left_alone_for_a_while() {
        let backend = backend("4");
        for _ in 0..=CALLS {
            let failed = backend.read(async { Err::<(), _>(unavailable("")) }).await;
            assert_eq!(failed.unwrap_err().kind(), Kind::Unavailable);
        }
        let refused: Result<(), _> = backend.read(async { panic!("the servers were asked") }).await;
        assert_eq!(refused.unwrap_err().kind(), Kind::Unavailable);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_of_the_domain_is_no_failure_of_a_server() {
        let backend = backend("4");
        for _ in 0..3 * CALLS {
            let rejected =
                backend.write(async { Err::<(), _>(Problem::new(Kind::CommandRejected, "no")) }).await;
            assert_eq!(rejected.unwrap_err().kind(), Kind::CommandRejected);
        }
        assert_eq!(backend.read(async { Ok(7) }).await, Ok(7));
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_told_apart_by_what_may_have_happened() {
        let backend = backend("4");
        let read = backend.read(std::future::pending::<Result<(), Problem>>()).await;
        assert_eq!(read.unwrap_err().kind(), Kind::Unavailable);
        let write = backend.write(std::future::pending::<Result<(), Problem>>()).await;
        assert_eq!(write.unwrap_err().kind(), Kind::OutcomeUnknown);
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_room_for_so_many_and_no_more() {
        let backend = backend("1");
        let first = backend.read(std::future::pending::<Result<(), Problem>>());
        let second = async { backend.read(async { Ok(()) }).await.unwrap_err().kind() };
        let (_, second) = futures::join!(first, second);
        assert_eq!(second, Kind::Overloaded);
    }
}
