//! The API, described: its routes, and the columns of its views as their comments say.

use axum::http::{HeaderName, header};
use http_api::headers::{CORRELATION_ID, TRACEPARENT};
use http_api::schema::{self, uuid};
use projection_postgres::{Kind, Relation, RelationColumn};
use serde_json::{Map, Value, json};

use crate::View;
use crate::answer::{AS_OF, STALE};
use crate::api::LAST_EVENT_ID;
use crate::view::Source;

/// The description of an API of these views.
pub(crate) fn description<'v>(views: impl Iterator<Item = &'v View>) -> Value {
    let (mut schemas, mut paths) = (common_schemas(), common_paths());
    for view in views {
        let row = row_schema(view);
        schemas.insert(schema_name(view), row);
        paths.extend(paths_of(view));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Millrace query API", "version": env!("CARGO_PKG_VERSION"),
            "description": "Views of one tenant, as fresh as asked. Every answer says of when it is.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": parameters(),
            "headers": headers(),
            "responses": { "problem": {
                "description": "It did not go well; `type` says how.",
                "headers": answered(&[CORRELATION_ID.as_str(), "retry-after"]),
                "content": { "application/problem+json": { "schema": reference("schemas", "Problem") } },
            }},
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } },
        },
    })
}

fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

fn answered(names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), reference("headers", name))).collect::<Map<_, _>>().into()
}

fn schema_name(view: &View) -> String {
    format!("Row-{}", view.name)
}

/// What every answer says of when it is.
fn freshness() -> Value {
    json!({
        "as_of": {
            "type": ["string", "null"], "format": "date-time",
            "description": "Everything that was in the topic at this moment is in the view, or parked; null while that is not known.",
        },
        "lag_seconds": { "type": ["number", "null"], "minimum": 0, "description": "How long ago that was, in seconds; up to two while nothing lags." },
        "position": {
            "type": "object", "additionalProperties": { "type": "integer", "minimum": 0 },
            "description": "By partition of the topic, the first offset that may not be in the view.",
        },
    })
}

/// An answer with these members beside what every answer has.
fn answer(members: Value) -> Value {
    let mut properties = freshness();
    properties["stale"] =
        json!({ "type": "boolean", "description": "A token was given, and the answer is not that fresh." });
    let Value::Object(members) = members else { return properties };
    properties.as_object_mut().expect("it was made as one").extend(members);
    let required: Vec<String> = properties.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

fn common_schemas() -> Map<String, Value> {
    let mut listed = freshness();
    for name in ["name", "about", "projection"] {
        listed[name] = json!({ "type": "string" });
    }
    let required: Vec<String> = listed.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    listed["boards"] =
        json!({ "type": "array", "items": { "type": "string" }, "description": "Its leaderboards." });
    let listed = json!({ "type": "object", "required": required, "properties": listed, "additionalProperties": false });
    let place = json!({
        "type": "object", "required": ["aggregate_id", "score"], "additionalProperties": false,
        "properties": { "aggregate_id": uuid(), "score": { "type": "integer", "format": "int64" } },
    });
    Map::from_iter([
        ("Problem".to_owned(), schema::problem()),
        (
            "Views".to_owned(),
            json!({
                "type": "object", "required": ["views"], "additionalProperties": false,
                "properties": { "views": { "type": "array", "items": listed } },
            }),
        ),
        ("Places".to_owned(), answer(json!({ "places": { "type": "array", "items": place } }))),
    ])
}

fn row_schema(view: &View) -> Value {
    match &view.source {
        Source::Table(relation) | Source::Totals { totals: relation, .. } => {
            let properties: Map<_, _> =
                relation.columns().map(|column| (column.name.clone(), column_schema(column))).collect();
            json!({ "type": "object", "description": view.about, "properties": properties, "additionalProperties": false })
        }
        Source::Documents { .. } => json!({ "type": "object", "description": view.about }),
    }
}

fn column_schema(column: &RelationColumn) -> Value {
    let (kind, format) = match column.kind() {
        Kind::Text => ("string", None),
        Kind::Integer => ("integer", Some("int64")),
        Kind::Number => ("number", None),
        Kind::Boolean => ("boolean", None),
        Kind::Uuid => ("string", Some("uuid")),
        Kind::Time => ("string", Some("date-time")),
        Kind::Other => return json!({ "description": column.about }),
    };
    let kind = if column.is_set { json!(kind) } else { json!([kind, "null"]) };
    let mut schema = json!({ "type": kind, "description": column.about });
    if let Some(format) = format {
        schema["format"] = format.into();
    }
    schema
}

fn parameters() -> Value {
    let query = |name: &str, about: &str, schema: Value| json!({ "name": name, "in": "query", "required": false, "description": about, "schema": schema });
    let header = |name: &str, about: &str| json!({ "name": name, "in": "header", "required": false, "description": about, "schema": { "type": "string" } });
    json!({
        "id": { "name": "id", "in": "path", "required": true, "description": "Which aggregate.", "schema": uuid() },
        "token": query(
            "token",
            "What a command answered in `millrace-token`. The answer is at least as fresh, or says that it is stale.",
            json!({ "type": "string", "pattern": "^[^/]+/[0-9a-f-]{36}/(0|[1-9][0-9]*)$" }),
        ),
        "wait_ms": query("wait_ms", "How long to wait for that, in milliseconds; 1000 where nothing is said.", json!({ "type": "integer", "minimum": 0 })),
        "limit": query("limit", "Most rows; 100 where nothing is said.", json!({ "type": "integer", "minimum": 1 })),
        "sort": query("sort", "Columns with a comma between them, `-` before those whose greatest value comes first. Rows without a value come last.", json!({ "type": "string" })),
        "cursor": query("cursor", "What the page before ended with, in `next`.", json!({ "type": "string" })),
        "fields": query("fields", "The columns to show, with a comma between them.", json!({ "type": "string" })),
        "last_event_id": query("last_event_id", "As the header `Last-Event-ID`, which wins.", json!({ "type": "string" })),
        "only-id": query("id", "The only aggregate to be told of.", uuid()),
        LAST_EVENT_ID.as_str(): header(LAST_EVENT_ID.as_str(), "The last `id` that a stream of this view sent: go on after it."),
        "if-none-match": header("if-none-match", "The tag of what is known already: 304 where nothing else could be answered."),
        CORRELATION_ID.as_str(): header(CORRELATION_ID.as_str(), "Names the request; made here where it is left out, and always answered."),
        TRACEPARENT.as_str(): header(TRACEPARENT.as_str(), "The trace that the request belongs to (W3C Trace Context)."),
    })
}

fn headers() -> Value {
    let text = |about: &str| json!({ "description": about, "schema": { "type": "string" } });
    json!({
        "etag": text("Tells what is answered from what else could be."),
        AS_OF.as_str(): text("As `as_of`."),
        STALE.as_str(): text("As `stale`; only where it is true."),
        CORRELATION_ID.as_str(): text("The request's, as given or as made here."),
        "retry-after": text("After how many seconds it makes sense to try again."),
    })
}

fn get(summary: &str, id: &str, parameters: Vec<Value>, schema: Value) -> Value {
    json!({ "get": {
        "summary": summary, "operationId": id, "parameters": parameters,
        "responses": {
            "200": {
                "description": "What was read.",
                "headers": answered(&["etag", AS_OF.as_str(), STALE.as_str(), CORRELATION_ID.as_str()]),
                "content": { "application/json": { "schema": schema } },
            },
            "304": { "description": "Nothing new.", "headers": answered(&["etag", AS_OF.as_str(), STALE.as_str()]) },
            "default": reference("responses", "problem"),
        },
    }})
}

fn named(names: &[&str]) -> Vec<Value> {
    let headers = [header::IF_NONE_MATCH, CORRELATION_ID, TRACEPARENT];
    let names = names.iter().copied().chain(headers.iter().map(HeaderName::as_str));
    names.map(|name| reference("parameters", name)).collect()
}

fn common_paths() -> Map<String, Value> {
    let page = json!({ "200": { "description": "A table.", "content": { "text/markdown": { "schema": { "type": "string" } } } } });
    let problems = json!({ "summary": "All problems there can be", "security": [], "responses": page });
    Map::from_iter([
        (
            "/v1/views".to_owned(),
            json!({ "get": {
                "summary": "All views, and how fresh each is", "operationId": "views",
                "responses": {
                    "200": { "description": "The views.", "content": { "application/json": { "schema": reference("schemas", "Views") } } },
                    "default": reference("responses", "problem"),
                },
            }}),
        ),
        ("/problems".to_owned(), json!({ "get": problems })),
        (
            "/openapi.json".to_owned(),
            json!({ "get": {
                "summary": "This document", "security": [],
                "responses": { "200": { "description": "OpenAPI 3.1.", "content": { "application/json": { "schema": { "type": "object" } } } } },
            }}),
        ),
    ])
}

fn paths_of(view: &View) -> Map<String, Value> {
    let (name, row) = (view.name, reference("schemas", &schema_name(view)));
    let page = |relation: &Relation| {
        let mut parameters = named(&["sort", "limit", "cursor", "fields", "token", "wait_ms"]);
        parameters.extend(relation.columns().filter(|column| column.kind() != Kind::Other).map(filter));
        let rows = answer(json!({
            "rows": { "type": "array", "items": row.clone() },
            "next": { "type": ["string", "null"], "description": "`cursor` of the next page; null on the last." },
        }));
        get(&format!("{}: page by page", view.about), &format!("{name}-page"), parameters, rows)
    };
    let one = || {
        let version = json!({ "type": "integer", "format": "int64", "minimum": 1 });
        let members = answer(json!({ "version": version, "row": row.clone() }));
        get(
            &format!("{}: one of them", view.about),
            &format!("{name}-row"),
            named(&["id", "token", "wait_ms"]),
            members,
        )
    };
    let (all, single) = (format!("/v1/views/{name}"), format!("/v1/views/{name}/{{id}}"));
    let changes = (format!("/v1/views/{name}/changes"), changes(view));
    match &view.source {
        Source::Table(relation) => Map::from_iter([(all, page(relation)), (single, one()), changes]),
        Source::Totals { totals, .. } => Map::from_iter([(all, page(totals))]),
        Source::Documents { boards, .. } => {
            let mut paths = Map::from_iter([(single, one()), changes]);
            for board in *boards {
                let about = format!("{}: the first of the leaderboard {board}", view.about);
                let first = get(
                    &about,
                    &format!("{name}-{board}"),
                    named(&["limit", "token", "wait_ms"]),
                    reference("schemas", "Places"),
                );
                paths.insert(format!("/v1/views/{name}/boards/{board}"), first);
            }
            paths
        }
    }
}

/// The stream of what changes in a view.
fn changes(view: &View) -> Value {
    let about = "Server-sent events. `begin`, the first of a stream that resumes none, tells where it begins: a page that is read after it and \
         the stream together miss nothing. `row` (`id`, `version`, `row`) and `deleted` (`id`, `version`) tell what a row is that \
         changed, in the order of its versions, each change at least once; several changes may be one event. `reset` (`reason`) says \
         that changes cannot be told: read the view anew. The `id` of the last event that has one, given back, resumes the stream \
         after it. A comment comes every 15 seconds of silence, where need be with an `id`. A stream ends with its token, when its \
         client is too slow, and when the API or the view changes; resume it.";
    let headers = [LAST_EVENT_ID, CORRELATION_ID, TRACEPARENT];
    let names = ["last_event_id", "only-id"].into_iter().chain(headers.iter().map(HeaderName::as_str));
    let parameters: Vec<_> = names.map(|name| reference("parameters", name)).collect();
    json!({ "get": {
        "summary": format!("{}: what changes, as it does", view.about), "operationId": format!("{}-changes", view.name),
        "description": about, "parameters": parameters,
        "responses": {
            "200": {
                "description": "The stream.", "headers": answered(&[CORRELATION_ID.as_str()]),
                "content": { "text/event-stream": { "schema": { "type": "string" } } },
            },
            "default": reference("responses", "problem"),
        },
    }})
}

/// The filter of one column; the tests other than equality are told of in its words.
fn filter(column: &RelationColumn) -> Value {
    let about = format!(
        "{} Equal to this; `{name}.ne`, `.lt`, `.lte`, `.gt`, `.gte`, `.in` (values with a comma between them) and `.null` (true or false) test otherwise.",
        column.about,
        name = column.name,
    );
    json!({ "name": column.name, "in": "query", "required": false, "description": about.trim_start(), "schema": { "type": "string" } })
}
