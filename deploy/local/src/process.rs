//! Processes told apart by pid *and* start time, so that a reused pid is never taken for one of ours.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User};
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::{Component, Error, Result, Stack};

/// One process, for as long as it lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number, which the system gives again once the process is gone.
    pub pid: i32,
    /// When it started, in clock ticks since the machine did.
    pub start_time: u64,
    /// Which start of the machine that counts from.
    pub boot: String,
}

impl Process {
    /// The living process with this number.
    pub fn find(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, fields) = stat.rsplit_once(") ")?; // the name before it may hold anything
        let fields: Vec<&str> = fields.split(' ').collect();
        let dead = matches!(*fields.first()?, "Z" | "X" | "x");
        let start_time = fields.get(19)?.parse().ok()?; // field 22 of proc(5)
        (!dead).then(|| Self { pid, start_time, boot: boot() })
    }

    /// Whether it still lives: the same number, started at the same instant.
    pub fn alive(&self) -> bool {
        Self::find(self.pid).is_some_and(|found| found == *self)
    }

    /// Sends a signal, unless the process is gone.
    pub fn signal(&self, signal: Signal) {
        if self.alive() {
            kill(Pid::from_raw(self.pid), signal).ok(); // gone in between is as good
        }
    }

    /// Waits until it is gone; whether it is.
    pub async fn gone_within(&self, bound: Duration) -> bool {
        let deadline = Instant::now() + bound;
        while self.alive() {
            if Instant::now() >= deadline {
                return false;
            }
            sleep(Duration::from_millis(20)).await;
        }
        true
    }
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// The living processes that run a component's program in its folder, whether a state file remembers them or not.
/// Only the servers themselves are meant: a shell that somebody opened there runs another program.
pub(crate) fn leftovers(stack: &Stack, component: Component) -> Vec<Process> {
    let programs: &[&str] = match component {
        Component::Postgres | Component::PostgresReplica => &["postgres"],
        Component::Kafka | Component::Registry | Component::Connect => &["java"],
        _ => &["redis-server", "redis-check-rdb"], // Debian's server is a link to the other
    };
    let Ok(folder) = fs::canonicalize(stack.folder(component)) else { return Vec::new() };
    let runs_there = |pid: &i32| {
        let link = |name: &str| fs::read_link(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let program = link("exe").file_name().unwrap_or_default().to_string_lossy().into_owned();
        let program = program.trim_end_matches(" (deleted)"); // it was upgraded meanwhile
        programs.contains(&program) && link("cwd").starts_with(&folder)
    };
    pids().filter(runs_there).filter_map(Process::find).collect()
}

pub(crate) fn pids() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The account a server runs under when the caller is root.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Account {
    pub(crate) fn named(name: &str) -> Option<Self> {
        let user = User::from_name(name).ok()??;
        Some(Self { uid: user.uid.as_raw(), gid: user.gid.as_raw() })
    }
}

/// How a server is started.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) folder: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) account: Option<Account>,
}

impl Launch {
    /// Starts it in a session of its own, so that it outlives this process and its terminal.
    pub(crate) fn start(&self) -> Result<Child> {
        let log = open_log(&self.log)?;
        let errors = log.try_clone().map_err(Error::file("write", &self.log))?;
        // `setsid` turns into the program it is given, so the child's pid is the server's.
        let mut command = Command::new("setsid");
        command.arg(&self.program).args(&self.args).current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        command.env_clear().envs([
            ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            ("LANG", "C.UTF-8"),
            ("TZ", "UTC"),
        ]);
        if let Some(account) = &self.account {
            command.uid(account.uid).gid(account.gid);
        }
        command.spawn().map_err(Error::run(&self.program.display().to_string()))
    }
}

/// Opens a log for appending; one that grew large makes way first, and the one before it goes.
fn open_log(path: &Path) -> Result<File> {
    const LARGE: u64 = 32 << 20;
    if fs::metadata(path).is_ok_and(|log| log.len() > LARGE) {
        fs::rename(path, path.with_extension("log.1")).map_err(Error::file("rename", path))?;
    }
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(Error::file("open", path))
}

/// Runs a program to its end and answers what it printed; `input` reaches it as its standard input.
pub(crate) async fn run(command: &mut Command, input: &str) -> Result<String> {
    use tokio::io::AsyncWriteExt;
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(Error::run(&program))?;
    let mut stdin = child.stdin.take().expect("its input was asked for");
    let feed = async {
        stdin.write_all(input.as_bytes()).await.ok(); // one that ended early says why on its own
        drop(stdin);
    };
    let (_, output) = tokio::join!(feed, child.wait_with_output());
    let output = output.map_err(Error::run(&program))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(printed);
    }
    let both = format!("{printed}{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = both.lines().collect();
    let output_tail = lines[lines.len().saturating_sub(20)..].join("\n");
    Err(Error::Failed { program, status: output.status.to_string(), output: output_tail })
}
