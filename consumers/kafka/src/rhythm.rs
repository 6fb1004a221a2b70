//! When to wait for more records before a flush.

use std::time::Duration;

/// Above this share of time spent in flushes, commits are the bottleneck.
const BUSY: f64 = 0.75;
/// A flush of so many records is not dominated by its commit any more.
pub(crate) const WORTHWHILE: usize = 250;
/// Weight of the newest flush in the averages.
const NEWEST: f64 = 0.1;

/// Decides the linger by what was measured.
///
/// The rule: flush at once with what is there. Only when flushes took more than three quarters of the recent time
/// *and* carried fewer than [`WORTHWHILE`] records on average, so that a commit's fixed cost is what limits the rate,
/// wait for that many records, at most the configured linger. While the writer is busy records pile up anyway, so at
/// very high rates batches are large and there is no waiting; at low rates the writer is idle and there is none
/// either.
#[derive(Debug)]
pub(crate) struct Rhythm {
    linger_max: Duration,
    busy: f64,
    records: f64,
}

impl Rhythm {
    pub(crate) fn new(linger_max: Duration) -> Self {
        Self { linger_max, busy: 0.0, records: 0.0 }
    }

    /// How long to wait for [`WORTHWHILE`] records, if at all.
    pub(crate) fn linger(&self) -> Option<Duration> {
        let bottleneck = self.busy > BUSY && self.records < WORTHWHILE as f64;
        (bottleneck && !self.linger_max.is_zero()).then_some(self.linger_max)
    }

    /// A flush of `records` took `working` (lingering included) after `idle` without any record.
    pub(crate) fn flushed(&mut self, records: usize, idle: Duration, working: Duration) {
        let total = (idle + working).as_secs_f64();
        let busy = if total > 0.0 { working.as_secs_f64() / total } else { 0.0 };
        // A long idle stretch outweighs any number of short flushes before it.
        let weight = NEWEST.max(total.min(1.0));
        self.busy += weight * (busy - self.busy);
        self.records += weight * (records as f64 - self.records);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn an_idle_writer_never_waits() {
        let mut rhythm = Rhythm::new(ms(5));
        for _ in 0..100 {
            rhythm.flushed(1, ms(20), ms(3));
        }
        assert_eq!(rhythm.linger(), None);
    }

    #[test]
    fn small_commits_back_to_back_wait_for_company() {
        let mut rhythm = Rhythm::new(ms(5));
        for _ in 0..100 {
            rhythm.flushed(8, ms(0), ms(3));
        }
        assert_eq!(rhythm.linger(), Some(ms(5)));
        rhythm.flushed(1, ms(2000), ms(3));
        assert_eq!(rhythm.linger(), None, "one idle stretch ends it");
    }

    #[test]
    fn full_batches_do_not_wait() {
        let mut rhythm = Rhythm::new(ms(5));
        for _ in 0..100 {
            rhythm.flushed(1000, ms(0), ms(30));
        }
        assert_eq!(rhythm.linger(), None);
    }
}
