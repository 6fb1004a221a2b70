//! The real lane over a topic in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use clap::Parser;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use uuid::Uuid;
use wire::Decoder;

use super::tally::Tally;
use super::{BOUND, History, until};
use crate::behind::Behind;
use crate::config::ProjectorConfig;
use crate::lane::{Lane, Links};
use crate::metrics::Metrics;
use crate::projector::ProjectorError;
use crate::queue::{Fetched, Queue};
use crate::record::Record;
use crate::signals::{Answer, Command, Control, Pulse, Start, Watermarks};
use crate::store::ViewStore;
use crate::way::now;

/// A topic in memory: records get their offsets when they are appended.
#[derive(Debug, Clone)]
pub struct Topic {
    name: Arc<str>,
    partitions: Arc<Mutex<BTreeMap<i32, Vec<Record>>>>,
}

impl Default for Topic {
    fn default() -> Self {
        Self { name: "tally.events".into(), partitions: Arc::default() }
    }
}

impl Topic {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Appends records to a partition; answers their offsets.
    pub fn append(&self, partition: i32, records: impl IntoIterator<Item = Record>) -> Vec<i64> {
        let mut partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        let log = partitions.entry(partition).or_default();
        let place = |record| {
            let offset = log.len() as i64;
            log.push(Record { topic: Arc::clone(&self.name), partition, offset, ..record });
            offset
        };
        records.into_iter().map(place).collect()
    }

    /// The offset after the last record.
    pub fn end(&self, partition: i32) -> i64 {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner).get(&partition).map_or(0, Vec::len)
            as i64
    }

    fn read(&self, partition: i32, offset: i64, max: usize) -> Vec<Record> {
        let partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        let from = usize::try_from(offset).unwrap_or_default();
        partitions
            .get(&partition)
            .map_or_else(Vec::new, |log| log.iter().skip(from).take(max).cloned().collect())
    }
}

/// A projector's settings, as from an empty command line.
pub fn settings() -> ProjectorConfig {
    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        config: ProjectorConfig,
    }
    let mut config = Program::parse_from(["conformance"]).config;
    config.stopped_retry_ms = 100;
    config
}

/// One owner: a lane with its store, and a reader in the poll thread's place.
#[derive(Debug)]
pub struct Rig {
    topic: Topic,
    control: UnboundedSender<Control>,
    reading: Arc<Mutex<BTreeMap<i32, Start>>>,
    metrics: Metrics,
    behind: Behind,
    lane: JoinHandle<Result<(), ProjectorError>>,
    reader: JoinHandle<()>,
}

impl Drop for Rig {
    /// As `kill -9` does: nobody is told.
    fn drop(&mut self) {
        self.lane.abort();
        self.reader.abort();
    }
}

impl Rig {
    /// An owner with the usual settings and the decoder of a history.
    pub fn start<S: ViewStore<Tally>>(store: S, topic: &Topic, history: &History) -> Self {
        Self::with(store, topic, history.decoder(), settings())
    }

    /// An owner with settings of its own.
    pub fn with<S: ViewStore<Tally>>(
        store: S,
        topic: &Topic,
        decoder: Decoder<events::ExecutionEvent>,
        config: ProjectorConfig,
    ) -> Self {
        let (control, controls) = tokio::sync::mpsc::unbounded_channel();
        let (commands_in, commands) = mpsc::channel();
        let queue = Arc::new(Queue::new(config.queue_records_max, 4 << 20));
        let (metrics, behind) = (Metrics::new("tally"), Behind::default());
        let links = Links {
            queue: Arc::clone(&queue),
            commands: commands_in,
            watermarks: Arc::new(Watermarks::default()),
            pulse: Arc::new(Pulse::new()),
            metrics: metrics.clone(),
            standings: tokio::sync::watch::Sender::default(),
            behind: behind.clone(),
        };
        let mut lane = Lane::<Tally, S>::new(Arc::clone(&topic.name), store, decoder, config, links);
        let reading = Arc::new(Mutex::new(BTreeMap::new()));
        let reader = tokio::spawn(read(topic.clone(), Arc::clone(&reading), queue, commands));
        let lane = tokio::spawn(async move { lane.run(controls).await });
        Self { topic: topic.clone(), control, reading, metrics, behind, lane, reader }
    }

    /// What it counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whether what is behind it answers.
    pub fn behind(&self) -> &Behind {
        &self.behind
    }

    /// Kafka gives it partitions; waits until they are claimed.
    pub async fn assign(&self, partitions: &[i32]) {
        let answer = Answer::new();
        let asked = Control::Assigned {
            partitions: partitions.to_vec(),
            topic_id: Uuid::nil(),
            answer: answer.clone(),
        };
        self.control.send(asked).expect("the lane lives");
        let wait = tokio::task::spawn_blocking(move || answer.wait(Duration::from_secs(2)));
        let starts = wait.await.expect("waiting does not panic").unwrap_or_default();
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        for start in starts {
            reading.insert(start.partition, start);
        }
    }

    /// Waits until the sink has everything that the partitions hold now.
    pub async fn caught_up<K: super::Sink>(&self, sink: &K, partitions: &[i32]) {
        for partition in partitions {
            let end = self.topic.end(*partition);
            let what = format!("partition {partition} applied up to {end}");
            until(&what, async || {
                assert!(!self.lane.is_finished(), "the lane has ended");
                sink.next_offset(self.topic.name(), *partition).await >= end
            })
            .await;
            let reached = sink.next_offset(self.topic.name(), *partition).await;
            assert!(reached <= self.topic.end(*partition), "partition {partition} has nothing at {reached}");
        }
    }

    /// Waits for the end of a lane that cannot go on, and its reason.
    pub async fn failed(mut self) -> ProjectorError {
        let ended = tokio::time::timeout(BOUND, &mut self.lane).await.expect("the lane ends");
        ended.expect("no panic").expect_err("an error")
    }
}

/// Reads as the poll thread does: from where it is told, with the generation it is told.
async fn read(
    topic: Topic,
    reading: Arc<Mutex<BTreeMap<i32, Start>>>,
    queue: Arc<Queue>,
    commands: mpsc::Receiver<Command>,
) {
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    loop {
        tick.tick().await;
        let mut reading = reading.lock().unwrap_or_else(PoisonError::into_inner);
        for command in commands.try_iter() {
            match command {
                Command::Start(start) => {
                    reading.insert(start.partition, start);
                }
                Command::Hold { partitions, generation } => reading.retain(|partition, start| {
                    !partitions.contains(partition) || start.generation > generation
                }),
                Command::Hint(_) => {}
            }
        }
        for start in reading.values_mut() {
            for record in topic.read(start.partition, start.offset, 500) {
                let next = record.offset + 1;
                if queue
                    .push(Fetched { generation: start.generation, fetched_at: now(), record }, Duration::ZERO)
                    .is_some()
                {
                    break;
                }
                start.offset = next;
            }
        }
    }
}
