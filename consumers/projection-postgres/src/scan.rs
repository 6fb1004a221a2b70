//! Reading the tables of a projection as a whole, to compare them with the events they were made from.

use events::{AggregateId, Sum, TenantId};
use futures::stream::{BoxStream, StreamExt};
use kafka::{Loaded, RowKey};
use projection::Row;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use crate::Error;
use crate::table::{Stored, columns, is_plain, read_rows, reading, tenant_of};
use crate::totals::OWNER;

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

/// One partition's share of a total.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// Whose.
    pub tenant: TenantId,
    /// What is summed up: column and value of each grouping key.
    pub group: Vec<(String, String)>,
    /// The sums, by column.
    pub amounts: Vec<(String, i64)>,
}

impl<V: DeserializeOwned> ViewRow<V> {
    pub(crate) fn read(stored: Stored, table: &str) -> Result<Self, Error> {
        let Loaded { key, row, partition } = stored.loaded(table)?;
        Ok(Self { key, row, partition })
    }
}

/// The rows of these aggregates, those that exist, deleted ones included; as `views_writer`.
pub async fn load<V: DeserializeOwned>(
    connection: &mut PgConnection,
    table: &str,
    keys: &[RowKey],
) -> Result<Vec<Loaded<V>>, Error> {
    let all = columns(connection, table).await?;
    let sql = reading(include_str!("../queries/view_load.sql"), table, &all);
    read_rows(connection, table, &sql, keys.iter()).await
}

/// Every row of a view table, deleted ones included, in the order of their keys; as `views_writer`. Memory stays
/// bounded however large the table is.
pub async fn scan<'c, V: DeserializeOwned + Send + 'c>(
    connection: &'c mut PgConnection,
    table: &str,
) -> Result<BoxStream<'c, Result<ViewRow<V>, Error>>, Error> {
    let all = columns(connection, table).await?;
    let sql = reading(include_str!("../queries/view_scan.sql"), table, &all);
    let table = table.to_owned();
    let rows = sqlx::query_as::<_, Stored>(AssertSqlSafe(sql)).fetch(connection);
    let read = move |row: Result<Stored, sqlx::Error>| {
        ViewRow::read(row.map_err(Error::sql("scan", &table))?, &table)
    };
    Ok(rows.map(read).boxed())
}

/// Of which events every row was made, deleted ones included, in no order: version and sum; as `views_writer`.
pub async fn scan_sums<'c>(
    connection: &'c mut PgConnection,
    table: &str,
) -> Result<BoxStream<'c, Result<(RowKey, u64, Sum), Error>>, Error> {
    if !is_plain(table) {
        return Err(Error::Name(table.to_owned()));
    }
    let sql = include_str!("../queries/view_sums.sql").replace("{table}", table);
    let table = table.to_owned();
    let rows = sqlx::query_as::<_, (String, Uuid, i64, [u8; 16])>(AssertSqlSafe(sql)).fetch(connection);
    let read = move |row: Result<(String, Uuid, i64, [u8; 16]), sqlx::Error>| {
        let (tenant, id, version, sum) = row.map_err(Error::sql("scan", &table))?;
        let key = RowKey { tenant: tenant_of(&tenant, &table)?, aggregate_id: AggregateId(id) };
        Ok((key, version.unsigned_abs(), Sum::from_bytes(sum)))
    };
    Ok(rows.map(read).boxed())
}

/// Every partition's share of every total of a totals table, in no order; as `views_writer`.
pub async fn scan_totals<'c>(
    connection: &'c mut PgConnection,
    table: &str,
) -> Result<BoxStream<'c, Result<Share, Error>>, Error> {
    let grouping = columns(connection, table).await?.into_iter().filter(|column| column.is_key);
    let grouping: Vec<String> =
        grouping.map(|column| column.name).filter(|name| !OWNER.contains(&name.as_str())).collect();
    let sql = include_str!("../queries/total_scan.sql").replace("{table}", table);
    let table = table.to_owned();
    let shares = sqlx::query_scalar::<_, String>(AssertSqlSafe(sql)).fetch(connection);
    let read = move |share: Result<String, sqlx::Error>| {
        let read =
            |text: String| read_share(&text, &grouping).map_err(|source| sqlx::Error::Decode(source.into()));
        share.and_then(read).map_err(Error::sql("scan", &table))
    };
    Ok(shares.map(read).boxed())
}

fn read_share(text: &str, grouping: &[String]) -> Result<Share, serde_json::Error> {
    let mut columns: Map<String, Value> = serde_json::from_str(text)?;
    let [tenant, _] = OWNER.map(|name| columns.remove(name).unwrap_or_default());
    let mut group = Vec::with_capacity(grouping.len());
    for name in grouping {
        group.push((name.clone(), serde_json::from_value(columns.remove(name).unwrap_or_default())?));
    }
    let amount = |(name, value)| Ok((name, serde_json::from_value(value)?));
    let amounts = columns.into_iter().map(amount).collect::<Result<_, serde_json::Error>>()?;
    Ok(Share { tenant: serde_json::from_value(tenant)?, group, amounts })
}
