//! A correct history, small enough to corrupt by hand: what store, topic and one sink hold of some events.

use std::collections::BTreeMap;

use events::execution::ToolUsed;
use events::{
    AggregateId, Digest, DomainEvent, EventId, ExecutionEvent, ExecutionId, Recorded, Sum, TenantId,
    Timestamp,
};
use projection::{Contribution, Moment, Projection, Rank, Refusal, Row};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Exceptions, Ledger, Pruned, Report, Republished, Sink, Skipped, StoreRecord, TopicRecord};

/// Sums the output of tools, and is done with the second. Its events are eight bytes: the length of one output.
#[derive(Debug)]
pub(super) struct Outputs;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Output {
    pub(super) uses: i64,
    pub(super) bytes: i64,
}

impl Projection for Outputs {
    const NAME: &'static str = "outputs-test";
    type Event = ExecutionEvent;
    type View = Output;

    fn apply(view: Option<Output>, event: &Recorded<ExecutionEvent>) -> Result<Option<Output>, Refusal> {
        let ExecutionEvent::ToolUsed(used) = &event.payload else {
            return Err(Refusal::new("not a tool use"));
        };
        if used.output_bytes < 0 {
            return Err(Refusal::new("negative"));
        }
        let Output { uses, bytes } = view.unwrap_or(Output { uses: 0, bytes: 0 });
        Ok(Some(Output { uses: uses + 1, bytes: bytes + used.output_bytes }))
    }

    fn contribution(view: &Output) -> Option<Contribution> {
        let parity = if view.uses % 2 == 0 { "even" } else { "odd" };
        let amounts = vec![("runs", 1), ("bytes", view.bytes)];
        Some(Contribution { group: vec![("parity", parity.to_owned())], amounts })
    }

    fn finished_at(view: &Output) -> Option<Moment> {
        (view.uses >= 2).then(|| Timestamp::from_micros(0).try_into().unwrap())
    }

    fn rank(view: &Output) -> Option<Rank> {
        Some(Rank { board: "bytes", score: view.bytes })
    }
}

pub(super) fn decode(payload: &[u8]) -> Result<ExecutionEvent, String> {
    let output_bytes = i64::from_be_bytes(payload.try_into().map_err(|_| "not eight bytes".to_owned())?);
    let (execution_id, occurred_at) = (ExecutionId(Uuid::nil()), Timestamp::from_micros(0));
    Ok(ToolUsed { execution_id, occurred_at, step: 1, tool: None, exit_code: None, output_bytes }.into())
}

/// Where these events are published.
pub(super) const TOPIC: &str = <ExecutionEvent as DomainEvent>::TOPIC;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) tenant: TenantId,
    pub(super) aggregate_id: AggregateId,
    pub(super) version: u64,
    pub(super) event_id: EventId,
    pub(super) payload: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) topic: &'static str,
    pub(super) partition: i32,
    pub(super) key: Vec<u8>,
    pub(super) event: Stored,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Applied {
    pub(super) tenant: TenantId,
    pub(super) aggregate_id: AggregateId,
    pub(super) version: u64,
    pub(super) view: Option<Output>,
    pub(super) is_expired: bool,
    pub(super) sum: Sum,
}

#[derive(Debug, Clone, Default)]
pub(super) struct History {
    pub(super) store: Vec<Stored>,
    /// In the order of offsets, which are counted per partition when it is compared.
    pub(super) topic: Vec<Published>,
    pub(super) rows: Vec<Applied>,
    pub(super) totals: Vec<(TenantId, String, i64, i64)>,
    pub(super) ranks: Vec<(TenantId, AggregateId, i64)>,
    pub(super) exceptions: Exceptions,
    pub(super) skipped: Vec<Skipped>,
    pub(super) republished: Vec<Republished>,
    pub(super) pruned: Vec<Pruned>,
    /// Partitions that have lost their beginning, and since when they have what they have.
    pub(super) shortened: Vec<(i32, i64)>,
    /// Partition and offset of a record that is no event, behind all others.
    pub(super) poison: Option<(i32, i64)>,
}

pub(super) fn aggregate(n: u64) -> AggregateId {
    AggregateId(Uuid::from_u64_pair(7, n))
}

pub(super) fn tenant(n: u64) -> TenantId {
    format!("tenant-{}", n % 2).parse().unwrap()
}

/// Event `place` of the whole history.
pub(super) fn event(place: u64) -> EventId {
    EventId(Uuid::from_u64_pair(9, place))
}

impl History {
    /// The history in which aggregates append in this order; each event is a few bytes longer than the one before.
    pub(super) fn of(order: &[u64]) -> Self {
        let mut versions = BTreeMap::new();
        let mut history = Self::default();
        for (place, n) in (0u64..).zip(order) {
            let version = versions.entry(n).or_insert(0);
            *version += 1;
            history.store.push(Stored {
                tenant: tenant(*n),
                aggregate_id: aggregate(*n),
                version: *version,
                event_id: event(place),
                payload: (place * 3 + 1).to_be_bytes().to_vec(),
            });
        }
        for stored in history.store.clone() {
            history.topic.push(Published::of(&stored));
            history.apply(&stored);
        }
        history.settle();
        history
    }

    /// Folds one event into its row, whatever its version: a sink without a gate.
    pub(super) fn apply(&mut self, stored: &Stored) {
        let bytes = i64::from_be_bytes(stored.payload.as_slice().try_into().unwrap());
        let Stored { tenant, aggregate_id, version, .. } = stored.clone();
        let row = match self.rows.iter_mut().find(|row| row.aggregate_id == aggregate_id) {
            Some(row) => row,
            None => {
                let (view, is_expired, sum) = (None, false, Sum::default());
                self.rows.push(Applied { tenant, aggregate_id, version, view, is_expired, sum });
                self.rows.last_mut().unwrap()
            }
        };
        let view = row.view.get_or_insert(Output { uses: 0, bytes: 0 });
        (row.version, view.uses, view.bytes) = (version, view.uses + 1, view.bytes + bytes);
        row.sum.add(aggregate_id, version, stored.event_id, Digest::of(&stored.payload));
    }

    /// Computes totals (two shares of each) and ranks from the rows as they are.
    pub(super) fn settle(&mut self) {
        (self.totals, self.ranks) = (Vec::new(), Vec::new());
        for Applied { tenant, aggregate_id, view, .. } in &self.rows {
            let Some(view) = view else { continue };
            let parity = if view.uses % 2 == 0 { "even" } else { "odd" };
            self.totals.push((tenant.clone(), parity.to_owned(), 1, view.bytes - 1));
            self.totals.push((tenant.clone(), parity.to_owned(), 0, 1));
            self.ranks.push((tenant.clone(), *aggregate_id, view.bytes));
        }
    }

    pub(super) fn compare(&self) -> Report {
        let mut ledger = Ledger::new();
        let mut sink = Sink::<Outputs>::default();
        sink.except(self.exceptions.clone());
        for Applied { tenant, aggregate_id, version, view, is_expired, sum } in self.rows.clone() {
            sink.row(&tenant, aggregate_id, Row { version, view, is_expired, sum });
        }
        for (tenant, parity, runs, bytes) in &self.totals {
            let amounts = [("runs".to_owned(), *runs), ("bytes".to_owned(), *bytes)];
            sink.total(tenant, vec![("parity".to_owned(), parity.clone())], amounts);
        }
        for (tenant, aggregate_id, score) in &self.ranks {
            sink.rank(tenant, "bytes", *aggregate_id, *score);
        }
        self.skipped.iter().cloned().for_each(|skipped| ledger.skipped(skipped));
        self.republished.iter().cloned().for_each(|republished| ledger.republished(republished));
        for pruned in &self.pruned {
            ledger.pruned(pruned.clone());
            sink.pruned(pruned);
        }
        for stored in &self.store {
            ledger.store(&stored.record());
            sink.store(&stored.record(), decode);
        }
        let mut offsets = BTreeMap::new();
        for (partition, since) in &self.shortened {
            ledger.shortened(TOPIC, *partition, Timestamp::from_micros(*since));
        }
        for Published { topic, partition, key, event } in &self.topic {
            let next = offsets.entry((*topic, *partition)).or_insert(0);
            ledger.topic(&TopicRecord {
                topic,
                partition: *partition,
                offset: *next,
                key: Some(key),
                event_id: Some(event.event_id),
                tenant: Some(event.tenant.clone()),
                version: Some(event.version),
                payload: Some(&event.payload),
            });
            *next += 1;
        }
        if let Some((partition, offset)) = self.poison {
            let (key, payload) = (Some(&b"poison"[..]), Some(&b"\xff"[..]));
            let (event_id, tenant, version) = (None, None, None);
            ledger.topic(&TopicRecord {
                topic: TOPIC,
                partition,
                offset,
                key,
                event_id,
                tenant,
                version,
                payload,
            });
        }
        ledger.sink(sink);
        ledger.finish()
    }
}

impl Stored {
    /// The event as it is read from the store.
    pub(super) fn record(&self) -> StoreRecord<'_> {
        StoreRecord {
            topic: TOPIC,
            tenant: &self.tenant,
            aggregate_id: self.aggregate_id,
            version: self.version,
            event_id: self.event_id,
            recorded_at: Timestamp::from_micros(self.event_id.0.as_u64_pair().1.cast_signed()),
            payload: &self.payload,
        }
    }
}

impl Published {
    /// An event as the connector publishes it.
    pub(super) fn of(stored: &Stored) -> Self {
        let partition = i32::from(stored.aggregate_id.0.as_bytes()[15] % 3);
        Self {
            topic: TOPIC,
            partition,
            key: stored.aggregate_id.to_string().into_bytes(),
            event: stored.clone(),
        }
    }
}
