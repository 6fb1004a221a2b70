//! The routes, described.

use axum::http::HeaderName;
use serde_json::{Map, Value, json};

use super::Described;
use crate::headers::{IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED, IF_MATCH, SUBJECT};
use http_api::headers::{CORRELATION_ID, TOKEN, TRACEPARENT};
use http_api::schema::uuid;

fn reference(kind: &str, name: impl AsRef<str>) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{}", name.as_ref()) })
}

fn json_of(schema: Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

/// The headers and places that requests have in common.
pub(super) fn parameters() -> Value {
    let name = json!({ "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$" });
    let header = |header: &str, about: &str, schema: Value| json!({ "name": header, "in": "header", "required": false, "description": about, "schema": schema });
    json!({
        "id": { "name": "id", "in": "path", "required": true, "description": "Which aggregate.", "schema": uuid() },
        "version": {
            "name": "version", "in": "query", "required": false, "description": "The state as of this version.",
            "schema": { "type": "integer", "format": "int64", "minimum": 1 },
        },
        "at": {
            "name": "at", "in": "query", "required": false,
            "description": "The state as of this moment, in UTC; not together with `version`.",
            "schema": { "type": "string", "format": "date-time" },
        },
        IDEMPOTENCY_KEY.as_str(): header(
            IDEMPOTENCY_KEY.as_str(),
            "The request's name. A copy of it, with the same path, data subject and body, gets the first answer and is not carried out.",
            json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" }),
        ),
        IF_MATCH.as_str(): header(
            IF_MATCH.as_str(),
            "The version that the sender has seen, in quotes; 0 before the first event. At any other the command is refused.",
            json!({ "type": "string", "pattern": "^\"(0|[1-9][0-9]*)\"$", "examples": ["\"3\""] }),
        ),
        SUBJECT.as_str(): header(
            SUBJECT.as_str(),
            "Whose personal data the body brings; without it, the token's actor's.",
            json!({ "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[A-Za-z0-9_.:-]+$" }),
        ),
        CORRELATION_ID.as_str(): header(
            CORRELATION_ID.as_str(),
            "Names all that follows from the request; made here where it is left out, and always answered.",
            name,
        ),
        TRACEPARENT.as_str(): header(
            TRACEPARENT.as_str(),
            "The trace that the request belongs to (W3C Trace Context).",
            json!({ "type": "string" }),
        ),
    })
}

/// What answers say beside their bodies.
pub(super) fn headers() -> Value {
    let text = |about: &str| json!({ "description": about, "schema": { "type": "string" } });
    json!({
        "etag": text("The aggregate's version, in quotes: for `If-Match`."),
        TOKEN.as_str(): text("The token as text: tenant/aggregate/version."),
        CORRELATION_ID.as_str(): text("The request's, as given or as made here."),
        IDEMPOTENCY_REPLAYED.as_str(): text("`true` where this is the answer to an earlier copy."),
        "retry-after": text("After how many seconds it makes sense to try again."),
    })
}

fn answered_headers<const N: usize>(names: [&str; N]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), reference("headers", name))).collect::<Map<_, _>>().into()
}

/// What can come instead of an answer.
pub(super) fn responses() -> Value {
    json!({ "problem": {
        "description": "It did not go well; `type` says how.",
        "headers": answered_headers([CORRELATION_ID.as_str(), "retry-after"]),
        "content": { "application/problem+json": { "schema": reference("schemas", "Problem") } },
    }})
}

/// What there is without any aggregate.
pub(super) fn common() -> Value {
    let page = |about: &str| {
        json!({
            "description": about, "content": { "text/markdown": { "schema": { "type": "string" } } },
        })
    };
    let problems = json!({ "summary": "All problems there can be", "security": [], "responses": { "200": page("A table.") } });
    let mut problem = json!({ "get": problems.clone() });
    problem["parameters"] =
        json!([{ "name": "kind", "in": "path", "required": true, "schema": { "type": "string" } }]);
    json!({
        "/v1/batches": { "post": {
            "summary": "Commands for several aggregates: all of them, or none", "operationId": "batch",
            "parameters": changing([]),
            "requestBody": { "required": true, "content": json_of(reference("schemas", "Batch")) },
            "responses": {
                "200": {
                    "description": "All of them are recorded, or change nothing.",
                    "headers": answered_headers([CORRELATION_ID.as_str(), IDEMPOTENCY_REPLAYED.as_str()]),
                    "content": json_of(reference("schemas", "BatchAnswer")),
                },
                "default": reference("responses", "problem"),
            },
        }},
        "/problems": { "get": problems },
        "/problems/{kind}": problem,
        "/openapi.json": { "get": {
            "summary": "This document", "security": [],
            "responses": { "200": { "description": "OpenAPI 3.1.", "content": json_of(json!({ "type": "object" })) } },
        }},
    })
}

/// The parameters of requests that change something, after these.
fn changing<const N: usize>(before: [&str; N]) -> Vec<Value> {
    let common = [IDEMPOTENCY_KEY, SUBJECT, CORRELATION_ID, TRACEPARENT];
    let names = before.into_iter().chain(common.iter().map(HeaderName::as_str));
    names.map(|name| reference("parameters", name)).collect()
}

/// The routes of one kind of aggregate.
pub(super) fn of_aggregate(Described { collection, commands, examples }: &Described) -> Map<String, Value> {
    let mut body = json_of(reference("schemas", commands));
    body["application/json"]["examples"] = Value::Object(examples.clone());
    let command = json!({ "post": {
        "summary": "Ask something of one of them", "operationId": format!("{collection}-command"), "tags": [collection],
        "parameters": changing(["id", IF_MATCH.as_str()]),
        "requestBody": { "required": true, "content": body },
        "responses": {
            "200": {
                "description": "It is recorded, or changes nothing.",
                "headers": answered_headers([
                    "etag", TOKEN.as_str(), CORRELATION_ID.as_str(), IDEMPOTENCY_REPLAYED.as_str(),
                ]),
                "content": json_of(reference("schemas", "Answer")),
            },
            "default": reference("responses", "problem"),
        },
    }});
    let asked = ["id", "version", "at", CORRELATION_ID.as_str()].map(|name| reference("parameters", name));
    let state = json!({ "get": {
        "summary": "What one of them is, or was", "operationId": format!("{collection}-state"), "tags": [collection],
        "parameters": asked,
        "responses": {
            "200": {
                "description": "Its state, as its events tell.",
                "headers": answered_headers(["etag", CORRELATION_ID.as_str()]),
                "content": json_of(reference("schemas", "Shown")),
            },
            "default": reference("responses", "problem"),
        },
    }});
    let path = |rest: &str| format!("/v1/{collection}/{{id}}{rest}");
    Map::from_iter([(path("/commands"), command), (path(""), state)])
}
