//! A query of a Postgres database, read through a cursor: so many rows are in memory as one fetch takes.

use std::collections::VecDeque;
use std::fmt;

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::Error;
use crate::bookkeeping::failed;

/// Rows of one fetch.
const FETCH: u32 = 500;

/// The rows of a query as JSON texts. The transaction sees one snapshot and may not write, whatever the query says.
pub(crate) struct Cursor {
    connection: PgConnection,
    fetched: VecDeque<String>,
    done: bool,
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor")
            .field("fetched", &self.fetched.len())
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}

impl Cursor {
    pub(crate) async fn open(url: &str, query: &str) -> Result<Self, Error> {
        let mut connection =
            PgConnection::connect(url).await.map_err(failed("connect to the source's database"))?;
        sqlx::query("begin transaction isolation level repeatable read, read only")
            .execute(&mut connection)
            .await
            .map_err(failed("begin to read the source"))?;
        // Times come as ISO 8601 with their offset, numerics with every digit: what `row_to_json` writes.
        let declare = format!(
            "declare source_row no scroll cursor for select row_to_json(source_row)::text from ({query}) as source_row"
        );
        sqlx::query(AssertSqlSafe(declare)) // whoever may read the mapping and the URL may run the query
            .execute(&mut connection)
            .await
            .map_err(failed("run the mapping's query"))?;
        Ok(Self { connection, fetched: VecDeque::new(), done: false })
    }

    pub(crate) async fn next(&mut self) -> Result<Option<String>, Error> {
        if self.fetched.is_empty() && !self.done {
            let fetch = format!("fetch forward {FETCH} from source_row");
            let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(fetch)) // a constant
                .fetch_all(&mut self.connection)
                .await
                .map_err(failed("read the source"))?;
            self.done = rows.is_empty();
            self.fetched = rows.into();
        }
        Ok(self.fetched.pop_front())
    }
}

/// How many rows a query has.
pub(crate) async fn count(url: &str, query: &str) -> Result<u64, Error> {
    let mut connection =
        PgConnection::connect(url).await.map_err(failed("connect to the source's database"))?;
    let mut reading =
        connection.begin_with("begin read only").await.map_err(failed("begin to read the source"))?;
    let count = format!("select count(*) from ({query}) as source_row");
    let rows: i64 = sqlx::query_scalar(AssertSqlSafe(count)) // as above
        .fetch_one(&mut *reading)
        .await
        .map_err(failed("count the rows of the mapping's query"))?;
    Ok(rows.unsigned_abs())
}
