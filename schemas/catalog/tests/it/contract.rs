//! What a real registry answers, in its own words and numbers, and what the client makes of it: every distinction that
//! the client draws is drawn by the registry too.

use events::{DomainEvent, ExecutionEvent};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use wire::{Decoder, Registry, RegistryConfig, RegistryError, WriterSchema};

fn url() -> &'static str {
    testkit::stack().registry_url().trim_end_matches('/')
}

fn registry() -> Registry {
    Registry::new(&RegistryConfig::at(url())).unwrap()
}

/// Status, error code and the whole answer.
async fn asked(method: Method, path: &str, body: Option<Value>) -> (u16, u64, Value) {
    let http = Client::builder().no_proxy().build().unwrap();
    let mut request = http.request(method, format!("{}/{path}", url()));
    if let Some(body) = body {
        request =
            request.header("content-type", "application/vnd.schemaregistry.v1+json").body(body.to_string());
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let said: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default();
    (status, said["error_code"].as_u64().unwrap_or_default(), said)
}

async fn refused(method: Method, path: &str, body: Option<Value>) -> (u16, u64) {
    let (status, code, _) = asked(method, path, body).await;
    (status, code)
}

fn version(record: &str, fields: &str) -> String {
    format!(
        r#"{{"type": "record", "name": "{record}", "namespace": "it", "doc": "A test.", "fields": [
            {{"name": "id", "type": "string"}}{fields}]}}"#
    )
}

fn body(schema: &str) -> Option<Value> {
    Some(json!({ "schema": schema, "schemaType": "AVRO" }))
}

#[tokio::test]
async fn what_is_not_there_is_said_with_the_codes_that_the_client_takes_for_final() {
    let (subject, other) = (testkit::unique("it-contract"), testkit::unique("it-contract"));
    let (known, unknown) = (version("Known", ""), version("Unknown", ""));
    registry().register(&subject, &known).await.unwrap();

    // An id that nobody gave out.
    assert_eq!(refused(Method::GET, "schemas/ids/2147483647", None).await, (404, 40403));
    assert!(matches!(registry().schema(2_147_483_647).await, Err(RegistryError::NotFound { .. })));
    // Ids that the wire can say and no registry gives out.
    for id in [0, u32::MAX] {
        let error = registry().schema(id).await.unwrap_err();
        assert!(matches!(error, RegistryError::NotFound { .. }), "{id}: {error:?}");
    }
    // A subject that there is not, and one without this schema.
    assert_eq!(refused(Method::POST, &format!("subjects/{other}"), body(&known)).await, (404, 40401));
    assert_eq!(refused(Method::POST, &format!("subjects/{subject}"), body(&unknown)).await, (404, 40403));
    for (subject, schema) in [(&other, &known), (&subject, &unknown)] {
        let error = registry().id_of(subject, schema).await.unwrap_err();
        assert!(matches!(error, RegistryError::NotRegistered { .. }), "{error:?}");
    }
    // Versions.
    assert_eq!(refused(Method::GET, &format!("subjects/{other}/versions"), None).await, (404, 40401));
    assert_eq!(refused(Method::GET, &format!("subjects/{subject}/versions/99"), None).await, (404, 40402));
    assert_eq!(registry().versions(&other).await.unwrap(), []);
    assert_eq!(registry().versions(&subject).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_wrong_is_said_with_the_codes_that_the_client_takes_for_final() {
    catalog::publish::<ExecutionEvent>(&registry()).await.unwrap(); // sets the rule
    let subject = testkit::unique("it-contract");
    let path = format!("subjects/{subject}/versions");
    registry().register(&subject, &version("R", "")).await.unwrap();

    let broken = version("R", r#", {"name": "must", "type": "int"}"#);
    assert_eq!(refused(Method::POST, &path, body(&broken)).await, (409, 409));
    let error = registry().register(&subject, &broken).await.unwrap_err();
    assert!(matches!(&error, RegistryError::Incompatible { reason, .. } if !reason.is_empty()), "{error:?}");

    let nonsense = r#"{"type": "recod"}"#;
    assert_eq!(refused(Method::POST, &path, body(nonsense)).await, (422, 42201));
    for error in [
        registry().register(&subject, nonsense).await.unwrap_err(),
        registry().id_of(&subject, nonsense).await.unwrap_err(),
    ] {
        assert!(!error.is_transient(), "{error:?}");
    }

    let level = Some(json!({ "compatibility": "SIDEWAYS" }));
    assert_eq!(refused(Method::PUT, &format!("config/{subject}"), level).await, (422, 42203));
    // No word of the registry's own: no page of its interface, and for the client trouble that passes.
    let (status, code, _) = asked(Method::GET, "no/such/page", None).await;
    assert!(status == 404 && !(40401..=40403).contains(&code), "{status} {code}");
}

/// The outbox, the topic and the client's memory all hold that an id stands for one schema, for ever and everywhere.
#[tokio::test]
async fn an_id_stands_for_one_text_under_every_subject_and_outlives_them() {
    let (one, two) = (testkit::unique("it-contract"), testkit::unique("it-contract"));
    let text = version(&format!("R{}", one.replace('-', "_")), "");
    let id = registry().register(&one, &text).await.unwrap();
    assert_eq!(registry().register(&one, &text).await.unwrap(), id);
    assert_eq!(registry().register(&two, &text).await.unwrap(), id);
    assert_eq!(registry().id_of(&two, &text).await.unwrap(), id);

    let (status, ..) = asked(Method::DELETE, &format!("subjects/{one}"), None).await;
    assert_eq!(status, 200);
    let error = registry().id_of(&one, &text).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotRegistered { .. }), "{error:?}");
    let given = registry().schema(id).await.unwrap();
    assert_eq!(given.full_name(), WriterSchema::parse(&text).unwrap().full_name());
}

/// A registry may spell a text anew, and leaves alone what payloads depend on.
#[tokio::test]
async fn a_registry_gives_back_the_fields_in_their_order() {
    catalog::publish::<ExecutionEvent>(&registry()).await.unwrap();
    let fields = |text: &str| -> Value {
        let schema: Value = serde_json::from_str(text).unwrap();
        let fields = schema["fields"].as_array().unwrap().iter();
        fields.map(|field| json!([field["name"], field["type"], field.get("default")])).collect()
    };
    for event_type in ExecutionEvent::TYPES {
        let subject = WriterSchema::parse(event_type.schema).unwrap().subject(ExecutionEvent::TOPIC);
        let id = registry().id_of(&subject, event_type.schema).await.unwrap();
        let given = registry().schema(id).await.unwrap();
        assert_eq!(fields(given.text()), fields(event_type.schema), "{subject}");
    }
}

#[tokio::test]
async fn a_forged_id_is_poison_and_a_registry_that_is_away_is_not() {
    let payload = [0, 0x7f, 0xff, 0xff, 0xff, 0];
    let decoder = Decoder::<ExecutionEvent>::new(registry());
    let error = decoder.decode_loading(&payload).await.unwrap_err();
    assert_eq!(error.fault(), wire::Fault::Poison, "{error}");
    let away = Registry::new(&RegistryConfig::at("http://127.0.0.1:1")).unwrap();
    let error = Decoder::<ExecutionEvent>::new(away).decode_loading(&payload).await.unwrap_err();
    assert_eq!(error.fault(), wire::Fault::Transient, "{error}");
}
