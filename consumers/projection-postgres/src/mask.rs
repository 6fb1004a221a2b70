//! What the role `analyst` sees: the rows of the tenant that its session names, without personal data.
//!
//! Personal is a column whose comment begins with `Personal: `. Analysts have no right to it at all; for tools that ask for
//! everything, `<table>_masked` shows the same rows with something else in its place.

use sqlx::{AssertSqlSafe, Executor, FromRow, PgConnection};

use crate::Error;
use crate::migrate::Made;
use crate::table::quoted;

const PERSONAL: &str = "Personal: ";

/// A column of a table.
#[derive(Debug, FromRow)]
struct Column {
    name: String,
    r#type: String,
    about: String,
}

impl Column {
    fn is_personal(&self) -> bool {
        self.about.starts_with(PERSONAL)
    }

    /// As the masked view shows it: a constant, so that nobody needs a right to the column.
    fn masked(&self) -> String {
        let name = quoted(&self.name);
        match self.r#type.as_str() {
            _ if !self.is_personal() => name,
            "text" => format!("'[masked]'::text as {name}"),
            other => format!("null::{other} as {name}"),
        }
    }
}

/// Opens a table or view of a schema to analysts.
pub(crate) async fn mask(connection: &mut PgConnection, schema: &str, made: &Made) -> Result<(), Error> {
    let failed = Error::sql("mask", &made.name);
    let relation = format!("{schema}.{}", quoted(&made.name));
    if made.is_view() {
        let sql = format!("grant select on {relation} to analyst");
        return connection.execute(AssertSqlSafe(sql)).await.map(drop).map_err(failed);
    }
    let columns: Vec<Column> = sqlx::query_as(include_str!("../queries/mask_columns.sql"))
        .bind(&relation)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed)?;
    let shown: Vec<String> =
        columns.iter().filter(|column| !column.is_personal()).map(|column| quoted(&column.name)).collect();
    let mut sql = format!(
        "create policy is_read_masked on {relation} for select to analyst \
             using (tenant_id = current_setting('millrace.tenant', true)); \
         grant select ({}) on {relation} to analyst;",
        shown.join(", ")
    );
    if shown.len() < columns.len() {
        let masked = format!("{schema}.{}", quoted(&format!("{}_masked", made.name)));
        let all: Vec<String> = columns.iter().map(Column::masked).collect();
        sql += &format!(
            "create view {masked} with (security_invoker = true) as select {} from {relation}; \
             grant select on {masked} to analyst, dashboard; \
             comment on view {masked} is 'The same as {}, without personal data.';",
            all.join(", "),
            made.name.replace('\'', "''")
        );
        for Column { name, about, .. } in &columns {
            let (name, about) = (quoted(name), about.replace('\'', "''"));
            sql += &format!("comment on column {masked}.{name} is '{about}';");
        }
    }
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.as_str()))).await.map(drop).map_err(failed)
}

/// Whether a table or view is open to analysts, or is not there at all.
pub(crate) async fn is_masked(
    connection: &mut PgConnection,
    schema: &str,
    name: &str,
) -> Result<bool, Error> {
    let is_there: Option<bool> = sqlx::query_scalar(include_str!("../queries/mask_is_there.sql"))
        .bind(format!("{schema}.{}", quoted(name)))
        .fetch_one(connection)
        .await
        .map_err(Error::sql("look at", name))?;
    Ok(is_there.unwrap_or(true))
}
