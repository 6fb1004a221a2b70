//! What the exit status says.

use std::process::ExitCode;

/// How a command ended. Usage errors end with 2, by clap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Ok,
    /// Not done, or a check did not hold.
    Failed,
    /// Some of it was done; the rest is reported.
    PartlyFailed,
    /// What was asked for does not exist.
    NotFound,
    /// There is a difference, and the command was asked to tell by its status.
    Difference,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::PartlyFailed => 3,
            Exit::NotFound => 4,
            Exit::Difference => 10,
        })
    }
}
