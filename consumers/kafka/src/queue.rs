//! The bounded queue between the poll thread and the lane.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use events::Timestamp;
use tokio::sync::Notify;

use crate::record::Record;

/// A record, and the stretch of ownership in which it was read: after a rewind or a hand-over the lane must not take
/// records of an earlier stretch for new ones.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) generation: u64,
    pub(crate) fetched_at: Timestamp,
    pub(crate) record: Record,
}

/// Bounded by count and by bytes. The thread waits for room with a limit; the lane waits for records.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    room: Condvar,
    arrived: Notify,
    records_max: usize,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    records: VecDeque<Fetched>,
    bytes: usize,
}

impl Queue {
    pub(crate) fn new(records_max: usize, bytes_max: usize) -> Self {
        Self {
            state: Mutex::default(),
            room: Condvar::new(),
            arrived: Notify::new(),
            records_max: records_max.max(1),
            bytes_max,
        }
    }

    /// Puts the record in, waiting at most `patience` for room; gives it back if there is none.
    pub(crate) fn push(&self, fetched: Fetched, patience: Duration) -> Option<Fetched> {
        let give_up = Instant::now() + patience;
        let mut state = self.state();
        while self.is_full(&state) {
            let left = give_up.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Some(fetched);
            }
            state = self.room.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.bytes += fetched.record.weight();
        state.records.push_back(fetched);
        drop(state);
        self.arrived.notify_one();
        None
    }

    /// Takes at most `max` records.
    pub(crate) fn take(&self, max: usize) -> Vec<Fetched> {
        let mut state = self.state();
        let count = state.records.len().min(max);
        let taken: Vec<Fetched> = state.records.drain(..count).collect();
        let weight: usize = taken.iter().map(|fetched| fetched.record.weight()).sum();
        state.bytes = state.bytes.saturating_sub(weight);
        drop(state);
        self.room.notify_one();
        taken
    }

    /// Waits until at least `count` records are there, or the queue is full.
    pub(crate) async fn holds(&self, count: usize) {
        loop {
            let arrived = self.arrived.notified();
            {
                let state = self.state();
                if state.records.len() >= count || (self.is_full(&state) && count > 0) {
                    return;
                }
            }
            arrived.await;
        }
    }

    /// Whether less than half of it is in use.
    pub(crate) fn is_low(&self) -> bool {
        let state = self.state();
        state.records.len() < self.records_max.div_ceil(2) && state.bytes <= self.bytes_max / 2
    }

    fn is_full(&self, state: &State) -> bool {
        // One record is always let in, however large: the bound may not stop the stream.
        state.records.len() >= self.records_max || (state.bytes > self.bytes_max && !state.records.is_empty())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::Headers;

    fn fetched(offset: i64, bytes: usize) -> Fetched {
        let payload = Some(vec![0; bytes]);
        let record = Record {
            topic: "t".into(),
            partition: 0,
            offset,
            timestamp_ms: None,
            key: None,
            payload,
            headers: Headers::default(),
        };
        Fetched { generation: 1, fetched_at: Timestamp::from_micros(0), record }
    }

    #[test]
    fn a_full_queue_gives_the_record_back_and_takes_it_when_there_is_room() {
        let queue = Queue::new(2, 1 << 20);
        assert!(queue.push(fetched(0, 1), Duration::ZERO).is_none());
        assert!(queue.push(fetched(1, 1), Duration::ZERO).is_none());
        let back = queue.push(fetched(2, 1), Duration::ZERO).expect("no room");
        assert!(!queue.is_low());
        assert_eq!(queue.take(1)[0].record.offset, 0);
        assert!(queue.push(back, Duration::ZERO).is_none());
        let offsets: Vec<i64> = queue.take(10).iter().map(|f| f.record.offset).collect();
        assert_eq!(offsets, [1, 2]);
        assert!(queue.is_low());
    }

    #[test]
    fn bytes_are_bounded_but_one_huge_record_passes() {
        let queue = Queue::new(100, 1_000);
        assert!(queue.push(fetched(0, 1_000_000), Duration::ZERO).is_none());
        assert!(queue.push(fetched(1, 1), Duration::ZERO).is_some());
        assert_eq!(queue.take(100).len(), 1);
        assert!(queue.push(fetched(1, 1), Duration::ZERO).is_none());
    }
}
