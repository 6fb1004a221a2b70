//! Trouble that passes is waited out, up to a deadline.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::{RegistryError, unavailable};

/// Between two attempts, at first and at most; twice as long each time, half of it by chance, so that consumers that lost the
/// registry together do not come back together.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// Of the deadline, what one attempt may take at most: a request that hangs leaves time for another.
const SHARE: u32 = 2;

/// Asks until there is an answer, a refusal, or no time left; then the last trouble is the answer.
pub(super) async fn persistently<T, F>(
    deadline: Duration,
    action: &str,
    ask: impl Fn() -> F,
) -> Result<T, RegistryError>
where
    F: Future<Output = Result<T, RegistryError>>,
{
    let (begun, mut pause) = (Instant::now(), PAUSE.0);
    loop {
        let attempt_max = (deadline / SHARE).min(deadline.saturating_sub(begun.elapsed()));
        let answer = timeout(attempt_max, ask()).await;
        let answer = answer.unwrap_or_else(|_| Err(unavailable(action.to_owned(), "it does not answer")));
        let wait = pause.mul_f64(0.5 + rand::random::<f64>() / 2.0);
        match answer {
            Err(error) if error.is_transient() && begun.elapsed() + wait < deadline => sleep(wait).await,
            answer => return answer,
        }
        pause = (pause * 2).min(PAUSE.1);
    }
}
