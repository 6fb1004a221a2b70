//! Databases beside those of the stack itself: tests have one each.

use std::io::Write;
use std::process::{Child, Stdio};

use crate::postgres::Postgres;
use crate::{Error, Result, Stack, StackEnv};

const SLOTS_DROP: &str = include_str!("../queries/slots_drop.sql");

/// Which of the stack's databases a further one is like: the same owner, the same guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Databases {
    /// The event store's and the outbox's.
    Events,
    /// The projections'.
    Views,
}

impl Databases {
    pub(crate) const fn guests(self) -> &'static str {
        match self {
            Self::Events => "app, cdc, auditor",
            Self::Views => "views_writer, dashboard, analyst, auditor",
        }
    }
}

impl Stack {
    /// Makes an empty database on a stack that is up.
    pub async fn create_database(&self, env: &StackEnv, name: &str, like: Databases) -> Result<()> {
        self.postgres()?.make_database(self, env, name, "owner", like.guests()).await
    }

    /// Drops a database with its replication slots and whoever is connected. Blocks; needs no runtime.
    pub fn drop_database(&self, env: &StackEnv, name: &str) -> Result<()> {
        finish(self.begin_drop_database(env, name)?)
    }

    /// Begins to drop a database and leaves the rest to a process, which goes on when this one ends. PostgreSQL waits for
    /// everybody who is about to log in before it drops a database: who blocks what would finish a login waits a minute.
    pub fn begin_drop_database(&self, env: &StackEnv, name: &str) -> Result<Child> {
        let drop =
            format!("{SLOTS_DROP}\n\\connect postgres\ndrop database if exists \"{name}\" with (force);\n");
        let mut psql = self.postgres()?.psql(self, env, name);
        let mut begin = || {
            let mut child =
                psql.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
            child.stdin.take().expect("its input was asked for").write_all(drop.as_bytes())?;
            Ok(child)
        };
        begin().map_err(Error::run("psql"))
    }

    pub(crate) fn postgres(&self) -> Result<Postgres> {
        Postgres::installed(self).ok_or_else(|| Error::MissingPackages("postgresql-15".to_owned()))
    }
}

/// Waits for psql.
fn finish(child: Child) -> Result<()> {
    let output = child.wait_with_output().map_err(Error::run("psql"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Error::Failed { program: "psql".to_owned(), status: output.status.to_string(), output: said })
}
