//! Being told that something was appended, or looking again after a while.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// Tells one reader of a log when to look again. To be woken is a hint: it may come for nothing, and it may fail to come,
/// so nobody waits for it without a bound.
#[derive(Debug, Clone)]
pub struct Wakeups(Option<watch::Receiver<()>>);

/// Why a reader looks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// Somebody appended.
    Told,
    /// It has waited long enough.
    Waited,
}

impl Wakeups {
    /// Nobody tells; every wait lasts as long as it may.
    pub fn none() -> Self {
        Self(None)
    }

    /// Told by whoever holds the other end; what is told while nobody waits is told to the next who does.
    pub(crate) fn told_by(receiver: watch::Receiver<()>) -> Self {
        Self(Some(receiver))
    }

    /// Waits until something may have been appended since the last wait, at most so long.
    pub async fn next(&mut self, at_most: Duration) -> Woken {
        if let Some(told) = &mut self.0 {
            match timeout(at_most, told.changed()).await {
                Ok(Ok(())) => return Woken::Told,
                Err(_) => return Woken::Waited,
                Ok(Err(_)) => self.0 = None, // nobody is left to tell
            }
        }
        tokio::time::sleep(at_most).await;
        Woken::Waited
    }
}
