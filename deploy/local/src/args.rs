//! The options of the commands, for the binary to flatten.

use std::path::PathBuf;

use clap::Args;

use crate::{Component, PostgresTopology, RedisTopology, Result, Stack};

/// Which stack a command is about.
#[derive(Debug, Clone, Args)]
pub struct StackArgs {
    /// Name of the stack; stacks of different names run side by side
    #[arg(
        long,
        visible_alias = "stack",
        env = "MILLRACE_STACK",
        default_value = "default",
        value_name = "NAME"
    )]
    pub name: String,
}

impl StackArgs {
    /// The stack of that name.
    pub fn open(&self) -> Result<Stack> {
        Stack::open(&self.name)
    }
}

/// `up`: what to start, and how.
#[derive(Debug, Clone, Args)]
pub struct UpArgs {
    /// Which stack.
    #[command(flatten)]
    pub stack: StackArgs,
    /// And how.
    #[command(flatten)]
    pub raise: RaiseArgs,
}

/// How a stack is raised. What is not said stays as it was.
#[derive(Debug, Clone, Default, Args)]
pub struct RaiseArgs {
    /// Choose other ports than those of the last time; the stack must be down
    #[arg(long)]
    pub new_ports: bool,
    /// How long the connector waits when it has read nothing, in milliseconds; at first 2. More costs less while nothing happens
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connect_poll_ms: Option<u32>,
    /// Servers of Redis, chosen when the stack is first raised; at first single
    #[arg(long, value_enum)]
    pub redis: Option<RedisTopology>,
    /// Servers of Postgres, chosen when the stack is first raised; at first single
    #[arg(long, value_enum)]
    pub postgres: Option<PostgresTopology>,
}

/// `down`: end the processes.
#[derive(Debug, Clone, Args)]
pub struct DownArgs {
    /// Which stack.
    #[command(flatten)]
    pub stack: StackArgs,
    /// Remove the data, the logs and the passwords too
    #[arg(long)]
    pub purge: bool,
}

/// `status`: what runs.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// Which stack.
    #[command(flatten)]
    pub stack: StackArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `logs`: what the components print.
#[derive(Debug, Clone, Args)]
pub struct LogsArgs {
    /// Which stack.
    #[command(flatten)]
    pub stack: StackArgs,
    /// Only this component
    pub component: Option<Component>,
    /// How many of the last lines of each
    #[arg(short = 'n', long, default_value_t = 20, value_name = "COUNT")]
    pub lines: usize,
    /// Go on printing what is added
    #[arg(short, long)]
    pub follow: bool,
}

/// `doctor`: what could keep the stack from running.
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// Which stack.
    #[command(flatten)]
    pub stack: StackArgs,
}

/// `lock`: resolve and fetch everything anew, and write down what came.
#[derive(Debug, Clone, Args)]
pub struct LockArgs {
    /// The lock file to write
    #[arg(long, default_value = "deploy/local/lock.toml", value_name = "PATH")]
    pub file: PathBuf,
}
