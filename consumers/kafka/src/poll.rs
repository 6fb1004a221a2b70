//! The poll thread: reads records, serves rebalances, never waits for long.

mod before;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Headers as _, Message};
use rdkafka::{ClientConfig, Offset};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::handover::{Assignment, Handover, Reading};
use crate::metrics::Metrics;
use crate::projector::ProjectorError;
use crate::queue::{Fetched, Queue};
use crate::record::Record;
use crate::signals::{Answer, Command, Control, Pulse, Start, Watermarks};
use crate::topic_id::TopicId;
use crate::way::now;

/// Longest wait in one poll, and so for a command.
const POLL: Duration = Duration::from_millis(50);
/// How long a full queue is waited for before the partitions are paused. A writer that keeps up makes room well
/// within it; pausing throws away what librdkafka has fetched ahead.
const PATIENCE: Duration = Duration::from_millis(250);
/// How often the broker is asked for the end of a partition that is not read: its lag is what an alarm looks at.
const LOOK: Duration = Duration::from_secs(2);
/// Longest wait for that answer.
const GLANCE: Duration = Duration::from_millis(500);
/// Longest wait for librdkafka to carry out a seek, or to tell a watermark.
const ANSWER: Duration = Duration::from_secs(2);
/// Pause between a client that failed for good and the next, and its bound.
const REBUILD: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// Everything the thread needs.
pub(crate) struct Poller {
    pub(crate) topic: Arc<str>,
    pub(crate) client: ClientConfig,
    pub(crate) queue: Arc<Queue>,
    pub(crate) lane: UnboundedSender<Control>,
    pub(crate) commands: Receiver<Command>,
    pub(crate) watermarks: Arc<Watermarks>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) metrics: Metrics,
    pub(crate) stop: CancellationToken,
}

/// How a client's life ended.
enum Ended {
    Stopped,
    Broken(KafkaError),
}

impl Poller {
    /// Runs until stopped; replaces the client when Kafka declares it dead.
    pub(crate) fn run(self) -> Result<(), ProjectorError> {
        let mut pause = REBUILD.0;
        loop {
            let born = Instant::now();
            let error = match self.live()? {
                Ended::Stopped => return Ok(()),
                Ended::Broken(error) => error,
            };
            self.metrics.clients_rebuilt.inc();
            warn!(topic = &*self.topic, %error, "the Kafka client is replaced");
            if born.elapsed() > REBUILD.1 {
                pause = REBUILD.0;
            }
            if self.idle(pause) {
                return Ok(());
            }
            pause = (pause * 2).min(REBUILD.1);
        }
    }

    /// Waits between two clients; commands to the dead one mean nothing. Answers whether to stop.
    fn idle(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        loop {
            self.pulse.beat();
            let left = until.saturating_duration_since(Instant::now());
            match self.commands.recv_timeout(left.min(POLL)) {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) if left.is_zero() => return false,
                Err(RecvTimeoutError::Timeout) if self.stop.is_cancelled() => return true,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn live(&self) -> Result<Ended, ProjectorError> {
        let context = Handover {
            topic: Arc::clone(&self.topic),
            lane: self.lane.clone(),
            watermarks: Arc::clone(&self.watermarks),
            metrics: self.metrics.clone(),
            state: Mutex::default(),
        };
        let failed = |source| ProjectorError::Client { topic: self.topic.to_string(), source };
        let consumer: BaseConsumer<Handover> = self.client.create_with_context(context).map_err(failed)?;
        consumer.subscribe(&[&self.topic]).map_err(failed)?;
        let ended = Client {
            poller: self,
            consumer: &consumer,
            pending: Vec::new(),
            held: None,
            topic_id: TopicId::of(&consumer, &self.topic),
            next_look: Instant::now(),
            turn: 0,
        }
        .run();
        // Runs the revocation, so that the lane lets go and tells how far it got.
        drop(consumer);
        if !matches!(ended, Ok(Ended::Stopped)) {
            self.forget_all();
        }
        ended
    }

    /// A client that died may not have revoked anything; its partitions are gone all the same.
    fn forget_all(&self) {
        let answer = Answer::new();
        if self.lane.send(Control::Forget { answer: answer.clone() }).is_ok() {
            answer.wait(ANSWER);
        }
    }
}

/// One client at work.
struct Client<'p> {
    poller: &'p Poller,
    consumer: &'p BaseConsumer<Handover>,
    /// Starts that librdkafka did not take yet.
    pending: Vec<Start>,
    /// A record that found the queue full.
    held: Option<Fetched>,
    topic_id: TopicId<'p, Handover>,
    next_look: Instant,
    turn: usize,
}

impl Client<'_> {
    fn run(&mut self) -> Result<Ended, ProjectorError> {
        loop {
            self.poller.pulse.beat();
            if self.poller.stop.is_cancelled() {
                return Ok(Ended::Stopped);
            }
            if !self.obey() {
                return Ok(Ended::Stopped);
            }
            self.make_room();
            self.look()?;
            match self.consumer.poll(POLL) {
                Some(Ok(message)) => self.take(&message)?,
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    if let Some(reading) = self.state().reading.get_mut(&partition) {
                        reading.is_at_end = true;
                    }
                }
                Some(Err(error)) => {
                    if let Some(ended) = self.judge(error)? {
                        return Ok(ended);
                    }
                }
                None => {}
            }
            if let Some(error) = self.state().broken.take() {
                return Ok(Ended::Broken(error));
            }
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, Assignment> {
        self.consumer.client().context().state()
    }

    /// Carries out what the lane asks for; `false` when the lane has ended.
    fn obey(&mut self) -> bool {
        loop {
            match self.poller.commands.try_recv() {
                Ok(Command::Start(start)) => self.pending.push(start),
                Ok(Command::Hold { partitions, generation }) => self.hold(&partitions, generation),
                Ok(Command::Hint(reached)) => self.hint(&reached),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        for start in std::mem::take(&mut self.pending) {
            self.start(start);
        }
        true
    }

    fn hint(&self, reached: &[(i32, i64)]) {
        let ours: Vec<(i32, i64)> = {
            let state = self.state();
            reached.iter().copied().filter(|(partition, _)| state.assigned.contains(partition)).collect()
        };
        self.consumer.client().context().hint(self.consumer, &ours);
    }

    fn hold(&mut self, partitions: &[i32], generation: u64) {
        let is_meant = |partition: &i32, begun: u64| partitions.contains(partition) && begun <= generation;
        self.pending.retain(|start| !is_meant(&start.partition, start.generation));
        let ours: Vec<i32> = {
            let mut state = self.state();
            state.reading.retain(|partition, reading| !is_meant(partition, reading.generation));
            let is_held = |p: &i32| state.assigned.contains(p) && !state.reading.contains_key(p);
            partitions.iter().copied().filter(is_held).collect()
        };
        if !ours.is_empty()
            && let Err(error) = self.consumer.pause(&self.consumer.client().context().list(ours))
        {
            // Harmless: what still comes has no generation and is dropped.
            debug!(topic = &*self.poller.topic, %error, "could not pause");
        }
    }

    fn start(&mut self, start: Start) {
        if !self.state().assigned.contains(&start.partition) {
            return; // Taken away meanwhile.
        }
        if let Err(error) = self.seek_and_resume(start.partition, start.from()) {
            debug!(topic = &*self.poller.topic, partition = start.partition, %error, "seek will be tried again");
            self.pending.push(start);
            return;
        }
        self.state().reading.insert(start.partition, Reading::new(&start));
    }

    /// Seeks explicitly, always: where a resumed partition goes on by itself depends on what it had delivered.
    fn seek_and_resume(&self, partition: i32, offset: i64) -> Result<(), KafkaError> {
        self.consumer.seek(&self.poller.topic, partition, Offset::Offset(offset), ANSWER)?;
        if self.state().paused {
            return Ok(());
        }
        self.consumer.resume(&self.consumer.client().context().list([partition]))
    }

    /// Puts the record that found no room into the queue, and reads on when there is room again.
    fn make_room(&mut self) {
        if let Some(fetched) = self.held.take() {
            self.enqueue(fetched, Duration::ZERO);
        }
        if self.held.is_some() || !self.state().paused || !self.poller.queue.is_low() {
            return;
        }
        self.state().paused = false;
        let readings: Vec<(i32, Reading)> = self.state().reading.iter().map(|(p, r)| (*p, *r)).collect();
        for (partition, reading) in readings {
            self.state().reading.remove(&partition);
            self.start(reading.again(partition));
        }
    }

    /// Now and then asks the broker for what does not come by itself.
    fn look(&mut self) -> Result<(), ProjectorError> {
        if Instant::now() < self.next_look {
            return Ok(());
        }
        self.next_look = Instant::now() + LOOK;
        self.look_at_what_is_held();
        self.look_for_what_lies_before()?;
        self.look_whether_it_is_the_same()
    }

    /// Statistics tell the ends of partitions that are fetched; of the others, one at a time is asked for.
    fn look_at_what_is_held(&mut self) {
        let held: Vec<i32> = {
            let state = self.state();
            let is_read = |partition: &i32| state.reading.contains_key(partition) && !state.paused;
            state.assigned.iter().copied().filter(|partition| !is_read(partition)).collect()
        };
        let turn = self.turn % held.len().max(1);
        self.turn = self.turn.wrapping_add(1);
        let Some(partition) = held.get(turn) else { return };
        if let Ok((_, end)) = self.consumer.fetch_watermarks(&self.poller.topic, *partition, GLANCE) {
            self.poller.watermarks.set(*partition, end, Duration::ZERO);
        }
    }

    fn take(&mut self, message: &BorrowedMessage<'_>) -> Result<(), ProjectorError> {
        if !self.recognised(message)? {
            return Ok(());
        }
        let (partition, offset) = (message.partition(), message.offset());
        let generation = match self.state().reading.get_mut(&partition) {
            Some(reading) if offset >= reading.position => {
                reading.took(offset);
                reading.generation
            }
            _ => return Ok(()), // Held, or read before.
        };
        let record = owned(&self.poller.topic, message);
        self.enqueue(Fetched { generation, fetched_at: now(), record }, PATIENCE);
        Ok(())
    }

    fn enqueue(&mut self, fetched: Fetched, patience: Duration) {
        let Some(fetched) = self.poller.queue.push(fetched, patience) else { return };
        self.held = Some(fetched);
        let mut state = self.state();
        if !state.paused {
            state.paused = true;
            self.poller.metrics.pauses.inc();
            let assigned: Vec<i32> = state.assigned.iter().copied().collect();
            drop(state);
            if let Err(error) = self.consumer.pause(&self.consumer.client().context().list(assigned)) {
                self.state().broken = Some(error);
            }
        }
    }

    fn judge(&mut self, error: KafkaError) -> Result<Option<Ended>, ProjectorError> {
        match &error {
            KafkaError::MessageConsumptionFatal(_) => Ok(Some(Ended::Broken(error))),
            KafkaError::MessageConsumption(code) => match code {
                RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange => {
                    self.out_of_range(error)
                }
                RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::GroupAuthorizationFailed => {
                    Err(ProjectorError::Forbidden { topic: self.poller.topic.to_string(), source: error })
                }
                RDKafkaErrorCode::PollExceeded => Ok(Some(Ended::Broken(error))),
                _ => {
                    warn!(topic = &*self.poller.topic, %error, "waiting for Kafka");
                    Ok(None)
                }
            },
            _ => {
                info!(topic = &*self.poller.topic, %error, "waiting for Kafka");
                Ok(None)
            }
        }
    }

    /// An offset that is not in the topic: lost data, or another topic under the old name. Nobody but a person can
    /// say what to do.
    fn out_of_range(&mut self, error: KafkaError) -> Result<Option<Ended>, ProjectorError> {
        let readings: Vec<(i32, Reading)> = self.state().reading.iter().map(|(p, r)| (*p, *r)).collect();
        let mut goes_on = false;
        for (partition, reading) in readings {
            let Ok(ends) = self.consumer.fetch_watermarks(&self.poller.topic, partition, ANSWER) else {
                continue;
            };
            goes_on |= self.judge_offset(partition, &reading, ends)?;
        }
        // Else the broker thinks better of it by now; ask again from the start.
        Ok((!goes_on).then_some(Ended::Broken(error)))
    }
}

/// The record, copied, so that librdkafka's buffer is free again.
pub(crate) fn owned(topic: &Arc<str>, message: &BorrowedMessage<'_>) -> Record {
    let headers = message.headers();
    let headers = headers.map(|headers| (0..headers.count()).map(|index| header(headers, index)).collect());
    Record {
        topic: Arc::clone(topic),
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
    }
}

/// One header. rdkafka panics on a name that is not UTF-8; such a header must not kill the thread for ever.
fn header(headers: &BorrowedHeaders, index: usize) -> (&str, Option<&[u8]>) {
    let read = || headers.try_get(index).map(|header| (header.key, header.value));
    catch_unwind(AssertUnwindSafe(read)).ok().flatten().unwrap_or((UNREADABLE, None))
}

/// Stands for a header whose name is no text.
const UNREADABLE: &str = "\u{fffd}";
