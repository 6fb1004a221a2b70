//! Making records, and knowing what must become of them.

use std::collections::BTreeMap;

use events::execution::{ExecutionCancelled, ExecutionStarted, ModelCalled};
use events::{
    AggregateId, Digest, DomainEvent, EventId, ExecutionEvent, ExecutionId, Metadata, Recorded, TenantId,
    Timestamp,
};
use projection::{Projection, Row, Step, step};
use uuid::Uuid;
use wire::{Decoder, Encoder};

use super::tally::{Tally, TallyView, Totals};
use crate::headers::Headers;
use crate::parking::ParkKey;
use crate::record::Record;
use crate::store::RowKey;

/// Events of some executions as records, made in order, all from one seed-less counter: the same in every run.
#[derive(Debug)]
pub struct History {
    encoder: Encoder<ExecutionEvent>,
    made: BTreeMap<RowKey, Vec<Made>>,
    ids: u128,
}

/// An event, and what it was written as.
#[derive(Debug)]
struct Made {
    event: Recorded<ExecutionEvent>,
    payload: Digest,
}

impl Default for History {
    fn default() -> Self {
        Self { encoder: Encoder::with_ids(1).expect("the schemas are valid"), made: BTreeMap::new(), ids: 0 }
    }
}

impl History {
    /// A decoder of these records.
    pub fn decoder(&self) -> Decoder<ExecutionEvent> {
        self.encoder.decoder()
    }

    /// The row of the `n`th execution, of tenant `acme` or, for odd ones, `globex`.
    pub fn row(n: u128) -> RowKey {
        let tenant = if n.is_multiple_of(2) { "acme" } else { "globex" };
        RowKey { tenant: tenant.parse().expect("a tenant's name"), aggregate_id: AggregateId(id(n)) }
    }

    /// The key of the `n`th execution.
    pub fn key(n: u128) -> ParkKey {
        ParkKey::of(Some(id(n).to_string().as_bytes()))
    }

    /// The execution starts on a repository.
    pub fn started(&mut self, n: u128, repository: &str) -> Record {
        let event = ExecutionStarted {
            execution_id: ExecutionId(id(n)),
            occurred_at: self.now(),
            workflow_id: None,
            task: "task".to_owned(),
            repository: repository.to_owned(),
            model: "model".to_owned(),
            agent: "agent".to_owned(),
            prompt_id: None,
            prompt_version: None,
            step_limit: None,
            cost_limit: None,
            requested_by: None,
        };
        self.next(n, ExecutionEvent::Started(event))
    }

    /// It calls the model; its step is its version less one. Negative tokens are what [`Tally`] refuses.
    pub fn called(&mut self, n: u128, tokens: i64) -> Record {
        let step = self.made.get(&Self::row(n)).map_or(0, Vec::len);
        let event = ModelCalled {
            execution_id: ExecutionId(id(n)),
            occurred_at: self.now(),
            step: i32::try_from(step).expect("a short history"),
            prompt_tokens: tokens,
            completion_tokens: 0,
            reasoning_tokens: 0,
            cached_tokens: 0,
            latency_us: None,
            cost: None,
            thought_bytes: 0,
        };
        self.next(n, ExecutionEvent::ModelCalled(event))
    }

    /// It is cancelled, and its row deleted.
    pub fn cancelled(&mut self, n: u128) -> Record {
        let event = ExecutionCancelled {
            execution_id: ExecutionId(id(n)),
            occurred_at: self.now(),
            reason: "enough".to_owned(),
            cancelled_by: None,
        };
        self.next(n, ExecutionEvent::Cancelled(event))
    }

    /// The id of an execution's event of this version.
    pub fn event_id(&self, n: u128, version: usize) -> EventId {
        self.made[&Self::row(n)][version - 1].event.event_id
    }

    /// Every event made so far with the digest of its payload, in the order in which they were made.
    pub fn events(&self) -> Vec<(Recorded<ExecutionEvent>, Digest)> {
        let mut events: Vec<_> =
            self.made.values().flatten().map(|made| (made.event.clone(), made.payload)).collect();
        events.sort_unstable_by_key(|(event, _)| event.event_id);
        events
    }

    /// What the rows must be once every event made so far has taken effect.
    pub fn rows(&self) -> BTreeMap<RowKey, Row<TallyView>> {
        self.rows_without(&[])
    }

    /// The same, where these versions have no effect.
    pub fn rows_without(&self, passed: &[(u128, u64)]) -> BTreeMap<RowKey, Row<TallyView>> {
        let fold = |(key, events): (&RowKey, &Vec<Made>)| {
            let mut row = Row::default();
            for Made { event, payload } in events {
                if passed.iter().any(|(n, version)| Self::row(*n) == *key && *version == event.version) {
                    row.version += 1;
                } else {
                    match step::<Tally>(row, event, *payload) {
                        Step::Applied(next) => row = next,
                        other => panic!("the history is not applicable: {other:?}"),
                    }
                }
            }
            (key.clone(), row)
        };
        self.made.iter().map(fold).collect()
    }

    /// What the totals of these rows are.
    pub fn totals(rows: &BTreeMap<RowKey, Row<TallyView>>) -> Totals {
        let mut totals = Totals::new();
        for (key, row) in rows {
            let Some(contribution) = row.view.as_ref().and_then(Tally::contribution) else { continue };
            let group: (TenantId, String) = (key.tenant.clone(), contribution.group[0].1.clone());
            let sums = totals.entry(group).or_default();
            for (sum, (_, amount)) in sums.iter_mut().zip(contribution.amounts) {
                *sum += amount;
            }
        }
        totals
    }

    /// A record under a key that carries no event.
    pub fn garbage(key: &str) -> Record {
        record(Some(key), Some(b"not an event".to_vec()), Headers::default())
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000 + i64::try_from(self.ids).unwrap_or_default())
    }

    fn next(&mut self, n: u128, payload: ExecutionEvent) -> Record {
        self.ids += 1;
        let bytes = self.encoder.encode(&payload).expect("the event fits its schema");
        let digest = Digest::of(&bytes);
        let row = Self::row(n);
        let events = self.made.entry(row.clone()).or_default();
        let event = Recorded {
            tenant: row.tenant,
            aggregate_id: row.aggregate_id,
            version: events.len() as u64 + 1,
            event_id: EventId(Uuid::from_u128((7 << 100) + self.ids)),
            recorded_at: payload.occurred_at(),
            metadata: Metadata::default(),
            payload,
        };
        let made = record(Some(&id(n).to_string()), Some(bytes), headers(&event));
        events.push(Made { event, payload: digest });
        made
    }
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128((0x018f << 112) + n)
}

fn record(key: Option<&str>, payload: Option<Vec<u8>>, headers: Headers) -> Record {
    let key = key.map(|key| key.as_bytes().to_vec());
    Record {
        topic: "".into(),
        partition: -1,
        offset: -1,
        timestamp_ms: Some(1_700_000_000_000),
        key,
        payload,
        headers,
    }
}

fn headers(event: &Recorded<ExecutionEvent>) -> Headers {
    let texts = [
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", event.event_id.to_string()),
        ("ce_type", event.payload.event_type().to_owned()),
        ("ce_source", "/millrace/agents".to_owned()),
        ("ce_subject", event.aggregate_id.to_string()),
        ("ce_time", event.payload.occurred_at().to_string()),
        ("recordedtime", event.recorded_at.to_string()),
        ("aggregateversion", event.version.to_string()),
        ("tenant", event.tenant.to_string()),
    ];
    texts.into_iter().map(|(name, text)| (name, Some(text))).collect()
}
