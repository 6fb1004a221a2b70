//! The events of a topic, for an edition that is to spare the store.

use std::sync::Arc;

use anyhow::Context;
use events::{Digest, DomainEvent};
use kafka::{ReadError, Record, TopicReader};
use rebuild::Placed;
use tokio::sync::mpsc;
use wire::{Decoder, EventHeaders};

use super::{PAGE, PAGES_AHEAD};

/// Reads a topic ahead of whoever takes its events in, up to where it ends now.
pub(super) async fn read_ahead<E: DomainEvent>(
    reader: TopicReader,
    decoder: Arc<Decoder<E>>,
    to_take: mpsc::Sender<Vec<Placed<E>>>,
) -> anyhow::Result<()> {
    let (to_decode, mut pages) = mpsc::channel::<Vec<Record>>(PAGES_AHEAD);
    let reading = tokio::task::spawn_blocking(move || {
        let mut page = vec![];
        // Whoever took them in says why it does not any more.
        let send = |page| drop(to_decode.blocking_send(page));
        reader.read(E::TOPIC, |record| {
            page.push(record);
            if page.len() >= PAGE as usize {
                send(std::mem::take(&mut page));
            }
        })?;
        send(page);
        Ok::<_, ReadError>(())
    });
    while let Some(records) = pages.recv().await {
        let mut events = Vec::with_capacity(records.len());
        for record in records {
            events.extend(placed(&decoder, &record).await?);
        }
        if to_take.send(events).await.is_err() {
            return Ok(());
        }
    }
    reading.await.context("whoever reads the topic is gone")?.context("failed to read the topic")
}

/// The event in a record. What is none is passed by: if it was to be one, the store has it.
async fn placed<E: DomainEvent>(decoder: &Decoder<E>, record: &Record) -> anyhow::Result<Option<Placed<E>>> {
    let (Some(payload), Ok(headers)) =
        (record.payload.as_deref(), EventHeaders::parse(record.headers.bytes()))
    else {
        return Ok(None);
    };
    let event = match decoder.decode_loading(payload).await {
        Ok(event) => event,
        Err(error) if error.fault() == wire::Fault::Transient => {
            return Err(error).context("the registry does not answer; run it again to go on");
        }
        Err(_) => return Ok(None),
    };
    let event = headers.into_recorded(record.key.as_deref(), event).ok();
    Ok(event.map(|event| Placed { position: 0, event: Ok(event), payload: Digest::of(payload) }))
}
