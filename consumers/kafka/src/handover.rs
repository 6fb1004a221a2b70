//! What happens when Kafka gives and takes partitions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::statistics::{Partition, Statistics};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::mpsc;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::metrics::Metrics;
use crate::record::Fingerprint;
use crate::signals::{Answer, Control, Start, Watermarks};
use crate::topic_id::TopicId;

/// How long a rebalance callback waits for the sink; a poll must never be blocked for longer.
const CALLBACK: Duration = Duration::from_secs(2);

/// The consumer's context: claims in the sink before a partition is read, and makes exactly one checked call of
/// (incremental) assign or unassign per rebalance.
#[derive(Debug)]
pub(crate) struct Handover {
    pub(crate) topic: Arc<str>,
    pub(crate) lane: mpsc::UnboundedSender<Control>,
    pub(crate) watermarks: Arc<Watermarks>,
    pub(crate) metrics: Metrics,
    pub(crate) state: Mutex<Assignment>,
}

/// What the poll thread knows of its partitions.
#[derive(Debug, Default)]
pub(crate) struct Assignment {
    /// Where reading stands, for the partitions that are read. The others are assigned but held.
    pub(crate) reading: BTreeMap<i32, Reading>,
    /// The id of the topic that is read, once it is known.
    pub(crate) topic_id: Option<Uuid>,
    /// Everything Kafka has assigned.
    pub(crate) assigned: BTreeSet<i32>,
    /// All partitions are paused because the queue is full.
    pub(crate) paused: bool,
    /// The client is of no more use.
    pub(crate) broken: Option<KafkaError>,
}

/// How many statistics of a stretch may tell of the time before it: the end of a partition is only fetched while it is read.
const STALE_LOOKS: u32 = 2;

/// One stretch of reading.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) generation: u64,
    /// The next offset to hand to the lane.
    pub(crate) position: i64,
    /// What is to lie before it, until it was seen there.
    pub(crate) before: Option<Fingerprint>,
    /// Statistics since it began.
    pub(crate) looks: u32,
    /// Nothing came since the broker's last answer ended with the partition.
    pub(crate) is_at_end: bool,
    /// The end as of the last statistics, if nothing came up to there.
    end_seen: Option<i64>,
}

impl Reading {
    /// A stretch that begins.
    pub(crate) fn new(start: &Start) -> Self {
        let Start { generation, offset: position, before, .. } = *start;
        Self { generation, position, before, looks: 0, is_at_end: false, end_seen: None }
    }

    /// The same stretch, begun anew where it stands.
    pub(crate) fn again(&self, partition: i32) -> Start {
        Start { partition, offset: self.position, generation: self.generation, before: self.before }
    }

    /// A record was handed on.
    pub(crate) fn took(&mut self, offset: i64) {
        (self.position, self.is_at_end, self.end_seen) = (offset + 1, false, None);
    }

    /// Where the partition's records end. Its last offsets may hold none: the marks and the records of aborted transactions. So
    /// once everything up to its end was read, it ends behind the last record that came. Statistics do not say when they
    /// were taken; what two in a row say, a second apart, has reached us in between.
    fn end(&mut self, figures: &Partition) -> i64 {
        let all_read = self.is_at_end && figures.eof_offset == figures.ls_offset;
        let before = std::mem::replace(&mut self.end_seen, all_read.then_some(figures.ls_offset));
        if all_read && before == self.end_seen { self.position } else { figures.ls_offset }
    }
}

impl Handover {
    pub(crate) fn state(&self) -> MutexGuard<'_, Assignment> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn list(&self, partitions: impl IntoIterator<Item = i32>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&self.topic, partition);
        }
        list
    }

    fn assign(&self, consumer: &BaseConsumer<Self>, list: &mut TopicPartitionList) {
        let partitions = partitions(list);
        info!(topic = &*self.topic, ?partitions, "assigned");
        let starts = match self.topic_id(consumer) {
            Ok(topic_id) => self.claim(&partitions, topic_id),
            Err(error) => {
                warn!(topic = &*self.topic, %error, "which topic it is cannot be learned; the client is replaced");
                self.state().broken = Some(error);
                Vec::new()
            }
        };
        let held: Vec<i32> =
            partitions.iter().copied().filter(|p| !starts.iter().any(|s| s.partition == *p)).collect();
        let outcome = self.place(list, &starts, &held).and_then(|()| {
            if matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative) {
                consumer.incremental_assign(list)
            } else {
                consumer.assign(list)
            }
        });
        let mut state = self.state();
        state.assigned.extend(&partitions);
        for start in starts {
            state.reading.insert(start.partition, Reading::new(&start));
        }
        let idle: Vec<i32> = if state.paused { partitions } else { held };
        let outcome =
            outcome.and_then(|()| if idle.is_empty() { Ok(()) } else { consumer.pause(&self.list(idle)) });
        if let Err(error) = outcome {
            warn!(topic = &*self.topic, %error, "the assignment could not be taken; the client is replaced");
            state.broken = Some(error);
        }
    }

    /// The id of the topic that this client reads; of the first one, if it was made anew meanwhile.
    fn topic_id(&self, consumer: &BaseConsumer<Self>) -> KafkaResult<Uuid> {
        let known = self.state().topic_id;
        let topic_id = known.map_or_else(|| TopicId::of(consumer, &self.topic).ask(CALLBACK), Ok)?;
        self.state().topic_id = Some(topic_id);
        Ok(topic_id)
    }

    /// Asks the lane to claim; none of the partitions if that takes too long.
    fn claim(&self, partitions: &[i32], topic_id: Uuid) -> Vec<Start> {
        if partitions.is_empty() {
            return Vec::new();
        }
        let answer = Answer::new();
        let asked = Control::Assigned { partitions: partitions.to_vec(), topic_id, answer: answer.clone() };
        if self.lane.send(asked).is_err() {
            return Vec::new(); // The lane has ended, and the client will.
        }
        answer.wait(CALLBACK).unwrap_or_else(|| {
            warn!(topic = &*self.topic, ?partitions, "not claimed yet: held until the sink answers");
            Vec::new()
        })
    }

    fn place(&self, list: &mut TopicPartitionList, starts: &[Start], held: &[i32]) -> KafkaResult<()> {
        for start in starts {
            list.set_partition_offset(&self.topic, start.partition, Offset::Offset(start.from()))?;
        }
        // What is held is paused right away; a logical offset just keeps the client from asking for Kafka's own.
        held.iter().try_for_each(|p| list.set_partition_offset(&self.topic, *p, Offset::Beginning))
    }

    fn revoke(&self, consumer: &BaseConsumer<Self>, list: &TopicPartitionList) {
        let partitions = partitions(list);
        let lost = consumer.assignment_lost();
        info!(topic = &*self.topic, ?partitions, lost, "revoked");
        {
            let mut state = self.state();
            state.reading.retain(|partition, _| !partitions.contains(partition));
            state.assigned.retain(|partition| !partitions.contains(partition));
        }
        let answer = Answer::new();
        let asked = Control::Revoked { partitions, answer: answer.clone() };
        let reached = self.lane.send(asked).ok().and_then(|()| answer.wait(CALLBACK)).unwrap_or_default();
        if !lost {
            self.hint(consumer, &reached);
        }
        // librdkafka remembers what was paused even when it is given back later, and would then never read it.
        let unassign = || {
            if matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative) {
                consumer.incremental_unassign(list)
            } else {
                consumer.unassign()
            }
        };
        let outcome = consumer.resume(list).and_then(|()| unassign());
        if let Err(error) = outcome {
            warn!(topic = &*self.topic, %error, "the revocation could not be carried out; the client is replaced");
            self.state().broken = Some(error);
        }
    }

    /// Tells Kafka how far the sink got, for its lag tools. Nothing depends on it.
    pub(crate) fn hint(&self, consumer: &BaseConsumer<Self>, reached: &[(i32, i64)]) {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in reached {
            if let Err(error) = list.add_partition_offset(&self.topic, *partition, Offset::Offset(*offset)) {
                debug!(topic = &*self.topic, %error, "hint not written");
            }
        }
        if list.count() > 0
            && let Err(error) = consumer.commit(&list, CommitMode::Async)
        {
            debug!(topic = &*self.topic, %error, "hint not written");
        }
    }
}

impl ClientContext for Handover {
    /// Statistics can be invalid JSON in this librdkafka; then the next ones tell.
    fn stats_raw(&self, json: &[u8]) {
        let Ok(statistics) = serde_json::from_slice::<Statistics>(json) else { return };
        let Some(topic) = statistics.topics.get(&*self.topic) else { return };
        // The end is as old as the last answer of the partition's leader, and of what is not read there is no answer.
        let silence = |leader| {
            let leader = statistics.brokers.values().find(|broker| broker.nodeid == leader)?;
            u64::try_from(leader.rxidle).ok().map(Duration::from_micros) // negative: it never answered
        };
        let mut state = self.state();
        let is_paused = state.paused;
        for (partition, figures) in &topic.partitions {
            let Some(reading) = state.reading.get_mut(partition) else { continue };
            reading.looks = if is_paused { 0 } else { reading.looks.saturating_add(1) };
            let is_told = reading.looks > STALE_LOOKS && figures.ls_offset >= 0;
            if let Some(ago) = silence(figures.leader).filter(|_| is_told) {
                self.watermarks.set(*partition, reading.end(figures), ago);
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        warn!(topic = &*self.topic, %error, reason, "Kafka");
    }
}

impl ConsumerContext for Handover {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, list: &mut TopicPartitionList) {
        self.metrics.rebalances.inc();
        match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assign(consumer, list),
            _ => self.revoke(consumer, list),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        if let Err(error) = result {
            debug!(topic = &*self.topic, %error, "hint not written");
        }
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<i32> {
    list.elements().iter().map(|element| element.partition()).collect()
}
