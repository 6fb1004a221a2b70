//! The id of a topic, which another topic of the same name does not have. rdkafka does not wrap the call; this is the C call of
//! librdkafka, and nothing else.
//!
//! Every object that C gives away is owned by a guard that gives it back; every object that C lends lives inside the event that
//! it came with, and is copied before the event goes.
#![expect(unsafe_code, reason = "rdkafka does not describe topics, and librdkafka is C")]

use std::ffi::{CString, c_char};
use std::time::Duration;

use rdkafka::bindings::*;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use uuid::Uuid;

/// Longest wait to learn whom to ask.
const WHOM: Duration = Duration::from_millis(500);

/// Questions for the id of one topic. Nil: the broker knows no ids.
pub(crate) struct TopicId<'c, C: ConsumerContext> {
    consumer: &'c BaseConsumer<C>,
    topic: CString,
    answers: Guard<rd_kafka_queue_t>,
    /// A broker that answers. Without one, librdkafka asks the controller, which may be away when all others are there.
    broker: Option<i32>,
    is_asked: bool,
}

impl<'c, C: ConsumerContext> TopicId<'c, C> {
    pub(crate) fn of(consumer: &'c BaseConsumer<C>, topic: &str) -> Self {
        let topic = CString::new(topic).unwrap_or_default();
        // SAFETY: the client is live while it is borrowed.
        let queue = unsafe { rd_kafka_queue_new(consumer.client().native_ptr()) };
        Self { consumer, topic, answers: Guard(queue, rd_kafka_queue_destroy), broker: None, is_asked: false }
    }

    /// Asks, and waits for the answer.
    pub(crate) fn ask(&mut self, patience: Duration) -> Result<Uuid, KafkaError> {
        self.send(patience)?;
        self.answer(patience).unwrap_or(Err(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut)))
    }

    /// Takes the answer to the last question if it has come, and asks again.
    pub(crate) fn look(&mut self, patience: Duration) -> Option<Result<Uuid, KafkaError>> {
        let answer = self.answer(Duration::ZERO);
        if matches!(answer, Some(Err(_))) {
            self.broker = None;
        }
        let asked = if self.is_asked { Ok(()) } else { self.send(patience) };
        answer.or_else(|| asked.err().map(Err))
    }

    /// Any broker that answers now; the one that did before, if there is one.
    fn broker(&mut self) -> Result<i32, KafkaError> {
        if let Some(broker) = self.broker {
            return Ok(broker);
        }
        let topic = self.topic.to_str().unwrap_or_default();
        let broker = self.consumer.fetch_metadata(Some(topic), WHOM)?.orig_broker_id();
        Ok(*self.broker.insert(broker))
    }

    fn send(&mut self, patience: Duration) -> Result<(), KafkaError> {
        let broker = self.broker()?;
        let operation = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let client = self.consumer.client().native_ptr();
        let mut topics = [self.topic.as_ptr()];
        let mut said: [c_char; 256] = [0; 256];
        // SAFETY: the client is live while it is borrowed; the buffer has its true length, the array its true count; what is
        // made here is owned by guards, and librdkafka copies its arguments before a call returns.
        unsafe {
            let options = Guard(rd_kafka_AdminOptions_new(client, operation), rd_kafka_AdminOptions_destroy);
            rd_kafka_AdminOptions_set_request_timeout(
                options.0,
                millis(patience),
                said.as_mut_ptr(),
                said.len(),
            );
            rd_kafka_AdminOptions_set_broker(options.0, broker, said.as_mut_ptr(), said.len());
            let topics = rd_kafka_TopicCollection_of_topic_names(topics.as_mut_ptr(), topics.len());
            let topics = Guard(topics, rd_kafka_TopicCollection_destroy);
            rd_kafka_DescribeTopics(client, topics.0, options.0, self.answers.0);
        }
        self.is_asked = true;
        Ok(())
    }

    fn answer(&mut self, patience: Duration) -> Option<Result<Uuid, KafkaError>> {
        // SAFETY: a live queue; the event it gives is owned by the guard.
        let event =
            Guard(unsafe { rd_kafka_queue_poll(self.answers.0, millis(patience)) }, rd_kafka_event_destroy);
        if event.0.is_null() {
            return None;
        }
        self.is_asked = false;
        let failed = |code: rd_kafka_resp_err_t| {
            (code != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR)
                .then(|| KafkaError::AdminOp(code.into()))
        };
        // SAFETY: the event is the answer to `send`; if it is no error, its result has one description for the one topic that
        // was asked about, which lives as long as the event.
        unsafe {
            if let Some(error) = failed(rd_kafka_event_error(event.0)) {
                return Some(Err(error));
            }
            let mut count = 0;
            let described = rd_kafka_DescribeTopics_result_topics(
                rd_kafka_event_DescribeTopics_result(event.0),
                &mut count,
            );
            if described.is_null() || count != 1 {
                return Some(Err(KafkaError::AdminOp(RDKafkaErrorCode::UnknownTopicOrPartition)));
            }
            if let Some(error) = failed(rd_kafka_error_code(rd_kafka_TopicDescription_error(*described))) {
                return Some(Err(error));
            }
            let id = rd_kafka_TopicDescription_topic_id(*described);
            let halves = [rd_kafka_Uuid_most_significant_bits(id), rd_kafka_Uuid_least_significant_bits(id)];
            let [high, low] = halves.map(i64::cast_unsigned);
            Some(Ok(Uuid::from_u64_pair(high, low)))
        }
    }
}

fn millis(patience: Duration) -> i32 {
    i32::try_from(patience.as_millis()).unwrap_or(i32::MAX)
}

/// What C made, and what gives it back.
struct Guard<T>(*mut T, unsafe extern "C" fn(*mut T));

impl<T> Drop for Guard<T> {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: made by C, given back once.
            unsafe { (self.1)(self.0) }
        }
    }
}
