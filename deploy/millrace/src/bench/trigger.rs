//! What it costs that the database fills the outbox by itself.

use std::time::Instant;

use anyhow::Context;
use event_store::{Connections, EventStore, PgEventStore};
use hdrhistogram::Histogram;
use sqlx::{Executor, PgPool};

use super::WriteSide;
use super::report::{Aim, Figure, histogram};
use super::scratch::Scratch;
use super::workload::Synthetic;

const ROUNDS: u32 = 20;
const APPENDS: u32 = 100;

/// The median append with and without the trigger, in turns, on a database that nobody replicates and that is gone afterwards.
pub(crate) async fn figures(stack: &str, side: &WriteSide) -> anyhow::Result<Vec<Figure>> {
    let scratch = Scratch::create(stack).await?;
    let measured = measure(&scratch, side).await;
    scratch.remove()?;
    measured
}

async fn measure(scratch: &Scratch, side: &WriteSide) -> anyhow::Result<Vec<Figure>> {
    let owner = scratch.owner().await?;
    let app = scratch.url("app").parse()?;
    let store = PgEventStore::new(Connections::new(app, 1, std::time::Duration::from_secs(5)));
    let mut figures = vec![];
    for events in [1, 100] {
        let mut times = [histogram(), histogram()];
        for round in 0..ROUNDS {
            let with = round % 2 == 0;
            switch(&owner, with).await?;
            append(&store, side, events, &mut times[usize::from(with)]).await?;
        }
        switch(&owner, true).await?;
        let [without, with] = times.map(|times| times.value_at_quantile(0.5) as f64);
        for (label, micros) in [("with", with), ("without", without), ("cost", with - without)] {
            figures.push(Figure::new(format!("append.trigger.{events}.{label}"), micros, "us", Aim::None));
        }
    }
    owner.close().await;
    Ok(figures)
}

async fn switch(owner: &PgPool, on: bool) -> anyhow::Result<()> {
    let statement = if on {
        "alter table event_store enable always trigger event_store_fills_outbox"
    } else {
        "alter table event_store disable trigger event_store_fills_outbox"
    };
    owner.execute(statement).await.map(drop).context("failed to switch the trigger")
}

async fn append(
    store: &PgEventStore,
    side: &WriteSide,
    events: u32,
    times: &mut Histogram<u64>,
) -> anyhow::Result<()> {
    let mut execution = Synthetic::new();
    for number in 0..APPENDS {
        let append = execution.next(events, &side.codec)?;
        let begun = Instant::now();
        store.append(&side.tenant, &[append]).await.context("an append failed")?;
        // The first ones plan anew after the switch.
        if number >= 10 {
            times.saturating_record(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
        }
    }
    Ok(())
}
