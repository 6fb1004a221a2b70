use local::{Component, Databases, Stack, StackEnv};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::{OwnStack, stack, unique};

/// A database of one test, owned by `owner`; it goes when this does.
#[derive(Debug)]
pub struct Database {
    name: String,
    stack: Stack,
    env: StackEnv,
    server: Component,
}

/// A fresh, empty database for the write side: `owner`, `app`, `cdc` and `auditor` may connect.
pub async fn events_database() -> Database {
    let facts = stack();
    Database::create(facts.stack(), facts.env(), "events", Databases::Events).await
}

/// A fresh, empty database for the read side: `owner`, `views_writer`, `dashboard`, `analyst` and `auditor` may connect.
pub async fn views_database() -> Database {
    let facts = stack();
    Database::create(facts.stack(), facts.env(), "views", Databases::Views).await
}

impl OwnStack {
    /// As [`views_database`], on the Postgres of this stack.
    ///
    /// # Panics
    /// When that does not run.
    pub async fn views_database(&self) -> Database {
        let env = self.stack.env().expect("it was raised");
        Database::create(&self.stack, &env, "views", Databases::Views).await
    }
}

impl Database {
    async fn create(stack: &Stack, env: &StackEnv, prefix: &str, like: Databases) -> Self {
        let name = unique(prefix).replace('-', "_");
        if let Err(error) = stack.create_database(env, &name, like).await {
            panic!("no database for this test: {error}; is the stack {:?} up?", stack.name());
        }
        Self { name, stack: stack.clone(), env: env.clone(), server: Component::Postgres }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Keeps what is committed now, for [`fail_over`](Self::fail_over). Whoever is connected loses the connection.
    pub async fn keep(&self) {
        let name = &self.name;
        run(&format!(
            "alter database {name} with allow_connections false;
             select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = '{name}';
             create database {name}_kept template {name} owner owner;
             update pg_database as kept set datacl = it.datacl from pg_database as it
             where it.datname = '{name}' and kept.datname = '{name}_kept';
             alter database {name} with allow_connections true"
        ))
        .await;
    }

    /// Goes back to what was committed when it was kept: a replica takes over that had not got any more than that. Whoever is
    /// connected loses the connection.
    pub async fn fail_over(&self) {
        let name = &self.name;
        run(&format!("drop database {name} with (force); alter database {name}_kept rename to {name}")).await;
    }

    /// The standby has taken the place of the server that it was made on.
    pub fn is_on_the_standby(&mut self) {
        self.server = Component::PostgresReplica;
    }

    /// The URL by which a role reaches it.
    pub fn url(&self, role: &str) -> String {
        self.stack.postgres_url(&self.env, self.server, role, &self.name)
    }
}

/// A connection of the one whom no policy and no owner holds.
///
/// # Panics
/// When the stack does not let it connect.
pub async fn superuser() -> PgConnection {
    let url = stack().get("MILLRACE_POSTGRES_SUPERUSER_URL");
    PgConnection::connect(url).await.expect("the superuser may connect")
}

/// Runs statements as the superuser, each by itself.
async fn run(statements: &str) {
    let mut superuser = superuser().await;
    for statement in statements.split(';') {
        superuser.execute(AssertSqlSafe(statement)).await.expect("the superuser may do so");
    }
}

impl Drop for Database {
    /// Begins to end what is still connected and to drop the database with its replication slots, and does not wait: it needs
    /// no runtime, so it works in a panic as well, and it keeps none from finishing a login that the server would wait for.
    /// What fails is left to the stack's end.
    fn drop(&mut self) {
        match self.stack.begin_drop_database(&self.env, &self.name) {
            Ok(child) => drop(std::thread::spawn(move || child.wait_with_output())),
            Err(error) => eprintln!("the database {} stays until the stack is purged: {error}", self.name),
        }
    }
}
