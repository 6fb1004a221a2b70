//! The routes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use dead_letters::{Operator, Redrive};
use event_store::{AuditConfig, Deed};
use http_api::auth::{Caller, Role, Verifier};
use http_api::body::{receive, typed};
use http_api::problem::{Kind, Problem};
use http_api::{Backend, Gate, HttpConfig, Metrics, Parameters, dressed, path, refused, unavailable};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use sqlx::pool::PoolConnection;
use sqlx::{Connection, PgPool, Postgres};

use super::asked::{self, Discard, KEYS_PER_S, Key, LIMIT, LIMIT_MAX, RedriveMany, RedriveOne, Repair};
use super::failed::failed;
use super::openapi;
use crate::parked::Discarded;
use crate::parked::preview::LookArgs;
use crate::parked::redrive::Redriven;
use crate::parked::repair::{Publishable, Repaired, owner};

/// The largest body: a filter, or a reason.
const BODY_BYTES_MAX: u64 = 16 * 1024;

/// Most records of a key that a repair looks at.
const RECORDS_MAX: i64 = 10_000;

/// The API.
#[derive(Debug)]
pub(super) struct Api {
    views: PgPool,
    look: LookArgs,
    registry: wire::Registry,
    events: Option<Events>,
    gate: Gate,
    backend: Backend,
    config: HttpConfig,
    metrics: Metrics,
}

/// The events' database: where missing versions are found, and who may publish them again.
#[derive(Debug)]
pub(super) struct Events {
    pub(super) auditor: String,
    pub(super) owner: String,
}

impl Api {
    pub(super) fn new(
        views: PgPool,
        look: LookArgs,
        events: Option<Events>,
        verifier: Verifier,
        config: &HttpConfig,
        metrics: Metrics,
    ) -> anyhow::Result<Self> {
        let (registry, gate) = (look.registry()?, Gate::new(verifier, config, metrics.clone()));
        let (backend, config) = (Backend::new(config), config.clone());
        Ok(Self { views, look, registry, events, gate, backend, config, metrics })
    }

    /// All routes.
    pub(super) fn routes(self) -> Router {
        let (config, metrics) = (self.config.clone(), self.metrics.clone());
        let key = |tail: &str| format!("/v1/parked/keys/{{projection}}/{{key}}{tail}");
        let routes = Router::new()
            .route("/v1/parked/causes", get(causes))
            .route("/v1/parked/keys", get(keys))
            .route(&key(""), get(show))
            .route(&key("/preview"), get(preview))
            .route(&key("/missing"), get(missing))
            .route(&key("/redrive"), post(redrive_one))
            .route(&key("/discard"), post(discard))
            .route(&key("/repair"), post(repair))
            .route("/v1/parked/redrives", post(redrive_many))
            .route("/v1/parked/requests", get(requests))
            .route("/v1/parked/requests/{id}", get(request))
            .with_state(Arc::new(self));
        let description = openapi::description().to_string();
        dressed(routes, description, &config, metrics, &[], &[header::LOCATION])
    }

    async fn connect(&self) -> Result<PoolConnection<Postgres>, Problem> {
        self.views.acquire().await.map_err(|error| {
            tracing::warn!(%error, "the views' database does not answer");
            unavailable("the views do not answer just now")
        })
    }

    /// What a body of one who may change things says.
    async fn change<T: DeserializeOwned>(&self, request: Request<Body>) -> Result<(Caller, T), Problem> {
        let caller = self.gate.admit(request.headers(), Role::Admin).await?;
        let received = receive(request, BODY_BYTES_MAX, self.config.arrival_max()).await?;
        Ok((caller, typed(&received.json()?, Kind::InvalidRequest)?))
    }

    /// Writes a redrive down and leaves it to the pace.
    async fn redrive(&self, caller: Caller, redrive: Redrive, keys_per_s: f64) -> Result<Response, Problem> {
        let asked = async {
            let mut views = self.connect().await?;
            let mut operator = Operator::of_tenant(&mut views, caller.tenant);
            let planned = operator.plan(&redrive, &caller.actor).await.map_err(failed)?;
            operator.leave_to_pace(planned.request, keys_per_s).await.map_err(failed)?;
            let redriven = Redriven::now(&mut operator, &planned).await.map_err(failed)?;
            Ok(accepted(planned.request, redriven))
        };
        self.backend.write(asked).await
    }

    /// The versions that a key waits for, as the store has them.
    async fn missing(&self, caller: &Caller, key: &Key, skipped: bool) -> Result<Publishable, Problem> {
        let (events, mut views) = (self.events()?, self.connect().await?);
        let mut operator = Operator::of_tenant(&mut views, caller.tenant.clone());
        let parked = operator.show(&key.projection, &key.key, RECORDS_MAX).await.map_err(failed)?;
        let missing = self.look.missing(&mut views, &self.registry, &key.projection, &parked).await;
        let store = AuditConfig { events_auditor_url: events.auditor.clone() }.connect().await;
        let store = store.map_err(failed)?;
        missing.map_err(failed)?.stored(&store, skipped).await.map_err(failed)
    }

    fn events(&self) -> Result<&Events, Problem> {
        let without = "this API was not given the events' database, so nothing is repaired here";
        self.events.as_ref().ok_or_else(|| Problem::new(Kind::NotFound, without))
    }
}

/// What was asked for is written down; where it can be followed.
fn accepted(request: i64, body: impl Serialize) -> Response {
    let place = format!("/v1/parked/requests/{request}");
    let place = HeaderValue::try_from(place).expect("a path of digits is a header");
    let headers = [(header::LOCATION, place), (header::RETRY_AFTER, HeaderValue::from_static("1"))];
    (StatusCode::ACCEPTED, headers, Json(body)).into_response()
}

type Of = State<Arc<Api>>;
type Given = Result<Query<Vec<(String, String)>>, QueryRejection>;
type OneKey = Result<Path<(String, String)>, PathRejection>;

async fn causes(State(api): Of, query: Given, headers: HeaderMap) -> Result<Response, Problem> {
    let caller = api.gate.admit(&headers, Role::Reader).await?;
    let (filter, limit) = asked::some_keys(Parameters::of(query)?)?;
    let read = async {
        let mut views = api.connect().await?;
        let mut operator = Operator::of_tenant(&mut views, caller.tenant);
        operator.causes(&filter, limit.into()).await.map_err(failed)
    };
    Ok(Json(json!({ "causes": api.backend.read(read).await? })).into_response())
}

async fn keys(State(api): Of, query: Given, headers: HeaderMap) -> Result<Response, Problem> {
    let caller = api.gate.admit(&headers, Role::Reader).await?;
    let (filter, limit) = asked::some_keys(Parameters::of(query)?)?;
    let read = async {
        let mut views = api.connect().await?;
        let mut operator = Operator::of_tenant(&mut views, caller.tenant);
        operator.list(&filter, limit.into()).await.map_err(failed)
    };
    Ok(Json(json!({ "keys": api.backend.read(read).await? })).into_response())
}

async fn show(State(api): Of, of: OneKey, query: Given, headers: HeaderMap) -> Result<Response, Problem> {
    let caller = api.gate.admit(&headers, Role::Reader).await?;
    let (Key { projection, key }, mut parameters) = (Key::of(path(of)?)?, Parameters::of(query)?);
    let limit = parameters.limit(LIMIT, LIMIT_MAX)?;
    parameters.done()?;
    let read = async {
        let mut views = api.connect().await?;
        let mut operator = Operator::of_tenant(&mut views, caller.tenant);
        let records = operator.show(&projection, &key, limit.into()).await.map_err(failed)?;
        let looked = api.look.at(&mut views, &api.registry, &projection, records).await;
        Ok(looked.to_json(&projection, &key, ToString::to_string))
    };
    Ok(Json(api.backend.read(read).await?).into_response())
}

async fn preview(State(api): Of, of: OneKey, query: Given, headers: HeaderMap) -> Result<Response, Problem> {
    let caller = api.gate.admit(&headers, Role::Reader).await?;
    let (Key { projection, key }, mut parameters) = (Key::of(path(of)?)?, Parameters::of(query)?);
    let limit = parameters.limit(LIMIT_MAX, LIMIT_MAX)?;
    parameters.done()?;
    let read = async {
        let mut views = api.connect().await?;
        let mut operator = Operator::of_tenant(&mut views, caller.tenant);
        let records = operator.show(&projection, &key, limit.into()).await.map_err(failed)?;
        api.look.preview(&mut views, &api.registry, &projection, &records).await.map_err(failed)
    };
    Ok(Json(json!({ "redrive": api.backend.read(read).await? })).into_response())
}

async fn missing(State(api): Of, of: OneKey, query: Given, headers: HeaderMap) -> Result<Response, Problem> {
    let caller = api.gate.admit(&headers, Role::Reader).await?;
    let key = Key::of(path(of)?)?;
    Parameters::of(query)?.done()?;
    let read = async { Ok(api.missing(&caller, &key, true).await?.to_json()) };
    Ok(Json(api.backend.read(read).await?).into_response())
}

async fn redrive_one(State(api): Of, of: OneKey, request: Request<Body>) -> Result<Response, Problem> {
    let (caller, asked): (_, RedriveOne) = api.change(request).await?;
    let redrive = asked.redrive(&Key::of(path(of)?)?);
    api.redrive(caller, redrive, KEYS_PER_S).await
}

async fn redrive_many(State(api): Of, request: Request<Body>) -> Result<Response, Problem> {
    let (caller, asked): (_, RedriveMany) = api.change(request).await?;
    let (redrive, keys_per_s) = (asked.redrive()?, asked.keys_per_s()?);
    api.redrive(caller, redrive, keys_per_s).await
}

async fn discard(State(api): Of, of: OneKey, request: Request<Body>) -> Result<Response, Problem> {
    let (caller, asked): (_, Discard) = api.change(request).await?;
    let Key { projection, key } = Key::of(path(of)?)?;
    asked::reasoned(&asked.reason)?;
    let write = async {
        let mut views = api.connect().await?;
        let mut transaction = views.begin().await.map_err(failed)?;
        let mut operator = Operator::of_tenant(&mut transaction, caller.tenant);
        let (scope, reason) = (asked.scope(), &asked.reason);
        let discard = operator.discard(&projection, &key, scope, asked.foreign, reason, &caller.actor);
        let discarding = discard.await.map_err(failed)?;
        asked.is_about(&discarding.offsets)?;
        let request = discarding.request;
        let discarded = Discarded::now(&mut operator, &key, discarding).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(accepted(request, discarded))
    };
    api.backend.write(write).await
}

async fn repair(State(api): Of, of: OneKey, request: Request<Body>) -> Result<Response, Problem> {
    let (caller, asked): (_, Repair) = api.change(request).await?;
    let key = Key::of(path(of)?)?;
    asked::reasoned(&asked.reason)?;
    let write = async {
        let missing = api.missing(&caller, &key, asked.skipped).await?;
        let deed = Deed { actor: caller.actor.clone(), reason: asked.reason.clone() };
        let mut owner = owner(&api.events()?.owner).await.map_err(failed)?;
        let mut views = api.connect().await?;
        let mut operator = Operator::of_tenant(&mut views, caller.tenant.clone());
        let request = missing.plan(&mut operator, &key.projection, &key.key, &deed).await.map_err(failed)?;
        operator.leave_to_pace(request, KEYS_PER_S).await.map_err(failed)?;
        missing.publish(&mut owner, &deed).await.map_err(failed)?;
        let repaired = Repaired::now(&mut operator, request, &missing).await.map_err(failed)?;
        Ok(accepted(request, repaired))
    };
    api.backend.write(write).await
}

async fn requests(State(api): Of, query: Given, headers: HeaderMap) -> Result<Response, Problem> {
    let caller = api.gate.admit(&headers, Role::Reader).await?;
    let mut parameters = Parameters::of(query)?;
    let (projection, limit) = (asked::projection(&mut parameters)?, parameters.limit(LIMIT, LIMIT_MAX)?);
    parameters.done()?;
    let read = async {
        let mut views = api.connect().await?;
        let mut operator = Operator::of_tenant(&mut views, caller.tenant);
        operator.requests(projection.as_deref(), limit.into()).await.map_err(failed)
    };
    Ok(Json(json!({ "requests": api.backend.read(read).await? })).into_response())
}

async fn request(
    State(api): Of,
    id: Result<Path<String>, PathRejection>,
    query: Given,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let caller = api.gate.admit(&headers, Role::Reader).await?;
    let id: i64 = path(id)?.parse().map_err(|_| refused("id", "is not the number of a request"))?;
    let mut parameters = Parameters::of(query)?;
    let limit = parameters.limit(LIMIT, LIMIT_MAX)?;
    parameters.done()?;
    let read = async {
        let mut views = api.connect().await?;
        let mut operator = Operator::of_tenant(&mut views, caller.tenant);
        let request = operator.request(id).await.map_err(failed)?;
        let keys = operator.request_keys(id, limit.into()).await.map_err(failed)?;
        Ok(json!({ "request": request, "keys": keys }))
    };
    Ok(Json(api.backend.read(read).await?).into_response())
}
