//! What follows from what was seen: a function of values.
//!
//! Two things are told apart. A task that failed is started again, because what it needs comes back more often than not.
//! A slot that is gone, lost or made anew is not got over by starting anything: events were committed that nobody will
//! be sent, so the connector is stopped, and stays stopped until the topics have what the store has.

mod alarm;
mod loss;
mod seen;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub(super) use self::alarm::Alarm;
pub(super) use self::loss::Loss;
pub(super) use self::seen::{Busy, ConnectorSeen, Counted, DatabaseSeen, Observation, SlotSeen};

/// When to do what.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    /// Restarts in a row before it gives up.
    pub(super) restarts_max: u32,
    /// Between the first two restarts; doubled for each further one.
    pub(super) restart_delay: Duration,
    /// Between restarts at most.
    pub(super) restart_delay_max: Duration,
    /// After running for so long a failure is a new one.
    pub(super) calm: Duration,
    pub(super) heartbeat_s_max: f64,
    pub(super) retained_bytes_max: u64,
    /// How long the slot may go unread, or not move, while the connector says that it runs; then its tasks are restarted.
    pub(super) idle_max: Duration,
    /// Between two counts of what is missing.
    pub(super) count_every: Duration,
    /// Whether what is missing is published again without being asked.
    pub(super) repair: bool,
}

/// What the guard remembers from look to look.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    /// The slot lost events, and the topics are not known to be whole again.
    pub(super) loss: Option<Loss>,
    /// Restarts since it last ran calmly.
    pub(super) restarts: u32,
    pub(super) alarms: BTreeMap<Alarm, String>,
    /// Events that the topics lacked when they were last counted.
    pub(super) missing: Option<u64>,
    /// One look may fall between two writes; a gap has to be there twice.
    gap_seen: bool,
    /// The row that the connector last failed of, and how far it had delivered then.
    stands_at: Option<(String, Option<u64>)>,
    restarted_at: Option<Instant>,
    running_since: Option<Instant>,
    counted_at: Option<Instant>,
    repaired: bool,
    /// How far the slot and what Connect remembers were when one of them last moved, and when that was.
    moved: Option<((u64, Option<u64>), Instant)>,
    read_at: Option<Instant>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Tell that something begins to be wrong.
    Raise(Alarm, String),
    /// Tell that it no longer is.
    Clear(Alarm),
    /// Start failed parts anew; the number of it in a row.
    Restart(u32),
    /// Start all parts anew, since none failed and none does anything; the number of it in a row.
    RestartAll(u32),
    Stop,
    /// Count the events that the topics lack.
    Count,
    /// Make the slot anew, let the connector go on and publish again what the topics lack.
    Repair,
}

/// What to do about what was seen, and what to remember.
pub(super) fn decide(
    seen: &Observation,
    mut memory: Memory,
    now: Instant,
    policy: &Policy,
) -> (Memory, Vec<Action>) {
    let mut actions = vec![];
    watch_slot(seen, &mut memory, now);
    watch_row(seen, &mut memory);
    loss::take_in_count(seen, &mut memory);
    let loss = loss::loss(seen, &mut memory);
    // A slot that is gone is made again sooner or later: still the same loss.
    memory.loss = memory.loss.or(loss);
    if seen.busy != Some(Busy::Repairing) {
        actions.extend(about_loss(seen, loss, &mut memory, now, policy));
        actions.extend(about_failure(seen, loss, &mut memory, now, policy));
    }
    let alarms = alarm::alarms(seen, &memory, now, policy);
    // Another row is other news; amounts and ages change all the time.
    let is_news = |(alarm, text): &(&Alarm, &String)| match memory.alarms.get(alarm) {
        None => true,
        Some(before) => **alarm == Alarm::RowStands && before != *text,
    };
    let begun = alarms.iter().filter(is_news);
    let over = memory.alarms.keys().filter(|alarm| !alarms.contains_key(alarm));
    let told = begun.map(|(alarm, text)| Action::Raise(*alarm, text.clone()));
    let told = told.chain(over.map(|alarm| Action::Clear(*alarm))).collect();
    memory.alarms = alarms;
    // What is wrong is told before something is done about it.
    (memory, [told, actions].concat())
}

fn about_loss(
    seen: &Observation,
    loss: Option<Loss>,
    memory: &mut Memory,
    now: Instant,
    policy: &Policy,
) -> Option<Action> {
    memory.loss?;
    let connector = seen.connector()?;
    if loss.is_some() && !connector.stopped {
        return Some(Action::Stop);
    }
    // Stopped, nothing is on its way any more; running again, somebody has mended the slot. In between it is moot.
    if seen.busy.is_some() || (!connector.stopped && !connector.running) {
        return None;
    }
    // A publication is its owner's to mend, and before that nothing helps.
    let can_be_repaired = connector.stopped && loss != Some(Loss::Unpublished);
    if policy.repair && can_be_repaired && !memory.repaired {
        memory.repaired = true;
        return Some(Action::Repair);
    }
    if memory.counted_at.is_some_and(|at| now - at < policy.count_every) {
        return None;
    }
    memory.counted_at = Some(now);
    Some(Action::Count)
}

fn about_failure(
    seen: &Observation,
    loss: Option<Loss>,
    memory: &mut Memory,
    now: Instant,
    policy: &Policy,
) -> Option<Action> {
    let needed = memory.needs_restart(seen, now, policy);
    let is_running = seen.connector()?.running;
    memory.running_since = is_running.then(|| memory.running_since.unwrap_or(now));
    if !needed {
        let calm_since = memory.running_since.max(memory.restarted_at);
        if is_running && calm_since.is_some_and(|since| now - since >= policy.calm) {
            memory.restarts = 0;
        }
        return None;
    }
    // Without the database it would fail again, and whether the slot is whole cannot be told.
    let is_sound = seen.database.is_ok() && loss.is_none() && !memory.gap_seen;
    if !is_sound || memory.restarts >= policy.restarts_max {
        return None;
    }
    // Tasks that run again are given as long to move the slot as the ones before.
    let delay =
        policy.delay_after(memory.restarts).max(if is_running { policy.idle_max } else { Duration::ZERO });
    if memory.restarted_at.is_some_and(|at| now - at < delay) {
        return None;
    }
    memory.restarted_at = Some(now);
    memory.restarts += 1;
    Some(if is_running { Action::RestartAll(memory.restarts) } else { Action::Restart(memory.restarts) })
}

/// Remembers when the slot was last seen to be read and to move. A connector that does not run reads nothing, and that is
/// told already.
fn watch_slot(seen: &Observation, memory: &mut Memory, now: Instant) {
    let connector = seen.connector().filter(|connector| connector.running);
    let (Some(connector), Some(slot)) = (connector, seen.slot()) else {
        (memory.read_at, memory.moved) = (None, None);
        return;
    };
    if slot.active || memory.read_at.is_none() {
        memory.read_at = Some(now);
    }
    // Within one large transaction only what Connect remembers moves.
    let place = (slot.confirmed, connector.delivered);
    if memory.moved.is_none_or(|(before, _)| before != place) {
        memory.moved = Some((place, now));
    }
}

/// A row is got over when something behind it is delivered, not by a task that was started anew and has not come to it.
fn watch_row(seen: &Observation, memory: &mut Memory) {
    let Some(connector) = seen.connector() else { return };
    match &connector.stands_at {
        Some(row) => memory.stands_at = Some((row.clone(), connector.delivered)),
        None => {
            memory.stands_at.take_if(|(_, delivered)| *delivered != connector.delivered);
        }
    }
}

impl Memory {
    /// Whether the connector says that it runs, and nobody has read the slot for too long.
    fn is_unread(&self, now: Instant, policy: &Policy) -> bool {
        self.read_at.is_some_and(|at| now - at > policy.idle_max)
    }

    /// Whether the connector says that it runs, and the slot has not moved for too long.
    fn stands(&self, now: Instant, policy: &Policy) -> bool {
        self.moved.is_some_and(|(_, at)| now - at > policy.idle_max)
    }

    /// Whether a part failed, or all say that they run and none does anything.
    fn needs_restart(&self, seen: &Observation, now: Instant, policy: &Policy) -> bool {
        let failed = seen.connector().is_some_and(|connector| connector.failed > 0);
        failed || self.is_unread(now, policy) || self.stands(now, policy)
    }
}

impl Policy {
    /// How long to wait after that many restarts in a row.
    fn delay_after(&self, restarts: u32) -> Duration {
        let factor = 1_u32.checked_shl(restarts.saturating_sub(1)).unwrap_or(u32::MAX);
        self.restart_delay.saturating_mul(factor).min(self.restart_delay_max)
    }
}

#[cfg(test)]
mod tests;
