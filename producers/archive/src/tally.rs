//! What a set of events amounts to: counted and summed the same way in a database, in a file and on the way back.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use events::{AggregateId, Sum};
use serde::{Deserialize, Serialize};

use crate::EventRow;

/// Counts and sums over events that were added in any order. It grows with the number of streams, some hundred bytes
/// each, and not with the number of events.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// How many events.
    pub events: u64,
    /// First and last position.
    pub positions: Option<(i64, i64)>,
    /// Sum over all events.
    pub sum: Sum,
    streams: HashMap<AggregateId, Stream>,
    schema_ids: BTreeSet<u32>,
}

/// The events of one aggregate among them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// Whose data it is.
    pub tenant_id: String,
    /// Whose events.
    pub aggregate_id: AggregateId,
    /// Kind of aggregate.
    pub aggregate_type: String,
    /// The lowest version.
    pub from_version: i64,
    /// The highest version.
    pub to_version: i64,
    /// How many events.
    pub events: u64,
    /// Sum over them.
    #[serde(with = "sum_as_text")]
    pub digest: Sum,
}

/// The events of one tenant among them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TenantTally {
    /// How many events.
    pub events: u64,
    /// Sum over them.
    pub sum: Sum,
}

impl Tally {
    /// Adds one event.
    pub fn add(&mut self, row: &EventRow) {
        self.events += 1;
        let (first, last) = self.positions.unwrap_or((row.position, row.position));
        self.positions = Some((first.min(row.position), last.max(row.position)));
        let mut sum = Sum::default();
        row.add_to(&mut sum);
        self.sum.merge(sum);
        self.schema_ids.extend(wire::schema_id(&row.payload));
        let stream = self.streams.entry(row.aggregate_id).or_insert_with(|| Stream {
            tenant_id: row.tenant_id.clone(),
            aggregate_id: row.aggregate_id,
            aggregate_type: row.aggregate_type.clone(),
            from_version: row.version,
            to_version: row.version,
            events: 0,
            digest: Sum::default(),
        });
        stream.from_version = stream.from_version.min(row.version);
        stream.to_version = stream.to_version.max(row.version);
        stream.events += 1;
        stream.digest.merge(sum);
    }

    /// The ids of the schemas that the payloads were written with.
    pub fn schema_ids(&self) -> impl Iterator<Item = u32> + '_ {
        self.schema_ids.iter().copied()
    }

    /// The streams, by tenant and id.
    pub fn streams(&self) -> Vec<Stream> {
        let mut streams: Vec<_> = self.streams.values().cloned().collect();
        streams.sort_by(|a, b| (&a.tenant_id, a.aggregate_id).cmp(&(&b.tenant_id, b.aggregate_id)));
        streams
    }
}

/// What each tenant has of these streams.
pub(crate) fn by_tenant(streams: &[Stream]) -> BTreeMap<&str, TenantTally> {
    let mut tenants = BTreeMap::<&str, TenantTally>::new();
    for stream in streams {
        let tenant = tenants.entry(&stream.tenant_id).or_default();
        tenant.events += stream.events;
        tenant.sum.merge(stream.digest);
    }
    tenants
}

pub(crate) mod sum_as_text {
    use events::Sum;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(sum: &Sum, serializer: S) -> Result<S::Ok, S::Error> {
        sum.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Sum, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
