//! How far a replay is.

use std::time::Duration;

/// How far a replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Events handed to workers.
    pub events: u64,
    /// Where it began.
    pub from: u64,
    /// Up to where it has read.
    pub position: u64,
    /// Where it will end.
    pub target: u64,
    /// How long it has run.
    pub elapsed: Duration,
}

impl Progress {
    /// Events per second so far.
    pub fn rate(&self) -> f64 {
        match self.elapsed.as_secs_f64() {
            0.0 => 0.0,
            seconds => self.events as f64 / seconds,
        }
    }

    /// How long the rest takes at the speed so far; not known before anything was read.
    pub fn left(&self) -> Option<Duration> {
        let done = self.position.saturating_sub(self.from);
        let rest = self.target.saturating_sub(self.position);
        (done > 0).then(|| self.elapsed.mul_f64(rest as f64 / done as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_rest_follow_from_what_was_done() {
        let elapsed = Duration::from_secs(2);
        let progress = Progress { events: 100, from: 1_000, position: 1_500, target: 3_000, elapsed };
        assert_eq!((progress.rate(), progress.left()), (50.0, Some(Duration::from_secs(6))));
        assert_eq!(Progress { position: 1_000, ..progress }.left(), None);
        assert_eq!(Progress { position: 3_000, ..progress }.left(), Some(Duration::ZERO));
    }
}
