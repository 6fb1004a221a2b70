//! Analysts see the rows of one tenant, and of these no personal data.

use kafka::conformance::{History, Rig, Sink, Topic};
use projection_postgres::NextTables;
use rebuild::{Edition, Rebuild};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::sink::{DEFINITION, PostgresSink, TABLES};

/// What a role sees of a tenant.
async fn seen(sink: &PostgresSink, role: &str, tenant: &str, sql: &str) -> Result<Vec<String>, sqlx::Error> {
    let mut connection: PgConnection = sink.connect(role).await;
    let mut reading = connection.begin().await?;
    let name = "select set_config('millrace.tenant', $1, true)";
    sqlx::query(name).bind(tenant).execute(&mut *reading).await?;
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut *reading).await
}

const MASKED: &str = "select concat_ws(' ', tenant_id, version, repository, coalesce(steps::text, 'null'), tokens, trail) \
                      from tally_masked order by version";

/// Three rows of two tenants.
async fn filled() -> PostgresSink {
    let sink = PostgresSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, (0..3).map(|n| history.started(n, "django")));
    topic.append(0, [history.called(0, 5)]);
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    rig.caught_up(&sink, &[0]).await;
    sink
}

async fn assert_masked(sink: &PostgresSink) {
    let masked = seen(sink, "analyst", "acme", MASKED).await.unwrap();
    assert_eq!(masked, ["acme 1 django null 0 [masked]", "acme 2 django null 5 [masked]"]);
    assert_eq!(seen(sink, "analyst", "globex", MASKED).await.unwrap().len(), 1);
    assert!(seen(sink, "analyst", "nobody", MASKED).await.unwrap().is_empty());
    let sums = "select tokens::text from tally where repository = 'django' order by tokens";
    assert_eq!(seen(sink, "analyst", "acme", sums).await.unwrap(), ["0", "5"]);
    for sql in [
        "select trail from tally",
        "select max(steps)::text from tally",
        "select tenant_id from tally where trail like '1%'",
        "select t::text from tally t",
        "select tenant_id from tally order by steps",
        "select payload::text from parked_event",
    ] {
        let refused = seen(sink, "analyst", "acme", sql).await.unwrap_err();
        assert!(refused.to_string().contains("permission denied"), "{sql}: {refused}");
    }
    let changed = sink.execute("analyst", "update tally set tokens = 0").await.unwrap_err();
    assert!(changed.to_string().contains("permission denied"), "{changed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_analyst_sees_a_tenants_rows_without_what_is_personal_and_a_dashboard_all_of_them() {
    let sink = filled().await;
    assert_masked(&sink).await;
    let all = "select concat_ws(' ', version, steps, trail) from tally order by version";
    assert_eq!(seen(&sink, "dashboard", "acme", all).await.unwrap(), ["1 0 ", "2 1 1,"]);
    let told = "select string_agg(col_description('tally_masked'::regclass, attnum), '; ' order by attnum)
                from pg_attribute where attrelid = 'tally_masked'::regclass and attname in ('repository', 'trail')";
    let told = seen(&sink, "analyst", "acme", told).await.unwrap();
    assert_eq!(told, ["Whose code it is.; Personal: the steps, and nobody else's business."]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edition_that_is_switched_in_is_masked_and_so_is_one_that_was_made_before_there_were_analysts() {
    let sink = filled().await;
    for sql in
        ["drop view tally_masked", "drop policy is_read_masked on tally", "revoke all on tally from analyst"]
    {
        sink.execute("owner", sql).await.unwrap();
    }
    let forget = "update projection_edition set relations = array_remove(relations, 'tally_masked')";
    sink.execute("owner", forget).await.unwrap();
    let refused = seen(&sink, "analyst", "acme", "select tenant_id from tally").await.unwrap_err();
    assert!(refused.to_string().contains("permission denied"), "{refused}");
    let mut owner = sink.connect("owner").await;
    for _ in 0..2 {
        projection_postgres::migrate(&mut owner, &[DEFINITION]).await.unwrap();
        assert_masked(&sink).await;
    }

    let next = NextTables::<_>::open(&sink.url("owner"), &sink.config(), DEFINITION, TABLES).await.unwrap();
    let mut rebuild: Rebuild<kafka::conformance::Tally, _> = Rebuild::open(next, 12).await.unwrap();
    rebuild.write().await.unwrap();
    rebuild.edition.guard().await.unwrap();
    rebuild.edition.hold("tally.events", &[(0, 0, 0)]).await.unwrap();
    rebuild.edition.switch().await.unwrap();
    assert!(seen(&sink, "analyst", "acme", MASKED).await.unwrap().is_empty(), "nothing is in it");
    assert!(projection_postgres::go_back(&mut owner, "tally").await.unwrap());
    assert_masked(&sink).await;
}
