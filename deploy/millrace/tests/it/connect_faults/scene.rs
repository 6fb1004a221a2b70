use std::time::{Duration, Instant};

use events::{AggregateId, DomainEvent, ExecutionEvent, PromptEvent, TenantId};
use local::Component;
use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

use super::broker::SmallDisk;
use crate::harness::{
    Load, OwnStack, PATIENCE, Role, World, append_withdrawal, eventually, new_event_id, tenant,
};

/// Less patient than by default, so that the test is short; the table says so.
const GUARD: [(&str, &str); 4] = [
    ("MILLRACE_GUARD_RESTART_DELAY_MS", "500"),
    ("MILLRACE_GUARD_COUNT_S", "2"),
    ("MILLRACE_GUARD_RETAINED_BYTES_MAX", "50331648"),
    ("MILLRACE_GUARD_REPAIR", "true"),
];

/// A stack, its guard, and a tenant whose events must not get lost.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) guard: Role,
    pub(super) tenant: TenantId,
    /// Goes when the broker needs it no more, and before the folder goes that it is mounted on.
    pub(super) disk: Option<SmallDisk>,
    _own: OwnStack,
}

/// One fault, and when it began.
pub(super) struct Fault {
    name: &'static str,
    begun: Instant,
    alarms: Vec<(String, Duration)>,
    mended: Option<Instant>,
}

impl Scene {
    pub(super) async fn set(name: &str, idle_s: &str) -> Self {
        let own = OwnStack::raise(name).await;
        let world = own.world.clone();
        let guard = Role::start(
            &world,
            "connect-guard",
            &[&GUARD[..], &[("MILLRACE_GUARD_IDLE_S", idle_s)]].concat(),
        );
        let scene = Self { world, guard, tenant: tenant(name), disk: None, _own: own };
        append_withdrawal::<ExecutionEvent>(
            &scene.world,
            &scene.tenant,
            AggregateId(Uuid::now_v7()),
            new_event_id(),
        )
        .await;
        scene.is_well().await;
        scene
    }

    pub(super) async fn load(&self) -> Load {
        let (before, load) =
            (self.world.appended(&self.tenant).await, Load::on(&self.world, &self.tenant).await);
        eventually("events are appended", PATIENCE, async || {
            self.world.appended(&self.tenant).await > before + 20
        })
        .await;
        load
    }

    /// Appends for a moment while nothing is delivered.
    pub(super) async fn append_some(&self) {
        self.load().await.ended().await;
    }

    /// Ends and starts what is down, and nothing else.
    pub(super) async fn start(&self, component: Component) {
        self.world.stack.raise(&local::RaiseArgs::default()).await.unwrap().only(&[component]).await.unwrap();
    }

    pub(super) async fn kill(&self, component: Component) {
        self.world.kill(component, self.world.pid(component).await).await;
    }

    pub(super) async fn sql(&self, statement: &'static str) {
        self.world.superuser().await.execute(statement).await.unwrap();
    }

    /// Writes to a table of somebody else, in another database.
    pub(super) async fn others_write(&self, megabytes: u32) {
        let mut others = self.world.postgres("MILLRACE_POSTGRES_SUPERUSER_URL").await;
        others.execute("create table if not exists noise (text text)").await.unwrap();
        let insert =
            format!("insert into noise select repeat('x', 1000) from generate_series(1, {megabytes} * 1000)");
        others.execute(sqlx::raw_sql(AssertSqlSafe(insert))).await.unwrap();
        others.execute("truncate noise").await.unwrap();
    }

    /// The guard sees nothing wrong.
    pub(super) async fn is_well(&self) {
        eventually("the guard sees nothing wrong", PATIENCE, async || {
            self.guard.metric("millrace_connect_guard_alarm").await == Some(0.0)
                && self.guard.metric("millrace_connect_guard_running").await == Some(1.0)
                && self.guard.metric("millrace_connect_guard_slot_active").await == Some(1.0)
        })
        .await;
    }

    /// An event that is appended now arrives.
    pub(super) async fn arrives(&self) {
        let id = new_event_id();
        append_withdrawal::<PromptEvent>(&self.world, &self.tenant, AggregateId(Uuid::now_v7()), id).await;
        eventually("an event that is appended now arrives", PATIENCE * 2, async || {
            let records = self.world.records(PromptEvent::TOPIC).await;
            records.iter().any(|record| record.header("ce_id") == Some(id.0.to_string().as_bytes()))
        })
        .await;
    }

    /// Log that is kept for the slot.
    pub(super) async fn retained_bytes(&self) -> i64 {
        let retained =
            "select coalesce(pg_current_wal_lsn() - restart_lsn, 0)::bigint from pg_replication_slots";
        sqlx::query_scalar(retained).fetch_one(&mut self.world.superuser().await).await.unwrap()
    }

    /// The port from which the slot is read, if it is.
    pub(super) async fn slot_readers_port(&self) -> Option<i32> {
        let port = "select client_port from pg_stat_replication r join pg_replication_slots s on s.active_pid = r.pid";
        sqlx::query_scalar(port).fetch_optional(&mut self.world.superuser().await).await.unwrap()
    }

    /// Records of the tenant in the topic that were there already.
    pub(super) async fn duplicates(&self) -> u64 {
        let records = self.world.records(ExecutionEvent::TOPIC).await;
        let tenant = Some(self.tenant.as_str().as_bytes());
        let all = records.iter().filter(|record| record.header("tenant") == tenant).count() as u64;
        all - self.world.in_topic(&self.tenant).await
    }

    /// The oracle: every event of the store is in its topic.
    pub(super) async fn assert_nothing_is_missing(&self) {
        let (world, tenant) = (&self.world, &self.tenant);
        let stored = world.appended(tenant).await;
        assert!(stored > 0);
        eventually(&format!("{stored} events are in the topics"), PATIENCE, async || {
            world.in_topic(tenant).await + world.in_topic_of::<PromptEvent>(tenant).await == stored
        })
        .await;
    }

    /// The guard is well to the end, and the program finds nothing missing either.
    pub(super) async fn ends(mut self) {
        self.world.program.done(&["reconcile", "store-to-topic", "--dry-run"]).await;
        self.guard.assert_alive();
        self.guard.stop().await;
    }
}

impl Fault {
    pub(super) fn begins(name: &'static str) -> Self {
        eprintln!("-- {name}");
        Self { name, begun: Instant::now(), alarms: vec![], mended: None }
    }

    /// The guard has to raise it.
    pub(super) async fn raises(&mut self, scene: &Scene, alarm: &str) {
        scene.guard.raises(alarm).await;
        self.alarms.push((alarm.to_owned(), self.begun.elapsed()));
    }

    /// Somebody has done what is theirs to do; from now on it has to become whole by itself.
    pub(super) fn is_mended(&mut self) {
        self.mended = Some(Instant::now());
    }

    /// An event that is appended now arrives, nothing is wrong any more, and nothing is missing.
    pub(super) async fn ends(self, scene: &Scene) {
        let mended = self.mended.unwrap_or(self.begun);
        scene.arrives().await;
        let flows = mended.elapsed().as_secs_f64();
        scene.is_well().await;
        scene.assert_nothing_is_missing().await;
        let whole = mended.elapsed().as_secs_f64();
        let alarms =
            self.alarms.iter().map(|(alarm, after)| format!("`{alarm}` {:.1} s", after.as_secs_f64()));
        let alarms = alarms.collect::<Vec<_>>().join(", ");
        eprintln!("| {} | {alarms} | {flows:.1} s | {whole:.1} s |", self.name);
    }
}
