//! A view's table: its columns, checked, and the statements made from them.

use std::fmt::Display;

use events::{AggregateId, Sum, TenantId, Timestamp};
use kafka::{Loaded, RowChange, RowKey};
use projection::Row;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, Executor, FromRow, PgConnection};
use uuid::Uuid;

use crate::line::{self, Field, NoLine};
use crate::{Error, fields};

/// What every view table has beside the view's own fields.
pub(crate) const STANDARD: [&str; 10] = [
    "tenant_id",
    "aggregate_id",
    "version",
    "events_sum",
    "source_partition",
    "source_offset",
    "occurred_at",
    "recorded_at",
    "updated_at",
    "deleted_at",
];

/// What is not copied of these: the table says when a row was written.
const WRITTEN_AT: &str = "updated_at";

/// So many rows are worth the two round trips more that COPY takes.
const MANY: usize = 50;

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

/// The columns that are the view's own.
fn own(all: &[Column]) -> impl Iterator<Item = &Column> {
    all.iter().filter(|column| !STANDARD.contains(&column.name.as_str()))
}

/// A statement that reads rows of a table, with the view's own columns as one document.
pub(crate) fn reading(statement: &str, table: &str, all: &[Column]) -> String {
    let columns: Vec<String> = own(all).map(|column| format!("t.{}", column.quoted())).collect();
    let view = format!("(select row_to_json(o)::text from (select {}) as o)", columns.join(", "));
    statement.replace("{table}", table).replace("{view}", &view)
}

/// The statements of one view table.
#[derive(Debug)]
pub(crate) struct ViewTable {
    name: String,
    /// For few rows, which come as one document.
    few: Upsert,
    /// For many rows, which come by COPY; none where a column is an array, which COPY takes in a form of its own.
    many: Option<Copying>,
    load: String,
}

/// Rows into the table from somewhere.
#[derive(Debug)]
struct Upsert {
    write: String,
    /// The same, and tells the feed.
    fed_write: String,
    refused: String,
}

/// Rows by COPY, into the table or into a temporary one beside it: what is guarded by row takes no COPY.
#[derive(Debug)]
struct Copying {
    fields: Vec<Field>,
    into_table: String,
    into_pending: String,
    make_pending: String,
    pending: Upsert,
}

impl Upsert {
    /// `projection`: the parameter that names whose feed is told.
    fn new(table: &str, all: &[Column], rows: &str, projection: &str) -> Self {
        let of = |statement: &str| {
            statement
                .replace("{columns}", &listed(own(all), |_, name| name.to_owned()))
                .replace("{x_columns}", &listed(own(all), |_, name| format!("x.{name}")))
                .replace("{set_columns}", &listed(own(all), |_, name| format!("{name} = excluded.{name}")))
                .replace("{projection}", projection)
                .replace("{table}", table)
                .replace("{rows}", rows)
        };
        let write = of(include_str!("../queries/view_upsert.sql"));
        Self {
            fed_write: of(include_str!("../queries/feed_write.sql")) + &write,
            write,
            refused: of(include_str!("../queries/view_refused.sql")),
        }
    }
}

impl Copying {
    fn new(table: &str, all: &[Column], fields: &[&'static str]) -> Self {
        let kind = |name: &str| all.iter().find(|column| column.name == name).map(|column| &*column.kind);
        let is_json = |name| kind(name).is_some_and(|kind| kind.starts_with("json"));
        let standard = STANDARD.into_iter().filter(|column| *column != WRITTEN_AT);
        let copied: Vec<String> = standard.chain(fields.iter().copied()).map(quoted).collect();
        let into = |table: &str| format!("copy {table} ({}) from stdin", copied.join(", "));
        let pending = format!("pg_temp.{table}_pending");
        Self {
            fields: fields.iter().map(|name| Field { name, is_json: is_json(name) }).collect(),
            into_table: into(table),
            into_pending: into(&pending),
            make_pending: include_str!("../queries/view_pending.sql").replace("{table}", table),
            pending: Upsert::new(table, all, &format!("{pending} as x"), "$1"),
        }
    }
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
        let fields =
            fields::of::<V>().ok_or_else(|| Error::Form { table: table.to_owned(), source: None })?;
        let without_column: Vec<String> = fields
            .iter()
            .filter(|field| !own(&all).any(|c| c.name == **field))
            .map(|field| (*field).to_owned())
            .collect();
        let without_field: Vec<String> =
            own(&all).filter(|c| !fields.contains(&c.name.as_str())).map(|c| c.name.clone()).collect();
        if !without_column.is_empty() || !without_field.is_empty() {
            return Err(Error::Columns { table: table.to_owned(), without_column, without_field });
        }
        let typed = listed(own(&all), |c, name| format!("{name} {}", c.kind));
        let documents = include_str!("../queries/view_documents.sql").replace("{typed_columns}", &typed);
        let has_arrays = own(&all).any(|column| column.kind.ends_with("[]"));
        Ok(Self {
            name: table.to_owned(),
            few: Upsert::new(table, &all, documents.trim_end(), "$2"),
            many: (!has_arrays).then(|| Copying::new(table, &all, fields)),
            load: reading(include_str!("../queries/view_load.sql"), table, &all),
        })
    }

    /// Prepares a connection to write.
    pub(crate) async fn begin(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if let Some(Copying { make_pending, .. }) = &self.many {
            let made = connection.execute(AssertSqlSafe(make_pending.as_str())).await;
            made.map_err(Error::sql("make a temporary table beside", &self.name))?;
        }
        Ok(())
    }

    /// Writes the rows; each of them, or none and an error that names one. `feed`: the projection whose feed is told of them.
    pub(crate) async fn write<'c, V: Serialize + 'c>(
        &self,
        connection: &mut PgConnection,
        feed: Option<&str>,
        changes: impl Iterator<Item = &'c RowChange<V>>,
    ) -> Result<(), Error> {
        let changes: Vec<&RowChange<V>> = changes.collect();
        if changes.is_empty() {
            return Ok(());
        }
        let many = self.many.as_ref().filter(|_| changes.len() >= MANY);
        let (upsert, documents) = match many {
            Some(copying) => {
                self.copy_in(connection, copying, &copying.into_pending, changes.iter().copied()).await?;
                (&copying.pending, None)
            }
            None => (&self.few, Some(self.documents(&changes)?)),
        };
        let write = if feed.is_some() { &upsert.fed_write } else { &upsert.write };
        let mut write = sqlx::query(AssertSqlSafe(write.as_str()));
        let mut refused = sqlx::query_as::<_, (String, Uuid, i64)>(AssertSqlSafe(upsert.refused.as_str()));
        if let Some(documents) = &documents {
            (write, refused) = (write.bind(documents), refused.bind(documents));
        }
        if let Some(projection) = feed {
            write = write.bind(projection);
        }
        let done = write.execute(&mut *connection).await.map_err(Error::sql("write", &self.name))?;
        if done.rows_affected() == changes.len() as u64 {
            return Ok(());
        }
        let found = refused.fetch_optional(connection).await.map_err(Error::sql("read", &self.name))?;
        let found = found.map_or_else(
            || format!("{} of {} rows were written", done.rows_affected(), changes.len()),
            |(tenant, aggregate, version)| format!("{aggregate} of {tenant} at version {version}"),
        );
        Err(Error::NotWritten { table: self.name.clone(), found })
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
            .map_err(Error::sql("reset", &self.name))
    }

    /// Writes rows that the table does not have, as long as it is not guarded by row.
    pub(crate) async fn insert<'c, V: Serialize + 'c>(
        &self,
        connection: &mut PgConnection,
        changes: impl Iterator<Item = &'c RowChange<V>>,
    ) -> Result<(), Error> {
        let mut changes = changes.peekable();
        match &self.many {
            Some(copying) if changes.peek().is_some() => {
                self.copy_in(connection, copying, &copying.into_table, changes).await
            }
            _ => self.write(connection, None, changes).await,
        }
    }

    async fn copy_in<'c, V: Serialize + 'c>(
        &self,
        connection: &mut PgConnection,
        copying: &Copying,
        into: &str,
        changes: impl Iterator<Item = &'c RowChange<V>>,
    ) -> Result<(), Error> {
        let failed = Error::sql("copy into", &self.name);
        let mut rows = connection.copy_in_raw(into).await.map_err(failed)?;
        let mut lines = String::new();
        for change in changes {
            copying.line(&mut lines, change).map_err(|e| self.form(Some(e.into())))?;
            if lines.len() >= COPY_BYTES {
                rows.send(lines.as_bytes()).await.map_err(failed)?;
                lines.clear();
            }
        }
        rows.send(lines.as_bytes()).await.map_err(failed)?;
        rows.finish().await.map(drop).map_err(failed)
    }

    /// The rows of these aggregates, those that exist.
    pub(crate) async fn load<V: DeserializeOwned>(
        &self,
        connection: &mut PgConnection,
        keys: &[(i32, RowKey)],
    ) -> Result<Vec<Loaded<V>>, Error> {
        read_rows(connection, &self.name, &self.load, keys.iter().map(|(_, key)| key)).await
    }

    /// The rows as one document.
    fn documents<V: Serialize>(&self, changes: &[&RowChange<V>]) -> Result<String, Error> {
        let rows = changes.iter().map(|change| self.document(change)).collect::<Result<Vec<_>, _>>()?;
        serde_json::to_string(&rows).map_err(|e| self.form(Some(e.into())))
    }

    fn document<V: Serialize>(&self, change: &RowChange<V>) -> Result<Map<String, Value>, Error> {
        let mut document = match &change.new.view {
            None => Map::new(),
            Some(view) => match serde_json::to_value(view).map_err(|e| self.form(Some(e.into())))? {
                Value::Object(document) => document,
                _ => return Err(self.form(None)),
            },
        };
        let standard: [(&str, Value); 9] = [
            ("tenant_id", change.key.tenant.as_str().into()),
            ("aggregate_id", change.key.aggregate_id.to_string().into()),
            ("version", change.new.version.into()),
            ("events_sum", bytes(change.new.sum).into()),
            ("source_partition", change.partition.into()),
            ("source_offset", change.last.offset.into()),
            ("occurred_at", change.last.occurred_at.to_string().into()),
            ("recorded_at", change.last.recorded_at.to_string().into()),
            ("deleted_at", deleted_at(change).map(|at| at.to_string()).into()),
        ];
        document.extend(standard.map(|(name, value)| (name.to_owned(), value)));
        Ok(document)
    }

    fn form(&self, source: Option<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::Form { table: self.name.clone(), source }
    }
}

impl Copying {
    /// Adds a row, in the order of the columns that are copied.
    fn line<V: Serialize>(&self, lines: &mut String, change: &RowChange<V>) -> Result<(), NoLine> {
        let RowChange { key, partition, new, last, .. } = change;
        let standard: [&dyn Display; 8] = [
            &key.tenant,
            &key.aggregate_id,
            &new.version,
            &bytes(new.sum),
            partition,
            &last.offset,
            &last.occurred_at,
            &last.recorded_at,
        ];
        for found in standard {
            line::value(lines, Some(found));
            lines.push('\t');
        }
        line::value(lines, deleted_at(change));
        line::fields(lines, &self.fields, new.view.as_ref())?;
        lines.push('\n');
        Ok(())
    }
}

/// A sum as a column of bytes takes it.
fn bytes(sum: Sum) -> String {
    format!("\\x{sum}")
}

/// When a row was deleted, if it was.
fn deleted_at<V>(change: &RowChange<V>) -> Option<Timestamp> {
    change.new.view.is_none().then_some(change.last.recorded_at)
}

/// A tenant's name as a table has it.
pub(crate) fn tenant_of(name: &str, table: &str) -> Result<TenantId, Error> {
    let bad = |_| sqlx::Error::Decode(format!("{name:?}").into());
    name.parse().map_err(bad).map_err(Error::sql("read a tenant's name in", table))
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
    events_sum: [u8; 16],
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
        let row = Row {
            version: self.version.unsigned_abs(),
            view,
            sum: Sum::from_bytes(self.events_sum),
            ..Row::default()
        };
        Ok(Loaded { key, row, partition: self.source_partition })
    }
}
