//! What of a Redis projection lies in Postgres: epochs, parked keys, decisions.

use std::collections::{BTreeMap, BTreeSet};

use kafka::{Changes, Claim, Committed, ParkKey, ParkedRecord, Request, Tenure};
use ownership::{Claimed, Parking, Progress};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use crate::error::Error;

/// The views' database, connected when needed and given up after an error.
#[derive(Debug)]
pub(crate) struct Postgres {
    projection: &'static str,
    owner: String,
    options: PgConnectOptions,
    live: Option<PgConnection>,
    /// How often something was parked or decided in each partition that is ours, as far as it is known.
    parkings: BTreeMap<i32, i64>,
}

impl Postgres {
    /// `options` connect as `views_writer`.
    pub(crate) fn new(projection: &'static str, owner: &str, options: PgConnectOptions) -> Self {
        let options = options.application_name(projection).options([
            // A claim waits for its predecessor's transaction, but no longer than a stalled predecessor may take.
            ("statement_timeout", "5s"),
            ("idle_in_transaction_session_timeout", "5s"),
        ]);
        Self { projection, owner: owner.to_owned(), options, live: None, parkings: BTreeMap::new() }
    }

    /// Takes partitions; reads what is parked and decided there. The offset is where the last parking got to: how far the views
    /// are is Redis' to say.
    pub(crate) async fn claim(&mut self, topic: &str, partitions: &[i32]) -> Result<Vec<Claim>, Error> {
        self.take(topic, Take::All(partitions)).await
    }

    /// Takes those partitions again that are still ours.
    pub(crate) async fn renew(&mut self, topic: &str, held: &[Tenure]) -> Result<Vec<Claim>, Error> {
        self.take(topic, Take::Held(held)).await
    }

    /// How often something was parked or decided in a partition, as Postgres had it when it was taken and since; `None`: it is not
    /// ours, or that is not known since an error.
    pub(crate) fn parkings(&self, partition: i32) -> Option<i64> {
        self.parkings.get(&partition).copied()
    }

    async fn take(&mut self, topic: &str, what: Take<'_>) -> Result<Vec<Claim>, Error> {
        let (projection, owner) = (self.projection, self.owner.clone());
        let progress = Progress { projection, topic };
        let dead_letters = dead_letters::DeadLetters::new(projection, topic);
        let taken = self.transaction(async |connection| {
            let claimed: Vec<Claimed> = match what {
                Take::All(partitions) => {
                    progress.claim(connection, partitions, &owner).await.map_err(Box::new)?
                }
                Take::Held(held) => progress.renew(connection, &tenures(held)).await.map_err(Box::new)?,
            };
            let partitions: Vec<i32> = claimed.iter().map(|claimed| claimed.partition).collect();
            let (parked, decided) = dead_letters.claim(connection, &partitions).await?;
            let taken = |Claimed { partition, epoch, next_offset, parkings, .. }: Claimed| {
                let parked_keys = parked.iter().filter(|(p, _)| *p == partition).map(|(_, key)| key.clone());
                let decided = decided.iter().filter(|decided| decided.partition == partition).cloned();
                let (parked_keys, decided) = (parked_keys.collect(), decided.collect());
                let claim = Claim { partition, epoch, next_offset, fingerprint: None, parked_keys, decided };
                (claim, parkings)
            };
            Ok(claimed.into_iter().map(taken).collect::<Vec<_>>())
        });
        let (claims, parkings): (Vec<Claim>, Vec<i64>) = taken.await?.into_iter().unzip();
        self.parkings.extend(claims.iter().map(|claim| claim.partition).zip(parkings));
        Ok(claims)
    }

    /// Before the scripts: parks and decisions become durable, in those partitions that are ours, and are counted.
    pub(crate) async fn before<V>(&mut self, changes: &Changes<V>) -> Result<Committed, Error> {
        let parked = changes.parks.iter().map(|park| park.record.partition);
        let touched: BTreeSet<i32> =
            parked.chain(changes.decisions.iter().map(|it| it.decided.partition)).collect();
        if touched.is_empty() {
            return Ok(Committed::default());
        }
        // Until it is known to be done, nobody knows how many there are.
        let parking = |it: &kafka::Progress| {
            let (partition, epoch, next_offset) = (it.partition, it.epoch, it.next_offset);
            Some(Parking { partition, epoch, parkings: self.parkings.remove(&partition)?, next_offset })
        };
        let progress = changes.progress.iter().filter(|it| touched.contains(&it.partition));
        let parkings: Vec<Parking> = progress.filter_map(parking).collect();
        let progress = Progress { projection: self.projection, topic: &changes.topic };
        let committed = self
            .guarded(changes, async |connection, dead_letters, held| {
                let seen = progress.park(connection, &parkings).await.map_err(Box::new)?;
                if let Some(partition) = touched.iter().find(|it| held.contains(it) && !seen.contains(it)) {
                    return Err(Error::Unparked { partition: *partition });
                }
                let parks: Vec<_> = changes
                    .parks
                    .iter()
                    .filter(|park| held.contains(&park.record.partition))
                    .cloned()
                    .collect();
                let decisions = changes.decisions.iter().filter(|it| held.contains(&it.decided.partition));
                dead_letters.park(connection, &parks).await?;
                Ok(dead_letters.decide(connection, &decisions.cloned().collect::<Vec<_>>()).await?)
            })
            .await?;
        let counted = parkings.iter().filter(|it| !committed.fenced.contains(&it.partition));
        self.parkings.extend(counted.map(|it| (it.partition, it.parkings + 1)));
        Ok(committed)
    }

    /// After the scripts: what was parked and is applied or decided now is let go, in those partitions that are ours.
    pub(crate) async fn after<V>(&mut self, changes: &Changes<V>) -> Result<Committed, Error> {
        if changes.releases.is_empty() && changes.settled.is_empty() {
            return Ok(Committed::default());
        }
        self.guarded(changes, async |connection, dead_letters, held| {
            let releases = changes.releases.iter().filter(|it| held.contains(&it.partition));
            let settled = changes.settled.iter().filter(|it| held.contains(&it.partition));
            dead_letters.release(connection, &releases.cloned().collect::<Vec<_>>()).await?;
            Ok(dead_letters.settle(connection, &settled.cloned().collect::<Vec<_>>()).await?)
        })
        .await
    }

    /// Works in one transaction that nobody can claim the held partitions in; answers the others.
    async fn guarded<V>(
        &mut self,
        changes: &Changes<V>,
        work: impl AsyncFnOnce(&mut PgConnection, &dead_letters::DeadLetters, &[i32]) -> Result<(), Error>,
    ) -> Result<Committed, Error> {
        let ours: Vec<(i32, i64)> = changes.progress.iter().map(|it| (it.partition, it.epoch)).collect();
        let progress = Progress { projection: self.projection, topic: &changes.topic };
        let dead_letters = dead_letters::DeadLetters::new(self.projection, changes.topic.clone());
        let held = self
            .transaction(async |connection| {
                let held = progress.hold(connection, &ours).await.map_err(Box::new)?;
                work(connection, &dead_letters, &held).await?;
                Ok(held)
            })
            .await?;
        Ok(Committed { fenced: ours.into_iter().map(|(it, _)| it).filter(|it| !held.contains(it)).collect() })
    }

    pub(crate) async fn requests(&mut self, topic: &str, partitions: &[i32]) -> Result<Vec<Request>, Error> {
        let dead_letters = dead_letters::DeadLetters::new(self.projection, topic);
        self.session(async |connection| Ok(dead_letters.requests(connection, partitions).await?)).await
    }

    pub(crate) async fn parked(
        &mut self,
        topic: &str,
        partition: i32,
        key: &ParkKey,
        limit: usize,
    ) -> Result<Vec<ParkedRecord>, Error> {
        let dead_letters = dead_letters::DeadLetters::new(self.projection, topic);
        self.session(async |connection| Ok(dead_letters.next(connection, partition, key, limit).await?)).await
    }

    /// Runs `work` and commits; an error rolls back by giving up the connection.
    async fn transaction<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let projection = self.projection;
        let failed = |action| move |source| Error::Postgres { action, projection, source };
        self.session(async |connection| {
            let mut transaction = connection.begin().await.map_err(failed("begin a transaction"))?;
            let done = work(&mut transaction).await?;
            transaction.commit().await.map_err(failed("commit a transaction"))?;
            Ok(done)
        })
        .await
    }

    /// The connection is taken out while it is used: an error, or a caller that stops waiting, closes it.
    async fn session<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let connect =
            |source| Error::Postgres { action: "connect to the views", projection: self.projection, source };
        let mut connection = match self.live.take() {
            Some(live) => live,
            None => PgConnection::connect_with(&self.options).await.map_err(connect)?,
        };
        let done = work(&mut connection).await?;
        self.live = Some(connection);
        Ok(done)
    }
}

enum Take<'a> {
    All(&'a [i32]),
    Held(&'a [Tenure]),
}

fn tenures(held: &[Tenure]) -> Vec<(i32, i64)> {
    held.iter().map(|tenure| (tenure.partition, tenure.epoch)).collect()
}
