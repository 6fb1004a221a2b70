//! A replay from its begin to its end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use event_store::{EventLog, Filter, Slice, StoredEvent};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::reader::read_ahead;
use crate::worker::{Failures, Share, work};
use crate::{Effect, Error, Failure, LANES, Progress, lane};

/// Slices between the reader and each worker.
const AHEAD: usize = 2;

/// How a replay works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Workers; each has some of the lanes, so more than [`LANES`] are that many.
    pub workers: u16,
    /// Most events of one read. Large ones are fast; some six of them are in memory.
    pub slice_events_max: u32,
    /// Positions after which a lane without events is remembered all the same.
    pub remember_every: u64,
    /// How often a read or a batch is tried while its trouble may pass.
    pub attempts_max: u32,
    /// Events that cannot be applied before the replay stops.
    pub failures_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            workers: 2,
            slice_events_max: 10_000,
            remember_every: 100_000,
            attempts_max: 10,
            failures_max: 1_000,
        }
    }
}

/// What a replay did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How far it came, and how fast.
    pub progress: Progress,
    /// Whether it came to its end; it did not when it was told to stop.
    pub finished: bool,
    /// What could not be applied in this run, by position.
    pub failures: Vec<Failure>,
}

/// Replays the wanted events up to where the log has settled by now, from where each lane of the effect is. Told to stop,
/// it finishes the slices that are under way.
pub async fn replay<L: EventLog + 'static, E: Effect + 'static>(
    log: L,
    filter: Filter,
    effect: Arc<E>,
    config: Config,
    mut on_progress: impl FnMut(Progress),
    stop: &CancellationToken,
) -> Result<Report, Error<E::Error>> {
    let begun = Instant::now();
    let checkpoints = effect.checkpoints().await.map_err(Error::Checkpoints)?;
    let of = |lane: u16| checkpoints.get(&lane).copied().unwrap_or(0);
    let from = (0..LANES).map(of).min().unwrap_or(0);
    let target = log.settled_position().await.map_err(|source| Error::Log { after: from, source })?;
    let workers = config.workers.clamp(1, LANES);
    let failures = Arc::new(Failures::default());

    // Whatever ends first with an error ends the others as well: the set is dropped.
    let mut running = JoinSet::new();
    let mut shares = vec![];
    for worker in 0..workers {
        let (share, received) = mpsc::channel(AHEAD);
        let lanes = (0..LANES).filter(|lane| lane % workers == worker);
        let checkpoints: HashMap<u16, u64> = lanes.map(|lane| (lane, of(lane))).collect();
        let (effect, config, failures) = (effect.clone(), config.clone(), failures.clone());
        running.spawn(async move { work(&*effect, checkpoints, &config, &failures, received).await });
        shares.push(share);
    }
    let (send, mut slices) = mpsc::channel(1);
    running.spawn(async move {
        let read = read_ahead(&log, &filter, (from, target), &config, send).await;
        read.map_err(|(after, source)| Error::Log { after, source })
    });

    let mut progress = Progress { events: 0, from, position: from, target, elapsed: Duration::ZERO };
    'slices: while let Some(slice) = slices.recv().await {
        if stop.is_cancelled() {
            break;
        }
        (progress.events, progress.position) = (progress.events + slice.events.len() as u64, slice.through);
        for (share, worker) in deal(slice, workers).into_iter().zip(&shares) {
            if worker.send(share).await.is_err() {
                break 'slices; // it says below why it is gone
            }
        }
        progress.elapsed = begun.elapsed();
        on_progress(progress);
    }
    drop((shares, slices));
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok(ended) => ended?,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
    progress.elapsed = begun.elapsed();
    Ok(Report { progress, finished: progress.position >= target, failures: failures.take() })
}

/// Each worker's share of a slice.
fn deal(slice: Slice, workers: u16) -> Vec<Share> {
    let mut lanes: Vec<Vec<StoredEvent>> = vec![vec![]; usize::from(LANES)];
    for event in slice.events {
        lanes[usize::from(lane(event.aggregate_id))].push(event);
    }
    let mut shares: Vec<Share> =
        (0..workers).map(|_| Share { events: vec![], through: slice.through }).collect();
    for (lane, events) in (0..LANES).zip(lanes).filter(|(_, events)| !events.is_empty()) {
        shares[usize::from(lane % workers)].events.push((lane, events));
    }
    shares
}
