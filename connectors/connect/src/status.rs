//! What a connector and its tasks are doing.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What Connect says when a task gives up because of a record, in the words of 4.3.
const RECORD_FAILURES: [&str; 3] = [
    "Unrecoverable exception from producer send callback",
    "Unrecoverable exception trying to send",
    "Tolerance exceeded in error handler",
];

/// A connector as Connect sees it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// The connector itself.
    pub connector: TaskStatus,
    /// Its tasks.
    #[serde(default)]
    pub tasks: Vec<TaskStatus>,
}

/// A connector's or a task's state.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TaskStatus {
    /// Which task; `None` for the connector itself.
    #[serde(default)]
    pub id: Option<u32>,
    /// What it is doing.
    pub state: State,
    /// The worker it is on.
    pub worker_id: String,
    /// What it died of, as a Java stack trace.
    #[serde(default)]
    pub trace: Option<String>,
}

/// What a connector or a task is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Waiting for a worker.
    Unassigned,
    /// At work.
    Running,
    /// Held by an operator, resources kept.
    Paused,
    /// Held by an operator, tasks shut down.
    Stopped,
    /// Given up.
    Failed,
    /// Starting anew.
    Restarting,
    /// A state that this program does not know.
    #[serde(other)]
    Other,
}

impl Status {
    /// Whether the connector and all of its tasks (at least one) run.
    pub fn is_running(&self) -> bool {
        !self.tasks.is_empty() && self.parts().all(|part| part.state == State::Running)
    }

    /// Whether an operator holds it.
    pub fn is_held(&self) -> bool {
        matches!(self.connector.state, State::Paused | State::Stopped)
    }

    /// Why it failed, in a few lines: what the connector or its first failed task said.
    pub fn failure(&self) -> Option<String> {
        self.failed_trace().map(causes)
    }

    /// The cause of [`Self::failure`] behind all others, as much as fits a screen: Debezium puts its whole state into some.
    pub fn failure_line(&self) -> Option<String> {
        const LETTERS_MAX: usize = 200;
        let line = root_cause(self.failed_trace()?);
        let cut: String = line.chars().take(LETTERS_MAX).collect();
        Some(if cut.len() < line.len() { cut + "…" } else { cut })
    }

    /// How many of connector and tasks gave up.
    pub fn failed(&self) -> usize {
        self.parts().filter(|part| part.state == State::Failed).count()
    }

    /// Whether a record is what a task died of: it could not be made of its row, or Kafka does not take it.
    pub fn stands_at_record(&self) -> bool {
        self.traces().any(|trace| RECORD_FAILURES.iter().any(|words| trace.contains(words)))
    }

    /// Everything that it or one of its tasks died of, stack traces and all.
    pub fn traces(&self) -> impl Iterator<Item = &str> {
        self.parts().filter_map(|part| part.trace.as_deref())
    }

    /// What the connector or its first failed task died of.
    fn failed_trace(&self) -> Option<&str> {
        let failed = self.parts().find(|part| part.state == State::Failed)?;
        Some(failed.trace.as_deref().unwrap_or("it did not say why"))
    }

    fn parts(&self) -> impl Iterator<Item = &TaskStatus> {
        std::iter::once(&self.connector).chain(&self.tasks)
    }
}

/// The messages of a Java stack trace, without where they were thrown.
fn causes(trace: &str) -> String {
    let is_message =
        |line: &&str| !line.trim_start().starts_with("at ") && !line.trim_start().starts_with("... ");
    trace.lines().filter(is_message).take(5).collect::<Vec<_>>().join("\n  ")
}

/// The last message of a Java stack trace that is the cause of another; where there is none, the first.
fn root_cause(trace: &str) -> &str {
    let cause = trace.lines().rev().find_map(|line| line.strip_prefix("Caused by: "));
    cause.or(trace.lines().next()).unwrap_or_default()
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unassigned => "unassigned",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Restarting => "restarting",
            Self::Other => "in a state unknown here",
        })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connector {}", self.connector.state)?;
        match self.tasks.as_slice() {
            [] => f.write_str(", no task"),
            tasks => {
                tasks.iter().try_for_each(|task| write!(f, ", task {} {}", task.id.unwrap_or(0), task.state))
            }
        }
    }
}

#[test]
fn a_failure_is_told_by_its_messages() {
    let trace = "org.apache.kafka.connect.errors.ConnectException: no slot\n\tat a.b(C.java:1)\n\t... 3 more\nCaused by: x";
    assert_eq!(causes(trace), "org.apache.kafka.connect.errors.ConnectException: no slot\n  Caused by: x");
}

#[test]
fn on_one_line_a_failure_is_told_by_its_last_cause() {
    let trace = "a.ConnectException: from producer send callback\n\tat a.b(C.java:1)\nCaused by: b.Wrapped: c\nCaused by: b.TooLarge: 7 bytes";
    assert_eq!(root_cause(trace), "b.TooLarge: 7 bytes");
    assert_eq!(root_cause("a.ConnectException: no slot\n\tat a.b(C.java:1)"), "a.ConnectException: no slot");
}
