//! What is behind a projector, its sink and its schema registry: left alone while it does not answer.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus::IntGaugeVec;

/// Which of the servers behind a projector do not answer, for whoever asks whether it is ready.
#[derive(Debug, Clone, Default)]
pub struct Behind(Arc<Mutex<BTreeMap<&'static str, Open>>>);

/// Since when one does not, and what was said last.
#[derive(Debug)]
struct Open {
    since: Instant,
    why: String,
}

impl Behind {
    /// An error that names what does not answer, if anything does not.
    pub fn judge(&self) -> Result<(), String> {
        let mut said = String::new();
        for (server, Open { since, why }) in self.open().iter() {
            let between = if said.is_empty() { "" } else { "; " };
            write!(
                said,
                "{between}the {server} has not answered as it should for {} s: {why}",
                since.elapsed().as_secs()
            )
            .expect("a text takes more text");
        }
        if said.is_empty() { Ok(()) } else { Err(said) }
    }

    fn open(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The circuit breaker before one of the servers. Open, nobody asks for a while, longer after each fault; then one call tries.
#[derive(Debug)]
pub(crate) struct Breaker {
    server: &'static str,
    behind: Behind,
    gauge: IntGaugeVec,
    first: Duration,
    longest: Duration,
    faults: u32,
}

impl Breaker {
    /// Closed. Its pauses double from the first to the longest.
    pub(crate) fn new(
        server: &'static str,
        behind: &Behind,
        gauge: &IntGaugeVec,
        (first, longest): (Duration, Duration),
    ) -> Self {
        gauge.with_label_values(&[server]).set(0);
        Self { server, behind: behind.clone(), gauge: gauge.clone(), first, longest, faults: 0 }
    }

    /// It did not answer as it should: how long it is to be left alone.
    pub(crate) fn failed(&mut self, why: String) -> Duration {
        let pause = self.first.saturating_mul(2u32.saturating_pow(self.faults)).min(self.longest);
        self.faults = self.faults.saturating_add(1);
        self.gauge.with_label_values(&[self.server]).set(1);
        let open = |since| Open { since, why };
        let mut all = self.behind.open();
        let since = all.get(self.server).map_or_else(Instant::now, |open| open.since);
        all.insert(self.server, open(since));
        pause
    }

    /// It did.
    pub(crate) fn answered(&mut self) {
        if std::mem::take(&mut self.faults) > 0 {
            self.gauge.with_label_values(&[self.server]).set(0);
            self.behind.open().remove(self.server);
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Opts;

    use super::*;

    #[test]
    fn it_is_left_alone_for_longer_each_time_until_it_answers() {
        let (behind, gauge) =
            (Behind::default(), IntGaugeVec::new(Opts::new("open", "-"), &["behind"]).unwrap());
        let pauses = (Duration::from_millis(50), Duration::from_millis(300));
        let mut sink = Breaker::new("sink", &behind, &gauge, pauses);
        let mut registry = Breaker::new("schema registry", &behind, &gauge, pauses);
        assert_eq!(behind.judge(), Ok(()));
        let shown = |server| gauge.with_label_values(&[server]).get();
        for pause in [50, 100, 200, 300, 300] {
            assert_eq!(sink.failed("it is full".into()), Duration::from_millis(pause));
        }
        assert_eq!((shown("sink"), shown("schema registry")), (1, 0));
        registry.failed("it is away".into());
        let said = "the schema registry has not answered as it should for 0 s: it is away; \
                    the sink has not answered as it should for 0 s: it is full";
        assert_eq!(behind.judge(), Err(said.to_owned()));
        registry.answered();
        sink.answered();
        assert_eq!((behind.judge(), shown("sink"), shown("schema registry")), (Ok(()), 0, 0));
        assert_eq!(sink.failed(String::new()), Duration::from_millis(50), "it begins anew");
        for _ in 0..100 {
            assert!(sink.failed(String::new()) <= Duration::from_millis(300));
        }
    }
}
