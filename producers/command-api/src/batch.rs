//! Commands for several aggregates: all of them, or none.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::Request;
use axum::response::{IntoResponse, Response};
use event_store::{Append, AppendError, Appended, Context, EventStore, IdempotencyKey};
use events::AggregateId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::{Api, metadata};
use crate::command::aggregate_id;
use crate::face::{Ask, new_event_id, not_appended};
use crate::headers;
use http_api::Token;
use http_api::Trace;
use http_api::auth::{Caller, Role};
use http_api::body::{receive, typed};
use http_api::problem::{Kind, Problem};

/// The most commands of one batch: each may lead to several events, and one transaction takes a thousand.
pub(crate) const COMMANDS_MAX: usize = 100;

/// How often a batch is decided anew because somebody else changed one of its aggregates meanwhile.
const ATTEMPTS_MAX: u32 = 5;

/// Several commands, to be recorded together or not at all.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Batch {
    /// At least one. Those for the same aggregate are decided in this order.
    #[schema(min_items = 1, max_items = 100)]
    pub(crate) commands: Vec<Addressed>,
}

/// A command and whom it is for.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Addressed {
    /// The collection, as in the path of a single command.
    #[schema(example = "executions")]
    pub(crate) aggregate: String,
    /// Which aggregate.
    #[schema(format = "uuid")]
    pub(crate) id: String,
    /// The version that the client has seen; at the aggregate's first command in the batch alone.
    #[serde(default)]
    #[schema(minimum = 0)]
    pub(crate) expected_version: Option<u64>,
    /// The command, as it would be sent alone.
    pub(crate) command: Value,
}

/// What a batch led to.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct BatchAnswer {
    /// Where each aggregate is now, in the order of their first commands.
    pub(crate) tokens: Vec<Token>,
}

/// The commands of one aggregate, and their places in the batch.
struct Share {
    collection: String,
    id: AggregateId,
    expected: Option<u64>,
    commands: Vec<Value>,
    places: Vec<usize>,
}

pub(crate) async fn execute<S: EventStore + Clone + 'static>(
    State(api): State<Arc<Api<S>>>,
    Extension(trace): Extension<Trace>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let caller = api.gate.admit(request.headers(), Role::Writer).await?;
    let received = receive(request, api.config.api_body_bytes_max, api.config.http.arrival_max()).await?;
    let (idempotency, subject) = (headers::idempotency_key(&received)?, headers::subject(&received.headers)?);
    let batch = read(received.json()?)?;
    api.gate.charge(&caller, batch.commands.len().saturating_sub(1))?; // the request itself counts as one
    let shares = shares(batch)?;
    for share in &shares {
        api.face(&share.collection).map_err(|problem| problem.at(place(share, 0, "/aggregate")))?;
    }
    let context = Context { idempotency, subject, ..Context::new(metadata(&caller, trace), &new_event_id) };
    let (tokens, repeated) = api.backend.write(together(&api, &caller, &shares, &context)).await?;
    Ok((headers::repeated(repeated), Json(BatchAnswer { tokens })).into_response())
}

fn read(body: Value) -> Result<Batch, Problem> {
    let given = body.get("commands").and_then(Value::as_array).map_or(0, Vec::len);
    if given > COMMANDS_MAX {
        let detail = format!("a batch has at most {COMMANDS_MAX} commands, not {given}");
        return Err(Problem::new(Kind::PayloadTooLarge, detail).at("/commands"));
    }
    let batch: Batch = typed(&body, Kind::InvalidCommand)?;
    if batch.commands.is_empty() {
        return Err(Problem::new(Kind::InvalidCommand, "a batch has at least one command").at("/commands"));
    }
    Ok(batch)
}

/// The batch by aggregate, in the order in which they first appear.
fn shares(batch: Batch) -> Result<Vec<Share>, Problem> {
    let mut shares: Vec<Share> = Vec::new();
    for (index, addressed) in batch.commands.into_iter().enumerate() {
        let Addressed { aggregate: collection, id, expected_version: expected, command } = addressed;
        let refused = |detail: &str, field: &str| {
            Err(Problem::new(Kind::InvalidCommand, detail).at(format!("/commands/{index}/{field}")))
        };
        let Ok(id) = aggregate_id(&id) else {
            return refused("the id is not a UUID as 36 hyphenated characters in lower case", "id");
        };
        if expected.is_some_and(|version| i64::try_from(version).is_err()) {
            return refused("no version is as large as that", "expected_version");
        }
        match shares.iter_mut().find(|share| share.id == id) {
            Some(share) if share.collection != collection => {
                return refused("the id is another aggregate's in this batch", "id");
            }
            Some(_) if expected.is_some() => {
                return refused("only an aggregate's first command may name a version", "expected_version");
            }
            Some(share) => {
                share.commands.push(command);
                share.places.push(index);
            }
            None => {
                shares.push(Share { collection, id, expected, commands: vec![command], places: vec![index] })
            }
        }
    }
    Ok(shares)
}

fn place(share: &Share, command: usize, field: &str) -> String {
    format!("/commands/{}{field}", share.places[command])
}

/// Where the aggregates of a batch are, and whether they were there before, under the same idempotency key.
type Outcome = (Vec<Token>, bool);

/// Decides every share and appends them in one transaction; again when somebody was faster and nobody named a version.
async fn together<S: EventStore + Clone + 'static>(
    api: &Api<S>,
    caller: &Caller,
    shares: &[Share],
    context: &Context<'_>,
) -> Result<Outcome, Problem> {
    let key = context.idempotency.as_ref();
    for _ in 0..ATTEMPTS_MAX {
        let mut drafts = Vec::with_capacity(shares.len());
        for share in shares {
            match draft(api, caller, share, context).await {
                Ok(draft) => drafts.push(draft),
                // The first copy of this batch may have made the very state that refuses this one.
                Err(refused) => return answered(api, caller, shares, key).await?.ok_or(refused),
            }
        }
        let mut tokens: Vec<_> = shares
            .iter()
            .zip(&drafts)
            .map(|(share, (_, version))| token(caller, share.id, *version))
            .collect();
        let drafted = drafts.into_iter().map(|(append, _)| append);
        let appends: Vec<_> = drafted.filter(|append| key.is_some() || !append.events.is_empty()).collect();
        if appends.is_empty() {
            return Ok((tokens, false));
        }
        match api.store.append_keyed(&caller.tenant, &appends, key).await {
            Ok(appended) => {
                for to in &appended.aggregates {
                    let token = tokens.iter_mut().find(|token| token.aggregate_id == to.aggregate_id);
                    token.expect("only what was asked is appended").version = to.version;
                }
                return Ok((tokens, appended.repeated));
            }
            Err(AppendError::Conflict(_)) => (),
            Err(error) => return Err(not_appended(error)),
        }
    }
    Err(Problem::new(Kind::Contended, "others change the aggregates at the same time"))
}

/// The answer that this batch's key already has.
async fn answered<S: EventStore + Clone + 'static>(
    api: &Api<S>,
    caller: &Caller,
    shares: &[Share],
    key: Option<&IdempotencyKey>,
) -> Result<Option<Outcome>, Problem> {
    let Some(key) = key else { return Ok(None) };
    let answer = api.store.answered(&caller.tenant, key).await.map_err(not_appended)?;
    Ok(answer.map(|Appended { aggregates, .. }| {
        let tokens = shares.iter().map(|share| {
            let to = aggregates.iter().find(|to| to.aggregate_id == share.id);
            token(caller, share.id, to.expect("a key's answer is about the aggregates of its batch").version)
        });
        (tokens.collect(), true)
    }))
}

fn token(caller: &Caller, aggregate_id: AggregateId, version: u64) -> Token {
    Token { tenant: caller.tenant.clone(), aggregate_id, version }
}

async fn draft<S: EventStore + Clone + 'static>(
    api: &Api<S>,
    caller: &Caller,
    share: &Share,
    context: &Context<'_>,
) -> Result<(Append, u64), Problem> {
    let context = Context { expected: share.expected, ..context.clone() };
    let ask = Ask { tenant: &caller.tenant, id: share.id, commands: share.commands.clone(), context };
    let drafted = api.face(&share.collection)?.draft(ask).await;
    drafted.map_err(|(command, problem)| match problem.kind() {
        Kind::InvalidCommand => problem.within(&place(share, command, "/command")),
        _ => problem.at(place(share, command, "")),
    })
}
