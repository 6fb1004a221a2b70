//! `millrace with`: a stack for the time that another command runs.

use std::process::Stdio;

use anyhow::Context;

use crate::exit::Exit;

/// Raises a stack, runs a command with MILLRACE_STACK set to it, and removes the stack whatever came of it.
#[derive(Debug, clap::Args)]
pub(crate) struct WithArgs {
    #[command(flatten)]
    raise: local::RaiseArgs,
    /// The command and its arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

impl WithArgs {
    pub(crate) async fn run(self, stack: &str) -> anyhow::Result<Exit> {
        let raised = crate::up::up(&local::UpArgs { raise: self.raise, ..crate::up::named(stack) }).await;
        let ran = match raised {
            Ok(_) => command(&self.command, stack).await,
            Err(error) => Err(error.context(format!("stack {stack} was not raised"))),
        };
        let down = crate::up::down(stack, true).await;
        let exit = ran?;
        down.with_context(|| format!("stack {stack} was not removed"))?;
        Ok(exit)
    }
}

async fn command(command: &[String], stack: &str) -> anyhow::Result<Exit> {
    let (program, arguments) = command.split_first().context("there is no command to run")?;
    let shutdown = service::shutdown_signal()?;
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .env("MILLRACE_STACK", stack)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("failed to run {program}"))?;
    let status = tokio::select! {
        status = child.wait() => status?,
        () = shutdown.cancelled() => {
            child.kill().await?;
            anyhow::bail!("{program} was interrupted");
        }
    };
    Ok(if status.success() { Exit::Ok } else { Exit::Failed })
}
