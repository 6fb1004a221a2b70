//! The routes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use events::{AggregateId, TenantId};
use http_api::auth::{Caller, Role, Verifier};
use http_api::problem::{Kind, Problem};
use http_api::{Backend, Gate, Metrics, Parameters, dressed, path, refused};
use projection_postgres::{Readers, Versioned};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::QueryConfig;
use crate::answer::{AS_OF, Answer, STALE, digest_tag};
use crate::asked::{self, AtLeast, aggregate_id};
use crate::changes::{Streams, Tail, open};
use crate::cursor::Cursor;
use crate::freshness::{AsOf, Watch};
use crate::openapi;
use crate::view::{Source, View, not_found, not_read};

/// Up to where a client that comes back has what a stream sent (WHATWG HTML, 9.2.4).
pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Between the first two looks whether a row is as fresh as a token; doubled from look to look.
const LOOK_AFTER: Duration = Duration::from_millis(10);

/// The longest time between two looks.
const LOOK_AFTER_MAX: Duration = Duration::from_millis(100);

/// The API, to be filled with views.
#[derive(Debug)]
pub struct Api {
    readers: Readers,
    fresh: Watch,
    views: BTreeMap<&'static str, View>,
    tails: BTreeMap<&'static str, Arc<Tail>>,
    streams: Streams,
    gate: Gate,
    backend: Backend,
    /// Half of the places among the requests: those who wait for a row look at it here, one after the other.
    waiting: Semaphore,
    config: QueryConfig,
    metrics: Metrics,
}

impl Api {
    /// An API without views yet.
    pub fn new(
        readers: Readers,
        fresh: Watch,
        verifier: impl Into<Arc<Verifier>>,
        config: &QueryConfig,
        metrics: Metrics,
        streams: Streams,
    ) -> Self {
        Self {
            readers,
            fresh,
            views: BTreeMap::new(),
            tails: BTreeMap::new(),
            streams,
            gate: Gate::new(verifier, &config.http, metrics.clone()),
            backend: Backend::new(&config.http),
            waiting: Semaphore::new((config.http.api_requests_max as usize).div_ceil(2)),
            config: config.clone(),
            metrics,
        }
    }

    /// Serves one more view.
    #[must_use]
    pub fn view(mut self, view: View) -> Self {
        if let Some(feed) = view.feed(&self.readers) {
            self.tails.insert(view.name, Arc::new(Tail::new(feed)));
        }
        self.views.insert(view.name, view);
        self
    }

    /// All routes.
    pub fn routes(self) -> Router {
        let (config, metrics) = (self.config.http.clone(), self.metrics.clone());
        let description = openapi::description(self.views.values()).to_string();
        let routes = Router::new()
            .route("/v1/views", get(catalogue))
            .route("/v1/views/{view}", get(page))
            .route("/v1/views/{view}/changes", get(changes))
            .route("/v1/views/{view}/{id}", get(row))
            .route("/v1/views/{view}/boards/{board}", get(board))
            .with_state(Arc::new(self));
        dressed(
            routes,
            description,
            &config,
            metrics,
            &[header::IF_NONE_MATCH, LAST_EVENT_ID],
            &[AS_OF, STALE],
        )
    }

    fn found(&self, name: &str) -> Result<&View, Problem> {
        self.views.get(name).ok_or_else(|| Problem::new(Kind::NotFound, "there is no view of this name"))
    }

    /// The end of the feed of a view's changes; totals have none.
    fn tail(&self, view: &View) -> Result<&Arc<Tail>, Problem> {
        self.tails.get(view.name).ok_or_else(|| {
            Problem::new(
                Kind::NotFound,
                "totals have no feed of changes; that of the rows that they sum tells when to read them anew",
            )
        })
    }

    /// What is known of an aggregate's row once it is as fresh as asked, or the wait is over; of when that is, and whether it
    /// is stale. No place among the requests is held between two looks, and those who wait look a few at a time, so that
    /// they leave room for the others.
    async fn versioned(
        &self,
        view: &View,
        tenant: &TenantId,
        id: AggregateId,
        at_least: Option<&AtLeast>,
    ) -> Result<(AsOf, Option<Versioned>, bool), Problem> {
        let look = async || {
            let as_of = self.fresh.of(view);
            Ok((as_of, self.backend.read(view.versioned(&self.readers, tenant, id)).await?))
        };
        let Some(AtLeast { token, wait }) = at_least.filter(|it| !it.wait.is_zero()) else {
            let (as_of, found) = look().await?;
            let is_stale = at_least.is_some_and(|it| version(&found) < it.token.version);
            return Ok((as_of, found, is_stale));
        };
        let give_up = Instant::now() + *wait;
        let mut last =
            Err(Problem::new(Kind::Overloaded, "too many requests wait at once").retry_after(*wait));
        let mut pause = LOOK_AFTER;
        loop {
            let Ok(place) = timeout_at(give_up, self.waiting.acquire()).await else { break };
            match look().await {
                Ok((as_of, found)) if version(&found) >= token.version => return Ok((as_of, found, false)),
                Ok((as_of, found)) => last = Ok((as_of, found, true)),
                // Who waits anyway can wait for a place too.
                Err(problem) if problem.kind() == Kind::Overloaded => last = last.or(Err(problem)),
                Err(problem) => return Err(problem),
            }
            drop(place);
            if Instant::now() >= give_up {
                break;
            }
            sleep_until(give_up.min(Instant::now() + pause)).await;
            pause = (2 * pause).min(LOOK_AFTER_MAX);
        }
        last
    }

    /// Waits for the token's aggregate; whether that was in vain.
    async fn is_stale(
        &self,
        view: &View,
        caller: &Caller,
        at_least: Option<&AtLeast>,
    ) -> Result<bool, Problem> {
        let Some(AtLeast { token, .. }) = at_least else { return Ok(false) };
        Ok(self.versioned(view, &caller.tenant, token.aggregate_id, at_least).await?.2)
    }
}

/// How far a row is; one that is not there was not begun.
fn version(found: &Option<Versioned>) -> u64 {
    found.as_ref().map_or(0, |row| row.version)
}

type Given = Result<Query<Vec<(String, String)>>, QueryRejection>;

async fn catalogue(State(api): State<Arc<Api>>, headers: HeaderMap) -> Result<Response, Problem> {
    api.gate.admit(&headers, Role::Reader).await?;
    let views: Vec<Value> = api
        .views
        .values()
        .map(|view| {
            let mut shown = json!(api.fresh.of(view));
            shown["name"] = view.name.into();
            shown["about"] = view.about.into();
            shown["projection"] = view.projection.into();
            if let Source::Documents { boards, .. } = &view.source {
                shown["boards"] = json!(boards);
            }
            shown
        })
        .collect();
    Ok(axum::Json(json!({ "views": views })).into_response())
}

async fn page(
    State(api): State<Arc<Api>>,
    view: Result<Path<String>, PathRejection>,
    query: Given,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let caller = api.gate.admit(&headers, Role::Reader).await?;
    let (view, parameters) = (api.found(&path(view)?)?, Parameters::of(query)?);
    let relation = view.relation()?;
    let config = &api.config;
    let asked = asked::page(parameters, relation, &caller.tenant, config.query_rows_max, config.wait_max())?;
    let stale = api.is_stale(view, &caller, asked.at_least.as_ref()).await?;
    let as_of = api.fresh.of(view);
    // One more, to see whether there is a next page.
    let mut selection = asked.selection;
    let limit = selection.limit as usize;
    selection.limit += 1;
    let read = async {
        api.readers.page(relation, &caller.tenant, &selection).await.map_err(|error| not_read(&error))
    };
    let mut found = api.backend.read(read).await?;
    let is_more = found.len() > limit;
    found.truncate(limit);
    let next = found
        .last()
        .filter(|_| is_more)
        .map(|last| Cursor { sort: asked.sort, place: last.place.clone() }.to_text());
    let rows: Vec<_> = found.into_iter().map(|found| found.row).collect();
    let rows = format!("[{}]", rows.join(","));
    let tag = digest_tag(&rows);
    Ok(Answer { as_of, stale, tag, members: vec![("rows", rows), ("next", json!(next).to_string())] }
        .respond(&headers))
}

async fn row(
    State(api): State<Arc<Api>>,
    target: Result<Path<(String, String)>, PathRejection>,
    query: Given,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let caller = api.gate.admit(&headers, Role::Reader).await?;
    let ((view, id), mut parameters) = (path(target)?, Parameters::of(query)?);
    let view = api.found(&view)?;
    view.has_rows()?;
    let id = aggregate_id(&id)?;
    let at_least = asked::at_least(&mut parameters, &caller.tenant, api.config.wait_max())?;
    parameters.done()?;
    if at_least.as_ref().is_some_and(|it| it.token.aggregate_id != id) {
        return Err(refused("token", "is of another aggregate"));
    }
    let (as_of, found, stale) = api.versioned(view, &caller.tenant, id, at_least.as_ref()).await?;
    match found {
        Some(Versioned { version, row: Some(row) }) => {
            let tag = digest_tag(&row);
            let members = vec![("version", version.to_string()), ("row", row)];
            Ok(Answer { as_of, stale, tag, members }.respond(&headers))
        }
        _ => Err(Problem::new(Kind::NotFound, "there is no such row").with("stale", stale)),
    }
}

async fn changes(
    State(api): State<Arc<Api>>,
    view: Result<Path<String>, PathRejection>,
    query: Given,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let caller = api.gate.admit(&headers, Role::Reader).await?;
    let (view, parameters) = (api.found(&path(view)?)?, Parameters::of(query)?);
    let tail = api.tail(view)?;
    let last_event_id = headers.get(LAST_EVENT_ID).map(|id| id.to_str().unwrap_or("?"));
    let asked = asked::stream(parameters, last_event_id, |text| tail.is_place(text))?;
    let place = api.streams.admit(&caller.tenant)?;
    let newest = async { tail.newest(&caller.tenant).await.map_err(|error| not_found(&*error)) };
    let newest = api.backend.read(newest).await?;
    let newest = newest.ok_or_else(|| {
        Problem::new(
            Kind::NotFound,
            "no feed of this view's changes is written: its projector was told so, or never ran",
        )
    })?;
    Ok(open(Arc::clone(tail), place, caller, asked, newest))
}

async fn board(
    State(api): State<Arc<Api>>,
    target: Result<Path<(String, String)>, PathRejection>,
    query: Given,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let caller = api.gate.admit(&headers, Role::Reader).await?;
    let ((view, board), mut parameters) = (path(target)?, Parameters::of(query)?);
    let view = api.found(&view)?;
    let limit = asked::limit(&mut parameters, api.config.query_rows_max)?;
    let at_least = asked::at_least(&mut parameters, &caller.tenant, api.config.wait_max())?;
    parameters.done()?;
    let stale = api.is_stale(view, &caller, at_least.as_ref()).await?;
    let as_of = api.fresh.of(view);
    let places = api.backend.read(view.board(&caller.tenant, &board, limit)).await?;
    let places = json!(places).to_string();
    Ok(Answer { as_of, stale, tag: digest_tag(&places), members: vec![("places", places)] }.respond(&headers))
}
