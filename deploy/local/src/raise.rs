use std::fs::File;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::connect::Connect;
use crate::files::make_folder;
use crate::kafka::Kafka;
use crate::lock::{Artifacts, Lock, fetch};
use crate::packages::{self, Package};
use crate::postgres::Postgres;
use crate::progress::Progress;
use crate::raised::{Raised, Started};
use crate::redis::Redis;
use crate::registry::Registry;
use crate::server::Server;
use crate::state::State;
use crate::{Component, Error, Result, Stack, StackEnv, UpArgs, disk, ports};

/// A stack that is being raised: nobody else raises or ends it meanwhile.
#[derive(Debug)]
pub struct Raising {
    pub(crate) stack: Stack,
    pub(crate) env: StackEnv,
    state: Mutex<State>,
    artifacts: Artifacts,
    pub(crate) progress: Progress,
    begun: Instant,
    pub(crate) started: Mutex<Vec<Started>>,
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

    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics while it holds the state")
    }
}
