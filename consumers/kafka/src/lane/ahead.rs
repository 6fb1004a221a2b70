//! What comes next is read while the sink is at work.

use events::DomainEvent;
use wire::Decoder;

use super::read::{Found, event_at_once};
use crate::queue::{Fetched, Queue};

/// Records between two looks whether the sink has answered.
const TURN: usize = 64;

/// A record as it was fetched, and what is in it if that was read already.
#[derive(Debug)]
pub(super) struct Incoming<E> {
    pub(super) fetched: Fetched,
    pub(super) found: Option<Found<E>>,
}

/// The records of the next flush, as far as they are here.
#[derive(Debug)]
pub(super) struct Ahead<E> {
    records: Vec<Incoming<E>>,
    bytes: usize,
    records_max: usize,
    bytes_max: usize,
}

impl<E: DomainEvent> Ahead<E> {
    /// Nothing was read; at most so much will be.
    pub(super) fn new(records_max: usize, bytes_max: usize) -> Self {
        Self { records: Vec::new(), bytes: 0, records_max: records_max.max(1), bytes_max }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Reads what comes until it is dropped.
    pub(super) async fn read(&mut self, queue: &Queue, decoder: &Decoder<E>) {
        while self.len() < self.records_max && self.bytes < self.bytes_max {
            queue.holds(1).await;
            for fetched in queue.take(TURN.min(self.records_max - self.len())) {
                self.bytes += fetched.record.weight();
                let found = event_at_once(decoder, &fetched.record);
                self.records.push(Incoming { fetched, found });
            }
            tokio::task::yield_now().await;
        }
    }

    /// What was read, and what is there beside.
    pub(super) fn take(&mut self, queue: &Queue) -> Vec<Incoming<E>> {
        let unread = |fetched| Incoming { fetched, found: None };
        let mut records = std::mem::take(&mut self.records);
        self.bytes = 0;
        records.extend(queue.take(self.records_max.saturating_sub(records.len())).into_iter().map(unread));
        records
    }
}

#[cfg(all(test, feature = "conformance"))]
mod tests {
    use std::time::Duration;

    use events::ExecutionEvent;
    use wire::{Registry, RegistryConfig};

    use super::*;
    use crate::conformance::History;
    use crate::record::Record;
    use crate::way::now;

    fn filled(count: i64) -> (Queue, Decoder<ExecutionEvent>) {
        let mut history = History::default();
        let queue = Queue::new(1_000, 1 << 20);
        for offset in 0..count {
            let record = Record { offset, ..history.started(0, "r") };
            assert!(
                queue.push(Fetched { generation: 1, fetched_at: now(), record }, Duration::ZERO).is_none()
            );
        }
        (queue, history.decoder())
    }

    async fn read(ahead: &mut Ahead<ExecutionEvent>, queue: &Queue, decoder: &Decoder<ExecutionEvent>) {
        drop(tokio::time::timeout(Duration::from_millis(50), ahead.read(queue, decoder)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn so_much_is_read_and_the_rest_comes_after_it() {
        let (queue, decoder) = filled(300);
        let mut ahead = Ahead::new(200, usize::MAX);
        read(&mut ahead, &queue, &decoder).await;
        assert_eq!(ahead.len(), 200);
        let taken = ahead.take(&queue);
        assert!(taken.iter().all(|incoming| matches!(incoming.found, Some(Ok(_)))));
        assert_eq!(ahead.take(&queue).len(), 100);
        assert!(ahead.take(&queue).is_empty());

        let (queue, decoder) = filled(300);
        let mut ahead = Ahead::new(200, 1);
        read(&mut ahead, &queue, &decoder).await;
        assert_eq!(ahead.len(), TURN);
        let offsets: Vec<i64> =
            ahead.take(&queue).iter().map(|incoming| incoming.fetched.record.offset).collect();
        assert_eq!(offsets, (0..200).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_whose_schema_is_not_here_is_left_for_later() {
        let (queue, _) = filled(1);
        let registry = Registry::new(&RegistryConfig::at("http://127.0.0.1:1".to_owned())).unwrap();
        let mut ahead = Ahead::new(10, usize::MAX);
        read(&mut ahead, &queue, &Decoder::new(registry)).await;
        assert!(ahead.take(&queue).remove(0).found.is_none());
    }
}
