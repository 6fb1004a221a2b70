//! A replay from its begin to its end.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use event_store::{EventLog, Filter, PrunedRange, Slice, StoredEvent};
use events::AggregateId;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::reader::{read, read_ahead};
use crate::worker::{Failures, Share, work};
use crate::{Effect, Error, Failure, LANES, Progress, Stopped, lane};

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
    /// What was not there to be applied, though it counts: versions that are in an archive, by aggregate. The effect lacks
    /// them and may have more of the aggregate; bring the archive back, or take the effect of its file, before it is used.
    pub missing: Vec<PrunedRange>,
}

/// Replays the wanted events up to where the log has settled by now, from where each lane of the effect is. Told to stop,
/// it finishes the slices that are under way.
pub async fn replay<L: EventLog + 'static, E: Effect + 'static>(
    log: L,
    filter: Filter,
    effect: Arc<E>,
    config: Config,
    on_progress: impl FnMut(Progress),
    stop: &CancellationToken,
) -> Result<Report, Stopped<E::Error>> {
    let failures = Arc::new(Failures::at_most(config.failures_max));
    let replayed = run(Arc::new(log), filter, effect, config, on_progress, stop, &failures).await;
    let (failures, failed) = failures.take();
    match replayed {
        Ok((progress, missing)) => {
            Ok(Report { progress, finished: progress.position >= progress.target, failures, missing })
        }
        Err(source) => Err(Stopped { source, failed, failures }),
    }
}

async fn run<L: EventLog + 'static, E: Effect + 'static>(
    log: Arc<L>,
    filter: Filter,
    effect: Arc<E>,
    config: Config,
    mut on_progress: impl FnMut(Progress),
    stop: &CancellationToken,
    failures: &Arc<Failures>,
) -> Result<(Progress, Vec<PrunedRange>), Error<E::Error>> {
    let begun = Instant::now();
    let checkpoints = effect.checkpoints().await.map_err(Error::Checkpoints)?;
    let of = |lane: u16| checkpoints.get(&lane).copied().unwrap_or(0);
    let from = (0..LANES).map(of).min().unwrap_or(0);
    let target = log.settled_position().await.map_err(|source| Error::Log { after: from, source })?;
    let furthest = (0..LANES).map(of).max().unwrap_or(0);
    if furthest > target {
        // Not where this log is: to read on from there says whether it ever was.
        let looked = read(&log, &filter, furthest, &config).await;
        looked.map_err(|source| Error::Log { after: furthest, source })?;
    }
    // What leaves the log while it is read is listed at the end, what comes back meanwhile now.
    let mut pruned = log.pruned().await.map_err(Error::Pruned)?;
    let workers = config.workers.clamp(1, LANES);

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
    let (reading, wanted) = (log.clone(), filter.clone());
    running.spawn(async move {
        let read = read_ahead(&reading, &wanted, (from, target), &config, send).await;
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
    pruned.extend(log.pruned().await.map_err(Error::Pruned)?);
    Ok((progress, missing(pruned, &filter, of)))
}

/// What is in archives of what is wanted, beyond where each lane's replay began. Where an aggregate was withdrawn and its
/// past is gone for good, what it had before does not count.
fn missing(pruned: Vec<PrunedRange>, filter: &Filter, began: impl Fn(u16) -> u64) -> Vec<PrunedRange> {
    let mut withdrawn: HashMap<AggregateId, u64> = HashMap::new();
    for range in pruned.iter().filter(|range| range.reason == "withdrawn") {
        let through = withdrawn.entry(range.aggregate_id).or_default();
        *through = range.to_version.max(*through);
    }
    let mut missing = BTreeMap::new();
    for range in pruned {
        let counts = range.to_version > withdrawn.get(&range.aggregate_id).copied().unwrap_or(0);
        let wanted = filter.tenant.as_ref().is_none_or(|tenant| *tenant == range.tenant)
            && (filter.aggregate_types.is_empty() || filter.aggregate_types.contains(&range.aggregate_type));
        if range.reason == "archived"
            && counts
            && wanted
            && range.last_position > began(lane(range.aggregate_id))
        {
            missing.insert((range.aggregate_id, range.from_version), range);
        }
    }
    missing.into_values().collect()
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
