//! What a table or view has for its readers.

use projection::Moment;
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use crate::Error;
use crate::table::is_plain;

/// A table or view as the role that reads it sees it. Its tenant's column is not among its columns: a reader has one tenant.
#[derive(Debug, Clone)]
pub struct Relation {
    name: String,
    columns: Vec<RelationColumn>,
    key: Vec<String>,
}

/// One column.
#[derive(Debug, Clone, FromRow)]
pub struct RelationColumn {
    /// Its name.
    pub name: String,
    #[sqlx(rename = "type")]
    pub(super) sql_type: String,
    /// What it means, as its comment says.
    pub about: String,
    /// It is never null.
    pub is_set: bool,
}

/// What the values of a column are, as far as a reader can compare them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// A decimal number.
    Number,
    /// True or false.
    Boolean,
    /// An id.
    Uuid,
    /// A point in time.
    Time,
    /// Anything else; it is shown, and that is all.
    Other,
}

impl Kind {
    /// What such a value is, in words.
    pub fn wanted(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Integer => "a whole number that fits",
            Self::Number => "a decimal number",
            Self::Boolean => "true or false",
            Self::Uuid => "a UUID",
            Self::Time => "a time such as 2026-11-21T03:46:19.124788Z",
            Self::Other => "not to be compared",
        }
    }
}

impl RelationColumn {
    /// What its values are.
    pub fn kind(&self) -> Kind {
        match self.sql_type.as_str() {
            "text" => Kind::Text,
            "smallint" | "integer" | "bigint" => Kind::Integer,
            "boolean" => Kind::Boolean,
            "uuid" => Kind::Uuid,
            "timestamp with time zone" => Kind::Time,
            kind if kind.starts_with("numeric") || kind == "double precision" => Kind::Number,
            _ => Kind::Other,
        }
    }

    /// Whether this text is one of its values.
    pub fn reads(&self, text: &str) -> bool {
        match self.kind() {
            Kind::Text => !text.contains('\0'),
            Kind::Integer => match self.sql_type.as_str() {
                "smallint" => text.parse::<i16>().is_ok(),
                "integer" => text.parse::<i32>().is_ok(),
                _ => text.parse::<i64>().is_ok(),
            },
            Kind::Number => text.parse::<f64>().is_ok_and(f64::is_finite),
            Kind::Boolean => matches!(text, "true" | "false"),
            Kind::Uuid => text.len() == 36 && Uuid::try_parse(text).is_ok(),
            Kind::Time => text.parse::<Moment>().is_ok(),
            Kind::Other => false,
        }
    }
}

/// The column that a row which is kept only for its version is told by.
pub(super) const DELETED_AT: &str = "deleted_at";

/// What the ledger compares; it says nothing to readers.
const EVENTS_SUM: &str = "events_sum";

impl Relation {
    pub(super) async fn open(pool: &PgPool, name: &str, key: &[&str]) -> Result<Self, Error> {
        if !is_plain(name) {
            return Err(Error::Name(name.to_owned()));
        }
        let mut columns: Vec<RelationColumn> =
            sqlx::query_as(include_str!("../../queries/relation_columns.sql"))
                .bind(name)
                .fetch_all(pool)
                .await
                .map_err(Error::sql("read the columns of", name))?;
        if columns.is_empty() {
            return Err(Error::NoTable { table: name.to_owned() });
        }
        columns.retain(|column| column.name != "tenant_id" && column.name != EVENTS_SUM);
        if let Some(absent) = key.iter().find(|key| !columns.iter().any(|column| column.name == **key)) {
            return Err(Error::NoKey { table: name.to_owned(), column: (*absent).to_owned() });
        }
        let key = key.iter().map(|name| (*name).to_owned()).collect();
        Ok(Self { name: name.to_owned(), columns, key })
    }

    /// Its name in the database.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a reader is shown, in its order.
    pub fn columns(&self) -> impl Iterator<Item = &RelationColumn> {
        self.columns.iter().filter(|column| column.name != DELETED_AT)
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&RelationColumn> {
        self.columns().find(|column| column.name == name)
    }

    /// The columns that tell the rows of one tenant apart.
    pub fn key(&self) -> &[String] {
        &self.key
    }

    pub(super) fn keeps_deleted(&self) -> bool {
        self.columns.iter().any(|column| column.name == DELETED_AT)
    }

    pub(super) fn is_key(&self, column: &RelationColumn) -> bool {
        self.key.contains(&column.name)
    }
}

#[cfg(test)]
impl Relation {
    /// Columns as `name type`, `!` before those that are never null.
    pub(super) fn of(name: &str, columns: &[&str], key: &[&str]) -> Self {
        let column = |text: &&str| {
            let (name, sql_type) = text.split_once(' ').unwrap();
            let is_set = name.starts_with('!');
            let name = name.trim_start_matches('!').to_owned();
            RelationColumn { name, sql_type: sql_type.to_owned(), about: String::new(), is_set }
        };
        let key = key.iter().map(|name| (*name).to_owned()).collect();
        Self { name: name.to_owned(), columns: columns.iter().map(column).collect(), key }
    }
}
