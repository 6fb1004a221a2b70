//! Reading a whole topic once, outside of any group: for proof and for people, never for views.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::broker::{BrokerConfig, Password};
use crate::poll::owned;
use crate::record::Record;

/// Reads topics from their beginning to where they end at that time. Blocks: call it off the async threads.
pub struct TopicReader {
    consumer: BaseConsumer,
}

impl std::fmt::Debug for TopicReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TopicReader").finish_non_exhaustive()
    }
}

/// A topic could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The client could not be made.
    #[error("cannot make a reader")]
    Client(#[source] KafkaError),
    /// The broker did not answer as it should.
    #[error("cannot {action} of topic {topic}")]
    Broker {
        /// What was asked.
        action: &'static str,
        /// Of which topic.
        topic: String,
        /// What librdkafka says.
        #[source]
        source: KafkaError,
    },
    /// There is no such topic.
    #[error("topic {0} does not exist, or this user may not see it")]
    NoTopic(String),
    /// No record came for too long although there are more.
    #[error(
        "topic {topic}, partition {partition}: no record for {waited:?}, {missing} are missing before offset {end}"
    )]
    Silent {
        /// The topic.
        topic: String,
        /// A partition that is not complete.
        partition: i32,
        /// Where it ends.
        end: i64,
        /// How many offsets are left.
        missing: i64,
        /// How long it was waited.
        waited: Duration,
    },
}

impl ReadError {
    /// What was asked of a topic, for what the broker says.
    fn broker(action: &'static str, topic: &str) -> impl Fn(KafkaError) -> Self {
        move |source| Self::Broker { action, topic: topic.to_owned(), source }
    }
}

/// First offset, and the one after the last, of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// The partition.
    pub partition: i32,
    /// Its first offset that is still there.
    pub low: i64,
    /// The offset that the next record will have.
    pub high: i64,
}

/// A partition that no longer begins where it began: its topic's retention took the first records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortened {
    /// The partition.
    pub partition: i32,
    /// When the first record that is left was written, in milliseconds since 1970; `None`: nothing is left.
    pub since_ms: Option<i64>,
}

const ANSWER_MAX: Duration = Duration::from_secs(10);
const SILENCE_MAX: Duration = Duration::from_secs(30);

impl TopicReader {
    /// A reader for this user; `group` names a consumer group that the user may use and that nothing is committed to.
    pub fn new(
        broker: &BrokerConfig,
        user: &str,
        password: Option<&Password>,
        group: &str,
    ) -> Result<Self, ReadError> {
        let consumer = broker
            .client(user, password)
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("isolation.level", "read_committed")
            .set("allow.auto.create.topics", "false")
            .set("queued.max.messages.kbytes", "16384")
            .create()
            .map_err(ReadError::Client)?;
        Ok(Self { consumer })
    }

    /// Where each partition begins and ends.
    pub fn watermarks(&self, topic: &str) -> Result<Vec<Watermarks>, ReadError> {
        let failed = ReadError::broker("fetch the watermarks", topic);
        let watermarks = |partition| {
            let (low, high) =
                self.consumer.fetch_watermarks(topic, partition, ANSWER_MAX).map_err(&failed)?;
            Ok(Watermarks { partition, low, high })
        };
        self.partitions(topic)?.into_iter().map(watermarks).collect()
    }

    fn partitions(&self, topic: &str) -> Result<Vec<i32>, ReadError> {
        let metadata = self.consumer.fetch_metadata(Some(topic), ANSWER_MAX);
        let metadata = metadata.map_err(ReadError::broker("list the partitions", topic))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
        let partitions = found.map(|found| found.partitions()).unwrap_or_default();
        let mut partitions: Vec<i32> = partitions.iter().map(|partition| partition.id()).collect();
        if partitions.is_empty() {
            return Err(ReadError::NoTopic(topic.to_owned()));
        }
        partitions.sort_unstable();
        Ok(partitions)
    }

    /// Hands every record to `each`, in the order of offsets within each partition, up to where the topic ends now. Answers
    /// where records were that are gone.
    pub fn read(&self, topic: &str, mut each: impl FnMut(Record)) -> Result<Vec<Shortened>, ReadError> {
        let mut stretches = Vec::new();
        let mut since: BTreeMap<i32, Option<i64>> = BTreeMap::new();
        for Watermarks { partition, low, high } in self.watermarks(topic)? {
            if low > 0 {
                since.insert(partition, None);
            }
            stretches.push((partition, low, high));
        }
        self.pass(topic, &stretches, |record| {
            if let Some(since @ None) = since.get_mut(&record.partition) {
                *since = record.timestamp_ms;
            }
            each(record);
            ControlFlow::Continue(())
        })?;
        Ok(since.into_iter().map(|(partition, since_ms)| Shortened { partition, since_ms }).collect())
    }

    /// Hands the records of one partition to `each` until it has enough: from the first that was written at a time or later
    /// (milliseconds since 1970) up to where the partition ends now.
    pub fn read_since(
        &self,
        topic: &str,
        partition: i32,
        since_ms: i64,
        each: impl FnMut(Record) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let failed = |action| ReadError::broker(action, topic);
        let mut asked = TopicPartitionList::new();
        asked
            .add_partition_offset(topic, partition, Offset::Offset(since_ms))
            .map_err(failed("name a partition"))?;
        let found = self.consumer.offsets_for_times(asked, ANSWER_MAX).map_err(failed("look for a time"))?;
        let Some(Offset::Offset(start)) = found.find_partition(topic, partition).map(|it| it.offset()) else {
            return Ok(()); // Nothing was written since.
        };
        let ends = self.consumer.fetch_watermarks(topic, partition, ANSWER_MAX);
        let (_, high) = ends.map_err(failed("fetch the watermarks"))?;
        self.pass(topic, &[(partition, start, high)], each)
    }

    /// Hands on what lies between two offsets of each partition.
    fn pass(
        &self,
        topic: &str,
        stretches: &[(i32, i64, i64)],
        mut each: impl FnMut(Record) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let failed = |action| ReadError::broker(action, topic);
        let name: Arc<str> = topic.into();
        let mut left = TopicPartitionList::new();
        let mut ends: HashMap<i32, i64> = HashMap::new();
        for (partition, start, end) in stretches.iter().filter(|(_, start, end)| start < end) {
            left.add_partition_offset(topic, *partition, Offset::Offset(*start))
                .map_err(failed("assign partitions"))?;
            ends.insert(*partition, *end);
        }
        self.consumer.assign(&left).map_err(failed("assign partitions"))?;
        let mut heard = Instant::now();
        while let Some((&partition, &end)) = ends.iter().next() {
            match self.consumer.poll(Duration::from_millis(200)) {
                Some(Ok(message)) => {
                    heard = Instant::now();
                    let record = owned(&name, &message);
                    if ends.get(&record.partition).is_some_and(|end| record.offset + 1 >= *end) {
                        ends.remove(&record.partition);
                    }
                    if each(record).is_break() {
                        break;
                    }
                }
                // Where a partition ends in offsets that hold no record, this is what tells.
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    ends.remove(&partition);
                }
                Some(Err(error)) if !is_passing(&error) => return Err(failed("read the records")(error)),
                Some(Err(_)) | None if heard.elapsed() > SILENCE_MAX => {
                    let missing = end - self.position(topic, partition).unwrap_or(0);
                    let topic = topic.to_owned();
                    return Err(ReadError::Silent {
                        topic,
                        partition,
                        end,
                        missing,
                        waited: heard.elapsed(),
                    });
                }
                Some(Err(_)) | None => {}
            }
        }
        self.consumer.unassign().map_err(failed("leave the partitions"))
    }

    /// How many records its group has behind it, by what is committed.
    pub fn committed(&self, topic: &str) -> Result<u64, ReadError> {
        let mut asked = TopicPartitionList::new();
        for partition in self.partitions(topic)? {
            asked.add_partition(topic, partition);
        }
        let found = self.consumer.committed_offsets(asked, ANSWER_MAX);
        let found = found.map_err(ReadError::broker("ask for the committed offsets", topic))?;
        let offsets = found.elements().into_iter().filter_map(|element| element.offset().to_raw());
        Ok(offsets.filter(|offset| *offset > 0).sum::<i64>().unsigned_abs())
    }

    fn position(&self, topic: &str, partition: i32) -> Option<i64> {
        let positions = self.consumer.position().ok()?;
        match positions.find_partition(topic, partition)?.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        }
    }
}

/// Whether librdkafka goes on by itself.
fn is_passing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::NotLeaderForPartition
        )
    )
}
