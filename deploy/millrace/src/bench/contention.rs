//! Many writers on few aggregates, and what is stored in the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use event_store::{AppendError, EventStore, Expected};
use tokio::task::JoinSet;

use super::WriteSide;
use super::report::{Aim, Figure};
use super::workload::Synthetic;

/// Each of these writers knows a version of each aggregate, and learns from each lost race.
const WRITERS: usize = 64;
const AGGREGATES: usize = 8;

/// Appends a second, races lost for each one won, and versions that are forked or missing afterwards.
pub(crate) async fn figures(side: &WriteSide, duration: Duration) -> anyhow::Result<Vec<Figure>> {
    let mut ids = vec![];
    for _ in 0..AGGREGATES {
        let first = Synthetic::new().next(1, &side.codec)?;
        side.store.append(&side.tenant, std::slice::from_ref(&first)).await?;
        ids.push(first.aggregate_id);
    }
    let start = Instant::now();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, codec, tenant, ids) =
            (side.store.clone(), Arc::clone(&side.codec), side.tenant.clone(), ids.clone());
        writers.spawn(async move {
            let (id, mut version) = (ids[writer % AGGREGATES], 1);
            let (mut won, mut lost) = (0_u64, 0_u64);
            while start.elapsed() < duration {
                let mut append = Synthetic::at(id, version).next(1, &codec)?;
                append.expected = Expected::Exactly(version);
                match store.append(&tenant, &[append]).await {
                    Ok(_) => (won, version) = (won + 1, version + 1),
                    Err(AppendError::Conflict(conflicts)) => {
                        version = conflicts.first().map_or(version, |conflict| conflict.actual);
                        lost += 1;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            anyhow::Ok((won, lost))
        });
    }
    let (mut won, mut lost) = (0, 0);
    while let Some(ended) = writers.join_next().await {
        let (ended_won, ended_lost) = ended??;
        (won, lost) = (won + ended_won, lost + ended_lost);
    }
    let took = start.elapsed().as_secs_f64();
    let (mut stored, mut broken) = (0, 0);
    for id in ids {
        let history = side.store.load(&side.tenant, id, 0).await?;
        stored += history.len() as u64 - 1;
        broken += (1..).zip(&history).filter(|(version, event)| event.version != *version).count();
    }
    if stored != won {
        bail!("{won} appends were acknowledged and {stored} are stored");
    }
    Ok(vec![
        Figure::new("append.contended.rate", won as f64 / took, "events/s", Aim::None),
        Figure::new("append.contended.lost_per_won", lost as f64 / won.max(1) as f64, "", Aim::None),
        Figure::new("append.contended.forks_and_gaps", broken as f64, "count", Aim::AtMost(0.0)),
    ])
}
