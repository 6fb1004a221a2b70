use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use agents::Execution;
use event_store::{Codec, EventStore, InMemoryEventStore};
use events::{TenantId, Timestamp};
use import::{Importer, Origin, Progress, Rejected, Report, Rules, Verified};
use mapping::Mapping;
use tempfile::NamedTempFile;

pub(crate) const RUN: &str = "0198f3a0-0000-7000-8000-000000000001";

pub(crate) fn sample() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../agents/samples/agent-runs.jsonl.gz"))
}

pub(crate) fn agent_runs() -> Mapping {
    Mapping::parse(include_str!("../../../agents/samples/agent-runs.yaml")).unwrap()
}

pub(crate) fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

pub(crate) fn rules() -> Arc<Rules<Execution>> {
    Arc::new(Rules::new(Codec::with_ids(1).unwrap()))
}

pub(crate) fn in_memory() -> Arc<InMemoryEventStore> {
    Arc::new(InMemoryEventStore::new(|| Timestamp::from_micros(1)))
}

pub(crate) fn file(contents: &str) -> (NamedTempFile, Origin) {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(contents.as_bytes()).unwrap();
    let origin = Origin::File(file.path().to_owned());
    (file, origin)
}

/// An importer for tenant acme, and what it says.
pub(crate) struct Import<S> {
    pub(crate) importer: Importer<S>,
}

impl<S: EventStore + 'static> Import<S> {
    pub(crate) fn into(store: &Arc<S>) -> Self {
        Self { importer: Importer::new(Arc::clone(store), rules(), tenant("acme"), 4) }
    }

    pub(crate) async fn run(&self, mapping: &Mapping, origin: &Origin) -> (Report, Vec<Rejected>) {
        let mut rejected = Vec::new();
        let tell = |one: &Rejected| rejected.push(one.clone());
        let report = self.importer.run(mapping, origin, RUN, &Progress::default(), tell).await.unwrap();
        (report, rejected)
    }

    pub(crate) async fn validate(&self, mapping: &Mapping, origin: &Origin) -> (Report, Vec<Rejected>) {
        let mut rejected = Vec::new();
        let tell = |one: &Rejected| rejected.push(one.clone());
        let report = self.importer.validate(mapping, origin, &Progress::default(), tell).await.unwrap();
        (report, rejected)
    }

    pub(crate) async fn verify(&self, mapping: &Mapping, origin: &Origin) -> Verified {
        self.importer.verify(mapping, origin, &Progress::default()).await.unwrap()
    }
}
