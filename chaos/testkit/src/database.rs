use local::Databases;

use crate::{stack, unique};

/// A database of one test, owned by `owner`; it goes when this does.
#[derive(Debug)]
pub struct Database {
    name: String,
}

/// A fresh, empty database for the write side: `owner`, `app`, `cdc` and `auditor` may connect.
pub async fn events_database() -> Database {
    Database::create("events", Databases::Events).await
}

/// A fresh, empty database for the read side: `owner`, `views_writer`, `dashboard` and `auditor` may connect.
pub async fn views_database() -> Database {
    Database::create("views", Databases::Views).await
}

impl Database {
    async fn create(prefix: &str, like: Databases) -> Self {
        let name = unique(prefix).replace('-', "_");
        let facts = stack();
        if let Err(error) = facts.stack().create_database(facts.env(), &name, like).await {
            panic!("no database for this test: {error}; is the stack {:?} up?", facts.stack().name());
        }
        Self { name }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URL by which a role reaches it.
    pub fn url(&self, role: &str) -> String {
        let facts = stack();
        facts.stack().postgres_url(facts.env(), role, &self.name)
    }
}

impl Drop for Database {
    /// Begins to end what is still connected and to drop the database with its replication slots, and does not wait: it needs
    /// no runtime, so it works in a panic as well, and it keeps none from finishing a login that the server would wait for.
    /// What fails is left to the stack's end.
    fn drop(&mut self) {
        let facts = stack();
        match facts.stack().begin_drop_database(facts.env(), &self.name) {
            Ok(child) => drop(std::thread::spawn(move || child.wait_with_output())),
            Err(error) => eprintln!("the database {} stays until the stack is purged: {error}", self.name),
        }
    }
}
