use std::fs::File;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::process::Child;
use tokio::time::sleep;

use crate::connect::Connect;
use crate::files::{last_lines, make_folder};
use crate::kafka::Kafka;
use crate::lock::{Artifacts, Lock, fetch};
use crate::packages::{self, Package};
use crate::postgres::Postgres;
use crate::process::{Process, running_in};
use crate::progress::{Progress, Step};
use crate::redis::Redis;
use crate::registry::Registry;
use crate::server::Server;
use crate::state::{Running, State};
use crate::{Component, Error, Result, Stack, StackEnv, ports};

/// A stack that is being raised: nobody else raises or ends it meanwhile.
#[derive(Debug)]
pub struct Raising {
    stack: Stack,
    env: StackEnv,
    state: Mutex<State>,
    artifacts: Artifacts,
    progress: Progress,
    started: Mutex<Vec<Started>>,
    _lock: File,
}

/// What became of one component.
#[derive(Debug, Clone)]
pub struct Started {
    /// Which.
    pub component: Component,
    /// The version its program names.
    pub version: String,
    /// Its main port.
    pub port: u16,
    /// Its process.
    pub pid: i32,
    /// How long it took until it answered.
    pub took: Duration,
    /// Whether it was up already.
    pub was_up: bool,
}

impl Stack {
    /// Begins to raise the stack: makes its folder, its passwords and its ports if it has none.
    pub async fn raise(&self) -> Result<Raising> {
        let progress = Progress::new();
        make_folder(&self.root(), 0o711)?;
        make_folder(&self.root().join("logs"), 0o700)?;
        let lock = self.lock(&progress).await?;
        packages::require(&[Package::Postgres, Package::Redis], &progress).await?;
        let artifacts = fetch(&Lock::committed(), self.home(), &progress).await?;
        let mut env = StackEnv::read(&self.env_file())?;
        {
            let home = File::open(&self.home().data).map_err(Error::file("open", &self.home().data))?;
            home.lock().map_err(Error::file("lock", &self.home().data))?; // held while ports are chosen
            ports::assign(&mut env, self.home())?;
            self.complete(&mut env);
            env.write(&self.env_file())?;
        }
        let state = Mutex::new(self.state()?);
        Ok(Raising { stack: self.clone(), env, state, artifacts, progress, started: Mutex::default(), _lock: lock })
    }

    /// Waits until nobody else raises or ends this stack.
    pub(crate) async fn lock(&self, progress: &Progress) -> Result<File> {
        let path = self.root().join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(Error::file("open", &path))?;
        if file.try_lock().is_err() {
            let step = progress.step(self.name(), "waiting for another command on this stack");
            while file.try_lock().is_err() {
                sleep(Duration::from_millis(100)).await;
            }
            step.done("it is our turn");
        }
        Ok(file)
    }
}

impl Raising {
    /// The stack.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// Its connection facts.
    pub fn env(&self) -> &StackEnv {
        &self.env
    }

    /// Starts Postgres, Redis, Kafka and the registry where they do not run, and waits until all answer.
    pub async fn servers(&self) -> Result<()> {
        let missing = |package: Package| Error::MissingPackages(package.name().to_owned());
        let postgres = Postgres::installed(&self.stack).ok_or_else(|| missing(Package::Postgres))?;
        let redis = Redis::installed().ok_or_else(|| missing(Package::Redis))?;
        let (postgres, redis) = (Server::Postgres(postgres), Server::Redis(redis));
        let kafka = Server::Kafka(Kafka::new(self.artifacts.clone()));
        let registry = Server::Registry(Registry::new(self.artifacts.clone()));
        let stored = async {
            self.start(&postgres).await?;
            self.start(&registry).await
        };
        tokio::try_join!(stored, self.start(&redis), self.start(&kafka)).map(drop)
    }

    /// Starts the Connect worker if it does not run. Its user needs to be allowed its own topics before.
    pub async fn connect(&self) -> Result<()> {
        self.start(&Server::Connect(Connect::new(self.artifacts.clone()))).await
    }

    async fn start(&self, server: &Server) -> Result<()> {
        let component = server.component();
        let step = self.progress.step(component.name(), "starting");
        let was_up = self.state().alive(component).map(|running| running.process.clone());
        let process = match &was_up {
            Some(process) => {
                self.wait_ready(server, process, None).await?;
                process.clone()
            }
            None => self.launch(server, &step).await?,
        };
        server.settle(&self.stack, &self.env).await?;
        let took = Duration::from_secs_f64(step.seconds());
        let (version, pid) = (server.version().await?, process.pid);
        let port = ports::of(&self.env, component)[0];
        let word = if was_up.is_some() { "was up" } else { "up" };
        step.done(&format!("{word} on port {port}, {:.1} s", took.as_secs_f64()));
        let started = Started { component, version, port, pid, took, was_up: was_up.is_some() };
        self.started.lock().expect("no thread panics here").push(started);
        Ok(())
    }

    async fn launch(&self, server: &Server, step: &Step) -> Result<Process> {
        let component = server.component();
        end_leftovers(&self.stack, server).await?;
        ports::check_free(&self.env, component)?;
        let launch = server.prepare(&self.stack, &self.env).await?;
        let mut child = launch.start()?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default();
        let Some(process) = Process::find(pid) else {
            return Err(self.died(server, &mut child).await);
        };
        let version = server.version().await?;
        {
            let mut state = self.state();
            state.components.insert(component, Running { process: process.clone(), version });
            state.write(&self.stack.state_file())?;
        }
        step.say(&format!("started as process {pid}"));
        self.wait_ready(server, &process, Some(&mut child)).await?;
        Ok(process)
    }

    async fn wait_ready(&self, server: &Server, process: &Process, mut child: Option<&mut Child>) -> Result<()> {
        let bound = server.ready_within();
        let deadline = Instant::now() + bound;
        loop {
            let Err(error) = server.probe(&self.stack, &self.env).await else { return Ok(()) };
            if let Some(child) = child.as_deref_mut().filter(|_| !process.alive()) {
                return Err(self.died(server, child).await);
            }
            if Instant::now() >= deadline || !process.alive() {
                let component = server.component();
                let log = self.stack.log(component);
                let lines = last_lines(&log, 20);
                return Err(Error::NotReady { component, bound, last: error.to_string(), log, lines });
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn died(&self, server: &Server, child: &mut Child) -> Error {
        let component = server.component();
        let status = child.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string());
        let log = self.stack.log(component);
        let lines = last_lines(&log, 20);
        Error::Died { component, status, log, lines }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics while it holds the state")
    }
}

/// Ends what runs in a component's folder though no state file remembers it: whoever started it was killed before it
/// could write, or its parent was killed and it did not notice yet.
async fn end_leftovers(stack: &Stack, server: &Server) -> Result<()> {
    let folders = [stack.folder(server.component()), stack.folder(server.component()).join("data")];
    for leftover in folders.iter().flat_map(|folder| running_in(&server.program(), folder)) {
        leftover.signal(Signal::SIGTERM);
        if !leftover.gone_within(Duration::from_secs(5)).await {
            leftover.signal(Signal::SIGKILL);
        }
        if !leftover.gone_within(Duration::from_secs(10)).await {
            return Err(Error::Immortal { component: server.component(), pid: leftover.pid });
        }
    }
    Ok(())
}
