//! One projection at work: poll thread, lane and watchdog, wired.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use events::DomainEvent;
use projection::Projection;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use wire::Decoder;

use crate::behind::Behind;
use crate::broker::BrokerConfig;
use crate::config::ProjectorConfig;
use crate::lane::{Lane, Links};
use crate::metrics::Metrics;
use crate::poll::Poller;
use crate::queue::Queue;
use crate::signals::{Pulse, Watermarks};
use crate::standing::Standing;
use crate::store::ViewStore;

/// How often the watchdog looks.
const WATCH: Duration = Duration::from_secs(1);
/// How long a client may take to leave its group.
const FAREWELL: Duration = Duration::from_secs(10);

/// Why a projector stopped without being told to. Each wants a person, or a supervisor that starts it again.
#[derive(Debug, thiserror::Error)]
pub enum ProjectorError {
    /// librdkafka does not take the configuration.
    #[error("cannot make a consumer of {topic}")]
    Client {
        /// The topic.
        topic: String,
        /// What it said.
        #[source]
        source: KafkaError,
    },
    /// The broker does not let us.
    #[error("not allowed to read {topic}; are the ACLs applied?")]
    Forbidden {
        /// The topic.
        topic: String,
        /// What it said.
        #[source]
        source: KafkaError,
    },
    /// The sink is to go on at an offset that the topic does not have. Nothing is skipped by itself.
    #[error(
        "{topic} partition {partition} is to be read from offset {offset}, but has {first} to {end}: records were lost \
         or the topic is another one; rebuild the views from the event store"
    )]
    OffsetGone {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Where the sink stands.
        offset: i64,
        /// The first offset there is.
        first: i64,
        /// The one after the last.
        end: i64,
    },
    /// The last record that the sink has is not what the topic has there now. Nothing is skipped by itself.
    #[error(
        "{topic} partition {partition} has another record at offset {offset} than the one that was read there, or none: the \
         topic was made anew, or lost records; rebuild the views from the event store"
    )]
    OtherTopic {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Where the sink's last record lay.
        offset: i64,
    },
    /// The topic was deleted and made again while it was read. Nothing is skipped by itself.
    #[error(
        "{topic} was made anew while it was read: what lies before the offset was not; rebuild the views from the event store"
    )]
    TopicMadeAnew {
        /// The topic.
        topic: String,
    },
    /// The sink's answer is one that waiting does not change.
    #[error("cannot {doing} for {topic}")]
    Sink {
        /// What was tried.
        doing: &'static str,
        /// The topic.
        topic: String,
        /// What the sink said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A part of the projector does not answer.
    #[error("the {part} of {topic} has been silent for {silence:?}")]
    Stuck {
        /// Which part.
        part: &'static str,
        /// The topic.
        topic: String,
        /// For how long.
        silence: Duration,
    },
    /// The poll thread could not be started, or died.
    #[error("the poll thread of {topic} died")]
    Thread {
        /// The topic.
        topic: String,
    },
}

/// Carries one topic through one projection into one sink, until told to stop.
pub struct Projector<P: Projection, S> {
    name: String,
    topic: Arc<str>,
    client: ClientConfig,
    config: ProjectorConfig,
    store: S,
    decoder: Decoder<P::Event>,
    metrics: Metrics,
    standings: watch::Sender<Vec<Standing>>,
    behind: Behind,
}

impl<P: Projection, S> std::fmt::Debug for Projector<P, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Projector").field("name", &self.name).field("topic", &self.topic).finish()
    }
}

impl<P: Projection, S: ViewStore<P>> Projector<P, S> {
    /// A projector in the group of the projection's name, on its events' topic.
    pub fn new(broker: &BrokerConfig, config: ProjectorConfig, decoder: Decoder<P::Event>, store: S) -> Self {
        Self::named(P::NAME, P::Event::TOPIC, broker, config, decoder, store)
    }

    /// The same in another group, or on another topic. The store must have been made for this group and topic.
    pub fn named(
        group: &str,
        topic: &str,
        broker: &BrokerConfig,
        config: ProjectorConfig,
        decoder: Decoder<P::Event>,
        store: S,
    ) -> Self {
        Self {
            name: group.to_owned(),
            topic: topic.into(),
            client: config.consumer(broker, group),
            config,
            store,
            decoder,
            metrics: Metrics::new(group),
            standings: watch::Sender::default(),
            behind: Behind::default(),
        }
    }

    /// What it counts; register it, and keep it to read it.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Whether what is behind it answers.
    pub fn behind(&self) -> Behind {
        self.behind.clone()
    }

    /// How far it got in the partitions that it owns, twice a second; closed when it has ended.
    pub fn standings(&self) -> watch::Receiver<Vec<Standing>> {
        self.standings.subscribe()
    }

    /// Works until `stop`, then leaves the group and returns. Everything that the sink has is safe at any instant;
    /// stopping in an orderly way only spares the next owner the wait.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ProjectorError> {
        let (control_in, control_out) = tokio::sync::mpsc::unbounded_channel();
        let (commands_in, commands_out) = mpsc::channel();
        let (ended_in, mut ended) = oneshot::channel();
        let bytes_max = self.config.queue_kilobytes_max.saturating_mul(1024);
        let queue = Arc::new(Queue::new(self.config.queue_records_max, bytes_max));
        let watermarks = Arc::new(Watermarks::default());
        let (thread_pulse, lane_pulse) = (Arc::new(Pulse::new()), Arc::new(Pulse::new()));
        let stop = stop.child_token();
        let topic = Arc::clone(&self.topic);
        let poller = Poller {
            topic: Arc::clone(&topic),
            client: self.client,
            queue: Arc::clone(&queue),
            lane: control_in,
            commands: commands_out,
            watermarks: Arc::clone(&watermarks),
            pulse: Arc::clone(&thread_pulse),
            metrics: self.metrics.clone(),
            stop: stop.clone(),
        };
        let thread = std::thread::Builder::new().name(format!("poll {}", self.name));
        let died = || ProjectorError::Thread { topic: topic.to_string() };
        thread.spawn(move || drop(ended_in.send(poller.run()))).map_err(|_| died())?;

        let limits = [
            ("poll thread", Arc::clone(&thread_pulse), ProjectorConfig::POLL_SILENCE_MAX),
            ("writer", Arc::clone(&lane_pulse), self.config.sink_timeout() * 12),
        ];
        let links = Links {
            queue,
            commands: commands_in,
            watermarks,
            pulse: lane_pulse,
            metrics: self.metrics,
            standings: self.standings,
            behind: self.behind,
        };
        let mut lane = Lane::<P, S>::new(Arc::clone(&topic), self.store, self.decoder, self.config, links);
        info!(projection = self.name, topic = &*topic, "projector starts");
        // The lane ends by itself when the thread has ended, or when the sink is beyond waiting.
        let outcome = tokio::select! {
            outcome = lane.run(control_out) => outcome,
            stuck = watch(&topic, &limits) => Err(stuck),
        };
        stop.cancel();
        drop(lane);
        let thread = match tokio::time::timeout(FAREWELL, &mut ended).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(died()),
            Err(_) => {
                warn!(
                    topic = &*topic,
                    "the Kafka client does not leave its group in time; it is left behind"
                );
                Ok(())
            }
        };
        info!(projection = self.name, topic = &*topic, "projector ended");
        outcome.and(thread)
    }
}

/// Finds a part that is stuck, well before Kafka would.
async fn watch(topic: &str, limits: &[(&'static str, Arc<Pulse>, Duration)]) -> ProjectorError {
    loop {
        tokio::time::sleep(WATCH).await;
        for (part, pulse, limit) in limits {
            let silence = pulse.silence();
            if silence > *limit {
                return ProjectorError::Stuck { part, topic: topic.to_owned(), silence };
            }
        }
    }
}
