//! PostgreSQL: a private cluster with a database for events, one for views and one for the registry.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use nix::unistd::Uid;
use tokio::process::Command;

use crate::files::{give, make_folder, write_private};
use crate::process::{Account, Launch, run};
use crate::stack::ROLES;
use crate::topology::Topology;
use crate::{Component, Databases, Error, PostgresTopology, Result, Stack, StackEnv, ports};

const CONFIG: &str = include_str!("../config/postgresql.conf");
const ACCESS: &str = include_str!("../config/pg_hba.conf");
const REPLICA: &str = include_str!("../config/postgresql-replica.conf");
const SLOT_SQL: &str = include_str!("../queries/replica_slot_create.sql");
const ROLES_SQL: &str = include_str!("../queries/roles_create.sql");
const DATABASE_SQL: &str = include_str!("../queries/database_create.sql");

/// The databases of a stack: name, owner, and who else may connect.
const DATABASES: [(&str, &str, &str); 3] = [
    ("millrace_events", "owner", Databases::Events.guests()),
    ("millrace_views", "owner", Databases::Views.guests()),
    ("registry", "registry", ""),
];

/// The programs of one major version.
#[derive(Debug, Clone)]
pub(crate) struct Postgres {
    bin: PathBuf,
}

impl Postgres {
    /// The programs for a stack: the version that made its data, else the oldest from 15 on that is installed.
    pub(crate) fn installed(stack: &Stack) -> Option<Self> {
        match fs::read_to_string(data_folder(stack, Component::Postgres).join("PG_VERSION")) {
            Ok(made_by) => Self::of_major(made_by.trim()),
            Err(_) => Self::any(),
        }
    }

    /// The oldest version from 15 on that is installed.
    pub(crate) fn any() -> Option<Self> {
        ["15", "16", "17", "18"].into_iter().find_map(Self::of_major)
    }

    fn of_major(major: &str) -> Option<Self> {
        let bin = PathBuf::from(format!("/usr/lib/postgresql/{major}/bin"));
        let complete = bin.join("postgres").exists() && bin.join("initdb").exists();
        complete.then_some(Self { bin })
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.bin.join("postgres")
    }

    pub(crate) async fn version(&self) -> Result<String> {
        let printed = run(Command::new(self.program()).arg("--version"), "").await?;
        Ok(printed.split_whitespace().nth(2).unwrap_or("?").to_owned())
    }

    /// Makes the cluster if there is none, and writes its configuration.
    pub(crate) async fn prepare(&self, stack: &Stack, env: &StackEnv) -> Result<Launch> {
        let account = account();
        let folder = stack.folder(Component::Postgres);
        for path in [&folder, &stack.socket_folder()] {
            make_folder(path, 0o711)?;
            give(path, account.as_ref())?;
        }
        if !data_folder(stack, Component::Postgres).join("PG_VERSION").exists() {
            self.make_cluster(stack, env, account.as_ref()).await?;
        }
        self.launch(stack, env, Component::Postgres, CONFIG.to_owned())
    }

    /// Copies the primary if there is no copy yet, and writes the configuration. One that was promoted stays a primary.
    pub(crate) async fn prepare_replica(&self, stack: &Stack, env: &StackEnv) -> Result<Launch> {
        let account = account();
        let folder = stack.folder(Component::PostgresReplica);
        make_folder(&folder, 0o711)?;
        give(&folder, account.as_ref())?;
        if !data_folder(stack, Component::PostgresReplica).join("PG_VERSION").exists() {
            self.copy_primary(stack, env, account.as_ref()).await?;
        }
        let value = |key: &str| env.get(key).unwrap_or_default();
        let source = REPLICA
            .replace("{primary_port}", value("MILLRACE_POSTGRES_PORT"))
            .replace("{password}", value("MILLRACE_POSTGRES_POSTGRES_PASSWORD"));
        self.launch(stack, env, Component::PostgresReplica, format!("{CONFIG}\n{source}"))
    }

    /// Writes the configuration of one of the two, and says how to start it.
    fn launch(&self, stack: &Stack, env: &StackEnv, component: Component, config: String) -> Result<Launch> {
        let (account, data) = (account(), data_folder(stack, component));
        let port = ports::of(env, component)[0].to_string();
        forget_dead_server(stack, component, &port)?;
        let config =
            config.replace("{port}", &port).replace("{socket}", &stack.socket_folder().display().to_string());
        let replication = match Topology::of(env).postgres {
            PostgresTopology::Replica => "local  replication  postgres  scram-sha-256\n",
            PostgresTopology::Single => "",
        };
        for (name, content) in
            [("postgresql.conf", config), ("pg_hba.conf", format!("{ACCESS}{replication}"))]
        {
            write_private(&data.join(name), &content)?;
            give(&data.join(name), account.as_ref())?;
        }
        let args = vec!["-D".to_owned(), data.display().to_string()];
        let (folder, log) = (stack.folder(component), stack.log(component));
        Ok(Launch { program: self.program(), args, folder, log, account })
    }

    /// `pg_basebackup` beside the final place. The slot keeps what the standby has not read yet.
    async fn copy_primary(&self, stack: &Stack, env: &StackEnv, account: Option<&Account>) -> Result<()> {
        self.query(stack, env, "postgres", SLOT_SQL).await?;
        let folder = stack.folder(Component::PostgresReplica);
        let staged = folder.join("data.new");
        if staged.exists() {
            fs::remove_dir_all(&staged).map_err(Error::file("remove", &staged))?;
        }
        let mut copy = Command::new(self.bin.join("pg_basebackup"));
        copy.arg("--pgdata").arg(&staged).arg("--host").arg(stack.socket_folder()).current_dir(&folder);
        copy.args(["--port", env.get("MILLRACE_POSTGRES_PORT").unwrap_or_default()]);
        copy.args(["--username=postgres", "--no-password", "--checkpoint=fast", "--slot=replica"]);
        copy.env("PGPASSWORD", env.get("MILLRACE_POSTGRES_POSTGRES_PASSWORD").unwrap_or_default());
        if let Some(account) = account {
            copy.uid(account.uid).gid(account.gid);
        }
        run(&mut copy, "").await?;
        write_private(&staged.join("standby.signal"), "")?;
        give(&staged.join("standby.signal"), account)?;
        let data = data_folder(stack, Component::PostgresReplica);
        fs::rename(&staged, data).map_err(Error::file("rename", &staged))
    }

    /// `initdb` beside the final place, so that one that was cut short leaves nothing that looks like a cluster.
    async fn make_cluster(&self, stack: &Stack, env: &StackEnv, account: Option<&Account>) -> Result<()> {
        let folder = stack.folder(Component::Postgres);
        let (staged, password_file) = (folder.join("data.new"), folder.join("superuser"));
        if staged.exists() {
            fs::remove_dir_all(&staged).map_err(Error::file("remove", &staged))?;
        }
        write_private(&password_file, env.get("MILLRACE_POSTGRES_POSTGRES_PASSWORD").unwrap_or_default())?;
        give(&password_file, account)?;
        let mut initdb = Command::new(self.bin.join("initdb"));
        initdb.arg("--pgdata").arg(&staged).arg("--pwfile").arg(&password_file).current_dir(&folder);
        initdb.args(["--username=postgres", "--auth=scram-sha-256", "--data-checksums"]);
        initdb.args(["--encoding=UTF8", "--locale=C.UTF-8"]);
        if let Some(account) = account {
            initdb.uid(account.uid).gid(account.gid);
        }
        let made = run(&mut initdb, "").await;
        fs::remove_file(&password_file).map_err(Error::file("remove", &password_file))?;
        made?;
        fs::rename(&staged, data_folder(stack, Component::Postgres)).map_err(Error::file("rename", &staged))
    }

    /// Whether it answers a query.
    pub(crate) async fn probe(stack: &Stack, env: &StackEnv, component: Component) -> Result<()> {
        let mut psql = stack.postgres()?.psql(stack, env, "postgres");
        psql.args(["--port", &ports::of(env, component)[0].to_string()]); // the last that is said counts
        run(&mut Command::from(psql), "select 1").await.map(drop)
    }

    /// Makes the roles and databases that are missing. Called after every start: it may have been cut short.
    pub(crate) async fn settle(&self, stack: &Stack, env: &StackEnv) -> Result<()> {
        let password = |role: &str| env.get(&format!("MILLRACE_POSTGRES_{}_PASSWORD", role.to_uppercase()));
        let fill = |sql: String, role: &&str| {
            sql.replace(&format!("{{{role}}}"), password(role).unwrap_or_default())
        };
        self.query(stack, env, "postgres", &ROLES.iter().fold(ROLES_SQL.to_owned(), fill)).await?;
        for (database, owner, guests) in DATABASES {
            self.make_database(stack, env, database, owner, guests).await?;
        }
        Ok(())
    }

    pub(crate) async fn make_database(
        &self,
        stack: &Stack,
        env: &StackEnv,
        database: &str,
        owner: &str,
        guests: &str,
    ) -> Result<()> {
        let found = format!("select 1 from pg_database where datname = '{database}'");
        if self.query(stack, env, "postgres", &found).await?.trim().is_empty() {
            let grantees = if guests.is_empty() { owner } else { guests };
            let sql = DATABASE_SQL.replace("{database}", database).replace("{owner}", owner);
            self.query(stack, env, "postgres", &sql.replace("{guests}", grantees)).await?;
        }
        Ok(())
    }

    /// Runs SQL as the superuser.
    pub(crate) async fn query(
        &self,
        stack: &Stack,
        env: &StackEnv,
        database: &str,
        sql: &str,
    ) -> Result<String> {
        run(&mut Command::from(self.psql(stack, env, database)), sql).await
    }

    /// A client of the superuser. SQL goes through its standard input and the password through its environment:
    /// neither is in the process list.
    pub(crate) fn psql(&self, stack: &Stack, env: &StackEnv, database: &str) -> std::process::Command {
        let mut psql = std::process::Command::new(self.bin.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]);
        psql.args(["--username=postgres", "--no-password", "--dbname", database]);
        psql.arg("--host").arg(stack.socket_folder());
        psql.args(["--port", env.get("MILLRACE_POSTGRES_PORT").unwrap_or_default()]);
        psql.env("PGPASSWORD", env.get("MILLRACE_POSTGRES_POSTGRES_PASSWORD").unwrap_or_default());
        psql.env("PGCONNECT_TIMEOUT", "5");
        psql
    }
}

pub(crate) const READY_WITHIN: Duration = Duration::from_secs(120); // it may have a crash to recover from

/// Removes the lock files of a server that was killed. The next one would do so itself, unless the old pid is
/// somebody else's by now, or still waits to be buried; but that nothing runs on this data is already certain.
fn forget_dead_server(stack: &Stack, component: Component, port: &str) -> Result<()> {
    let socket_lock = stack.socket_folder().join(format!(".s.PGSQL.{port}.lock"));
    let own_lock = data_folder(stack, component).join("postmaster.pid");
    for left in [own_lock, socket_lock].iter().filter(|left| left.exists()) {
        fs::remove_file(left).map_err(Error::file("remove", left))?;
    }
    Ok(())
}

/// Gives back the pieces of shared memory that killed servers left; the next ones would take them over, but there are to
/// be none. Key and number of each are the seventh line of the server's pid file.
pub(crate) async fn release_shared_memory(stack: &Stack) -> Result<()> {
    for component in [Component::Postgres, Component::PostgresReplica] {
        let left =
            fs::read_to_string(data_folder(stack, component).join("postmaster.pid")).unwrap_or_default();
        // None: it was killed before it had any.
        if let Some(number) = left.lines().nth(6).and_then(|line| line.split_whitespace().nth(1)) {
            run(Command::new("ipcrm").args(["--shmem-id", number]), "").await.ok(); // it is gone
        }
    }
    Ok(())
}

fn data_folder(stack: &Stack, component: Component) -> PathBuf {
    stack.folder(component).join("data")
}

/// `initdb` and the server refuse to run as root; the Debian package brings an account for them.
fn account() -> Option<Account> {
    if Uid::effective().is_root() { Account::named("postgres") } else { None }
}
