//! What somebody should know.

use std::collections::BTreeMap;
use std::time::Instant;

use super::{DatabaseSeen, Memory, Observation, Policy};

/// What somebody should know as long as it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::connect_guard) enum Alarm {
    ConnectUnreachable,
    DatabaseUnreachable,
    ConnectorMissing,
    TaskFailed,
    RowStands,
    BudgetSpent,
    SlotLost,
    SlotUnread,
    SlotStands,
    HeartbeatLate,
    LogRetained,
}

pub(super) fn alarms(
    seen: &Observation,
    memory: &Memory,
    now: Instant,
    policy: &Policy,
) -> BTreeMap<Alarm, String> {
    let mut alarms = BTreeMap::new();
    let mut raise = |alarm, text: String| drop(alarms.insert(alarm, text));
    if let Some(loss) = memory.loss {
        raise(Alarm::SlotLost, loss.to_string());
    }
    match &seen.connector {
        Err(error) => raise(Alarm::ConnectUnreachable, error.clone()),
        Ok(None) => raise(Alarm::ConnectorMissing, "Connect has no such connector".to_owned()),
        Ok(Some(connector)) if connector.failed > 0 => {
            raise(Alarm::TaskFailed, connector.failure.clone().unwrap_or_default());
        }
        Ok(Some(_)) => {}
    }
    if let Some((row, _)) = &memory.stands_at {
        raise(Alarm::RowStands, format!("it cannot pass on {row}"));
    }
    if let Err(error) = &seen.database {
        raise(Alarm::DatabaseUnreachable, error.clone());
    }
    if memory.restarts >= policy.restarts_max && memory.needs_restart(seen, now, policy) {
        raise(Alarm::BudgetSpent, format!("it is no better after {} restarts", memory.restarts));
    }
    if let Some(slot) = seen.slot().filter(|slot| slot.retained_bytes > policy.retained_bytes_max) {
        raise(Alarm::LogRetained, format!("{} bytes of log are kept for the slot", slot.retained_bytes));
    }
    if memory.is_unread(now, policy) {
        raise(Alarm::SlotUnread, "the connector says that it runs, and nobody reads the slot".to_owned());
    }
    if memory.stands(now, policy) {
        raise(Alarm::SlotStands, "the connector says that it runs, and the slot does not move".to_owned());
    }
    // One that has just started may not have come to its first.
    let ran_s = memory.running_since.map_or(0.0, |since| (now - since).as_secs_f64());
    let late = |database: &&DatabaseSeen| database.heartbeat_age_s > policy.heartbeat_s_max;
    if let Some(database) = seen.database.as_ref().ok().filter(late)
        && ran_s > policy.heartbeat_s_max
    {
        raise(Alarm::HeartbeatLate, format!("the last heartbeat is {:.0} s old", database.heartbeat_age_s));
    }
    alarms
}

impl Alarm {
    pub(in crate::connect_guard) const ALL: [Self; 11] = [
        Self::ConnectUnreachable,
        Self::DatabaseUnreachable,
        Self::ConnectorMissing,
        Self::TaskFailed,
        Self::RowStands,
        Self::BudgetSpent,
        Self::SlotLost,
        Self::SlotUnread,
        Self::SlotStands,
        Self::HeartbeatLate,
        Self::LogRetained,
    ];

    /// Its name in metrics and logs.
    pub(in crate::connect_guard) const fn name(self) -> &'static str {
        match self {
            Self::ConnectUnreachable => "connect_unreachable",
            Self::DatabaseUnreachable => "database_unreachable",
            Self::ConnectorMissing => "connector_missing",
            Self::TaskFailed => "task_failed",
            Self::RowStands => "row_stands",
            Self::BudgetSpent => "budget_spent",
            Self::SlotLost => "slot_lost",
            Self::SlotUnread => "slot_unread",
            Self::SlotStands => "slot_stands",
            Self::HeartbeatLate => "heartbeat_late",
            Self::LogRetained => "log_retained",
        }
    }
}
