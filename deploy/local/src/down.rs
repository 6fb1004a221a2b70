use std::fs;
use std::time::Duration;

use futures::future::try_join_all;
use nix::sys::signal::Signal;

use crate::process::{Process, leftovers};
use crate::progress::Progress;
use crate::{Component, DownArgs, Error, Result, Stack, postgres};

/// What outlives a polite signal for this long is killed.
const POLITE: Duration = Duration::from_secs(20);
const KILLED: Duration = Duration::from_secs(10);

/// Ends the stack that the options name: [`Stack::down`].
pub async fn down(args: &DownArgs) -> Result<()> {
    args.stack.open()?.down(args.purge).await
}

impl Stack {
    /// Ends the components: exactly the processes that were started for this stack, last started first. The data stays,
    /// unless it is to be purged. A stack that is down, or never was up, is no error.
    pub async fn down(&self, purge: bool) -> Result<()> {
        let progress = Progress::new();
        if !self.root().exists() {
            return Ok(());
        }
        let _lock = self.lock(&progress).await?;
        // Whoever writes to a server ends before it.
        end(self, Component::Connect, &progress).await?;
        tokio::try_join!(
            end(self, Component::Kafka, &progress),
            end(self, Component::Registry, &progress),
            try_join_all(Component::REDIS.map(|node| end(self, node, &progress))),
            end(self, Component::PostgresReplica, &progress),
        )?;
        end(self, Component::Postgres, &progress).await?;
        if purge {
            postgres::release_shared_memory(self).await?;
            fs::remove_dir_all(self.root()).map_err(Error::file("remove", &self.root()))?;
        }
        Ok(())
    }
}

async fn end(stack: &Stack, component: Component, progress: &Progress) -> Result<()> {
    let recorded = stack.state()?.components.remove(&component).map(|running| running.process);
    if let Some(process) = recorded.filter(Process::alive) {
        let step = progress.step(component.name(), "ending");
        end_process(component, &process).await?;
        let seconds = step.seconds();
        step.done(&format!("ended, {seconds:.1} s"));
    }
    end_leftovers(stack, component).await?;
    let mut state = stack.state()?; // others end at the same time
    state.components.remove(&component);
    state.write(&stack.state_file())
}

/// Ends what runs in a component's folder though no state file remembers it: whoever started it was killed before it
/// could write, or its parent was killed and it has not noticed yet.
pub(crate) async fn end_leftovers(stack: &Stack, component: Component) -> Result<()> {
    for process in leftovers(stack, component) {
        end_process(component, &process).await?;
    }
    Ok(())
}

async fn end_process(component: Component, process: &Process) -> Result<()> {
    // To Postgres SIGTERM says: once the last client has gone.
    let is_postgres = matches!(component, Component::Postgres | Component::PostgresReplica);
    let signal = if is_postgres { Signal::SIGINT } else { Signal::SIGTERM };
    // Asked again and again: Redis says no, and does not come back to it, while it writes its first file after a resynchronisation.
    for _ in 0..POLITE.as_secs() {
        process.signal(signal);
        if process.gone_within(Duration::from_secs(1)).await {
            return Ok(());
        }
    }
    process.signal(Signal::SIGKILL);
    if process.gone_within(KILLED).await {
        Ok(())
    } else {
        Err(Error::Immortal { component, pid: process.pid })
    }
}
