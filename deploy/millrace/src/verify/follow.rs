//! Following the store: the sum over the events of every aggregate, as far as the store has settled.

use std::collections::HashMap;

use anyhow::Context;
use event_store::{EventLog, Filter, PgEventLog, PrunedRange, Slice, StoreError, StoredEvent};
use events::{AggregateId, Digest, Sum, TenantId};
use ledger::{Account, Stream, Streams};
use sqlx::{Connection, PgConnection, PgPool};
use uuid::Uuid;

/// Events that are read at a time.
const PAGE: u32 = 5_000;

/// Events after which the aggregates they belong to are written: each once, however many of the events are its own.
const STRIDE: usize = 100_000;

/// Who follows the store into the views' database. Several may: one takes a stride, the others the next.
#[derive(Debug)]
pub(super) struct Follower {
    log: PgEventLog,
    views: PgPool,
}

/// What left the store of some aggregates, in the order of versions.
type Ranges = HashMap<AggregateId, Vec<PrunedRange>>;

/// What a stride does to an aggregate.
struct Followed {
    aggregate_type: String,
    tenant: TenantId,
    account: Account,
    lacks: Option<u64>,
}

impl Follower {
    pub(super) fn new(store: PgPool, views: PgPool) -> Self {
        Self { log: PgEventLog::new(store), views }
    }

    /// Forgets everything, so that the store is followed from its beginning.
    pub(super) async fn begin_anew(&self) -> anyhow::Result<()> {
        let mut connection = self.views.acquire().await?;
        let mut forgetting = connection.begin().await?;
        sqlx::query("update ledger_position set position = 0").execute(&mut *forgetting).await?;
        sqlx::query("delete from ledger_stream").execute(&mut *forgetting).await?;
        forgetting.commit().await.context("failed to forget how far the store was followed")
    }

    /// Follows the store up to where it has settled by now, since it may grow for ever; answers how far it was followed.
    pub(super) async fn catch_up(&self) -> anyhow::Result<u64> {
        let settled = self.log.settled_position().await.context("failed to ask the store")?;
        loop {
            let position = self.stride(settled).await?;
            if position >= settled {
                return Ok(position);
            }
        }
    }

    /// Takes in what comes next up to where the store has settled, if there is anything; answers up to where that is.
    async fn stride(&self, settled: u64) -> anyhow::Result<u64> {
        let mut connection = self.views.acquire().await?;
        let mut taking = connection.begin().await?;
        let begin: i64 = sqlx::query_scalar("select position from ledger_position for update")
            .fetch_one(&mut *taking)
            .await
            .context("failed to ask how far the store was followed")?;
        let begin = begin.unsigned_abs();
        let (mut position, mut taken, mut followed) = (begin, 0, HashMap::new());
        while position < settled && taken < STRIDE {
            let Slice { events, through, .. } = self.read(position).await?;
            if through <= position {
                break;
            }
            // In this order: what left the store before it could be read is told by what left.
            let pruned = self.log.pruned_between(position, through).await?;
            take_in(&mut taking, &mut followed, &events, pruned).await?;
            (position, taken) = (through, taken + events.len());
        }
        if position == begin {
            return Ok(begin);
        }
        put(&mut taking, &followed).await?;
        sqlx::query("update ledger_position set position = $1")
            .bind(position.cast_signed())
            .execute(&mut *taking)
            .await?;
        taking.commit().await.context("failed to write how far the store was followed")?;
        Ok(position)
    }

    async fn read(&self, after: u64) -> anyhow::Result<Slice> {
        let read = self.log.read(&Filter::all(), after, PAGE).await;
        read.map_err(|error| {
            let is_other = matches!(error, StoreError::AheadOfLog { .. });
            let read = anyhow::Error::new(error).context("failed to read the store");
            if !is_other {
                return read;
            }
            read.context(
                "the store was followed beyond its end: if another store was put in its place, follow that one with `millrace verify --anew`",
            )
        })
    }

    /// Every aggregate of a type.
    pub(super) async fn streams(&self, aggregate_type: &str) -> anyhow::Result<Streams> {
        type Row = (Uuid, String, i64, [u8; 16], Option<i64>);
        let rows: Vec<Row> = sqlx::query_as(include_str!("../../queries/ledger_stream_list.sql"))
            .bind(aggregate_type)
            .fetch_all(&self.views)
            .await
            .context("failed to read what was followed of the store")?;
        let stream = |(id, tenant, version, sum, lacks): Row| {
            let account = Account { version: version.unsigned_abs(), sum: Sum::from_bytes(sum) };
            let (tenant, lacks) = (tenant.parse()?, lacks.map(i64::unsigned_abs));
            anyhow::Ok((AggregateId(id), Stream { tenant, account, lacks }))
        };
        rows.into_iter().map(stream).collect()
    }
}

impl Followed {
    /// An aggregate of which nothing was followed yet.
    fn new(aggregate_type: &str, tenant: &TenantId) -> Self {
        let (aggregate_type, tenant) = (aggregate_type.to_owned(), tenant.clone());
        Self { aggregate_type, tenant, account: Account::default(), lacks: None }
    }

    /// Takes in the next event. One that was taken in before came back from an archive.
    fn take(&mut self, event: &StoredEvent) {
        let next = self.account.version + 1;
        if event.version < next {
            return;
        }
        if event.version > next {
            self.lacks.get_or_insert(next);
        }
        self.account.version = event.version;
        let payload = Digest::of(&event.payload);
        self.account.sum.add(event.aggregate_id, event.version, event.event_id, payload);
    }

    /// Takes in what left the store before it was followed that far, up to a version.
    fn pass(&mut self, ranges: Option<&Vec<PrunedRange>>, before: u64) {
        let mut from_begin = Account::default();
        for range in ranges.into_iter().flatten().filter(|range| range.to_version < before) {
            // A range of which a part was followed is whole only with all that is before it.
            for account in [&mut from_begin, &mut self.account] {
                if range.from_version == account.version + 1 {
                    account.version = range.to_version;
                    account.sum.merge(range.digest);
                }
            }
            if from_begin.version > self.account.version {
                self.account = from_begin;
            }
        }
    }
}

/// Takes in a page, and what left the store of it.
async fn take_in(
    connection: &mut PgConnection,
    followed: &mut HashMap<AggregateId, Followed>,
    events: &[StoredEvent],
    pruned: Vec<PrunedRange>,
) -> anyhow::Result<()> {
    let mut new = vec![];
    let mut begin = |id, aggregate_type: &str, tenant: &TenantId| {
        followed.entry(id).or_insert_with(|| {
            new.push(id.0);
            Followed::new(aggregate_type, tenant)
        });
    };
    let mut ranges = Ranges::new();
    for range in pruned {
        begin(range.aggregate_id, &range.aggregate_type, &range.tenant);
        ranges.entry(range.aggregate_id).or_default().push(range);
    }
    events.iter().for_each(|event| begin(event.aggregate_id, &event.aggregate_type, &event.tenant));
    load(connection, followed, &new).await?;
    for event in events {
        let of = followed.get_mut(&event.aggregate_id).expect("it was begun for its event");
        of.pass(ranges.get(&event.aggregate_id), event.version);
        of.take(event);
    }
    for (id, ranges) in &ranges {
        let of = followed.get_mut(id).expect("it was begun for its ranges");
        of.pass(Some(ranges), u64::MAX);
    }
    Ok(())
}

/// Takes up aggregates where they were left.
async fn load(
    connection: &mut PgConnection,
    followed: &mut HashMap<AggregateId, Followed>,
    ids: &[Uuid],
) -> anyhow::Result<()> {
    let sql = "select aggregate_id, version, events_sum from ledger_stream where aggregate_id = any($1)";
    let found: Vec<(Uuid, i64, [u8; 16])> = sqlx::query_as(sql).bind(ids).fetch_all(connection).await?;
    for (id, version, sum) in found {
        if let Some(of) = followed.get_mut(&AggregateId(id)) {
            of.account = Account { version: version.unsigned_abs(), sum: Sum::from_bytes(sum) };
        }
    }
    Ok(())
}

async fn put(connection: &mut PgConnection, followed: &HashMap<AggregateId, Followed>) -> anyhow::Result<()> {
    let all: Vec<_> = followed.iter().collect();
    sqlx::query(include_str!("../../queries/ledger_stream_put.sql"))
        .bind(all.iter().map(|(id, _)| id.0).collect::<Vec<_>>())
        .bind(all.iter().map(|(_, of)| of.aggregate_type.as_str()).collect::<Vec<_>>())
        .bind(all.iter().map(|(_, of)| of.tenant.as_str()).collect::<Vec<_>>())
        .bind(all.iter().map(|(_, of)| of.account.version.cast_signed()).collect::<Vec<_>>())
        .bind(all.iter().map(|(_, of)| of.account.sum.to_bytes().to_vec()).collect::<Vec<_>>())
        .bind(all.iter().map(|(_, of)| of.lacks.map(u64::cast_signed)).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map(drop)
        .context("failed to write what was followed of the store")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(version: u64, sum: u8) -> Followed {
        let account = Account { version, sum: sum_of(sum) };
        Followed { account, ..Followed::new("execution", &"acme".parse().unwrap()) }
    }

    fn sum_of(number: u8) -> Sum {
        Sum::from_bytes(u128::from(number).to_be_bytes())
    }

    #[test]
    fn what_left_the_store_is_taken_in_once_however_far_it_was_followed() {
        let range = |from_version, to_version, sum| PrunedRange {
            tenant: "acme".parse().unwrap(),
            aggregate_id: AggregateId(Uuid::nil()),
            aggregate_type: "execution".into(),
            from_version,
            to_version,
            reason: "withdrawn".into(),
            last_position: 9,
            digest: sum_of(sum),
        };
        let ranges = vec![range(1, 3, 10), range(4, 6, 100)];
        let passed = |mut of: Followed, before| {
            of.pass(Some(&ranges), before);
            (of.account.version, of.account.sum)
        };
        assert_eq!(passed(at(0, 0), u64::MAX), (6, sum_of(110)));
        assert_eq!(passed(at(3, 10), u64::MAX), (6, sum_of(110)));
        assert_eq!(passed(at(2, 7), u64::MAX), (6, sum_of(110)), "a part of the first was followed");
        assert_eq!(passed(at(5, 80), u64::MAX), (6, sum_of(110)), "a part of the second was");
        assert_eq!(passed(at(6, 110), u64::MAX), (6, sum_of(110)), "all of it was");
        assert_eq!(passed(at(7, 120), u64::MAX), (7, sum_of(120)));
        assert_eq!(passed(at(0, 0), 4), (3, sum_of(10)), "an event of version 4 comes");
    }
}
