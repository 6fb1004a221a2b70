//! Every kind of bad input we know of, as one table: each row gives exactly its problem document, and nothing is stored.

use http_api::problem::Kind;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::{World, answer, call, start};

/// What is sent, and what must come back.
struct Row {
    what: &'static str,
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    kind: Kind,
    detail: &'static str,
    /// Members beside those of every problem.
    members: Value,
}

const ID: &str = "0192f0c1-2345-7abc-8def-0123456789ab";

fn command(
    what: &'static str,
    body: impl Into<Vec<u8>>,
    kind: Kind,
    field: &str,
    detail: &'static str,
) -> Row {
    Row {
        what,
        method: Method::POST,
        path: format!("/v1/executions/{ID}/commands"),
        headers: vec![("content-type", "application/json".to_owned())],
        body: body.into(),
        kind,
        detail,
        members: json!({ "field": field }),
    }
}

fn malformed(what: &'static str, body: impl Into<Vec<u8>>, field: &str, detail: &'static str) -> Row {
    command(what, body, Kind::MalformedJson, field, detail)
}

/// A start whose field is spelled like this.
fn spelled(what: &'static str, field: &str, number: &str, detail: &'static str) -> Row {
    let mut body = start();
    body[field] = json!("?");
    let body = body.to_string().replace("\"?\"", number);
    command(what, body, Kind::InvalidCommand, &format!("/{field}"), detail)
}

/// A start whose field has another value.
fn started(what: &'static str, field: &str, value: Value, detail: &'static str) -> Row {
    let mut body = start();
    body[field] = value;
    command(what, body.to_string(), Kind::InvalidCommand, &format!("/{field}"), detail)
}

fn headed(what: &'static str, name: &'static str, value: &str, kind: Kind, detail: &'static str) -> Row {
    let mut row = command(what, start().to_string(), kind, "", detail);
    row.headers.retain(|(it, _)| *it != name);
    row.headers.push((name, value.to_owned()));
    row.members = if kind == Kind::InvalidParameter { json!({ "parameter": name }) } else { json!({}) };
    row
}

fn at(
    what: &'static str,
    method: Method,
    path: &str,
    kind: Kind,
    detail: &'static str,
    parameter: &str,
) -> Row {
    let mut row = command(what, start().to_string(), kind, "", detail);
    (row.method, row.path) = (method, path.to_owned());
    row.members = if parameter.is_empty() { json!({}) } else { json!({ "parameter": parameter }) };
    row
}

fn batch(what: &'static str, body: Value, kind: Kind, field: &str, detail: &'static str) -> Row {
    let mut row = command(what, body.to_string(), kind, field, detail);
    row.path = "/v1/batches".to_owned();
    row
}

fn to(id: &str, command: Value) -> Value {
    json!({ "aggregate": "executions", "id": id, "command": command })
}

fn rows() -> Vec<Row> {
    [json_rows(), field_rows(), header_rows(), path_rows(), batch_rows()].into_iter().flatten().collect()
}

fn json_rows() -> Vec<Row> {
    vec![
        malformed("no body", "", "", "EOF while parsing a value at line 1 column 0"),
        malformed("half a body", r#"{"type":"#, "/type", "EOF while parsing a value at line 1 column 8"),
        malformed("trailing data", "{} {}", "", "trailing characters at line 1 column 4"),
        malformed("a byte order mark", "\u{feff}{}", "", "expected value at line 1 column 1"),
        malformed(
            "invalid UTF-8",
            b"{\"task\":\"\xff\"}".as_slice(),
            "/task",
            "invalid unicode code point at line 1 column 10",
        ),
        malformed(
            "a lone surrogate",
            r#"{"task":"\ud800"}"#,
            "/task",
            "unexpected end of hex escape at line 1 column 16",
        ),
        malformed(
            "a NUL",
            r#"{"task":"a\u0000b"}"#,
            "/task",
            "a text with a NUL cannot be stored at line 1 column 18",
        ),
        malformed("a name twice", r#"{"task":"a","task":"b"}"#, "/task", "given twice at line 1 column 18"),
        malformed("1e400", r#"{"step":1e400}"#, "/step", "number out of range at line 1 column 13"),
        malformed("NaN", r#"{"step":NaN}"#, "/step", "expected value at line 1 column 9"),
        malformed(
            "10 000 deep",
            "[".repeat(10_000),
            &"/0".repeat(16),
            "nested more than 16 deep at line 1 column 17",
        ),
        malformed(
            "a hundred thousand deep",
            r#"{"a":"#.repeat(100_000),
            &"/a".repeat(16),
            "nested more than 16 deep at line 1 column 81",
        ),
        malformed(
            "more values than anybody needs",
            format!("[{}0]", "0,".repeat(100_000)),
            "/19999",
            "more than 20000 values at line 1 column 39999",
        ),
        Row {
            members: json!({}),
            ..command(
                "10 MB",
                vec![b' '; 10_000_000],
                Kind::PayloadTooLarge,
                "",
                "a body has at most 1048576 bytes",
            )
        },
    ]
}

fn field_rows() -> Vec<Row> {
    vec![
        command("no object", "[]", Kind::InvalidCommand, "", "a command is a JSON object"),
        command("no type", "{}", Kind::InvalidCommand, "/type", "missing field `type`"),
        command(
            "a field missing",
            r#"{"type":"CancelExecution"}"#,
            Kind::InvalidCommand,
            "/reason",
            "missing field `reason`",
        ),
        started(
            "an unknown field",
            "colour",
            json!("red"),
            "unknown field `colour`, expected one of `execution_id`, `occurred_at`, `workflow_id`, `task`, `repository`, `model`, `agent`, `prompt_id`, `prompt_version`, `step_limit`, `cost_limit_nano_usd`, `requested_by`",
        ),
        started(
            "another command",
            "type",
            json!("DropTable"),
            "unknown variant `DropTable`, expected one of `StartExecution`, `RecordModelCall`, `RecordToolUse`, `CompleteExecution`, `FailExecution`, `CancelExecution`, `JudgeExecution`",
        ),
        started("a number for a text", "task", json!(1), "invalid type: integer `1`, expected a string"),
        started(
            "a float for a whole number",
            "step_limit",
            json!(1.5),
            "invalid type: floating point `1.5`, expected i32",
        ),
        started(
            "a whole number written as a float",
            "step_limit",
            json!(1.0),
            "invalid type: floating point `1.0`, expected i32",
        ),
        started(
            "more than 32 bits",
            "step_limit",
            json!(2_147_483_648_u64),
            "invalid value: integer `2147483648`, expected i32",
        ),
        started("a text for a number", "step_limit", json!("1"), "invalid type: string \"1\", expected i32"),
        started(
            "money beyond 64 bits",
            "cost_limit_nano_usd",
            json!(u64::MAX),
            "invalid value: integer `18446744073709551615`, expected i64",
        ),
        started(
            "money as a decimal",
            "cost_limit_nano_usd",
            json!(0.1),
            "invalid type: floating point `0.1`, expected i64",
        ),
        spelled("minus zero", "step_limit", "-0", "invalid type: floating point `-0.0`, expected i32"),
        spelled(
            "money with forty decimals",
            "cost_limit_nano_usd",
            "0.1234567890123456789012345678901234567890",
            "invalid type: floating point `0.12345678901234568`, expected i64",
        ),
        started(
            "another aggregate's id",
            "execution_id",
            json!(Uuid::nil()),
            "the id is another than the path's; leave it out",
        ),
        started(
            "an id of the wrong kind",
            "workflow_id",
            json!("7"),
            "invalid value: another text, expected a UUID as 36 hyphenated characters",
        ),
        started(
            "an id in upper case",
            "workflow_id",
            json!(ID.to_uppercase()),
            "invalid value: another text, expected a UUID as 36 hyphenated characters",
        ),
        started(
            "a time without a zone",
            "occurred_at",
            json!("2026-11-21T03:46:19"),
            "\"2026-11-21T03:46:19\" is not a UTC time such as 2026-11-21T03:46:19.124788Z, with at most six decimals",
        ),
        started(
            "a time of another zone",
            "occurred_at",
            json!("2026-11-21T03:46:19+01:00"),
            "\"2026-11-21T03:46:19+01:00\" is not a UTC time such as 2026-11-21T03:46:19.124788Z, with at most six decimals",
        ),
        started(
            "a leap second",
            "occurred_at",
            json!("2016-12-31T23:59:60Z"),
            "\"2016-12-31T23:59:60Z\" is not a UTC time such as 2026-11-21T03:46:19.124788Z, with at most six decimals",
        ),
        started(
            "the 30th of February",
            "occurred_at",
            json!("2026-02-30T00:00:00Z"),
            "\"2026-02-30T00:00:00Z\" is not a UTC time such as 2026-11-21T03:46:19.124788Z, with at most six decimals",
        ),
        started(
            "a time as a number",
            "occurred_at",
            json!(0),
            "invalid type: integer `0`, expected a string",
        ),
    ]
}

fn header_rows() -> Vec<Row> {
    let version = "if-match is not one version in quotes, such as \"3\"";
    let json = "the content-type is not application/json in UTF-8";
    let mut rows: Vec<_> =
        ["-1", "\"-1\"", "\"9223372036854775808\"", "3", "*", "W/\"1\"", "\"1\",\"2\"", "\"01\"", "\"x\""]
            .into_iter()
            .map(|value| headed("a version that is none", "if-match", value, Kind::InvalidParameter, version))
            .collect();
    let key = "idempotency-key is not 1 to 255 visible ASCII characters";
    let subject = "millrace-subject is not a data subject's name: letters, digits and -_.: do";
    rows.push(Row {
        members: json!({ "conflicts": [
            { "aggregate_id": ID, "expected": i64::MAX, "actual": 0, "events": [] }
        ]}),
        ..headed(
            "a version far ahead",
            "if-match",
            "\"9223372036854775807\"",
            Kind::VersionConflict,
            "the aggregate is at another version than expected",
        )
    });
    rows.extend([
        headed("an empty key", "idempotency-key", "", Kind::InvalidParameter, key),
        headed("a key of two words", "idempotency-key", "a b", Kind::InvalidParameter, key),
        headed("a key without an end", "idempotency-key", &"k".repeat(256), Kind::InvalidParameter, key),
        headed(
            "an address as subject",
            "millrace-subject",
            "ada@example.org",
            Kind::InvalidParameter,
            subject,
        ),
        headed("a text", "content-type", "text/plain", Kind::UnsupportedMediaType, json),
        headed("UTF-7", "content-type", "application/json; charset=utf-7", Kind::UnsupportedMediaType, json),
        headed(
            "zipped",
            "content-encoding",
            "gzip",
            Kind::UnsupportedMediaType,
            "a content-encoding is not taken",
        ),
        headed(
            "zipped twice",
            "content-encoding",
            "gzip, br",
            Kind::UnsupportedMediaType,
            "a content-encoding is not taken",
        ),
    ]);
    rows
}

fn path_rows() -> Vec<Row> {
    let id = "the id is not a UUID as 36 hyphenated characters in lower case";
    let commands = |id: &str| format!("/v1/executions/{id}/commands");
    let state = |query: &str| format!("/v1/executions/{ID}{query}");
    let mut rows: Vec<_> = [
        "7",
        "%00",
        "..%2f..%2fetc",
        "0192F0C1-2345-7ABC-8DEF-0123456789AB",
        "0192f0c123457abc8def0123456789ab",
        "0192f0c1-2345-7abc-8def-0123456789%D0%B0b",
    ]
    .into_iter()
    .map(|it| at("an id of the wrong kind", Method::POST, &commands(it), Kind::InvalidParameter, id, "id"))
    .collect();
    rows.push(at(
        "an id of 10 KB",
        Method::POST,
        &commands(&"a".repeat(10_000)),
        Kind::InvalidParameter,
        id,
        "id",
    ));
    rows.push(at(
        "a path that is no text",
        Method::POST,
        &commands("%ff"),
        Kind::InvalidParameter,
        "the path cannot be read",
        "id",
    ));
    let number = "a version is a whole number from 1";
    for query in ["?version=0", "?version=-1", "?version=9223372036854775808", "?version=1.0", "?version="] {
        rows.push(at(
            "a version that is none",
            Method::GET,
            &state(query),
            Kind::InvalidParameter,
            number,
            "version",
        ));
    }
    rows.extend([
        at("two moments", Method::GET, &state("?version=1&at=2026-01-01T00:00:00Z"), Kind::InvalidParameter, "give a version or a time, not both", "at"),
        at("another zone", Method::GET, &state("?at=2026-01-01T00:00:00%2B01:00"), Kind::InvalidParameter, "\"2026-01-01T00:00:00+01:00\" is not a UTC time such as 2026-11-21T03:46:19.124788Z, with at most six decimals", "at"),
        at("an unknown parameter", Method::GET, &state("?verzion=1"), Kind::InvalidParameter, "Failed to deserialize query string: verzion: unknown field `verzion`, expected `version` or `at`", "query"),
        at("a parameter twice", Method::GET, &state("?version=1&version=2"), Kind::InvalidParameter, "Failed to deserialize query string: duplicate field `version`", "query"),
        at("an unknown aggregate", Method::GET, &format!("/v1/executions/{ID}"), Kind::NotFound, "there is no such aggregate", ""),
        at("aggregates of no kind", Method::GET, &format!("/v1/unicorns/{ID}"), Kind::NotFound, "there are no aggregates of this name", ""),
        at("no path", Method::GET, "/v2", Kind::NotFound, "there is nothing at this path", ""),
        at("no method", Method::DELETE, &format!("/v1/executions/{ID}"), Kind::MethodNotAllowed, "the path does not know this method", ""),
    ]);
    rows
}

fn batch_rows() -> Vec<Row> {
    let item = || to(ID, start());
    let with = |field: &str, value: Value| {
        let mut item = item();
        item[field] = value;
        json!({ "commands": [item] })
    };
    let million = json!({ "commands": vec![0; 1_000_000] });
    vec![
        batch("no batch", json!({}), Kind::InvalidCommand, "", "missing field `commands`"),
        batch(
            "nothing",
            json!({ "commands": [] }),
            Kind::InvalidCommand,
            "/commands",
            "a batch has at least one command",
        ),
        batch(
            "more than a batch takes",
            json!({ "commands": vec![item(); 101] }),
            Kind::PayloadTooLarge,
            "/commands",
            "a batch has at most 100 commands, not 101",
        ),
        Row {
            members: json!({}),
            ..batch("a million rows", million, Kind::PayloadTooLarge, "", "a body has at most 1048576 bytes")
        },
        batch(
            "version -1",
            with("expected_version", json!(-1)),
            Kind::InvalidCommand,
            "/commands/0/expected_version",
            "invalid value: integer `-1`, expected u64",
        ),
        batch(
            "version 2^63",
            with("expected_version", json!(1_u64 << 63)),
            Kind::InvalidCommand,
            "/commands/0/expected_version",
            "no version is as large as that",
        ),
        batch(
            "a version as text",
            with("expected_version", json!("1")),
            Kind::InvalidCommand,
            "/commands/0/expected_version",
            "invalid type: string \"1\", expected u64",
        ),
        batch(
            "an id of the wrong kind",
            with("id", json!("7")),
            Kind::InvalidCommand,
            "/commands/0/id",
            "the id is not a UUID as 36 hyphenated characters in lower case",
        ),
        batch(
            "no such aggregates",
            with("aggregate", json!("unicorns")),
            Kind::NotFound,
            "/commands/0/aggregate",
            "there are no aggregates of this name",
        ),
        batch(
            "an unknown field",
            with("colour", json!(1)),
            Kind::InvalidCommand,
            "/commands/0/colour",
            "unknown field `colour`, expected one of `aggregate`, `id`, `expected_version`, `command`",
        ),
        batch(
            "a bad command among good ones",
            json!({ "commands": [item(), to(ID, json!({ "type": "CancelExecution" }))] }),
            Kind::InvalidCommand,
            "/commands/1/command/reason",
            "missing field `reason`",
        ),
        batch(
            "no list",
            json!({ "commands": 7 }),
            Kind::InvalidCommand,
            "/commands",
            "invalid type: integer `7`, expected a sequence",
        ),
    ]
}

#[tokio::test]
async fn every_bad_input_gives_its_problem_and_stores_nothing() {
    let world = World::new().await;
    let before = world.digest().await;
    let (mut wrong, described) = (Vec::new(), crate::description::validator("Problem"));
    for row in rows() {
        let request = world.bare(row.method, &row.path).header("correlation-id", "c-1");
        let token = world.token("acme", http_api::auth::Role::Writer);
        let request =
            row.headers.iter().fold(request.bearer_auth(token), |it, (name, value)| it.header(*name, value));
        let answer = answer(request.body(row.body)).await;
        let mut expected = row.members;
        expected["type"] = json!(format!("/problems/{}", row.kind.slug()));
        expected["title"] = json!(row.kind.title());
        expected["status"] = json!(row.kind.status().as_u16());
        expected["detail"] = json!(row.detail);
        expected["correlation_id"] = json!("c-1");
        if let Err(error) = described.validate(&answer.json()) {
            wrong.push(format!("{}: the description does not know it: {error}", row.what));
        }
        if answer.json() != expected || answer.header("content-type") != "application/problem+json" {
            wrong.push(format!("{}:\n  expected {expected}\n  found    {}", row.what, answer.body));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(world.digest().await, before);
}

#[tokio::test]
async fn two_to_the_53rd_and_one_is_kept_exactly() {
    let (world, id) = (World::new().await, Uuid::now_v7());
    world.command(id, &start()).await;
    let mut exact = call(1);
    exact["thought_bytes"] = json!(9_007_199_254_740_993_i64);
    assert_eq!(world.command(id, &exact).await.version(), 2);
    let query = "select event_data->>'thought_bytes' from event_store where version = 2";
    let auditor = sqlx::PgPool::connect(&world.database.url("auditor")).await.unwrap();
    let stored: String = sqlx::query_scalar(query).fetch_one(&auditor).await.unwrap();
    assert_eq!(stored, "9007199254740993");
}
