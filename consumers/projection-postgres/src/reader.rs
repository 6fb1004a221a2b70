//! Reading a view table as a whole, to compare it with the events it was made from.

use futures::stream::{BoxStream, StreamExt};
use kafka::{Loaded, RowKey};
use projection::Row;
use serde::de::DeserializeOwned;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::Error;
use crate::table::{STANDARD, Stored, columns};

/// One row of a view table.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewRow<V> {
    /// Whose it is and what it shows.
    pub key: RowKey,
    /// Its version; its view, unless it is deleted.
    pub row: Row<V>,
    /// The partition whose events made it.
    pub partition: i32,
}

/// Every row of a view table, deleted ones included, in the order of their keys; as `views_writer`. Memory stays
/// bounded however large the table is.
pub async fn scan<'c, V: DeserializeOwned + Send + 'c>(
    connection: &'c mut PgConnection,
    table: &str,
) -> Result<BoxStream<'c, Result<ViewRow<V>, Error>>, Error> {
    columns(connection, table).await?;
    let sql = include_str!("../queries/view_scan.sql").replace("{table}", table);
    let table = table.to_owned();
    let rows = sqlx::query_as::<_, Stored>(AssertSqlSafe(sql)).bind(&STANDARD[..]).fetch(connection);
    let read = move |row: Result<Stored, sqlx::Error>| {
        let row = row.map_err(|source| Error::Sql { action: "scan", table: table.clone(), source })?;
        let Loaded { key, row, partition } = row.loaded(&table)?;
        Ok(ViewRow { key, row, partition })
    };
    Ok(rows.map(read).boxed())
}
