//! The writer lane: one task that owns the sink, and applies what the poll thread reads.

mod ahead;
mod circuit;
mod draft;
mod live;
mod ownership;
mod partition;
pub(crate) mod preview;
mod read;
mod redrive;

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use events::EventId;
use projection::Projection;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tracing::error;
use uuid::Uuid;
use wire::Decoder;

use self::ahead::Ahead;
use self::partition::{Partition, State, Wake};
pub(crate) use self::read::told;
use crate::behind::{Behind, Breaker};
use crate::cache::Cache;
use crate::config::ProjectorConfig;
use crate::fault::{Classify, Fault};
use crate::metrics::Metrics;
use crate::projector::ProjectorError;
use crate::queue::Queue;
use crate::rhythm::Rhythm;
use crate::signals::{Command, Control, Pulse, Watermarks};
use crate::standing::Standing;
use crate::store::{Tenure, ViewStore};
use crate::way::now;

/// How often Kafka is told how far the sink got.
const HINT: Duration = Duration::from_millis(500);
/// How often the sink is asked what operators want, while anything is parked.
const LOOK: Duration = Duration::from_millis(300);
/// How often the sink is asked whether it still stands where it was left.
const INSPECT: Duration = Duration::from_secs(1);
/// First and longest wait after a transient fault of the sink.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// The same for a schema that cannot be had.
const REGISTRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// How long a partition that was fenced off waits before it is claimed again, if Kafka still says it is ours.
const FENCED: Duration = Duration::from_secs(1);

/// Everything of one lane.
pub(crate) struct Lane<P: Projection, S> {
    topic: Arc<str>,
    /// Of the topic of that name whose partitions were assigned last.
    topic_id: Uuid,
    store: S,
    decoder: Decoder<P::Event>,
    config: ProjectorConfig,
    refused: HashSet<EventId>,
    queue: Arc<Queue>,
    ahead: Ahead<P::Event>,
    commands: Sender<Command>,
    watermarks: Arc<Watermarks>,
    pulse: Arc<Pulse>,
    metrics: Metrics,
    standings: watch::Sender<Vec<Standing>>,
    partitions: BTreeMap<i32, Partition>,
    cache: Cache<P::View>,
    generation: u64,
    rhythm: Rhythm,
    sink: Breaker,
    registry: Breaker,
    idle_since: Instant,
    next_hint: Instant,
    next_look: Instant,
    next_inspection: Instant,
}

/// What a lane shares with the poll thread.
pub(crate) struct Links {
    pub(crate) queue: Arc<Queue>,
    pub(crate) commands: Sender<Command>,
    pub(crate) watermarks: Arc<Watermarks>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) metrics: Metrics,
    pub(crate) standings: watch::Sender<Vec<Standing>>,
    pub(crate) behind: Behind,
}

/// A call of the sink that did not come back with an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SinkTrouble<E: std::error::Error> {
    /// It did, with an error.
    #[error(transparent)]
    Refused(E),
    /// It did not within the limit; what it did is not known.
    #[error("no answer within {0:?}")]
    Silent(Duration),
}

impl<P: Projection, S: ViewStore<P>> Lane<P, S> {
    pub(crate) fn new(
        topic: Arc<str>,
        store: S,
        decoder: Decoder<P::Event>,
        config: ProjectorConfig,
        links: Links,
    ) -> Self {
        let now = Instant::now();
        let breaker =
            |server, pauses| Breaker::new(server, &links.behind, &links.metrics.circuit_open, pauses);
        Self {
            sink: breaker("sink", BACKOFF),
            registry: breaker("schema registry", REGISTRY),
            topic,
            topic_id: Uuid::nil(),
            store,
            decoder,
            refused: config.refuse_events.iter().copied().collect(),
            queue: links.queue,
            ahead: Ahead::new(config.batch_records_max, config.queue_kilobytes_max.saturating_mul(1024)),
            commands: links.commands,
            watermarks: links.watermarks,
            pulse: links.pulse,
            metrics: links.metrics,
            standings: links.standings,
            partitions: BTreeMap::new(),
            cache: Cache::new(config.rows_cached_max),
            generation: 0,
            rhythm: Rhythm::new(config.linger()),
            idle_since: now,
            next_hint: now,
            next_look: now,
            next_inspection: now,
            config,
        }
    }

    /// Works until the poll thread has gone. An error means that somebody has to look.
    pub(crate) async fn run(
        &mut self,
        mut control: UnboundedReceiver<Control>,
    ) -> Result<(), ProjectorError> {
        loop {
            self.pulse.beat();
            let queue = Arc::clone(&self.queue);
            tokio::select! {
                biased;
                first = control.recv() => {
                    let Some(first) = first else { return Ok(()) };
                    let mut controls = vec![first];
                    while let Ok(next) = control.try_recv() {
                        controls.push(next);
                    }
                    self.obey(controls).await?;
                }
                () = tokio::time::sleep_until(self.next_duty().into()) => self.duties().await?,
                () = queue.holds(1_usize.saturating_sub(self.ahead.len())) => self.flush().await?,
            }
        }
    }

    /// When something is to be done even if no record comes.
    fn next_duty(&self) -> Instant {
        let waking = self.partitions.values().filter_map(Partition::wake_at).min();
        let looking = self.has_parked().then_some(self.next_look);
        [Some(self.next_hint), waking, looking].into_iter().flatten().min().unwrap_or(self.next_hint)
    }

    async fn duties(&mut self) -> Result<(), ProjectorError> {
        let now = Instant::now();
        self.wake(now).await?;
        if self.has_parked() && self.next_look <= now {
            let more = self.serve_requests().await?;
            self.next_look = if more { Instant::now() } else { Instant::now() + LOOK };
        }
        if self.next_inspection <= now {
            self.next_inspection = now + INSPECT;
            self.inspect().await?;
        }
        if self.next_hint <= now {
            self.hint();
            self.measure_lag();
            self.tell();
            self.next_hint = now + HINT;
        }
        Ok(())
    }

    /// Has the sink see whether it forgot anything.
    async fn inspect(&mut self) -> Result<(), ProjectorError> {
        let settled = self.partitions.values().filter(|p| p.is_settled());
        let held: Vec<Tenure> = settled.filter_map(Partition::tenure).collect();
        if held.is_empty() {
            return Ok(());
        }
        match asked(self.config.sink_timeout(), self.store.inspect(&self.topic, &held)).await {
            Ok(lost) => {
                lost.into_iter().for_each(|id| self.fenced(id));
                Ok(())
            }
            Err(trouble) => self.judge("inspect the sink", trouble),
        }
    }

    fn has_parked(&self) -> bool {
        self.partitions.values().any(|p| p.is_settled() && !p.parked.is_empty())
    }

    /// Sends Kafka the offsets of the sink that it does not have yet.
    fn hint(&mut self) {
        let mut reached = Vec::new();
        for partition in self.partitions.values_mut().filter(|p| p.is_settled()) {
            if partition.hinted != partition.next_offset {
                partition.hinted = partition.next_offset;
                reached.push((partition.id, partition.next_offset));
            }
        }
        if !reached.is_empty() {
            self.command(Command::Hint(reached));
        }
    }

    /// Tells how far the partitions are of which the sink's state is known.
    fn tell(&self) {
        let standing = |partition: &Partition| {
            Some(Standing {
                partition: partition.id,
                epoch: partition.epoch?,
                next_offset: partition.next_offset,
                end: self.watermarks.get(partition.id),
                newest: partition.newest,
                parked_keys: partition.parked.len(),
                stopped: partition.stopped,
            })
        };
        let settled = self.partitions.values().filter(|partition| partition.is_settled());
        self.standings.send_replace(settled.filter_map(standing).collect());
    }

    fn measure_lag(&self) {
        let mut oldest: f64 = 0.0;
        let now = now().micros();
        for partition in self.partitions.values().filter(|p| p.epoch.is_some()) {
            let Some(end) = self.watermarks.get(partition.id) else { continue };
            let lag = (end.offset - partition.next_offset).max(0);
            self.metrics.lag.with_label_values(&[&partition.id.to_string()]).set(lag);
            if lag > 0 {
                // Nothing applied since we have it: the lag is older than that.
                let age = partition.newest.map(|newest| now.saturating_sub(newest.micros()) as f64 / 1e6);
                oldest = oldest.max(age.unwrap_or(partition.assigned_at.elapsed().as_secs_f64()));
            }
        }
        self.metrics.lag_seconds.set(oldest);
    }

    /// A command to a thread that has ended is a command too late.
    fn command(&self, command: Command) {
        drop(self.commands.send(command));
    }

    /// Has nothing more read of these partitions for now.
    fn let_wait(&self, partitions: Vec<i32>) {
        self.command(Command::Hold { partitions, generation: self.generation });
    }

    /// Lets one partition wait, for what is wrong with its records or with the registry; its offset is known.
    fn pause(&mut self, id: i32, wait: Duration) {
        if let Some(partition) = self.partitions.get_mut(&id) {
            partition.state = State::Waiting(Instant::now() + wait, Wake::Resume);
            self.let_wait(vec![id]);
        }
    }

    /// Waits out a transient fault of the sink: nothing in memory is believed until it has answered again.
    fn recover(&mut self, doing: &str, error: &dyn std::error::Error) {
        let why = format!("could not {doing}: {}", told(error));
        let wait = self.sink.failed(why.clone());
        tracing::warn!(topic = &*self.topic, wait_ms = wait.as_millis() as u64, "{why}");
        self.metrics.transient_faults.inc();
        self.cache.clear();
        let mut held = Vec::new();
        for partition in self.partitions.values_mut() {
            let wake = if partition.epoch.is_some() { Wake::Renew } else { Wake::Claim };
            partition.state = State::Waiting(Instant::now() + wait, wake);
            held.push(partition.id);
        }
        self.let_wait(held);
    }

    /// What an error of the sink means when there is nothing to bisect.
    fn judge(&mut self, doing: &'static str, trouble: SinkTrouble<S::Error>) -> Result<(), ProjectorError> {
        match trouble {
            SinkTrouble::Refused(error) if error.fault() != Fault::Transient => {
                error!(topic = &*self.topic, "could not {doing}: {}", told(&error));
                Err(ProjectorError::Sink { doing, topic: self.topic.to_string(), source: Box::new(error) })
            }
            trouble => {
                self.recover(doing, &trouble);
                Ok(())
            }
        }
    }
}

/// One call of the sink, with a limit.
async fn asked<T, E: std::error::Error>(
    limit: Duration,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, SinkTrouble<E>> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer.map_err(SinkTrouble::Refused),
        Err(_) => Err(SinkTrouble::Silent(limit)),
    }
}
