use std::path::{Path, PathBuf};

use crate::connect::POLL_MS;
use crate::kafka::CONFIGS_PROGRAM;
use crate::ports::{self, PORTS};
use crate::state::State;
use crate::topology::Topology;
use crate::{Component, Error, Home, PostgresTopology, RaiseArgs, Result, StackEnv, secrets};

/// A named stack: its folder, and what is known of it. Opening one starts nothing and writes nothing.
#[derive(Debug, Clone)]
pub struct Stack {
    name: String,
    home: Home,
}

/// The roles of the databases, made before any migration.
pub(crate) const ROLES: [&str; 8] =
    ["owner", "app", "cdc", "auditor", "views_writer", "dashboard", "analyst", "registry"];

/// The users of Kafka that a client may be; the broker and its controller have accounts of their own.
const KAFKA_USERS: [&str; 5] = ["ADMIN", "CONNECT", "PROJECTOR", "DEAD_LETTERS", "AUDITOR"];

impl Stack {
    /// The caller's stack of this name, whether it was raised before or not.
    pub fn open(name: &str) -> Result<Self> {
        Self::open_at(name, Home::of_the_caller())
    }

    /// The stack of this name in another home.
    pub fn open_at(name: &str, home: Home) -> Result<Self> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let fits = name.len() <= 32
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(allowed);
        if !fits {
            return Err(Error::Name(name.to_owned()));
        }
        let stack = Self { name: name.to_owned(), home };
        const SOCKET_ADDRESS_MAX: usize = 107;
        let socket = stack.socket_folder().join(".s.PGSQL.65535");
        if socket.as_os_str().len() > SOCKET_ADDRESS_MAX {
            return Err(Error::PathTooLong(stack.root()));
        }
        Ok(stack)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it lies, and the cache it shares.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Its folder: everything it keeps is below.
    pub fn root(&self) -> PathBuf {
        self.home.data.join(&self.name)
    }

    /// Whether it was ever raised, and not purged since.
    pub fn exists(&self) -> bool {
        self.env_file().exists()
    }

    /// The file of its connection facts and passwords.
    pub fn env_file(&self) -> PathBuf {
        self.root().join("stack.env")
    }

    /// Its connection facts and passwords; an error when it was never raised.
    pub fn env(&self) -> Result<StackEnv> {
        if self.exists() { StackEnv::read(&self.env_file()) } else { Err(Error::Unknown(self.name.clone())) }
    }

    /// The folder that a component runs in and keeps its data below.
    pub fn folder(&self, component: Component) -> PathBuf {
        self.root().join(component.name())
    }

    /// What a component prints.
    pub fn log(&self, component: Component) -> PathBuf {
        self.root().join("logs").join(component.name()).with_extension("log")
    }

    /// Where the Unix socket of Postgres is.
    pub fn socket_folder(&self) -> PathBuf {
        self.root().join("run")
    }

    /// The URL by which a role reaches a database of Postgres or of its standby, through the Unix socket.
    pub fn postgres_url(&self, env: &StackEnv, server: Component, role: &str, database: &str) -> String {
        let port = ports::of(env, server).first().copied().unwrap_or_default();
        let password = env.get(&role_password(role)).unwrap_or_default();
        format!(
            "postgres://{role}:{password}@localhost:{port}/{database}?host={}",
            self.socket_folder().display()
        )
    }

    /// The components that it consists of, in the order in which they start.
    pub fn components(&self) -> Result<Vec<Component>> {
        Ok(Topology::of(&self.env()?).components().collect())
    }

    pub(crate) fn state_file(&self) -> PathBuf {
        self.root().join("state.json")
    }

    pub(crate) fn state(&self) -> Result<State> {
        State::read(&self.state_file())
    }

    /// Completes the connection facts: passwords and the cluster's id stay as they are once made, and what the options
    /// do not say; the rest follows from them and from the ports.
    pub(crate) fn complete(&self, env: &mut StackEnv, args: &RaiseArgs) {
        for role in ROLES.into_iter().chain(["postgres"]) {
            env.set_default(&role_password(role), secrets::password);
        }
        for user in KAFKA_USERS.into_iter().chain(["BROKER", "CONTROLLER"]) {
            env.set_default(&format!("MILLRACE_KAFKA_{user}_PASSWORD"), secrets::password);
        }
        env.set_default("MILLRACE_REDIS_PASSWORD", secrets::password);
        env.set_default("MILLRACE_KAFKA_CLUSTER_ID", secrets::cluster_id);
        match args.connect_poll_ms {
            Some(poll) => env.set(POLL_MS, poll.to_string()),
            None => env.set_default(POLL_MS, || "2".to_owned()),
        }
        self.derive(env);
    }

    fn derive(&self, env: &mut StackEnv) {
        let port = |env: &StackEnv, key: &str| env.get(key).unwrap_or_default().to_owned();
        env.set("MILLRACE_POSTGRES_HOST", "127.0.0.1");
        let urls = [
            ("MILLRACE_POSTGRES_SUPERUSER_URL", "postgres", "postgres"),
            ("MILLRACE_EVENTS_OWNER_URL", "owner", "millrace_events"),
            ("MILLRACE_EVENTS_APP_URL", "app", "millrace_events"),
            ("MILLRACE_EVENTS_CDC_URL", "cdc", "millrace_events"),
            ("MILLRACE_EVENTS_AUDITOR_URL", "auditor", "millrace_events"),
            ("MILLRACE_VIEWS_OWNER_URL", "owner", "millrace_views"),
            ("MILLRACE_VIEWS_WRITER_URL", "views_writer", "millrace_views"),
            ("MILLRACE_VIEWS_DASHBOARD_URL", "dashboard", "millrace_views"),
            ("MILLRACE_VIEWS_ANALYST_URL", "analyst", "millrace_views"),
        ];
        for (key, role, database) in urls {
            let url = self.postgres_url(env, Component::Postgres, role, database);
            env.set(key, url);
        }
        if Topology::of(env).postgres == PostgresTopology::Replica {
            let url = self.postgres_url(env, Component::PostgresReplica, "postgres", "postgres");
            env.set("MILLRACE_POSTGRES_REPLICA_SUPERUSER_URL", url);
        }
        let password = env.get("MILLRACE_REDIS_PASSWORD").unwrap_or_default();
        let nodes = Topology::of(env).components().filter(|component| Component::REDIS.contains(component));
        let redis = nodes.filter_map(|node| {
            ports::of(env, node).first().map(|port| format!("redis://:{password}@127.0.0.1:{port}/"))
        });
        let redis = redis.collect::<Vec<_>>().join(",");
        env.set("MILLRACE_REDIS_URL", redis);
        let bootstrap = format!("127.0.0.1:{}", port(env, "MILLRACE_KAFKA_PORT"));
        env.set("MILLRACE_KAFKA_BOOTSTRAP", bootstrap);
        let registry = format!("http://127.0.0.1:{}/apis/ccompat/v7", port(env, "MILLRACE_REGISTRY_PORT"));
        env.set("MILLRACE_REGISTRY_URL", registry);
        let connect = format!("http://127.0.0.1:{}", port(env, "MILLRACE_CONNECT_PORT"));
        env.set("MILLRACE_CONNECT_URL", connect);
        let configs = self.folder(Component::Kafka).join(CONFIGS_PROGRAM);
        env.set("MILLRACE_KAFKA_CONFIGS", configs.display().to_string());
        let secrets = self.folder(Component::Connect).join("secrets.properties");
        env.set("MILLRACE_CONNECT_SECRETS", secrets.display().to_string());
    }
}

fn role_password(role: &str) -> String {
    format!("MILLRACE_POSTGRES_{}_PASSWORD", role.to_ascii_uppercase())
}

/// The ports that the connection facts of a stack name.
pub(crate) fn recorded_ports(env_file: &Path) -> Vec<u16> {
    let env = StackEnv::read(env_file).unwrap_or_default();
    PORTS.iter().filter_map(|(_, key)| env.get(key)?.parse().ok()).collect()
}
