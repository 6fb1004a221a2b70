//! The feed, written by the sink and read by its readers.

use std::time::Duration;

use clap::Parser;
use events::TenantId;
use kafka::ViewStore;
use kafka::conformance::{History, Rig, Sink, Tally, Topic};
use projection_postgres::{Change, NextTables, PostgresViews, Readers, ReadersConfig, go_back};
use rebuild::{Edition, Rebuild};
use sqlx::{Connection, PgConnection};

use crate::broker::BOUND;
use crate::sink::{DEFINITION, PostgresSink, TABLES};

impl PostgresSink {
    fn readers(&self) -> Readers {
        #[derive(Parser)]
        struct Program {
            #[command(flatten)]
            config: ReadersConfig,
        }
        let url = self.url("dashboard");
        Readers::new(&Program::parse_from(["it", "--views-dashboard-url", &url]).config).unwrap()
    }

    /// A store whose feed is kept for so long, or that has none.
    async fn feeding(&self, retention: Option<Duration>) -> PostgresViews<Tally> {
        PostgresViews::open(&self.config(), TABLES).await.unwrap().with_feed(retention)
    }
}

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

/// What the feed tells a tenant after a place.
async fn after(readers: &Readers, name: &str, place: i64) -> Vec<Change> {
    readers.changes("tally", &[tenant(name)], place, None, 1_000).await.unwrap()
}

async fn tell(connection: &mut PgConnection, name: &str) -> i64 {
    let sql = "insert into projection_change (projection, tenant_id) values ('tally', $1) returning id";
    sqlx::query_scalar(sql).bind(name).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn of_two_writers_the_one_that_began_first_and_commits_last_is_not_passed_over() {
    let sink = PostgresSink::new().await;
    let readers = sink.readers();
    let [mut first, mut second] = [sink.connect("views_writer").await, sink.connect("views_writer").await];
    let (mut first, mut second) = (first.begin().await.unwrap(), second.begin().await.unwrap());
    let (earlier, later) = (tell(&mut first, "acme").await, tell(&mut second, "acme").await);
    assert!(earlier < later);
    second.commit().await.unwrap();
    assert_eq!(after(&readers, "acme", 0).await, [], "the first may still come before it");
    assert_eq!(readers.newest_change("tally", &tenant("acme")).await.unwrap(), None);
    first.commit().await.unwrap();
    let places: Vec<i64> = after(&readers, "acme", 0).await.iter().map(|change| change.place).collect();
    assert_eq!(places, [earlier, later]);
    assert_eq!(readers.newest_change("tally", &tenant("acme")).await.unwrap(), Some(later));

    // One that gives up is not waited for.
    let mut third = sink.connect("views_writer").await;
    let mut third = third.begin().await.unwrap();
    tell(&mut third, "acme").await;
    let mut fourth = sink.connect("views_writer").await;
    let newest = tell(&mut fourth, "acme").await;
    assert_eq!(after(&readers, "acme", later).await, []);
    third.rollback().await.unwrap();
    assert_eq!(after(&readers, "acme", later).await.last().map(|change| change.place), Some(newest));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_is_told_of_its_own_rows_and_of_what_is_everybodys() {
    let sink = PostgresSink::new().await;
    let readers = sink.readers();
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, [history.started(0, "r"), history.started(1, "r"), history.started(2, "r")]);
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    rig.caught_up(&sink, &[0]).await;
    let ids = async |names: &[&str]| {
        let names: Vec<TenantId> = names.iter().map(|name| tenant(name)).collect();
        let told = readers.changes("tally", &names, 0, None, 1_000).await.unwrap();
        let mut ids: Vec<_> = told.into_iter().flat_map(|change| change.aggregate_ids).collect();
        ids.sort_unstable();
        ids
    };
    let row = |n| History::row(n).aggregate_id;
    assert_eq!(ids(&["acme"]).await, [row(0), row(2)]);
    assert_eq!(ids(&["globex"]).await, [row(1)]);
    assert_eq!(ids(&["acme", "globex"]).await, [row(0), row(1), row(2)]);
    assert_eq!(ids(&["nobody"]).await, []);
    // Without a name there is nothing but marks, and nobody who reads can write.
    let mut dashboard = sink.connect("dashboard").await;
    let seen = "select count(*) from projection_change where tenant_id is not null";
    assert_eq!(sqlx::query_scalar::<_, i64>(seen).fetch_one(&mut dashboard).await.unwrap(), 0);
    assert!(sink.execute("dashboard", "delete from projection_change").await.is_err());
    let place = after(&readers, "acme", 0).await.last().unwrap().place;
    assert!(readers.has_change("tally", &tenant("acme"), place).await.unwrap());
    assert!(!readers.has_change("other", &tenant("acme"), place).await.unwrap());
    assert!(!readers.has_change("tally", &tenant("acme"), place + 1).await.unwrap());
}

#[tokio::test]
async fn what_is_older_than_it_is_kept_is_forgotten_from_the_oldest_on_and_a_mark_stays() {
    let sink = PostgresSink::new().await;
    let readers = sink.readers();
    let mut store = sink.feeding(Some(Duration::from_millis(500))).await;
    store.claim("tally.events", &[0]).await.unwrap();
    let acme = tenant("acme");
    let begun = readers.newest_change("tally", &acme).await.unwrap().unwrap();
    let old = tell(&mut sink.connect("views_writer").await, "acme").await;
    testkit::eventually("the oldest are forgotten", BOUND, async || {
        store.inspect("tally.events", &[]).await.unwrap();
        !readers.has_change("tally", &acme, old).await.unwrap()
    })
    .await;
    assert!(!readers.has_change("tally", &acme, begun).await.unwrap());
    let mark = readers.newest_change("tally", &tenant("nobody")).await.unwrap().unwrap();
    assert!(mark > old);
    let told = after(&readers, "acme", old).await;
    assert!(told.iter().all(|change| change.tenant.is_none() && change.reset.is_none()), "{told:?}");
}

#[tokio::test]
async fn a_feed_that_is_switched_off_is_gone_and_begins_anew() {
    let sink = PostgresSink::new().await;
    let (readers, acme) = (sink.readers(), tenant("acme"));
    let newest = async || readers.newest_change("tally", &acme).await.unwrap();
    sink.feeding(None).await.claim("tally.events", &[0]).await.unwrap();
    assert_eq!(newest().await, None);
    sink.open().await.claim("tally.events", &[0]).await.unwrap();
    let first = newest().await.unwrap();
    sink.open().await.claim("tally.events", &[0]).await.unwrap();
    assert_eq!(newest().await, Some(first), "it goes on");
    sink.feeding(None).await.claim("tally.events", &[0]).await.unwrap();
    assert_eq!(newest().await, None);
    sink.open().await.claim("tally.events", &[0]).await.unwrap();
    assert!(newest().await > Some(first));
    assert!(!readers.has_change("tally", &acme, first).await.unwrap());
}

#[tokio::test]
async fn an_edition_that_is_switched_in_or_back_resets_everybody() {
    let sink = PostgresSink::new().await;
    let readers = sink.readers();
    let owner_url = sink.url("owner");
    let resets = async || {
        let told = after(&readers, "anybody", 0).await;
        told.into_iter().filter_map(|change| change.reset).collect::<Vec<_>>()
    };
    let switch = async || {
        let next = NextTables::<Tally>::open(&owner_url, &sink.config(), DEFINITION, TABLES).await.unwrap();
        let mut rebuild = Rebuild::open(next, 12).await.unwrap();
        rebuild.write().await.unwrap();
        rebuild.edition.guard().await.unwrap();
        rebuild.edition.hold("tally.events", &[(0, 0, 0)]).await.unwrap();
        rebuild.edition.switch().await.unwrap();
    };
    // Without a feed nobody is told.
    switch().await;
    assert!(resets().await.is_empty());
    sink.open().await.claim("tally.events", &[0]).await.unwrap();
    switch().await;
    assert_eq!(resets().await, ["the view was rebuilt"]);
    assert!(go_back(&mut sink.connect("owner").await, "tally").await.unwrap());
    assert_eq!(resets().await, ["the view was rebuilt", "the view went back to an earlier edition"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_is_told_in_the_statement_that_writes_its_rows() {
    let sink = PostgresSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, [history.started(0, "r"), history.started(1, "r")]);
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    rig.caught_up(&sink, &[0]).await;
    // Rows that cannot be written take what was told of them along.
    let told = sink.feed().await.len();
    sink.execute("owner", "alter table tally add constraint nothing_more check (version < 2) not valid")
        .await
        .unwrap();
    topic.append(0, [history.called(0, 1)]);
    testkit::eventually("it parks", BOUND, async || !sink.parked().await.is_empty()).await;
    assert_eq!(sink.feed().await.len(), told);
}
