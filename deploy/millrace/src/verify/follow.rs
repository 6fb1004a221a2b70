//! Following the store: the sum over the events of every aggregate, as far as the store has settled.

use std::collections::HashMap;

use anyhow::Context;
use event_store::{EventLog, PgEventLog, PrunedRange, StoreError, StoredEvent};
use events::{AggregateId, Digest, Sum, TenantId};
use ledger::{Account, Stream, Streams};
use sqlx::{Connection, PgConnection, PgPool};
use uuid::Uuid;

/// Events that are read at a time.
const PAGE: u32 = 5_000;

/// Who follows the store into the views' database. Several may: one takes a page, the others the next.
#[derive(Debug)]
pub(super) struct Follower {
    log: PgEventLog,
    views: PgPool,
}

/// What a page does to an aggregate.
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
        let Some(last) = events.last().map(|event| event.position) else { return Ok(None) };
        let mut followed = HashMap::new();
        if position == 0 {
            for range in self.log.pruned().await.context("failed to list what left the store")? {
                followed.entry(range.aggregate_id).or_insert_with(|| begun(&range)).pass(&range);
            }
        }
        load(&mut taking, &events, &mut followed).await?;
        self.take(&events, &mut followed).await?;
        put(&mut taking, &followed).await?;
        sqlx::query("update ledger_position set position = $1")
            .bind(last.cast_signed())
            .execute(&mut *taking)
            .await?;
        taking.commit().await.context("failed to write how far the store was followed")?;
        Ok(Some(last))
    }

    async fn take(
        &self,
        events: &[StoredEvent],
        followed: &mut HashMap<AggregateId, Followed>,
    ) -> anyhow::Result<()> {
        let mut pruned: Option<Vec<PrunedRange>> = None;
        for event in events {
            let of = followed.entry(event.aggregate_id).or_insert_with(|| Followed {
                aggregate_type: event.aggregate_type.clone(),
                tenant: event.tenant.clone(),
                account: Account::default(),
                lacks: None,
            });
            if event.version > of.account.version + 1 {
                // Between the page before and this one, what comes between may have left the store.
                if pruned.is_none() {
                    pruned = Some(self.log.pruned().await.context("failed to list what left the store")?);
                }
                let ranges = pruned.iter().flatten().filter(|it| it.aggregate_id == event.aggregate_id);
                ranges.for_each(|range| of.pass(range));
            }
            of.take(event);
        }
        Ok(())
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

fn begun(range: &PrunedRange) -> Followed {
    Followed {
        aggregate_type: range.aggregate_type.clone(),
        tenant: range.tenant.clone(),
        account: Account::default(),
        lacks: None,
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

    /// Takes in what left the store before it was followed that far.
    fn pass(&mut self, range: &PrunedRange) {
        if range.from_version == self.account.version + 1 {
            self.account.version = range.to_version;
            self.account.sum.merge(range.digest);
        }
    }
}

/// Takes up the aggregates of these events where they were left.
async fn load(
    connection: &mut PgConnection,
    events: &[StoredEvent],
    followed: &mut HashMap<AggregateId, Followed>,
) -> anyhow::Result<()> {
    let mut ids: Vec<Uuid> = events.iter().map(|event| event.aggregate_id.0).collect();
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
