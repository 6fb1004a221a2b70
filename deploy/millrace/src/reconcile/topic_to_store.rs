//! What the topic has and the store lost: found, named, brought back.

use std::collections::BTreeMap;

use anyhow::Context;
use archive::EventRow;
use event_store::{EventLog, PgEventLog};
use events::{AggregateId, DomainEvent, Metadata, TenantId, each_event_set};
use kafka::Record;
use ledger::{Finding, Reconciled, TopicEvent};
use serde::Serialize;
use wire::{Decoder, Encoder, Registry};

use super::ReconcileArgs;
use super::compare::{Sides, headers};
use crate::exit::Exit;

/// What was found in a topic, and done.
#[derive(Debug, Serialize)]
struct Findings {
    topic: &'static str,
    /// Events that both have.
    common: usize,
    /// Events that left the store on purpose.
    pruned: usize,
    /// Events that the topic alone has.
    ahead: usize,
    aggregates: Vec<Ahead>,
    contradictions: Vec<Finding>,
    /// Records that are no events; nobody brings them back.
    unreadable: Vec<String>,
    brought_back: usize,
}

/// What the topic alone has of one aggregate.
#[derive(Debug, Serialize)]
struct Ahead {
    tenant: TenantId,
    aggregate_id: AggregateId,
    from_version: u64,
    to_version: u64,
}

pub(super) async fn run(args: &ReconcileArgs) -> anyhow::Result<Exit> {
    let mut found = vec![];
    each_event_set!(E => { found.push(of_topic::<E>(args).await?) });
    let forked = found.iter().any(|(findings, _)| !findings.contradictions.is_empty());
    // All topics or none: a fork in one says that this is the wrong store.
    if !args.repair.dry_run && !forked {
        let mut rows = vec![];
        for (findings, lost) in &mut found {
            findings.brought_back = lost.len();
            rows.append(lost);
        }
        if !rows.is_empty() {
            for archive::LostKey { tenant_id, key_id } in
                archive::bring_back(&mut args.repair.owner().await?, &args.repair.deed(), rows).await?
            {
                eprintln!("key {key_id} of tenant {tenant_id} is lost: what it sealed reads as [erased]");
            }
        }
    }
    for (findings, _) in &found {
        print(findings, args.repair.json)?;
    }
    let ahead: usize = found.iter().map(|(findings, _)| findings.ahead).sum();
    if forked {
        eprintln!("nothing was written");
        return Ok(Exit::Failed);
    }
    Ok(if args.repair.dry_run && ahead > 0 { Exit::Difference } else { Exit::Ok })
}

/// What is found in a topic, and the rows that bring it back, unless nothing is to be written.
async fn of_topic<E: DomainEvent>(args: &ReconcileArgs) -> anyhow::Result<(Findings, Vec<EventRow>)> {
    let store = args.store.connect().await?;
    let settled = PgEventLog::new(store.clone()).settled_position().await?;
    let mut sides = Sides::default();
    sides.store::<E>(&store, 0).await?;
    let reader = args.topics.reader()?;
    let mut sides = tokio::task::spawn_blocking(move || sides.topic(&reader, E::TOPIC)).await??;
    // What was stored while the topic was read is not lost.
    sides.store::<E>(&store, i64::try_from(settled)?).await?;

    let Sides { both, unreadable, .. } = sides;
    let Reconciled { common, pruned, ahead, contradictions, .. } = both.finish(None);
    let findings = Findings {
        topic: E::TOPIC,
        common,
        pruned,
        ahead: ahead.len(),
        aggregates: aggregates(&ahead),
        contradictions,
        unreadable,
        brought_back: 0,
    };
    if args.repair.dry_run || !findings.contradictions.is_empty() || ahead.is_empty() {
        return Ok((findings, vec![]));
    }
    let rows = rows::<E>(&Registry::new(&args.registry)?, ahead).await?;
    Ok((findings, rows))
}

fn aggregates(ahead: &[(TopicEvent, Record)]) -> Vec<Ahead> {
    let mut aggregates = BTreeMap::new();
    for (event, _) in ahead {
        let found = aggregates.entry(event.aggregate_id).or_insert_with(|| Ahead {
            tenant: event.tenant.clone(),
            aggregate_id: event.aggregate_id,
            from_version: event.version,
            to_version: event.version,
        });
        found.to_version = event.version;
    }
    aggregates.into_values().collect()
}

/// The rows that the store had: bytes from the record, the rest from its headers, the JSON for people from the bytes. Who
/// acted stood in the store alone.
async fn rows<E: DomainEvent>(
    registry: &Registry,
    ahead: Vec<(TopicEvent, Record)>,
) -> anyhow::Result<Vec<EventRow>> {
    let (decoder, encoder) = (Decoder::<E>::new(registry.clone()), Encoder::<E>::prepare(registry).await?);
    let mut rows = Vec::with_capacity(ahead.len());
    for (event, record) in ahead {
        let headers = headers(&record).map_err(anyhow::Error::msg)?;
        let payload = record.payload.clone().context("an event's record has a value")?;
        let decoded = decoder.decode_loading(&payload).await;
        let decoded = decoded.with_context(|| format!("event {} cannot be read", event.event_id))?;
        let data = encoder.to_json(&decoded);
        let recorded = headers.clone().into_recorded(record.key.as_deref(), decoded)?;
        rows.push(EventRow {
            position: 0,
            tenant_id: recorded.tenant.to_string(),
            aggregate_id: recorded.aggregate_id,
            aggregate_type: E::AGGREGATE_TYPE.to_owned(),
            version: i64::try_from(recorded.version)?,
            event_id: recorded.event_id,
            event_type: headers.event_type.to_owned(),
            payload,
            event_data: data.to_string(),
            metadata: serde_json::to_string(&Metadata { actor: None, ..recorded.metadata })?,
            occurred_at: headers.occurred_at.micros(),
            recorded_at: recorded.recorded_at.micros(),
            transaction_id: 0,
        });
    }
    Ok(rows)
}

fn print(findings: &Findings, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(findings)?);
        return Ok(());
    }
    let Findings { topic, common, pruned, ahead, brought_back, .. } = findings;
    println!(
        "{topic}: {common} events are in the store too, {pruned} left it on purpose, {ahead} were lost by it, \
         {brought_back} are brought back"
    );
    for Ahead { tenant, aggregate_id, from_version, to_version } in &findings.aggregates {
        println!("lost: tenant {tenant}, aggregate {aggregate_id}, versions {from_version} to {to_version}");
    }
    for finding in &findings.contradictions {
        println!("refused: {finding}");
    }
    for record in &findings.unreadable {
        println!("no event: {record}");
    }
    Ok(())
}
