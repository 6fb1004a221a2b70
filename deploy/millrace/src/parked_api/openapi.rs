//! The API, described.

use axum::http::header;
use http_api::headers::CORRELATION_ID;
use http_api::schema;
use kafka::Reason;
use serde_json::{Map, Value, json};

use super::asked::{LIMIT, LIMIT_MAX};
use super::pace::KEYS_PER_S_MAX;
use crate::program::projections;

/// The description of the API.
pub(super) fn description() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Millrace API of parked keys", "version": env!("CARGO_PKG_VERSION"),
            "description": "What could not be applied, and what to do about it: the keys of one tenant. Whoever asks for a change is answered \
                with a request that can be followed; the owner of the key's partition carries it out.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "security": [{ "token": [] }],
        "paths": paths(),
        "components": {
            "schemas": schemas(),
            "parameters": parameters(),
            "headers": {
                CORRELATION_ID.as_str(): text("The request's, as given or as made here."),
                "location": text("Where what was asked for can be followed."),
                "retry-after": text("After how many seconds it makes sense to look, or to try, again."),
            },
            "responses": { "problem": {
                "description": "It did not go well; `type` says how.",
                "headers": headers(&[CORRELATION_ID.as_str(), "retry-after"]),
                "content": { "application/problem+json": { "schema": of("Problem") } },
            }},
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } },
        },
    })
}

fn paths() -> Value {
    let filters = ["projection", "reason", "type", "since", "limit"];
    let key = |tail: &str| format!("/v1/parked/keys/{{projection}}/{{key}}{tail}");
    let page = json!({ "200": { "description": "A table.", "content": { "text/markdown": { "schema": { "type": "string" } } } } });
    let document = json!({ "200": { "description": "OpenAPI 3.1.", "content": { "application/json": { "schema": { "type": "object" } } } } });
    Value::Object(Map::from_iter([
        (
            "/v1/parked/causes".to_owned(),
            get("causes", "The parked keys grouped by cause, the one of most keys first", &filters),
        ),
        ("/v1/parked/keys".to_owned(), get("keys", "The parked keys, the longest parked first", &filters)),
        (
            key(""),
            get(
                "key",
                "The records of one key, read and as they came, and the view as it is and as it would be",
                &["of", "key", "limit"],
            ),
        ),
        (
            key("/preview"),
            get(
                "preview",
                "What a redrive would do, record by record; nothing is written",
                &["of", "key", "limit"],
            ),
        ),
        (
            key("/missing"),
            get("missing", "The versions that the key waits for and a repair would publish", &["of", "key"]),
        ),
        (
            key("/redrive"),
            post("redrive", "Apply the records in order, up to the first that fails", &["of", "key"]),
        ),
        (
            key("/discard"),
            post(
                "discard",
                "Do without records, for a reason; durable, and carried out again by every rebuild",
                &["of", "key"],
            ),
        ),
        (
            key("/repair"),
            post(
                "repair",
                "Publish versions again that the store has, and redrive the key once they have arrived",
                &["of", "key"],
            ),
        ),
        (
            "/v1/parked/redrives".to_owned(),
            post(
                "redrives",
                "Redrive every key that fits; one that says the same and was not finished goes on",
                &[],
            ),
        ),
        (
            "/v1/parked/requests".to_owned(),
            get(
                "requests",
                "Who asked for what, and what came of it, the newest first",
                &["projection", "limit"],
            ),
        ),
        (
            "/v1/parked/requests/{id}".to_owned(),
            get("request", "One request, and what came of its keys", &["id", "limit"]),
        ),
        (
            "/problems".to_owned(),
            json!({ "get": { "summary": "All problems there can be", "security": [], "responses": page } }),
        ),
        (
            "/openapi.json".to_owned(),
            json!({ "get": { "summary": "This document", "security": [], "responses": document } }),
        ),
    ]))
}

fn get(id: &str, summary: &str, parameters: &[&str]) -> Value {
    json!({ "get": {
        "operationId": id, "summary": summary, "parameters": named(parameters),
        "responses": {
            "200": {
                "description": "What was found.", "headers": headers(&[CORRELATION_ID.as_str()]),
                "content": { "application/json": { "schema": of(&format!("Answer-{id}")) } },
            },
            "default": { "$ref": "#/components/responses/problem" },
        },
    }})
}

/// What the role `admin` may ask for.
fn post(id: &str, summary: &str, parameters: &[&str]) -> Value {
    json!({ "post": {
        "operationId": id, "summary": summary, "parameters": named(parameters),
        "description": "Takes the role `admin`.",
        "requestBody": { "required": true, "content": { "application/json": { "schema": of(&format!("Ask-{id}")) } } },
        "responses": {
            "202": {
                "description": "It is written down, with who asked; `location` follows it.",
                "headers": headers(&[header::LOCATION.as_str(), "retry-after", CORRELATION_ID.as_str()]),
                "content": { "application/json": { "schema": of(&format!("Answer-{id}")) } },
            },
            "default": { "$ref": "#/components/responses/problem" },
        },
    }})
}

fn named(names: &[&str]) -> Value {
    names.iter().map(|name| json!({ "$ref": format!("#/components/parameters/{name}") })).collect()
}

fn headers(names: &[&str]) -> Value {
    let header =
        |name: &&str| ((*name).to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }));
    Value::Object(names.iter().map(header).collect())
}

fn text(about: &str) -> Value {
    json!({ "description": about, "schema": { "type": "string" } })
}

fn of(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn parameters() -> Value {
    let names: Vec<_> = projections().iter().map(|it| it.name()).collect();
    let query = |name: &str, about: &str, schema: Value| json!({ "name": name, "in": "query", "required": false, "description": about, "schema": schema });
    let path = |name: &str, about: &str, schema: Value| json!({ "name": name, "in": "path", "required": true, "description": about, "schema": schema });
    let string = || json!({ "type": "string" });
    let projection = || json!({ "type": "string", "enum": names });
    json!({
        "of": path("projection", "Whose key it is.", projection()),
        "key": path("key", "The key as it is shown: text, with `\\xff` for bytes that are none.", string()),
        "id": path("id", "The number of the request.", json!({ "type": "integer", "format": "int64" })),
        "projection": query("projection", "Of this projection only.", projection()),
        "reason": query("reason", "Parked for this reason only.", json!({ "type": "string", "enum": Reason::CAUSES.map(Reason::as_str) })),
        "type": query("type", "Blocked by an event of this type only.", string()),
        "since": query("since", "Parked at this moment or later only.", json!({ "type": "string", "format": "date-time" })),
        "limit": query("limit", "At most so many.", json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT })),
    })
}

/// An object of these members, all of which are there.
fn object(members: Value) -> Value {
    let required: Vec<_> = members.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    json!({ "type": "object", "additionalProperties": false, "required": required, "properties": members })
}

/// The same, of which these alone have to be there.
fn body(required: &[&str], members: Value) -> Value {
    json!({ "type": "object", "additionalProperties": false, "required": required, "properties": members })
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn or_null(kind: &str) -> Value {
    json!({ "type": [kind, "null"] })
}

fn about(text: &str, mut schema: Value) -> Value {
    schema["description"] = text.into();
    schema
}

fn schemas() -> Value {
    let (string, number, time) = (
        || json!({ "type": "string" }),
        || json!({ "type": "integer", "format": "int64" }),
        || json!({ "type": "string", "format": "date-time" }),
    );
    let time_or_null = || json!({ "type": ["string", "null"], "format": "date-time" });
    let reasons = || json!({ "type": "string", "enum": Reason::CAUSES.map(Reason::as_str) });
    let why = || {
        about("Why; it is kept for ever.", json!({ "type": "string", "minLength": 1, "maxLength": 2_000 }))
    };
    let force = || {
        about("Also keys of which too many redrives failed.", json!({ "type": "boolean", "default": false }))
    };
    let flag = |text: &str| about(text, json!({ "type": "boolean", "default": false }));
    let seen = || {
        object(
            json!({ "version": number(), "view": about("Null before the first event, and after a deletion.", json!({})) }),
        )
    };
    json!({
        "Problem": schema::problem(),
        "Cause": object(json!({
            "projection": string(), "reason": about("Why, in one word.", string()), "event_type": or_null("string"),
            "cause": about("Why, with `<id>` and `<n>` for what differs between keys.", string()),
            "keys": number(), "records": number(), "tenants": number(), "some_tenants": list(string()),
            "first_at": time(), "last_at": time(), "example": about("The key that is parked longest.", string()),
        })),
        "Key": object(json!({
            "projection": string(), "topic": string(), "partition": number(), "key": string(), "tenant": or_null("string"),
            "state": about("What is asked for, or `parked`.", json!({ "type": "string", "enum": ["parked", "redrive", "discard"] })),
            "reason": string(), "message": string(), "first_offset": number(),
            "attempts": about("Redrives that failed.", number()), "parked_at": time(), "records": number(), "event_type": or_null("string"),
        })),
        "Record": object(json!({
            "topic": string(), "partition": number(), "offset": number(), "record_key": or_null("string"), "timestamp_ms": or_null("integer"),
            "headers": list(object(json!({ "name": string(), "value": or_null("string") }))), "schema_id": or_null("integer"),
            "tenant": or_null("string"), "aggregate_id": or_null("string"), "version": or_null("integer"), "event_id": or_null("string"),
            "event_type": or_null("string"), "reason": string(), "message": string(), "attempts": number(), "parked_at": time(),
            "copied_at": about("When the dead-letter topic had its copy.", time_or_null()),
            "payload": about("The event; null where it cannot be read.", json!({})), "payload_unreadable": or_null("string"),
            "payload_hex": about("Its bytes, untouched.", or_null("string")),
        })),
        "Redrive": object(json!({
            "topic": string(), "partition": number(),
            "records": list(object(json!({
                "offset": number(), "outcome": { "type": "string", "enum": ["applied", "stale", "stopped"] },
                "reason": or_null("string"), "message": or_null("string"),
            }))),
            "rows": list(object(json!({ "tenant": string(), "aggregate_id": schema::uuid(), "now": seen(), "then": seen() }))),
        })),
        "Request": object(json!({
            "id": number(), "projection": string(), "action": { "type": "string", "enum": ["redrive", "discard", "repair"] },
            "filter": about("Which keys were meant, as it was said.", json!({ "type": "object" })), "reason": or_null("string"), "actor": string(),
            "requested_at": time(), "keys": number(), "to_ask": about("Keys whose owner is still to be asked.", number()),
            "open": about("Keys whose owner has not answered. With none of these and none to ask, it is over.", number()),
            "done": about("Keys that are parked no more.", number()), "failed": about("Keys that stopped at a record and stay parked.", number()),
            "passed_over": about("Keys that were not parked any more, or asked for by somebody else.", number()), "settled_at": time_or_null(),
        })),
        "RequestKey": object(json!({
            "topic": string(), "partition": number(), "key": string(), "tenant": or_null("string"), "asked_at": time_or_null(),
            "settled_at": time_or_null(), "outcome": { "enum": ["done", "failed", "passed_over", null] }, "reason": or_null("string"),
            "message": or_null("string"),
        })),
        "Answer-causes": object(json!({ "causes": list(of("Cause")) })),
        "Answer-keys": object(json!({ "keys": list(of("Key")) })),
        "Answer-key": object(json!({
            "projection": string(), "key": string(), "records": list(of("Record")),
            "redrive": about("What a redrive of these records would do, by partition; null where that cannot be told.", json!({ "type": ["array", "null"], "items": of("Redrive") })),
            "redrive_unknown": or_null("string"),
        })),
        "Answer-preview": object(json!({ "redrive": list(of("Redrive")) })),
        "Answer-missing": of("Missing"),
        "Missing": object(json!({
            "tenant": string(), "aggregate_id": schema::uuid(),
            "events": list(object(json!({ "version": number(), "event_id": string() }))),
        })),
        "Ask-redrive": body(&[], json!({ "force": force() })),
        "Ask-redrives": body(&["projection"], json!({
            "projection": string(), "reason": about("Parked for this reason only.", reasons()), "type": about("Blocked by an event of this type only.", string()),
            "since": about("Parked at this moment or later only.", time()),
            "limit": about("At most so many: those of which the fewest redrives failed, then the longest parked.", json!({ "type": "integer", "minimum": 1 })),
            "attempts_max": about("Leave keys alone of which so many redrives failed.", json!({ "type": "integer", "minimum": 1 })), "force": force(),
            "rate": about("At most so many keys a second.", json!({ "type": "number", "exclusiveMinimum": 0, "maximum": KEYS_PER_S_MAX, "default": 100 })),
        })),
        "Answer-redrive": of("Redriven"),
        "Answer-redrives": of("Redriven"),
        "Redriven": object(json!({
            "request": of("Request"), "goes_on": about("It was asked for before and not finished; this goes on with it.", json!({ "type": "boolean" })),
            "left_alone": about("Keys that are meant, besides, of which too many redrives failed.", number()), "left": list(of("RequestKey")),
        })),
        "Ask-discard": body(&["reason"], json!({
            "reason": why(), "all": flag("All records that are parked now, not only the one that blocks the others."),
            "foreign": flag("The records are no events of the aggregate: its version does not move."),
            "offsets": about("The records as they were seen; refused when others are meant by now. Makes a repeated request safe.", list(number())),
        })),
        "Answer-discard": object(json!({ "projection": string(), "key": string(), "offsets": list(number()), "request": of("Request") })),
        "Ask-repair": body(&["reason"], json!({ "reason": why(), "skipped": flag("Also what `millrace connect skip` let by, once it can pass.") })),
        "Answer-repair": object(json!({ "request": of("Request"), "missing": of("Missing"), "left": list(of("RequestKey")) })),
        "Answer-requests": object(json!({ "requests": list(of("Request")) })),
        "Answer-request": object(json!({ "request": of("Request"), "keys": list(of("RequestKey")) })),
    })
}
