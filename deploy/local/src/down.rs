use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::process::{Process, leftovers};
use crate::progress::Progress;
use crate::{Component, DownArgs, Error, Result, Stack};

/// What outlives a polite signal for this long is killed.
const POLITE: Duration = Duration::from_secs(20);
const KILLED: Duration = Duration::from_secs(10);

/// Ends the components of a stack: exactly the processes that were started for it, last started first. The data stays,
/// unless it is to be purged. A stack that is down, or never was up, is no error.
pub async fn down(args: &DownArgs) -> Result<()> {
    let (stack, progress) = (args.stack.open()?, Progress::new());
    if !stack.root().exists() {
        return Ok(());
    }
    let _lock = stack.lock(&progress).await?;
    // Whoever writes to a server ends before it.
    end(&stack, Component::Connect, &progress).await?;
    tokio::try_join!(
        end(&stack, Component::Kafka, &progress),
        end(&stack, Component::Registry, &progress),
        end(&stack, Component::Redis, &progress),
    )?;
    end(&stack, Component::Postgres, &progress).await?;
    if args.purge {
        fs::remove_dir_all(stack.root()).map_err(Error::file("remove", &stack.root()))?;
    }
    Ok(())
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
    process.signal(if component == Component::Postgres { Signal::SIGINT } else { Signal::SIGTERM });
    if process.gone_within(POLITE).await {
        return Ok(());
    }
    process.signal(Signal::SIGKILL);
    if process.gone_within(KILLED).await {
        Ok(())
    } else {
        Err(Error::Immortal { component, pid: process.pid })
    }
}
