use std::time::{Duration, Instant};

/// Waits until a condition holds, looking again and again.
///
/// # Panics
/// When it does not hold within the bound; the message says what was waited for.
pub async fn eventually(what: &str, bound: Duration, mut condition: impl AsyncFnMut() -> bool) {
    const PAUSE: Duration = Duration::from_millis(20);
    let deadline = Instant::now() + bound;
    while !condition().await {
        assert!(Instant::now() < deadline, "not within {bound:?}: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
