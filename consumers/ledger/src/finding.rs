//! One difference, and what explains one.

use std::collections::BTreeMap;
use std::fmt;

use events::{AggregateId, EventId, TenantId, Timestamp};
use serde::Serialize;

/// So many findings of one kind at one stage are kept; the others are counted.
const KEPT_PER_KIND: usize = 20;

/// Where something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The event store.
    Store,
    /// The topic.
    Topic,
    /// The sink of this projection.
    Sink(&'static str),
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Store => "store",
            Self::Topic => "topic",
            Self::Sink(projection) => projection,
        })
    }
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It should be here and is not.
    Missing,
    /// It is here and nothing before this stage knows it.
    Foreign,
    /// It is here twice where once is the rule.
    Doubled,
    /// It came after what it should have come before.
    Reordered,
    /// It is here with another content.
    Diverged,
    /// One key lies in two partitions, so that its order is nobody's promise.
    Scattered,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "missing",
            Self::Foreign => "foreign",
            Self::Doubled => "doubled",
            Self::Reordered => "reordered",
            Self::Diverged => "diverged",
            Self::Scattered => "scattered",
        })
    }
}

/// One difference, with all that is known of its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where.
    pub stage: Stage,
    /// What.
    pub kind: Kind,
    /// Whose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// Which aggregate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aggregate_id: Option<AggregateId>,
    /// Which of its versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Which event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<EventId>,
    /// When the store wrote it.
    #[serde(skip)]
    pub recorded_at: Option<Timestamp>,
    /// Which topic it is on, or belongs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Which partition of the topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    /// Which offset there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
    /// What is wrong, in a sentence for people.
    pub detail: String,
}

impl Finding {
    pub(crate) fn new(stage: Stage, kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            stage,
            kind,
            tenant: None,
            aggregate_id: None,
            version: None,
            event_id: None,
            recorded_at: None,
            topic: None,
            partition: None,
            offset: None,
            detail: detail.into(),
        }
    }

    pub(crate) fn of(self, tenant: &TenantId, aggregate: AggregateId, version: u64) -> Self {
        Self { tenant: Some(tenant.clone()), aggregate_id: Some(aggregate), version: Some(version), ..self }
    }

    pub(crate) fn event(self, id: EventId) -> Self {
        Self { event_id: Some(id), ..self }
    }

    pub(crate) fn recorded(self, at: Timestamp) -> Self {
        Self { recorded_at: Some(at), ..self }
    }

    pub(crate) fn on(self, topic: &str) -> Self {
        Self { topic: Some(topic.to_owned()), ..self }
    }

    pub(crate) fn at(self, partition: i32, offset: i64) -> Self {
        Self { partition: Some(partition), offset: Some(offset), ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.kind, self.stage, self.detail)?;
        let mut place = Vec::new();
        place.extend(self.tenant.as_ref().map(|tenant| format!("tenant {tenant}")));
        place.extend(self.aggregate_id.map(|id| format!("aggregate {id}")));
        place.extend(self.version.map(|version| format!("version {version}")));
        place.extend(self.event_id.map(|id| format!("event {id}")));
        place.extend(self.topic.as_ref().map(|topic| format!("topic {topic}")));
        place.extend(self.partition.map(|partition| format!("partition {partition}")));
        place.extend(self.offset.map(|offset| format!("offset {offset}")));
        if place.is_empty() { Ok(()) } else { write!(f, " ({})", place.join(", ")) }
    }
}

/// Something absent, and the parking or decision that explains it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// Whose parking or decision.
    pub projection: &'static str,
    /// True: a durable decision. False: parked, until somebody redrives or discards it.
    pub decided: bool,
    /// Why.
    pub reason: String,
    /// What is absent; its `kind` and `detail` say what it would be without the explanation.
    #[serde(flatten)]
    pub finding: Finding,
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.decided { "decided" } else { "parked" };
        write!(f, "{} ({how} in {}: {})", self.finding, self.projection, self.reason)
    }
}

/// Findings in the order in which they were made, bounded, all counted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Findings {
    kept: Vec<Finding>,
    counts: BTreeMap<(Stage, Kind), usize>,
}

impl Findings {
    pub(crate) fn add(&mut self, finding: Finding) {
        let count = self.counts.entry((finding.stage, finding.kind)).or_default();
        *count += 1;
        if *count <= KEPT_PER_KIND {
            self.kept.push(finding);
        }
    }

    /// Adds those of another stage.
    pub(crate) fn append(&mut self, other: Self) {
        self.kept.extend(other.kept);
        for (what, count) in other.counts {
            *self.counts.entry(what).or_default() += count;
        }
    }

    /// The kept ones, stage by stage, and how many there are of each kind.
    pub(crate) fn take(mut self) -> (Vec<Finding>, Vec<(Stage, Kind, usize)>) {
        self.kept.sort_by_key(|finding| finding.stage);
        (self.kept, self.counts.into_iter().map(|((stage, kind), count)| (stage, kind, count)).collect())
    }
}
