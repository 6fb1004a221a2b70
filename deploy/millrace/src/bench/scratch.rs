//! A database of a benchmark's own: nobody replicates it, and it is gone afterwards.

use local::{Databases, Stack, StackEnv};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::projections::definitions;

/// A migrated, empty database.
#[derive(Debug)]
pub(crate) struct Scratch {
    stack: Stack,
    env: StackEnv,
    name: String,
}

impl Scratch {
    /// For events.
    pub(crate) async fn create(stack: &str) -> anyhow::Result<Self> {
        let scratch = Self::empty(stack, Databases::Events).await?;
        let migrated = scratch.migrate_events().await;
        scratch.once(migrated)
    }

    /// For views.
    pub(crate) async fn create_views(stack: &str) -> anyhow::Result<Self> {
        let scratch = Self::empty(stack, Databases::Views).await?;
        let migrated = scratch.migrate_views().await;
        scratch.once(migrated)
    }

    async fn empty(stack: &str, like: Databases) -> anyhow::Result<Self> {
        let stack = Stack::open(stack)?;
        let env = stack.env()?;
        let name = format!("bench_{}", uuid::Uuid::now_v7().simple());
        stack.create_database(&env, &name, like).await?;
        Ok(Self { stack, env, name })
    }

    fn once(self, migrated: anyhow::Result<()>) -> anyhow::Result<Self> {
        match migrated {
            Ok(()) => Ok(self),
            Err(error) => {
                self.remove()?;
                Err(error)
            }
        }
    }

    async fn migrate_events(&self) -> anyhow::Result<()> {
        let owner = self.owner().await?;
        event_store::migrate(&owner).await?;
        outbox::Outbox::new(owner.clone()).roll(outbox::Retention::default()).await?;
        owner.close().await;
        Ok(())
    }

    async fn migrate_views(&self) -> anyhow::Result<()> {
        let owner = self.owner().await?;
        projection_postgres::migrate(&mut *owner.acquire().await?, &definitions()).await?;
        owner.close().await;
        Ok(())
    }

    /// Where a role finds it.
    pub(crate) fn url(&self, role: &str) -> String {
        self.stack.postgres_url(&self.env, local::Component::Postgres, role, &self.name)
    }

    pub(crate) async fn owner(&self) -> anyhow::Result<PgPool> {
        Ok(PgPoolOptions::new().max_connections(2).connect(&self.url("owner")).await?)
    }

    /// Removes it, whoever is still connected.
    pub(crate) fn remove(self) -> anyhow::Result<()> {
        Ok(self.stack.drop_database(&self.env, &self.name)?)
    }
}
