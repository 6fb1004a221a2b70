//! One worker: some of the lanes, each in order.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use event_store::StoredEvent;
use tokio::sync::mpsc;

use crate::reader::pauses;
use crate::{Batch, Config, Effect, Error, Failure};

/// A slice's share of one worker.
#[derive(Debug)]
pub(crate) struct Share {
    pub(crate) events: Vec<(u16, Vec<StoredEvent>)>,
    pub(crate) through: u64,
}

/// What could not be applied, by all workers: the first so many, and how many in all.
#[derive(Debug)]
pub(crate) struct Failures {
    max: usize,
    found: Mutex<(Vec<Failure>, u64)>,
}

impl Failures {
    pub(crate) fn at_most(max: usize) -> Self {
        Self { max, found: Mutex::default() }
    }

    /// Adds some; whether these are too many.
    fn add(&self, more: Vec<Failure>) -> bool {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let (kept, all) = &mut *found;
        *all += more.len() as u64;
        kept.extend(more.into_iter().take(self.max.saturating_sub(kept.len())));
        *all > self.max as u64
    }

    /// Those that were kept, by position, and how many there are.
    pub(crate) fn take(&self) -> (Vec<Failure>, u64) {
        let (mut kept, all) = std::mem::take(&mut *self.found.lock().unwrap_or_else(PoisonError::into_inner));
        kept.sort_by_key(|failure| failure.position);
        (kept, all)
    }
}

/// Works on its lanes until there is no more; `checkpoints` are those of its lanes.
pub(crate) async fn work<E: Effect>(
    effect: &E,
    mut checkpoints: HashMap<u16, u64>,
    config: &Config,
    failures: &Failures,
    mut shares: mpsc::Receiver<Share>,
) -> Result<(), Error<E::Error>> {
    let mut end = 0;
    while let Some(Share { events, through }) = shares.recv().await {
        for (lane, events) in events {
            step(effect, &mut checkpoints, config, failures, (lane, events, through)).await?;
        }
        let late = |after: &u64| through.saturating_sub(*after) >= config.remember_every;
        let quiet: Vec<u16> =
            checkpoints.iter().filter(|(_, after)| late(after)).map(|(lane, _)| *lane).collect();
        for lane in quiet {
            step(effect, &mut checkpoints, config, failures, (lane, vec![], through)).await?;
        }
        end = through;
    }
    let behind: Vec<u16> =
        checkpoints.iter().filter(|(_, after)| **after < end).map(|(lane, _)| *lane).collect();
    for lane in behind {
        step(effect, &mut checkpoints, config, failures, (lane, vec![], end)).await?;
    }
    Ok(())
}

/// Takes the effect of a lane's next events, those of them that it did not take in an earlier life.
async fn step<E: Effect>(
    effect: &E,
    checkpoints: &mut HashMap<u16, u64>,
    config: &Config,
    failures: &Failures,
    (lane, mut events, through): (u16, Vec<StoredEvent>, u64),
) -> Result<(), Error<E::Error>> {
    let after = checkpoints.get(&lane).copied().unwrap_or(0);
    if through <= after {
        return Ok(());
    }
    events.retain(|event| event.position > after);
    let batch = Batch { lane, events, after, through };
    let mut pauses = pauses(config.attempts_max);
    let failed = loop {
        match effect.apply(&batch).await {
            Ok(failed) => break failed,
            Err(source) => match pauses.next().filter(|_| E::is_transient(&source)) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(Error::Effect { lane, after, through, source }),
            },
        }
    };
    checkpoints.insert(lane, through);
    if failures.add(failed) {
        return Err(Error::TooManyFailures { max: config.failures_max });
    }
    Ok(())
}
