//! A second edition of a projection's views, made beside the one that is read, and switched in at once.
//!
//! It is made from the events of the store, in the order of their positions, by the same [`step`] as live events: in a schema of
//! its own, `<projection>_next`, under the same names. How far it is lies in the transaction of its rows, so whoever is cut
//! short goes on. Nobody is told anything meanwhile, and nothing is parked: what it cannot apply stays behind, and so does
//! the aggregate.
//!
//! Switching in is one transaction of the owner of the tables. It first takes the offsets, so that no projector writes on; then
//! whoever rebuilds reads what the store has by now; then no row may be behind the edition that is read. So readers never go
//! back, and the projector goes on where it stood: what is in the new edition already is a duplicate to it. The edition that was
//! read is kept, with where it stood, until the next one is.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dead_letters::{DecisionShown, Operator};
use events::{AggregateId, Digest, DomainEvent, Recorded, Sum, Timestamp};
use futures::StreamExt;
use kafka::{Loaded, RowChange, RowKey, Source, partition_of};
use projection::{Projection, Row, Step, step};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, FromRow, PgConnection};
use uuid::Uuid;

use crate::migrate::{define, make_edition, relations};
use crate::scan::ViewRow;
use crate::table::{Stored, ViewTable, columns, quoted, reading, tenant_of};
use crate::totals::TotalsTable;
use crate::{Definition, Error, PostgresConfig, Tables, feed};

/// Rows that changed before they are written, and as many that are kept in memory after.
const ROWS_MAX: usize = 50_000;

/// Time between two writes: a row is written once for all of its events in between, and as much work is done again after a crash.
const WRITE_EVERY: Duration = Duration::from_secs(10);

/// A row that came from the store has no offset.
pub const NO_OFFSET: i64 = -1;

/// Rows that are looked for at a time.
const KEYS_MAX: usize = 5_000;

/// Most rows that are named when a new edition is behind.
const BEHIND_MAX: i64 = 20;

/// Longest time that offsets are held while nothing is asked; whoever holds them may be gone.
const HOLD_MAX: &str = "60s";

/// Longest wait for whoever reads or writes the tables that are switched, so that nobody waits for long behind it.
const SWITCH_WAIT: &str = "2s";

/// An edition that is being made.
#[derive(Debug)]
pub struct Rebuild<P: Projection> {
    definition: Definition<'static>,
    tables: Tables<'static>,
    topic_partitions: i32,
    owner: PgConnection,
    writer: PgConnection,
    view: ViewTable,
    totals: Option<TotalsTable>,
    rows: HashMap<RowKey, Building<P::View>>,
    decided: HashSet<(AggregateId, u64)>,
    position: u64,
    /// Positions up to here are in the tables, the rest in memory.
    written: u64,
    events: u64,
    events_unwritten: u64,
    unwritten: usize,
    written_at: Instant,
    is_guarded: bool,
    /// Where the projection stood when its offsets were taken.
    stood: serde_json::Value,
}

/// A row in memory.
#[derive(Debug)]
struct Building<V> {
    old: Arc<Row<V>>,
    new: Arc<Row<V>>,
    last: Source,
    changed: bool,
    /// It was made anew, so that its version may be the one that is written, or an earlier one.
    is_replaced: bool,
}

/// An event as the store has it, at its position.
#[derive(Debug)]
pub struct Placed<E> {
    /// Where in the store.
    pub position: u64,
    /// The event, or which one cannot be read.
    pub event: Result<Recorded<E>, Unreadable>,
    /// Of its payload as it is stored.
    pub payload: Digest,
}

/// An event that cannot be read: a projector would park it.
#[derive(Debug)]
pub struct Unreadable {
    /// Whose it is.
    pub key: RowKey,
    /// Its version.
    pub version: u64,
}

/// A row that the edition which is read has at a later version than the new one.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Behind {
    /// Whose.
    pub tenant_id: String,
    /// Which.
    pub aggregate_id: Uuid,
    /// At which version it is read.
    pub version: i64,
    /// At which version it was made.
    pub found: i64,
}

impl<P: Projection> Rebuild<P> {
    /// Begins, or goes on where it was cut short. `topic_partitions`: how many the topic has. `owner_url`: the views' database as
    /// the owner of its tables.
    pub async fn open(
        owner_url: &str,
        config: &PostgresConfig,
        definition: Definition<'static>,
        tables: Tables<'static>,
        topic_partitions: i32,
    ) -> Result<Self, Error> {
        let next = schema(definition.projection, "next");
        let mut owner =
            PgConnection::connect_with(&PgConnectOptions::from_str(owner_url).map_err(Error::Url)?)
                .await
                .map_err(Error::Connect)?;
        let (position, events) = begin(&mut owner, &definition, &next, own(tables)).await?;
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
        let mut rebuild = Self {
            definition,
            tables,
            topic_partitions,
            owner,
            writer,
            view,
            totals,
            rows: HashMap::new(),
            decided: HashSet::new(),
            position,
            written: position,
            events,
            events_unwritten: 0,
            unwritten: 0,
            written_at: Instant::now(),
            is_guarded: false,
            stood: serde_json::Value::Null,
        };
        rebuild.is_guarded = rebuild.guarded().await?;
        Ok(rebuild)
    }

    /// Events up to this position of the store were taken in.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// How many events that were.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The versions of these aggregates' rows; 0 where there is none yet.
    pub async fn versions_of(&mut self, keys: &[RowKey]) -> Result<Vec<u64>, Error> {
        let mut versions = Vec::with_capacity(keys.len());
        for keys in keys.chunks(KEYS_MAX) {
            self.load(keys.iter()).await?;
            versions.extend(keys.iter().map(|key| self.rows.get(key).map_or(0, |row| row.new.version)));
        }
        Ok(versions)
    }

    /// Aggregates whose versions up to these left the store when they were taken back: they have no view, and the version and the
    /// sum of the events stay.
    pub async fn withdrawn(&mut self, ranges: Vec<(RowKey, u64, Sum)>) -> Result<(), Error> {
        for ranges in ranges.chunks(KEYS_MAX) {
            self.load(ranges.iter().map(|(key, ..)| key)).await?;
            for (key, through, sum) in ranges {
                let row = self.rows.entry(key.clone()).or_insert_with(Building::new);
                if row.new.version < *through {
                    row.new = Row { version: *through, view: None, sum: *sum }.into();
                    row.mark_changed(&mut self.unwritten);
                }
            }
            self.write_much().await?;
        }
        Ok(())
    }

    /// The aggregates about which something was decided that is not in their rows yet. Each is to be
    /// [`replaced`](Self::replace) by a fold of its events so far.
    pub async fn newly_decided(&mut self) -> Result<Vec<RowKey>, Error> {
        let mut keys = Vec::new();
        for decision in Operator::new(&mut self.writer).decisions(P::NAME).await? {
            let DecisionShown {
                tenant_id: Some(tenant), aggregate_id: Some(id), version: Some(version), ..
            } = decision
            else {
                continue; // about a record that is no event
            };
            let key = RowKey { tenant: tenant_of(&tenant, "decision")?, aggregate_id: AggregateId(id) };
            if self.decided.insert((key.aggregate_id, version.unsigned_abs())) && !keys.contains(&key) {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    /// Makes an aggregate's row anew from its events, from the first one on up to [`position`](Self::position).
    pub async fn replace(&mut self, key: RowKey, events: Vec<Placed<P::Event>>) -> Result<(), Error> {
        self.load(std::iter::once(&key)).await?;
        let last = events.iter().rev().find_map(|placed| Some(source(placed.event.as_ref().ok()?)));
        let new = self.fold(events);
        let row = self.rows.entry(key).or_insert_with(Building::new);
        if *row.new != new {
            row.new = new.into();
            row.last = last.unwrap_or(row.last);
            row.mark_changed(&mut self.unwritten);
            row.is_replaced = true;
        }
        Ok(())
    }

    /// Takes in the next events, in the order of their positions, up to `through`.
    pub async fn take(&mut self, events: Vec<Placed<P::Event>>, through: u64) -> Result<(), Error> {
        let keys: Vec<RowKey> = events.iter().map(Placed::key).collect();
        // Where the store's first version comes there is no row yet; of what comes from archives there may be one.
        let is_first = |placed: &&Placed<P::Event>| placed.position > 0 && placed.version() == 1;
        let begun: HashSet<&RowKey> =
            events.iter().zip(&keys).filter(|(placed, _)| is_first(placed)).map(|(_, key)| key).collect();
        let known: HashSet<&RowKey> = keys.iter().filter(|key| !begun.contains(key)).collect();
        self.load(known.into_iter()).await?;
        for (placed, key) in events.into_iter().zip(keys) {
            self.position = placed.position.max(self.position);
            self.events_unwritten += 1;
            let row = self.rows.entry(key).or_insert_with(Building::new);
            if let Some(new) = next::<P>(&row.new, &placed, &self.decided) {
                row.new = new.into();
                if let Ok(event) = &placed.event {
                    row.last = source(event);
                }
                row.mark_changed(&mut self.unwritten);
            }
        }
        self.position = through.max(self.position);
        self.write_much().await
    }

    /// Writes when there is much to write.
    async fn write_much(&mut self) -> Result<(), Error> {
        if self.unwritten >= ROWS_MAX || self.written_at.elapsed() >= WRITE_EVERY {
            self.write().await?;
        }
        Ok(())
    }

    /// Reads the rows that are not in memory.
    async fn load<'k>(&mut self, keys: impl Iterator<Item = &'k RowKey>) -> Result<(), Error> {
        let absent: Vec<(i32, RowKey)> =
            keys.filter(|key| !self.rows.contains_key(key)).map(|key| (0, key.clone())).collect();
        if absent.is_empty() {
            return Ok(());
        }
        for Loaded { key, row, .. } in self.view.load::<P::View>(&mut self.writer, &absent).await? {
            let row = Arc::new(row);
            let building = Building { old: Arc::clone(&row), new: row, ..Building::new() };
            self.rows.insert(key, building);
        }
        Ok(())
    }

    /// Writes everything that was taken in, and how far that is, in one transaction.
    pub async fn write(&mut self) -> Result<(), Error> {
        let partitions = self.topic_partitions;
        let mut changes: Vec<RowChange<P::View>> = self
            .rows
            .iter()
            .filter(|(_, row)| row.changed)
            .map(|(key, row)| RowChange {
                key: key.clone(),
                partition: partition_of(key.aggregate_id.to_string().as_bytes(), partitions),
                old: Arc::clone(&row.old),
                new: Arc::clone(&row.new),
                last: row.last,
            })
            .collect();
        changes.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        let mut writing =
            self.writer.begin().await.map_err(Error::sql("write the next edition of", P::NAME))?;
        // A write passes by a row that is newer; what was made anew has to go first.
        let replaced: Vec<&RowKey> =
            self.rows.iter().filter(|(_, row)| row.is_replaced).map(|(key, _)| key).collect();
        self.view.reset(&mut writing, &replaced).await?;
        // Rows that never were can go straight in, as long as the tables are not guarded yet.
        let is_new = |change: &&RowChange<P::View>| !self.is_guarded && change.old.version == 0;
        self.view.insert(&mut writing, changes.iter().filter(is_new)).await?;
        self.view.write(&mut writing, None, changes.iter().filter(|change| !is_new(change))).await?;
        if let Some(totals) = &self.totals {
            totals.add::<P>(&mut writing, changes.iter()).await?;
        }
        let advanced = sqlx::query(include_str!("../queries/rebuild_advance.sql"))
            .bind(P::NAME)
            .bind(self.written.cast_signed())
            .bind(self.position.cast_signed())
            .bind(self.events_unwritten.cast_signed())
            .execute(&mut *writing)
            .await
            .map_err(Error::sql("note the progress of", P::NAME))?;
        if advanced.rows_affected() != 1 {
            return Err(Error::RebuiltElsewhere { projection: P::NAME.to_owned() });
        }
        writing.commit().await.map_err(Error::sql("write the next edition of", P::NAME))?;
        self.events += std::mem::take(&mut self.events_unwritten);
        (self.written, self.unwritten, self.written_at) = (self.position, 0, Instant::now());
        if self.rows.len() > ROWS_MAX {
            self.rows.clear();
        }
        for row in self.rows.values_mut().filter(|row| row.changed) {
            row.old = Arc::clone(&row.new);
            (row.changed, row.is_replaced) = (false, false);
        }
        Ok(())
    }

    /// Rows picked at random, to be compared with a fold of their own.
    pub async fn sample(&mut self, rows: u32) -> Result<Vec<ViewRow<P::View>>, Error> {
        let all = columns(&mut self.writer, self.tables.view).await?;
        let sql = reading(include_str!("../queries/rebuild_sample.sql"), self.tables.view, &all);
        let found: Vec<Stored> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(i64::from(rows))
            .fetch_all(&mut self.writer)
            .await
            .map_err(Error::sql("sample", self.tables.view))?;
        found.into_iter().map(|row| ViewRow::read(row, self.tables.view)).collect()
    }

    /// The row that these events of one aggregate make, from the first one on.
    pub fn fold(&self, events: Vec<Placed<P::Event>>) -> Row<P::View> {
        let begin = Row::default();
        events.iter().fold(begin, |row, placed| next::<P>(&row, placed, &self.decided).unwrap_or(row))
    }

    /// Shows every aggregate that the next edition has a row of, with its version, in the order of their ids.
    pub async fn versions(&mut self, mut show: impl FnMut(AggregateId, u64)) -> Result<(), Error> {
        let table = self.tables.view;
        let sql = format!("select aggregate_id, version from {table} order by aggregate_id");
        let mut rows = sqlx::query_as::<_, (Uuid, i64)>(AssertSqlSafe(sql)).fetch(&mut self.writer);
        while let Some((id, version)) = rows.next().await.transpose().map_err(Error::sql("read", table))? {
            show(AggregateId(id), version.unsigned_abs());
        }
        Ok(())
    }

    /// How many rows the next edition has, deleted ones included.
    pub async fn rows(&mut self) -> Result<u64, Error> {
        let sql = format!("select count(*) from {}", self.tables.view);
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut self.writer)
            .await
            .map_err(Error::sql("count", self.tables.view))?;
        Ok(count.unsigned_abs())
    }

    /// Guards the tables, as those that are read are guarded; from here on nothing is copied in.
    pub async fn guard(&mut self) -> Result<(), Error> {
        self.write().await?;
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

    /// Whether they are.
    async fn guarded(&mut self) -> Result<bool, Error> {
        let sql = "select relrowsecurity from pg_class where oid = to_regclass($1)";
        sqlx::query_scalar(sql)
            .bind(format!("{}.{}", self.next(), self.tables.view))
            .fetch_one(&mut self.owner)
            .await
            .map_err(Error::sql("look at the next edition of", P::NAME))
    }

    /// The first rows that are behind those that are read; none may be when it is switched in.
    pub async fn behind(&mut self) -> Result<Vec<Behind>, Error> {
        let sql = include_str!("../queries/rebuild_behind.sql")
            .replace("{table}", self.tables.view)
            .replace("{next}", &self.next());
        sqlx::query_as(AssertSqlSafe(sql))
            .bind(BEHIND_MAX)
            .fetch_all(&mut self.writer)
            .await
            .map_err(Error::sql("compare the editions of", P::NAME))
    }

    /// From now on no projector writes the views that are read, until [`switch`](Self::switch) or
    /// [`let_go`](Self::let_go). What the store has by now is everything that they can have. `ends`: where each partition of the
    /// topic begins and ends; a projector that stands elsewhere, or nowhere, begins where the partition does.
    pub async fn hold(&mut self, topic: &str, ends: &[(i32, i64, i64)]) -> Result<(), Error> {
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

    /// Lets projectors go on as before.
    pub async fn let_go(&mut self) -> Result<(), Error> {
        self.owner.execute("rollback").await.map(drop).map_err(Error::sql("let go of", P::NAME))
    }

    /// Switches the next edition in, and lets projectors go on with it. Call [`hold`](Self::hold), take in what the store has,
    /// [`write`](Self::write), and see that nothing is [`behind`](Self::behind) first.
    pub async fn switch(&mut self) -> Result<(), Error> {
        let failed = Error::sql("switch the editions of", P::NAME);
        let ours = sqlx::query(
            "select 1 from projection_rebuild where projection = $1 and after_position = $2 for update",
        )
        .bind(P::NAME)
        .bind(self.written.cast_signed())
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

    fn next(&self) -> String {
        schema(P::NAME, "next")
    }
}

impl<V> Building<V> {
    fn new() -> Self {
        let never = Timestamp::from_micros(0);
        let last = Source { offset: NO_OFFSET, occurred_at: never, recorded_at: never };
        Self { old: Arc::default(), new: Arc::default(), last, changed: false, is_replaced: false }
    }

    fn mark_changed(&mut self, unwritten: &mut usize) {
        *unwritten += usize::from(!std::mem::replace(&mut self.changed, true));
    }
}

impl<E: DomainEvent> Placed<E> {
    /// Whose it is.
    fn key(&self) -> RowKey {
        match &self.event {
            Ok(event) => RowKey { tenant: event.tenant.clone(), aggregate_id: event.aggregate_id },
            Err(unreadable) => unreadable.key.clone(),
        }
    }

    fn aggregate_id(&self) -> AggregateId {
        self.event.as_ref().map_or_else(|unreadable| unreadable.key.aggregate_id, |event| event.aggregate_id)
    }

    fn version(&self) -> u64 {
        self.event.as_ref().map_or_else(|unreadable| unreadable.version, |event| event.version)
    }
}

/// The row after an event, if the event changes it.
fn next<P: Projection>(
    row: &Row<P::View>,
    placed: &Placed<P::Event>,
    decided: &HashSet<(AggregateId, u64)>,
) -> Option<Row<P::View>> {
    let version = placed.version();
    if version == row.version + 1 && decided.contains(&(placed.aggregate_id(), version)) {
        return Some(Row { version, ..row.clone() });
    }
    match step::<P>(row.clone(), placed.event.as_ref().ok()?, placed.payload) {
        Step::Applied(new) => Some(new),
        Step::Stale | Step::Gap { .. } | Step::Refused(_) => None,
    }
}

fn source<E: DomainEvent>(event: &Recorded<E>) -> Source {
    Source { offset: NO_OFFSET, occurred_at: event.payload.occurred_at(), recorded_at: event.recorded_at }
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
) -> Result<(u64, u64), Error> {
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
    Ok((found.after_position.unsigned_abs(), found.events.unsigned_abs()))
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
