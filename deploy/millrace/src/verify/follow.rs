//! Following the store: the sum over the events of every aggregate, as far as the store has settled.

use std::collections::HashMap;

use anyhow::Context;
use event_store::{EventLog, PgEventLog, StoreError, StoredEvent};
use events::{AggregateId, Digest, Sum, TenantId};
use ledger::{Account, Stream, Streams};
use sqlx::{Connection, FromRow, PgConnection, PgPool};
use uuid::Uuid;

/// Events that are read at a time.
const PAGE: u32 = 5_000;

/// Who follows the store into the views' database. Several may: one takes a page, the others the next.
#[derive(Debug)]
pub(super) struct Follower {
    log: PgEventLog,
    store: PgPool,
    views: PgPool,
}

/// A range of versions that left the store.
#[derive(Debug, FromRow)]
struct Pruned {
    aggregate_id: Uuid,
    aggregate_type: String,
    tenant_id: String,
    from_version: i64,
    to_version: i64,
    digest: String,
}

/// Those of one aggregate, in their order.
type Ranges = HashMap<AggregateId, Vec<(u64, u64, Sum)>>;

/// What a page does to an aggregate.
struct Followed {
    aggregate_type: String,
    tenant: TenantId,
    account: Account,
    lacks: Option<u64>,
}

impl Follower {
    pub(super) fn new(store: PgPool, views: PgPool) -> Self {
        Self { log: PgEventLog::new(store.clone()), store, views }
    }

    /// Forgets everything, so that the store is followed from its beginning.
    pub(super) async fn begin_anew(&self) -> anyhow::Result<()> {
        let mut connection = self.views.acquire().await?;
        let mut forgetting = connection.begin().await?;
        sqlx::query("update ledger_position set position = 0").execute(&mut *forgetting).await?;
        sqlx::query("delete from ledger_stream").execute(&mut *forgetting).await?;
        forgetting.commit().await.context("failed to forget how far the store was followed")
    }

    /// Follows the store up to where it has settled; answers up to where that is.
    pub(super) async fn catch_up(&self) -> anyhow::Result<u64> {
        while let Some(position) = self.page().await? {
            tracing::debug!(position, "followed the store");
        }
        let position: i64 =
            sqlx::query_scalar("select position from ledger_position").fetch_one(&self.views).await?;
        Ok(position.unsigned_abs())
    }

    /// Takes in the next events, if there are any.
    async fn page(&self) -> anyhow::Result<Option<u64>> {
        let mut connection = self.views.acquire().await?;
        let mut taking = connection.begin().await?;
        let position: i64 = sqlx::query_scalar("select position from ledger_position for update")
            .fetch_one(&mut *taking)
            .await
            .context("failed to ask how far the store was followed")?;
        let position = position.unsigned_abs();
        let events = match self.log.read_all(position, PAGE).await {
            Err(error @ StoreError::AheadOfLog { .. }) => {
                return Err(error).context(
                    "the store was followed beyond its end: if another store was put in its place, follow that one with `millrace verify --anew`",
                );
            }
            read => read.context("failed to read the store")?,
        };
        // In this order: what left the store before it could be read is told by what left.
        let (ranges, mut followed) = self.pruned(position).await?;
        if events.is_empty() && ranges.is_empty() {
            return Ok(None);
        }
        let ids = events.iter().map(|event| event.aggregate_id).chain(ranges.keys().copied());
        load(&mut taking, ids, &mut followed).await?;
        for event in &events {
            let of = followed.entry(event.aggregate_id).or_insert_with(|| Followed {
                aggregate_type: event.aggregate_type.clone(),
                tenant: event.tenant.clone(),
                account: Account::default(),
                lacks: None,
            });
            of.pass(ranges.get(&event.aggregate_id), event.version);
            of.take(event);
        }
        for (id, ranges) in &ranges {
            if let Some(of) = followed.get_mut(id) {
                of.pass(Some(ranges), u64::MAX);
            }
        }
        put(&mut taking, &followed).await?;
        let last = match events.last() {
            Some(event) => event.position,
            None => self.log.settled_position().await.context("failed to ask the store")?.max(position),
        };
        sqlx::query("update ledger_position set position = $1")
            .bind(last.cast_signed())
            .execute(&mut *taking)
            .await?;
        taking.commit().await.context("failed to write how far the store was followed")?;
        Ok((!events.is_empty()).then_some(last))
    }

    /// What left the store beyond a position, and the aggregates that it was of.
    async fn pruned(&self, position: u64) -> anyhow::Result<(Ranges, HashMap<AggregateId, Followed>)> {
        let rows: Vec<Pruned> = sqlx::query_as(include_str!("../../queries/ledger_pruned.sql"))
            .bind(position.cast_signed())
            .fetch_all(&self.store)
            .await
            .context("failed to list what left the store")?;
        let (mut ranges, mut followed) = (Ranges::new(), HashMap::new());
        for row in rows {
            let (id, tenant) = (AggregateId(row.aggregate_id), row.tenant_id.parse()?);
            let (from, to) = (row.from_version.unsigned_abs(), row.to_version.unsigned_abs());
            ranges.entry(id).or_default().push((from, to, row.digest.parse()?));
            let (aggregate_type, account) = (row.aggregate_type, Account::default());
            followed.entry(id).or_insert(Followed { aggregate_type, tenant, account, lacks: None });
        }
        Ok((ranges, followed))
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
    fn pass(&mut self, ranges: Option<&Vec<(u64, u64, Sum)>>, before: u64) {
        let mut from_begin = Account::default();
        for (from, to, sum) in ranges.into_iter().flatten().filter(|(_, to, _)| *to < before) {
            // A range of which a part was followed is whole only with all that is before it.
            if *from == from_begin.version + 1 {
                from_begin.version = *to;
                from_begin.sum.merge(*sum);
            }
            if *from == self.account.version + 1 {
                self.account.version = *to;
                self.account.sum.merge(*sum);
            }
            if from_begin.version > self.account.version {
                self.account = from_begin;
            }
        }
    }
}

/// Takes up these aggregates where they were left.
async fn load(
    connection: &mut PgConnection,
    ids: impl Iterator<Item = AggregateId>,
    followed: &mut HashMap<AggregateId, Followed>,
) -> anyhow::Result<()> {
    let mut ids: Vec<Uuid> = ids.map(|id| id.0).collect();
    ids.sort_unstable();
    ids.dedup();
    let sql = "select aggregate_id, aggregate_type, tenant_id, version, events_sum from ledger_stream where aggregate_id = any($1)";
    let found: Vec<(Uuid, String, String, i64, [u8; 16])> =
        sqlx::query_as(sql).bind(&ids).fetch_all(connection).await?;
    for (id, aggregate_type, tenant, version, sum) in found {
        let account = Account { version: version.unsigned_abs(), sum: Sum::from_bytes(sum) };
        let of = Followed { aggregate_type, tenant: tenant.parse()?, account, lacks: None };
        followed.insert(AggregateId(id), of);
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
        Followed { aggregate_type: "execution".into(), tenant: "acme".parse().unwrap(), account, lacks: None }
    }

    fn sum_of(number: u8) -> Sum {
        Sum::from_bytes(u128::from(number).to_be_bytes())
    }

    #[test]
    fn what_left_the_store_is_taken_in_once_however_far_it_was_followed() {
        let ranges = vec![(1, 3, sum_of(10)), (4, 6, sum_of(100))];
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
