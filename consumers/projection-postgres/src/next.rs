//! The next edition of views in Postgres: in a schema of its own, `<projection>_next`, under the same names.
//!
//! How far it is lies in the transaction of its rows. Switching it in is one transaction of the owner of the tables, which begins
//! when it takes the offsets.

use std::marker::PhantomData;
use std::str::FromStr;

use dead_letters::Operator;
use events::AggregateId;
use kafka::{Loaded, RowChange, RowKey};
use projection::Projection;
use rebuild::{Batch, Behind, Edition, Progress};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, FromRow, PgConnection};
use uuid::Uuid;

use crate::migrate::{define, make_edition, relations};
use crate::table::{Stored, ViewTable, columns, quoted, reading};
use crate::totals::TotalsTable;
use crate::{Definition, Error, PostgresConfig, Tables, feed};

/// Most rows that are named when a new edition is behind.
const BEHIND_MAX: i64 = 20;

/// Longest time that offsets are held while nothing is asked; whoever holds them may be gone.
const HOLD_MAX: &str = "60s";

/// Longest wait for whoever reads or writes the tables that are switched, so that nobody waits for long behind it.
const SWITCH_WAIT: &str = "2s";

/// An edition that is being made.
#[derive(Debug)]
pub struct NextTables<P> {
    definition: Definition<'static>,
    tables: Tables<'static>,
    owner: PgConnection,
    writer: PgConnection,
    view: ViewTable,
    totals: Option<TotalsTable>,
    progress: Progress,
    is_guarded: bool,
    /// Where the projection stood when its offsets were taken.
    stood: serde_json::Value,
    projection: PhantomData<fn() -> P>,
}

impl<P: Projection> NextTables<P> {
    /// Begins, or goes on where it was cut short. `owner_url`: the views' database as the owner of its tables.
    pub async fn open(
        owner_url: &str,
        config: &PostgresConfig,
        definition: Definition<'static>,
        tables: Tables<'static>,
    ) -> Result<Self, Error> {
        let next = schema(definition.projection, "next");
        let mut owner =
            PgConnection::connect_with(&PgConnectOptions::from_str(owner_url).map_err(Error::Url)?)
                .await
                .map_err(Error::Connect)?;
        let progress = begin(&mut owner, &definition, &next, own(tables)).await?;
        // What takes long in bulk: millions of rows.
        let options = config
            .options("rebuild")?
            .options([("statement_timeout", "600s"), ("search_path", &format!("{next},public"))]);
        let mut writer = PgConnection::connect_with(&options).await.map_err(Error::Connect)?;
        let view = ViewTable::open::<P::View>(&mut writer, tables.view).await?;
        view.begin(&mut writer).await?;
        let totals = match tables.totals {
            None => None,
            Some(table) => Some(TotalsTable::open(&mut writer, table).await?),
        };
        let mut next = Self {
            definition,
            tables,
            owner,
            writer,
            view,
            totals,
            progress,
            is_guarded: false,
            stood: serde_json::Value::Null,
            projection: PhantomData,
        };
        next.is_guarded = next.guarded().await?;
        Ok(next)
    }

    /// Whether its tables are guarded.
    async fn guarded(&mut self) -> Result<bool, Error> {
        let sql = "select relrowsecurity from pg_class where oid = to_regclass($1)";
        sqlx::query_scalar(sql)
            .bind(format!("{}.{}", self.next(), self.tables.view))
            .fetch_one(&mut self.owner)
            .await
            .map_err(Error::sql("look at the next edition of", P::NAME))
    }

    fn next(&self) -> String {
        schema(P::NAME, "next")
    }
}

impl<P: Projection> Edition<P> for NextTables<P> {
    type Error = Error;

    fn progress(&self) -> Progress {
        self.progress
    }

    async fn load(&mut self, keys: &[RowKey]) -> Result<Vec<Loaded<P::View>>, Error> {
        let keys: Vec<(i32, RowKey)> = keys.iter().map(|key| (0, key.clone())).collect();
        self.view.load::<P::View>(&mut self.writer, &keys).await
    }

    /// All of it in one transaction.
    async fn write(&mut self, batch: Batch<P::View>) -> Result<(), Error> {
        let Batch { changes, replaced, from, to } = batch;
        let failed = Error::sql("write the next edition of", P::NAME);
        let mut writing = self.writer.begin().await.map_err(failed)?;
        // A write passes by a row that is newer; what was made anew has to go first.
        self.view.reset(&mut writing, &replaced.iter().collect::<Vec<_>>()).await?;
        // Rows that never were can go straight in, as long as the tables are not guarded yet.
        let is_new = |change: &&RowChange<P::View>| !self.is_guarded && change.old.version == 0;
        self.view.insert(&mut writing, changes.iter().filter(is_new)).await?;
        self.view.write(&mut writing, None, changes.iter().filter(|change| !is_new(change))).await?;
        if let Some(totals) = &self.totals {
            totals.add::<P>(&mut writing, changes.iter()).await?;
        }
        let advanced = sqlx::query(include_str!("../queries/rebuild_advance.sql"))
            .bind(P::NAME)
            .bind(from.position.cast_signed())
            .bind(to.position.cast_signed())
            .bind((to.events - from.events).cast_signed())
            .execute(&mut *writing)
            .await
            .map_err(Error::sql("note the progress of", P::NAME))?;
        if advanced.rows_affected() != 1 {
            return Err(Error::RebuiltElsewhere { projection: P::NAME.to_owned() });
        }
        writing.commit().await.map_err(failed)?;
        self.progress = to;
        Ok(())
    }

    async fn decisions(&mut self) -> Result<Vec<(RowKey, u64)>, Error> {
        Ok(Operator::new(&mut self.writer).decided(P::NAME).await?)
    }

    async fn sample(&mut self, rows: u32) -> Result<Vec<Loaded<P::View>>, Error> {
        let all = columns(&mut self.writer, self.tables.view).await?;
        let sql = reading(include_str!("../queries/rebuild_sample.sql"), self.tables.view, &all);
        let found: Vec<Stored> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(i64::from(rows))
            .fetch_all(&mut self.writer)
            .await
            .map_err(Error::sql("sample", self.tables.view))?;
        found.into_iter().map(|row| row.loaded(self.tables.view)).collect()
    }

    async fn versions(&mut self) -> Result<Vec<(AggregateId, u64)>, Error> {
        let table = self.tables.view;
        let sql = format!("select aggregate_id, version from {table}");
        let rows: Vec<(Uuid, i64)> = sqlx::query_as(AssertSqlSafe(sql))
            .fetch_all(&mut self.writer)
            .await
            .map_err(Error::sql("read", table))?;
        Ok(rows.into_iter().map(|(id, version)| (AggregateId(id), version.unsigned_abs())).collect())
    }

    /// The tables, as those that are read are guarded; from here on nothing is copied in.
    async fn guard(&mut self) -> Result<(), Error> {
        let failed = Error::sql("guard the next edition of", P::NAME);
        for table in own(self.tables) {
            let next = self.next();
            let sql = format!(
                "alter table {next}.{table} enable row level security; alter table {next}.{table} force row level security; analyze {next}.{table}"
            );
            self.owner.execute(sqlx::raw_sql(AssertSqlSafe(sql.as_str()))).await.map_err(failed)?;
        }
        self.is_guarded = true;
        Ok(())
    }

    async fn behind(&mut self) -> Result<Vec<Behind>, Error> {
        let sql = include_str!("../queries/rebuild_behind.sql")
            .replace("{table}", self.tables.view)
            .replace("{next}", &self.next());
        let behind: Vec<(String, Uuid, i64, i64)> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(BEHIND_MAX)
            .fetch_all(&mut self.writer)
            .await
            .map_err(Error::sql("compare the editions of", P::NAME))?;
        let named = |(tenant_id, id, version, found): (String, Uuid, i64, i64)| Behind {
            tenant_id,
            aggregate_id: AggregateId(id),
            version: version.unsigned_abs(),
            found: found.unsigned_abs(),
        };
        Ok(behind.into_iter().map(named).collect())
    }

    async fn hold(&mut self, topic: &str, ends: &[(i32, i64, i64)]) -> Result<(), Error> {
        let failed = Error::sql("hold the offsets of", P::NAME);
        let sql = format!(
            "begin; set local lock_timeout = '{SWITCH_WAIT}'; set local idle_in_transaction_session_timeout = '{HOLD_MAX}'"
        );
        self.owner.execute(sqlx::raw_sql(AssertSqlSafe(sql.as_str()))).await.map_err(failed)?;
        self.stood = sqlx::query_scalar(include_str!("../queries/rebuild_stand.sql"))
            .bind(P::NAME)
            .fetch_one(&mut self.owner)
            .await
            .map_err(failed)?;
        sqlx::query(include_str!("../queries/rebuild_offsets.sql"))
            .bind(P::NAME)
            .bind(topic)
            .bind(ends.iter().map(|(partition, ..)| *partition).collect::<Vec<_>>())
            .bind(ends.iter().map(|(_, low, _)| *low).collect::<Vec<_>>())
            .bind(ends.iter().map(|(_, _, high)| *high).collect::<Vec<_>>())
            .execute(&mut self.owner)
            .await
            .map(drop)
            .map_err(failed)
    }

    async fn let_go(&mut self) -> Result<(), Error> {
        self.owner.execute("rollback").await.map(drop).map_err(Error::sql("let go of", P::NAME))
    }

    async fn switch(&mut self) -> Result<(), Error> {
        let failed = Error::sql("switch the editions of", P::NAME);
        let ours = sqlx::query(
            "select 1 from projection_rebuild where projection = $1 and after_position = $2 for update",
        )
        .bind(P::NAME)
        .bind(self.progress.position.cast_signed())
        .fetch_optional(&mut self.owner)
        .await
        .map_err(failed)?;
        if ours.is_none() {
            return Err(Error::RebuiltElsewhere { projection: P::NAME.to_owned() });
        }
        let (next, kept) = (self.next(), schema(P::NAME, "kept"));
        let made = relations(&mut self.owner, &next).await.map_err(failed)?;
        let made: Vec<String> = made.into_iter().map(|relation| relation.name).collect();
        let read: Option<Vec<String>> =
            sqlx::query_scalar("select relations from projection_edition where projection = $1")
                .bind(P::NAME)
                .fetch_optional(&mut self.owner)
                .await
                .map_err(failed)?;
        let sql = format!("drop schema if exists {kept} cascade; create schema {kept}");
        self.owner.execute(sqlx::raw_sql(AssertSqlSafe(sql.as_str()))).await.map_err(failed)?;
        keep(&mut self.owner, P::NAME, &self.stood).await.map_err(failed)?;
        move_all(&mut self.owner, read.as_deref().unwrap_or_default(), "public", &kept)
            .await
            .map_err(failed)?;
        move_all(&mut self.owner, &made, &next, "public").await.map_err(failed)?;
        make_edition(&mut self.owner, P::NAME, self.definition.edition.cast_signed(), made)
            .await
            .map_err(failed)?;
        // Nothing may be left in there that what was moved needs.
        self.owner.execute(AssertSqlSafe(format!("drop schema {next}"))).await.map_err(failed)?;
        forget(&mut self.owner, P::NAME).await.map_err(failed)?;
        feed::reset(&mut self.owner, P::NAME, "the view was rebuilt").await.map_err(failed)?;
        self.owner.execute("commit").await.map(drop).map_err(failed)
    }
}

/// Gives an edition that is being made up; what is read is not touched. Answers whether there was one.
pub async fn abandon(owner: &mut PgConnection, projection: &str) -> Result<bool, Error> {
    let failed = Error::sql("abandon the next edition of", projection);
    let mut abandoning = owner.begin().await.map_err(failed)?;
    let was_there = forget(&mut abandoning, projection).await.map_err(failed)?;
    abandoning.commit().await.map_err(failed)?;
    Ok(was_there)
}

/// Goes back to the edition that was read before: it is read again at once, and the projector catches up from where it stood.
/// What was read until now is kept in its place. Answers whether there was one.
pub async fn go_back(owner: &mut PgConnection, projection: &str) -> Result<bool, Error> {
    let failed = Error::sql("go back with", projection);
    let mut going = owner.begin().await.map_err(failed)?;
    let sql = format!("set local lock_timeout = '{SWITCH_WAIT}'");
    going.execute(AssertSqlSafe(sql)).await.map_err(failed)?;
    sqlx::query("select 1 from projection_offset where projection = $1 order by topic, partition for update")
        .bind(projection)
        .execute(&mut *going)
        .await
        .map_err(failed)?;
    let found: Option<(i32, Vec<String>, serde_json::Value, Vec<String>)> =
        sqlx::query_as(include_str!("../queries/rebuild_kept.sql"))
            .bind(projection)
            .fetch_optional(&mut *going)
            .await
            .map_err(failed)?;
    let Some((edition, before, offsets, now)) = found else { return Ok(false) };
    let (kept, swap) = (schema(projection, "kept"), schema(projection, "swap"));
    if !is_there(&mut going, &kept).await.map_err(failed)? {
        return Ok(false); // somebody let it go
    }
    let stood = sqlx::query_scalar(include_str!("../queries/rebuild_stand.sql"))
        .bind(projection)
        .fetch_one(&mut *going)
        .await
        .map_err(failed)?;
    keep(&mut going, projection, &stood).await.map_err(failed)?;
    going.execute(AssertSqlSafe(format!("create schema {swap}"))).await.map_err(failed)?;
    move_all(&mut going, &now, "public", &swap).await.map_err(failed)?;
    move_all(&mut going, &before, &kept, "public").await.map_err(failed)?;
    move_all(&mut going, &now, &swap, &kept).await.map_err(failed)?;
    going.execute(AssertSqlSafe(format!("drop schema {swap}"))).await.map_err(failed)?;
    make_edition(&mut going, projection, edition, before).await.map_err(failed)?;
    sqlx::query(include_str!("../queries/rebuild_go_back.sql"))
        .bind(projection)
        .bind(offsets)
        .execute(&mut *going)
        .await
        .map_err(failed)?;
    // It is as fresh as nobody knows, until its projector says so.
    sqlx::query("delete from projection_status where projection = $1")
        .bind(projection)
        .execute(&mut *going)
        .await
        .map_err(failed)?;
    feed::reset(&mut going, projection, "the view went back to an earlier edition").await.map_err(failed)?;
    going.commit().await.map_err(failed)?;
    Ok(true)
}

/// A projection's tables.
fn own(tables: Tables<'static>) -> impl Iterator<Item = &'static str> {
    [Some(tables.view), tables.totals].into_iter().flatten()
}

/// The schema of an edition that is not read.
fn schema(projection: &str, which: &str) -> String {
    quoted(&format!("{projection}_{which}"))
}

/// Where it is, having made its tables if there is none yet.
async fn begin(
    owner: &mut PgConnection,
    definition: &Definition<'_>,
    next: &str,
    guarded: impl Iterator<Item = &str>,
) -> Result<Progress, Error> {
    let projection = definition.projection;
    let failed = Error::sql("begin the next edition of", projection);
    let mut beginning = owner.begin().await.map_err(failed)?;
    let text = definition.sql.concat();
    let mut found = enter(&mut beginning, definition, &text).await.map_err(failed)?;
    if found.edition.unsigned_abs() != definition.edition {
        let (found, wanted) = (found.edition.unsigned_abs(), definition.edition);
        return Err(Error::OtherRebuild { projection: projection.to_owned(), found, wanted });
    }
    if found.definition != text {
        tracing::warn!(projection, "its tables are defined anew: the rebuild begins anew");
        forget(&mut beginning, projection).await.map_err(failed)?;
        found = enter(&mut beginning, definition, &text).await.map_err(failed)?;
    }
    if !is_there(&mut beginning, next).await.map_err(failed)? {
        let sql = format!(
            "create schema {next}; grant usage on schema {next} to views_writer; set local search_path = {next}, public"
        );
        beginning.execute(sqlx::raw_sql(AssertSqlSafe(sql.as_str()))).await.map_err(failed)?;
        define(&mut beginning, definition, next).await?;
        // Nothing is copied into a table that is guarded; it is again before anybody reads it.
        for table in guarded {
            let sql = format!("alter table {next}.{table} disable row level security");
            beginning.execute(AssertSqlSafe(sql)).await.map_err(failed)?;
        }
    }
    beginning.commit().await.map_err(failed)?;
    Ok(Progress { position: found.after_position.unsigned_abs(), events: found.events.unsigned_abs() })
}

/// A rebuild under way.
#[derive(FromRow)]
struct Begun {
    edition: i32,
    definition: String,
    after_position: i64,
    events: i64,
}

/// The one that is under way, which is this one if there was none.
async fn enter(
    connection: &mut PgConnection,
    definition: &Definition<'_>,
    text: &str,
) -> Result<Begun, sqlx::Error> {
    sqlx::query_as(include_str!("../queries/rebuild_begin.sql"))
        .bind(definition.projection)
        .bind(definition.edition.cast_signed())
        .bind(text)
        .fetch_one(connection)
        .await
}

async fn is_there(connection: &mut PgConnection, schema: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select to_regnamespace($1) is not null").bind(schema).fetch_one(connection).await
}

/// What is read until now is kept, with where it stood.
async fn keep(
    connection: &mut PgConnection,
    projection: &str,
    stood: &serde_json::Value,
) -> Result<(), sqlx::Error> {
    let keep = sqlx::query(include_str!("../queries/rebuild_keep.sql")).bind(projection).bind(stood);
    keep.execute(connection).await.map(drop)
}

/// Drops an edition that is being made, and what is known of it.
async fn forget(connection: &mut PgConnection, projection: &str) -> Result<bool, sqlx::Error> {
    let sql = format!("drop schema if exists {} cascade", schema(projection, "next"));
    connection.execute(AssertSqlSafe(sql)).await?;
    let gone = sqlx::query("delete from projection_rebuild where projection = $1")
        .bind(projection)
        .execute(connection)
        .await?;
    Ok(gone.rows_affected() > 0)
}

/// Moves tables and views, with all that belongs to them.
async fn move_all(
    connection: &mut PgConnection,
    names: &[String],
    from: &str,
    to: &str,
) -> Result<(), sqlx::Error> {
    for name in names {
        let sql = format!("alter table {from}.{} set schema {to}", quoted(name));
        connection.execute(AssertSqlSafe(sql)).await?;
    }
    Ok(())
}
