//! A role of this program as a child process, for commands that need one for a while.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

/// `millrace run <role>` of one stack, writing its log to a file. Ended when dropped.
#[derive(Debug)]
pub(crate) struct Role {
    name: String,
    child: Child,
    log: PathBuf,
}

/// How long a role may take to drain before it is killed.
const DRAIN_MAX: Duration = Duration::from_secs(10);

impl Role {
    /// Starts `millrace run <name>` with further arguments and environment variables.
    pub(crate) fn start(
        name: &str,
        arguments: &[&str],
        stack: &str,
        environment: &[(&str, &str)],
        logs: &Path,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe().context("failed to find this program")?);
        command.args(["run", name, "--stack", stack]).args(arguments).envs(environment.iter().copied());
        Self::run(name, command, logs)
    }

    /// Starts another program, which is ended like a role.
    pub(crate) fn run(name: &str, mut command: Command, logs: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(logs).with_context(|| format!("failed to create {}", logs.display()))?;
        let log = logs.join(format!("{name}.log"));
        let open = || File::options().create(true).append(true).open(&log);
        let (out, err) = (open()?, open()?);
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("failed to start {name}"))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// Kills it at once (SIGKILL) and waits until it is gone.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.with_context(|| format!("failed to kill {}", self.name))
    }

    /// Asks it to stop (SIGTERM) and waits; kills it when it does not.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(pid) = self.pid() {
            kill(pid, Signal::SIGTERM).with_context(|| format!("failed to stop {}", self.name))?;
        }
        match tokio::time::timeout(DRAIN_MAX, self.child.wait()).await {
            Ok(status) => {
                let status = status?;
                if !status.success() {
                    bail!("{} stopped with {status}; its log ends with\n{}", self.name, self.last_lines());
                }
                Ok(())
            }
            Err(_) => {
                self.child.kill().await?;
                bail!("{} did not drain within {DRAIN_MAX:?} and was killed", self.name)
            }
        }
    }

    /// An error that shows the end of its log when it is no longer running.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                bail!("{} ended with {status}; its log ends with\n{}", self.name, self.last_lines())
            }
        }
    }

    /// Its process, as long as it has not ended.
    pub(crate) fn pid(&self) -> Option<Pid> {
        self.child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw)
    }

    fn last_lines(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}
