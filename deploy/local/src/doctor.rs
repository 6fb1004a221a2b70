//! What could keep a stack from running, and what to do about it.

use std::fmt;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::process::Command;

use crate::lock::{Artifacts, Lock, cached};
use crate::packages::Package;
use crate::postgres::Postgres;
use crate::process::{leftovers, run};
use crate::redis::Redis;
use crate::topology::Topology;
use crate::{Component, DoctorArgs, Result, Stack, StackEnv, disk, ports};

const GIB: u64 = 1 << 30;

/// All findings about a stack and the machine.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Diagnosis {
    /// One per thing that was looked at.
    pub findings: Vec<Finding>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// How it is.
    pub verdict: Verdict,
    /// What it is.
    pub subject: String,
    /// What was seen, and what to do when that is not well.
    pub text: String,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Well.
    Ok,
    /// Works, but look at it.
    Warn,
    /// Keeps the stack from running.
    Fail,
}

impl Diagnosis {
    /// The worst of it.
    pub fn verdict(&self) -> Verdict {
        self.findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok)
    }

    fn say(&mut self, verdict: Verdict, subject: impl fmt::Display, text: impl Into<String>) {
        self.findings.push(Finding { verdict, subject: subject.to_string(), text: text.into() });
    }
}

/// Examines the stack that the options name: [`Stack::examine`].
pub async fn doctor(args: &DoctorArgs) -> Result<Diagnosis> {
    args.stack.open()?.examine().await
}

impl Stack {
    /// Looks at tools, artifacts, disk, memory, clock, and at the stack's own processes and ports.
    pub async fn examine(&self) -> Result<Diagnosis> {
        let mut diagnosis = Diagnosis::default();
        tools(self, &mut diagnosis).await;
        resources(self, &mut diagnosis);
        if self.exists() {
            let env = self.env()?;
            components(self, &env, &mut diagnosis)?;
            clock(self, &env, &mut diagnosis).await;
        } else {
            diagnosis.say(
                Verdict::Ok,
                "stack",
                format!("{:?} was never raised; `millrace up` does", self.name()),
            );
        }
        Ok(diagnosis)
    }
}

async fn tools(stack: &Stack, diagnosis: &mut Diagnosis) {
    let install = |package: Package| {
        format!(
            "missing: sudo apt-get install --no-install-recommends {} (as root `up` does it)",
            package.name()
        )
    };
    match Postgres::installed(stack) {
        Some(postgres) => {
            let version = postgres.version().await.unwrap_or_else(|error| error.to_string());
            diagnosis.say(Verdict::Ok, "postgres", version);
        }
        None => diagnosis.say(Verdict::Fail, "postgres", install(Package::Postgres)),
    }
    match Redis::installed() {
        Some(redis) => {
            let version = redis.version().await.unwrap_or_else(|error| error.to_string());
            diagnosis.say(Verdict::Ok, "redis", version);
        }
        None => diagnosis.say(Verdict::Fail, "redis", install(Package::Redis)),
    }
    match cached(&Lock::committed(), stack.home()) {
        Some(artifacts) => java(&artifacts, diagnosis).await,
        None => {
            let cache = stack.home().cache.display();
            diagnosis.say(
                Verdict::Ok,
                "artifacts",
                format!("not all in {cache} yet; `millrace up` fetches them"),
            );
            for package in [Package::Maven, Package::Pip] {
                match package.installed().await {
                    true => diagnosis.say(Verdict::Ok, package.name(), "ready to fetch"),
                    false => diagnosis.say(Verdict::Fail, package.name(), install(package)),
                }
            }
        }
    }
}

async fn java(artifacts: &Artifacts, diagnosis: &mut Diagnosis) {
    match run(Command::new(artifacts.java()).arg("--version"), "").await {
        Ok(printed) => diagnosis.say(Verdict::Ok, "java", printed.lines().next().unwrap_or_default()),
        Err(error) => {
            let text = format!("{error}; remove {} and run `millrace up`", artifacts.java().display());
            diagnosis.say(Verdict::Fail, "java", text);
        }
    }
}

fn resources(stack: &Stack, diagnosis: &mut Diagnosis) {
    for folder in [&stack.home().data, &stack.home().cache] {
        let existing = folder.ancestors().find(|path| path.exists()).unwrap_or(folder);
        let (verdict, text) = match disk::free(existing) {
            Ok(free) if free < GIB => {
                (Verdict::Fail, format!("{} MiB free: make room for 1 GiB", free >> 20))
            }
            Ok(free) if free < 5 * GIB => {
                (Verdict::Warn, format!("{} MiB free: little for a long run", free >> 20))
            }
            Ok(free) => (Verdict::Ok, format!("{} GiB free", free / GIB)),
            Err(error) => (Verdict::Fail, error.to_string()),
        };
        diagnosis.say(verdict, "disk", format!("{}: {text}", folder.display()));
    }
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available =
        memory.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.split_whitespace().next());
    let available = available.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) << 10;
    let text = format!("{} MiB available; a whole stack takes about 2 GiB", available >> 20);
    let running = stack.state().is_ok_and(|state| state.alive(Component::Kafka).is_some());
    let little = available < 2 * GIB && !running;
    diagnosis.say(if little { Verdict::Warn } else { Verdict::Ok }, "memory", text);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (verdict, note) =
        if cores < 2 { (Verdict::Warn, ": expect timeouts under load") } else { (Verdict::Ok, "") };
    diagnosis.say(verdict, "cores", format!("{cores}{note}"));
}

fn components(stack: &Stack, env: &StackEnv, diagnosis: &mut Diagnosis) -> Result<()> {
    let state = stack.state()?;
    for component in Topology::of(env).components() {
        let recorded = state.components.get(&component);
        let found = leftovers(stack, component);
        let (verdict, text) = match (recorded, state.alive(component)) {
            (_, Some(running)) => (Verdict::Ok, format!("runs as process {}", running.process.pid)),
            (Some(dead), None) => {
                let text = format!(
                    "process {} died; see `millrace logs {component}`, then `millrace up`",
                    dead.process.pid
                );
                (Verdict::Warn, text)
            }
            (None, None) if !found.is_empty() => {
                let text = format!("process {} runs unrecorded; `millrace down` ends it", found[0].pid);
                (Verdict::Warn, text)
            }
            (None, None) => match ports::check_free(env, component) {
                Ok(()) => (Verdict::Ok, format!("down, its ports are free: {:?}", ports::of(env, component))),
                Err(error) => (Verdict::Fail, error.to_string()),
            },
        };
        diagnosis.say(verdict, component, text);
    }
    Ok(())
}

/// Events carry times of this machine and of Postgres: they should agree, and go forwards.
async fn clock(stack: &Stack, env: &StackEnv, diagnosis: &mut Diagnosis) {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    const YEAR_2025: f64 = 1_735_689_600.0;
    if now() < YEAR_2025 {
        diagnosis.say(Verdict::Fail, "clock", "it is years late: set it, or start a time service");
        return;
    }
    let query = "select extract(epoch from clock_timestamp())";
    let before = now();
    let Ok(postgres) = stack.postgres() else { return };
    match postgres.query(stack, env, "postgres", query).await.map(|answer| answer.trim().parse::<f64>()) {
        Ok(Ok(there)) if there + 0.001 >= before && there <= now() + 0.001 => {
            diagnosis.say(Verdict::Ok, "clock", "Postgres and this program agree");
        }
        Ok(Ok(there)) => {
            let text = format!(
                "Postgres is {:.3} s off: the clock was set a moment ago, look again",
                there - before
            );
            diagnosis.say(Verdict::Warn, "clock", text);
        }
        _ => diagnosis.say(Verdict::Ok, "clock", "plausible; Postgres is down, so it was not compared"),
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { verdict, subject, text } in &self.findings {
            let verdict = match verdict {
                Verdict::Ok => "ok",
                Verdict::Warn => "warn",
                Verdict::Fail => "fail",
            };
            writeln!(f, "{verdict:5} {subject:12} {text}")?;
        }
        Ok(())
    }
}
