//! The views as readers see them.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::marker::PhantomData;

use events::{AggregateId, DomainEvent, Sum, TenantId};
use kafka::{Loaded, RowKey, partition_of};
use projection::{Projection, Rank, Row};
use redis::{Cmd, ToRedisArgs};

use crate::config::RedisConfig;
use crate::connection::Link;
use crate::error::Error;
use crate::keys::{self, Keys};
use crate::scripts::Scripts;
use crate::store::{Stored, read_row};

/// Reads what a projection has in Redis.
#[derive(Debug)]
pub struct Reader<P> {
    pub(crate) keys: Keys,
    pub(crate) link: Link,
    pub(crate) partitions: i32,
    projection: PhantomData<fn() -> P>,
}

/// One row and where it lies.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewAt<V> {
    /// The partition whose events made it.
    pub partition: i32,
    /// Whose it is.
    pub tenant: TenantId,
    /// What it shows.
    pub aggregate_id: AggregateId,
    /// Its version and view.
    pub row: Row<V>,
}

/// A place on a leaderboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Whose leaderboard.
    pub tenant: TenantId,
    /// Its name.
    pub board: String,
    /// Who is on it.
    pub aggregate_id: AggregateId,
    /// With which score.
    pub score: i64,
}

/// How far a partition is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The partition.
    pub partition: i32,
    /// The epoch of the last claim.
    pub epoch: i64,
    /// The first offset that is not applied.
    pub next_offset: i64,
}

/// What a row has, in the order of [`Stored`].
const PARTS: [&str; 4] = ["v", "s", "d", "x"];

/// So many rows are asked for at a time.
const PAGE: usize = 4_000;

impl<P: Projection> Reader<P> {
    /// A reader; it connects at its first use. `partitions` is how many the topic has.
    pub fn new(config: &RedisConfig, partitions: i32) -> Result<Self, Error> {
        let keys = Keys::new(config.namespace.as_deref().unwrap_or(P::NAME));
        let link = Link::new(config, keys.namespace())?;
        Ok(Self { keys, link, partitions, projection: PhantomData })
    }

    /// That the views are those of this projection, in the edition that this program makes. Where there is none, that may be.
    pub async fn check_edition(&mut self) -> Result<(), Error> {
        let expected = keys::of::<P>(P::Event::TOPIC);
        let ask = (0..self.partitions).map(|it| command("HGET", self.keys.progress(it), "of"));
        let found: Vec<Option<String>> = self.link.query("look for the edition", ask.collect()).await?;
        match found.into_iter().flatten().find(|of| *of != expected) {
            None => Ok(()),
            Some(found) => {
                let namespace = self.keys.namespace().to_owned();
                Err(Error::ForeignNamespace { namespace, found, expected })
            }
        }
    }

    /// One aggregate's row; version 0 where there is none.
    pub async fn row(&mut self, tenant: &TenantId, aggregate_id: AggregateId) -> Result<Row<P::View>, Error> {
        let key = RowKey { tenant: tenant.clone(), aggregate_id };
        let loaded = self.load(&[(self.partition_of(aggregate_id), key)]).await?.pop();
        Ok(loaded.map(|loaded| loaded.row).unwrap_or_default())
    }

    pub(crate) fn partition_of(&self, aggregate_id: AggregateId) -> i32 {
        partition_of(aggregate_id.to_string().as_bytes(), self.partitions)
    }

    /// The rows of these aggregates, each in its partition, those that exist.
    pub async fn load(&mut self, keys: &[(i32, RowKey)]) -> Result<Vec<Loaded<P::View>>, Error> {
        let name =
            |(partition, key): &(i32, RowKey)| self.keys.row(*partition, &key.tenant, key.aggregate_id);
        let names: Vec<String> = keys.iter().map(name).collect();
        let stored = self.stored(&names).await?;
        let mut loaded = Vec::with_capacity(keys.len());
        for (((partition, key), name), stored) in keys.iter().zip(&names).zip(stored) {
            let Some(row) = read_row(name, &stored)? else { continue };
            loaded.push(Loaded { key: key.clone(), row, partition: *partition });
        }
        Ok(loaded)
    }

    /// The first `limit` of a tenant's leaderboard over all partitions, the highest score first; of equal scores, the
    /// greater id.
    pub async fn leaderboard(
        &mut self,
        tenant: &TenantId,
        board: &str,
        limit: usize,
    ) -> Result<Vec<Place>, Error> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let last = isize::try_from(limit).unwrap_or(isize::MAX) - 1;
        let boards = (0..self.partitions).map(|partition| {
            let key = self.keys.board(partition, tenant, board);
            Cmd::zrevrange_withscores(key, 0, last)
        });
        let shares: Vec<Vec<(String, f64)>> = self.link.query("read a leaderboard", boards.collect()).await?;
        let mut places = Vec::new();
        for (member, score) in shares.into_iter().flatten() {
            places.push(self.place(tenant.clone(), board.to_owned(), &member, score)?);
        }
        places.sort_unstable_by_key(|place| Reverse((place.score, place.aggregate_id)));
        places.truncate(limit);
        Ok(places)
    }

    /// How far each partition is applied; partitions that were never claimed are left out.
    pub async fn positions(&mut self) -> Result<Vec<Position>, Error> {
        let progress = (0..self.partitions)
            .map(|partition| command("HMGET", self.keys.progress(partition), &["epoch", "next_offset"]));
        let stored: Vec<(Option<i64>, Option<i64>)> =
            self.link.query("read offsets", progress.collect()).await?;
        let position = |(partition, (epoch, next_offset)): (i32, (Option<i64>, Option<i64>))| {
            Some(Position { partition, epoch: epoch?, next_offset: next_offset? })
        };
        Ok((0..).zip(stored).filter_map(position).collect())
    }

    /// What each of these keys has, in their order.
    pub(crate) async fn stored(&mut self, keys: &[String]) -> Result<Vec<Stored>, Error> {
        let parts = keys.iter().map(|key| command("HMGET", key, &PARTS));
        self.link.query("read rows", parts.collect()).await
    }

    /// Shows every row of every partition once, in no order. Rows that come or go meanwhile may be shown or not.
    pub async fn rows(&mut self, mut show: impl FnMut(ViewAt<P::View>)) -> Result<(), Error> {
        let keys = self.scan("row").await?;
        for keys in keys.chunks(PAGE) {
            let stored = self.stored(keys).await?;
            for (key, stored) in keys.iter().zip(stored) {
                let (Some(name), Some(row)) = (self.keys.row_name(key), read_row(key, &stored)?) else {
                    continue;
                };
                let (partition, tenant, aggregate_id) = (name.partition, name.tenant, name.aggregate_id);
                show(ViewAt { partition, tenant, aggregate_id, row });
            }
        }
        Ok(())
    }

    /// Shows of which events every row was made: version and sum. Rows that come or go meanwhile may be shown or not.
    pub async fn sums(&mut self, mut show: impl FnMut(TenantId, AggregateId, u64, Sum)) -> Result<(), Error> {
        let (mut lines, mut seen) = (vec![], HashSet::new());
        let script = Scripts::new().sums;
        self.link.told("read sums", &script, &self.keys.pattern("row"), |page| lines.push(page)).await?;
        for page in &lines {
            for [key, version, sum] in page.split('\n').collect::<Vec<_>>().as_chunks().0 {
                let Some(name) = self.keys.row_name(key).filter(|_| seen.insert(*key)) else { continue };
                let stored = [Some((*version).to_owned()), Some((*sum).to_owned()), None, None];
                let Some(row) = read_row::<()>(key, &stored)? else { continue };
                show(name.tenant, name.aggregate_id, row.version, row.sum);
            }
        }
        Ok(())
    }

    /// Shows every place on every leaderboard.
    pub async fn places(&mut self, mut show: impl FnMut(Place)) -> Result<(), Error> {
        for key in self.scan("board").await? {
            let Some((_, tenant, board)) = self.keys.board_name(&key) else { continue };
            let all = Cmd::zrange_withscores(&key, 0, -1);
            let members: Vec<Vec<(String, f64)>> = self.link.query("read a leaderboard", vec![all]).await?;
            for (member, score) in members.into_iter().flatten() {
                show(self.place(tenant.clone(), board.clone(), &member, score)?);
            }
        }
        Ok(())
    }

    /// Shows the place of each of these rows on the leaderboard where it belongs, if it has one there. A row that has changed
    /// since it was loaded is left out.
    pub async fn places_of(
        &mut self,
        rows: &[Loaded<P::View>],
        mut show: impl FnMut(&RowKey, Rank, Option<i64>),
    ) -> Result<(), Error> {
        let ranked = rows.iter().filter_map(|it| Some((it, it.row.view.as_ref().and_then(P::rank)?)));
        let ranked: Vec<(&Loaded<P::View>, Rank)> = ranked.collect();
        let ask = |(Loaded { key, partition, .. }, rank): &(&Loaded<P::View>, Rank)| {
            let RowKey { tenant, aggregate_id } = key;
            let board = self.keys.board(*partition, tenant, rank.board);
            // In this order: a row that is where it was has not changed since, nor has its place.
            let version = command("HGET", self.keys.row(*partition, tenant, *aggregate_id), "v");
            [command("ZSCORE", board, aggregate_id.to_string()), version]
        };
        let answers: Vec<Option<String>> =
            self.link.query("read places", ranked.iter().flat_map(ask).collect()).await?;
        for ((loaded, rank), answer) in ranked.into_iter().zip(answers.chunks(2)) {
            let [score, version] = answer else { continue };
            if version.as_deref() == Some(&loaded.row.version.to_string()) {
                let place = |score: &String| {
                    let score = score.parse().unwrap_or(f64::NAN);
                    self.place(
                        loaded.key.tenant.clone(),
                        rank.board.to_owned(),
                        &loaded.key.aggregate_id.to_string(),
                        score,
                    )
                };
                let kept = score.as_ref().map(place).transpose()?.map(|place| place.score);
                show(&loaded.key, rank, kept);
            }
        }
        Ok(())
    }

    /// The keys of a kind.
    async fn scan(&mut self, kind: &str) -> Result<Vec<String>, Error> {
        let keys = self.link.keys("list keys", &self.keys.pattern(kind)).await?;
        Ok(keys.into_iter().collect())
    }

    #[expect(clippy::cast_possible_truncation, reason = "scores are whole and below 2^53, see the flush")]
    fn place(&self, tenant: TenantId, board: String, member: &str, score: f64) -> Result<Place, Error> {
        let bad =
            |_| Error::BadAnswer { namespace: self.keys.namespace().to_owned(), answer: member.to_owned() };
        Ok(Place { tenant, board, aggregate_id: member.parse().map_err(bad)?, score: score as i64 })
    }
}

/// A command about a key.
pub(crate) fn command(name: &str, key: impl ToRedisArgs, arguments: impl ToRedisArgs) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(key).arg(arguments);
    command
}
