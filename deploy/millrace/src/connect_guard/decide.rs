//! What follows from what was seen: a function of values.
//!
//! Two things are told apart. A task that failed is started again, because what it needs comes back more often than not.
//! A slot that is gone, lost or made anew is not got over by starting anything: events were committed that nobody will
//! be sent, so the connector is stopped, and stays stopped until the topics have what the store has.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// One look at everything.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Observation {
    /// What Connect says of the connector; an error: it does not answer.
    pub(super) connector: Result<Option<ConnectorSeen>, String>,
    /// What Postgres says; an error: it does not answer.
    pub(super) database: Result<DatabaseSeen, String>,
    /// The last count of events that the topics lack, if one has ended since the last look.
    pub(super) counted: Option<Counted>,
    /// What is still being done.
    pub(super) busy: Option<Busy>,
}

/// Work that takes longer than a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Busy {
    /// Events that the topics lack are counted.
    Counting,
    /// Slot, connector and topics are made whole.
    Repairing,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ConnectorSeen {
    /// Connector and all tasks run.
    pub(super) running: bool,
    /// An operator, or this guard, stopped it: it has no tasks.
    pub(super) stopped: bool,
    /// How many of connector and tasks gave up.
    pub(super) failed: usize,
    /// What the first of them said.
    pub(super) failure: Option<String>,
    /// Whether one of them said that the slot begins behind its place.
    pub(super) refuses_slot: bool,
    /// Up to where in the log it has delivered; `None`: nothing, or it forgot.
    pub(super) delivered: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct DatabaseSeen {
    pub(super) slot: Option<SlotSeen>,
    pub(super) heartbeat_age_s: f64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SlotSeen {
    pub(super) active: bool,
    pub(super) lost: bool,
    /// Up to where in the log its reader has everything, in bytes.
    pub(super) confirmed: u64,
    pub(super) retained_bytes: u64,
}

/// Events that the topics lacked at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) missing: u64,
    /// Whether the slot was whole and read when it began: then nothing that was missing can still arrive by itself, and
    /// nothing that is committed since can get lost.
    pub(super) while_running: bool,
}

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
    /// How long the slot may go unread, or not move, while the connector says that it runs.
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
    restarted_at: Option<Instant>,
    running_since: Option<Instant>,
    counted_at: Option<Instant>,
    repaired: bool,
    /// How far the slot was when it last moved, and when that was.
    moved: Option<(u64, Instant)>,
    read_at: Option<Instant>,
}

/// How a slot lost events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// There is none of its name.
    Gone,
    /// Postgres removed log that it needs.
    LogRemoved,
    /// It begins behind the place that Connect remembers: it was dropped and made again.
    MadeAgain,
}

/// What somebody should know as long as it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alarm {
    ConnectUnreachable,
    DatabaseUnreachable,
    ConnectorMissing,
    TaskFailed,
    BudgetSpent,
    SlotLost,
    SlotUnread,
    SlotStands,
    HeartbeatLate,
    LogRetained,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Tell that something begins to be wrong.
    Raise(Alarm, String),
    /// Tell that it no longer is.
    Clear(Alarm),
    /// Start failed parts anew; the number of it in a row.
    Restart(u32),
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
    take_in_count(seen, &mut memory);
    let loss = loss(seen, &mut memory);
    // A slot that is gone is made again sooner or later: still the same loss.
    memory.loss = memory.loss.or(loss);
    if seen.busy != Some(Busy::Repairing) {
        actions.extend(about_loss(seen, loss, &mut memory, now, policy));
        actions.extend(about_failure(seen, loss, &mut memory, now, policy));
    }
    let alarms = alarms(seen, &mut memory, now, policy);
    let begun = alarms.iter().filter(|(alarm, _)| !memory.alarms.contains_key(alarm));
    let over = memory.alarms.keys().filter(|alarm| !alarms.contains_key(alarm));
    let told = begun.map(|(alarm, text)| Action::Raise(*alarm, text.clone()));
    let told = told.chain(over.map(|alarm| Action::Clear(*alarm))).collect();
    memory.alarms = alarms;
    // What is wrong is told before something is done about it.
    (memory, [told, actions].concat())
}

/// A loss is over when the topics lack nothing although the connector goes on.
fn take_in_count(seen: &Observation, memory: &mut Memory) {
    let Some(Counted { missing, while_running }) = seen.counted else { return };
    memory.missing = Some(missing);
    if missing == 0 && while_running {
        memory.loss = None;
        memory.repaired = false;
        memory.counted_at = None;
    }
}

/// Whether the slot, as it is now, has lost something.
fn loss(seen: &Observation, memory: &mut Memory) -> Option<Loss> {
    let database = seen.database.as_ref().ok()?;
    let Some(slot) = &database.slot else { return Some(Loss::Gone) };
    if slot.lost {
        return Some(Loss::LogRemoved);
    }
    let connector = seen.connector.as_ref().ok().and_then(Option::as_ref)?;
    let gap = connector.delivered.is_some_and(|delivered| slot.confirmed > delivered);
    let seen_before = std::mem::replace(&mut memory.gap_seen, gap);
    ((gap && seen_before) || connector.refuses_slot).then_some(Loss::MadeAgain)
}

fn about_loss(
    seen: &Observation,
    loss: Option<Loss>,
    memory: &mut Memory,
    now: Instant,
    policy: &Policy,
) -> Option<Action> {
    memory.loss?;
    let connector = seen.connector.as_ref().ok()?.as_ref()?;
    if loss.is_some() && !connector.stopped {
        return Some(Action::Stop);
    }
    // Stopped, nothing is on its way any more; running again, somebody has mended the slot. In between it is moot.
    if seen.busy.is_some() || (!connector.stopped && !connector.running) {
        return None;
    }
    if policy.repair && connector.stopped && !memory.repaired {
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
    let connector = seen.connector.as_ref().ok()?.as_ref()?;
    if connector.running {
        let since = *memory.running_since.get_or_insert(now);
        if now - since >= policy.calm {
            memory.restarts = 0;
        }
        return None;
    }
    memory.running_since = None;
    // Without the database it would fail again, and whether the slot is whole cannot be told.
    let is_sound = seen.database.is_ok() && loss.is_none() && !memory.gap_seen;
    if connector.failed == 0 || !is_sound || memory.restarts >= policy.restarts_max {
        return None;
    }
    if memory.restarted_at.is_some_and(|at| now - at < policy.delay_after(memory.restarts)) {
        return None;
    }
    memory.restarted_at = Some(now);
    memory.restarts += 1;
    Some(Action::Restart(memory.restarts))
}

fn alarms(seen: &Observation, memory: &mut Memory, now: Instant, policy: &Policy) -> BTreeMap<Alarm, String> {
    let mut alarms = BTreeMap::new();
    let mut raise = |alarm, text: String| drop(alarms.insert(alarm, text));
    if let Some(loss) = memory.loss {
        raise(Alarm::SlotLost, loss.to_string());
    }
    let mut running = false;
    match &seen.connector {
        Err(error) => raise(Alarm::ConnectUnreachable, error.clone()),
        Ok(None) => raise(Alarm::ConnectorMissing, "Connect has no such connector".to_owned()),
        Ok(Some(connector)) => {
            running = connector.running;
            if connector.failed > 0 {
                raise(Alarm::TaskFailed, connector.failure.clone().unwrap_or_default());
            }
            if connector.failed > 0 && memory.restarts >= policy.restarts_max {
                raise(Alarm::BudgetSpent, format!("it failed again after {} restarts", memory.restarts));
            }
        }
    }
    let database = match &seen.database {
        Err(error) => {
            raise(Alarm::DatabaseUnreachable, error.clone());
            return alarms;
        }
        Ok(database) => database,
    };
    let Some(slot) = &database.slot else { return alarms };
    if slot.retained_bytes > policy.retained_bytes_max {
        raise(Alarm::LogRetained, format!("{} bytes of log are kept for the slot", slot.retained_bytes));
    }
    // A connector that does not run reads nothing, and that is told already.
    if slot.active || !running {
        memory.read_at = Some(now);
    }
    if memory.moved.is_none_or(|(confirmed, _)| confirmed != slot.confirmed) || !running {
        memory.moved = Some((slot.confirmed, now));
    }
    let read_at = *memory.read_at.get_or_insert(now);
    if now - read_at > policy.idle_max {
        raise(Alarm::SlotUnread, "the connector says that it runs, and nobody reads the slot".to_owned());
    }
    if memory.moved.is_some_and(|(_, at)| now - at > policy.idle_max) {
        raise(Alarm::SlotStands, "the connector says that it runs, and the slot does not move".to_owned());
    }
    // One that has just started may not have come to its first.
    let since = memory.running_since.map_or(0.0, |since| (now - since).as_secs_f64());
    if running && since > policy.heartbeat_s_max && database.heartbeat_age_s > policy.heartbeat_s_max {
        raise(Alarm::HeartbeatLate, format!("the last heartbeat is {:.0} s old", database.heartbeat_age_s));
    }
    alarms
}

impl Policy {
    /// How long to wait after that many restarts in a row.
    fn delay_after(&self, restarts: u32) -> Duration {
        let factor = 1_u32.checked_shl(restarts.saturating_sub(1)).unwrap_or(u32::MAX);
        self.restart_delay.saturating_mul(factor).min(self.restart_delay_max)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "the replication slot is gone",
            Self::LogRemoved => "Postgres removed log that the replication slot needs (wal_status lost)",
            Self::MadeAgain => "the replication slot was made again, behind the place that Connect remembers",
        })
    }
}

impl Alarm {
    pub(super) const ALL: [Self; 10] = [
        Self::ConnectUnreachable,
        Self::DatabaseUnreachable,
        Self::ConnectorMissing,
        Self::TaskFailed,
        Self::BudgetSpent,
        Self::SlotLost,
        Self::SlotUnread,
        Self::SlotStands,
        Self::HeartbeatLate,
        Self::LogRetained,
    ];

    /// Its name in metrics and logs.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ConnectUnreachable => "connect_unreachable",
            Self::DatabaseUnreachable => "database_unreachable",
            Self::ConnectorMissing => "connector_missing",
            Self::TaskFailed => "task_failed",
            Self::BudgetSpent => "budget_spent",
            Self::SlotLost => "slot_lost",
            Self::SlotUnread => "slot_unread",
            Self::SlotStands => "slot_stands",
            Self::HeartbeatLate => "heartbeat_late",
            Self::LogRetained => "log_retained",
        }
    }
}

#[cfg(test)]
mod tests;
