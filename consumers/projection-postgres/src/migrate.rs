//! Bringing the views' database up to date.

use projection::Projection;
use sqlx::postgres::{PgDatabaseError, PgErrorPosition};
use sqlx::{AssertSqlSafe, Connection, Executor, FromRow, PgConnection};

use crate::Error;
use crate::mask::{is_masked, mask};
use crate::table::quoted;

/// The tables of one projection in one edition.
#[derive(Debug, Clone, Copy)]
pub struct Definition<'a> {
    /// Whose.
    pub projection: &'a str,
    /// Which edition it is the definition of.
    pub edition: u32,
    /// What makes them, in this order. Names are without a schema: the same text makes the next edition beside this one. It says
    /// nothing of who may read what: every table and view is guarded as it is made.
    pub sql: &'a [&'a str],
}

impl<'a> Definition<'a> {
    /// The tables of a projection as this program has it.
    pub const fn of<P: Projection>(sql: &'a [&'a str]) -> Self {
        Self { projection: P::NAME, edition: P::EDITION, sql }
    }

    /// What the database said about this part, with the line that it said it about, if it told.
    fn refused(&self, sql: &str, source: sqlx::Error) -> Error {
        let said = source.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
        let Some(PgErrorPosition::Original(place)) = said.and_then(PgDatabaseError::position) else {
            return Error::sql("make the tables of", self.projection)(source);
        };
        let line = sql.chars().take(place).filter(|c| *c == '\n').count();
        let text = sql.lines().nth(line).unwrap_or_default().trim().to_owned();
        Error::Definition { projection: self.projection.to_owned(), line: line + 1, text, source }
    }
}

/// A projection whose views are of another edition than the program's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherEdition {
    /// Which projection.
    pub projection: String,
    /// The edition that is there.
    pub found: u32,
    /// The edition that this program has.
    pub wanted: u32,
}

/// Creates or upgrades what all Postgres views need, offsets and parked keys, and makes the tables of projections that have
/// none yet. Tables of another edition are left alone, and told: they are rebuilt. As the owner of the views' database;
/// idempotent.
pub async fn migrate(
    connection: &mut PgConnection,
    definitions: &[Definition<'_>],
) -> Result<Vec<OtherEdition>, Error> {
    ownership::migrate(&mut *connection).await.map_err(Error::sql("upgrade", "the offsets"))?;
    dead_letters::migrate(&mut *connection).await.map_err(Error::sql("upgrade", "the parked keys"))?;
    let mut others = Vec::new();
    for definition in definitions {
        match edition(connection, definition.projection).await? {
            None => make(connection, definition).await?,
            Some(found) if found == definition.edition => open_to_analysts(connection, definition).await?,
            Some(found) => others.push(OtherEdition {
                projection: definition.projection.to_owned(),
                found,
                wanted: definition.edition,
            }),
        }
    }
    Ok(others)
}

/// The edition of a projection's views, if it has any.
async fn edition(connection: &mut PgConnection, projection: &str) -> Result<Option<u32>, Error> {
    let found: Option<i32> = sqlx::query_scalar(include_str!("../queries/edition_find.sql"))
        .bind(projection)
        .fetch_optional(connection)
        .await
        .map_err(Error::sql("find the edition of", projection))?;
    Ok(found.map(i32::unsigned_abs))
}

/// That the views are of the edition that a program makes. Where none is written down nobody ever made another one.
pub async fn check_edition(
    connection: &mut PgConnection,
    projection: &str,
    wanted: u32,
) -> Result<(), Error> {
    match edition(connection, projection).await? {
        Some(found) if found != wanted => {
            Err(Error::Edition { projection: projection.to_owned(), found, wanted })
        }
        _ => Ok(()),
    }
}

/// From now on these tables and views are read, as this edition.
pub(crate) async fn make_edition(
    connection: &mut PgConnection,
    projection: &str,
    edition: i32,
    relations: Vec<String>,
) -> Result<(), sqlx::Error> {
    let make = sqlx::query(include_str!("../queries/edition_make.sql"));
    make.bind(projection).bind(edition).bind(relations).execute(connection).await.map(drop)
}

/// Makes the tables, and writes down that they are there.
async fn make(connection: &mut PgConnection, definition: &Definition<'_>) -> Result<(), Error> {
    let failed = Error::sql("make the tables of", definition.projection);
    let mut making = connection.begin().await.map_err(failed)?;
    let made = define(&mut making, definition, "public").await?;
    make_edition(&mut making, definition.projection, definition.edition.cast_signed(), made)
        .await
        .map_err(failed)?;
    making.commit().await.map_err(failed)
}

/// Makes the tables in a schema, the first on the connection's search path, and guards them; answers which they are.
pub(crate) async fn define(
    connection: &mut PgConnection,
    definition: &Definition<'_>,
    schema: &str,
) -> Result<Vec<String>, Error> {
    let failed = Error::sql("make the tables of", definition.projection);
    let before = relations(connection, schema).await.map_err(failed)?;
    for sql in definition.sql {
        connection.execute(AssertSqlSafe(*sql)).await.map_err(|source| definition.refused(sql, source))?;
    }
    let mut made = relations(connection, schema).await.map_err(failed)?;
    made.retain(|relation| !before.contains(relation));
    for relation in &made {
        let guard = relation.guard()?.replace("{relation}", &format!("{schema}.{}", quoted(&relation.name)));
        connection.execute(AssertSqlSafe(guard)).await.map_err(Error::sql("guard", &relation.name))?;
        mask(connection, schema, relation).await?;
    }
    let mut all = relations(connection, schema).await.map_err(failed)?;
    all.retain(|relation| !before.contains(relation));
    Ok(all.into_iter().map(|relation| relation.name).collect())
}

/// Opens what an earlier program made to analysts.
async fn open_to_analysts(connection: &mut PgConnection, definition: &Definition<'_>) -> Result<(), Error> {
    let Definition { projection, edition, .. } = definition;
    let failed = Error::sql("open to analysts what belongs to", projection);
    let mut opening = connection.begin().await.map_err(failed)?;
    let mut made: Vec<String> =
        sqlx::query_scalar("select unnest(relations) from projection_edition where projection = $1")
            .bind(projection)
            .fetch_all(&mut *opening)
            .await
            .map_err(failed)?;
    let before = relations(&mut opening, "public").await.map_err(failed)?;
    let mut is_open = true;
    for relation in before.iter().filter(|relation| made.contains(&relation.name)) {
        if !is_masked(&mut opening, "public", &relation.name).await? {
            mask(&mut opening, "public", relation).await?;
            is_open = false;
        }
    }
    if !is_open {
        let now = relations(&mut opening, "public").await.map_err(failed)?;
        made.extend(now.into_iter().filter(|relation| !before.contains(relation)).map(|it| it.name));
        make_edition(&mut opening, projection, edition.cast_signed(), made).await.map_err(failed)?;
    }
    opening.commit().await.map_err(failed)
}

/// A table or view that a definition made.
#[derive(Debug, PartialEq, Eq, FromRow)]
pub(crate) struct Made {
    pub(crate) name: String,
    kind: String,
    has_tenant: bool,
}

impl Made {
    pub(crate) fn is_view(&self) -> bool {
        self.kind == "v"
    }

    /// What keeps readers to the rows of their tenant.
    fn guard(&self) -> Result<&'static str, Error> {
        let unguarded = |reason| Error::Unguarded { relation: self.name.clone(), reason };
        match (self.kind.as_str(), self.has_tenant) {
            ("m", _) => Err(unguarded("a materialized view shows everybody's rows to everybody")),
            (_, false) => Err(unguarded("it has no column tenant_id")),
            ("v", true) => Ok(include_str!("../queries/guard_view.sql")),
            (_, true) => Ok(include_str!("../queries/guard_table.sql")),
        }
    }
}

/// The tables and views of a schema, tables first.
pub(crate) async fn relations(connection: &mut PgConnection, schema: &str) -> Result<Vec<Made>, sqlx::Error> {
    sqlx::query_as(include_str!("../queries/relation_list.sql")).bind(schema).fetch_all(connection).await
}
