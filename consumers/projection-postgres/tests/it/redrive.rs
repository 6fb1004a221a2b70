//! Many parked keys at once: by cause, foreseen, asked for with a guard, and answered for.

use dead_letters::{
    ATTEMPTS_MAX, DeadLetters, Error, EventShown, Filter, Operator, Redrive, RequestShown, Scope,
};
use kafka::conformance::{History, Rig, Sink, Tally, TallyView, Topic, settings};
use kafka::{Foreseen, ParkKey, ParkedRecord, Reason, preview};
use projection_postgres::load;

use crate::broker::BOUND;
use crate::sink::PostgresSink;

/// Executions 0 to 4 that were refused, each for its own number of tokens; 6, of which a version is missing; garbage.
async fn with_parked_keys(sink: &PostgresSink) -> (Topic, History) {
    let (topic, mut history) = (Topic::default(), History::default());
    for n in 0..5_i64 {
        let (n, tokens) = (n as u128, -n - 1);
        topic.append(0, [history.started(n, "r"), history.called(n, tokens), history.called(n, 1)]);
    }
    topic.append(0, [history.started(6, "r")]);
    let _lost = history.called(6, 1);
    topic.append(0, [history.called(6, 1), History::garbage("nobody's")]);
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    rig.caught_up(sink, &[0]).await;
    (topic, history)
}

fn refused() -> Filter {
    Filter { reason: Some(Reason::Refused), ..Filter::of("tally") }
}

fn redrive_of(filter: Filter) -> Redrive {
    Redrive { filter, keys_max: None, attempts_max: Some(ATTEMPTS_MAX) }
}

/// Asks for all that is left to ask for; answers the keys.
async fn ask_all(operator: &mut Operator<'_>, request: i64) -> Vec<ParkKey> {
    let mut asked = Vec::new();
    while let Some(turn) = operator.ask_next(request).await.unwrap() {
        assert!(turn.asked, "{turn:?}");
        asked.push(turn.key());
    }
    asked
}

async fn answered(operator: &mut Operator<'_>, request: i64) -> RequestShown {
    testkit::eventually("the owner answers", BOUND, async || {
        operator.request(request).await.unwrap().is_over()
    })
    .await;
    operator.request(request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_causes_are_one_group_whatever_ids_and_numbers_they_name() {
    let sink = PostgresSink::new().await;
    with_parked_keys(&sink).await;
    let mut connection = sink.connect("views_writer").await;
    let mut operator = Operator::new(&mut connection);
    let causes = operator.causes(&Filter::of("tally"), 10).await.unwrap();
    let told: Vec<_> =
        causes.iter().map(|it| (it.reason.as_str(), it.cause.as_str(), it.keys, it.events)).collect();
    let gap = "version <n> came where <n> should have";
    assert_eq!(told[0], ("refused", "step <n> sent <n> tokens", 5, 10));
    assert!(told[1..].contains(&("gap", gap, 1, 1)), "{told:?}");
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(
        (causes[0].tenants, &causes[0].some_tenants[..]),
        (2, &["acme".to_owned(), "globex".to_owned()][..])
    );
    assert_eq!(causes[0].example, History::key(0).as_bytes());
    assert_eq!(causes[0].event_type.as_deref(), Some("ModelCalled"));
    assert!(causes[0].first_at < causes[0].last_at);

    for (filter, keys) in [
        (Filter::default(), 7),
        (refused(), 5),
        (Filter { tenant: Some("globex".parse().unwrap()), ..refused() }, 2),
        (Filter { event_type: Some("ModelCalled".to_owned()), ..Filter::of("tally") }, 6),
        (Filter { since: Some(causes[0].last_at), ..refused() }, 1),
        (Filter::key("tally", &History::key(3)), 1),
        (Filter::of("another"), 0),
    ] {
        assert_eq!(operator.list(&filter, 100).await.unwrap().len(), keys, "{filter:?}");
    }
    assert_eq!(operator.list(&refused(), 2).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redrive_of_many_that_is_cut_short_goes_on_and_asks_for_no_key_twice() {
    let sink = PostgresSink::new().await;
    let (topic, history) = with_parked_keys(&sink).await;
    let mut connection = sink.connect("views_writer").await;
    let mut operator = Operator::new(&mut connection);
    let first = operator.plan(&redrive_of(refused()), "ana").await.unwrap();
    assert!(!first.goes_on);
    let mut asked = Vec::new();
    for _ in 0..2 {
        asked.push(operator.ask_next(first.request).await.unwrap().unwrap().key());
    }

    // Another says the same; one who says something else does not get in the way, nor meets what is asked for.
    let again = operator.plan(&redrive_of(refused()), "ben").await.unwrap();
    assert_eq!((again.request, again.goes_on), (first.request, true));
    let other = operator.plan(&redrive_of(Filter::of("tally")), "ben").await.unwrap();
    assert!(!other.goes_on);
    assert_eq!(operator.request(other.request).await.unwrap().keys, 5, "two of the seven are asked for");
    asked.extend(ask_all(&mut operator, again.request).await);
    assert_eq!(asked, (0..5).map(History::key).collect::<Vec<_>>());
    let passed: Vec<bool> = [
        operator.ask_next(other.request).await.unwrap().unwrap().asked,
        operator.ask_next(other.request).await.unwrap().unwrap().asked,
        operator.ask_next(other.request).await.unwrap().unwrap().asked,
    ]
    .to_vec();
    assert_eq!(passed, [false; 3], "somebody else has asked meanwhile");
    assert_eq!(operator.request(first.request).await.unwrap().open, 5, "no owner is at work");

    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    let over = answered(&mut operator, first.request).await;
    assert_eq!((over.done, over.failed, over.actor.as_str()), (0, 5, "ana"));
    let fresh = operator.plan(&redrive_of(refused()), "ana").await.unwrap();
    assert!(!fresh.goes_on, "what came to its end is not gone on with");
    assert_ne!(fresh.request, first.request);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_whose_redrives_keep_failing_is_left_alone_unless_forced() {
    let sink = PostgresSink::new().await;
    let (topic, history) = with_parked_keys(&sink).await;
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    let mut connection = sink.connect("views_writer").await;
    let mut operator = Operator::new(&mut connection);
    let key = History::key(0);
    for _ in 0..ATTEMPTS_MAX {
        let request = operator.redrive("tally", &key, "ana").await.unwrap();
        assert_eq!(answered(&mut operator, request).await.failed, 1);
    }
    let refusal = operator.redrive("tally", &key, "ana").await.unwrap_err();
    assert!(matches!(refusal, Error::Exhausted { attempts: ATTEMPTS_MAX, .. }), "{refusal}");

    let many = operator.plan(&redrive_of(refused()), "ana").await.unwrap();
    assert_eq!(many.exhausted, 1);
    let asked = ask_all(&mut operator, many.request).await;
    assert_eq!(asked, (1..5).map(History::key).collect::<Vec<_>>());
    answered(&mut operator, many.request).await;

    let least_tried = Redrive { keys_max: Some(1), ..redrive_of(Filter::of("tally")) };
    let one = operator.plan(&least_tried, "ana").await.unwrap();
    let asked = ask_all(&mut operator, one.request).await;
    assert_eq!(asked, [History::key(6)], "nobody tried this one yet");
    let forced = Redrive { attempts_max: None, ..redrive_of(Filter::key("tally", &key)) };
    let forced = operator.plan(&forced, "ana").await.unwrap();
    assert_eq!(ask_all(&mut operator, forced.request).await, [key]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asked_for_what_and_what_came_of_it_stays() {
    let sink = PostgresSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(
        0,
        [history.started(0, "r"), history.called(0, 1), history.started(2, "r"), history.called(2, -1)],
    );
    let mut config = settings();
    config.refuse_events = vec![history.event_id(0, 2)];
    let rig = Rig::with(sink.open().await, &topic, history.decoder(), config);
    rig.assign(&[0]).await;
    rig.caught_up(&sink, &[0]).await;
    drop(rig);
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    let mut connection = sink.connect("views_writer").await;
    let mut operator = Operator::new(&mut connection);
    let acme = Filter { tenant: Some("acme".parse().unwrap()), ..Filter::of("tally") };
    let planned = operator.plan(&redrive_of(acme), "ana").await.unwrap();
    ask_all(&mut operator, planned.request).await;
    let over = answered(&mut operator, planned.request).await;
    assert_eq!((over.keys, over.done, over.failed, over.passed_over), (2, 1, 1, 0));
    assert_eq!(
        over.filter,
        serde_json::json!({ "tenant": "acme", "limit": null, "attempts_max": ATTEMPTS_MAX })
    );
    let left = operator.request_keys_left(planned.request, 10).await.unwrap();
    assert_eq!((left.len(), left[0].key()), (1, History::key(2)));
    assert_eq!(left[0].message.as_deref(), Some("step 1 sent -1 tokens"));

    operator.discard("tally", &History::key(2), Scope::First, false, "a bad step", "ben").await.unwrap();
    testkit::eventually("nothing is parked", BOUND, async || sink.parked().await.is_empty()).await;
    let told: Vec<_> = operator.requests(Some("tally"), 10).await.unwrap();
    let told: Vec<_> = told
        .iter()
        .map(|it| (it.action.as_str(), it.actor.as_str(), it.reason.as_deref(), it.done))
        .collect();
    assert_eq!(told, [("discard", "ben", Some("a bad step"), 1), ("redrive", "ana", None, 1)]);

    for sql in [
        "update parked_request set actor = 'x'",
        "delete from parked_request",
        "delete from parked_request_key",
    ] {
        let error = sink.execute("views_writer", sql).await.unwrap_err();
        assert!(error.to_string().contains("permission denied"), "{error}");
    }
    let nobody = operator.plan(&redrive_of(Filter::of("tally")), " ").await;
    assert!(matches!(nobody, Err(Error::Nobody)), "{nobody:?}");
    assert!(matches!(operator.request(i64::MAX).await, Err(Error::NoRequest { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_foresees_what_a_redrive_then_does_and_writes_nothing() {
    let sink = PostgresSink::new().await;
    let (topic, mut history) = (Topic::default(), History::default());
    topic.append(0, [history.started(0, "r"), history.called(0, 1)]);
    let late = history.called(0, 2);
    topic.append(0, [history.called(0, 3)]);
    let reached = history.rows()[&History::row(0)].clone();
    topic.append(0, [history.called(0, -1), history.called(0, 4), late.clone(), late]);
    let rig = Rig::start(sink.open().await, &topic, &history);
    rig.assign(&[0]).await;
    rig.caught_up(&sink, &[0]).await;
    let before = (sink.rows().await, sink.parked().await);

    let mut connection = sink.connect("views_writer").await;
    let key = History::key(0);
    let records = Operator::new(&mut connection).show("tally", &key, 100).await.unwrap();
    let records: Vec<ParkedRecord> = records.iter().map(EventShown::parked).collect();
    let decided = DeadLetters::new("tally", topic.name()).decided(&mut connection, &[0]).await.unwrap();
    let rows = load::<TallyView>(&mut connection, "tally", &[History::row(0)]).await.unwrap();
    let foreseen = preview::<Tally>(&history.decoder(), 0, &decided, rows, &records).await.unwrap();
    let [first, second, third, last] = foreseen.records.as_slice() else { panic!("{foreseen:?}") };
    assert_eq!(
        (first, second, third),
        (&Foreseen::Applied { offset: 5 }, &Foreseen::Stale { offset: 6 }, &Foreseen::Applied { offset: 2 },)
    );
    let Foreseen::Stopped(stopped) = last else { panic!("{last:?}") };
    assert_eq!(
        (stopped.offset, stopped.reason, stopped.message.as_str()),
        (3, Reason::Refused, "step 4 sent -1 tokens")
    );
    let [row] = foreseen.rows.as_slice() else { panic!("{foreseen:?}") };
    assert_eq!(row.now, before.0[&History::row(0)]);
    assert_eq!((sink.rows().await, sink.parked().await), before, "nothing was written");

    let mut operator = Operator::new(&mut connection);
    let request = operator.redrive("tally", &key, "ana").await.unwrap();
    answered(&mut operator, request).await;
    assert_eq!(sink.rows().await[&History::row(0)], row.then);
    assert_eq!(row.then, reached);
    assert_eq!(sink.parked().await[0].offsets, [3, 4]);
}
