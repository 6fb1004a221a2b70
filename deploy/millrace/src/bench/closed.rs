//! Appends as fast as they are answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use event_store::EventStore;
use tokio::task::JoinSet;

use super::WriteSide;
use super::report::{Aim, Figure, histogram, percentiles_ms};
use super::workload::Synthetic;

/// A closed loop: each writer appends the next as soon as it has the answer to the last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Closed {
    pub(crate) writers: u32,
    /// Events of one append, all of one execution.
    pub(crate) events_per_append: u32,
    pub(crate) duration: Duration,
}

impl Closed {
    /// Events a second, and how long an append takes while all writers do their worst.
    pub(crate) async fn figures(self, name: &str, side: &WriteSide, aim: Aim) -> anyhow::Result<Vec<Figure>> {
        let start = Instant::now();
        let mut writers = JoinSet::new();
        for _ in 0..self.writers {
            let (store, codec, tenant) = (side.store.clone(), Arc::clone(&side.codec), side.tenant.clone());
            writers.spawn(async move {
                let (mut execution, mut events, mut append_us) = (Synthetic::new(), 0, histogram());
                while start.elapsed() < self.duration {
                    let append = execution.next(self.events_per_append, &codec)?;
                    let begun = Instant::now();
                    store.append(&tenant, &[append]).await.context("an append failed")?;
                    let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
                    append_us.saturating_record(took);
                    events += u64::from(self.events_per_append);
                }
                anyhow::Ok((events, append_us))
            });
        }
        let (mut events, mut append_us) = (0, histogram());
        while let Some(written) = writers.join_next().await {
            let (written, times) = written??;
            events += written;
            append_us.add(times)?;
        }
        let rate = events as f64 / start.elapsed().as_secs_f64();
        let mut figures = vec![Figure::new(format!("{name}.rate"), rate, "events/s", aim)];
        figures.extend(percentiles_ms(name, &append_us, [Aim::None; 3]));
        Ok(figures)
    }
}
