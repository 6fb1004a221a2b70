//! What the poll thread and the lane say to each other.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use events::Timestamp;
use uuid::Uuid;

use crate::record::Fingerprint;
use crate::standing::End;

/// From the poll thread to the lane.
#[derive(Debug)]
pub(crate) enum Control {
    /// Kafka gave us partitions: claim them, and say where to start.
    Assigned { partitions: Vec<i32>, topic_id: Uuid, answer: Answer<Vec<Start>> },
    /// Kafka takes partitions away: stop at the batch boundary, and say how far the sink got.
    Revoked { partitions: Vec<i32>, answer: Answer<Vec<(i32, i64)>> },
    /// The client is dead: nothing is assigned any more.
    Forget { answer: Answer<()> },
}

/// From the lane to the poll thread.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    /// Read on from here; what was read before is not wanted any more.
    Start(Start),
    /// Read nothing of these partitions until told where to start. Stretches after `generation` are not meant: they
    /// began while this was on its way.
    Hold { partitions: Vec<i32>, generation: u64 },
    /// The sink's offsets, for Kafka's lag tools.
    Hint(Vec<(i32, i64)>),
}

/// Where a partition's stretch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) generation: u64,
    /// What lies before it, if the topic is the one that was read until now.
    pub(crate) before: Option<Fingerprint>,
}

impl Start {
    /// Where to read from: with the record before it, if that can be checked.
    pub(crate) fn from(&self) -> i64 {
        self.offset - i64::from(self.before.is_some())
    }
}

/// A place for one answer. Whoever waits gives up in the end; whoever answers learns of it.
#[derive(Debug)]
pub(crate) struct Answer<T>(Arc<(Mutex<Slot<T>>, Condvar)>);

#[derive(Debug)]
enum Slot<T> {
    Awaited,
    Given(Option<T>),
    Abandoned,
}

impl<T> Clone for Answer<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Answer<T> {
    pub(crate) fn new() -> Self {
        Self(Arc::new((Mutex::new(Slot::Awaited), Condvar::new())))
    }

    /// Answers (`None`: it cannot be done now); gives the answer back if nobody waits for it any more.
    pub(crate) fn give(&self, answer: Option<T>) -> Result<(), Option<T>> {
        let mut slot = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *slot {
            Slot::Awaited => {
                *slot = Slot::Given(answer);
                self.0.1.notify_one();
                Ok(())
            }
            Slot::Given(_) | Slot::Abandoned => Err(answer),
        }
    }

    /// Answers somebody who can do without.
    pub(crate) fn give_if_awaited(&self, answer: T) {
        self.give(Some(answer)).ok();
    }

    /// Whether somebody still waits.
    pub(crate) fn is_awaited(&self) -> bool {
        matches!(*self.0.0.lock().unwrap_or_else(PoisonError::into_inner), Slot::Awaited)
    }

    /// Waits for the answer on this thread, at most so long.
    pub(crate) fn wait(&self, patience: Duration) -> Option<T> {
        let give_up = Instant::now() + patience;
        let mut slot = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Slot::Given(answer) = &mut *slot {
                return answer.take();
            }
            let left = give_up.saturating_duration_since(Instant::now());
            if left.is_zero() {
                *slot = Slot::Abandoned;
                return None;
            }
            slot = self.0.1.wait_timeout(slot, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Signs of life, for the watchdog.
#[derive(Debug)]
pub(crate) struct Pulse {
    born: Instant,
    last_ms: AtomicU64,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self { born: Instant::now(), last_ms: AtomicU64::new(0) }
    }

    pub(crate) fn beat(&self) {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(now, Ordering::Relaxed);
    }

    pub(crate) fn silence(&self) -> Duration {
        self.born.elapsed().saturating_sub(Duration::from_millis(self.last_ms.load(Ordering::Relaxed)))
    }
}

/// The end of each partition as the broker last told: the last stable offset.
#[derive(Debug, Default)]
pub(crate) struct Watermarks(Mutex<HashMap<i32, End>>);

impl Watermarks {
    /// The broker said so that long ago.
    pub(crate) fn set(&self, partition: i32, offset: i64, ago: Duration) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seen = i64::try_from(now.saturating_sub(ago).as_micros()).unwrap_or(i64::MAX);
        let end = End { offset, seen_at: Timestamp::from_micros(seen) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(partition, end);
    }

    pub(crate) fn get(&self, partition: i32) -> Option<End> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&partition).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_comes_too_late_goes_back_to_who_gave_it() {
        let answer = Answer::new();
        assert_eq!(answer.wait(Duration::ZERO), None::<i32>);
        assert!(!answer.is_awaited());
        assert_eq!(answer.give(Some(7)), Err(Some(7)));
    }

    #[test]
    fn an_answer_in_time_reaches_who_waits() {
        let answer = Answer::new();
        let other = answer.clone();
        let waiting = std::thread::spawn(move || other.wait(Duration::from_secs(10)));
        assert_eq!(answer.give(Some(7)), Ok(()));
        assert_eq!(waiting.join().expect("no panic"), Some(7));
    }
}
