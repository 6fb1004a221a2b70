//! Reading ahead.

use std::time::Duration;

use event_store::{EventLog, Filter, Slice, StoreError};
use tokio::sync::mpsc;

use crate::Config;

/// Slices up to a position, read while the one before is worked on; ends early when nobody takes them any more.
pub(crate) async fn read_ahead<L: EventLog>(
    log: &L,
    filter: &Filter,
    (mut position, target): (u64, u64),
    config: &Config,
    slices: mpsc::Sender<Slice>,
) -> Result<(), (u64, StoreError)> {
    while position < target {
        let mut slice = read(log, filter, position, config).await.map_err(|error| (position, error))?;
        // What was appended since the replay began is for the next one.
        slice.events.retain(|event| event.position <= target);
        slice.through = slice.through.min(target);
        position = slice.through;
        if slices.send(slice).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// One slice; trouble that may pass is waited out.
pub(crate) async fn read<L: EventLog>(
    log: &L,
    filter: &Filter,
    position: u64,
    config: &Config,
) -> Result<Slice, StoreError> {
    let mut pauses = pauses(config.attempts_max);
    loop {
        match log.read(filter, position, config.slice_events_max).await {
            Err(error) if error.is_transient() => match pauses.next() {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(error),
            },
            answer => return answer,
        }
    }
}

/// The pauses between so many attempts: from 50 ms on, twice as long each time, 5 s at most.
pub(crate) fn pauses(attempts_max: u32) -> impl Iterator<Item = Duration> {
    let doubled = |pause: &Duration| Some((*pause * 2).min(Duration::from_secs(5)));
    std::iter::successors(Some(Duration::from_millis(50)), doubled)
        .take(attempts_max.saturating_sub(1) as usize)
}
