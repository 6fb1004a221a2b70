//! How many streams there are, and what was sent in them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use events::TenantId;
use http_api::problem::{Kind, Problem};
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use tokio_util::sync::CancellationToken;

use crate::QueryConfig;

/// When there may be room for one more.
const FULL_PAUSE: Duration = Duration::from_secs(5);

/// The streams of a process: their bounds, and what they count. Clones count together.
#[derive(Debug, Clone)]
pub struct Streams {
    streams_max: u32,
    tenant_streams_max: u32,
    open: Arc<Mutex<HashMap<TenantId, u32>>>,
    pub(super) stop: CancellationToken,
    streams: IntGauge,
    pub(super) events: IntCounterVec,
    pub(super) cut: IntCounter,
}

/// A place among the streams, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    pub(super) streams: Streams,
    tenant: TenantId,
}

impl Streams {
    /// None yet; they end at `stop`.
    pub fn new(config: &QueryConfig, stop: CancellationToken) -> Self {
        let events = Opts::new("millrace_query_stream_events_total", "Events sent in streams of changes");
        Self {
            streams_max: config.query_streams_max,
            tenant_streams_max: config.query_tenant_streams_max,
            open: Arc::default(),
            stop,
            streams: IntGauge::new("millrace_query_streams", "Streams of changes that are open")
                .expect("the name is valid"),
            events: IntCounterVec::new(events, &["event"]).expect("the name and label are valid"),
            cut: IntCounter::new(
                "millrace_query_streams_cut_total",
                "Streams of changes that were ended to be resumed: their client was too slow, or the feed away",
            )
            .expect("the name is valid"),
        }
    }

    /// The same, but those that are opened from now on end at `stop`.
    pub fn until(&self, stop: CancellationToken) -> Self {
        Self { stop, ..self.clone() }
    }

    /// Has their figures served.
    ///
    /// # Errors
    /// When they are served already.
    pub fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        registry.register(Box::new(self.streams.clone()))?;
        registry.register(Box::new(self.events.clone()))?;
        registry.register(Box::new(self.cut.clone()))
    }

    /// One more, if there is room.
    pub(crate) fn admit(&self, tenant: &TenantId) -> Result<Place, Problem> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().sum::<u32>() >= self.streams_max {
            return Err(Problem::new(Kind::Overloaded, "too many streams at once").retry_after(FULL_PAUSE));
        }
        let of_tenant = open.entry(tenant.clone()).or_default();
        if *of_tenant >= self.tenant_streams_max {
            let detail = "the tenant has too many streams at once";
            return Err(Problem::new(Kind::TooManyRequests, detail).retry_after(FULL_PAUSE));
        }
        *of_tenant += 1;
        self.streams.inc();
        Ok(Place { streams: self.clone(), tenant: tenant.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.streams.streams.dec();
        let mut open = self.streams.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_tenant) = open.get_mut(&self.tenant) {
            *of_tenant -= 1;
            if *of_tenant == 0 {
                open.remove(&self.tenant);
            }
        }
    }
}
