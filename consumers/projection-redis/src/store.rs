//! The sink as the runtime sees it.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::time::Duration;

use kafka::{
    Changes, Claim, Committed, Loaded, ParkKey, ParkedRecord, Request, RowChange, RowKey, Tenure, ViewStore,
};
use projection::{Projection, Row};
use redis::Cmd;
use sqlx::postgres::PgConnectOptions;

use crate::config::RedisConfig;
use crate::connection::Link;
use crate::error::Error;
use crate::flush;
use crate::keys::{self, Keys};
use crate::postgres::Postgres;
use crate::scripts::Scripts;

/// The views of one projection in Redis, its epochs and parked keys in Postgres.
#[derive(Debug)]
pub struct RedisViews<P> {
    pub(crate) keys: Keys,
    pub(crate) link: Link,
    pub(crate) scripts: Scripts,
    postgres: Postgres,
    /// How many entries the feed of a partition keeps; 0: there is none.
    pub(crate) feed_entries: u32,
    /// Where each partition stands under our epoch, as far as it is known.
    pub(crate) held: BTreeMap<i32, Standing>,
    /// How long a finished view stays.
    pub(crate) finished_ttl: Option<Duration>,
    projection: PhantomData<fn() -> P>,
}

/// Epoch and next offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) epoch: i64,
    next_offset: i64,
}

impl<P: Projection> RedisViews<P> {
    /// A sink; it connects at its first use. `views` connects to the views' database as `views_writer`; `owner` names
    /// this process for people who read `projection_offset`.
    pub fn new(config: &RedisConfig, views: PgConnectOptions, owner: &str) -> Result<Self, Error> {
        let keys = Keys::new(config.namespace.as_deref().unwrap_or(P::NAME));
        Ok(Self {
            link: Link::new(config, keys.namespace())?,
            keys,
            scripts: Scripts::new(),
            postgres: Postgres::new(P::NAME, owner, views),
            feed_entries: 0,
            held: BTreeMap::new(),
            finished_ttl: None,
            projection: PhantomData,
        })
    }

    /// With a feed of the rows that change, of about so many entries a partition; 0: without.
    #[must_use]
    pub fn with_feed(mut self, entries: u32) -> Self {
        self.feed_entries = entries;
        self
    }

    /// Lets go of a view so long after it was finished. Its version stays.
    #[must_use]
    pub fn with_finished_ttl(mut self, ttl: Option<Duration>) -> Self {
        self.finished_ttl = ttl;
        self
    }

    /// Stores the epochs of `claims` in Redis and learns the offsets. Those that a later owner overtook are given back
    /// apart.
    async fn stamp(
        &mut self,
        topic: &str,
        claims: Vec<Claim>,
    ) -> Result<(Vec<Claim>, Vec<Overtaken>), Error> {
        let of = keys::of::<P>(topic);
        let claim = &self.scripts.claim;
        let call = |it: &Claim| {
            let parkings = self.postgres.parkings(it.partition).unwrap_or_default();
            let mut call = claim.call(&[self.keys.progress(it.partition), self.keys.feed(it.partition)]);
            call.arg(it.epoch).arg(&of).arg(self.feed_entries).arg(parkings).arg(it.next_offset);
            call
        };
        let calls: Vec<Cmd> = claims.iter().map(call).collect();
        let answers: Vec<(String, String, String)> = self.link.run("claim partitions", claim, &calls).await?;
        let (mut ours, mut overtaken) = (Vec::new(), Vec::new());
        for (claim, (word, value, last)) in claims.into_iter().zip(answers) {
            match word.as_str() {
                "ours" => {
                    let next_offset = value.parse().map_err(|_| self.bad_answer(&value))?;
                    let fingerprint = flush::fingerprint(&last, next_offset);
                    self.held.insert(claim.partition, Standing { epoch: claim.epoch, next_offset });
                    ours.push(Claim { next_offset, fingerprint, ..claim });
                }
                "fenced" => overtaken.push(Overtaken { partition: claim.partition, epoch: value }),
                "foreign" => {
                    let namespace = self.keys.namespace().to_owned();
                    return Err(Error::ForeignNamespace { namespace, found: value, expected: of });
                }
                "switching" => {
                    let namespace = self.keys.namespace().to_owned();
                    return Err(Error::Switching { namespace, partition: claim.partition });
                }
                _ => return Err(self.bad_answer(&word)),
            }
        }
        Ok((ours, overtaken))
    }

    /// Runs the scripts of all partitions that are not `fenced`; adds those that turn out to be.
    async fn flush(&mut self, changes: &Changes<P::View>, fenced: &mut Vec<i32>) -> Result<(), Error> {
        let mut calls = Vec::new();
        let mut of_call = Vec::new();
        for progress in &changes.progress {
            let standing = Standing { epoch: progress.epoch, next_offset: progress.from };
            // After an error it is not known where the partition stands; then the script will tell.
            let elsewhere = self.held.get(&progress.partition).is_some_and(|held| *held != standing);
            if elsewhere && !fenced.contains(&progress.partition) {
                fenced.push(progress.partition);
            }
            if fenced.contains(&progress.partition) {
                continue;
            }
            let Some(parkings) = self.postgres.parkings(progress.partition) else {
                return Err(self.lost(progress.partition, "not claimed since the last error".into()));
            };
            let rows = changes.rows.iter().filter(|row| row.partition == progress.partition);
            let rows: Vec<&RowChange<P::View>> = rows.collect();
            let flush = &self.scripts.flush;
            let of_partition =
                flush::calls::<P>(&self.keys, flush, self.feed_entries, *progress, parkings, &rows)?;
            of_call.extend(of_partition.iter().map(|_| *progress));
            calls.extend(of_partition);
        }
        // Until the answers are here, nobody knows where these partitions stand.
        self.forget(of_call.iter().map(|progress| progress.partition));
        let answers: Vec<(String, String)> = self.link.run("flush", &self.scripts.flush, &calls).await?;
        let mut lost = None;
        for (progress, (word, value)) in of_call.into_iter().zip(answers) {
            let partition = progress.partition;
            match word.as_str() {
                "applied" | "before" => {
                    let standing = Standing { epoch: progress.epoch, next_offset: progress.next_offset };
                    self.held.insert(partition, standing);
                }
                "fenced" if fenced.contains(&partition) => {}
                "fenced" => fenced.push(partition),
                "lost" => lost = Some(lost.unwrap_or_else(|| self.lost(partition, value))),
                _ => return Err(self.bad_answer(&word)),
            }
        }
        self.forget(fenced.iter().copied());
        lost.map_or(Ok(()), Err)
    }

    /// Compares where partitions stand in Redis with where we left them.
    async fn compare(&mut self, partitions: &[i32]) -> Result<(), Error> {
        let held: Vec<(i32, Standing)> =
            partitions.iter().filter_map(|it| Some((*it, *self.held.get(it)?))).collect();
        let calls: Vec<Cmd> =
            held.iter().map(|(it, _)| self.scripts.load.call(&[self.keys.progress(*it)])).collect();
        let answers: Vec<Vec<Option<String>>> =
            self.link.run("look for offsets", &self.scripts.load, &calls).await?;
        for ((partition, standing), answer) in held.into_iter().zip(answers) {
            self.same_standing(partition, standing, &answer)?;
        }
        Ok(())
    }

    /// The first two values of an answer are the epoch and offset we know.
    fn same_standing(
        &mut self,
        partition: i32,
        standing: Standing,
        answer: &[Option<String>],
    ) -> Result<(), Error> {
        let expected = [Some(standing.epoch.to_string()), Some(standing.next_offset.to_string())];
        if answer.get(..2) == Some(&expected) {
            return Ok(());
        }
        self.held.remove(&partition);
        let word = |place: usize| answer.get(place).cloned().flatten().unwrap_or_else(|| "none".into());
        Err(self.lost(partition, format!("epoch {}, offset {}", word(0), word(1))))
    }

    pub(crate) fn forget(&mut self, partitions: impl IntoIterator<Item = i32>) {
        for partition in partitions {
            self.held.remove(&partition);
        }
    }

    fn lost(&self, partition: i32, found: String) -> Error {
        Error::Lost { namespace: self.keys.namespace().to_owned(), partition, found }
    }

    pub(crate) fn bad_answer(&self, answer: &str) -> Error {
        Error::BadAnswer { namespace: self.keys.namespace().to_owned(), answer: answer.to_owned() }
    }
}

/// A partition with a later epoch.
struct Overtaken {
    partition: i32,
    epoch: String,
}

impl<P: Projection> ViewStore<P> for RedisViews<P> {
    type Error = Error;

    async fn claim(&mut self, topic: &str, partitions: &[i32]) -> Result<Vec<Claim>, Error> {
        let claims = self.postgres.claim(topic, partitions).await?;
        let (ours, overtaken) = self.stamp(topic, claims).await?;
        match overtaken.into_iter().next() {
            None => Ok(ours),
            Some(Overtaken { partition, epoch }) => {
                Err(Error::Overtaken { namespace: self.keys.namespace().to_owned(), partition, epoch })
            }
        }
    }

    async fn renew(&mut self, topic: &str, held: &[Tenure]) -> Result<Vec<Claim>, Error> {
        let claims = self.postgres.renew(topic, held).await?;
        self.forget(held.iter().map(|tenure| tenure.partition));
        let (ours, _) = self.stamp(topic, claims).await?;
        Ok(ours)
    }

    async fn load(&mut self, keys: &[(i32, RowKey)]) -> Result<Vec<Loaded<P::View>>, Error> {
        let mut by_partition: BTreeMap<i32, Vec<&RowKey>> = BTreeMap::new();
        for (partition, key) in keys {
            by_partition.entry(*partition).or_default().push(key);
        }
        let (mut wanted, mut calls) = (Vec::new(), Vec::new());
        for (partition, rows) in by_partition {
            let Some(standing) = self.held.get(&partition).copied() else {
                return Err(self.lost(partition, "not claimed since the last error".into()));
            };
            for rows in rows.chunks(crate::flush::ROWS_PER_SCRIPT) {
                let names = rows.iter().map(|row| self.keys.row(partition, &row.tenant, row.aggregate_id));
                let names: Vec<String> =
                    std::iter::once(self.keys.progress(partition)).chain(names).collect();
                calls.push(self.scripts.load.call(&names));
                wanted.push((partition, standing, rows.to_vec(), names));
            }
        }
        let answers: Vec<Vec<Option<String>>> =
            self.link.run("load rows", &self.scripts.load, &calls).await?;
        let mut loaded = Vec::with_capacity(keys.len());
        for ((partition, standing, rows, names), answer) in wanted.into_iter().zip(answers) {
            self.same_standing(partition, standing, &answer)?;
            for ((key, name), stored) in rows.into_iter().zip(&names[1..]).zip(answer[2..].as_chunks().0) {
                let Some(row) = read_row(name, stored)? else { continue };
                loaded.push(Loaded { key: key.clone(), row, partition });
            }
        }
        Ok(loaded)
    }

    async fn commit(&mut self, changes: &Changes<P::View>) -> Result<Committed, Error> {
        let mut fenced = self.postgres.before(changes).await?.fenced;
        self.flush(changes, &mut fenced).await?;
        for partition in self.postgres.after(changes).await?.fenced {
            if !fenced.contains(&partition) {
                fenced.push(partition);
            }
        }
        Ok(Committed { fenced })
    }

    async fn inspect(&mut self, _: &str, held: &[Tenure]) -> Result<Vec<i32>, Error> {
        let partitions: Vec<i32> = held.iter().map(|tenure| tenure.partition).collect();
        self.compare(&partitions).await?;
        self.expire(&partitions).await
    }

    async fn requests(&mut self, topic: &str, partitions: &[i32]) -> Result<Vec<Request>, Error> {
        self.postgres.requests(topic, partitions).await
    }

    async fn parked(
        &mut self,
        topic: &str,
        partition: i32,
        key: &ParkKey,
        limit: usize,
    ) -> Result<Vec<ParkedRecord>, Error> {
        self.postgres.parked(topic, partition, key, limit).await
    }
}

/// What a row's hash has: version, sum over its events, document, and whether that has expired.
pub(crate) type Stored = [Option<String>; 4];

/// A row as its hash says it, if there is one.
pub(crate) fn read_row<V: serde::de::DeserializeOwned>(
    key: &str,
    [version, sum, document, expired]: &Stored,
) -> Result<Option<Row<V>>, Error> {
    let Some(version) = version else { return Ok(None) };
    let bad = |source| Error::BadRow { key: key.to_owned(), source };
    let version = version.parse().map_err(|error| bad(serde::de::Error::custom(error)))?;
    let sum = sum.as_deref().unwrap_or_default().parse();
    let sum = sum.map_err(|error| bad(serde::de::Error::custom(error)))?;
    let view = document.as_deref().map(serde_json::from_str).transpose().map_err(bad)?;
    Ok(Some(Row { version, view, is_expired: expired.is_some(), sum }))
}
