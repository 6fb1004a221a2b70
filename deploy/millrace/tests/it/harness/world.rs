use std::path::PathBuf;

use events::{AggregateId, TenantId};
use local::{Component, Process, Stack, StackEnv};
use nix::sys::signal::Signal;
use serde_json::Value;
use sqlx::{Connection, PgConnection};

use super::{MAPPING, PATIENCE, Program, Ran, Runs};

/// A stack that is up, and the program on it.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) program: Program,
    pub(crate) stack: Stack,
    pub(super) env: StackEnv,
}

impl World {
    /// The stack that all tests share.
    pub(crate) fn shared() -> Self {
        Self::named(testkit::stack().stack().name())
    }

    pub(crate) fn named(name: &str) -> Self {
        let stack = Stack::open(name).unwrap();
        Self { program: Program::on(name), env: stack.env().unwrap(), stack }
    }

    /// A connection fact.
    pub(crate) fn fact(&self, key: &str) -> &str {
        self.env.get(key).unwrap_or_else(|| panic!("the stack has no {key}"))
    }

    pub(crate) fn env(&self) -> &StackEnv {
        &self.env
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.stack.root().join("logs")
    }

    /// A new connection by the fact that holds its URL, `MILLRACE_VIEWS_WRITER_URL` for one.
    pub(crate) async fn postgres(&self, fact: &str) -> PgConnection {
        PgConnection::connect(self.fact(fact)).await.unwrap()
    }

    /// Imports runs for a tenant; answers what the program says was done.
    pub(crate) async fn import(&self, runs: &Runs, tenant: &TenantId) -> Value {
        let ran = self.program.run(&import(runs, tenant)).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.json()
    }

    /// The pid by which the program knows a server.
    pub(crate) async fn pid(&self, component: Component) -> i32 {
        let status = self.program.run(&["status", "--json"]).await.json();
        let components = status["components"].as_array().unwrap();
        let found = components.iter().find(|found| found["component"] == component.name()).unwrap();
        found["pid"]
            .as_i64()
            .unwrap_or_else(|| panic!("{component} does not run: {status}"))
            .try_into()
            .unwrap()
    }

    /// kill -9 of a server, and gone.
    pub(crate) async fn kill(&self, component: Component, pid: i32) {
        let process = Process::find(pid).expect("it runs");
        process.signal(Signal::SIGKILL);
        assert!(process.gone_within(PATIENCE).await, "{component} survives kill -9");
    }

    /// Raises what is missing.
    pub(crate) async fn up(&self) {
        self.program.done(&["up"]).await;
    }

    /// Lets nobody append to an aggregate, so that an import of it does not end, as long as the connection lives.
    pub(crate) async fn hold(&self, aggregate: AggregateId) -> PgConnection {
        let mut holding = self.superuser().await;
        let lock = sqlx::query("select pg_advisory_lock(uuid_hash_extended($1, 0))").bind(aggregate.0);
        lock.execute(&mut holding).await.unwrap();
        holding
    }

    /// Compares all stages.
    pub(crate) async fn verify(&self) -> (Ran, Value) {
        let ran = self.program.run(&["verify", "--full", "--json"]).await;
        let report = ran.json();
        (ran, report)
    }

    /// Store = topic = sinks, by the ledger and event by event, and something was compared.
    pub(crate) async fn assert_proved(&self) {
        self.program.done(&["verify"]).await;
        let (ran, report) = self.verify().await;
        assert_eq!((ran.code, &report["verdict"]), (0, &Value::from("proved")), "{report:#}");
    }
}

/// The arguments that import runs for a tenant.
pub(crate) fn import<'a>(runs: &'a Runs, tenant: &'a TenantId) -> [&'a str; 7] {
    ["import", "run", MAPPING, runs.path(), "--tenant", tenant.as_str(), "--json"]
}
