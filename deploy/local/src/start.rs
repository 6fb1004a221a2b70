//! Starting one component, and waiting until it answers.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::process::Child;
use tokio::time::sleep;

use crate::down::end_leftovers;
use crate::error::with_causes;
use crate::files::{last_lines, length};
use crate::process::Process;
use crate::progress::Step;
use crate::raised::Started;
use crate::server::{Server, answers};
use crate::state::Running;
use crate::{Error, Raising, Result, ports};

/// A process that is to answer soon.
#[derive(Debug)]
struct Awaited {
    process: Process,
    /// When this command started it.
    child: Option<Child>,
    /// How long its log was before.
    log_from: u64,
}

impl Raising {
    /// Starts a component unless it runs; either way it answers afterwards.
    pub(crate) async fn start(&self, server: &Server) -> Result<()> {
        let component = server.component();
        let step = self.progress.step(component.name(), "starting");
        let running = self.state().alive(component).map(|running| running.process.clone());
        let mut was_up = running.is_some();
        let mut awaited = match running {
            Some(process) => Awaited { process, child: None, log_from: length(&self.stack.log(component)) },
            None => self.launch(server, &step).await?,
        };
        match self.wait_ready(server, &mut awaited).await {
            Err(Error::Died { .. }) if was_up => {
                // It was on its way out when it was looked at.
                was_up = false;
                awaited = self.launch(server, &step).await?;
                self.wait_ready(server, &mut awaited).await?;
            }
            ready => ready?,
        }
        server.settle(&self.stack, &self.env).await?;
        let (seconds, port, pid) = (step.seconds(), ports::of(&self.env, component)[0], awaited.process.pid);
        let word = if was_up { "was up" } else { "up" };
        step.done(&format!("{word} on port {port}, {seconds:.1} s"));
        let version = self.state().components[&component].version.clone();
        let started = Started { component, version, port, pid, seconds, was_up };
        self.started.lock().expect("no thread panics while it holds the list").push(started);
        Ok(())
    }

    async fn launch(&self, server: &Server, step: &Step) -> Result<Awaited> {
        let component = server.component();
        end_leftovers(&self.stack, component).await?;
        ports::await_free(&self.env, component).await?;
        let launch = server.prepare(&self.stack, &self.env).await?;
        let version = server.version().await?;
        let log_from = length(&launch.log);
        let mut child = launch.start()?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default();
        let Some(process) = Process::find(pid) else {
            return Err(self.died(server, Some(&mut child), log_from).await);
        };
        {
            let mut state = self.state();
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            state.components.insert(component, Running { process: process.clone(), version, since });
            state.write(&self.stack.state_file())?; // at once: from here on `down` finds it
        }
        step.say(&format!("started as process {pid}"));
        Ok(Awaited { process, child: Some(child), log_from })
    }

    async fn wait_ready(&self, server: &Server, awaited: &mut Awaited) -> Result<()> {
        const PAUSE: Duration = Duration::from_millis(50);
        let (component, bound) = (server.component(), server.ready_within());
        let deadline = Instant::now() + bound;
        while let Err(error) = answers(&self.stack, &self.env, component).await {
            if !awaited.process.alive() {
                return Err(self.died(server, awaited.child.as_mut(), awaited.log_from).await);
            }
            if Instant::now() >= deadline {
                let log = self.stack.log(component);
                let lines = last_lines(&log, awaited.log_from, 20);
                return Err(Error::NotReady { component, bound, last: with_causes(&error), log, lines });
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn died(&self, server: &Server, child: Option<&mut Child>, log_from: u64) -> Error {
        let component = server.component();
        let status = match child {
            Some(child) => {
                child.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string())
            }
            None => "it was not started by this command".to_owned(),
        };
        let log = self.stack.log(component);
        let lines = last_lines(&log, log_from, 20);
        Error::Died { component, status, log, lines }
    }
}
