use std::time::Instant;

use events::{DomainEvent, ExecutionEvent};
use futures::future::join_all;
use serde_json::json;

use super::stub::{Reply, Stub};
use super::*;
use crate::examples::cancelled;
use crate::{DecodeError, Decoder, Encoder, Fault};

fn schema() -> Reply {
    let cancelled = ExecutionEvent::TYPES.iter().find(|t| t.name == "ExecutionCancelled").unwrap();
    Reply::Says(200, json!({ "schema": cancelled.schema }).to_string())
}

fn not_found() -> Reply {
    Reply::Says(404, json!({ "error_code": 40403, "message": "Schema 7 not found" }).to_string())
}

fn registry(stub: &Stub) -> Registry {
    Registry::new(&RegistryConfig { registry_timeout_ms: 300, ..RegistryConfig::at(&stub.url) }).unwrap()
}

#[tokio::test]
async fn many_cold_callers_cause_one_request() {
    let stub = Stub::new([schema()]).await;
    let registry = registry(&stub);
    let answers = join_all((0..32).map(|_| registry.schema(7))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(stub.requests(), 1);
    assert!(matches!(registry.cached(7), Some(Ok(_))));
    assert!(registry.cached(8).is_none());
}

#[tokio::test]
async fn trouble_that_passes_is_waited_out_and_not_remembered() {
    let in_words = |status| {
        Reply::Says(status, json!({ "error_code": 50001, "message": "forwarding failed" }).to_string())
    };
    for trouble in [
        in_words(500),
        Reply::Says(500, "oops".into()),
        Reply::Says(504, String::new()),
        Reply::Says(503, String::new()),
        Reply::Says(429, String::new()),
        Reply::Says(401, String::new()),
        Reply::Says(404, "<html>no such page</html>".into()), // a proxy, not the registry
        Reply::Says(404, json!({ "error_code": 404, "message": "HTTP 404" }).to_string()),
        Reply::Says(200, "{}".into()),
        Reply::Says(200, "<html>please log in</html>".into()),
        Reply::BreaksOff(json!({ "schema": "\"string\"" }).to_string()),
        Reply::Hangs,
    ] {
        let stub = Stub::new([trouble, schema()]).await;
        let registry = registry(&stub);
        assert!(registry.schema(7).await.is_ok());
        assert_eq!(stub.requests(), 2);
    }
}

#[tokio::test]
async fn trouble_that_stays_is_given_to_the_caller_at_the_deadline_and_not_remembered() {
    let stub = Stub::new([Reply::Says(503, String::new())]).await;
    let registry = registry(&stub);
    let error = registry.schema(7).await.unwrap_err();
    assert!(error.is_transient() && stub.requests() > 1, "{error}, {} requests", stub.requests());
    assert!(registry.cached(7).is_none());
}

#[tokio::test]
async fn a_redirect_is_followed_and_one_that_leads_nowhere_is_trouble_that_passes() {
    let there = Stub::new([schema()]).await;
    let here = Stub::new([Reply::Redirects(format!("{}/schemas/ids/7", there.url))]).await;
    assert!(registry(&here).schema(7).await.is_ok());
    assert_eq!((here.requests(), there.requests()), (1, 1));
    let circle = Stub::new([Reply::Redirects("/again".into())]).await;
    assert!(registry(&circle).schema(7).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn what_the_registry_said_is_there_for_a_start_while_it_is_away() {
    let folder = std::env::temp_dir().join(format!("millrace-registry-{}", std::process::id()));
    let cached = |url: &str| {
        let config = RegistryConfig { registry_timeout_ms: 200, ..RegistryConfig::at(url) };
        Registry::new(&RegistryConfig { registry_cache: Some(folder.clone()), ..config }).unwrap()
    };
    let id = Reply::Says(200, json!({ "id": 7, "version": 1, "schema": "{}" }).to_string());
    let gone = Reply::Says(503, String::new());
    let stub = Stub::new([schema(), id, gone]).await;
    let first = cached(&stub.url);
    let schema = first.schema(7).await.unwrap();
    assert_eq!(first.id_of("s", "{}").await.unwrap(), 7);

    let second = cached(&stub.url);
    assert_eq!(second.schema(7).await.unwrap().text(), schema.text());
    assert_eq!(second.id_of("s", "{}").await.unwrap(), 7);
    assert!(second.schema(8).await.unwrap_err().is_transient(), "what it never said is not there");
    assert!(second.id_of("t", "{}").await.unwrap_err().is_transient());
    let elsewhere = cached("http://127.0.0.1:1");
    assert!(elsewhere.schema(7).await.unwrap_err().is_transient(), "another registry gives other ids");

    for entry in std::fs::read_dir(&folder).unwrap().flatten() {
        std::fs::write(entry.path().join("7.avsc"), "half a sch").unwrap();
    }
    assert!(cached(&stub.url).schema(7).await.unwrap_err().is_transient(), "a damaged copy is no schema");
    let known = Stub::new([not_found()]).await;
    assert!(matches!(cached(&known.url).schema(7).await, Err(RegistryError::NotFound { id: 7 })));
    std::fs::remove_dir_all(&folder).unwrap();
    let refused = RegistryConfig { registry_cache: Some("/proc/no".into()), ..RegistryConfig::at(&stub.url) };
    assert!(matches!(Registry::new(&refused), Err(RegistryError::Cache { .. })));
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_trouble_that_passes() {
    let registry = Registry::new(&RegistryConfig::at("http://127.0.0.1:1")).unwrap();
    assert!(registry.schema(7).await.unwrap_err().is_transient());
    assert!(registry.compatibility().await.unwrap_err().is_transient());
    assert!(registry.id_of("s", "{}").await.unwrap_err().is_transient());
}

#[tokio::test]
async fn callers_who_wait_for_a_hanging_registry_share_its_silence() {
    let stub = Stub::new([Reply::Hangs]).await;
    let registry = registry(&stub);
    let begun = Instant::now();
    let answers = join_all((0..16).map(|_| registry.schema(7))).await;
    assert!(answers.iter().all(|answer| answer.as_ref().is_err_and(RegistryError::is_transient)));
    assert!(stub.requests() <= 2, "the attempts of one caller");
    assert!(begun.elapsed() < Duration::from_secs(2), "one time limit, not sixteen");
}

#[tokio::test]
async fn a_caller_who_gives_up_does_not_hold_up_the_others() {
    let stub = Stub::new([Reply::Hangs, schema()]).await;
    let registry = registry(&stub);
    let impatient = tokio::time::timeout(Duration::from_millis(50), registry.schema(7)).await;
    assert!(impatient.is_err());
    assert!(registry.schema(7).await.is_ok());
}

#[tokio::test]
async fn not_found_in_its_own_words_is_believed_for_a_while() {
    let stub = Stub::new([not_found(), schema()]).await;
    let registry = registry(&stub);
    for _ in 0..3 {
        let error = registry.schema(7).await.unwrap_err();
        assert!(matches!(error, RegistryError::NotFound { id: 7 }) && !error.is_transient());
    }
    assert_eq!(stub.requests(), 1);
}

#[tokio::test]
async fn not_found_expires() {
    let stub = Stub::new([not_found(), schema()]).await;
    let config = RegistryConfig::at(&stub.url);
    let registry = Registry::with_refusal_ttl(&config, Duration::ZERO).unwrap();
    assert!(registry.schema(7).await.is_err());
    assert!(registry.cached(7).is_none());
    assert!(registry.schema(7).await.is_ok());
}

#[tokio::test]
async fn schemas_that_no_event_has_are_refused_for_good() {
    for (body, reason) in [
        (json!({ "schema": "syntax = \"proto3\";", "schemaType": "PROTOBUF" }), "not Avro"),
        (
            json!({ "schema": "\"x\"", "references": [{ "name": "x.C", "subject": "c", "version": 1 }] }),
            "self-contained",
        ),
        (json!({ "schema": "\"string\"" }), "not of a record"),
        (json!({ "schema": "{" }), "no JSON"),
    ] {
        let stub = Stub::new([Reply::Says(200, body.to_string())]).await;
        let error = registry(&stub).schema(7).await.unwrap_err();
        assert!(!error.is_transient());
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[tokio::test]
async fn absurd_schemas_are_refused_for_good_and_by_their_id() {
    let record = |name: &str, kind: &str| {
        format!(
            r#"{{"type": "record", "name": "{name}", "namespace": "n", "fields": [{{"name": "f", "type": {kind}}}]}}"#
        )
    };
    let deep =
        (0..60).fold(r#""int""#.to_owned(), |inner, _| format!(r#"{{"type": "array", "items": {inner}}}"#));
    let cyclic = record("R", r#"{"type": "record", "name": "S", "fields": [{"name": "f", "type": "R"}]}"#);
    for (text, reason) in [
        (record("R", &deep), "nested more than 24 levels"),
        ("[".repeat(5_000), "no JSON"),
        (record(&"R".repeat(1_000_000), r#""int""#), "bytes; at most 262144"),
        (record(&"R".repeat(1_000), r#""int""#), "a name of 1000 bytes"),
        (record("R", r#""R""#), "always containing itself"),
        (cyclic, "always containing itself"),
        (record("R", r#"{"type": "array", "items": "null"}"#), "null that is not a branch"),
        (record("R", r#"{"type": "fixed", "name": "F", "size": 18446744073709551616}"#), "fixed of no bytes"),
        (record("R", r#""Nobody""#), "no Avro"),
    ] {
        let stub = Stub::new([Reply::Says(200, json!({ "schema": text }).to_string())]).await;
        let decoder = Decoder::<ExecutionEvent>::new(registry(&stub));
        for _ in 0..2 {
            let error = decoder.decode_loading(&[0, 0, 0, 0, 7, 0]).await.unwrap_err();
            assert!(matches!(error, DecodeError::SchemaUnusable { id: 7, .. }), "{error:?}");
            assert_eq!(error.fault(), Fault::Poison);
            let said = error.to_string();
            assert!(said.starts_with("schema 7 cannot be used: ") && said.contains(reason), "{said}");
            assert!(said.len() < 500, "{said}");
        }
        assert_eq!(stub.requests(), 1);
    }
}

#[tokio::test]
async fn forged_ids_do_not_fill_the_memory() {
    let stub = Stub::new([not_found()]).await;
    let registry = registry(&stub);
    for id in 0..u32::try_from(SCHEMAS_MAX.get()).unwrap() + 10 {
        assert!(registry.schema(id).await.is_err());
    }
    assert!(registry.cached(0).is_none(), "the oldest had to go");
}

#[tokio::test]
async fn decoding_waits_for_the_schema_and_tells_trouble_from_poison() {
    let encoder = Encoder::<ExecutionEvent>::with_ids(7 - 5).unwrap(); // ExecutionCancelled has id 7
    let payload = encoder.encode(&cancelled()).unwrap();
    assert_eq!(crate::schema_id(&payload), Some(7));

    let silent = [Reply::Hangs, Reply::Hangs, schema()];
    let decoder = Decoder::<ExecutionEvent>::new(registry(&Stub::new(silent).await));
    assert!(matches!(crate::Decode::decode(&decoder, &payload), Err(DecodeError::SchemaNotLoaded(7))));
    assert_eq!(decoder.decode_loading(&payload).await.unwrap_err().fault(), Fault::Transient);
    assert_eq!(decoder.decode_loading(&payload).await.unwrap(), cancelled());
    assert_eq!(crate::Decode::decode(&decoder, &payload).unwrap(), cancelled());

    let decoder = Decoder::<ExecutionEvent>::new(registry(&Stub::new([not_found()]).await));
    let error = decoder.decode_loading(&payload).await.unwrap_err();
    assert!(matches!(error, DecodeError::SchemaUnknown(7)) && error.fault() == Fault::Poison);
    let error = crate::Decode::decode(&decoder, &payload).unwrap_err();
    assert!(matches!(error, DecodeError::SchemaUnknown(7)), "the refusal is remembered");
}

#[test]
fn an_address_that_cannot_work_is_refused_at_once() {
    for url in ["", "localhost:8081", "ftp://registry", "http://"] {
        assert!(
            matches!(Registry::new(&RegistryConfig::at(url)), Err(RegistryError::Address { .. })),
            "{url}"
        );
    }
}

#[tokio::test]
async fn a_password_in_the_address_is_not_shown() {
    let config = RegistryConfig::at("http://reader:s3cret@127.0.0.1:1/apis");
    let registry = Registry::new(&config).unwrap();
    let error = registry.schema(1).await.unwrap_err();
    let refused = Registry::new(&RegistryConfig::at("ftp://reader:s3cret@registry")).unwrap_err();
    for text in
        [format!("{config:?}{registry:?}"), format!("{error:?}{error}"), format!("{refused:?}{refused}")]
    {
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[tokio::test]
async fn an_error_says_what_happened_down_to_the_socket() {
    let error =
        Registry::new(&RegistryConfig::at("http://127.0.0.1:1")).unwrap().schema(7).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(error.to_string(), "the registry could not give schema 7");
    assert!(
        cause.contains("127.0.0.1:1") && cause.contains("refused") && !cause.contains("retriable"),
        "{cause}"
    );
}

#[test]
fn this_machine_is_reached_without_a_proxy() {
    for (url, local) in [
        ("http://localhost:1", true),
        ("http://127.0.0.9:1", true),
        ("http://[::1]:1", true),
        ("http://registry:1", false),
        ("http://10.0.0.1:1", false),
    ] {
        assert_eq!(is_loopback(&reqwest::Url::parse(url).unwrap()), local, "{url}");
    }
}

#[test]
fn compatibility_levels_are_spelled_as_the_registry_spells_them() {
    assert_eq!(Compatibility::FullTransitive.to_string(), "FULL_TRANSITIVE");
    assert_eq!("BACKWARD".parse(), Ok(Compatibility::Backward));
    assert!("full".parse::<Compatibility>().is_err());
}

#[tokio::test]
async fn what_people_read_is_bounded_like_what_programs_read() {
    let list = r#"{"type": "array", "items": "R"}"#;
    let text = format!(
        r#"{{"type": "record", "name": "R", "namespace": "n", "fields": [{{"name": "n", "type": "int"}}, {{"name": "more", "type": {list}}}]}}"#
    );
    let stub = Stub::new([Reply::Says(200, json!({ "schema": text }).to_string())]).await;
    let registry = registry(&stub);
    let read = async |datum: &[u8]| crate::to_json(&registry, &[&[0, 0, 0, 0, 7], datum].concat()).await;
    assert_eq!(read(&[2, 0]).await.unwrap(), json!({ "n": 1, "more": [] }));
    assert!(matches!(read(&[2, 0, 0]).await, Err(DecodeError::Trailing { bytes: 1, .. })));
    let deep = [2, 2].repeat(1_000);
    let refused = read(&deep).await.unwrap_err();
    assert!(matches!(refused, DecodeError::Datum { id: 7, .. }), "{refused}");
}
