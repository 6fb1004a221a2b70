//! What the guard shows.

use prometheus::{Gauge, IntCounter, IntGauge, IntGaugeVec, Opts, Registry};

use super::decide::{Alarm, Memory, Observation, Policy};

#[derive(Debug)]
pub(super) struct Metrics {
    task_failed: IntGauge,
    running: IntGauge,
    pub(super) restarts: IntCounter,
    budget_left: IntGauge,
    slot_active: IntGauge,
    slot_retained: IntGauge,
    slot_lost: IntGauge,
    heartbeat_age: Gauge,
    events_missing: IntGauge,
    alarm: IntGaugeVec,
    last_look: Gauge,
}

const NAMED: &str = "names and labels are constants that Prometheus takes";

impl Metrics {
    pub(super) fn new() -> Self {
        let opts = |name: &str, help: &str| Opts::new(format!("millrace_connect_guard_{name}"), help);
        let int = |name, help| IntGauge::with_opts(opts(name, help)).expect(NAMED);
        let float = |name, help| Gauge::with_opts(opts(name, help)).expect(NAMED);
        let metrics = Self {
            task_failed: int("task_failed", "Parts of the connector (itself and its tasks) that gave up"),
            running: int("running", "1 while the connector and all of its tasks run"),
            restarts: IntCounter::with_opts(opts(
                "restarts_total",
                "Times that failed parts were started anew",
            ))
            .expect(NAMED),
            budget_left: int(
                "budget_left",
                "Restarts left before the guard gives up until the connector ran calmly",
            ),
            slot_active: int("slot_active", "1 while somebody reads the replication slot"),
            slot_retained: int("slot_retained_bytes", "Log that is kept because of the slot"),
            slot_lost: int(
                "slot_lost",
                "1 from when the slot lost events until the topics are known to be whole",
            ),
            heartbeat_age: float("heartbeat_age_seconds", "Seconds since Debezium touched its heartbeat"),
            events_missing: int(
                "events_missing",
                "Events that the topics lacked when they were last counted after a loss; -1: not counted",
            ),
            alarm: IntGaugeVec::new(opts("alarm", "1 while this is wrong"), &["alarm"]).expect(NAMED),
            last_look: float("last_look_timestamp_seconds", "When the guard last looked"),
        };
        metrics.events_missing.set(-1);
        metrics
    }

    pub(super) fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        let ints = [
            &self.task_failed,
            &self.running,
            &self.budget_left,
            &self.slot_active,
            &self.slot_retained,
            &self.slot_lost,
            &self.events_missing,
        ];
        ints.into_iter().try_for_each(|gauge| registry.register(Box::new(gauge.clone())))?;
        registry.register(Box::new(self.restarts.clone()))?;
        registry.register(Box::new(self.heartbeat_age.clone()))?;
        registry.register(Box::new(self.alarm.clone()))?;
        registry.register(Box::new(self.last_look.clone()))
    }

    /// Shows what was seen and what came of it. What could not be seen keeps the value it had.
    pub(super) fn show(&self, seen: &Observation, memory: &Memory, policy: &Policy) {
        if let Ok(connector) = &seen.connector {
            let connector = connector.as_ref();
            self.task_failed.set(connector.map_or(0, |it| i64::try_from(it.failed).unwrap_or(i64::MAX)));
            self.running.set(connector.is_some_and(|it| it.running).into());
        }
        if let Ok(database) = &seen.database {
            let slot = database.slot.as_ref();
            let retained = slot.map_or(0, |slot| slot.retained_bytes);
            self.slot_active.set(slot.is_some_and(|slot| slot.active).into());
            self.slot_retained.set(i64::try_from(retained).unwrap_or(i64::MAX));
            self.heartbeat_age.set(database.heartbeat_age_s);
        }
        self.slot_lost.set(memory.loss.is_some().into());
        self.budget_left.set((policy.restarts_max - memory.restarts.min(policy.restarts_max)).into());
        let missing = memory.missing.map_or(-1, |missing| i64::try_from(missing).unwrap_or(i64::MAX));
        self.events_missing.set(missing);
        for alarm in Alarm::ALL {
            let is_raised = memory.alarms.contains_key(&alarm);
            self.alarm.with_label_values(&[alarm.name()]).set(is_raised.into());
        }
        self.last_look.set(chrono::Utc::now().timestamp_micros() as f64 / 1e6);
    }
}
