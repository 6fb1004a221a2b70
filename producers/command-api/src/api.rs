//! The routes, and what every one of them asks first: who, may they, is there room.

use std::collections::BTreeMap;
use std::sync::Arc;

use aggregate::Commands;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Request, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use event_store::{Context, EventStore, Repository, Until};
use events::{AggregateId, Metadata, Timestamp};
use http_api::auth::{Caller, Role, Verifier};
use http_api::body::receive;
use http_api::headers::{TOKEN, entity_tag};
use http_api::problem::{Kind, Problem};
use http_api::{Backend, Gate, Metrics, Token, Trace, dressed};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::command::aggregate_id;
use crate::face::{Ask, Done, Exposed, Face, new_event_id};
use crate::headers::{self, IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED, SUBJECT};
use crate::openapi::Description;
use crate::{ApiConfig, batch};

/// The API of one store, to be filled with aggregates.
pub struct Api<S> {
    pub(crate) store: S,
    pub(crate) faces: BTreeMap<&'static str, Arc<dyn Face>>,
    pub(crate) backend: Backend,
    pub(crate) config: ApiConfig,
    description: Description,
    pub(crate) gate: Gate,
    metrics: Metrics,
}

impl<S> std::fmt::Debug for Api<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("aggregates", &self.faces.keys()).finish_non_exhaustive()
    }
}

/// What a command led to.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Answer {
    /// Where its events are, or how things stood when it changed nothing.
    pub(crate) token: Token,
}

impl<S: EventStore + Clone + 'static> Api<S> {
    /// An API without aggregates yet.
    pub fn new(store: S, verifier: Verifier, config: &ApiConfig, metrics: Metrics) -> Self {
        Self {
            store,
            faces: BTreeMap::new(),
            backend: Backend::new(&config.http),
            description: Description::default(),
            gate: Gate::new(verifier, &config.http, metrics.clone()),
            metrics,
            config: config.clone(),
        }
    }

    /// Serves one more kind of aggregate, under the name that its commands give to the collection.
    #[must_use]
    pub fn aggregate<A: Exposed>(mut self, repository: Repository<A, S>) -> Self {
        self.faces.insert(A::Command::COLLECTION, Arc::new(repository));
        Self { description: self.description.aggregate::<A>(), ..self }
    }

    /// All routes.
    pub fn routes(self) -> Router {
        let (config, metrics) = (self.config.http.clone(), self.metrics.clone());
        let description = self.description.document().to_string();
        let api = Arc::new(self);
        let routes = Router::new()
            .route("/v1/{aggregates}/{id}/commands", post(command::<S>))
            .route("/v1/{aggregates}/{id}", get(state::<S>))
            .route("/v1/batches", post(batch::execute::<S>))
            .with_state(api);
        let asked = [header::IF_MATCH, IDEMPOTENCY_KEY, SUBJECT];
        dressed(routes, description, &config, metrics, &asked, &[IDEMPOTENCY_REPLAYED])
    }

    pub(crate) fn face(&self, collection: &str) -> Result<&Arc<dyn Face>, Problem> {
        self.faces
            .get(collection)
            .ok_or_else(|| Problem::new(Kind::NotFound, "there are no aggregates of this name"))
    }
}

/// What the events of a request will say about it.
pub(crate) fn metadata(caller: &Caller, trace: Trace) -> Metadata {
    let metadata = Metadata::of_request(trace.correlation_id, &caller.actor);
    match trace.traceparent {
        Some(traceparent) => metadata.traced(traceparent),
        None => metadata,
    }
}

type Target = Result<Path<(String, String)>, PathRejection>;

fn target(path: Target) -> Result<(String, AggregateId), Problem> {
    let unreadable =
        |_| Problem::new(Kind::InvalidParameter, "the path cannot be read").with("parameter", "id");
    let Path((collection, id)) = path.map_err(unreadable)?;
    Ok((collection, aggregate_id(&id)?))
}

async fn command<S: EventStore + Clone + 'static>(
    State(api): State<Arc<Api<S>>>,
    Extension(trace): Extension<Trace>,
    path: Target,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let caller = api.gate.admit(request.headers(), Role::Writer).await?;
    let (collection, id) = target(path)?;
    let face = api.face(&collection)?;
    let received = receive(request, api.config.api_body_bytes_max, api.config.http.arrival_max()).await?;
    let context = Context {
        expected: headers::expected_version(&received.headers)?,
        idempotency: headers::idempotency_key(&received)?,
        subject: headers::subject(&received.headers)?,
        ..Context::new(metadata(&caller, trace), &new_event_id)
    };
    let ask = Ask { tenant: &caller.tenant, id, commands: vec![received.json()?], context };
    let Done { version, repeated } = api.backend.write(face.execute(ask)).await?;
    let token = Token { tenant: caller.tenant, aggregate_id: id, version };
    let said = HeaderValue::try_from(token.to_string()).expect("tenants, ids and digits are visible ASCII");
    let place = [(header::ETAG, entity_tag(version)), (TOKEN, said)];
    Ok((place, headers::repeated(repeated), Json(Answer { token })).into_response())
}

/// Which state is wanted; the newest where nothing is said.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Moment {
    version: Option<String>,
    at: Option<String>,
}

impl Moment {
    fn until(&self) -> Result<Until, Problem> {
        let refused = |parameter: &str, detail: &str| {
            Err(Problem::new(Kind::InvalidParameter, detail).with("parameter", parameter))
        };
        match (&self.version, &self.at) {
            (None, None) => Ok(Until::Now),
            (Some(version), None) => match http_api::headers::version(version) {
                Some(0) | None => refused("version", "a version is a whole number from 1"),
                Some(version) => Ok(Until::Version(version)),
            },
            (None, Some(at)) => match at.parse::<Timestamp>() {
                Ok(at) => Ok(Until::Occurred(at)),
                Err(error) => refused("at", &error.to_string()),
            },
            (Some(_), Some(_)) => refused("at", "give a version or a time, not both"),
        }
    }
}

/// What an aggregate was, and when.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Shown {
    /// Where it is; a later read with it is at least as fresh.
    pub(crate) token: Token,
    /// The state, as its events tell.
    pub(crate) state: Value,
}

async fn state<S: EventStore + Clone + 'static>(
    State(api): State<Arc<Api<S>>>,
    path: Target,
    query: Result<Query<Moment>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let caller = api.gate.admit(&headers, Role::Reader).await?;
    let (collection, id) = target(path)?;
    let Query(moment) = query.map_err(|error| {
        Problem::new(Kind::InvalidParameter, error.body_text()).with("parameter", "query")
    })?;
    let until = moment.until()?;
    let (state, version) = api.backend.read(api.face(&collection)?.state(&caller.tenant, id, until)).await?;
    if version == 0 {
        return Err(Problem::new(Kind::NotFound, "there is no such aggregate"));
    }
    let token = Token { tenant: caller.tenant, aggregate_id: id, version };
    Ok(([(header::ETAG, entity_tag(version))], Json(Shown { token, state })).into_response())
}
