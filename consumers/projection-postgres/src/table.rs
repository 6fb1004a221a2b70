//! A view's table: its columns, checked, and the statements made from them.

use events::{AggregateId, TenantId};
use kafka::{Loaded, RowChange, RowKey};
use projection::Row;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, FromRow, PgConnection};
use uuid::Uuid;

use crate::{Error, fields};

/// What every view table has beside the view's own fields.
pub(crate) const STANDARD: [&str; 9] = [
    "tenant_id",
    "aggregate_id",
    "version",
    "source_partition",
    "source_offset",
    "occurred_at",
    "recorded_at",
    "updated_at",
    "deleted_at",
];

/// What is not copied of these: the table says when a row was written.
const WRITTEN_AT: &str = "updated_at";

/// How much is copied at a time.
const COPY_BYTES: usize = 256 * 1024;

/// One column as the catalog has it.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Column {
    pub(crate) name: String,
    #[sqlx(rename = "type")]
    pub(crate) kind: String,
    pub(crate) is_key: bool,
}

impl Column {
    pub(crate) fn quoted(&self) -> String {
        quoted(&self.name)
    }
}

/// A name that may be anything, as SQL takes it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether a table's name needs no quotes.
pub(crate) fn is_plain(table: &str) -> bool {
    !table.is_empty() && table.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// The columns of a table that has a plain name and exists.
pub(crate) async fn columns(connection: &mut PgConnection, table: &str) -> Result<Vec<Column>, Error> {
    if !is_plain(table) {
        return Err(Error::Name(table.to_owned()));
    }
    let columns: Vec<Column> = sqlx::query_as(include_str!("../queries/view_columns.sql"))
        .bind(table)
        .fetch_all(connection)
        .await
        .map_err(Error::sql("read the columns of", table))?;
    if columns.is_empty() { Err(Error::NoTable { table: table.to_owned() }) } else { Ok(columns) }
}

/// A list such as `, a, b`, or `, a type, b type`, put together from columns.
pub(crate) fn listed<'c>(
    columns: impl IntoIterator<Item = &'c Column>,
    one: impl Fn(&Column, &str) -> String,
) -> String {
    columns.into_iter().map(|column| format!(", {}", one(column, &column.quoted()))).collect()
}

/// The statements of one view table.
#[derive(Debug)]
pub(crate) struct ViewTable {
    name: String,
    upsert: String,
    /// The same, and tells the feed.
    fed_upsert: String,
    copy: String,
    /// What is copied, in its order.
    copied: Vec<String>,
    is_scalar: bool,
    refused: String,
    load: String,
}

impl ViewTable {
    /// Reads the table's columns and checks them against the fields of `V`.
    pub(crate) async fn open<V: DeserializeOwned>(
        connection: &mut PgConnection,
        table: &str,
    ) -> Result<Self, Error> {
        let all = columns(connection, table).await?;
        for column in STANDARD {
            if !all.iter().any(|c| c.name == column) {
                return Err(Error::NoStandardColumn { table: table.to_owned(), column });
            }
        }
        let own: Vec<&Column> = all.iter().filter(|c| !STANDARD.contains(&c.name.as_str())).collect();
        let fields =
            fields::of::<V>().ok_or_else(|| Error::Form { table: table.to_owned(), source: None })?;
        let without_column: Vec<String> = fields
            .iter()
            .filter(|field| !own.iter().any(|c| c.name == **field))
            .map(|field| (*field).to_owned())
            .collect();
        let without_field: Vec<String> =
            own.iter().filter(|c| !fields.contains(&c.name.as_str())).map(|c| c.name.clone()).collect();
        if !without_column.is_empty() || !without_field.is_empty() {
            return Err(Error::Columns { table: table.to_owned(), without_column, without_field });
        }
        let upsert = include_str!("../queries/view_upsert.sql")
            .replace("{table}", table)
            .replace("{columns}", &listed(own.iter().copied(), |_, name| name.to_owned()))
            .replace("{x_columns}", &listed(own.iter().copied(), |_, name| format!("x.{name}")))
            .replace("{typed_columns}", &listed(own.iter().copied(), |c, name| format!("{name} {}", c.kind)))
            .replace(
                "{set_columns}",
                &listed(own.iter().copied(), |_, name| format!("{name} = excluded.{name}")),
            );
        let copied = STANDARD.into_iter().filter(|column| *column != WRITTEN_AT);
        let copied: Vec<String> =
            copied.chain(own.iter().map(|column| column.name.as_str())).map(str::to_owned).collect();
        let quoted: Vec<String> = copied.iter().map(|name| quoted(name)).collect();
        Ok(Self {
            name: table.to_owned(),
            fed_upsert: include_str!("../queries/feed_write.sql").to_owned() + &upsert,
            upsert,
            copy: format!("copy {table} ({}) from stdin", quoted.join(", ")),
            copied,
            is_scalar: own
                .iter()
                .all(|column| !column.kind.ends_with("[]") && !column.kind.starts_with("json")),
            refused: include_str!("../queries/view_refused.sql").replace("{table}", table),
            load: include_str!("../queries/view_load.sql").replace("{table}", table),
        })
    }

    /// Writes the rows; each of them, or none and an error that names one. `feed`: the projection whose feed is told of them.
    pub(crate) async fn write<'c, V: Serialize + 'c>(
        &self,
        connection: &mut PgConnection,
        feed: Option<&str>,
        changes: impl Iterator<Item = &'c RowChange<V>> + Clone,
    ) -> Result<(), Error> {
        let rows = changes.clone().map(|change| self.document(change)).collect::<Result<Vec<_>, _>>()?;
        if rows.is_empty() {
            return Ok(());
        }
        let text = serde_json::to_string(&rows).map_err(|e| self.form(Some(e)))?;
        let write = match feed {
            None => sqlx::query(AssertSqlSafe(self.upsert.as_str())).bind(&text),
            Some(projection) => sqlx::query(AssertSqlSafe(self.fed_upsert.as_str()))
                .bind(&text)
                .bind(projection)
                .bind(changes.clone().map(|change| change.key.tenant.as_str()).collect::<Vec<_>>())
                .bind(changes.map(|change| change.key.aggregate_id.0).collect::<Vec<_>>()),
        };
        let done = write.execute(&mut *connection).await.map_err(|source| self.failed("write", source))?;
        if done.rows_affected() == rows.len() as u64 {
            return Ok(());
        }
        let found: Option<(String, Uuid, i64)> = sqlx::query_as(AssertSqlSafe(self.refused.as_str()))
            .bind(&text)
            .fetch_optional(connection)
            .await
            .map_err(|source| self.failed("read", source))?;
        let found = found.map_or_else(
            || format!("{} of {} rows were written", done.rows_affected(), rows.len()),
            |(tenant, aggregate, version)| format!("{aggregate} of {tenant} at version {version}"),
        );
        Err(Error::NotWritten { table: self.name.clone(), found })
    }

    /// Whether every value that is copied is the same text to COPY as in JSON.
    pub(crate) fn can_copy(&self) -> bool {
        self.is_scalar
    }

    /// Makes these rows older than whatever is written next.
    pub(crate) async fn reset(&self, connection: &mut PgConnection, keys: &[&RowKey]) -> Result<(), Error> {
        if keys.is_empty() {
            return Ok(());
        }
        let sql = include_str!("../queries/view_reset.sql").replace("{table}", &self.name);
        sqlx::query(AssertSqlSafe(sql))
            .bind(keys.iter().map(|key| key.tenant.as_str()).collect::<Vec<_>>())
            .bind(keys.iter().map(|key| key.aggregate_id.0).collect::<Vec<_>>())
            .execute(connection)
            .await
            .map(drop)
            .map_err(|source| self.failed("reset", source))
    }

    /// Copies rows in that the table does not have, into a table that is not guarded by row.
    pub(crate) async fn copy<'c, V: Serialize + 'c>(
        &self,
        connection: &mut PgConnection,
        changes: impl Iterator<Item = &'c RowChange<V>>,
    ) -> Result<(), Error> {
        let mut changes = changes.peekable();
        if changes.peek().is_none() {
            return Ok(());
        }
        let failed = |source| self.failed("copy into", source);
        let mut copying = connection.copy_in_raw(&self.copy).await.map_err(failed)?;
        let mut lines = String::new();
        for change in changes {
            let document = self.document(change)?;
            for (index, name) in self.copied.iter().enumerate() {
                if index > 0 {
                    lines.push('\t');
                }
                copied(&mut lines, document.get(name));
            }
            lines.push('\n');
            if lines.len() >= COPY_BYTES {
                copying.send(lines.as_bytes()).await.map_err(failed)?;
                lines.clear();
            }
        }
        copying.send(lines.as_bytes()).await.map_err(failed)?;
        copying.finish().await.map(drop).map_err(failed)
    }

    /// The rows of these aggregates, those that exist.
    pub(crate) async fn load<V: DeserializeOwned>(
        &self,
        connection: &mut PgConnection,
        keys: &[(i32, RowKey)],
    ) -> Result<Vec<Loaded<V>>, Error> {
        read_rows(connection, &self.name, &self.load, keys.iter().map(|(_, key)| key)).await
    }

    fn document<V: Serialize>(&self, change: &RowChange<V>) -> Result<Map<String, Value>, Error> {
        let mut document = match &change.new.view {
            None => Map::new(),
            Some(view) => match serde_json::to_value(view).map_err(|e| self.form(Some(e)))? {
                Value::Object(document) => document,
                _ => return Err(self.form(None)),
            },
        };
        let deleted_at = change.new.view.is_none().then(|| change.last.recorded_at.to_string());
        let standard: [(&str, Value); 8] = [
            ("tenant_id", change.key.tenant.as_str().into()),
            ("aggregate_id", change.key.aggregate_id.to_string().into()),
            ("version", change.new.version.into()),
            ("source_partition", change.partition.into()),
            ("source_offset", change.last.offset.into()),
            ("occurred_at", change.last.occurred_at.to_string().into()),
            ("recorded_at", change.last.recorded_at.to_string().into()),
            ("deleted_at", deleted_at.into()),
        ];
        document.extend(standard.map(|(name, value)| (name.to_owned(), value)));
        Ok(document)
    }

    fn form(&self, source: Option<serde_json::Error>) -> Error {
        Error::Form { table: self.name.clone(), source }
    }

    fn failed(&self, action: &'static str, source: sqlx::Error) -> Error {
        Error::Sql { action, table: self.name.clone(), source }
    }
}

/// A tenant's name as a table has it.
pub(crate) fn tenant_of(name: &str, table: &str) -> Result<TenantId, Error> {
    let bad = |_| sqlx::Error::Decode(format!("{name:?}").into());
    name.parse().map_err(bad).map_err(Error::sql("read a tenant's name in", table))
}

/// A value as COPY reads it in its text form.
fn copied(line: &mut String, value: Option<&Value>) {
    match value {
        None | Some(Value::Null) => line.push_str("\\N"),
        Some(Value::String(text)) => escaped(line, text),
        Some(other) => escaped(line, &other.to_string()),
    }
}

fn escaped(line: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '\\' => line.push_str("\\\\"),
            '\t' => line.push_str("\\t"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            _ => line.push(letter),
        }
    }
}

/// Reads the rows of these aggregates, those that exist.
pub(crate) async fn read_rows<'k, V: DeserializeOwned>(
    connection: &mut PgConnection,
    table: &str,
    sql: &str,
    keys: impl Iterator<Item = &'k RowKey> + Clone,
) -> Result<Vec<Loaded<V>>, Error> {
    let rows: Vec<Stored> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(keys.clone().map(|key| key.tenant.as_str()).collect::<Vec<_>>())
        .bind(keys.map(|key| key.aggregate_id.0).collect::<Vec<_>>())
        .bind(&STANDARD[..])
        .fetch_all(connection)
        .await
        .map_err(Error::sql("read", table))?;
    rows.into_iter().map(|row| row.loaded(table)).collect()
}

/// A row as the statements above answer it.
#[derive(FromRow)]
pub(crate) struct Stored {
    tenant_id: String,
    aggregate_id: Uuid,
    version: i64,
    source_partition: i32,
    deleted: bool,
    view: String,
}

impl Stored {
    pub(crate) fn loaded<V: DeserializeOwned>(self, table: &str) -> Result<Loaded<V>, Error> {
        let tenant = tenant_of(&self.tenant_id, table)?;
        let key = RowKey { tenant, aggregate_id: AggregateId(self.aggregate_id) };
        let view = if self.deleted {
            None
        } else {
            match serde_json::from_str(&self.view) {
                Ok(view) => Some(view),
                Err(source) => return Err(Error::Row { table: table.to_owned(), key, source }),
            }
        };
        let row = Row { version: self.version.unsigned_abs(), view };
        Ok(Loaded { key, row, partition: self.source_partition })
    }
}
