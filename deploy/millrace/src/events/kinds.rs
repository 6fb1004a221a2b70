//! The kinds of aggregates that this program can read, and what it makes of their events.

use std::fmt::Debug;
use std::sync::Arc;

use agents::each_aggregate;
use aggregate::Aggregate;
use anyhow::{Context, bail};
use event_store::{Codec, Keyring, StoredEvent};
use events::{DomainEvent, Recorded};
use serde::Serialize;
use serde_json::Value;

/// What events are read with.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) registry: wire::Registry,
    /// Without it personal texts are shown as they are stored.
    pub(super) keyring: Option<Arc<Keyring>>,
}

/// A state as people and as programs read it.
pub(super) struct State {
    pub(super) text: String,
    pub(super) json: Value,
}

/// The payloads, read with the schemas they were written with.
pub(super) async fn payloads(events: &[StoredEvent], reading: &Reading) -> anyhow::Result<Vec<Value>> {
    let Some(first) = events.first() else { return Ok(vec![]) };
    each_aggregate!(A => {
        if first.aggregate_type == <A as Aggregate>::Event::AGGREGATE_TYPE {
            let recorded = recorded::<A>(events.to_vec(), reading).await?;
            return recorded.iter().map(|event| json(&event.payload)).collect();
        }
    });
    bail!("this program knows no aggregates of type {:?}", first.aggregate_type)
}

/// The state that these events lead to.
pub(super) async fn state(kind: &str, events: Vec<StoredEvent>, reading: &Reading) -> anyhow::Result<State> {
    each_aggregate!(A => {
        if kind == <A as Aggregate>::Event::AGGREGATE_TYPE {
            return fold::<A>(events, reading).await;
        }
    });
    bail!("this program knows no aggregates of type {kind:?}")
}

async fn recorded<A: Aggregate>(
    events: Vec<StoredEvent>,
    reading: &Reading,
) -> anyhow::Result<Vec<Recorded<A::Event>>> {
    let codec =
        Codec::<A::Event>::prepare(&reading.registry).await.context("failed to prepare reading events")?;
    let codec = codec.with_keyring(reading.keyring.clone());
    let mut recorded = Vec::with_capacity(events.len());
    for event in events {
        recorded.push(codec.recorded(event).await?);
    }
    Ok(recorded)
}

async fn fold<A: Aggregate + Serialize + Debug>(
    events: Vec<StoredEvent>,
    reading: &Reading,
) -> anyhow::Result<State> {
    let recorded = recorded::<A>(events, reading).await?;
    let state = A::replay(recorded.iter().map(|event| &event.payload));
    Ok(State { text: format!("{state:#?}"), json: serde_json::to_value(&state)? })
}

fn json(payload: &impl DomainEvent) -> anyhow::Result<Value> {
    Ok(payload.serialize_record(serde_json::value::Serializer)?)
}
