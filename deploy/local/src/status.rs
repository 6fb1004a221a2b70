use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Serialize;
use tokio::time::timeout;

use crate::process::Process;
use crate::server::answers;
use crate::state::Running;
use crate::topology::Topology;
use crate::{Component, Result, Stack, StackEnv, StatusArgs, ports};

/// What of a stack runs. Holds no secret.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Its name.
    pub stack: String,
    /// All of them, in the order in which they start.
    pub components: Vec<ComponentStatus>,
}

/// How one component is.
#[derive(Debug, Clone, Serialize)]
pub struct ComponentStatus {
    /// Which.
    pub component: Component,
    /// Whether it runs and answers.
    pub state: Health,
    /// What its program calls itself.
    pub version: Option<String>,
    /// Its ports, the main one first.
    pub ports: Vec<u16>,
    /// Its process.
    pub pid: Option<i32>,
    /// Since when.
    pub up_seconds: Option<u64>,
}

/// Whether a component can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// It runs and answers.
    Up,
    /// It runs and does not answer.
    Silent,
    /// It was started and is gone, though nobody ended it.
    Died,
    /// It was not started, or ended.
    Down,
}

/// How the stack is that the options name: [`Stack::status`].
pub async fn status(args: &StatusArgs) -> Result<Status> {
    args.stack.open()?.status().await
}

impl Stack {
    /// Looks at every component and asks it something.
    pub async fn status(&self) -> Result<Status> {
        let (env, state) = (self.env()?, self.state()?);
        let mut components = Vec::new();
        for component in Topology::of(&env).components() {
            components.push(look(self, &env, component, state.components.get(&component)).await);
        }
        Ok(Status { stack: self.name().to_owned(), components })
    }

    /// The process of a component, if it lives.
    pub fn process(&self, component: Component) -> Result<Option<Process>> {
        Ok(self.state()?.alive(component).map(|running| running.process.clone()))
    }
}

async fn look(
    stack: &Stack,
    env: &StackEnv,
    component: Component,
    running: Option<&Running>,
) -> ComponentStatus {
    const PATIENCE: Duration = Duration::from_secs(3);
    let alive = running.filter(|running| running.process.alive());
    let state = match (running, alive) {
        (None, _) => Health::Down,
        (Some(_), None) => Health::Died,
        (_, Some(_)) => match timeout(PATIENCE, answers(stack, env, component)).await {
            Ok(Ok(())) => Health::Up,
            _ => Health::Silent,
        },
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    ComponentStatus {
        component,
        state,
        version: running.map(|running| running.version.clone()),
        ports: ports::of(env, component),
        pid: alive.map(|running| running.process.pid),
        up_seconds: alive.map(|running| now.saturating_sub(running.since)),
    }
}

impl Status {
    /// Whether every component runs and answers.
    pub fn is_up(&self) -> bool {
        self.components.iter().all(|component| component.state == Health::Up)
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Up => "up",
            Self::Silent => "silent",
            Self::Died => "died",
            Self::Down => "down",
        })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_header(["component", "state", "version", "port", "pid", "up for"]);
        for component in &self.components {
            let dash = || "-".to_owned();
            table.add_row([
                component.component.to_string(),
                component.state.to_string(),
                component.version.clone().unwrap_or_else(dash),
                component.ports.first().map_or_else(dash, u16::to_string),
                component.pid.map_or_else(dash, |pid| pid.to_string()),
                component.up_seconds.map_or_else(dash, span),
            ]);
        }
        write!(f, "{table}")
    }
}

/// A span as people say it: its two largest units.
fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}
