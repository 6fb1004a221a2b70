use std::fs::File;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Child;

use super::{PATIENCE, World, eventually, unique};

/// `millrace run <role>` as a process of its own; killed when dropped.
#[derive(Debug)]
pub(crate) struct Role {
    child: Child,
    log: PathBuf,
}

/// Partitions of the topic times projections: what a projector holds that is alone.
const ALL_PARTITIONS: f64 = 24.0;

impl Role {
    pub(crate) fn relay(world: &World) -> Self {
        Self::start(world, "relay", &[])
    }

    /// A projector that holds every partition, so that what comes is on its way through it.
    pub(crate) async fn projector(world: &World) -> Self {
        Self::projector_with(world, &[]).await
    }

    /// The same with further environment variables.
    pub(crate) async fn projector_with(world: &World, environment: &[(&str, &str)]) -> Self {
        let mut projector = Self::start(world, "projector", environment);
        eventually("the projector holds every partition", PATIENCE, async || {
            projector.assert_alive();
            projector.metric("millrace_projector_partitions").await == Some(ALL_PARTITIONS)
        })
        .await;
        projector
    }

    /// Starts it and waits until it says that it is ready.
    pub(crate) async fn ready(world: &World, name: &str, environment: &[(&str, &str)]) -> Self {
        let mut role = Self::start(world, name, environment);
        eventually("the role is ready", PATIENCE, async || {
            role.assert_alive();
            role.get("/readyz").await.is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
        })
        .await;
        role
    }

    /// Starts it and waits for nothing.
    pub(crate) fn start(world: &World, name: &str, environment: &[(&str, &str)]) -> Self {
        let log = world.logs().join(format!("{}.log", unique(name)));
        let mut command = world.program.command(&["run", name]);
        command.env("MILLRACE_LOG", "info").env("MILLRACE_LOG_FORMAT", "json");
        command.envs(environment.iter().copied());
        command.stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        Self { child: command.spawn().unwrap(), log }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Fails the test when it ended by itself.
    pub(crate) fn assert_alive(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("the role ended with {status}: {}", self.log());
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.child.id().expect("it was not waited for");
        kill(Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
    }

    /// The most memory it took so far.
    pub(crate) fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak.unwrap().parse().unwrap()
    }

    /// kill -9, and gone.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asked to drain, which it has to do in time and with status 0.
    pub(crate) async fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.ends().await;
        assert!(status.success(), "{status}: {}", self.log());
    }

    /// Its status, once it has ended, which it has to do in time.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        self.ends().await
    }

    async fn ends(&mut self) -> ExitStatus {
        let status = tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await;
        status.unwrap_or_else(|_| panic!("it does not end: {}", self.log())).unwrap()
    }

    /// The sum of a metric over its labels; none before the role serves any.
    pub(crate) async fn metric(&self, name: &str) -> Option<f64> {
        let metrics = self.get("/metrics").await?;
        let values = metrics
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
        Some(values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    /// What it answers to a GET, status line and all; none before it serves.
    pub(crate) async fn get(&self, path: &str) -> Option<String> {
        get(&self.address("health and metrics are served")?, path).await
    }

    /// The address that it says, with this message; none before it does.
    pub(crate) fn address(&self, message: &str) -> Option<String> {
        let log = self.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let mut said = lines.filter(|line| line["fields"]["message"] == message);
        said.find_map(|line| Some(line["fields"]["address"].as_str()?.to_owned()))
    }
}

/// One GET; a stopped process accepts and never answers, so it is not waited for long.
async fn get(address: &str, path: &str) -> Option<String> {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    tokio::time::timeout(Duration::from_secs(5), ask).await.ok()?.ok()
}
