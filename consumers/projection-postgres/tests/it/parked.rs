//! Parked keys in the database: who sees them, who may touch them.

use dead_letters::{Error, Operator, Scope};
use kafka::ParkKey;
use kafka::conformance::{History, Rig, Sink, Topic, settings};

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
    assert_eq!(operator.discard("tally", &key, Scope::All, false, "why", "t").await.unwrap().offsets, [1, 2]);
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
    assert_eq!(shown[0].headers().iter().next(), Some(("ce_specversion", Some(&b"1.0"[..]))));
    let garbage = operator.show("tally", &ParkKey::of(Some(b"nobody's")), 10).await.unwrap();
    assert_eq!(garbage[0].payload.as_deref(), Some(&b"not an event"[..]));
    assert_eq!((garbage[0].tenant_id.as_deref(), garbage[0].version), (None, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_carries_the_decisions_out_again() {
    let sink = PostgresSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(
        0,
        [history.started(0, "r"), history.called(0, 5), history.called(0, -1), history.called(0, -2)],
    );
    topic.append(0, [History::garbage("nobody's"), history.started(2, "r")]);
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    rig.caught_up(&sink, &[0]).await;
    let mut connection = sink.connect("views_writer").await;
    let mut operator = Operator::new(&mut connection);
    let nobody = ParkKey::of(Some(b"nobody's"));
    operator.discard("tally", &History::key(0), Scope::All, false, "two bad steps", "t").await.unwrap();
    operator.discard("tally", &nobody, Scope::First, false, "nobody's", "t").await.unwrap();
    testkit::eventually("nothing is parked", crate::broker::BOUND, async || sink.parked().await.is_empty())
        .await;
    let expected = history.rows_without(&[(0, 3), (0, 4)]);
    assert_eq!(sink.rows().await, expected);
    assert_eq!(sink.decisions().await, (2, 1));
    drop(rig);

    sink.execute("owner", "truncate tally, tally_total").await.unwrap();
    sink.execute("owner", "update projection_offset set next_offset = 0").await.unwrap();
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    rig.caught_up(&sink, &[0]).await;
    topic.append(0, [history.called(0, 7)]);
    rig.caught_up(&sink, &[0]).await;
    assert_eq!(sink.rows().await, history.rows_without(&[(0, 3), (0, 4)]));
    assert_eq!(sink.totals().await.unwrap(), History::totals(&history.rows_without(&[(0, 3), (0, 4)])));
    assert!(sink.parked().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_that_is_discarded_names_every_missing_version() {
    let sink = PostgresSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, [history.started(0, "r")]);
    let _lost = [history.called(0, 1), history.called(0, 1)];
    topic.append(0, [history.called(0, 4), history.called(0, 5)]);
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    rig.caught_up(&sink, &[0]).await;
    sink.discard_first(&History::key(0), false).await;
    testkit::eventually("nothing is parked", crate::broker::BOUND, async || sink.parked().await.is_empty())
        .await;
    assert_eq!(sink.rows().await, history.rows_without(&[(0, 2), (0, 3), (0, 4)]));
    let mut connection = sink.connect("views_writer").await;
    let decisions = Operator::new(&mut connection).decisions("tally").await.unwrap();
    let named: Vec<_> =
        decisions.iter().map(|d| (d.version, d.record_offset, d.event_id.is_some())).collect();
    assert_eq!(named, [(Some(2), None, false), (Some(3), None, false), (Some(4), Some(1), true)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_does_not_answer_holds_the_partition_and_parks_nothing() {
    let sink = PostgresSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, [history.started(0, "r"), history.called(0, 1)]);
    // A port that refuses every connection: bound, and never listened on.
    let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let registry =
        wire::Registry::new(&wire::RegistryConfig::at(format!("http://127.0.0.1:{closed}"))).unwrap();
    let rig = Rig::with(sink.open().await, &topic, wire::Decoder::new(registry), settings());
    rig.assign(&[0]).await;
    testkit::eventually("it was asked several times", crate::broker::BOUND, async || {
        rig.metrics().transient_faults.get() > 2
    })
    .await;
    assert_eq!(sink.next_offset(topic.name(), 0).await, 0);
    assert!(sink.parked().await.is_empty() && sink.rows().await.is_empty());
    let why = rig.behind().judge().unwrap_err();
    assert!(why.starts_with("the schema registry has not answered as it should for "), "{why}");
    let open = |server| rig.metrics().circuit_open.with_label_values(&[server]).get();
    assert_eq!((open("schema registry"), open("sink")), (1, 0));
    drop(rig);
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    rig.caught_up(&sink, &[0]).await;
    assert_eq!(sink.rows().await, history.rows());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_only_claims_a_version_is_not_taken_at_its_word() {
    let sink = PostgresSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, [history.started(0, "r")]);
    let next = [history.called(0, 1), history.called(0, 2)];
    let mut forged = next[1].clone();
    forged.payload = Some(b"not an event".to_vec());
    topic.append(0, [forged]);
    topic.append(0, next);
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    rig.caught_up(&sink, &[0]).await;
    sink.redrive(&History::key(0)).await;
    testkit::eventually("what comes before it is applied", crate::broker::BOUND, async || {
        sink.parked().await.iter().all(|key| key.state == "parked" && key.offsets == [1, 3])
    })
    .await;
    sink.discard_first(&History::key(0), true).await;
    testkit::eventually("nothing is parked", crate::broker::BOUND, async || sink.parked().await.is_empty())
        .await;
    assert_eq!(sink.rows().await, history.rows(), "the real version 3 took effect");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_discard_what_claims_a_far_version_takes_the_word_foreign() {
    let sink = PostgresSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, [history.started(0, "r")]);
    let next = [history.called(0, 1), history.called(0, 2)];
    let mut forged = next[1].clone();
    forged.payload = Some(b"not an event".to_vec());
    topic.append(0, [forged]);
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    rig.caught_up(&sink, &[0]).await;
    sink.discard_first(&History::key(0), false).await;
    testkit::eventually("the owner refuses", crate::broker::BOUND, async || {
        sink.parked().await.iter().all(|key| key.state == "parked")
    })
    .await;
    assert_eq!((sink.parked().await.len(), sink.decisions().await), (1, (0, 0)));
    sink.discard_first(&History::key(0), true).await;
    testkit::eventually("nothing is parked", crate::broker::BOUND, async || sink.parked().await.is_empty())
        .await;
    topic.append(0, next);
    rig.caught_up(&sink, &[0]).await;
    assert_eq!(sink.rows().await, history.rows());
}
