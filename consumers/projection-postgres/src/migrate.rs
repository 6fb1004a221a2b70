//! Bringing the views' database up to date.

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{PgConnection, SqlSafeStr};

/// Creates or upgrades everything that Postgres views need: offsets, parked keys, and the tables of the views, which
/// their crate gives as (number, name, SQL). As the owner of the views' database; idempotent.
pub async fn migrate(
    connection: &mut PgConnection,
    views: &[(i64, &'static str, &'static str)],
) -> Result<(), MigrateError> {
    ownership::migrate(&mut *connection).await?;
    dead_letters::migrate(&mut *connection).await?;
    let migration = |(number, name, sql): &(i64, &'static str, &'static str)| {
        Migration::new(*number, (*name).into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    let mut migrator = Migrator::with_migrations(views.iter().map(migration).collect());
    migrator.dangerous_set_table_name("_views_migrations");
    migrator.run(connection).await
}
