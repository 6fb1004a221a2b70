//! The next edition of views in Redis: in a namespace of its own, `<namespace>~next`, until it takes the place of the one that is
//! read.
//!
//! It is written by the script of live flushes, whose offsets are positions of the store here: rows first, then how far they are,
//! partition by partition, so that whatever Redis forgets, it forgets both. Whoever goes on begins where the partition is that is
//! furthest behind, and passes by what the others have.
//!
//! To switch, the offsets are taken in Postgres and in Redis; then keys change places, partition by partition: what was read goes to
//! `<namespace>~kept`. Readers see each key as it was or as it is. A switch that is cut short leaves a mark, with which nobody may
//! claim the partition, and the next one ends it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use dead_letters::Operator;
use events::AggregateId;
use kafka::{Loaded, RowChange, RowKey};
use ownership::Claimed;
use projection::{Projection, Row};
use rand::seq::IteratorRandom;
use rebuild::{Batch, Behind, Edition, Progress};
use redis::Cmd;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection};

use crate::config::RedisConfig;
use crate::connection::Link;
use crate::error::Error;
use crate::flush;
use crate::keys::{self, Keys};
use crate::reader::{Reader, command};
use crate::scripts::Scripts;

/// Keys that one script moves, in threes: about a millisecond.
const KEYS_PER_SCRIPT: usize = 300;

/// Keys that are sent for at a time.
const PAGE: usize = 3_000;

/// What Redis may take at least for an answer in bulk: nobody waits for it as for a flush.
const ANSWER_MS_MIN: u64 = 30_000;

/// Most rows that are named when a new edition is behind.
const BEHIND_MAX: usize = 20;

/// What a projector may wait while its offsets are held by nobody who moves.
const HOLD_MAX: &str = "60s";

/// An edition that is being made.
#[derive(Debug)]
pub struct NextKeys<P> {
    place: Place,
    owner: PgConnection,
    /// Ours alone: whoever begins later takes it from us.
    epoch: i64,
    /// Up to which position each partition was made when we began, and is by now.
    begun_at: Vec<i64>,
    stands_at: Vec<i64>,
    progress: Progress,
    made: Reader<P>,
    read: Reader<P>,
    held: Vec<Held>,
}

/// A partition that nobody may write while it is switched.
#[derive(Debug, Clone, Copy)]
struct Held {
    partition: i32,
    next_offset: i64,
    parkings: i64,
}

/// Where the editions of a projection lie.
#[derive(Debug)]
struct Place {
    link: Link,
    scripts: Scripts,
    live: Keys,
    partitions: i32,
    topic: String,
    of: String,
}

impl<P: Projection> NextKeys<P> {
    /// Begins, or goes on where it was cut short. `partitions`: how many its topic has. `owner_url`: the views' database as the owner
    /// of its tables.
    pub async fn open(
        config: &RedisConfig,
        owner_url: &str,
        topic: &str,
        partitions: i32,
    ) -> Result<Self, Error> {
        let config = &in_bulk(config);
        let (mut place, owner) = (Place::of::<P>(config, topic, partitions)?, connect::<P>(owner_url).await?);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let epoch = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
        let begun_at = place.begin(epoch).await?;
        let position = begun_at.iter().min().copied().unwrap_or_default().unsigned_abs();
        let namespace = Some(place.live.aside("next").namespace().to_owned());
        let made = RedisConfig { namespace, ..config.clone() };
        Ok(Self {
            made: Reader::new(&made, partitions)?,
            read: Reader::new(config, partitions)?,
            place,
            owner,
            epoch,
            stands_at: begun_at.clone(),
            begun_at,
            progress: Progress { position, events: 0 },
            held: vec![],
        })
    }

    fn next(&self) -> Keys {
        self.made.keys.clone()
    }
}

impl<P: Projection> Edition<P> for NextKeys<P> {
    type Error = Error;

    fn progress(&self) -> Progress {
        self.progress
    }

    fn has(&self, id: AggregateId, position: u64) -> bool {
        let is_in = |begun_at: &i64| position <= begun_at.unsigned_abs();
        // Of most events no partition has any yet: then it does not matter whose this is.
        self.begun_at.iter().any(is_in)
            && is_in(&self.begun_at[self.made.partition_of(id).unsigned_abs() as usize])
    }

    async fn load(&mut self, keys: &[RowKey]) -> Result<Vec<Loaded<P::View>>, Error> {
        let placed = |key: &RowKey| (self.made.partition_of(key.aggregate_id), key.clone());
        let keys: Vec<(i32, RowKey)> = keys.iter().map(placed).collect();
        self.made.load(&keys).await
    }

    async fn write(&mut self, batch: Batch<P::View>) -> Result<(), Error> {
        let Batch { mut changes, replaced, to, .. } = batch;
        let next = self.next();
        self.place.forget::<P>(&next, &mut changes, &replaced).await?;
        let mut of_partition: BTreeMap<i32, Vec<&RowChange<P::View>>> = BTreeMap::new();
        changes.iter().for_each(|change| of_partition.entry(change.partition).or_default().push(change));
        let mut calls = vec![];
        for (partition, stands_at) in (0..).zip(&mut self.stands_at) {
            let rows = of_partition.remove(&partition).unwrap_or_default();
            let position = to.position.cast_signed().max(*stands_at);
            let progress = kafka::Progress {
                partition,
                epoch: self.epoch,
                from: *stands_at,
                next_offset: position,
                fingerprint: None,
            };
            calls.extend(flush::calls::<P>(&next, &self.place.scripts.flush, 0, progress, 0, &rows)?);
            *stands_at = position;
        }
        let flush = &self.place.scripts.flush;
        let answers: Vec<(String, String)> =
            self.place.link.run("write the next edition", flush, &calls).await?;
        match answers.iter().find(|(word, _)| word != "applied" && word != "before") {
            None => self.progress = to,
            Some(_) => {
                return Err(Error::RebuiltElsewhere { namespace: self.place.live.namespace().to_owned() });
            }
        }
        Ok(())
    }

    async fn decisions(&mut self) -> Result<Vec<(RowKey, u64)>, Error> {
        Ok(Operator::new(&mut self.owner).decided(P::NAME).await?)
    }

    async fn guard(&mut self) -> Result<(), Error> {
        Ok(())
    }

    async fn versions(&mut self) -> Result<Vec<(AggregateId, u64)>, Error> {
        let mut versions = vec![];
        let show = |_, id, version, _| versions.push((id, version));
        self.made.sums(show).await?;
        Ok(versions)
    }

    async fn sample(&mut self, rows: u32) -> Result<Vec<Loaded<P::View>>, Error> {
        let next = self.next();
        let all = self.place.link.keys("list keys", &next.pattern("row")).await?;
        let picked = all.iter().sample(&mut rand::rng(), rows as usize);
        let key = |key: &String| {
            let name = next.row_name(key)?;
            Some((name.partition, RowKey { tenant: name.tenant, aggregate_id: name.aggregate_id }))
        };
        let keys: Vec<(i32, RowKey)> = picked.into_iter().filter_map(key).collect();
        self.made.load(&keys).await
    }

    async fn hold(&mut self, _topic: &str, ends: &[(i32, i64, i64)]) -> Result<(), Error> {
        self.held = self.place.hold::<P>(&mut self.owner, ends).await?;
        Ok(())
    }

    async fn behind(&mut self) -> Result<Vec<Behind>, Error> {
        let made: HashMap<AggregateId, u64> = self.versions().await?.into_iter().collect();
        let mut behind = vec![];
        let show = |tenant: events::TenantId, aggregate_id, version, _| {
            let found = made.get(&aggregate_id).copied().unwrap_or_default();
            if found < version && behind.len() < BEHIND_MAX {
                behind.push(Behind { tenant_id: tenant.to_string(), aggregate_id, version, found });
            }
        };
        self.read.sums(show).await?;
        Ok(behind)
    }

    async fn let_go(&mut self) -> Result<(), Error> {
        self.owner.execute("rollback").await.map(drop).map_err(failed::<P>("let offsets go"))
    }

    async fn switch(&mut self) -> Result<(), Error> {
        let (next, kept) = (self.next(), self.place.live.aside("kept"));
        self.place.clear(&kept).await?;
        let stood = self.place.stands::<P>(&mut self.owner, &self.held).await?;
        self.place.keep(&kept, &stood).await?;
        let of = self.place.of.clone();
        self.place.switch(&next, &kept, &of, &self.held).await?;
        self.owner.execute("commit").await.map(drop).map_err(failed::<P>("let offsets go"))
    }
}

/// Gives up the edition that is being made; what is read is not touched. Answers whether there was one.
pub async fn abandon<P: Projection>(
    config: &RedisConfig,
    topic: &str,
    partitions: i32,
) -> Result<bool, Error> {
    let mut place = Place::of::<P>(config, topic, partitions)?;
    place.finish().await?;
    let next = place.live.aside("next");
    place.clear(&next).await
}

/// Goes back to the edition that was read before: the projector catches it up from where it stood. What was read until now is kept
/// in its place. Answers whether there was one.
pub async fn go_back<P: Projection>(
    config: &RedisConfig,
    owner_url: &str,
    topic: &str,
    ends: &[(i32, i64, i64)],
) -> Result<bool, Error> {
    let partitions = i32::try_from(ends.len()).unwrap_or(i32::MAX);
    let (mut place, mut owner) = (Place::of::<P>(config, topic, partitions)?, connect::<P>(owner_url).await?);
    place.finish().await?;
    let (kept, swap) = (place.live.aside("kept"), place.live.aside("swap"));
    let stood = place.standings(&kept).await?;
    let Some((of, _)) = stood.first().cloned().flatten() else { return Ok(false) };
    let mut held = place.hold::<P>(&mut owner, ends).await?;
    let now = place.stands::<P>(&mut owner, &held).await?;
    place.keep(&swap, &now).await?;
    for (held, stood) in held.iter_mut().zip(stood) {
        held.next_offset = within(stood.map_or(0, |(_, at)| at), held.partition, ends);
    }
    place.switch(&kept, &swap, &of, &held).await?;
    owner.execute("commit").await.map_err(failed::<P>("let offsets go"))?;
    Ok(true)
}

/// What a partition says of itself: of which projection, edition and topic it is, and where it stands.
type Standing = Option<(String, i64)>;

/// How far a switch of a partition is, and how it ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Switching {
    /// Keys that only the edition has which goes are aside.
    is_retired: bool,
    from: String,
    aside: String,
    of: String,
    next_offset: i64,
    parkings: i64,
}

impl Place {
    fn of<P: Projection>(config: &RedisConfig, topic: &str, partitions: i32) -> Result<Self, Error> {
        let live = Keys::new(config.namespace.as_deref().unwrap_or(P::NAME));
        let link = Link::new(&in_bulk(config), live.namespace())?;
        let (topic, of) = (topic.to_owned(), keys::of::<P>(topic));
        Ok(Self { link, scripts: Scripts::new(), live, partitions, topic, of })
    }

    /// Takes the edition that is being made; answers how far each partition is.
    async fn begin(&mut self, epoch: i64) -> Result<Vec<i64>, Error> {
        self.finish().await?;
        let (next, claim) = (self.live.aside("next"), &self.scripts.claim);
        let call = |partition| {
            let mut call = claim.call(&[next.progress(partition), next.feed(partition)]);
            call.arg(epoch).arg(&self.of).arg(0).arg(0).arg(0);
            call
        };
        let calls: Vec<Cmd> = (0..self.partitions).map(call).collect();
        let answers: Vec<(String, String, String)> =
            self.link.run("begin the next edition", claim, &calls).await?;
        let namespace = next.namespace().to_owned();
        let mut begun_at = vec![];
        for (word, value, _) in answers {
            match (word.as_str(), value.parse()) {
                ("ours", Ok(position)) => begun_at.push(position),
                ("foreign", _) => {
                    let expected = self.of.clone();
                    return Err(Error::ForeignNamespace { namespace, found: value, expected });
                }
                ("fenced", _) => return Err(Error::RebuiltElsewhere { namespace }),
                _ => return Err(Error::BadAnswer { namespace, answer: word }),
            }
        }
        Ok(begun_at)
    }

    /// Rows that were made anew are as if they never were: what is written has to be newer.
    async fn forget<P: Projection>(
        &mut self,
        next: &Keys,
        changes: &mut [RowChange<P::View>],
        replaced: &[RowKey],
    ) -> Result<(), Error> {
        let mut commands = vec![];
        for change in changes.iter_mut().filter(|change| replaced.contains(&change.key)) {
            let RowKey { tenant, aggregate_id } = &change.key;
            commands.push(command("DEL", next.row(change.partition, tenant, *aggregate_id), &[] as &[&str]));
            if let Some(rank) = change.old.view.as_ref().and_then(P::rank) {
                let board = next.board(change.partition, tenant, rank.board);
                commands.push(command("ZREM", board, aggregate_id.to_string()));
            }
            change.old = Row::default().into();
        }
        self.link.query::<i64>("forget rows that are made anew", commands).await.map(drop)
    }

    /// From now on nobody writes what is read, until the owner's transaction ends.
    async fn hold<P: Projection>(
        &mut self,
        owner: &mut PgConnection,
        ends: &[(i32, i64, i64)],
    ) -> Result<Vec<Held>, Error> {
        let begin = format!("begin; set local idle_in_transaction_session_timeout = '{HOLD_MAX}'");
        owner
            .execute(sqlx::raw_sql(sqlx::AssertSqlSafe(begin)))
            .await
            .map_err(failed::<P>("hold offsets"))?;
        let progress = ownership::Progress { projection: P::NAME, topic: &self.topic };
        let mut wanted: Vec<i32> = ends.iter().map(|(partition, ..)| *partition).collect();
        let mut held = vec![];
        // Where a switch was given up, Redis knows a later epoch than Postgres.
        while !wanted.is_empty() {
            let claimed = progress.claim(owner, &wanted, "rebuild").await.map_err(Box::new)?;
            let hold = &self.scripts.hold;
            let call = |it: &Claimed| {
                let mut call = hold.call(&[self.live.progress(it.partition)]);
                call.arg(it.epoch);
                call
            };
            let calls: Vec<Cmd> = claimed.iter().map(call).collect();
            let answers: Vec<(String, i64)> = self.link.run("hold partitions", hold, &calls).await?;
            for (claimed, (word, next_offset)) in claimed.into_iter().zip(answers) {
                let Claimed { partition, parkings, .. } = claimed;
                if word == "held" {
                    let next_offset = within(next_offset, partition, ends);
                    held.push(Held { partition, next_offset, parkings });
                    wanted.retain(|it| *it != partition);
                }
            }
        }
        held.sort_unstable_by_key(|held| held.partition);
        Ok(held)
    }

    /// Where the edition that is read stands: of a partition with parked keys, at the first of their records, since whoever goes
    /// back may have let them go by then.
    async fn stands<P: Projection>(
        &mut self,
        owner: &mut PgConnection,
        held: &[Held],
    ) -> Result<Vec<Standing>, Error> {
        let sql =
            "select partition, min(first_offset) from parked_key where projection = $1 group by partition";
        let parked: Vec<(i32, i64)> = sqlx::query_as(sql)
            .bind(P::NAME)
            .fetch_all(owner)
            .await
            .map_err(failed::<P>("look for parked keys"))?;
        let parked: HashMap<i32, i64> = parked.into_iter().collect();
        let mut stood = self.standings(&self.live.clone()).await?;
        for (held, stood) in held.iter().zip(&mut stood) {
            let first = parked.get(&held.partition).copied().unwrap_or(i64::MAX);
            let of = stood.take().map_or_else(|| self.of.clone(), |(of, _)| of);
            *stood = Some((of, held.next_offset.min(first)));
        }
        Ok(stood)
    }

    /// What each partition of a namespace says of itself.
    async fn standings(&mut self, keys: &Keys) -> Result<Vec<Standing>, Error> {
        let ask = |partition| command("HMGET", keys.progress(partition), &["of", "next_offset"]);
        let asked = (0..self.partitions).map(ask).collect();
        let answers: Vec<(Option<String>, Option<i64>)> = self.link.query("read offsets", asked).await?;
        Ok(answers.into_iter().map(|(of, next_offset)| of.zip(next_offset)).collect())
    }

    /// Writes down where an edition stands that is about to be put there.
    async fn keep(&mut self, keys: &Keys, stood: &[Standing]) -> Result<(), Error> {
        let keep = |(partition, standing): (i32, &Standing)| {
            let (of, next_offset) = standing.as_ref()?;
            let mut keep = command("HSET", keys.progress(partition), &["of", of]);
            keep.arg("next_offset").arg(next_offset);
            Some(keep)
        };
        let commands = (0..).zip(stood).filter_map(keep).collect();
        self.link.query::<i64>("keep offsets", commands).await.map(drop)
    }

    /// Has an edition read from now on; what was read goes aside.
    async fn switch(&mut self, from: &Keys, aside: &Keys, of: &str, held: &[Held]) -> Result<(), Error> {
        let mark = |Held { partition, next_offset, parkings }: &Held| {
            let switching = Switching {
                is_retired: false,
                from: from.namespace().to_owned(),
                aside: aside.namespace().to_owned(),
                of: of.to_owned(),
                next_offset: *next_offset,
                parkings: *parkings,
            };
            self.mark(*partition, &switching)
        };
        let marks = held.iter().map(mark).collect();
        self.link.query::<i64>("begin a switch", marks).await?;
        self.finish().await
    }

    fn mark(&self, partition: i32, switching: &Switching) -> Cmd {
        let mark = serde_json::to_string(switching).expect("texts and numbers are JSON");
        command("HSET", self.live.progress(partition), &["switching", &mark])
    }

    /// Ends switches that were begun, whoever began them.
    async fn finish(&mut self) -> Result<(), Error> {
        let ask = (0..self.partitions).map(|it| command("HGET", self.live.progress(it), "switching"));
        let marks: Vec<Option<String>> = self.link.query("look for switches", ask.collect()).await?;
        let mut begun: BTreeMap<i32, Switching> = BTreeMap::new();
        for (partition, mark) in (0..).zip(marks) {
            let Some(mark) = mark else { continue };
            let bad =
                |_| Error::BadAnswer { namespace: self.live.namespace().to_owned(), answer: mark.clone() };
            begun.insert(partition, serde_json::from_str(&mark).map_err(bad)?);
        }
        if let Some(Switching { from, aside, .. }) = begun.values().next().cloned() {
            let (live, from, aside) = (self.live.clone(), Keys::new(from), Keys::new(aside));
            let coming = self.keys_of(&from).await?;
            let unretired = begun.iter().filter(|(_, it)| !it.is_retired).map(|(partition, _)| *partition);
            let unretired: HashSet<i32> = unretired.collect();
            if !unretired.is_empty() {
                let comes =
                    |key: &String| live.moved(key, &from).is_some_and(|(_, key)| coming.contains(&key));
                let going = self.keys_of(&live).await?.into_iter().filter(|key| !comes(key));
                self.relocate(going, &live, &aside, &aside.aside("twice"), |it| unretired.contains(&it))
                    .await?;
                let retired = |(partition, switching): (&i32, &Switching)| {
                    self.mark(*partition, &Switching { is_retired: true, ..switching.clone() })
                };
                let marks = begun.iter().map(retired).collect();
                self.link.query::<i64>("go on with a switch", marks).await?;
            }
            self.relocate(coming.into_iter(), &from, &live, &aside, |it| begun.contains_key(&it)).await?;
            let switch = &self.scripts.switch;
            let call = |(partition, it): (&i32, &Switching)| {
                let keys = [live.progress(*partition), from.progress(*partition), live.feed(*partition)];
                let mut call = switch.call(&keys);
                call.arg(&it.of).arg(it.next_offset).arg(it.parkings);
                call
            };
            let calls: Vec<Cmd> = begun.iter().map(call).collect();
            self.link.run::<String>("end a switch", switch, &calls).await?;
        }
        // Who went back put what was read here first.
        let (swap, kept) = (self.live.aside("swap"), self.live.aside("kept"));
        let swapped = self.link.keys("list keys", &swap.all()).await?;
        self.relocate(swapped.into_iter(), &swap, &kept, &kept.aside("twice"), |_| true).await
    }

    /// Rows, leaderboards, and which views are finished.
    async fn keys_of(&mut self, keys: &Keys) -> Result<HashSet<String>, Error> {
        let mut all = HashSet::new();
        for kind in ["row", "board", "finished"] {
            all.extend(self.link.keys("list keys", &keys.pattern(kind)).await?);
        }
        Ok(all)
    }

    /// Puts keys in the place of others, and these aside.
    async fn relocate(
        &mut self,
        keys: impl Iterator<Item = String>,
        from: &Keys,
        to: &Keys,
        aside: &Keys,
        is_meant: impl Fn(i32) -> bool,
    ) -> Result<(), Error> {
        let mut of_partition: BTreeMap<i32, Vec<String>> = BTreeMap::new();
        for key in keys {
            let (Some((partition, there)), Some((_, away))) = (from.moved(&key, to), from.moved(&key, aside))
            else {
                continue;
            };
            if is_meant(partition) {
                of_partition.entry(partition).or_default().extend([key, there, away]);
            }
        }
        let calls: Vec<Cmd> = of_partition
            .values()
            .flat_map(|keys| keys.chunks(KEYS_PER_SCRIPT).map(|keys| self.scripts.relocate.call(keys)))
            .collect();
        for calls in calls.chunks(PAGE / KEYS_PER_SCRIPT) {
            self.link.run::<i64>("move keys", &self.scripts.relocate, calls).await?;
        }
        Ok(())
    }

    /// Removes a namespace; answers whether there was anything.
    async fn clear(&mut self, keys: &Keys) -> Result<bool, Error> {
        let all: Vec<String> = self.link.keys("list keys", &keys.all()).await?.into_iter().collect();
        for keys in all.chunks(PAGE) {
            let unlink = keys.iter().map(|key| command("UNLINK", key, &[] as &[&str])).collect();
            self.link.query::<i64>("remove keys", unlink).await?;
        }
        Ok(!all.is_empty())
    }
}

fn in_bulk(config: &RedisConfig) -> RedisConfig {
    RedisConfig { timeout_ms: config.timeout_ms.max(ANSWER_MS_MIN), ..config.clone() }
}

/// An offset that a partition of the topic has, or else where it begins.
fn within(next_offset: i64, partition: i32, ends: &[(i32, i64, i64)]) -> i64 {
    let (low, high) = ends.iter().find(|it| it.0 == partition).map_or((0, 0), |it| (it.1, it.2));
    if (low..=high).contains(&next_offset) { next_offset } else { low }
}

async fn connect<P: Projection>(owner_url: &str) -> Result<PgConnection, Error> {
    let failed = failed::<P>("connect to the views");
    let options = PgConnectOptions::from_str(owner_url).map_err(failed)?;
    PgConnection::connect_with(&options).await.map_err(failed)
}

fn failed<P: Projection>(action: &'static str) -> impl Fn(sqlx::Error) -> Error + Copy {
    move |source| Error::Postgres { action, projection: P::NAME, source }
}
