//! Everything at random, while events come and views are made once more: a few faults in the suite, an hour of them by `make soak`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use events::TenantId;
use local::Component;
use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::harness::{
    Agent, Load, OwnStack, PATIENCE, Role, Runs, World, eventually, import, new_event_id, tenant,
};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Killed(Component),
    ProjectorKilled,
    ProjectorFrozen,
    ProjectorTold,
    RelayKilled,
    RedisWiped,
    ScriptsForgotten,
    SessionsEnded,
    RebuiltPostgres,
    RebuiltRedis,
}

const FAULTS: [Fault; 14] = [
    Fault::Killed(Component::Postgres),
    Fault::Killed(Component::Redis),
    Fault::Killed(Component::Kafka),
    Fault::Killed(Component::Connect),
    Fault::Killed(Component::Registry),
    Fault::ProjectorKilled,
    Fault::ProjectorFrozen,
    Fault::ProjectorTold,
    Fault::RelayKilled,
    Fault::RedisWiped,
    Fault::ScriptsForgotten,
    Fault::SessionsEnded,
    Fault::RebuiltPostgres,
    Fault::RebuiltRedis,
];

/// Longest time for an import that is begun again and again.
const IMPORT_MAX: Duration = Duration::from_secs(600);

/// The chain under way.
struct Chain<'w> {
    world: &'w World,
    projectors: Vec<Role>,
    relay: Role,
    random: StdRng,
    /// Most memory that a projector took before it was ended.
    memory_kib: u64,
}

/// How long it took after each fault until an event that came then was in both views.
type Recoveries = BTreeMap<Fault, Vec<Duration>>;

#[tokio::test]
async fn whatever_happens_every_view_ends_as_the_fold() {
    let given =
        |name: &str| std::env::var_os(name).map(|text| text.to_str().unwrap().parse::<u64>().expect(name));
    let lasts = Duration::from_secs(given("MILLRACE_SOAK_S").unwrap_or(10));
    let seed = given("MILLRACE_SOAK_SEED").unwrap_or_else(|| rand::rng().random());
    eprintln!("MILLRACE_SOAK_SEED={seed}");
    let own = OwnStack::raise("soak").await;
    let (world, tenant) = (&own.world, tenant("soak"));
    let mut chain = Chain {
        projectors: vec![Role::projector(world).await, Role::start(world, "projector", &[])],
        relay: Role::relay(world),
        world,
        random: StdRng::seed_from_u64(seed),
        memory_kib: 0,
    };
    let (load, imports) = (Load::on(world, &tenant).await, Imports::begin(world));
    let (begun, mut recoveries) = (Instant::now(), Recoveries::new());
    while begun.elapsed() < lasts {
        let mut faults = FAULTS;
        faults.shuffle(&mut chain.random);
        for fault in faults {
            let at = Instant::now();
            chain.suffers(fault).await;
            chain.goes_on(fault).await;
            recoveries.entry(fault).or_default().push(at.elapsed());
            if begun.elapsed() >= lasts {
                break;
            }
        }
    }
    let (acknowledged, imported) = (load.ended().await, imports.ended().await);
    world.drained(&tenant).await;
    world.assert_stored(&acknowledged).await;
    for (tenant, events) in &imported {
        assert_eq!(world.appended(tenant).await, *events);
        world.drained(tenant).await;
    }
    let events = world.appended(&tenant).await + imported.iter().map(|(_, events)| events).sum::<u64>();
    let memory_mib = chain.ended().await / 1_024;
    world.assert_proved().await;
    let report = report(begun.elapsed(), seed, events, memory_mib, &recoveries);
    eprintln!("{report}");
    if let Some(file) = std::env::var_os("MILLRACE_SOAK_REPORT") {
        std::fs::write(file, report).unwrap();
    }
}

impl Chain<'_> {
    async fn suffers(&mut self, fault: Fault) {
        let world = self.world;
        let which = self.random.random_range(0..self.projectors.len());
        match fault {
            Fault::Killed(component) => {
                world.kill(component, world.pid(component).await).await;
                let pause = Duration::from_millis(self.random.random_range(0..3_000));
                tokio::time::sleep(pause).await;
                world.up().await;
            }
            Fault::ProjectorKilled => {
                let killed =
                    std::mem::replace(&mut self.projectors[which], Role::start(world, "projector", &[]));
                self.memory_kib = self.memory_kib.max(killed.memory_kib());
                killed.kill().await;
            }
            Fault::ProjectorTold => {
                let told =
                    std::mem::replace(&mut self.projectors[which], Role::start(world, "projector", &[]));
                self.memory_kib = self.memory_kib.max(told.memory_kib());
                told.stop().await;
            }
            Fault::ProjectorFrozen => {
                self.projectors[which].signal(Signal::SIGSTOP);
                let pause = Duration::from_millis(self.random.random_range(0..8_000));
                tokio::time::sleep(pause).await;
                self.projectors[which].signal(Signal::SIGCONT);
            }
            Fault::RelayKilled => {
                std::mem::replace(&mut self.relay, Role::relay(world)).kill().await;
            }
            Fault::RedisWiped => self.redis_does(&["FLUSHALL"]).await,
            Fault::ScriptsForgotten => self.redis_does(&["SCRIPT", "FLUSH"]).await,
            Fault::SessionsEnded => {
                let end = "select pg_terminate_backend(pid) from pg_stat_activity
                           where pid <> pg_backend_pid() and backend_type = 'client backend'";
                sqlx::query(end).execute(&mut world.superuser().await).await.unwrap();
            }
            Fault::RebuiltPostgres => self.rebuilt("executions-postgres").await,
            Fault::RebuiltRedis => self.rebuilt("executions-redis").await,
        }
    }

    async fn redis_does(&self, command: &[&str]) {
        let (name, arguments) = command.split_first().unwrap();
        let mut redis = self.world.redis_connection().await;
        redis::cmd(name).arg(arguments).exec_async(&mut redis).await.unwrap();
    }

    async fn rebuilt(&mut self, projection: &str) {
        let from_topic: &[&str] = if self.random.random() { &["--from-topic"] } else { &[] };
        self.world.program.done(&[&["projections", "rebuild", projection][..], from_topic].concat()).await;
    }

    /// An event that comes now is in both views before long, and nobody has ended by himself.
    async fn goes_on(&mut self, after: Fault) {
        let tenant = tenant("probe");
        let mut agent = Agent::started(self.world, &tenant).await;
        let version = agent.call(new_event_id()).await;
        let (mut views, mut redis) =
            (self.world.postgres("MILLRACE_VIEWS_WRITER_URL").await, self.world.redis());
        eventually(&format!("an event is in both views after {after:?}"), PATIENCE, async || {
            let sql = "select version from execution where aggregate_id = $1";
            let shown = sqlx::query_scalar::<_, i64>(sql).bind(agent.id.0);
            let shown = shown.fetch_optional(&mut views).await.unwrap().unwrap_or_default();
            shown.unsigned_abs() == version
                && redis.row(&tenant, agent.aggregate()).await.unwrap().version == version
        })
        .await;
        self.projectors.iter_mut().chain([&mut self.relay]).for_each(Role::assert_alive);
    }

    /// The most memory that a projector took.
    async fn ended(self) -> u64 {
        let memory = self.projectors.iter().map(Role::memory_kib).max().unwrap_or_default();
        for role in self.projectors.into_iter().chain([self.relay]) {
            role.stop().await;
        }
        memory.max(self.memory_kib)
    }
}

/// Runs that are imported one tenant after the other, each until it is whole.
struct Imports {
    stop: CancellationToken,
    importing: JoinHandle<Vec<(TenantId, u64)>>,
}

impl Imports {
    fn begin(world: &World) -> Self {
        let (world, stop) = (world.clone(), CancellationToken::new());
        let stopped = stop.clone();
        let importing = tokio::spawn(async move {
            let (runs, mut whole) = (Runs::sample(30), vec![]);
            while !stopped.is_cancelled() {
                let tenant = tenant("imported");
                let arguments = import(&runs, &tenant);
                // Whatever a server that goes away cuts short is done again.
                let begun = Instant::now();
                while world.program.run(&arguments).await.code != 0 {
                    assert!(begun.elapsed() < IMPORT_MAX, "the import is not whole");
                }
                whole.push((tenant, runs.events));
            }
            whole
        });
        Self { stop, importing }
    }

    async fn ended(self) -> Vec<(TenantId, u64)> {
        self.stop.cancel();
        self.importing.await.unwrap()
    }
}

/// As a table of Markdown.
fn report(took: Duration, seed: u64, events: u64, memory_mib: u64, recoveries: &Recoveries) -> String {
    let faults: usize = recoveries.values().map(Vec::len).sum();
    let mut text = format!(
        "# The last `make soak`\n\n{faults} faults in {} minutes (seed {seed}), {events} events, two projectors, {memory_mib} MiB the most that one took; proved.\n\n\
         | fault | times | until an event that came then was in both views, median / longest |\n| --- | --- | --- |\n",
        took.as_secs().div_ceil(60)
    );
    for (fault, took) in recoveries {
        let mut took = took.clone();
        took.sort_unstable();
        let [median, longest] = [took[took.len() / 2], took[took.len() - 1]].map(|it| it.as_secs_f64());
        writeln!(text, "| {} | {} | {median:.1} / {longest:.1} s |", name(*fault), took.len()).unwrap();
    }
    text
}

fn name(fault: Fault) -> String {
    match fault {
        Fault::Killed(component) => format!("kill -9 of {component}, and started again within 3 s"),
        Fault::ProjectorKilled => "kill -9 of a projector".into(),
        Fault::ProjectorFrozen => "a projector stopped for up to 8 s, and woken".into(),
        Fault::ProjectorTold => "SIGTERM of a projector".into(),
        Fault::RelayKilled => "kill -9 of the relay".into(),
        Fault::RedisWiped => "Redis wiped".into(),
        Fault::ScriptsForgotten => "Redis' scripts forgotten".into(),
        Fault::SessionsEnded => "every session of Postgres ended".into(),
        Fault::RebuiltPostgres => "views in Postgres rebuilt".into(),
        Fault::RebuiltRedis => "views in Redis rebuilt".into(),
    }
}
