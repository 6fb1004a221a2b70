//! What the API counts.

use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry};

use crate::auth::Refused;
use crate::problem::Kind;

/// What the API counts; clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    pub(crate) requests: IntCounterVec,
    pub(crate) seconds: Histogram,
    pub(crate) in_flight: IntGauge,
    problems: IntCounterVec,
    tokens_refused: IntCounterVec,
}

impl Default for Metrics {
    fn default() -> Self {
        let counter = |name, help, label| {
            IntCounterVec::new(Opts::new(name, help), &[label]).expect("the name and label are valid")
        };
        let seconds = HistogramOpts::new(
            "millrace_api_request_seconds",
            "From the last byte of a request's headers to its answer",
        );
        Self {
            requests: counter("millrace_api_requests_total", "Answers by status", "status"),
            seconds: Histogram::with_opts(seconds).expect("the name is valid"),
            in_flight: IntGauge::new("millrace_api_requests_in_flight", "Requests being served")
                .expect("the name is valid"),
            problems: counter("millrace_api_problems_total", "Failed requests by kind", "type"),
            tokens_refused: counter(
                "millrace_api_tokens_refused_total",
                "Requests without a valid token, by what was wrong",
                "reason",
            ),
        }
    }
}

impl Metrics {
    /// Has them served.
    ///
    /// # Errors
    /// When they are served already.
    pub fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        registry.register(Box::new(self.requests.clone()))?;
        registry.register(Box::new(self.seconds.clone()))?;
        registry.register(Box::new(self.in_flight.clone()))?;
        registry.register(Box::new(self.problems.clone()))?;
        registry.register(Box::new(self.tokens_refused.clone()))
    }

    pub(crate) fn failed(&self, kind: Kind) {
        self.problems.with_label_values(&[kind.slug()]).inc();
    }

    pub(crate) fn token_refused(&self, refused: Refused) {
        self.tokens_refused.with_label_values(&[refused.label()]).inc();
    }
}
