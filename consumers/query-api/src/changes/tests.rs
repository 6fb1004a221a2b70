//! What a stream does when nobody reads it, when time passes and when the feed does not answer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::response::Response;
use clap::Parser;
use events::{AggregateId, TenantId};
use futures::future::BoxFuture;
use http_api::auth::{Caller, Role};
use projection_postgres::Versioned;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::feed::{Feed, Page, Told};
use super::{Streams, Tail, open};
use crate::QueryConfig;
use crate::asked;
use crate::documents::Unread;

/// A feed of one row, of which every place is a version.
#[derive(Debug, Clone, Default)]
struct Counter(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    version: u64,
    is_away: bool,
    is_off: bool,
    reads: usize,
    /// How long it takes to say whether a place is there.
    has_takes: Duration,
}

impl Counter {
    fn set(&self, set: impl FnOnce(&mut State)) {
        set(&mut self.0.lock().unwrap());
    }

    fn answer<T>(&self, answer: impl FnOnce(&State) -> T) -> Result<T, Unread> {
        let state = self.0.lock().unwrap();
        if state.is_away { Err("it is away".into()) } else { Ok(answer(&state)) }
    }
}

impl Feed for Counter {
    fn is_place(&self, text: &str) -> bool {
        text.parse::<u64>().is_ok()
    }

    fn newest<'a>(&'a self, _: &'a TenantId) -> BoxFuture<'a, Result<Option<String>, Unread>> {
        Box::pin(async move { self.answer(|state| (!state.is_off).then(|| state.version.to_string())) })
    }

    fn has<'a>(&'a self, _: &'a TenantId, place: &'a str) -> BoxFuture<'a, Result<bool, Unread>> {
        Box::pin(async move {
            tokio::time::sleep(self.answer(|state| state.has_takes)?).await;
            self.answer(|state| place.parse::<u64>().unwrap() <= state.version)
        })
    }

    fn read<'a>(
        &'a self,
        tenants: &'a [TenantId],
        after: &'a str,
        _: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Option<Page>, Unread>> {
        self.set(|state| state.reads += 1);
        Box::pin(async move {
            self.answer(|state| {
                if after.parse::<u64>().unwrap() >= state.version {
                    return Some(Page::default());
                }
                let place = state.version.to_string();
                let told = Told { ids: [AggregateId(Uuid::nil())].into(), reset: None, place: place.clone() };
                let told = tenants.iter().map(|tenant| (tenant.clone(), told.clone())).collect();
                Some(Page { through: Some(place), is_more: false, told })
            })
        })
    }

    fn rows<'a>(
        &'a self,
        _: &'a TenantId,
        ids: &'a [AggregateId],
    ) -> BoxFuture<'a, Result<Vec<(AggregateId, Versioned)>, Unread>> {
        Box::pin(async move {
            self.answer(|state| vec![(ids[0], Versioned { version: state.version, row: None })])
        })
    }
}

fn streams() -> Streams {
    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        config: QueryConfig,
    }
    Streams::new(&Program::parse_from(["api"]).config, CancellationToken::new())
}

fn stream(tail: &Arc<Tail>, streams: &Streams, expires_in: Duration) -> Response {
    let tenant: TenantId = "acme".parse().unwrap();
    let place = streams.admit(&tenant).unwrap();
    let caller = Caller { tenant, actor: "tester".to_owned(), role: Role::Reader, expires_in };
    open(Arc::clone(tail), place, caller, asked::Stream { after: None, only: None }, "0".to_owned())
}

/// Everything that is sent until the end.
async fn sent(response: Response) -> String {
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_token_and_says_until_then_that_it_lives() {
    let tail = Arc::new(Tail::new(Arc::new(Counter::default())));
    let text = sent(stream(&tail, &streams(), Duration::from_secs(65))).await;
    assert_eq!(text.matches("event: ").count(), 1, "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with(':')).count(), 4, "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_let_go_and_comes_back_with_its_last_place() {
    let (counter, streams) = (Counter::default(), streams());
    let tail = Arc::new(Tail::new(Arc::new(counter.clone())));
    let unread = stream(&tail, &streams, HOUR);
    for version in 1..=200 {
        counter.set(|state| state.version = version);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(streams.cut.get(), 1);
    let text = sent(unread).await;
    assert!(text.matches("event: deleted").count() < 20, "no more is kept for it: {text}");
    let last = text.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().unwrap();
    assert!(last.parse::<u64>().unwrap() < 20, "{last}");
}

#[tokio::test(start_paused = true)]
async fn however_many_follow_the_feed_is_read_once_and_not_at_all_when_nobody_does() {
    let (counter, streams) = (Counter::default(), streams());
    let tail = Arc::new(Tail::new(Arc::new(counter.clone())));
    let all: Vec<Response> = (0..50).map(|_| stream(&tail, &streams, HOUR)).collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let reads = || counter.0.lock().unwrap().reads;
    let before = reads();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!((90..=110).contains(&(reads() - before)), "{}", reads() - before);
    drop(all);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = reads();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(reads(), before);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_was_told_while_catching_up_is_not_told_as_it_was_before() {
    let (counter, streams) = (Counter::default(), streams());
    let tail = Arc::new(Tail::new(Arc::new(counter.clone())));
    let _first = stream(&tail, &streams, HOUR);
    tokio::time::sleep(Duration::from_secs(1)).await;
    counter.set(|state| (state.version, state.has_takes) = (1, Duration::from_secs(2)));
    let late = stream(&tail, &streams, Duration::from_secs(20));
    for version in 2..=30 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        counter.set(|state| state.version = version);
    }
    let text = sent(late).await;
    let versions: Vec<u64> = text.split("\"version\":").skip(1).map(version).collect();
    assert!(versions.is_sorted() && versions.last() == Some(&30), "{versions:?}");
}

fn version(text: &str) -> u64 {
    text.split('}').next().unwrap().parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_is_away_is_waited_for_and_not_for_too_long() {
    let (counter, streams) = (Counter::default(), streams());
    let tail = Arc::new(Tail::new(Arc::new(counter.clone())));
    let response = stream(&tail, &streams, HOUR);
    for (version, away_s) in [(7, 10), (8, 60)] {
        tokio::time::sleep(Duration::from_secs(3)).await;
        counter.set(|state| (state.version, state.is_away) = (version, true));
        tokio::time::sleep(Duration::from_secs(away_s)).await;
        counter.set(|state| state.is_away = false);
    }
    let text = sent(response).await;
    assert!(text.contains("\"version\":7") && !text.contains("\"version\":8"), "{text}");
    assert_eq!(streams.cut.get(), 1, "it comes back, and is judged anew");
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_is_switched_off_ends_its_streams() {
    let (counter, streams) = (Counter::default(), streams());
    let tail = Arc::new(Tail::new(Arc::new(counter.clone())));
    let response = stream(&tail, &streams, HOUR);
    tokio::time::sleep(Duration::from_secs(3)).await;
    counter.set(|state| state.is_off = true);
    sent(response).await;
    assert_eq!(streams.cut.get(), 1);
}
