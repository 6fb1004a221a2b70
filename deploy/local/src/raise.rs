use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use tokio::sync::OnceCell;
use tokio::time::sleep;

use crate::connect::Connect;
use crate::files::make_folder;
use crate::kafka::Kafka;
use crate::lock::{Artifacts, Lock, cached, fetch};
use crate::packages::{self, Package};
use crate::postgres::Postgres;
use crate::progress::{Progress, Step};
use crate::raised::{Raised, Started};
use crate::redis::{self, Redis};
use crate::registry::Registry;
use crate::server::Server;
use crate::state::State;
use crate::topology::Topology;
use crate::{Component, Error, RaiseArgs, Result, Stack, StackEnv, UpArgs, disk, ports};

/// A stack that is being raised: nobody else raises or ends it meanwhile.
#[derive(Debug)]
pub struct Raising {
    pub(crate) stack: Stack,
    pub(crate) env: StackEnv,
    state: Mutex<State>,
    artifacts: OnceCell<Artifacts>,
    pub(crate) progress: Progress,
    begun: Instant,
    pub(crate) started: Mutex<Vec<Started>>,
    _lock: File,
}

/// Below this a stack is not even started: Kafka ends itself when its disk is full.
const ROOM: u64 = 1 << 30;

impl Stack {
    /// Begins to raise the stack: makes its folder, its passwords and its ports if it has none, and installs the
    /// packages that are missing if it may. Nothing is started yet.
    pub async fn raise(&self, args: &RaiseArgs) -> Result<Raising> {
        let (progress, begun) = (Progress::new(), Instant::now());
        let lock = self.lock(&progress).await?;
        make_folder(&self.root().join("logs"), 0o700)?;
        let all = [Package::Postgres, Package::Redis, Package::Maven, Package::Pip];
        let fetched = cached(&Lock::committed(), self.home()).is_some();
        packages::require(if fetched { &all[..2] } else { &all }, &progress).await?;
        disk::require(&self.root(), ROOM, "to run a stack")?;
        let state = self.state()?;
        let mut env = StackEnv::read(&self.env_file())?;
        if args.new_ports {
            match Component::ALL.into_iter().find(|component| state.alive(*component).is_some()) {
                Some(component) => return Err(Error::StillUp(component)),
                None => ports::forget(&mut env),
            }
        }
        {
            let home = File::open(&self.home().data).map_err(Error::file("open", &self.home().data))?;
            home.lock().map_err(Error::file("lock", &self.home().data))?; // held while ports are chosen
            Topology::record(&mut env, args)?;
            ports::assign(&mut env, self.home())?;
            self.complete(&mut env, args);
            env.write(&self.env_file())?;
        }
        let (stack, state, started, artifacts) =
            (self.clone(), Mutex::new(state), Mutex::default(), OnceCell::new());
        Ok(Raising { stack, env, state, artifacts, progress, begun, started, _lock: lock })
    }

    /// Waits until nobody else raises or ends this stack. Makes its folder if there is none.
    pub(crate) async fn lock(&self, progress: &Progress) -> Result<File> {
        const PAUSE: Duration = Duration::from_millis(100);
        let path = self.root().join("lock");
        let mut waiting = None;
        loop {
            make_folder(&self.root(), 0o711)?;
            let file = File::options().create(true).truncate(false).write(true).open(&path);
            let file = file.map_err(Error::file("open", &path))?;
            let ours = file.try_lock().is_ok();
            if ours && is_at(&file, &path) {
                if let Some(step) = waiting.take() {
                    Step::done(step, "it is our turn");
                }
                return Ok(file);
            }
            if !ours {
                waiting.get_or_insert_with(|| {
                    progress.step(self.name(), "waiting for another command on this stack")
                });
                sleep(PAUSE).await;
            }
        }
    }
}

/// Whether a file is still the one at its path: whoever held it may have purged the stack.
fn is_at(file: &File, path: &Path) -> bool {
    let (held, there) = (file.metadata(), fs::metadata(path));
    matches!((held, there), (Ok(held), Ok(there)) if held.ino() == there.ino())
}

/// Begins to raise the stack that the options name: [`Stack::raise`].
pub async fn up(args: &UpArgs) -> Result<Raising> {
    args.stack.open()?.raise(&args.raise).await
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

    /// Starts everything but Connect where it does not run, and waits until all answer.
    pub async fn servers(&self) -> Result<()> {
        let all = Topology::of(&self.env).components();
        self.only(&all.filter(|component| *component != Component::Connect).collect::<Vec<_>>()).await
    }

    /// Starts the Connect worker if it does not run. Its user needs to be allowed its own topics before.
    pub async fn connect(&self) -> Result<()> {
        self.only(&[Component::Connect]).await
    }

    /// Starts these components, if the stack has them, where they do not run, and waits until all answer; where all servers of Redis are among them, until
    /// they are one. What they run from is fetched before, if it is not in the cache.
    pub async fn only(&self, wanted: &[Component]) -> Result<()> {
        if wanted.iter().any(|component| component.is_java()) {
            self.artifacts().await?;
        }
        let consists_of: Vec<Component> = Topology::of(&self.env).components().collect();
        let start = async |component: Component| {
            if wanted.contains(&component) && consists_of.contains(&component) {
                self.start(&self.server(component).await?).await
            } else {
                Ok(())
            }
        };
        let stored = async {
            start(Component::Postgres).await?;
            tokio::try_join!(start(Component::PostgresReplica), start(Component::Registry))
        };
        let carried = async {
            start(Component::Kafka).await?;
            start(Component::Connect).await
        };
        let viewed = async {
            try_join_all(Component::REDIS.map(start)).await?;
            let mut nodes = consists_of.iter().filter(|it| Component::REDIS.contains(it));
            if nodes.all(|node| wanted.contains(node)) { redis::join(&self.env).await } else { Ok(()) }
        };
        tokio::try_join!(stored, carried, viewed).map(drop)
    }

    async fn server(&self, component: Component) -> Result<Server> {
        let missing = |package: Package| move || Error::MissingPackages(package.name().to_owned());
        let postgres = || Postgres::installed(&self.stack).ok_or_else(missing(Package::Postgres));
        Ok(match component {
            Component::Postgres => Server::Postgres(postgres()?),
            Component::PostgresReplica => Server::PostgresReplica(postgres()?),
            Component::Kafka => Server::Kafka(Kafka::new(self.artifacts().await?)),
            Component::Registry => Server::Registry(Registry::new(self.artifacts().await?)),
            Component::Connect => Server::Connect(Connect::new(self.artifacts().await?)),
            node => Server::Redis(Redis::installed().ok_or_else(missing(Package::Redis))?, node),
        })
    }

    async fn artifacts(&self) -> Result<Artifacts> {
        let lock = Lock::committed();
        let fetched =
            self.artifacts.get_or_try_init(|| fetch(&lock, self.stack.home(), &self.progress)).await;
        fetched.cloned()
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
