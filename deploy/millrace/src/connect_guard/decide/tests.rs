//! Looks and what follows from them.

use std::time::{Duration, Instant};

use super::{
    Action, Alarm, Busy, ConnectorSeen, Counted, DatabaseSeen, Loss, Memory, Observation, Policy, SlotSeen,
    decide,
};

fn policy() -> Policy {
    Policy {
        restarts_max: 3,
        restart_delay: Duration::from_secs(5),
        restart_delay_max: Duration::from_secs(8),
        calm: Duration::from_secs(600),
        heartbeat_s_max: 30.0,
        retained_bytes_max: 1_000,
        idle_max: Duration::from_secs(60),
        count_every: Duration::from_secs(60),
        repair: false,
    }
}

/// All is well.
fn well() -> Observation {
    let connector = ConnectorSeen { running: true, delivered: Some(100), ..ConnectorSeen::default() };
    let slot = SlotSeen { active: true, confirmed: 100, retained_bytes: 10, ..SlotSeen::default() };
    Observation {
        connector: Ok(Some(connector)),
        database: Ok(DatabaseSeen { slot: Some(slot), heartbeat_age_s: 1.0, publication_flawed: false }),
        counted: None,
        busy: None,
    }
}

fn failed() -> Observation {
    let failure = Some("permission denied".to_owned());
    let connector = ConnectorSeen { failed: 1, failure, delivered: Some(100), ..ConnectorSeen::default() };
    Observation { connector: Ok(Some(connector)), ..well() }
}

fn stopped() -> Result<Option<ConnectorSeen>, String> {
    Ok(Some(ConnectorSeen { stopped: true, delivered: Some(100), ..ConnectorSeen::default() }))
}

fn slot(change: impl Fn(&mut SlotSeen)) -> Result<DatabaseSeen, String> {
    let mut database = well().database?;
    database.slot.iter_mut().for_each(change);
    Ok(database)
}

fn no_slot() -> Result<DatabaseSeen, String> {
    Ok(DatabaseSeen { slot: None, heartbeat_age_s: 1.0, publication_flawed: false })
}

/// A guard whose clock is set by hand.
struct Guarded {
    memory: Memory,
    begun: Instant,
    policy: Policy,
}

impl Guarded {
    fn new() -> Self {
        Self { memory: Memory::default(), begun: Instant::now(), policy: policy() }
    }

    /// What is done about a look at that second, alarms apart.
    fn does(&mut self, second: u64, seen: &Observation) -> Vec<Action> {
        let now = self.begun + Duration::from_secs(second);
        let (memory, actions) = decide(seen, std::mem::take(&mut self.memory), now, &self.policy);
        self.memory = memory;
        actions.into_iter().filter(|action| !matches!(action, Action::Raise(..) | Action::Clear(_))).collect()
    }

    fn alarms(&self) -> Vec<Alarm> {
        self.memory.alarms.keys().copied().collect()
    }
}

#[test]
fn where_all_is_well_nothing_is_done() {
    let mut guarded = Guarded::new();
    assert_eq!((guarded.does(0, &well()), guarded.alarms()), (vec![], vec![]));
}

#[test]
fn a_failed_task_is_restarted_at_once_then_ever_more_slowly_until_the_budget_is_spent() {
    let mut guarded = Guarded::new();
    let restarted: Vec<u64> = (0..60).filter(|second| !guarded.does(*second, &failed()).is_empty()).collect();
    assert_eq!(restarted, [0, 5, 13], "5 s, then 10 s cut to 8 s");
    assert_eq!(guarded.alarms(), [Alarm::TaskFailed, Alarm::BudgetSpent]);
}

#[test]
fn the_budget_is_refilled_by_calm_and_not_by_a_moment_of_running() {
    let mut guarded = Guarded::new();
    assert_eq!(guarded.does(0, &failed()), [Action::Restart(1)]);
    assert_eq!(guarded.does(1, &well()), []);
    assert_eq!(guarded.does(10, &failed()), [Action::Restart(2)]);
    assert_eq!(guarded.does(11, &well()), []);
    let moved = Observation { database: slot(|slot| slot.confirmed = 90), ..well() };
    assert_eq!(guarded.does(611, &moved), []);
    assert_eq!(guarded.does(612, &failed()), [Action::Restart(1)]);
}

#[test]
fn an_alarm_is_told_when_it_begins_and_when_it_ends() {
    let (begun, policy) = (Instant::now(), policy());
    let (memory, actions) = decide(&failed(), Memory::default(), begun, &policy);
    let raised = Action::Raise(Alarm::TaskFailed, "permission denied".to_owned());
    assert_eq!(actions, [raised, Action::Restart(1)]);
    let (memory, actions) = decide(&failed(), memory, begun, &policy);
    assert_eq!(actions, []);
    let (_, actions) = decide(&well(), memory, begun, &policy);
    assert_eq!(actions, [Action::Clear(Alarm::TaskFailed)]);
}

#[test]
fn a_row_that_cannot_pass_is_told_until_something_behind_it_is_delivered() {
    let mut guarded = Guarded::new();
    let at = |stands_at: Option<&str>, delivered| {
        let stands_at = stands_at.map(str::to_owned);
        let connector = ConnectorSeen { failed: 1, stands_at, delivered, ..ConnectorSeen::default() };
        Observation { connector: Ok(Some(connector)), ..well() }
    };
    guarded.does(0, &at(Some("event 7"), Some(100)));
    assert_eq!(guarded.memory.alarms[&Alarm::RowStands], "it cannot pass on event 7");
    guarded.does(1, &well());
    assert_eq!(guarded.alarms(), [Alarm::RowStands], "started anew, it has not come to the row yet");
    let next =
        decide(&at(Some("event 8"), Some(101)), guarded.memory.clone(), guarded.begun, &guarded.policy);
    assert!(
        next.1.contains(&Action::Raise(Alarm::RowStands, "it cannot pass on event 8".into())),
        "{:?}",
        next.1
    );
    guarded.does(2, &at(None, Some(101)));
    assert_eq!(guarded.alarms(), [Alarm::TaskFailed], "of something else");
}

#[test]
fn a_task_is_not_restarted_while_the_database_is_away() {
    let mut guarded = Guarded::new();
    let away = Observation { database: Err("no answer".into()), ..failed() };
    assert_eq!(guarded.does(0, &away), []);
    assert_eq!(guarded.alarms(), [Alarm::DatabaseUnreachable, Alarm::TaskFailed]);
    assert_eq!(guarded.does(1, &failed()), [Action::Restart(1)]);
}

#[test]
fn a_connector_that_an_operator_stopped_is_left_alone() {
    let mut guarded = Guarded::new();
    assert_eq!(guarded.does(0, &Observation { connector: stopped(), ..well() }), []);
    assert_eq!(guarded.alarms(), []);
}

#[test]
fn a_lost_slot_stops_the_connector_as_often_as_somebody_resumes_it() {
    for (database, loss) in [(no_slot(), Loss::Gone), (slot(|slot| slot.lost = true), Loss::LogRemoved)] {
        let mut guarded = Guarded::new();
        let running = Observation { database: database.clone(), ..well() };
        assert_eq!(guarded.does(0, &running), [Action::Stop]);
        assert_eq!((guarded.memory.loss, guarded.alarms()), (Some(loss), vec![Alarm::SlotLost]));
        let failing = Observation { database: database.clone(), ..failed() };
        assert_eq!(guarded.does(1, &failing), [Action::Stop], "it is not restarted");
        let held = Observation { database: database.clone(), connector: stopped(), ..well() };
        assert_eq!(guarded.does(2, &held), [Action::Count]);
        let counting = Observation { busy: Some(Busy::Counting), ..held };
        assert_eq!(guarded.does(3, &counting), []);
        assert_eq!(guarded.does(4, &Observation { busy: Some(Busy::Counting), ..running }), [Action::Stop]);
    }
}

#[test]
fn a_slot_that_was_made_again_between_two_looks_is_found_by_its_place() {
    let mut guarded = Guarded::new();
    let ahead = Observation { database: slot(|slot| slot.confirmed = 150), ..well() };
    assert_eq!(guarded.does(0, &ahead), [], "one look may fall between two writes");
    assert_eq!(guarded.does(1, &ahead), [Action::Stop]);
    assert_eq!(guarded.memory.loss, Some(Loss::MadeAgain));
}

#[test]
fn a_task_that_refuses_its_slot_is_not_restarted() {
    let mut guarded = Guarded::new();
    let refusing = ConnectorSeen { failed: 1, refuses_slot: true, ..ConnectorSeen::default() };
    assert_eq!(guarded.does(0, &Observation { connector: Ok(Some(refusing)), ..well() }), [Action::Stop]);
}

#[test]
fn a_loss_is_over_only_when_a_running_connectors_topics_lack_nothing() {
    let mut guarded = Guarded::new();
    guarded.does(0, &Observation { database: no_slot(), ..well() });
    let counted = |missing, while_running| Some(Counted { missing, while_running });
    let held = Observation { database: no_slot(), connector: stopped(), ..well() };
    assert_eq!(guarded.does(1, &held), [Action::Count]);
    guarded.does(2, &Observation { counted: counted(0, false), ..held });
    assert!(guarded.memory.loss.is_some(), "what is committed now is lost as well");
    // Made again by an operator, offsets forgotten, resumed.
    assert_eq!(guarded.does(61, &well()), [Action::Count]);
    guarded.does(62, &Observation { counted: counted(2, true), ..well() });
    assert_eq!((guarded.memory.loss, guarded.memory.missing), (Some(Loss::Gone), Some(2)));
    assert_eq!(guarded.alarms(), [Alarm::SlotLost]);
    assert_eq!(guarded.does(121, &well()), [Action::Count]);
    let moved = slot(|slot| slot.confirmed = 90);
    guarded.does(122, &Observation { counted: counted(0, true), database: moved, ..well() });
    assert_eq!((guarded.memory.loss, guarded.alarms()), (None, vec![]));
}

#[test]
fn a_loss_is_repaired_once_and_only_where_that_is_wanted() {
    let mut guarded = Guarded::new();
    guarded.policy.repair = true;
    assert_eq!(guarded.does(0, &Observation { database: no_slot(), ..well() }), [Action::Stop]);
    let held = Observation { database: no_slot(), connector: stopped(), ..well() };
    assert_eq!(guarded.does(1, &held), [Action::Repair]);
    let repairing = Observation { busy: Some(Busy::Repairing), database: no_slot(), ..well() };
    assert_eq!(guarded.does(2, &repairing), [], "the repair resumes it");
    assert_eq!(guarded.does(3, &held), [Action::Count], "it failed, and a person has to look");
}

#[test]
fn a_connector_that_runs_and_does_not_stream_is_told() {
    let mut guarded = Guarded::new();
    let idle = Observation { database: slot(|slot| slot.active = false), ..well() };
    guarded.does(0, &idle);
    assert_eq!(guarded.alarms(), []);
    guarded.does(61, &idle);
    assert_eq!(guarded.alarms(), [Alarm::SlotUnread, Alarm::SlotStands]);
    let moved = Observation { database: slot(|slot| slot.confirmed = 90), ..well() };
    guarded.does(62, &moved);
    assert_eq!(guarded.alarms(), []);
}

#[test]
fn a_connector_that_runs_and_does_nothing_is_restarted_until_the_budget_is_spent() {
    let mut guarded = Guarded::new();
    let restarts: Vec<_> = (0..400)
        .flat_map(|second| guarded.does(second, &well()).into_iter().map(move |it| (second, it)))
        .collect();
    assert_eq!(restarts, [61, 121, 181].map(|at| (at, Action::RestartAll((at / 60) as u32))));
    assert_eq!(guarded.alarms(), [Alarm::BudgetSpent, Alarm::SlotStands]);
    let moved = Observation { database: slot(|slot| slot.confirmed = 90), ..well() };
    assert_eq!((guarded.does(400, &moved), guarded.alarms()), (vec![], vec![]));
    assert_eq!(guarded.memory.restarts, 3, "a moment's work is no calm");
}

#[test]
fn a_large_transaction_is_work_and_a_database_that_was_away_no_idleness() {
    let mut guarded = Guarded::new();
    for second in 0..100 {
        let mut working = well();
        working.connector.iter_mut().flatten().for_each(|connector| connector.delivered = Some(second + 100));
        assert_eq!((guarded.does(second, &working), guarded.alarms()), (vec![], vec![]));
    }
    guarded.does(100, &Observation { database: Err("no answer".into()), ..well() });
    assert_eq!((guarded.does(300, &well()), guarded.alarms()), (vec![], vec![]));
}

#[test]
fn an_altered_publication_is_a_loss_and_repaired_only_after_its_owner_has_mended_it() {
    let mut guarded = Guarded::new();
    guarded.policy.repair = true;
    let flawed = || well().database.map(|seen| DatabaseSeen { publication_flawed: true, ..seen });
    assert_eq!(guarded.does(0, &Observation { database: flawed(), ..well() }), [Action::Stop]);
    assert_eq!(guarded.memory.loss, Some(Loss::Unpublished));
    let held = Observation { database: flawed(), connector: stopped(), ..well() };
    assert_eq!(guarded.does(1, &held), [Action::Count]);
    assert_eq!(guarded.does(2, &Observation { connector: stopped(), ..well() }), [Action::Repair]);
}

#[test]
fn late_heartbeats_and_kept_log_are_told() {
    let mut guarded = Guarded::new();
    let mut late = well();
    late.database =
        slot(|slot| slot.retained_bytes = 2_000).map(|seen| DatabaseSeen { heartbeat_age_s: 31.0, ..seen });
    guarded.does(0, &late);
    assert_eq!(guarded.alarms(), [Alarm::LogRetained], "it may not have come to its first heartbeat");
    guarded.does(31, &late);
    assert_eq!(guarded.alarms(), [Alarm::HeartbeatLate, Alarm::LogRetained]);
}

#[test]
fn a_worker_that_is_away_is_told_and_nothing_is_concluded() {
    let mut guarded = Guarded::new();
    guarded.does(0, &Observation { connector: Err("refused".into()), ..well() });
    assert_eq!(guarded.alarms(), [Alarm::ConnectUnreachable]);
    guarded.does(1, &Observation { connector: Ok(None), ..well() });
    assert_eq!(guarded.alarms(), [Alarm::ConnectorMissing]);
}
