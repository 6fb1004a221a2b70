//! Whether the topic is still the one that was read: the last record that the sink has is read again when a stretch begins, and
//! must be what it was; and while it is read, its id stays what it was.

use std::cmp::Ordering;

use rdkafka::Offset;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::message::{BorrowedMessage, Message};
use tracing::{debug, info};

use super::{ANSWER, Client, GLANCE, owned};
use crate::handover::Reading;
use crate::projector::ProjectorError;

impl Client<'_> {
    /// Whether a record is to be taken. The first of a stretch may be the one before it, which is only compared.
    pub(super) fn recognised(&mut self, message: &BorrowedMessage<'_>) -> Result<bool, ProjectorError> {
        let partition = message.partition();
        let Some(reading) = self.state().reading.get(&partition).copied() else { return Ok(false) };
        let Some(before) = reading.before else { return Ok(true) };
        match message.offset().cmp(&(reading.position - 1)) {
            Ordering::Less => Ok(false),
            Ordering::Equal => {
                let topic_id = self.state().topic_id.unwrap_or_default();
                if owned(&self.poller.topic, message).fingerprint(topic_id) != before {
                    return Err(self.other_topic(partition, &reading));
                }
                if let Some(reading) = self.state().reading.get_mut(&partition) {
                    reading.before = None;
                }
                Ok(false)
            }
            // It is not there any more: begun anew where the stretch begins, or an error.
            Ordering::Greater => {
                match self.consumer.fetch_watermarks(&self.poller.topic, partition, GLANCE) {
                    Ok(ends) if self.judge_offset(partition, &reading, ends)? => Ok(false),
                    Ok(_) => Err(self.other_topic(partition, &reading)),
                    Err(_) => {
                        self.state().reading.remove(&partition);
                        self.pending.push(reading.again(partition));
                        Ok(false)
                    }
                }
            }
        }
    }

    /// Where a partition ends without the record before a stretch, there is a reason.
    pub(super) fn look_for_what_lies_before(&mut self) -> Result<(), ProjectorError> {
        let waiting: Vec<(i32, Reading)> = {
            let state = self.state();
            let readings =
                state.reading.iter().filter(|(_, reading)| reading.before.is_some() && reading.is_at_end);
            readings.map(|(partition, reading)| (*partition, *reading)).collect()
        };
        for (partition, reading) in waiting {
            let Ok(ends) = self.consumer.fetch_watermarks(&self.poller.topic, partition, GLANCE) else {
                break;
            };
            if !self.judge_offset(partition, &reading, ends)? {
                return Err(self.other_topic(partition, &reading));
            }
        }
        Ok(())
    }

    /// What the topic's first offset and its end say of where a stretch begins. Answers whether it was begun anew, without the
    /// record before it, because retention took just that.
    pub(super) fn judge_offset(
        &mut self,
        partition: i32,
        reading: &Reading,
        (first, end): (i64, i64),
    ) -> Result<bool, ProjectorError> {
        let offset = reading.position;
        if offset < first || offset > end {
            let topic = self.poller.topic.to_string();
            return Err(ProjectorError::OffsetGone { topic, partition, offset, first, end });
        }
        let is_gone = reading.before.is_some() && offset == first;
        if is_gone {
            info!(topic = &*self.poller.topic, partition, offset, "the record before is gone: not compared");
            if let Err(error) = self.assign_anew(partition, offset) {
                self.state().broken = Some(error);
            } else if let Some(reading) = self.state().reading.get_mut(&partition) {
                reading.before = None;
            }
        }
        Ok(is_gone)
    }

    /// After an offset that the broker does not have, librdkafka seeks no more.
    fn assign_anew(&self, partition: i32, offset: i64) -> KafkaResult<()> {
        let mut list = self.consumer.client().context().list([partition]);
        self.consumer.incremental_unassign(&list)?;
        list.set_partition_offset(&self.poller.topic, partition, Offset::Offset(offset))?;
        self.consumer.incremental_assign(&list)?;
        if self.state().paused { self.consumer.pause(&list) } else { Ok(()) }
    }

    /// A topic made anew while it is read would be read on from the same offset, whatever lies before it.
    pub(super) fn look_whether_it_is_the_same(&mut self) -> Result<(), ProjectorError> {
        let (Some(known), topic) = (self.state().topic_id, &self.poller.topic) else { return Ok(()) };
        match self.topic_id.look(ANSWER) {
            Some(Ok(found)) if found != known => {
                Err(ProjectorError::TopicMadeAnew { topic: topic.to_string() })
            }
            Some(Err(error)) => {
                debug!(topic = &**topic, %error, "cannot see whether it is the same topic");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn other_topic(&self, partition: i32, reading: &Reading) -> ProjectorError {
        let (topic, offset) = (self.poller.topic.to_string(), reading.position - 1);
        ProjectorError::OtherTopic { topic, partition, offset }
    }
}
