//! One stream: what a client is sent, from where it was until it or we end it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use events::AggregateId;
use http_api::auth::Caller;
use projection_postgres::Versioned;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::time::Instant;

use super::streams::Place;
use super::tail::{News, Parts, Tail};
use crate::asked;
use crate::documents::Unread;

/// How long a stream is silent at most.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// How long a client may take nothing of what is there for it.
const SEND_MAX: Duration = Duration::from_secs(30);

/// Events that a client may be behind of what is read for it.
const EVENTS_MAX: usize = 16;

/// Why a stream ends.
#[derive(Debug)]
enum End {
    /// The client is gone.
    Left,
    /// It fell behind, or the tail let go of it: it may come back with its last place.
    Cut,
    /// The views cannot be read.
    Trouble(Unread),
}

impl From<Unread> for End {
    fn from(error: Unread) -> Self {
        Self::Trouble(error)
    }
}

/// Opens a stream. `newest`: the newest place that the caller's tenant sees.
pub(crate) fn open(
    tail: Arc<Tail>,
    place: Place,
    caller: Caller,
    asked: asked::Stream,
    newest: String,
) -> Response {
    let (out, mut sent) = mpsc::channel(EVENTS_MAX);
    let (expires_in, stop) = (caller.expires_in, place.streams.stop.clone());
    let mut stream = Stream {
        tail,
        caller,
        only: asked.only,
        place,
        out: out.clone(),
        unsaid: None,
        told: HashMap::new(),
    };
    tokio::spawn(async move {
        let ended = tokio::select! {
            Err(end) = stream.run(asked.after, newest) => end,
            () = out.closed() => End::Left,
            () = tokio::time::sleep(expires_in) => End::Left,
            () = stop.cancelled() => End::Left,
        };
        match ended {
            End::Left => {}
            End::Cut => stream.place.streams.cut.inc(),
            End::Trouble(error) => tracing::warn!(error = &*error, "a stream of changes ends"),
        }
    });
    let events = futures::stream::poll_fn(move |context| sent.poll_recv(context));
    Sse::new(futures::StreamExt::map(events, Ok::<Event, Infallible>)).into_response()
}

struct Stream {
    tail: Arc<Tail>,
    caller: Caller,
    only: Option<AggregateId>,
    place: Place,
    out: mpsc::Sender<Event>,
    /// A place that was reached without an event; it is said with the next sign of life.
    unsaid: Option<String>,
    /// The versions that were told beside the tail, which may have read the same rows before: they are not told as they were then.
    told: HashMap<AggregateId, u64>,
}

impl Stream {
    /// Never ends well.
    async fn run(&mut self, after: Option<String>, newest: String) -> Result<Infallible, End> {
        let from = match after {
            None => {
                self.send("begin", "{}".to_owned(), Some(&newest)).await?;
                newest
            }
            Some(place) if self.tail.feed.has(&self.caller.tenant, &place).await? => place,
            Some(_) => {
                self.reset("the feed no longer has what came after the last id", Some(&newest)).await?;
                newest
            }
        };
        // Near the end by itself, however long that takes; then what little there is up to where the tail reads on.
        let from = self.catch_up(from, None).await?;
        let (news, tail_at) = self.tail.follow(&self.caller.tenant, &from).await;
        self.catch_up(from, Some(&tail_at)).await?;
        self.follow(news).await
    }

    /// Sends what comes after a place; answers how far that was.
    async fn catch_up(&mut self, mut from: String, through: Option<&str>) -> Result<String, End> {
        let tail = Arc::clone(&self.tail);
        let tenant = self.caller.tenant.clone();
        loop {
            let page = tail.feed.read(std::slice::from_ref(&tenant), &from, through).await?;
            let Some(mut page) = page else { return Err(End::Cut) };
            // What is there now was there when it was read, and so was all that comes after it.
            if !tail.feed.has(&tenant, &from).await? {
                return Err(End::Cut);
            }
            if let Some(told) = page.told.remove(&tenant) {
                from.clone_from(&told.place);
                let mut parts = Parts::of(told);
                while let Some(news) = parts.next(&*tail.feed, &tenant).await? {
                    self.tell(&news).await?;
                    if through.is_some() {
                        self.told.extend(news.rows.iter().map(|(id, row)| (*id, row.version)));
                    }
                }
            }
            if !page.is_more {
                return Ok(from);
            }
        }
    }

    /// Sends what the tail reads.
    async fn follow(&mut self, mut news: Receiver<Arc<News>>) -> Result<Infallible, End> {
        let mut silent_until = Instant::now() + SILENCE_MAX;
        loop {
            match tokio::time::timeout_at(silent_until, news.recv()).await {
                Ok(Ok(news)) => {
                    if self.tell(&news).await? {
                        silent_until = Instant::now() + SILENCE_MAX;
                    }
                }
                Ok(Err(RecvError::Lagged(_) | RecvError::Closed)) => return Err(End::Cut),
                Err(_) => {
                    let alive = Event::default().comment("");
                    let alive = self.unsaid.take().into_iter().fold(alive, Event::id);
                    self.hand_over(alive).await?;
                    silent_until = Instant::now() + SILENCE_MAX;
                }
            }
        }
    }

    /// Sends what the client wants to hear of; whether that was anything.
    async fn tell(&mut self, news: &News) -> Result<bool, End> {
        if news.reset.is_some() {
            self.told.clear();
        }
        let is_wanted = |(id, row): &&(AggregateId, Versioned)| {
            self.only.is_none_or(|only| only == *id)
                && self.told.get(id).is_none_or(|told| *told <= row.version)
        };
        let wanted: Vec<_> = news.rows.iter().filter(is_wanted).collect();
        // Only the last one of a place says it: whoever has seen a part begins with it again.
        let place = |is_last: bool| news.place.as_deref().filter(|_| is_last);
        if let Some(reason) = &news.reset {
            self.reset(reason, place(wanted.is_empty())).await?;
        }
        for (index, (id, Versioned { version, row })) in wanted.iter().enumerate() {
            let place = place(index + 1 == wanted.len());
            match row {
                Some(row) => {
                    let data = format!("{{\"id\":\"{id}\",\"version\":{version},\"row\":{row}}}");
                    self.send("row", data, place).await?;
                }
                None => {
                    self.send("deleted", format!("{{\"id\":\"{id}\",\"version\":{version}}}"), place).await?;
                }
            }
        }
        let is_said = news.reset.is_some() || !wanted.is_empty();
        if is_said {
            self.unsaid = None;
        } else if news.place.is_some() {
            self.unsaid.clone_from(&news.place);
        }
        Ok(is_said)
    }

    async fn reset(&mut self, reason: &str, place: Option<&str>) -> Result<(), End> {
        self.send("reset", serde_json::json!({ "reason": reason }).to_string(), place).await
    }

    async fn send(&mut self, name: &str, data: String, place: Option<&str>) -> Result<(), End> {
        let event = Event::default().event(name).data(data);
        let event = place.into_iter().fold(event, Event::id);
        self.hand_over(event).await?;
        self.place.streams.events.with_label_values(&[name]).inc();
        Ok(())
    }

    async fn hand_over(&self, event: Event) -> Result<(), End> {
        self.out.send_timeout(event, SEND_MAX).await.map_err(|error| match error {
            SendTimeoutError::Timeout(_) => End::Cut,
            SendTimeoutError::Closed(_) => End::Left,
        })
    }
}
