use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use events::{AggregateId, TenantId};
use flate2::read::GzDecoder;
use mapping::{Mapping, Raw};
use tempfile::NamedTempFile;

const SAMPLE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../producers/agents/samples/agent-runs.jsonl.gz");

/// How its lines become commands.
pub(crate) const MAPPING: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../producers/agents/samples/agent-runs.yaml");

/// A file of runs.
#[derive(Debug)]
pub(crate) struct Runs {
    file: NamedTempFile,
    last: String,
    /// How many events its good lines lead to, by the rule that each command of a run is one event.
    pub(crate) events: u64,
}

/// The first lines of the sample.
pub(crate) fn sample(runs: usize) -> Vec<String> {
    let lines = BufReader::new(GzDecoder::new(File::open(SAMPLE).unwrap())).lines();
    lines.take(runs).map(Result::unwrap).collect()
}

impl Runs {
    /// The first runs of the sample.
    pub(crate) fn sample(runs: usize) -> Self {
        Self::of(&sample(runs))
    }

    /// A file of these lines.
    pub(crate) fn of(lines: &[String]) -> Self {
        let mut file = NamedTempFile::new().unwrap();
        lines.iter().for_each(|line| writeln!(file, "{line}").unwrap());
        let mapping = Mapping::parse(&std::fs::read_to_string(MAPPING).unwrap()).unwrap();
        let events = lines.iter().map(|line| events(&mapping, line)).sum();
        Self { file, last: lines.last().cloned().unwrap_or_default(), events }
    }

    /// What the last run becomes for a tenant.
    pub(crate) fn last(&self, tenant: &TenantId) -> AggregateId {
        let mapping = Mapping::parse(&std::fs::read_to_string(MAPPING).unwrap()).unwrap();
        let row = Raw::from_json(&self.last).unwrap();
        mapping.map(tenant, &row).unwrap().aggregate_id
    }

    pub(crate) fn path(&self) -> &str {
        path(self.file.path())
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn events(mapping: &Mapping, line: &str) -> u64 {
    let row = Raw::from_json(line);
    let mapped = row.and_then(|row| mapping.map(&"anybody".parse().unwrap(), &row));
    mapped.map_or(0, |mapped| mapped.commands.len() as u64)
}
