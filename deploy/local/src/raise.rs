use std::fs::File;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::process::Child;
use tokio::time::sleep;

use crate::connect::Connect;
use crate::down::end_leftovers;
use crate::files::{last_lines, make_folder};
use crate::kafka::Kafka;
use crate::lock::{Artifacts, Lock, fetch};
use crate::packages::{self, Package};
use crate::postgres::Postgres;
use crate::process::Process;
use crate::raised::{Raised, Started};
use crate::progress::{Progress, Step};
use crate::redis::Redis;
use crate::registry::Registry;
use crate::server::{Server, answers};
use crate::state::{Running, State};
use crate::{Component, Error, Result, Stack, StackEnv, UpArgs, disk, ports};

/// A stack that is being raised: nobody else raises or ends it meanwhile.
#[derive(Debug)]
pub struct Raising {
    stack: Stack,
    env: StackEnv,
    state: Mutex<State>,
    artifacts: Artifacts,
    progress: Progress,
    begun: Instant,
    started: Mutex<Vec<Started>>,
    _lock: File,
}

/// Below this a stack is not even started: Kafka ends itself when its disk is full.
const ROOM: u64 = 1 << 30;

impl Stack {
    /// Begins to raise the stack: makes its folder, its passwords and its ports if it has none, installs the packages
    /// that are missing if it may, and fetches what is not in the cache.
    pub async fn raise(&self, new_ports: bool) -> Result<Raising> {
        let (progress, begun) = (Progress::new(), Instant::now());
        make_folder(&self.root(), 0o711)?;
        make_folder(&self.root().join("logs"), 0o700)?;
        let lock = self.lock(&progress).await?;
        packages::require(&[Package::Postgres, Package::Redis], &progress).await?;
        let artifacts = fetch(&Lock::committed(), self.home(), &progress).await?;
        disk::require(&self.root(), ROOM, "to run a stack")?;
        let state = self.state()?;
        let mut env = StackEnv::read(&self.env_file())?;
        if new_ports {
            match Component::ALL.into_iter().find(|component| state.alive(*component).is_some()) {
                Some(component) => return Err(Error::StillUp(component)),
                None => ports::forget(&mut env),
            }
        }
        {
            let home = File::open(&self.home().data).map_err(Error::file("open", &self.home().data))?;
            home.lock().map_err(Error::file("lock", &self.home().data))?; // held while ports are chosen
            ports::assign(&mut env, self.home())?;
            self.complete(&mut env);
            env.write(&self.env_file())?;
        }
        let (stack, state, started) = (self.clone(), Mutex::new(state), Mutex::default());
        Ok(Raising { stack, env, state, artifacts, progress, begun, started, _lock: lock })
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

/// Begins to raise the stack that the options name: [`Stack::raise`].
pub async fn up(args: &UpArgs) -> Result<Raising> {
    args.stack.open()?.raise(args.new_ports).await
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

    /// What became of the components so far; the whole time includes whatever the caller did in between.
    pub fn raised(&self) -> Raised {
        let mut started = self.started.lock().expect("no thread panics while it holds the list").clone();
        started.sort_by_key(|started| started.component);
        let (stack, seconds) = (self.stack.name().to_owned(), self.begun.elapsed().as_secs_f64());
        Raised { stack, components: started, seconds }
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
        let seconds = step.seconds();
        let port = ports::of(&self.env, component)[0];
        let word = if was_up.is_some() { "was up" } else { "up" };
        step.done(&format!("{word} on port {port}, {seconds:.1} s"));
        let version = self.state().components[&component].version.clone();
        let started = Started { component, version, port, pid: process.pid, seconds, was_up: was_up.is_some() };
        self.started.lock().expect("no thread panics while it holds the list").push(started);
        Ok(())
    }

    async fn launch(&self, server: &Server, step: &Step) -> Result<Process> {
        let component = server.component();
        end_leftovers(&self.stack, component).await?;
        ports::check_free(&self.env, component)?;
        let launch = server.prepare(&self.stack, &self.env).await?;
        let version = server.version().await?;
        let mut child = launch.start()?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default();
        let Some(process) = Process::find(pid) else {
            return Err(self.died(server, &mut child).await);
        };
        {
            let mut state = self.state();
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            state.components.insert(component, Running { process: process.clone(), version, since });
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
            let Err(error) = answers(&self.stack, &self.env, server.component()).await else { return Ok(()) };
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
