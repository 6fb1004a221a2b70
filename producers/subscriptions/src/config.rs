//! How a subscription reads.

use std::time::Duration;

/// How much at a time, how often, how patiently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Most events in one slice: what a subscriber must have room for.
    pub slice_events_max: u32,
    /// How long a live subscription waits to be told of appends before it looks by itself.
    pub look_every: Duration,
    /// Positions behind the log at which a live subscription says that it fell behind.
    pub behind_max: u64,
    /// Positions without a wanted event after which a slice without events is delivered, so that the subscriber
    /// can remember where it is. A subscription that began anew before that reads them again, and finds nothing again.
    pub remember_every: u64,
    /// How often a read is tried before its trouble is given to the caller; trouble that does not pass is given at once.
    pub attempts_max: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            slice_events_max: 1_000,
            look_every: Duration::from_millis(200),
            behind_max: 10_000,
            remember_every: 10_000,
            attempts_max: 60,
        }
    }
}
