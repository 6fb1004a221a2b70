//! Imports from and into a real Postgres.

use import::{Error, Origin, Progress, State};
use mapping::Mapping;

use crate::fixture::{EXECUTION_TABLE, Events, Import, agent_runs, rules, sample, tenant};

#[tokio::test]
async fn a_table_of_100_000_rows_is_imported_with_none_lost_and_a_second_run_writes_nothing() {
    const ROWS: i64 = 100_000;
    let events = Events::new().await;
    let (origin, mapping) = (events.history(ROWS).await, Mapping::parse(EXECUTION_TABLE).unwrap());
    let import = Import::into(&events.store);
    let (report, rejected) = import.run(&mapping, &origin).await;
    assert_eq!(rejected, []);
    // Nine in ten ended.
    let expected = (ROWS * 19 / 10) as u64;
    assert_eq!((report.counts.rows_applied, report.counts.events_appended), (100_000, expected));
    let costs: i64 = (1..=ROWS).filter(|n| n % 10 > 1).sum();
    assert_eq!(events.stored().await, (ROWS * 19 / 10, costs));

    let verified = import.verify(&mapping, &origin).await;
    assert!(verified.holds(), "{verified:?}");
    assert_eq!((verified.rows_equal, verified.sums["cost_nano_usd"].store.0), (100_000, i128::from(costs)));

    let (again, _) = import.run(&mapping, &origin).await;
    assert_eq!((again.counts.events_appended, again.counts.events_present), (0, expected));
    assert_eq!(events.stored().await.0, ROWS * 19 / 10);
}

#[tokio::test]
async fn a_bad_row_of_a_table_is_told_and_a_query_cannot_write() {
    let events = Events::new().await;
    let origin = events.history(20).await;
    let mut owner = events.as_role("owner").await;
    for change in [
        "update execution_history set outcome = 'lost' where task = 'task 3'",
        "update execution_history set cost_usd = 'NaN' where task = 'task 4'",
        "update execution_history set ended_at = null where task = 'task 5'",
        "update execution_history set cost_usd = -1 where task = 'task 6'",
    ] {
        sqlx::query(change).execute(&mut owner).await.unwrap();
    }
    let by_task = EXECUTION_TABLE.replace("order by id", "order by length(task), task");
    let mapping = Mapping::parse(&by_task).unwrap();
    let import = Import::into(&events.store);
    let (report, rejected) = import.validate(&mapping, &origin).await;
    assert_eq!((report.counts.rows_applied, report.counts.rows_rejected), (16, 4));
    let told: Vec<_> =
        rejected.iter().map(|it| (it.place.line, it.field.as_str(), it.reason.as_str())).collect();
    assert_eq!(told[0], (3, "outcome", "is none of broken, done, open"));
    assert_eq!(told[1], (4, "cost_usd", "is no decimal number"));
    assert_eq!((told[2].0, told[2].2.contains("occurred_at")), (5, true));
    assert_eq!((told[3].0, told[3].2.contains("reported_cost_nano_usd is -1000000000")), (6, true));
    assert_eq!(events.stored().await.0, 0, "a validation writes nothing");

    // Not even as the owner, who may.
    let writes = by_task
        .replace("from execution_history", "from (select fill_execution_history(1)) as f, execution_history");
    let origin = Origin::Database(events.database.url("owner"));
    let refused = import
        .importer
        .validate(&Mapping::parse(&writes).unwrap(), &origin, &Progress::default(), |_| {})
        .await;
    assert!(format!("{:?}", refused.unwrap_err()).contains("read-only transaction"));
    let nowhere = Mapping::parse(&by_task.replace("execution_history", "nowhere")).unwrap();
    let refused = import.importer.validate(&nowhere, &origin, &Progress::default(), |_| {}).await;
    assert!(matches!(refused, Err(Error::Database { what: "run the mapping's query", .. })));
}

#[tokio::test]
async fn a_run_that_did_not_end_is_gone_on_with_and_another_tenant_does_not_see_it() {
    let events = Events::new().await;
    let books = events.books().await;
    let begun = books.begin("m", "the mapping", "a file", "somebody").await.unwrap();
    assert_eq!((begun.state, begun.begun_position, begun.begun_events), (State::Running, 0, 0));
    books.note(begun.run_id, &Progress::default()).await.unwrap();
    let again = books.begin("m", "the mapping", "a file", "somebody else").await.unwrap();
    assert_eq!((again.run_id, again.actor.as_str()), (begun.run_id, "somebody"));
    let other = books.begin("m", "the mapping", "another file", "somebody").await.unwrap();
    assert_ne!(other.run_id, begun.run_id);

    let (mapping, origin, progress) = (agent_runs(), Origin::File(sample()), Progress::default());
    let importer = import::Importer::new(events.store.clone(), rules(), tenant("acme"), 4);
    let report = importer.run(&mapping, &origin, &begun.run_id.to_string(), &progress, |_| {}).await.unwrap();
    books.done(begun.run_id, &report.counts).await.unwrap();
    let done = books.run(begun.run_id).await.unwrap().unwrap();
    assert_eq!((done.state, &done.counts["events_appended"]), (State::Done, &33_708.into()));
    let ended = books.note(begun.run_id, &progress).await;
    assert!(matches!(ended, Err(Error::NotRunning { run }) if run == begun.run_id));
    let next = books.begin("m", "the mapping", "a file", "somebody").await.unwrap();
    assert_ne!(next.run_id, begun.run_id);
    assert_eq!((next.begun_aggregates, next.begun_events), (400, 33_708));

    let theirs = import::Bookkeeping::connect(&events.database.url("app"), tenant("globex")).await.unwrap();
    assert!(theirs.runs().await.unwrap().is_empty());
    assert!(matches!(theirs.note(next.run_id, &progress).await, Err(Error::NotRunning { .. })));
}
