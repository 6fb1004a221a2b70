//! Parked keys in the database: who sees them, who may touch them.

use dead_letters::{Error, Operator, Scope};
use kafka::ParkKey;
use kafka::conformance::{History, Rig, Sink, Topic};

use crate::sink::PostgresSink;

async fn with_a_parked_key(sink: &PostgresSink) -> History {
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, [history.started(0, "r"), history.called(0, -1), history.called(0, 2)]);
    topic.append(0, [history.started(1, "r"), history.called(1, -1), History::garbage("nobody's")]);
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    rig.caught_up(sink, &[0]).await;
    history
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_sees_its_own_parked_keys_and_no_others() {
    let sink = PostgresSink::new().await;
    with_a_parked_key(&sink).await;
    assert_eq!(sink.parked().await.len(), 3);
    let mut dashboard = sink.connect("dashboard").await;
    let seen = "select count(*) from parked_key";
    assert_eq!(sqlx::query_scalar::<_, i64>(seen).fetch_one(&mut dashboard).await.unwrap(), 0);
    sqlx::query("set millrace.tenant = 'acme'").execute(&mut dashboard).await.unwrap();
    assert_eq!(sqlx::query_scalar::<_, i64>(seen).fetch_one(&mut dashboard).await.unwrap(), 1);
    let seen = "select count(*) from parked_event";
    assert_eq!(sqlx::query_scalar::<_, i64>(seen).fetch_one(&mut dashboard).await.unwrap(), 2);
    assert!(sink.execute("dashboard", "delete from parked_event").await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_is_never_changed() {
    let sink = PostgresSink::new().await;
    for sql in ["update decision set reason = 'x'", "delete from decision"] {
        let error = sink.execute("views_writer", sql).await.unwrap_err();
        assert!(error.to_string().contains("permission denied"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_for_twice_or_of_nobody_is_refused() {
    let sink = PostgresSink::new().await;
    with_a_parked_key(&sink).await;
    let mut connection = sink.connect("views_writer").await;
    let mut operator = Operator::new(&mut connection);
    let key = History::key(0);
    let nobody = ParkKey::of(Some(b"nobody"));
    assert!(matches!(operator.redrive("tally", &nobody, "t").await, Err(Error::NotParked { .. })));
    assert!(matches!(
        operator.discard("tally", &key, Scope::All, false, " ", "t").await,
        Err(Error::Unreasoned)
    ));
    // No owner is at work, so the request stays open.
    assert_eq!(operator.discard("tally", &key, Scope::All, false, "why", "t").await.unwrap(), [1, 2]);
    assert!(matches!(operator.redrive("tally", &key, "t").await, Err(Error::Busy { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_record_is_shown_as_it_came() {
    let sink = PostgresSink::new().await;
    let history = with_a_parked_key(&sink).await;
    let mut connection = sink.connect("views_writer").await;
    let mut operator = Operator::new(&mut connection);
    let shown = operator.show("tally", &History::key(0), 10).await.unwrap();
    assert_eq!(shown[0].event_id, Some(history.event_id(0, 2).0));
    assert_eq!(
        (shown[0].version, shown[0].reason.as_str(), shown[0].schema_id),
        (Some(2), "refused", shown[0].schema_id)
    );
    assert_eq!(shown[0].message, "step 1 sent -1 tokens");
    assert_eq!(shown[1].reason, "behind");
    assert_eq!(shown[0].headers()[0], ("ce_specversion".to_owned(), Some(b"1.0".to_vec())));
    let garbage = operator.show("tally", &ParkKey::of(Some(b"nobody's")), 10).await.unwrap();
    assert_eq!(garbage[0].payload.as_deref(), Some(&b"not an event"[..]));
    assert_eq!((garbage[0].tenant_id.as_deref(), garbage[0].version), (None, None));
}
