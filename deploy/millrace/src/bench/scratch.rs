//! An events' database of a benchmark's own: nobody replicates it, and it is gone afterwards.

use local::{Databases, Stack, StackEnv};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

/// A migrated, empty events' database.
#[derive(Debug)]
pub(crate) struct Scratch {
    stack: Stack,
    env: StackEnv,
    name: String,
}

impl Scratch {
    pub(crate) async fn create(stack: &str) -> anyhow::Result<Self> {
        let stack = Stack::open(stack)?;
        let env = stack.env()?;
        let name = format!("bench_{}", uuid::Uuid::now_v7().simple());
        stack.create_database(&env, &name, Databases::Events).await?;
        let scratch = Self { stack, env, name };
        match scratch.migrate().await {
            Ok(()) => Ok(scratch),
            Err(error) => {
                scratch.remove()?;
                Err(error)
            }
        }
    }

    async fn migrate(&self) -> anyhow::Result<()> {
        let owner = self.owner().await?;
        event_store::migrate(&owner).await?;
        outbox::Outbox::new(owner.clone()).roll(outbox::Retention::default()).await?;
        owner.close().await;
        Ok(())
    }

    /// Where a role finds it.
    pub(crate) fn url(&self, role: &str) -> String {
        self.stack.postgres_url(&self.env, role, &self.name)
    }

    pub(crate) async fn owner(&self) -> anyhow::Result<PgPool> {
        Ok(PgPoolOptions::new().max_connections(2).connect(&self.url("owner")).await?)
    }

    /// Removes it, whoever is still connected.
    pub(crate) fn remove(self) -> anyhow::Result<()> {
        Ok(self.stack.drop_database(&self.env, &self.name)?)
    }
}
