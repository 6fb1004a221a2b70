//! The sink: everything of a flush in one fenced transaction.

use std::marker::PhantomData;
use std::time::Duration;

use dead_letters::DeadLetters;
use kafka::{
    Changes, Claim, Classify, Committed, Fault, Fingerprint, Loaded, ParkKey, ParkedRecord, Request, RowKey,
    Tenure, ViewStore,
};
use ownership::{Advance, Claimed, Progress};
use projection::Projection;
use sqlx::{Connection, PgConnection};

use crate::config::PostgresConfig;
use crate::connection::Held;
use crate::error::Error;
use crate::feed::Feed;
use crate::migrate::check_edition;
use crate::table::ViewTable;
use crate::totals::TotalsTable;

/// The tables of one projection's views.
#[derive(Debug, Clone, Copy)]
pub struct Tables<'a> {
    /// One row per aggregate.
    pub view: &'a str,
    /// Sums over them, per partition, if there are any.
    pub totals: Option<&'a str>,
}

/// The Postgres views of one projection; one lane owns it, and with it one connection.
#[derive(Debug)]
pub struct PostgresViews<P> {
    projection: String,
    owner: String,
    held: Held,
    view: ViewTable,
    totals: Option<TotalsTable>,
    feed: Feed,
    of: PhantomData<fn() -> P>,
}

impl<P: Projection> PostgresViews<P> {
    /// Opens the views of the projection under its own name.
    pub async fn open(config: &PostgresConfig, tables: Tables<'_>) -> Result<Self, Error> {
        Self::named(P::NAME, config, tables).await
    }

    /// Connects, and checks the tables against the view and its contribution.
    pub async fn named(projection: &str, config: &PostgresConfig, tables: Tables<'_>) -> Result<Self, Error> {
        let mut held = Held::new(config.options(projection)?, config.connect_timeout());
        let mut connection = held.connect().await?;
        check_edition(&mut connection, projection, P::EDITION).await?;
        let view = ViewTable::open::<P::View>(&mut connection, tables.view).await?;
        let totals = match tables.totals {
            None => None,
            Some(table) => Some(TotalsTable::open(&mut connection, table).await?),
        };
        view.begin(&mut connection).await?;
        held.give_back(connection);
        let owner = format!("{projection} pid {}", std::process::id());
        let feed = Feed::new(None);
        Ok(Self { projection: projection.to_owned(), owner, held, view, totals, feed, of: PhantomData })
    }

    /// With a feed of the rows that change, which is kept for so long.
    #[must_use]
    pub fn with_feed(mut self, retention: Option<Duration>) -> Self {
        self.feed = Feed::new(retention);
        self
    }

    async fn connection(&mut self) -> Result<PgConnection, Error> {
        if let Some(connection) = self.held.take() {
            return Ok(connection);
        }
        let mut connection = self.held.connect().await?;
        self.view.begin(&mut connection).await?;
        Ok(connection)
    }

    /// Runs one piece of work in a transaction. The connection is kept if the transaction ended cleanly, whichever
    /// way; else it goes, and takes with it whatever it had open.
    async fn transact<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut PgConnection, &Parts<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut connection = self.connection().await?;
        let parts = Parts {
            projection: &self.projection,
            owner: &self.owner,
            edition: P::EDITION,
            view: &self.view,
            totals: &self.totals,
            feed: &self.feed,
        };
        let views = format!("the views of {}", self.projection);
        let mut transaction = connection.begin().await.map_err(Error::sql("begin", &views))?;
        match work(&mut transaction, &parts).await {
            Ok(done) => {
                transaction.commit().await.map_err(Error::sql("commit", &views))?;
                self.held.give_back(connection);
                Ok(done)
            }
            Err(error) => {
                if error.fault() == Fault::Poison && transaction.rollback().await.is_ok() {
                    self.held.give_back(connection);
                }
                Err(error)
            }
        }
    }
}

/// What the work in a transaction needs of the store.
struct Parts<'s> {
    projection: &'s str,
    owner: &'s str,
    edition: u32,
    view: &'s ViewTable,
    totals: &'s Option<TotalsTable>,
    feed: &'s Feed,
}

impl Parts<'_> {
    fn progress<'a>(&'a self, topic: &'a str) -> Progress<'a> {
        Progress { projection: self.projection, topic }
    }

    fn dead_letters(&self, topic: &str) -> DeadLetters {
        DeadLetters::new(self.projection, topic)
    }

    /// Adds what is parked and decided, in the transaction that raised the epochs.
    async fn claims(
        &self,
        connection: &mut PgConnection,
        topic: &str,
        claimed: Vec<Claimed>,
    ) -> Result<Vec<Claim>, Error> {
        // Whoever switched editions took the epochs too: so nobody goes on with tables that it does not know.
        check_edition(connection, self.projection, self.edition).await?;
        self.feed.begin_or_end(connection, self.projection).await?;
        let partitions: Vec<i32> = claimed.iter().map(|claim| claim.partition).collect();
        let (keys, decided) = self.dead_letters(topic).claim(connection, &partitions).await?;
        let claim = |Claimed { partition, epoch, next_offset, fingerprint, .. }| Claim {
            partition,
            epoch,
            next_offset,
            fingerprint: fingerprint.map(Fingerprint),
            parked_keys: keys.iter().filter(|(p, _)| *p == partition).map(|(_, key)| key.clone()).collect(),
            decided: decided.iter().filter(|d| d.partition == partition).cloned().collect(),
        };
        Ok(claimed.into_iter().map(claim).collect())
    }

    async fn apply<P: Projection>(
        &self,
        connection: &mut PgConnection,
        changes: &Changes<P::View>,
    ) -> Result<Committed, Error> {
        let advances: Vec<Advance> = changes
            .progress
            .iter()
            .map(|p| Advance {
                partition: p.partition,
                epoch: p.epoch,
                from: p.from,
                next_offset: p.next_offset,
                fingerprint: p.fingerprint.map(|Fingerprint(number)| number),
            })
            .collect();
        let ours = self.progress(&changes.topic).fence(connection, &advances).await?;
        let is_ours = |partition: i32| ours.contains(&partition);
        let dead_letters = self.dead_letters(&changes.topic);
        let decisions = kept(&changes.decisions, |d| is_ours(d.decided.partition));
        dead_letters.decide(connection, &decisions).await?;
        dead_letters.park(connection, &kept(&changes.parks, |p| is_ours(p.record.partition))).await?;
        let feed = self.feed.is_on().then_some(self.projection);
        self.view.write(connection, feed, changes.rows.iter().filter(|row| is_ours(row.partition))).await?;
        if let Some(totals) = self.totals {
            totals.add::<P>(connection, changes.rows.iter().filter(|row| is_ours(row.partition))).await?;
        }
        dead_letters.release(connection, &kept(&changes.releases, |r| is_ours(r.partition))).await?;
        dead_letters.settle(connection, &kept(&changes.settled, |s| is_ours(s.partition))).await?;
        let fenced = advances.iter().map(|a| a.partition).filter(|p| !is_ours(*p)).collect();
        Ok(Committed { fenced })
    }
}

fn kept<T: Clone>(all: &[T], is_ours: impl Fn(&T) -> bool) -> Vec<T> {
    all.iter().filter(|one| is_ours(one)).cloned().collect()
}

impl<P: Projection> ViewStore<P> for PostgresViews<P> {
    type Error = Error;

    async fn claim(&mut self, topic: &str, partitions: &[i32]) -> Result<Vec<Claim>, Error> {
        self.transact(async |connection, parts| {
            let claimed = parts.progress(topic).claim(connection, partitions, parts.owner).await?;
            parts.claims(connection, topic, claimed).await
        })
        .await
    }

    async fn renew(&mut self, topic: &str, held: &[Tenure]) -> Result<Vec<Claim>, Error> {
        let held: Vec<(i32, i64)> = held.iter().map(|tenure| (tenure.partition, tenure.epoch)).collect();
        self.transact(async |connection, parts| {
            let claimed = parts.progress(topic).renew(connection, &held).await?;
            parts.claims(connection, topic, claimed).await
        })
        .await
    }

    async fn load(&mut self, keys: &[(i32, RowKey)]) -> Result<Vec<Loaded<P::View>>, Error> {
        let mut connection = self.connection().await?;
        let rows = self.view.load(&mut connection, keys).await?;
        self.held.give_back(connection);
        Ok(rows)
    }

    async fn commit(&mut self, changes: &Changes<P::View>) -> Result<Committed, Error> {
        self.transact(async |connection, parts| parts.apply::<P>(connection, changes).await).await
    }

    async fn inspect(&mut self, topic: &str, held: &[Tenure]) -> Result<Vec<i32>, Error> {
        let mut connection = self.connection().await?;
        let epochs: Vec<(i32, i64)> = held.iter().map(|tenure| (tenure.partition, tenure.epoch)).collect();
        let ours = Progress { projection: &self.projection, topic }.hold(&mut connection, &epochs).await?;
        self.feed.keep(&mut connection, &self.projection).await?;
        self.held.give_back(connection);
        Ok(held.iter().map(|tenure| tenure.partition).filter(|id| !ours.contains(id)).collect())
    }

    async fn requests(&mut self, topic: &str, partitions: &[i32]) -> Result<Vec<Request>, Error> {
        let mut connection = self.connection().await?;
        let dead_letters = DeadLetters::new(self.projection.as_str(), topic);
        let requests = dead_letters.requests(&mut connection, partitions).await?;
        self.held.give_back(connection);
        Ok(requests)
    }

    async fn parked(
        &mut self,
        topic: &str,
        partition: i32,
        key: &ParkKey,
        limit: usize,
    ) -> Result<Vec<ParkedRecord>, Error> {
        let mut connection = self.connection().await?;
        let dead_letters = DeadLetters::new(self.projection.as_str(), topic);
        let records = dead_letters.next(&mut connection, partition, key, limit).await?;
        self.held.give_back(connection);
        Ok(records)
    }
}
