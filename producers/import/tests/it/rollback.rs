//! Imports taken back.

use event_store::{Append, Deed, EventStore, Expected, StoredEvent};
use events::{AggregateId, Timestamp};
use import::{Bookkeeping, Importer, Origin, Progress, Report, Rollback, RolledBack, Run, State};
use mapping::Mapping;

use crate::fixture::{EXECUTION_TABLE, Events, agent_runs, rules, sample, tenant};

const AT: Timestamp = Timestamp::from_micros(1_795_000_000_000_000);

struct Imported {
    events: Events,
    books: Bookkeeping,
    run: Run,
    mapping: Mapping,
    origin: Origin,
}

fn deed() -> Deed {
    Deed { actor: "somebody".to_owned(), reason: "a mistake".to_owned() }
}

impl Imported {
    async fn new(events: Events, mapping: Mapping, origin: Origin) -> Self {
        let books = events.books().await;
        let run = books.begin("m", "the mapping", "a source", "somebody").await.unwrap();
        let it = Self { events, books, run, mapping, origin };
        it.import().await;
        it
    }

    async fn table(rows: i64) -> Self {
        let events = Events::new().await;
        let origin = events.history(rows).await;
        Self::new(events, Mapping::parse(EXECUTION_TABLE).unwrap(), origin).await
    }

    fn importer(&self) -> Importer<event_store::PgEventStore> {
        Importer::new(self.events.store.clone(), rules(), tenant("acme"), 4)
    }

    async fn import(&self) -> Report {
        let (run, progress) = (self.run.run_id.to_string(), Progress::default());
        let report = self.importer().run(&self.mapping, &self.origin, &run, &progress, |_| {}).await.unwrap();
        self.books.done(self.run.run_id, &report.counts).await.unwrap();
        report
    }

    async fn rollback(&self) -> Rollback<event_store::PgEventStore> {
        let owner = self.events.database.url("owner");
        Rollback::connect(self.events.store.clone(), rules(), self.books.clone(), &owner).await.unwrap()
    }

    async fn roll_back(&self, keep: bool) -> RolledBack {
        let run = self.books.run(self.run.run_id).await.unwrap().unwrap();
        self.rollback().await.run(&run, &deed(), keep, AT, |_| {}).await.unwrap()
    }

    async fn state(&self) -> State {
        self.books.run(self.run.run_id).await.unwrap().unwrap().state
    }

    /// Something else than the import appends to an aggregate of it.
    async fn changed_by_others(&self, task: &str) -> AggregateId {
        let mut auditor = self.events.as_role("auditor").await;
        let id = "select id from execution_history where task = $1";
        let id = AggregateId(sqlx::query_scalar(id).bind(task).fetch_one(&mut auditor).await.unwrap());
        let last: StoredEvent = self.events.store.load(&tenant("acme"), id, 0).await.unwrap().pop().unwrap();
        let event = event_store::NewEvent {
            event_id: events::EventId(uuid::Uuid::now_v7()),
            event_type: last.event_type,
            payload: last.payload,
            data: serde_json::Value::Null,
            metadata: events::Metadata::default(),
            occurred_at: last.occurred_at,
        };
        let append = Append {
            aggregate_id: id,
            aggregate_type: "execution".into(),
            expected: Expected::Exists,
            events: vec![event],
        };
        self.events.store.append(&tenant("acme"), &[append]).await.unwrap();
        id
    }
}

#[tokio::test]
async fn a_run_is_taken_back_whole_and_the_same_data_may_come_again() {
    let mut it = Imported::new(Events::new().await, agent_runs(), Origin::File(sample())).await;
    // Another tenant's import of the same file, to be left alone.
    let theirs = Importer::new(it.events.store.clone(), rules(), tenant("globex"), 4);
    theirs.run(&it.mapping, &it.origin, "theirs", &Progress::default(), |_| {}).await.unwrap();

    let planned = it.rollback().await.plan(&it.run).await.unwrap();
    assert_eq!(
        (planned.aggregates, planned.withdrawn, planned.events_pruned, planned.kept_count),
        (400, 400, 33_708, 0)
    );
    assert_eq!(it.events.stored().await.0, 2 * 33_708, "a plan changes nothing");

    let did = it.roll_back(false).await;
    assert_eq!((did.withdrawn, did.events_pruned, did.kept_count, did.ended), (400, 33_708, 0, true));
    assert_eq!(it.state().await, State::RolledBack);
    // What stays of each is its withdrawal.
    assert_eq!(it.events.stored().await.0, 33_708 + 400);
    let verified = it.importer().verify(&it.mapping, &it.origin, &Progress::default()).await.unwrap();
    assert_eq!((verified.rows_missing, verified.events_found), (400, 0));
    let untouched = theirs.verify(&it.mapping, &it.origin, &Progress::default()).await.unwrap();
    assert!(untouched.holds());
    let audited: i64 =
        sqlx::query_scalar("select count(*) from store_audit where action like 'import-roll%'")
            .fetch_one(&mut it.events.as_role("auditor").await)
            .await
            .unwrap();
    assert_eq!(audited, 2, "begun and ended");

    let again = it.roll_back(false).await;
    assert_eq!(
        (again.withdrawn, again.events_pruned, again.ended),
        (0, 0, true),
        "there is nothing left to take back"
    );

    it.run = it.books.begin("m", "the mapping", "a source", "somebody").await.unwrap();
    let fresh = it.import().await;
    assert_eq!((fresh.counts.rows_applied, fresh.counts.events_appended), (400, 33_708));
    let verified = it.importer().verify(&it.mapping, &it.origin, &Progress::default()).await.unwrap();
    assert!(verified.holds(), "{verified:?}");

    let did = it.roll_back(false).await;
    assert_eq!((did.withdrawn, did.events_pruned), (400, 33_708 + 400), "the first withdrawals go, too");
}

#[tokio::test]
async fn an_aggregate_that_others_have_appended_to_is_named_and_holds_up_the_roll_back() {
    let it = Imported::table(250).await;
    let changed = it.changed_by_others("task 7").await;
    let refused = it.roll_back(false).await;
    assert_eq!((refused.withdrawn, refused.kept_count, refused.ended), (0, 1, false));
    assert_eq!(refused.kept[0].aggregate_id, changed);
    assert_eq!(refused.kept[0].reason, "others have appended to it: versions 3 to 3");
    assert_eq!((it.state().await, it.events.stored().await.0), (State::Done, 250 * 19 / 10 + 1));

    let kept = it.roll_back(true).await;
    assert_eq!((kept.withdrawn, kept.kept_count, kept.ended), (249, 1, true));
    let stays = it.events.store.load(&tenant("acme"), changed, 0).await.unwrap();
    assert_eq!(stays.len(), 3);
}

#[tokio::test]
async fn a_roll_back_that_was_killed_goes_on() {
    let it = Imported::table(250).await;
    // Killed after some withdrawals: drop it in the middle.
    let rollback = it.rollback().await;
    let killed = std::sync::Arc::new(tokio::sync::Notify::new());
    let (told, run) = (killed.clone(), it.run.clone());
    let running = tokio::spawn(async move {
        let seen = |withdrawn| {
            if withdrawn >= 100 {
                told.notify_one()
            }
        };
        rollback.run(&run, &deed(), false, AT, seen).await
    });
    killed.notified().await;
    running.abort();
    drop(running.await);
    let did = it.roll_back(false).await;
    assert!(did.ended);
    assert_eq!(it.events.stored().await.0, 250, "of each aggregate its withdrawal stays, once");
    assert_eq!(it.state().await, State::RolledBack);
}
