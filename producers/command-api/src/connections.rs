//! How the connections to the store are used, read when somebody asks.

use event_store::{PgEventStore, Usage};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntGauge, Registry};

struct Connections {
    store: PgEventStore,
    most: IntGauge,
    in_use: IntGauge,
}

/// Has the use of the store's connections served beside the API's own metrics.
///
/// # Errors
/// When it is served already.
pub fn serve_usage(store: PgEventStore, registry: &Registry) -> prometheus::Result<()> {
    let gauge = |name, help| IntGauge::new(name, help).expect("the name is valid");
    registry.register(Box::new(Connections {
        store,
        most: gauge("millrace_api_store_connections_max", "Most connections to the store"),
        in_use: gauge("millrace_api_store_connections_in_use", "Connections to the store that a request has"),
    }))
}

impl Collector for Connections {
    fn desc(&self) -> Vec<&Desc> {
        [self.most.desc(), self.in_use.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Usage { most, in_use } = self.store.usage();
        self.most.set(most as i64);
        self.in_use.set(in_use as i64);
        [self.most.collect(), self.in_use.collect()].concat()
    }
}
