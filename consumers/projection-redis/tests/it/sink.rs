//! A corner of Redis for the stories that every sink is told.

use std::collections::BTreeMap;

use dead_letters::{Filter, Operator, Scope};
use kafka::conformance::{Parked, Sink, Tally, TallyView, Totals};
use kafka::{ParkKey, RowKey};
use projection::Row;
use projection_redis::{Reader, RedisViews, ViewAt};
use sqlx::{Connection, PgConnection};

use crate::stage::{PARTITIONS, Stage};

pub(crate) struct RedisSink {
    pub(crate) stage: Stage,
}

impl RedisSink {
    pub(crate) async fn new() -> Self {
        Self { stage: Stage::new().await }
    }

    pub(crate) fn reader(&self) -> Reader<Tally> {
        Reader::new(&self.stage.config, PARTITIONS).unwrap()
    }

    async fn postgres(&self) -> PgConnection {
        PgConnection::connect(&self.stage.database.url("views_writer")).await.unwrap()
    }
}

impl Sink for RedisSink {
    type Store = RedisViews<Tally>;

    async fn open(&self) -> RedisViews<Tally> {
        let views = self.stage.database.url("views_writer").parse().unwrap();
        RedisViews::new(&self.stage.config, views, "tester").unwrap().with_feed(10_000)
    }

    async fn rows(&self) -> BTreeMap<RowKey, Row<TallyView>> {
        let mut rows = BTreeMap::new();
        let show = |ViewAt { tenant, aggregate_id, row, .. }: ViewAt<TallyView>| {
            assert!(rows.insert(RowKey { tenant, aggregate_id }, row).is_none(), "one row an aggregate");
        };
        self.reader().rows(show).await.unwrap();
        rows
    }

    async fn feed(&self) -> Vec<RowKey> {
        let mut told = Vec::new();
        for partition in 0..PARTITIONS {
            for (tenant, rows) in self.stage.fed(partition).await {
                told.extend(
                    rows.into_iter().map(|(id, _)| RowKey { tenant: tenant.clone(), aggregate_id: id }),
                );
            }
        }
        told
    }

    async fn totals(&self) -> Option<Totals> {
        None
    }

    async fn next_offset(&self, _: &str, partition: i32) -> i64 {
        let positions = self.reader().positions().await.unwrap();
        positions
            .iter()
            .find(|position| position.partition == partition)
            .map_or(0, |position| position.next_offset)
    }

    async fn parked(&self) -> Vec<Parked> {
        let mut connection = self.postgres().await;
        let mut operator = Operator::new(&mut connection);
        let mut parked = Vec::new();
        for shown in operator.list(&Filter::of("tally"), 10_000).await.unwrap() {
            // Released meanwhile: then it has no records to show.
            let events = operator.show("tally", &shown.key(), 10_000).await.unwrap_or_default();
            let offsets = events.iter().map(|event| event.record_offset).collect();
            parked.push(Parked { key: shown.key(), state: shown.state, reason: shown.reason, offsets });
        }
        parked
    }

    async fn redrive(&self, key: &ParkKey) {
        Operator::new(&mut self.postgres().await).redrive("tally", key, "tester").await.unwrap();
    }

    async fn discard_first(&self, key: &ParkKey, foreign: bool) {
        let mut connection = self.postgres().await;
        let mut operator = Operator::new(&mut connection);
        operator.discard("tally", key, Scope::First, foreign, "a test says so", "tester").await.unwrap();
    }

    async fn decisions(&self) -> (usize, usize) {
        let decisions = Operator::new(&mut self.postgres().await).decisions("tally").await.unwrap();
        let foreign = decisions.iter().filter(|decision| decision.version.is_none()).count();
        (decisions.len() - foreign, foreign)
    }
}
