//! One reader's way along the log.

use std::time::Duration;

use event_store::{EventLog, Filter, Slice, StoreError, Wakeups, Woken};

use crate::{Config, Metrics};

/// Between two tries of a read, at first and at most; twice as long each time.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// The log from one position on. Dropping a call of [`Subscription::next`] half-way loses nothing.
#[derive(Debug)]
pub struct Subscription<L> {
    log: L,
    wakeups: Wakeups,
    filter: Filter,
    config: Config,
    metrics: Metrics,
    /// Where the next slice begins.
    position: u64,
    /// Up to where the subscriber was given something to remember.
    delivered: u64,
    /// How far the log had settled at the last read; none: nothing was read yet.
    settled: Option<u64>,
    live: bool,
}

/// What a subscription has to say.
#[derive(Debug, Clone, PartialEq)]
pub enum Delivery {
    /// Events, or at least a position to remember.
    Slice(Slice),
    /// Everything that had settled was delivered; from here on events come as they are appended.
    CaughtUp {
        /// Up to here.
        position: u64,
    },
    /// The log grew faster than the subscriber worked; the next slices catch up.
    FellBehind {
        /// Where the subscriber is.
        position: u64,
        /// Where the log is.
        settled: u64,
    },
}

impl<L: EventLog> Subscription<L> {
    /// Follows the wanted events after a position; 0 is before the first.
    pub fn new(log: L, filter: Filter, after: u64, config: Config) -> Self {
        let wakeups = log.wakeups();
        Self {
            log,
            wakeups,
            filter,
            config,
            metrics: Metrics::default(),
            position: after,
            delivered: after,
            settled: None,
            live: false,
        }
    }

    /// The same, counting here.
    #[must_use]
    pub fn counted(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// What comes next; waits for it where need be.
    pub async fn next(&mut self) -> Result<Delivery, StoreError> {
        loop {
            if let Some(delivery) = self.turn() {
                return Ok(delivery);
            }
            if self.settled.is_some_and(|settled| self.position >= settled) {
                match self.wakeups.next(self.config.look_every).await {
                    Woken::Told => self.metrics.told.inc(),
                    Woken::Waited => self.metrics.waited.inc(),
                }
            }
            let slice = self.read().await?;
            self.settled = Some(slice.settled);
            self.position = slice.through;
            self.metrics.seen(&slice);
            if !slice.events.is_empty() || self.position - self.delivered >= self.config.remember_every {
                self.delivered = self.position;
                return Ok(Delivery::Slice(slice));
            }
        }
    }

    /// Whether the last read made it live, or no longer so.
    fn turn(&mut self) -> Option<Delivery> {
        let (position, settled) = (self.position, self.settled?);
        let behind = settled.saturating_sub(position);
        if !self.live && behind == 0 {
            self.live = true;
            return Some(Delivery::CaughtUp { position });
        }
        if self.live && behind > self.config.behind_max {
            self.live = false;
            return Some(Delivery::FellBehind { position, settled });
        }
        None
    }

    /// Reads, again and again while the store has trouble that may pass.
    async fn read(&self) -> Result<Slice, StoreError> {
        let (mut pause, mut attempt) = (BACK_OFF.0, 1);
        loop {
            match self.log.read(&self.filter, self.position, self.config.slice_events_max).await {
                Err(error) if error.is_transient() && attempt < self.config.attempts_max => {
                    self.metrics.retries.inc();
                    tokio::time::sleep(pause).await;
                    (pause, attempt) = ((pause * 2).min(BACK_OFF.1), attempt + 1);
                }
                answer => return answer,
            }
        }
    }
}
